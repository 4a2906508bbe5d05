/** The one error class of smelt: what is wrong and where, what to do about it, and the exit code that says so. */

/** Exit codes, as makedumpfile(8) has them: 0 done, 1 failed, 2 the given VMCOREINFO is of another kernel. */
export const ExitCode = { ok: 0, failed: 1, wrongRelease: 2 } as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Stable names for programs that look at `--json` errors; the sentences may get better, these stay. */
export type ErrorCode =
  | 'USAGE' // the command line is wrong
  | 'INPUT_OPEN' // the input cannot be opened
  | 'INPUT_READ' // the system refused a read (EIO …)
  | 'NOT_A_DUMP' // no known format
  | 'CORRUPT' // a known format with a value that cannot be
  | 'TRUNCATED' // the file ends before what it promises
  | 'PARTS' // what is given is not all parts of one split dump
  | 'UNSUPPORTED' // understood, but not supported (architecture, kernel, format variant)
  | 'CANNOT_LOWER' // the asked-for dump level keeps what the input no longer has
  | 'WRONG_RELEASE' // -i is of another kernel
  | 'UNDECIDABLE' // --strict: the memory map cannot be read
  | 'NO_SYMBOLS' // the kernel's symbol table is not in the input, or cannot be found
  | 'NO_SYMBOL' // it has none of the name, or more than one
  | 'NO_LAYOUTS' // nothing says where members of the kernel's structures are
  | 'NO_TASK' // there is no task, or CPU, of the number
  | 'NO_LOG' // the kernel log cannot be found, or nothing of it can be read
  | 'CIPHERTEXT' // the memory in the input was not read through the right mapping, or is not in it
  | 'TARGET' // the target may not be written (exists, is a link, is no regular file)
  | 'UNENCRYPTED' // --require-encrypted-target: what is written there is not encrypted, or that is not known
  | 'WRITE' // a write failed (ENOSPC, EIO …)
  | 'TOO_LARGE' // the dump does not fit into what -L allows
  | 'INTERRUPTED' // SIGINT, SIGTERM
  | 'NO_MEMORY' // a thread ran out of it
  | 'THREAD' // a worker thread ended in the middle of its work
  | 'NO_CODEC' // no maker for the codec asked for
  | 'KEY' // a volume key is not there, cannot be handed to the crash kernel, or did not arrive in it
  | 'COMMAND' // a command of the system (cryptsetup, mount …) is missing, failed or took too long
  | 'PEER' // the program that smelt is compared with cannot be run or failed
  | 'INTERNAL';

export interface SmeltErrorOptions {
  /** What to do next: one sentence. */
  hint?: string;
  exitCode?: ExitCode;
  cause?: unknown;
}

export class SmeltError extends Error {
  override readonly name = 'SmeltError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly exitCode: ExitCode;

  /** `message` is one sentence without a full stop: what is wrong and where (file, offset, field, value). */
  constructor(code: ErrorCode, message: string, options: SmeltErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? ExitCode.failed;
  }
}

/** Of a thread that has a task. Source: piscina. */
const THREAD_ENDED = /^worker exited with code: /;

/** Whatever was thrown, as the one class of errors: what is not a SmeltError is a mistake of smelt itself. */
export function asSmeltError(thrown: unknown): SmeltError {
  if (thrown instanceof SmeltError) return thrown;
  if (isOutOfMemory(thrown)) {
    return new SmeltError('NO_MEMORY', 'memory ran out', {
      hint: '--num-threads 1 takes the least memory.',
      cause: thrown,
    });
  }
  if (thrown instanceof Error && THREAD_ENDED.test(thrown.message)) {
    return new SmeltError('THREAD', 'a worker thread ended in the middle of its work and did not say why', {
      hint: 'Memory may have run out, or a limit of the system been reached: --num-threads 1 does without worker threads, and takes the least memory.',
      cause: thrown,
    });
  }
  const what = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  return new SmeltError('INTERNAL', `a mistake in smelt itself: ${what}`, {
    hint: 'Please report it, with the command line and what the same command says with --debug.',
    cause: thrown,
  });
}

function isOutOfMemory(thrown: unknown): boolean {
  const name = errnoName(thrown);
  if (name === 'ERR_WORKER_OUT_OF_MEMORY' || name === 'ERR_MEMORY_ALLOCATION_FAILED') return true;
  return thrown instanceof RangeError && /allocation failed/i.test(thrown.message);
}

const SYSTEM_REASONS: Record<string, string> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EISDIR: 'is a directory',
  ENOTDIR: 'a part of the path is not a directory',
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would be larger than the file system or the limit allows',
  EIO: 'input/output error',
  EROFS: 'the file system is read-only',
  ELOOP: 'is a symbolic link',
  EEXIST: 'already exists',
  EPIPE: 'the reader of the pipe is gone',
};

/** The system's errno name of a failed call, or undefined for anything else. */
export function errnoName(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** An errno in words, for the end of a sentence: "no space left on the device (ENOSPC)". */
export function systemReason(error: unknown): string {
  const name = errnoName(error);
  if (name === undefined) return error instanceof Error ? error.message : String(error);
  const words = SYSTEM_REASONS[name];
  return words === undefined ? name : `${words} (${name})`;
}
