#!/usr/bin/env python3
"""ask.py DUMP VMLINUX MODULES: what drgn says of a dump, one JSON list a line, for the checks that hold smelt against it.

MODULES is a file with the paths of modules' debug information, one a line: that of the loaded ones is used. Called by make.sh with Debian sid's python3 and drgn. Nothing of smelt is in here. Each line begins with what it is:

peer     "drgn VERSION", release
system   release, version, nodename, machine, command line, seconds since 1970, seconds since boot, taint
cpu      number, RIP, RSP (of what it ran)
log      sequence number, nanoseconds, level, facility, caller ("T1", "C0"), CRC-32 of the text
task     address, PID, TGID, PPID, CPU, state, a CPU runs it, bytes virtual, bytes resident (both null: kernel thread), comm
place    address in some stack, [names of what begins nearest before it], offset (by the symbol tables of vmlinux and modules)
stack    address of the task, [number of the place, ...] from the innermost frame on, those of inlined functions once
module   address of struct module, name, [[start, size], ...] of its memory, use count
within   module, how many functions it has, and some of them: [[address, name], ...]
symbol   address, name (some functions and data of the kernel)
walk     what is there, virtual address, physical (null: not mapped), CRC-32 of the 64 bytes there (null: not readable)
zone     node, name, first page frame, spanned, present, managed, free, [free blocks by order]
memory   managed pages, free, file, shmem, slab
slab     name, pages
"""

import bisect
import json
import random
import re
import subprocess
import sys
import zlib

import drgn
from drgn import FaultError, SymbolKind
from drgn.helpers.linux.cpumask import for_each_online_cpu
from drgn.helpers.linux.mm import (
    PageSlab, PageTail, compound_order, follow_phys, for_each_valid_pfn_and_page, task_rss, task_vsize, totalram_pages,
)  # fmt: skip
from drgn.helpers.linux.mmzone import for_each_online_pgdat
from drgn.helpers.linux.module import for_each_module, module_address_regions
from drgn.helpers.linux.panic import tainted
from drgn.helpers.linux.percpu import per_cpu
from drgn.helpers.linux.pid import for_each_task
from drgn.helpers.linux.printk import get_printk_records
from drgn.helpers.linux.sched import cpu_curr, idle_task, task_cpu, task_state_to_char
from drgn.helpers.linux.slab import for_each_slab_cache
from drgn.helpers.linux.timekeeping import ktime_get_real_seconds, uptime
from drgn.helpers.linux.vmstat import global_node_page_state, nr_free_pages, zone_page_state

PAGE = 4096
#: How many symbols are told: of the kernel, and of each module.
SYMBOLS, OF_MODULE = 150, 12
READ = 64
#: Text of the kernel and of modules is above.
KERNEL = 0xFFFFFFFF80000000


def tell(*what):
    print(json.dumps(what, separators=(',', ':')))


def text(value):
    return value.string_().decode('utf-8', 'replace')


def system(program):
    name = program['init_uts_ns'].name
    tell('peer', f'drgn {drgn.__version__}', text(name.release))
    tell(
        'system', text(name.release), text(name.version), text(name.nodename), text(name.machine),
        text(program['saved_command_line']).strip(), ktime_get_real_seconds(program).value_(), round(uptime(program), 3), tainted(program),
    )  # fmt: skip


def log(program):
    for record in get_printk_records(program):
        caller = f'T{record.caller_tid}' if record.caller_tid is not None else f'C{record.caller_cpu}'
        tell('log', record.seq, record.timestamp, record.level, record.facility, caller, zlib.crc32(record.text))


def tasks(program, symbols):
    """Idle tasks first; stacks of those that ran by the registers of their CPU."""
    running = {cpu_curr(program, cpu).value_() for cpu in for_each_online_cpu(program)}
    idle = [idle_task(program, cpu) for cpu in for_each_online_cpu(program)]
    stacks = {}
    for task in [*idle, *for_each_task(program)]:
        has_memory = bool(task.mm)
        tell(
            'task', hex(task), task.pid.value_(), task.tgid.value_(), task.real_parent.tgid.value_(), task_cpu(task),
            task_state_to_char(task), task.value_() in running, task_vsize(task) if has_memory else None,
            task_rss(program, task).total * PAGE if has_memory else None, text(task.comm),
        )  # fmt: skip
        # Functions that were inlined have a frame of their own, and so has user space.
        pcs = [frame.pc for frame in program.stack_trace(task) if frame.pc >= KERNEL]
        stacks[task.value_()] = [pc for i, pc in enumerate(pcs) if i == 0 or pcs[i - 1] != pc]
    places = sorted({pc for stack in stacks.values() for pc in stack})
    named = sorted((symbol.address, symbol.name) for symbol in symbols if symbol.address >= KERNEL and symbol.name)
    for pc in places:
        tell('place', hex(pc), *place(named, pc))
    for task, stack in stacks.items():
        tell('stack', hex(task), [places.index(pc) for pc in stack])


def place(symbols, pc):
    """A call may be the last of its function: what it returns to is the next one's."""
    starts = [address for address, _ in symbols]
    nearest = starts[bisect.bisect_left(starts, pc) - 1]
    first, behind = bisect.bisect_left(starts, nearest), bisect.bisect_right(starts, nearest)
    return sorted({name for _, name in symbols[first:behind]}), pc - nearest


def cpus(program):
    for cpu in for_each_online_cpu(program):
        frame = program.stack_trace(cpu_curr(program, cpu))[0]
        tell('cpu', cpu, hex(frame.pc), hex(frame.sp))


