"""`make mutants`: shows that the tests can fail. Each mutation of `tests/mutations.py` must be killed by the suite.

Each worker has a copy of the working tree in a temporary directory. First every named test file must pass there as it
is, so that a red suite cannot pretend to kill. Then one line is changed, the tests that are meant to notice run, and
the line comes back. The outcomes:

* killed: a test failed (pytest's exit status 1, and a failure, not an error of a fixture);
* SURVIVED: all tests passed. The suite has a hole, and the missing test is to be written;
* BROKEN: anything else, e.g. a mutant that cannot be imported or migrated: it shows nothing, the mutation is wrong;
* HUNG: no end within the limit. That does not count as killed either.

A mutation whose line does not stand in the file exactly once is an error before anything runs. Exit status 0 means that
all were killed. Vectors from outside the repository are not there in the copies: the suite must do without them.

`python -m tests.mutants -j 4 --only "skip aud" --only "skip AAD"` runs four at a time, and only these two.
"""

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.mutations import WITHOUT_DATABASE, Mutation
from tests.mutations_network import MUTATIONS

_ROOT = Path(__file__).parents[1]
_LIMIT_SECONDS = 300.0
_END_SECONDS = 20.0
# The plugin of Schemathesis costs each run more than a second and serves none of these tests.
_PYTEST = (sys.executable, "-m", "pytest", "-q", "-x", "--tb=short", "-p", "no:cacheprovider", "-p", "no:schemathesis")
_FAILED = re.compile(r"^FAILED \S*?::(.+?)(?: - .*)?$", re.MULTILINE)


class Stale(Exception):
    """A mutation does not fit the source any more."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a run of pytest ended: its exit status (None: it had to be ended), its output, its seconds."""

    status: int | None
    output: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant, and the test that noticed."""

    mutation: Mutation
    outcome: str
    killer: str
    run: Run


def mutated(source: str, mutation: Mutation) -> str:
    """The source with the line of the mutation replaced.

    Raises:
        Stale: the line is not there exactly once, or the mutation changes nothing.
    """
    lines = source.splitlines(keepends=True)
    places = [number for number, line in enumerate(lines) if line.strip() == mutation.before]
    if len(places) != 1:
        raise Stale(f"{mutation.name}: its line stands {len(places)} times in {mutation.file}")
    if mutation.before == mutation.after or "\n" in mutation.after:
        raise Stale(f"{mutation.name}: not a change of one line")
    lines[places[0]] = lines[places[0]].replace(mutation.before, mutation.after)
    return "".join(lines)


def _copy(to: Path) -> Path:
    """The files of the working tree that git knows or would add."""
    listed = subprocess.run(
        ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        cwd=_ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (_ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(_ROOT / name, to / name)
    return to


def _write(path: Path, text: str) -> None:
    """Python tells a changed file by second and size, and a mutant may have both: its bytecode must go."""
    path.write_text(text)
    for stale in path.parent.glob(f"__pycache__/{path.stem}.*"):
        stale.unlink()


def _pytest(copy: Path, tests: str) -> Run:
    started = time.monotonic()
    alone = ("--noconftest",) if tests in WITHOUT_DATABASE else ()
    child = subprocess.Popen(
        (*_PYTEST, *alone, tests),
        cwd=copy,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    status: int | None
    try:
        output, _ = child.communicate(timeout=_LIMIT_SECONDS)
        status = child.returncode
    except subprocess.TimeoutExpired:
        status = None
        child.send_signal(signal.SIGINT)  # pytest then stops its PostgreSQL
        try:
            output, _ = child.communicate(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            output, _ = child.communicate()
    return Run(status, output, time.monotonic() - started)


def judge(mutation: Mutation, run: Run) -> Verdict:
    """What a run of the tests says of a mutant; see above."""
    failed = _FAILED.search(run.output)
    if run.status is None:
        outcome = "HUNG"
    elif run.status == 0:
        outcome = "SURVIVED"
    else:
        outcome = "killed" if run.status == 1 and failed else "BROKEN"
    return Verdict(mutation, outcome, failed[1] if failed and outcome == "killed" else "", run)


class Bench:
    """Copies of the working tree, one for each worker, and the tests run in them."""

    def __init__(self, home: Path, workers: int) -> None:
        self._free: SimpleQueue[Path] = SimpleQueue()
        for number in range(workers):
            self._free.put(_copy(home / str(number)))

    def baseline(self, tests: str) -> tuple[str, Run]:
        """The tests as they are."""
        copy = self._free.get()
        try:
            return tests, _pytest(copy, tests)
        finally:
            self._free.put(copy)

    def mutant(self, mutation: Mutation) -> Verdict:
        """The tests of a mutation on its mutant."""
        copy = self._free.get()
        path = copy / mutation.file
        source = path.read_text()
        try:
            _write(path, mutated(source, mutation))
            return judge(mutation, _pytest(copy, mutation.tests))
        finally:
            _write(path, source)
            self._free.put(copy)


def _run(mutations: Iterable[Mutation], workers: int) -> list[Verdict]:
    """All verdicts, told as they come.

    Raises:
        SystemExit: the tests do not pass as they are.
    """
    mutations = list(mutations)
    with tempfile.TemporaryDirectory(prefix="renmai-mutants-") as home, ThreadPoolExecutor(workers) as pool:
        bench = Bench(Path(home), workers)
        for tests, run in pool.map(bench.baseline, sorted({mutation.tests for mutation in mutations})):
            if run.status != 0:
                pool.shutdown(cancel_futures=True)
                raise SystemExit(f"{run.output}\n{tests} does not pass as it is: it can kill nothing.")
            print(f"passes    {tests} ({run.seconds:.0f} s)", flush=True)
        verdicts = []
        for verdict in pool.map(bench.mutant, mutations):
            print(f"{verdict.outcome:<9} {verdict.mutation.name:<40} {verdict.killer}", flush=True)
            verdicts.append(verdict)
    return verdicts


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-j", type=int, default=2, metavar="N", help="mutants at a time (default 2)")
    parser.add_argument("--only", action="append", metavar="NAME", help="this mutation only; may be repeated")
    return parser.parse_args()


def main() -> int:
    """Run the mutations and tell; 0 when all were killed.

    Raises:
        SystemExit: an unknown name, a mutation that does not apply, or a suite that is red without any.
    """
    asked = _parsed()
    unknown = set(asked.only or ()) - {mutation.name for mutation in MUTATIONS}
    if unknown:
        raise SystemExit(f"no such mutation: {', '.join(sorted(unknown))}")
    chosen = [mutation for mutation in MUTATIONS if not asked.only or mutation.name in asked.only]
    try:
        for mutation in chosen:
            mutated((_ROOT / mutation.file).read_text(), mutation)
    except Stale as stale:
        raise SystemExit(str(stale)) from None
    started = time.monotonic()
    verdicts = _run(chosen, max(1, asked.j))
    for verdict in verdicts:
        if verdict.outcome not in ("killed", "SURVIVED"):
            print(f"\n--- {verdict.mutation.name}: {verdict.outcome}\n{verdict.run.output[-4000:]}")
    killed = sum(verdict.outcome == "killed" for verdict in verdicts)
    print(f"{killed} of {len(verdicts)} killed in {time.monotonic() - started:.0f} s")
    return 0 if killed == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
