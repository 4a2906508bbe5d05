#!/usr/bin/env python3
"""symbols.py DUMP < OUTPUT: has `smelt symbols` the symbols of modules that crash has, and does it name what crash names?
And does `smelt read --words` say what rd -s says?

OUTPUT is what crash said to the commands that `symbols.py --ask DUMP` prints: sym -m of each module, and sym of some of the kernel's symbols by
name and by an address in them, and rd -s of some memory. Called by crash.sh; prints nothing when all is the same.
"""

import random
import re
import sys

from checks import ask_smelt

#: Names of the kernel, and as many addresses.
SOME = 20
START = re.compile(r'^([0-9a-f]{16}) MODULE START: (\S+)$')
#: What is read as words: a table of functions, a task, and pointers into all of the kernel.
WORDS = {'sys_call_table': 300, 'init_task': 900, 'idt_table': 100, 'kobj_ns_ops_tbl': 16, 'init_uts_ns': 50}
READ = re.compile(r'^([0-9a-f]{16}):  (\S+) +(\S+) *$')
SYMBOL = re.compile(r'^([0-9a-f]{16}) \(.\) (\S+?)(?:\+(\d+))?(?: |$)')


def as_crash_says(name):
    """It leaves out what the compiler put behind a name for one of two reasons."""
    return re.split(r'\.isra\.', name)[0] if '.isra.' in name else re.split(r'\.part\.', name)[0]


def chosen(symbols):
    """Functions of which there is one of a name."""
    names = {}
    for symbol in symbols:
        names.setdefault(symbol['name'], []).append(symbol)
    text = [each[0] for each in names.values() if len(each) == 1 and each[0]['type'] in 'tT' and each[0]['module'] is None]
    text = [symbol for symbol in text if re.fullmatch(r'[a-z]\w+', symbol['name']) and not symbol['name'].startswith('__')]
    return random.Random(1).sample(text, SOME)


def main():
    dump = sys.argv[-1]
    symbols = ask_smelt('symbols', dump)['symbols']
    some = chosen(symbols)
    if sys.argv[1] == '--ask':
        for module in ask_smelt('mods', dump)['modules']:
            print('sym -m', module['name'])
        for symbol in some:
            print('sym', symbol['name'])
            print('sym', format(int(symbol['vaddr'], 16) + 4, 'x'))
        for name, count in WORDS.items():
            print('rd -s', name, count)
        return
    theirs, named, read, module = {}, [], {}, None
    for line in sys.stdin:
        if words := READ.match(line):
            read |= {int(words[1], 16) + 8 * i: words[2 + i] for i in range(2)}
        elif start := START.match(line):
            module = start[2]
            theirs[module] = set()
        elif ' MODULE END: ' in line:
            module = None
        elif found := SYMBOL.match(line):
            if module is not None:
                theirs[module].add((int(found[1], 16), found[2]))
            else:
                named.append((int(found[1], 16), found[2], int(found[3] or 0)))
    ours = {}
    for symbol in symbols:
        # Those for each CPU are offsets, and crash leaves them out.
        if symbol['module'] is not None and int(symbol['vaddr'], 16) >> 63:
            ours.setdefault(symbol['module'], set()).add((int(symbol['vaddr'], 16), as_crash_says(symbol['name'])))
    for module in sorted({*ours, *theirs}):
        differing = ours.get(module, set()) ^ theirs.get(module, set())
        if differing:
            print(f'{len(differing)} symbols of {module} are not in both, among them {sorted(differing)[0]}')
    wanted = [(int(s['vaddr'], 16) + add, s['name'], add) for s in some for add in (0, 4)]
    for one, other in zip(wanted, named):
        if one != other:
            print(f'smelt has {one}, crash {other}')
    if len(named) != len(wanted):
        print(f'crash names {len(named)} of {len(wanted)}')
    check_words(dump, symbols, read)


def check_words(dump, symbols, theirs):
    """What crash shows as hex is that number, and what it shows as a symbol an address of that name."""
    addresses = {}
    for symbol in symbols:
        addresses.setdefault(as_crash_says(symbol['name']), set()).add(int(symbol['vaddr'], 16))
    ours = {}
    for name, count in WORDS.items():
        ours |= {int(word['address'], 16): word for word in ask_smelt('read', '--words', dump, name, str(8 * count))['words']}
    if ours.keys() != theirs.keys():
        print(f'{len(ours.keys() ^ theirs.keys())} words are not in both')
    named = 0
    for address in sorted(ours.keys() & theirs.keys()):
        word, told = ours[address], theirs[address]
        value, (name, _, offset) = int(word['value'], 16), told.partition('+')
        if re.fullmatch('[0-9a-f]{16}', told):
            same = value == int(told, 16) and word['name'] is None
        else:
            # Sections have names in a vmlinux alone.
            known = addresses.get(name, set()) if name[0] != '.' else {value - int(offset or 0)}
            same = value - int(offset or 0) in known and word['name'] is not None
            named += 1
        if not same:
            print(f'smelt has {word} at {address:#x}, crash {told}')
    if not named:
        print('crash names no word')


main()