def functions(module, path):
    """[address, name] of a module's functions that stay after its start: nm has the names by section, drgn knows where a section lies."""
    lines = subprocess.run(['nm', '--format=sysv', path], capture_output=True, text=True, check=True).stdout.splitlines()
    found = set()
    for fields in (line.split('|') for line in lines):
        if len(fields) == 7 and fields[3].strip() == 'FUNC' and not fields[6].strip().startswith('.init'):
            name, value, section = fields[0].strip(), fields[1].strip(), fields[6].strip()
            found.add((module.section_addresses[section] + int(value, 16), name))
    return sorted(found)


def some(rng, of, count):
    return sorted(rng.sample(of, min(count, len(of))))


def modules(program, paths, rng):
    for module in for_each_module(program):
        ranges = [(hex(start), size) for start, size in module_address_regions(module) if size]
        name = text(module.name)
        tell('module', hex(module), name, ranges, module.refcnt.counter.value_() - 1)
        within = functions(program.linux_kernel_loadable_module(module, create=False), paths[name])
        tell('within', name, len(within), [[hex(address), each] for address, each in some(rng, within, OF_MODULE)])


def kernel_symbols(program, symbols, rng):
    start, end = program.symbol('_stext').address, program.symbol('_end').address
    names = {(s.address, s.name) for s in symbols if start <= s.address < end and s.kind in (SymbolKind.FUNC, SymbolKind.OBJECT)}
    # What is gone after the start, and what the compiler numbers, is in no table.
    init = (program.symbol('__init_begin').address, program.symbol('__init_end').address)
    names = [each for each in sorted(names) if not init[0] <= each[0] < init[1] and re.fullmatch(r'\w+', each[1])]
    for address, name in some(rng, names, SYMBOLS):
        tell('symbol', hex(address), name)


def walks(program, places):
    init_mm = program['init_mm'].address_of_()
    for what, address in places:
        try:
            paddr = follow_phys(init_mm, address).value_()
        except FaultError:
            paddr = None
        try:
            crc = zlib.crc32(program.read(address, READ))
        except FaultError:
            crc = None
        tell('walk', what, hex(address), paddr, crc)


def interesting(program):
    """Of the image, the direct map, vmalloc, the memory map; and what is not mapped."""
    every = list(for_each_task(program))
    first = next(iter(for_each_module(program)))
    yield 'init_task', program['init_task'].address_of_().value_()
    yield 'linux_banner', program['linux_banner'].address_of_().value_()
    yield 'schedule', program.symbol('schedule').address
    yield 'a task', every[len(every) // 2].value_()
    yield 'another', every[-1].value_()
    yield 'a stack', every[len(every) // 2].stack.value_() + 0x3FC0
    yield 'a module', first.value_()
    yield 'its text', module_address_regions(first)[0][0] + 0x40
    yield 'CPU 0', per_cpu(program['runqueues'], 0).address_of_().value_()
    yield 'CPU 1', per_cpu(program['runqueues'], 1).address_of_().value_()
    yield 'a struct page', program['vmemmap_base'].value_() + 0x1234 * program.type('struct page').size
    yield 'cpu_entry_area', 0xFFFFFE0000001000
    yield 'a hole', 0xFFFFFFFFFFFFF000


def memory(program):
    for node, pgdat in enumerate(for_each_online_pgdat(program)):
        for zone in pgdat.node_zones:
            if zone.spanned_pages:
                tell(
                    'zone', node, text(zone.name), zone.zone_start_pfn.value_(), zone.spanned_pages.value_(), zone.present_pages.value_(),
                    zone.managed_pages.counter.value_(), zone_page_state(zone, program.constant('NR_FREE_PAGES')),
                    [area.nr_free.value_() for area in zone.free_area],
                )  # fmt: skip
    state = lambda *names: sum(global_node_page_state(program, program.constant(name)) for name in names)  # noqa: E731
    tell('memory', totalram_pages(program), nr_free_pages(program), state('NR_FILE_PAGES'), state('NR_SHMEM'), state('NR_SLAB_RECLAIMABLE_B', 'NR_SLAB_UNRECLAIMABLE_B'))
    caches = {cache.value_(): text(cache.name) for cache in for_each_slab_cache(program)}
    for name, pages in sorted(slabs(program, caches).items()):
        tell('slab', name, pages)


def slabs(program, caches):
    """Page by page: a cache counts its slabs, but not how large each is."""
    try:
        kind = program.type('struct slab *')
    except LookupError:
        kind = program.type('struct page *')
    found = {}
    for _, page in for_each_valid_pfn_and_page(program):
        try:
            if PageTail(page) or not PageSlab(page):
                continue
        except FaultError:
            continue
        name = caches[drgn.cast(kind, page).slab_cache.value_()]
        found[name] = found.get(name, 0) + (1 << compound_order(page).value_())
    return found


def main():
    dump, vmlinux, modules_file = sys.argv[1:]
    program = drgn.Program()
    program.set_core_dump(dump)
    program.load_debug_info([vmlinux])
    with open(modules_file) as file:
        paths = {path.split('/')[-1].split('.ko')[0].replace('-', '_'): path for path in file.read().split('\n')}
    loaded = {name: paths[name] for name in (text(module.name) for module in for_each_module(program))}
    program.load_debug_info(list(loaded.values()))
    rng = random.Random(9)
    symbols = program.symbols()
    system(program)
    cpus(program)
    log(program)
    tasks(program, symbols)
    modules(program, loaded, rng)
    kernel_symbols(program, symbols, rng)
    walks(program, interesting(program))
    memory(program)


main()
