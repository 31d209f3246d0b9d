"""`make fuzz`: Schemathesis against a freshly started demo service; exit status 0 means nothing was found.

All phases and all checks run, as an agent and as an administrator, who take turns where both may (`fuzz_turns`): in two
lanes, each on one worker and against a service of its own. Every operation must succeed at least once. The seeds are
fixed so that a red run can be repeated:
`make fuzz SEED=7` takes another one, `make fuzz SEEDS="1 2 3" EXAMPLES=200` several, each against a service of its own.
What Schemathesis takes on its command line may follow (`--phases=fuzzing`, `--include-operation-id=create_customer`):
`python -m tests.fuzz --examples 100 --seed 3 --phases=stateful`.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

_ROOT = Path(__file__).parents[1]
_START_SECONDS = 300.0  # loading the demo world on a slow machine
_STOP_SECONDS = 30.0
_SELDOM = 5  # successes: whoever changes the hooks looks at these first
_PHASES = "examples,coverage,fuzzing,stateful"
_CALLERS = ("agent1", "admin1")
_SERVE = (sys.executable, "-m", "app.cli", "serve", "--demo")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_until_ready(service: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if service.poll() is not None:
            raise SystemExit(
                f"The service ended with status {service.returncode} before it was ready:\n{log.read_text()}"
            )
        try:
            if httpx.get(f"{url}/health/ready", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"The service was not ready within {_START_SECONDS:.0f} seconds")


@contextmanager
def serving(home: Path, environment: dict[str, str]) -> Iterator[str]:
    """A demo service with its own database below `home`; gives its URL. Warnings and errors it logs come at the end."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    log = home / "service.log"
    with log.open("wb") as output:
        service = subprocess.Popen(
            _SERVE,
            cwd=home,  # a developer's .env may name a database that is not to be fuzzed
            env={**environment, "RENMAI_PORT": str(port), "PYTHONPATH": str(_ROOT)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches us alone; we stop the service ourselves
        )
    try:
        _wait_until_ready(service, url, log)
        yield url
    finally:
        service.terminate()
        try:
            service.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            service.kill()
            service.wait()
        _show(log)


def _show(log: Path) -> None:
    """The log lines of the service; the lines for people before them hold a password and a key."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("{")]
    if lines:
        print(f"\nThe service logged {len(lines)} warnings or errors; the last ones:", *lines[-20:], sep="\n")


def _schemathesis(url: str, environment: dict[str, str], examples: int, seed: int, more: list[str]) -> int:
    """One run. What it says is printed when it is over: the other lane would talk in between."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(_ROOT / "tests" / "schemathesis.toml")]
    command += ["run", f"{url}/openapi.json", "--workers=1", f"--max-examples={examples}", f"--seed={seed}"]
    command += ["--generation-database=none", "--continue-on-failure", "--no-color", *more]
    done = subprocess.run(command, cwd=_ROOT, env=environment, check=False, stdout=subprocess.PIPE, text=True)
    print(done.stdout, flush=True)
    return done.returncode


def _wanted(url: str) -> list[str]:
    """The operations of the document."""
    paths = httpx.get(f"{url}/openapi.json", timeout=60).json()["paths"]
    return [
        f"{method.upper()} {path}"
        for path, methods in paths.items()
        for method, operation in methods.items()
        if "operationId" in operation
    ]


def _unreached(wanted: list[str], found: Counter[str]) -> list[str]:
    """The operations that never succeeded; says how many did, and which seldom."""
    missing = [label for label in wanted if not found[label]]
    print(f"\n{len(wanted) - len(missing)} of {len(wanted)} operations succeeded at least once")
    for label in wanted:
        if 0 < found[label] < _SELDOM:
            print(f"Only {found[label]} times: {label}")
    return missing


Round = tuple[str, str | None]


def rounds(phases: str) -> list[Round]:
    """The phases of each run of Schemathesis, and who carries it out (None: both take turns).

    Scenarios start from a run of their own: drawing from the answers the other phases captured is not repeatable, and
    Hypothesis then ends them early without a word. One caller carries out a whole scenario, as far as he may: what an
    administrator made is none of an agent's business, and the checks would take that for a loss.
    """
    alone = [phase for phase in phases.split(",") if phase != "stateful"]
    found: list[Round] = [(",".join(alone), None)] if alone else []
    return found + [("stateful", caller) for caller in _CALLERS if "stateful" in phases.split(",")]


def lanes(phases: str) -> list[list[Round]]:
    """What runs side by side, each lane against a service of its own: one half of the time goes into coverage."""
    rest = ",".join(phase for phase in phases.split(",") if phase != "coverage")
    halves = [rounds("coverage") if "coverage" in phases.split(",") else [], rounds(rest) if rest else []]
    return [half for half in halves if half]


@dataclass(frozen=True)
class _Outcome:
    """Of one lane: the worst exit status, the operations there are, and how often each succeeded."""

    status: int
    wanted: list[str]
    found: Counter[str]


def _lane(lane: list[Round], examples: int, seed: int, more: list[str]) -> _Outcome:
    """Rounds one after the other, against a service of their own."""
    with tempfile.TemporaryDirectory(prefix="renmai-fuzz-") as name:
        home = Path(name)
        home.chmod(0o755)  # as root the database runs under another account, which must get in
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("RENMAI_")},
            "RENMAI_ENVIRONMENT": "development",
            "RENMAI_VAR_DIR": str(home),
            "RENMAI_RATE_LIMIT": "0",
            "RENMAI_LOG_LEVEL": "WARNING",
        }
        with serving(home, environment) as url:
            reached = home / "reached"
            reached.touch()
            environment |= {
                "SCHEMATHESIS_HOOKS": "tests.fuzz_hooks",
                "RENMAI_FUZZ_URL": url,
                "RENMAI_FUZZ_PARTNER_KEY": (home / "demo-partner-key").read_text().strip(),
                "RENMAI_FUZZ_REACHED": str(reached),
            }
            worst = 0
            for chosen, caller in lane:
                known = environment if caller is None else {**environment, "RENMAI_FUZZ_CALLER": caller}
                worst = max(worst, abs(_schemathesis(url, known, examples, seed, [f"--phases={chosen}", *more])))
            return _Outcome(worst, _wanted(url), Counter(reached.read_text(encoding="utf-8").splitlines()))


