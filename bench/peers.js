/**
 * Side by side with makedumpfile: each row runs smelt and the peer in turn on the same input in the page cache, whole
 * processes, output to the same file system, and prints the median of the ratios round by round beside its target.
 *
 *   npm run bench:peers -- [--rounds N] [ROW…]        env: SMELT_CACHE (~/.cache/smelt), BENCH_OUT (/dev/shm),
 *                                                    PEER, SMALLEST (a dump; default: the sample)
 *
 * Needs what get-makedumpfile.sh and inputs.sh need, who make what is not there yet; 8 GB of room in BENCH_OUT; an hour for all
 * rows. It sleeps for nobody: other work on the machine spoils the figures. What it prints goes into RESULTS.md.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { cpus, homedir, release, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const SMELT = [process.execPath, join(here, '../bin/smelt')];
const cache = process.env.SMELT_CACHE ?? join(homedir(), '.cache/smelt');
const inputs = join(cache, 'bench');
const args = process.argv.slice(2);
const roundsAt = args.indexOf('--rounds');
const rounds = roundsAt < 0 ? 5 : Number(args.splice(roundsAt, 2)[1]);

if (!(rounds > 0)) {
  process.stderr.write('--rounds takes a number\n');
  process.exit(1);
}

const out = mkdtempSync(join(process.env.BENCH_OUT ?? '/dev/shm', 'smelt-peers-'));
const output = join(out, 'dump');
process.on('exit', () => rmSync(out, { recursive: true, force: true }));
process.on('SIGINT', () => process.exit(130));

const lastLine = (text) => text.trimEnd().split('\n').at(-1) ?? '';
function script(name, ...rest) {
  const { status, stdout } = spawnSync(join(here, name), rest, {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${name} failed`);
  return lastLine(stdout);
}
const peer = process.env.PEER ?? script('get-makedumpfile.sh');
/** Both pack pages with the same libzstd and liblzo2, the peer's: programs are compared, not their libraries. */
const codecs = join(dirname(peer), 'codecs');
const smeltEnv = existsSync(codecs) ? { ...process.env, LD_LIBRARY_PATH: codecs } : process.env;
const fixture = join(here, '../samples/x86_64-6.1-small.kdump');

/** Runs a command; seconds, what it printed, and the size of its output, which goes away. */
function run([command, ...rest], timeoutSeconds) {
  rmSync(output, { force: true });
  const began = process.hrtime.bigint();
  const done = spawnSync(command, rest, {
    encoding: 'utf8',
    env: [command, ...rest].includes(SMELT[1]) ? smeltEnv : process.env,
    maxBuffer: 2 ** 26,
    timeout: timeoutSeconds && Math.ceil(timeoutSeconds * 1000),
  });
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  if (done.error?.code === 'ETIMEDOUT') return undefined;
  if (done.status !== 0)
    throw new Error(`${command} ${rest.join(' ')}: exit ${done.status ?? done.signal}\n${done.stderr}`);
  const sizeBytes = existsSync(output) ? statSync(output).size : undefined;
  return { seconds, sizeBytes, stdout: done.stdout, stderr: done.stderr };
}

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};
const spread = (values, digits) =>
  `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)} … ${Math.max(...values).toFixed(digits)})`;

const smeltRun = (rest, input, threads) => [
  ...SMELT,
  '--json',
  '--quiet',
  ...rest,
  '--num-threads',
  `${threads}`,
  input,
  output,
];
const peerRun = (rest, input, threads) => [
  peer,
  '--message-level',
  '16',
  ...rest,
  ...(threads > 1 ? ['--num-threads', `${threads}`] : []),
  input,
  output,
];

/** All variants in turn, round after round, after one round that does not count. */
function inTurn(variants, count = rounds, warmUp = true) {
  const results = Object.fromEntries(Object.keys(variants).map((name) => [name, []]));
  for (let round = warmUp ? 0 : 1; round <= count; round++) {
    for (const [name, command] of Object.entries(variants)) {
      const result = run(command);
      if (round > 0) results[name].push(result);
      process.stderr.write(
        `  ${round === 0 ? 'warm-up' : `round ${round}`} ${name} ${result.seconds.toFixed(2)} s\n`,
      );
    }
  }
  return results;
}

