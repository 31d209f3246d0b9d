"""What the same machine could do at best: bare Starlette routes, raw asyncpg, the same SQL text, nothing else.

No token, no row-level security (it connects as the owner of the tables), no validation, no request id, no headers.
`BENCH_LIMIT` names a JSON file with the statements and arguments that the service itself was seen to use.
"""

import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uuid_utils.compat import uuid7

_JSON = "application/json"


async def _keep(_connection: asyncpg.Connection) -> None:
    """No reset query when a connection goes back to the pool."""


async def _bind(connection: asyncpg.Connection, org_id: str) -> None:
    # Functions check whom they work for; once per connection is enough where there is one organisation.
    await connection.execute(f"SET app.org_id = '{org_id}'; SET plan_cache_mode = force_generic_plan")


def create_app() -> Starlette:
    """The application for `uvicorn --factory`."""
    plan: dict[str, Any] = orjson.loads(Path(os.environ["BENCH_LIMIT"]).read_bytes())
    org_id: str = plan["org_id"]
    reads: dict[str, list[Any]] = plan["reads"]
    pool: asyncpg.Pool

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        nonlocal pool
        pool = await asyncpg.create_pool(
            plan["dsn"],
            min_size=plan["connections"],
            max_size=plan["connections"],
            reset=_keep,
            init=lambda connection: _bind(connection, org_id),
            server_settings=plan["server_settings"],
            statement_cache_size=200,
        )
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        yield
        await pool.close()

    async def read(request: Request) -> Response:
        """The statement `key` for the customers of `owner`; `id` stands where the service would put the path's id."""
        path = request.path_params
        sql, args, body = reads[path["key"]]
        wanted = [path["id"] if arg == "{id}" else arg for arg in args]
        found = await pool.fetchrow(sql, org_id, [path["owner"]], *wanted)
        return Response(found[body].encode(), 200, None, _JSON)

    async def create(request: Request) -> Response:
        """A customer row, its audit event and its feed row, in one transaction."""
        owner = request.path_params["owner"]
        sent = orjson.loads(await request.body())
        key, words, masked = plan["names"][sent["name"]]
        now, customer_id = datetime.now(UTC), uuid7()
        row = {
            **plan["blank"], "org_id": org_id, "id": customer_id, "created_at": now, "updated_at": now,
            "stage_changed_at": now, "owner_id": owner, "party_type": sent["party_type"], "stage": sent["stage"],
            "name": sent["name"], "name_key": key, "search_text": f"{words}#{sent['phones'][0]['number'][:-5:-1]} ",
            "gender": sent["gender"], "occupation": sent["occupation"], "tags": sent["tags"],
            "private_enc": orjson.dumps({"phones": sent["phones"], "note": sent["note"]}), "masked": masked,
            "created_digest": customer_id.bytes * 2,
        }  # fmt: skip
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(plan["insert"], *[row[column] for column in plan["columns"]])
            await connection.execute(
                plan["trail"], org_id, [owner], ["customers"], [customer_id], [False],
                [uuid7()], [owner], ["user"], ["customer.created"], ["customer"], [customer_id],
                ['{"stage":"prospect"}'], [str(customer_id)], [owner], ["phone"], ["ios"], [customer_id], [None],
            )  # fmt: skip
        return Response(b'{"id":"%s","version":1}' % str(customer_id).encode(), 201, None, _JSON)

    return Starlette(
        routes=[
            Route("/read/{key}/{owner}/{id}", read),
            Route("/create/{owner}", create, methods=["POST"]),
        ],
        lifespan=lifespan,
    )
