/** A vmlinux with debug information: its symbols and types by name, and what it says as the text of a VMCOREINFO. */

import { archByName, supportedArchitectures } from '../../arch/architectures.ts';
import { SmeltError } from '../../errors.ts';
import { ElfSections } from '../../read/debug/elf-sections.ts';
import { type FoundNames, findNames, type WantedNames } from '../../read/debug/find.ts';
import { findSymbols, type SymbolAddresses } from '../../read/debug/symbols.ts';
import { Turns } from '../../read/debug/turns.ts';
import { type Type, Types } from '../../read/debug/types.ts';
import { DebugUnits } from '../../read/debug/units.ts';
import { parseNotes } from '../../read/notes.ts';
import {
  ENUMERATORS,
  LOCATING_SYMBOLS,
  MEMBER_LENGTHS,
  OFFSETS,
  SIZES,
  SYMBOLS,
  VARIABLE_LENGTHS,
} from './keys.ts';
import { type Constants, pageTypes } from './page-types.ts';

/** Called again and again in long work; may throw to end it. */
export type Look = () => Promise<void>;

/** The text of a VMCOREINFO that a file makes. @throws SmeltError */
export async function vmcoreinfoOf(path: string, look: Look): Promise<string> {
  const vmlinux = await Vmlinux.open(path, look);
  try {
    return await vmlinux.vmcoreinfo(look);
  } finally {
    vmlinux.close();
  }
}

const BANNER = /^Linux version (\S{1,64}) /;
const MAX_BANNER_BYTES = 512;

export class Vmlinux {
  readonly path: string;
  readonly types: Types;
  readonly release: string;
  readonly elf: ElfSections;
  private readonly units: DebugUnits;

  private constructor(elf: ElfSections, units: DebugUnits, release: string) {
    this.path = elf.path;
    this.elf = elf;
    this.units = units;
    this.types = new Types(units);
    this.release = release;
  }

  /** @throws SmeltError where it is no vmlinux with symbols and debug information */
  static async open(path: string, look: Look): Promise<Vmlinux> {
    const elf = ElfSections.open(path);
    try {
      if (archByName(elf.machine) === undefined || !elf.littleEndian) {
        throw new SmeltError('UNSUPPORTED', `${path}: is for ${elf.machine}, which is not supported`, {
          hint: `smelt understands ${supportedArchitectures()}.`,
        });
      }
      const release = await releaseOf(elf, look);
      return new Vmlinux(elf, await DebugUnits.open(elf, look), release);
    } catch (error) {
      elf.close();
      throw error;
    }
  }

  close(): void {
    this.elf.close();
  }

  async symbols(names: ReadonlySet<string>, look: Look): Promise<SymbolAddresses> {
    return (await findSymbols(this.elf, names, look)) ?? new Map();
  }

  /** One pass over all debug information: it takes its time. */
  find(wanted: WantedNames, look: Look): Promise<FoundNames> {
    return findNames(this.units, wanted, look);
  }

  /** The text of a VMCOREINFO: what the kernel and makedumpfile -g write, and the symbols that lead to a kernel moved by KASLR. */
  async vmcoreinfo(look: Look): Promise<string> {
    const lines = [`OSRELEASE=${this.release}`, `PAGESIZE=${archByName(this.elf.machine)!.pageSizes[0]}`];
    const buildId = await buildIdOf(this.elf, look);
    if (buildId !== undefined) lines.push(`BUILD-ID=${buildId}`);
    const symbols = await this.symbols(new Set([...SYMBOLS, ...LOCATING_SYMBOLS]), look);
    const vaddr = (name: string) => symbols.get(name)?.[0];
    const add = (kind: string, key: string, value: number | undefined) => {
      if (value !== undefined) lines.push(`${kind}(${key})=${value}`);
    };
    const symbolLine = (name: string, value: bigint) => lines.push(`SYMBOL(${name})=${value.toString(16)}`);
    for (const name of [...SYMBOLS, ...LOCATING_SYMBOLS]) {
      const value = vaddr(name);
      if (value !== undefined) symbolLine(name, value);
    }
    const layouts = await this.layouts(look);
    const [pageflags, states] = [layouts.constants('pageflags'), layouts.constants('node_states')];
    // A macro, not a symbol: `node_states[N_ONLINE]`. Source: include/linux/nodemask.h.
    const [nodeStates, online, mapBytes] = [
      vaddr('node_states'),
      states.get('N_ONLINE'),
      layouts.size('nodemask_t'),
    ];
    if (nodeStates !== undefined && online !== undefined && mapBytes !== undefined)
      symbolLine('node_online_map', nodeStates + BigInt(online * mapBytes));

    // A type of a damaged file may take long.
    const turns = new Turns(look);
    for (const name of SIZES) {
      add('SIZE', name, layouts.size(name));
      await turns.take();
    }
    for (const name of OFFSETS) {
      add('OFFSET', name, layouts.offset(name));
      await turns.take();
    }
    for (const name of VARIABLE_LENGTHS)
      if (vaddr(name) !== undefined) add('LENGTH', name, layouts.variableLength(name));
    for (const [key, member] of MEMBER_LENGTHS) {
      add('LENGTH', key, layouts.memberLength(member));
      await turns.take();
    }
    for (const [enumeration, names] of ENUMERATORS) {
      if (enumeration === 'pagetype') continue;
      const constants = layouts.constants(enumeration);
      for (const name of names) {
        const value = constants.get(name);
        if (name !== 'PG_head') add('NUMBER', name, value);
        else if (value !== undefined) add('NUMBER', 'PG_head_mask', 2 ** value);
      }
    }
    const types = pageTypes(
      this.release,
      layouts.constants('pagetype'),
      pageflags,
      layouts.constants('compound_dtor_id'),
    );
    for (const [name, value] of types) add('NUMBER', name, value);
    return `${lines.join('\n')}\n`;
  }

