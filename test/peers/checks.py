"""What the checks share: which dumps there are, how smelt is run, and how a result is told."""

import argparse
import gzip
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

import overlap
from dumpfiles import BadDump, ElfDump, KdumpFile

PROJECT = pathlib.Path(__file__).resolve().parents[2]
SMELT = os.environ.get('SMELT_BIN', str(PROJECT / 'bin' / 'smelt'))
CACHE = pathlib.Path(os.environ.get('SMELT_CACHE', pathlib.Path.home() / '.cache' / 'smelt'))
FIXTURES = pathlib.Path(os.environ.get('SMELT_FIXTURES', PROJECT.parent / 'shared' / 'fixtures'))
#: Debian sid's, where bench/get-makedumpfile.sh has fetched it, for what the system's does not know.
NEWER_MAKEDUMPFILE = CACHE / 'peers' / 'makedumpfile-sid' / 'makedumpfile'
#: What crash and drgn said of the dumps (answers/make.sh).
ANSWERS = pathlib.Path(__file__).resolve().parent / 'answers'
#: A twin has the memory of the dump that it was made of, and so the same answers.
TWIN_OF = {'x86_64-6.1-sme': 'x86_64-6.1-small'}
#: What a run with two threads may take.
MOST_MEMORY = 120_000_000
LEVELS = (0, 1, 2, 4, 8, 16, 31)
CODEC_LETTERS = {'raw': None, 'zlib': '-c', 'lzo': '-l', 'snappy': '-p', 'zstd': '-z'}


class Checks:
    """One line a check: `ok|FAIL NAME: NOTE`."""

    def __init__(self):
        self.failed = 0

    def ok(self, name, note=''):
        self._tell('ok', name, note)

    def fail(self, name, why):
        self.failed += 1
        self._tell('FAIL', name, why)

    def verdict(self, name, complaints, note=''):
        if complaints:
            self.fail(name, '; '.join(complaints))
        else:
            self.ok(name, note)

    def finish(self):
        sys.exit(1 if self.failed else 0)

    @staticmethod
    def _tell(word, name, note):
        print(f'{word:4} {name}' + (f': {note}' if note else ''), flush=True)


class SampleSource:
    """The unfiltered sample as a source of pages, with the face of ElfDump."""

    def __init__(self, path):
        self.file = KdumpFile(path)
        self.max_mapnr = self.file.max_mapnr
        self.notes = self.file.notes
        self.where = {pfn: place for pfn, *place in self.file.pages()}

    def page(self, pfn):
        return self.file.decode(*self.where[pfn]) if pfn in self.where else None

    def partial_pages(self):
        return set()

    def bitmap(self):
        return self.file.bitmap1


class Dump:
    """An unfiltered dump and what makedumpfile makes of it."""

    def __init__(self, path, truth_path):
        self.path = pathlib.Path(path)
        self.name = self.path.stem
        self.truth = json.loads(pathlib.Path(truth_path).read_text())

    def source(self):
        return ElfDump(self.path) if self.path.suffix == '.elf' else SampleSource(self.path)


def dumps(wanted=None):
    """The samples, then the fixtures, unpacked; each is the very file that its JSON describes. Filtered by name."""
    pairs = [(_sample(path), path) for path in sorted((PROJECT / 'samples').glob('*.json'))]
    pairs += [(CACHE / 'fixtures' / f'{path.stem}.elf', path) for path in sorted(FIXTURES.glob('*.json'))]
    for path, truth_path in pairs:
        if wanted and path.stem not in wanted:
            continue
        if path.suffix == '.elf' and not path.exists() and truth_path.parent == PROJECT / 'samples':
            _unpack_sample(truth_path.with_suffix('.elf.gz'), path)
        elif path.suffix == '.elf' and not path.exists():
            _unpack(FIXTURES / f'{path.name}.zst', path)
        dump = Dump(path, truth_path)
        _verify(path, dump.truth['sha256'])
        yield dump