def _run(examples: int, seed: int, phases: str, more: list[str]) -> int:
    """All lanes of one seed."""
    chosen = lanes(phases)
    with ThreadPoolExecutor(len(chosen)) as pool:
        outcomes = list(pool.map(lambda lane: _lane(lane, examples, seed, more), chosen))
    worst = max(outcome.status for outcome in outcomes)
    found = sum((outcome.found for outcome in outcomes), Counter[str]())
    missing = _unreached(outcomes[0].wanted, found)
    if phases != _PHASES or more:
        return worst  # somebody looks at a part
    for label in missing:
        print(f"Never: {label}")
    return max(worst, int(bool(missing)))


def main() -> int:
    """Start, fuzz, stop, for every seed; the worst exit status of Schemathesis, 1 for an operation never reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=100, help="cases per operation and phase")
    parser.add_argument("--seed", type=int, action="append", help="may be given several times")
    parser.add_argument("--phases", default=_PHASES, help="as Schemathesis calls them, with commas between")
    chosen, more = parser.parse_known_args()
    seeds = chosen.seed or [int(os.environ.get("SEED", "2026"))]
    worst = 0
    for seed in seeds:
        started = time.monotonic()
        worst = max(worst, _run(chosen.examples, seed, chosen.phases, more))
        print(f"Seed {seed}: {time.monotonic() - started:.0f} seconds")
    return worst


if __name__ == "__main__":
    sys.exit(main())