const seconds = (results) => results.map((result) => result.seconds);
/** How many times as fast as the peer: round by round. */
const faster = (ours, theirs) => ours.map((result, i) => theirs[i].seconds / result.seconds);
const tell = (what, target, value) => console.log(`| ${what} | ${target} | ${value} |`);
const reportOf = (result) => JSON.parse(result.stdout).report;
const phaseMs = (result, phase) => reportOf(result).phases.find((each) => each.phase === phase)?.ms ?? 0;
const stepSeconds = (result, step) =>
  [
    ...`${result.stdout}${result.stderr}`.matchAll(
      new RegExp(`STEP \\[${step}[^\\]]*\\] : ([0-9.]+) seconds`, 'g'),
    ),
  ].reduce((sum, [, value]) => sum + Number(value), 0);

/** The peer with two threads, once: it is compared only where that is faster than with one, the input in memory for both. */
function peerThreads(rest, input) {
  run(peerRun(rest, input, 1));
  const one = run(peerRun(rest, input, 1));
  let two;
  let text = `more than ${(one.seconds * 4 + 5).toFixed(0)} s`;
  try {
    two = run(peerRun(rest, input, 2), one.seconds * 4 + 5);
    if (two !== undefined) text = `${two.seconds.toFixed(2)} s`;
  } catch (error) {
    // Its threads abort now and then: "libgcc_s.so.1 must be installed for pthread_exit to work", though it is there.
    text = `a failure: ${error.message}`;
  }
  process.stderr.write(`  the peer with one thread ${one.seconds.toFixed(2)} s, with two ${text}\n`);
  return two !== undefined && two.seconds < one.seconds ? 2 : 1;
}

function compare(name, input, rest, targets) {
  const threads = peerThreads(rest, input);
  const variants = { 'smelt, 2 threads': smeltRun(rest, input, 2) };
  if (targets.alone !== undefined) variants['smelt, in process'] = smeltRun(rest, input, 0);
  if (targets.dedup !== undefined) variants['smelt, --dedup'] = smeltRun([...rest, '--dedup'], input, 2);
  variants.makedumpfile = peerRun(rest, input, threads);
  const results = inTurn(variants);
  const theirs = results.makedumpfile;
  const ours = results['smelt, 2 threads'];
  const times = (some) => `${spread(seconds(some), 2)} s`;
  tell(
    `${name}, 2 threads: times the peer's speed`,
    targets.two,
    `**${spread(faster(ours, theirs), 2)}**; ${times(ours)} against ${times(theirs)}`,
  );
  if (targets.alone !== undefined) {
    const alone = results['smelt, in process'];
    // Against its single thread, whichever was faster.
    tell(
      `${name}, in process: times the speed of the peer's${threads > 1 ? ' two threads' : ' single thread'}`,
      targets.alone,
      `**${spread(faster(alone, theirs), 2)}**; ${times(alone)}`,
    );
  }
  const size = (some) => some[0].sizeBytes;
  tell(
    `${name}: output size, by the peer's`,
    '≤ 1',
    `**${(size(ours) / size(theirs)).toFixed(4)}**; ${size(ours).toLocaleString('en-US')} bytes`,
  );
  if (targets.dedup !== undefined) {
    const dedup = results['smelt, --dedup'];
    tell(
      `${name} --dedup: output size, by the peer's`,
      targets.dedup,
      `**${(size(dedup) / size(theirs)).toFixed(4)}**; ${times(dedup)}`,
    );
  }
  tell(
    `${name}: peak memory of smelt`,
    '',
    `${(Math.max(...ours.map((each) => reportOf(each).peakRssBytes)) / 1e6).toFixed(0)} MB`,
  );
}