def _sample(truth_path):
    kdump = truth_path.with_suffix('.kdump')
    return kdump if kdump.exists() else CACHE / 'samples' / f'{truth_path.stem}.elf'


def _unpack_sample(packed, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix('.partial')
    with gzip.open(packed) as source, open(partial, 'wb') as copy:
        shutil.copyfileobj(source, copy)
    overlap.fill(partial, restore=True)
    partial.rename(target)


def _unpack(packed, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix('.partial')
    subprocess.run(['zstd', '-q', '-d', '-f', '--long=27', str(packed), '-o', str(partial)], check=True)
    partial.rename(target)


def _verify(path, expected):
    """Hashes a file once; a stamp in the cache says which file was found good."""
    state = path.stat()
    stamp = CACHE / 'verified' / path.name
    found_good = f'{expected} {state.st_size} {state.st_mtime_ns}'
    if stamp.exists() and stamp.read_text() == found_good:
        return
    with open(path, 'rb') as file:
        digest = hashlib.file_digest(file, 'sha256').hexdigest()
    if digest != expected:
        sys.exit(f'{path}: SHA-256 {digest}, expected {expected}')
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(found_good)


class SmeltFailed(Exception):
    pass


def run_smelt(source, target, *, level, codec='lzo', threads=2, maker=None, parts=()):
    """Runs smelt on a dump (`parts`: the others of a split one), and returns its `--json` report (None when it printed none) and the file that it wrote."""
    letter = CODEC_LETTERS[codec]
    command = [SMELT, '--json', '-f', '-d', str(level), '--num-threads', str(threads)]
    command += [letter] if letter else []
    command += ['--codec-maker', maker] if maker and letter else []
    run = subprocess.run([*command, str(source), *map(str, parts), str(target)], capture_output=True, text=True)
    if run.returncode:
        said = (run.stderr.strip() or run.stdout.strip()).replace('\n', ' | ')
        raise SmeltFailed(f'{" ".join(command[1:])} exits with {run.returncode}: {said[:300]}')
    try:
        output = KdumpFile(target)
    except (BadDump, OSError, ValueError) as cause:
        raise SmeltFailed(f'{" ".join(command[1:])}: {cause}') from cause
    report = json.loads(run.stdout) if run.stdout.lstrip().startswith('{') else None
    report = report and report.get('report', report)
    if report and threads <= 2 and report['peakRssBytes'] > MOST_MEMORY:
        raise SmeltFailed(f'{" ".join(command[1:])} took {report["peakRssBytes"]:,} bytes of memory')
    return report, output


def ask_smelt(*words, statuses=(0,)):
    """The report of a command that looks into a dump."""
    run = subprocess.run([SMELT, *map(str, words), '--json', '--quiet'], capture_output=True, text=True, timeout=120)
    if run.returncode not in statuses:
        raise SmeltFailed(f'{" ".join(map(str, words))} exits with {run.returncode}: {(run.stdout or run.stderr).strip()[:300]}')
    return json.loads(run.stdout)['report']


def crash_says(name):
    """The stored answers of crash; None: there are none."""
    name = TWIN_OF.get(name, name)
    paths = (FIXTURES / f'{name}.crash.txt', ANSWERS / f'{name}.crash.txt')
    return next((path.read_text() for path in paths if path.exists()), None)


def drgn_says(name):
    """The stored answers of drgn, lists by what they begin with (answers/ask.py describes them); None: there are none."""
    path = ANSWERS / f'{TWIN_OF.get(name, name)}.drgn.jsonl'
    if not path.exists():
        return None
    said = {}
    for line in path.read_text().splitlines():
        what, *fields = json.loads(line)
        said.setdefault(what, []).append(fields)
    return said


def as_number(bitmap):
    return int.from_bytes(bitmap, 'little')


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--only', nargs='+', metavar='NAME', help='check these dumps only')
    return parser
