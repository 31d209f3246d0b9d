"""The table of a run, as Markdown."""

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from bench.load import Outcome

_PACKAGES = ("fastapi", "starlette", "uvicorn", "uvloop", "httptools", "asyncpg", "sqlmodel", "sqlalchemy", "pydantic")
_TAIL = 5  # p99 may be this many times p50


@dataclass(frozen=True, slots=True)
class Result:
    """The outcomes of one case, in the order of the rounds. `target` is in percent."""

    title: str
    target: int
    ours: list[Outcome]
    limit: list[Outcome]

    @property
    def share(self) -> float:
        """The best round of the service in percent of the best round of the limit."""
        return 100 * best(self.ours).per_second / best(self.limit).per_second

    @property
    def typical_share(self) -> float:
        """The median over the rounds, each compared with the limit's round beside it, in percent."""
        return 100 * median(a.per_second / b.per_second for a, b in zip(self.ours, self.limit, strict=True))

    @property
    def tail(self) -> float:
        """p99 divided by p50 in the median round of the service."""
        return median(outcome.p99 / outcome.p50 for outcome in self.ours)


def best(outcomes: list[Outcome]) -> Outcome:
    """The round with the highest throughput: the one that was disturbed least."""
    return max(outcomes, key=lambda outcome: outcome.per_second)


def origin(command: str) -> dict[str, str]:
    """When, of which commit, by which command and on which machine figures were measured."""
    git = ("git", "-C", str(Path(__file__).parent))
    commit = _said(*git, "rev-parse", "--short", "HEAD")
    changed = _said(*git, "status", "--porcelain", "--untracked-files=no", "--", "..")
    return {
        "Date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "Commit": commit + (" with local changes" if changed else ""),
        "Command": f"python -m bench.{command} " + " ".join(sys.argv[1:]),
        "Machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
    }


def tell(command: str, title: str, lines: Sequence[str]) -> None:
    """Print the lines of a measurement and keep them as its section of RESULTS.md."""
    about = [f"* {name}: {value}" for name, value in origin(command).items()]
    head = [f"## {title}", "", f"Written by `python -m bench.{command}`; README.md says how it is measured.", ""]
    text = "\n".join([*head, *lines, "", *about])
    print(text)
    put(Path(__file__).with_name("RESULTS.md"), command, text)


def facts(command: str, database: dict[str, str], world: str, load: str) -> dict[str, str]:
    """Everything somebody needs to judge or repeat the figures."""
    settings = ", ".join(f"{name} {value}" for name, value in database.items() if name != "server_version")
    return origin(command) | {
        "Versions": f"Python {platform.python_version()}, PostgreSQL {database['server_version'].split()[0]}, "
        + ", ".join(f"{name} {version(name)}" for name in _PACKAGES),
        "Database": f"private server, {settings}",
        "World": world,
        "Load": load,
    }


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def put(path: Path, section: str, text: str) -> None:
    """Replace one section of the file, or add it at the end; the others stay as they are."""
    begin, end = f"<!-- {section} -->\n", f"<!-- end of {section} -->\n"
    whole = path.read_text(encoding="utf-8") if path.exists() else "# Results\n"
    before, found, rest = whole.partition(begin)
    after = rest.partition(end)[2] if found else ""
    gap = "" if found or before.endswith("\n\n") else "\n"
    path.write_text(f"{before}{gap}{begin}{text.rstrip()}\n{end}{after}", encoding="utf-8")


def render(results: list[Result], about: dict[str, str]) -> str:
    """The section of `python -m bench.run`."""
    lines = ["## The service against its limit", ""]
    lines += ["Written by `python -m bench.run`; README.md says what the columns mean.", ""]
    lines += [
        "| case | service req/s: best (median) | limit req/s: best (median) | of the limit: best (median) | target "
        "| p50 / p99 ms | p99 ÷ p50 | limit p50 / p99 ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_line(result) for result in results]
    lines += [
        "",
        "CPU in µs for each request (best round):",
        "",
        "| case | service: Python | PostgreSQL | limit: Python | PostgreSQL | limit ÷ service, all CPU | load |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        ours, limit = best(result.ours).cpu, best(result.limit).cpu
        share = 100 * (limit["python"] + limit["postgres"]) / (ours["python"] + ours["postgres"])
        lines.append(
            f"| {result.title} | {ours['python']:.0f} | {ours['postgres']:.0f} | {limit['python']:.0f} "
            f"| {limit['postgres']:.0f} | {share:.0f} % | {limit['client']:.0f} |"
        )
    lines += ["", *(f"* {name}: {value.strip()}" for name, value in about.items()), ""]
    return "\n".join(lines)


def _line(result: Result) -> str:
    ours, limit = best(result.ours), best(result.limit)
    met = "met" if result.share >= result.target else "missed"
    tail = "" if result.tail <= _TAIL else f" (more than {_TAIL})"
    return (
        f"| {result.title} | {ours.per_second:.0f} ({_middle(result.ours):.0f}) "
        f"| {limit.per_second:.0f} ({_middle(result.limit):.0f}) "
        f"| **{result.share:.0f} %** ({result.typical_share:.0f} %) | {result.target} % {met} "
        f"| {ours.p50:.1f} / {ours.p99:.1f} | {result.tail:.1f}{tail} | {limit.p50:.1f} / {limit.p99:.1f} |"
    )


def _middle(outcomes: list[Outcome]) -> float:
    return median(outcome.per_second for outcome in outcomes)