function synthetic(size) {
  const file = join(inputs, `synthetic-${size}.elf`);
  if (!existsSync(file)) run([...SMELT, 'bench', '--rounds', '0', '--synthetic', size, file]);
  return file;
}

function inputOf(name) {
  const file = join(inputs, `${name}.elf`);
  if (!existsSync(file)) script('inputs.sh', name);
  return file;
}
const full = () => inputOf('full');

const ROWS = {
  version() {
    const results = inTurn(
      { smelt: [...SMELT, '--version'], node: [process.execPath, '-e', '0'] },
      rounds * 4,
    );
    const more = results.smelt.map((each, i) => (each.seconds - results.node[i].seconds) * 1000);
    tell('`smelt --version` more than `node -e 0`', '≤ 60 ms', `**${spread(more, 0)} ms**`);
  },
  small() {
    const smallest = process.env.SMALLEST ?? fixture;
    const results = inTurn({ smelt: smeltRun(['-z', '-d', '31'], smallest, 2) }, rounds * 2);
    tell('smallest fixture, -z -d 31', '≤ 0.4 s', `**${spread(seconds(results.smelt), 2)} s**`);
  },
  lean() {
    const input = inputOf('lean');
    const threads = peerThreads(['-z', '-d', '31'], input);
    const results = inTurn(
      {
        smelt: smeltRun(['-z', '-d', '31'], input, 2),
        makedumpfile: peerRun(['-z', '-d', '31'], input, threads),
      },
      rounds * 2,
    );
    const ratio = results.smelt.map((each, i) => each.seconds / results.makedumpfile[i].seconds);
    tell(
      'lean, -z -d 31: by the peer’s time',
      '≤ 1.2',
      `**${spread(ratio, 2)}**; ${spread(seconds(results.smelt), 2)} s against ${spread(seconds(results.makedumpfile), 2)} s`,
    );
    tell(
      'lean, -z -d 31: output size, by the peer’s',
      '≤ 1',
      `**${(results.smelt[0].sizeBytes / results.makedumpfile[0].sizeBytes).toFixed(4)}**`,
    );
  },
  'full-z': () => compare('full, -z -d 1', full(), ['-z', '-d', '1'], { two: '≥ 1.7', alone: '≥ 1.0' }),
  'full-l': () => compare('full, -l -d 1', full(), ['-l', '-d', '1'], { two: '≥ 1.4', alone: '≥ 1.0' }),
  'full-c': () => compare('full, -c -d 1', full(), ['-c', '-d', '1'], { two: '≥ 5', alone: '≥ 3' }),
  'full-0': () => compare('full, -z -d 0', full(), ['-z', '-d', '0'], { two: '≥ 3', dedup: '≤ 0.95' }),
  'full-p'() {
    const results = inTurn({
      two: smeltRun(['-p', '-d', '1'], full(), 2),
      alone: smeltRun(['-p', '-d', '1'], full(), 0),
    });
    tell(
      'full, -p -d 1 (the peer’s build has no snappy)',
      'recorded',
      `2 threads ${spread(seconds(results.two), 2)} s, in process ${spread(seconds(results.alone), 2)} s`,
    );
  },
  classify() {
    for (const [name, file, level, withPeer] of [
      ['full', full(), '31', true],
      ['synthetic 64 GiB', synthetic('64G'), '31', true],
      ['synthetic 64 GiB', synthetic('64G'), '8', false],
      ['synthetic 1 TiB', synthetic('1T'), '31', false],
    ]) {
      const rest = ['--dry-run', '-d', level];
      const variants = { one: smeltRun(rest, file, 1), two: smeltRun(rest, file, 2) };
      if (withPeer) variants.theirs = peerRun(rest, file, 1);
      const { one, two, theirs } = inTurn(variants);
      const pages = reportOf(one[0]).totalPages;
      const ns = (some) => some.map((each) => (phaseMs(each, 'classify') * 1e6) / pages);
      // It walks the memory map once to count and once more to write.
      const theirNs = theirs?.map((each) => (stepSeconds(each, 'Excluding unnecessary pages') * 1e9) / pages);
      tell(
        `classify, ${name}, -d ${level}: ns a page, 1 thread`,
        '≤ 4',
        `**${spread(ns(one), 1)}**${theirNs ? `; the peer ${spread(theirNs, 1)}` : ''}`,
      );
      const gain = ns(one).map((each, i) => each / ns(two)[i]);
      tell(`classify, ${name}, -d ${level}: 2 threads against 1`, '≥ 1.8', `**${spread(gain, 2)}**`);
    }
  },
  /** ELF, which the peer writes with one thread only, and a stream that nobody keeps. */
  outputs() {
    const input = inputOf('lean');
    const toNull = (command) => ['bash', '-c', 'exec "$@" > /dev/null', 'bash', ...command.slice(0, -1)];
    for (const [name, rest, wrap] of [
      ['lean, -E -d 31', ['-E', '-d', '31'], (command) => command],
      ['lean, -F -z -d 31 > /dev/null', ['-F', '-z', '-d', '31'], toNull],
    ]) {
      const results = inTurn({
        two: wrap(smeltRun(rest, input, 2)),
        alone: wrap(smeltRun(rest, input, 0)),
        makedumpfile: wrap(peerRun(rest, input, 1)),
      });
      const { two, alone, makedumpfile } = results;
      const times = (some) => `${spread(seconds(some), 2)} s`;
      tell(
        `${name}: times the peer’s speed, 2 threads`,
        'recorded',
        `**${spread(faster(two, makedumpfile), 2)}**; ${times(two)} against ${times(makedumpfile)}`,
      );
      tell(
        `${name}: the same, in process`,
        'recorded',
        `**${spread(faster(alone, makedumpfile), 2)}**; ${times(alone)}`,
      );
      const [ours, theirs] = [two[0].sizeBytes, makedumpfile[0].sizeBytes];
      if (ours !== undefined)
        tell(
          `${name}: output size, by the peer’s`,
          'recorded',
          `**${(ours / theirs).toFixed(4)}**; ${ours.toLocaleString('en-US')} bytes`,
        );
    }
  },
  /** smelt against itself: all that it looks at beside unpacking, and reading, must not cost more than a fourth of it. */
  verify() {
    const dump = join(out, 'packed');
    for (const letter of ['-z', '-c', '-l']) {
      run(smeltRun([letter, '-d', '1'], process.env.VERIFIED ?? full(), 2));
      renameSync(output, dump);
      const unpacking = [process.execPath, join(here, '../test/lab/run-ts.js'), join(here, 'decompress.ts')];
      const { verify, alone } = inTurn({
        verify: [...SMELT, 'verify', '--json', '--quiet', '--num-threads', '2', dump],
        alone: [...unpacking, dump, '2'],
      });
      const unpacked = alone.map((each) => JSON.parse(each.stdout));
      const { pages, maker } = unpacked[0];
      const rate = (some) => some.map((perSecond) => (perSecond * 4096) / 1e6);
      const ours = rate(verify.map((each) => (pages * 1000) / phaseMs(each, 'verify')));
      const whole = rate(verify.map((each) => (pages * 1000) / reportOf(each).totalMs));
      const theirs = rate(unpacked.map((each) => each.pagesPerSecond));
      const ratio = (some) => some.map((each, i) => each / theirs[i]);
      tell(
        `verify, full ${letter} -d 1, 2 threads: by the speed of ${maker} unpacking alone`,
        '≥ 0.8',
        `**${spread(ratio(ours), 2)}**, with opening, bitmaps and places ${spread(ratio(whole), 2)}; ${spread(ours, 0)} MB/s against ${spread(theirs, 0)}`,
      );
      rmSync(dump);
    }
  },
  tib() {
    const input = synthetic('1T');
    const rest = ['--dry-run', '-d', '31'];
    // What the peer does takes minutes; the file is in the page cache after one run of smelt.
    run(smeltRun(rest, input, 2));
    const variants = { smelt: smeltRun(rest, input, 2), makedumpfile: peerRun(rest, input, 1) };
    const results = inTurn(variants, rounds, false);
    const { smelt, makedumpfile } = results;
    tell(
      'synthetic 1 TiB, -d 31 --dry-run, 2 threads: times the peer’s speed',
      '≥ 4',
      `**${spread(faster(smelt, makedumpfile), 1)}**; ${spread(seconds(smelt), 2)} s against ${spread(seconds(makedumpfile), 1)} s`,
    );
    const filter = (result) =>
      stepSeconds(result, 'Excluding unnecessary pages') + stepSeconds(result, 'Checking for memory holes');
    const ratios = smelt.map((each, i) => filter(makedumpfile[i]) / (phaseMs(each, 'classify') / 1000));
    tell(
      'the same, only the phases that filter',
      '',
      `**${spread(ratios, 1)}**; ${spread(
        smelt.map((each) => phaseMs(each, 'classify') / 1000),
        2,
      )} s against ${spread(makedumpfile.map(filter), 2)} s`,
    );
  },
  scale() {
    const peak = {};
    const perPage = {};
    for (const size of ['1G', '64G', '1T']) {
      const input = synthetic(size);
      const dry = inTurn({ [size]: smeltRun(['--dry-run', '-d', '31'], input, 2) })[size];
      const report = reportOf(dry[0]);
      perPage[size] = median(dry.map((each) => (phaseMs(each, 'classify') * 1e6) / report.totalPages));
      const real = run(smeltRun(['-z', '-d', '31'], input, 2));
      peak[size] = [
        median(dry.map((each) => reportOf(each).peakRssBytes / 1e6)),
        reportOf(real).peakRssBytes / 1e6,
      ];
    }
    const row = (index) => Object.values(peak).map((each) => each[index]);
    const flat = (index) =>
      `**${row(index)
        .map((each) => each.toFixed(0))
        .join(
          ', ',
        )} MB**; the largest ${(Math.max(...row(index)) / Math.min(...row(index))).toFixed(2)} × the smallest`;
    tell('peak memory, 2 threads, synthetic 1 GiB, 64 GiB, 1 TiB, --dry-run', '≤ 120 MB, ≤ 1.10 ×', flat(0));
    tell('the same, real runs', '≤ 120 MB, ≤ 1.10 ×', flat(1));
    tell(
      'time to classify a page, 1 TiB by 64 GiB',
      '≤ 1.1 ×',
      `**${(perPage['1T'] / perPage['64G']).toFixed(2)}**; ${perPage['64G'].toFixed(1)} and ${perPage['1T'].toFixed(1)} ns, 2 threads`,
    );
  },
};

const wanted = args.length > 0 ? args : Object.keys(ROWS);
for (const name of wanted) {
  if (!(name in ROWS)) {
    process.stderr.write(`no row ${name}; there are ${Object.keys(ROWS).join(', ')}\n`);
    process.exit(1);
  }
}
const version = (text) =>
  lastLine(
    text
      .split('\n')
      .filter((line) => /[0-9]\.[0-9]/.test(line))
      .slice(0, 1)
      .join('\n'),
  );
const peerVersion = spawnSync(peer, ['-v'], { encoding: 'utf8' });
console.log(
  `${new Date().toISOString().slice(0, 10)}; ${cpus().length} × ${cpus()[0].model}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}, Node ${process.version}`,
);
console.log(
  `${run([...SMELT, '--version']).stdout.trim()}; ${version(`${peerVersion.stdout}${peerVersion.stderr}`)}; medians of ${rounds} rounds (least … most); output to ${out.startsWith('/dev/shm') ? 'memory (tmpfs)' : 'a disk'}`,
);
console.log('\n| what | target | seen |\n|---|---|---|');
for (const name of wanted) ROWS[name]();
if (readdirSync(out).length > 1) process.stderr.write('something was left behind\n');
