"""The load: closed-loop HTTP/1.1 clients over keep-alive connections, in a process of their own.

A plain epoll loop over raw sockets costs a third of the CPU of an asyncio client, and CPU is what client, server and
database share on one machine. Each connection sends its next request when its answer is complete; nothing is pipelined.
Only status line and Content-Length are read. The process watches the CPU time of the given processes during exactly
the time it counts requests.
"""

import gc
import os
import select
import socket
import sys
from array import array
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import orjson

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Plan:
    """One measurement. `watch` maps a label to the process whose CPU counts, with its children.

    Attributes:
        requests: whole requests, sent in turn for as long as it takes.
        warmup: seconds that are not counted.
        seconds: seconds that are.
    """

    port: int
    requests: list[str]
    connections: int
    warmup: float
    seconds: float
    status: int
    watch: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Outcome:
    """What was measured: latencies in ms, CPU in µs per request (`client` is this process)."""

    count: int
    per_second: float
    p50: float
    p99: float
    worst: float
    cpu: dict[str, float]


class UnexpectedAnswer(RuntimeError):
    """The server said something else: whatever was measured is worth nothing."""


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, of its living children and of those it has buried."""
    total = sum(_ticks(pid))
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            try:
                total += sum(_ticks(int(child))[:2])
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended between the two reads, and is counted with its parent
    return total / _TICK


def _ticks(pid: int) -> list[int]:
    # The name in parentheses may hold blanks; utime, stime, cutime, cstime are the 12th to 15th field after it.
    return [int(part) for part in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]]


class _Answer:
    """One connection and the answer it waits for."""

    __slots__ = ("held", "missing", "sent", "wire")

    def __init__(self, port: int) -> None:
        self.wire = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.held = b""
        self.missing = 0
        self.sent = 0.0

    def take(self, status: bytes) -> bool:
        """Read what has come; True when the answer is complete."""
        data = self.wire.recv(262_144)
        if not data:
            raise UnexpectedAnswer("the server closed the connection")
        if self.missing:
            self.missing -= len(data)
            return self.missing == 0
        if self.held:
            data = self.held + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self.held = data
            return False
        self.held = b""
        if data[9:12] != status:
            raise UnexpectedAnswer(data[:600].decode(errors="replace"))
        at = data.find(b"content-length: ", 0, end) + 16
        self.missing = int(data[at : data.find(b"\r", at)]) - (len(data) - end - 4)
        return self.missing == 0


def run(plan: Plan) -> Outcome:
    """Load the server for `warmup + seconds` seconds.

    Raises:
        UnexpectedAnswer: another status than `plan.status`, or a closed connection.
    """
    requests = cycle([text.encode("latin-1") for text in plan.requests])
    status = str(plan.status).encode()
    poll = select.epoll()
    open_answers = {(made := _Answer(plan.port)).wire.fileno(): made for _ in range(plan.connections)}
    gc.disable()
    for number, answer in open_answers.items():
        poll.register(number, select.EPOLLIN)
        answer.sent = perf_counter()
        answer.wire.sendall(next(requests))
    _spin(poll, open_answers, requests, status, plan.warmup)
    before, own, begun = _watched(plan), process_time(), perf_counter()
    latencies = _spin(poll, open_answers, requests, status, plan.seconds)
    took, spent, after = perf_counter() - begun, process_time() - own, _watched(plan)
    count = len(latencies)
    cpu = {label: (after[label] - before[label]) / count * 1e6 for label in after}
    for answer in open_answers.values():
        answer.wire.close()
    ordered = sorted(latencies)
    return Outcome(
        count=count,
        per_second=count / took,
        p50=ordered[count // 2] * 1e3,
        p99=ordered[int(count * 0.99)] * 1e3,
        worst=ordered[-1] * 1e3,
        cpu={**cpu, "client": spent / count * 1e6},
    )


def _watched(plan: Plan) -> dict[str, float]:
    return {label: cpu_seconds(pid) for label, pid in plan.watch.items()}


def _spin(
    poll: select.epoll, open_answers: dict[int, _Answer], requests: Any, status: bytes, seconds: float
) -> "array[float]":
    """Answer with the next request whatever comes in, and return how long each answer took, in seconds."""
    latencies = array("d")
    end = perf_counter() + seconds
    now = 0.0
    while now < end:
        for number, _ in poll.poll(5):
            answer = open_answers[number]
            if answer.take(status):
                now = perf_counter()
                latencies.append(now - answer.sent)
                answer.sent = now
                answer.wire.sendall(next(requests))
        now = perf_counter()
    return latencies


def main() -> None:
    """Read a plan from stdin, write the outcome to stdout."""
    outcome = run(Plan(**orjson.loads(sys.stdin.buffer.read())))
    sys.stdout.buffer.write(orjson.dumps(asdict(outcome)))


if __name__ == "__main__":
    main()
