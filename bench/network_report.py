"""The network's section of RESULTS.md."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from bench.network_cases import NetworkCase, Timing

GROWTH = 1.5  # how much slower p95 may be in a world ten times as big
THROUGHPUT = 50  # percent of the database's own requests a second that must come out of the service


@dataclass(slots=True)
class Throughput:
    """Requests a second of each round: the service over HTTP, and its statements over bare connections."""

    service: list[float] = field(default_factory=list)
    database: list[float] = field(default_factory=list)
    p99: float = 0.0  # ms, of the service, worst round

    @property
    def share(self) -> float:
        """Median over the rounds, in percent."""
        return 100 * median(ours / own for ours, own in zip(self.service, self.database, strict=True))


@dataclass(slots=True)
class Measured:
    """One world with everything that was measured in it."""

    nodes: int
    edges: int
    about: dict[str, str]
    empty: float
    seen: tuple[int, int]
    timings: dict[str, Timing] = field(default_factory=dict)
    throughput: Throughput | None = None
    restarted: Timing | None = None

    @property
    def title(self) -> str:
        return f"{_short(self.nodes)} / {_short(self.edges)}"


def percentiles(timing: Timing) -> tuple[float, float, float, float]:
    """p50, p95, p99 and the slowest, in ms."""
    p50, p95, p99 = np.percentile(timing.milliseconds, [50, 95, 99])
    return float(p50), float(p95), float(p99), max(timing.milliseconds)


def render(cases: Sequence[NetworkCase], worlds: Sequence[Measured], facts: dict[str, str]) -> str:
    """The whole section."""
    lines = ["## The network", "", "Written by `python -m bench.network`; README.md says how it is measured.", ""]
    for world in worlds:
        lines += [f"### {world.nodes:,} parties, {world.edges:,} ties in one organisation", "", *_table(cases, world)]
    lines += _growth(cases, worlds)
    lines += [f"* {name}: {value.strip()}" for name, value in facts.items()]
    return "\n".join(lines)


def _table(cases: Sequence[NetworkCase], world: Measured) -> list[str]:
    lines = [
        "| database time, ms | p50 | p95 | p99 | slowest | target | first p95 | CPU p50 | p95 | nodes | kB | asked |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for case in cases:
        if case.name in world.timings:
            lines.append(_line(case, world.timings[case.name]))
    lines += [""]
    if world.throughput is not None:
        lines += [_throughput(world.throughput)]
    if world.restarted is not None:
        p50, p95, _, slowest = percentiles(world.restarted)
        count = len(world.restarted.milliseconds)
        lines += [
            f"* First {count} networks of depth 2 after a restart of the database: p50 {p50:.1f}, p95 {p95:.1f}, "
            f"slowest {slowest:.1f} ms"
        ]
    lines += [f"* A tie written, then the network read at once: seen in {world.seen[0]} of {world.seen[1]}"]
    lines += [f"* An empty round trip took {world.empty:.2f} ms and is not counted"]
    lines += [f"* {name}: {value}" for name, value in world.about.items()]
    return [*lines, ""]


def _line(case: NetworkCase, timing: Timing) -> str:
    p50, p95, p99, slowest = percentiles(timing)
    wanted = [
        f"{name} ≤ {target:g} {'met' if found <= target else '**missed**'}"
        for name, found, target in (("p50", p50, case.p50), ("p95", p95, case.p95))
        if target is not None
    ]
    return (
        f"| {case.title} | {p50:.2f} | {p95:.2f} | {p99:.2f} | {slowest:.1f} | {', '.join(wanted) or '–'} "
        f"| {np.percentile(timing.first or timing.milliseconds, 95):.2f} "
        f"| {np.median(timing.cpu):.2f} | {np.percentile(timing.cpu, 95):.2f} "
        f"| {timing.nodes:.0f} | {timing.bytes / 1000:.0f} | {timing.statements:.0f} |"
    )


def _throughput(found: Throughput) -> str:
    met = "met" if found.share >= THROUGHPUT else "**missed**"
    return (
        f"* Depth 2 for agents, 16 connections: the service answers {median(found.service):.0f} requests a second "
        f"over HTTP (p99 {found.p99:.0f} ms), bare connections running the same statements {median(found.database):.0f}"
        f": **{found.share:.0f} %** (target {THROUGHPUT} % {met})"
    )


def _growth(cases: Sequence[NetworkCase], worlds: Sequence[Measured]) -> list[str]:
    if len(worlds) < 2:
        return []
    small, big = worlds[0], worlds[-1]
    lines = [
        f"### From {small.title} to {big.title}", "",
        "| case | p50 | p95 | target |", "|---|---|---|---|",
    ]  # fmt: skip
    for case in cases:
        if case.name in small.timings and case.name in big.timings:
            before, after = percentiles(small.timings[case.name]), percentiles(big.timings[case.name])
            ratios = [late / max(early, 0.01) for early, late in zip(before[:2], after[:2], strict=True)]
            met = "met" if ratios[1] <= GROWTH else "**missed**"
            wanted = f"p95 ≤ {GROWTH}× {met}" if case.growth else "–"
            lines.append(f"| {case.title} | {ratios[0]:.2f}× | {ratios[1]:.2f}× | {wanted} |")
    return [*lines, ""]


def _short(count: int) -> str:
    return f"{count / 1e6:g} M" if count >= 1_000_000 else f"{count / 1e3:g} k"
