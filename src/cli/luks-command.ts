/** `smelt luks`: what a target sits on, and the hand-over of volume keys to the crash kernel and back. */

import { ExitCode, SmeltError } from '../errors.ts';
import type { LuksDone, LuksReport } from '../luks/actions.ts';
import type { Step } from '../luks/keys/steps.ts';
import type { LuksStatus } from '../luks/status.ts';
import { type DisplayOptions, MessageLevel } from './display.ts';
import { reportFailure, reportWarnings } from './errors-out.ts';
import type { Host } from './host.ts';
import { jsonReport } from './json.ts';
import { BY_UUID, type LuksArgs, parseLuks } from './luks-args.ts';
import { luksStatusText } from './luks-status-text.ts';
import { luksText, stepText } from './luks-text.ts';
import { interruptible } from './signals.ts';
import { widthOf } from './text.ts';
import type { Token } from './tokens.ts';

/** @throws SmeltError USAGE; what fails later is reported here, with the steps that came before. */
export async function runLuks(
  tokens: readonly Token[],
  display: DisplayOptions,
  host: Host,
): Promise<number> {
  const args = parseLuks(tokens);
  const onStep = (step: Step) => {
    if (display.level & MessageLevel.common) host.stderr.write(`${stepText(step, widthOf(host.stderr))}\n`);
  };
  using interruption = interruptible(host, () => {
    host.stderr.write('smelt: stopped at once; a volume may be open, and its key in the keyring\n');
  });
  const { signal } = interruption;
  try {
    const actions = await host.loadLuks();
    if (args.action === 'status') {
      const status = await actions.status(args.path);
      refuseMissingDevice(status.target);
      tell({ action: 'status', ...status }, luksStatusText(status, widthOf(host.stdout)), display, host);
      return status.target.encrypted === 'all legs' ? ExitCode.ok : ExitCode.failed;
    }
    const done = await act(args, actions, onStep, signal);
    tell(done, luksText(done, widthOf(host.stdout)), display, host);
    if ('warnings' in done) reportWarnings(done.warnings, display, host);
    return ExitCode.ok;
  } catch (thrown) {
    if (!(thrown instanceof SmeltError)) throw thrown;
    reportFailure(thrown, [], display, host);
    return thrown.exitCode;
  }
}

/** What is below /dev is no place for a dump that is still to be written, but a device that is not there. */
function refuseMissingDevice({ path, exists }: LuksStatus['target']): void {
  if (exists || !path.startsWith('/dev/') || path.startsWith('/dev/shm/')) return;
  const uuid = path.startsWith(BY_UUID) ? path.slice(BY_UUID.length) : undefined;
  throw new SmeltError(
    'INPUT_OPEN',
    uuid === undefined
      ? `${path}: there is no such device`
      : `there is no device with the UUID ${uuid} in ${BY_UUID}`,
    { hint: '`lsblk -f` lists devices and their UUIDs.' },
  );
}

async function act(
  args: Exclude<LuksArgs, { action: 'status' }>,
  actions: Awaited<ReturnType<Host['loadLuks']>>,
  onStep: (step: Step) => void,
  signal: AbortSignal,
): Promise<LuksDone> {
  switch (args.action) {
    case 'register':
      return { action: 'register', ...(await actions.register(args.requests)) };
    case 'unregister':
      return { action: 'unregister', ...actions.unregister(args.devices) };
    case 'reuse':
      return { action: 'reuse', ...actions.reuse(args.isOn) };
    case 'unlock':
      return {
        action: 'unlock',
        ...(await actions.unlock(args.device, { ...args.options, onStep, signal })),
      };
    case 'lock':
      return { action: 'lock', ...(await actions.lock(args.target, onStep, signal)) };
  }
}

function tell(report: LuksReport, lines: readonly string[], { json }: DisplayOptions, host: Host): void {
  host.stdout.write(json ? jsonReport('luks', report) : `${lines.join('\n')}\n`);
}