  private async layouts(look: Look): Promise<Layouts> {
    const ofMembers = [...OFFSETS, ...MEMBER_LENGTHS.map(([, member]) => member)].map(
      (m) => m.split('.')[0]!,
    );
    const names = new Set([...SIZES, ...ofMembers]);
    const found = await this.find(
      {
        structures: names,
        typedefs: names,
        enumerations: ENUMERATORS.map(([enumeration]) => enumeration),
        variables: VARIABLE_LENGTHS,
      },
      look,
    );
    return new Layouts(this.types, found);
  }
}

/** Sizes and places in structures by name. */
class Layouts {
  private readonly types: Types;
  private readonly found: FoundNames;

  constructor(types: Types, found: FoundNames) {
    this.types = types;
    this.found = found;
  }

  size(name: string): number | undefined {
    const type = this.named(name);
    return type && this.types.sizeOf(type);
  }

  offset(path: string): number | undefined {
    const member = this.member(path);
    return member === undefined || member.isBitField ? undefined : member.byteOffset;
  }

  memberLength(path: string): number | undefined {
    const member = this.member(path);
    return member && this.lengthOf(this.types.at(member.type));
  }

  variableLength(name: string): number | undefined {
    for (const { entry } of this.found.variables.get(name) ?? []) {
      const type = this.types.typeOf(entry);
      const length = type === undefined ? undefined : this.lengthOf(this.types.at(type));
      if (length !== undefined) return length;
    }
    return undefined;
  }

  constants(enumeration: string): Constants {
    const entry = this.found.enumerations.get(enumeration);
    return entry === undefined ? new Map() : this.types.enumerators(entry);
  }

  private named(name: string): Type | undefined {
    const entry = this.found.structures.get(name) ?? this.found.typedefs.get(name);
    return entry === undefined ? undefined : this.types.at(entry);
  }

  private member(path: string) {
    const [name, member] = path.split('.');
    const type = this.named(name!);
    return type?.kind === 'structure' || type?.kind === 'union'
      ? this.types.member(type.entry, member!)
      : undefined;
  }

  private lengthOf(type: Type): number | undefined {
    return type.kind === 'array' ? type.length : undefined;
  }
}

/** Source: elf.h, sh_type and n_type of a build-id note. */
const SHT_NOTE = 7;
const NT_GNU_BUILD_ID = 3;
/** A kernel's notes are a few hundred bytes. */
const MAX_NOTES_BYTES = 65536;

/** In hexadecimal, as VMCOREINFO has it; undefined where the file was linked without one. */
async function buildIdOf(elf: ElfSections, look: Look): Promise<string | undefined> {
  for (const section of elf.sections) {
    if (section.type !== SHT_NOTE || section.compressed || section.sizeBytes > MAX_NOTES_BYTES) continue;
    const bytes = (await elf.bytes(section, look)).read(0, section.sizeBytes);
    for (const { name, type, desc } of parseNotes(bytes, elf.littleEndian))
      if (name === 'GNU' && type === NT_GNU_BUILD_ID) return Buffer.from(desc).toString('hex');
  }
  return undefined;
}

/** What the kernel calls itself, in the line that it begins its log with. */
async function releaseOf(elf: ElfSections, look: Look): Promise<string> {
  const symbols = await findSymbols(elf, new Set(['linux_banner']), look);
  if (symbols === undefined) {
    throw new SmeltError('UNSUPPORTED', `${elf.path}: has no symbols (.symtab)`, {
      hint: 'It was stripped: the package with the debug information has the whole vmlinux.',
    });
  }
  const vaddr = symbols.get('linux_banner')?.[0];
  const text = vaddr === undefined ? undefined : elf.atAddress(vaddr, MAX_BANNER_BYTES)?.toString('latin1');
  const release = BANNER.exec(text ?? '')?.[1];
  if (release === undefined) {
    throw new SmeltError('UNSUPPORTED', `${elf.path}: is no Linux kernel: it has no linux_banner`, {
      hint: 'The vmlinux of the kernel that crashed is needed, with debug information.',
    });
  }
  return release;
}
