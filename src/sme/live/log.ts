/** The kernel log of a running machine: what it says of active encryption and of a hypervisor. */

import { readSync } from 'node:fs';
import { errnoName } from '../../errors.ts';
import { featuresOfLog } from '../features.ts';
import { type Content, readText, withFile } from './files.ts';
import { type Encryption, type Fact, known, unknown } from './report.ts';

export interface KernelLog {
  readonly messages: readonly string[];
  /** Whether it begins with this boot; a ring buffer loses its oldest messages. */
  readonly fromBoot: boolean;
  readonly source: string;
}

const DEVICE = '/dev/kmsg';
const FILES = ['/var/log/dmesg', '/var/log/kern.log'];
/** What we look for is said in the first second of a boot; new messages must not keep us reading for ever. */
const MAX_RECORDS = 20_000;
/** The longest record that the kernel gives out. Source: kernel/printk/internal.h, PRINTK_MESSAGE_MAX (CONSOLE_EXT_LOG_MAX before). */
const RECORD_BYTES = 16 * 1024;

/** The log of the running boot, or why there is none. Files are taken only where they begin with a boot of `release`. */
export function readKernelLog(root: string, release: string | undefined): KernelLog | { reason: string } {
  // A recorded tree has no device, and the one of the machine below it is another machine's.
  const device = root === '/' ? readDevice(root) : undefined;
  if (device !== undefined && 'value' in device && device.value.fromBoot) return device.value;
  const reasons = device !== undefined && 'reason' in device ? [device.reason] : [];
  for (const path of FILES) {
    const content = readText(root, path);
    if (!('value' in content)) {
      reasons.push(content.reason);
      continue;
    }
    const messages = lastBoot(content.value.split('\n').map(messageOf), release);
    if (messages !== undefined) return { messages, fromBoot: true, source: path };
    reasons.push(`${path} does not have the start of this boot`);
  }
  if (device !== undefined && 'value' in device) return device.value;
  return { reason: reasons.join('; ') };
}

/** Source: Documentation/ABI/testing/dev-kmsg: one record a read, "priority,sequence,time,flags;message\n KEY=value". */
function readDevice(root: string): Content<KernelLog> {
  return withFile(root, DEVICE, (fd) => {
    const buffer = Buffer.alloc(RECORD_BYTES);
    const messages: string[] = [];
    let firstSequence: number | undefined;
    for (let i = 0; i < MAX_RECORDS; i++) {
      let n: number;
      try {
        n = readSync(fd, buffer, 0, buffer.length, null);
      } catch (error) {
        // EPIPE: the record was overwritten meanwhile. EAGAIN: that was the last one.
        if (errnoName(error) === 'EPIPE') continue;
        if (errnoName(error) === 'EAGAIN') break;
        throw error;
      }
      if (n === 0) break;
      const record = /^(\d+),(\d+),\d+,([^,;]*)[^;]*;([^\n]*)/.exec(buffer.toString('utf8', 0, n));
      if (record === null) continue;
      const [, priority, sequence, flags, message] = record;
      firstSequence ??= Number(sequence);
      // From 8 on it is not the kernel that speaks but a program that writes into its log.
      if (Number(priority) >= 8) continue;
      if (flags === 'c' && messages.length > 0) messages[messages.length - 1] += message;
      else messages.push(message);
    }
    return { value: { messages, fromBoot: firstSequence === 0, source: DEVICE } };
  });
}

/** A line of dmesg ("[    0.0] …") or of syslog ("… kernel: [    0.0] …") without what stands before the message. */
function messageOf(line: string): string {
  const mark = ' kernel: ';
  const text =
    line.startsWith('[') || !line.includes(mark) ? line : line.slice(line.indexOf(mark) + mark.length);
  return text.replace(/^\[ *\d+\.\d+\](?:\[[^\]]*\])? ?/, '');
}

function lastBoot(messages: readonly string[], release: string | undefined): readonly string[] | undefined {
  const start = messages.findLastIndex((message) => message.startsWith('Linux version '));
  if (start < 0 || messages[start].split(' ')[2] !== release) return undefined;
  return messages.slice(start);
}

export interface LogFacts {
  readonly line: Fact<string>;
  readonly encryption: Fact<Encryption>;
  readonly hypervisor: Fact<string>;
}

export function factsOfLog(log: KernelLog | { reason: string }): LogFacts {
  if ('reason' in log) {
    const none = unknown(`no kernel log: ${log.reason}`);
    return { line: none, encryption: none, hypervisor: none };
  }
  const { messages, fromBoot, source } = log;
  const silent = unknown(fromBoot ? `${source} names none` : `${source} has lost the messages of the boot`);
  const hypervisor = messages
    .map((message) => /^Hypervisor detected: (.+)$/.exec(message)?.[1])
    .find(Boolean);
  const line = messages.find((message) => activeEncryption(message) !== undefined);
  const encryption = line === undefined ? undefined : activeEncryption(line);
  return {
    line: line === undefined ? silent : known(line, source),
    encryption:
      encryption === undefined && !fromBoot
        ? silent
        : known(encryption ?? 'none', encryption === undefined ? silent.source : source),
    hypervisor: hypervisor === undefined ? silent : known(hypervisor, source),
  };
}

/** The strongest one named; others than the kernel's memory management may speak of it in the middle of a message. */
function activeEncryption(message: string): Encryption | undefined {
  if (!/^(?:AMD )?(?:Memory Encryption|Secure) /.test(message)) return undefined;
  const strongest = featuresOfLog(message)?.at(-1);
  return strongest === 'Intel TDX' ? 'TDX' : strongest;
}
