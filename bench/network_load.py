"""The database's own throughput: the service's statements over raw connections, as its role, nothing around them.

Reads a plan from stdin: `dsn`, `org_id`, `statements` ([text, arguments] each), `connections`, `warmup`, `seconds`,
`server_settings`. Writes {"per_second", "p50", "p99"} (ms) to stdout. Closed loop: each connection sends its next
statement when it has its answer.
"""

import asyncio
import gc
import sys
from itertools import cycle
from time import perf_counter
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import uvloop


async def _run(plan: dict[str, Any]) -> dict[str, float]:
    statements = cycle(plan["statements"])
    latencies: list[float] = []
    begun = perf_counter() + plan["warmup"]
    end = begun + plan["seconds"]

    async def work() -> None:
        connection = await asyncpg.connect(plan["dsn"], server_settings=plan["server_settings"])
        await connection.execute(f"SET app.org_id = '{UUID(plan['org_id'])}'; SET plan_cache_mode = force_generic_plan")
        now = perf_counter()
        while now < end:
            sql, args = next(statements)
            sent = now
            await connection.fetchrow(sql, *args)
            now = perf_counter()
            if begun <= now < end:
                latencies.append(now - sent)
        await connection.close()

    gc.disable()
    await asyncio.gather(*(work() for _ in range(plan["connections"])))
    latencies.sort()
    return {
        "per_second": len(latencies) / plan["seconds"],
        "p50": latencies[len(latencies) // 2] * 1e3,
        "p99": latencies[int(len(latencies) * 0.99)] * 1e3,
    }


def main() -> None:
    """One measurement."""
    plan = orjson.loads(sys.stdin.buffer.read())
    sys.stdout.buffer.write(orjson.dumps(uvloop.run(_run(plan))))


if __name__ == "__main__":
    main()
