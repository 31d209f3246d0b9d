"""What tells whether two answers say the same, and whether anything at all was changed."""

from typing import Any

import httpx
from uuid_utils.compat import uuid7

from tests.factories import World


async def fingerprint(world: World) -> dict[str, str]:
    """A digest of every row of every table of the organisation; when a key was used is no change."""
    tables = await world.db.fetch("SELECT table_name FROM information_schema.columns WHERE column_name = 'org_id'")
    digests = (
        f"(SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {table} t WHERE org_id = $1)"
        f' AS "{table}"'
        for (table,) in sorted(tables)
        if table != "api_keys"
    )
    found = await world.db.fetchrow(f"SELECT {', '.join(digests)}", world.org_id)
    assert found is not None
    return dict(found)


def said(answer: httpx.Response) -> tuple[int, Any, list[tuple[str, str]]]:
    """All of an answer but the id of the request: status, body, and the headers with their values."""
    headers = sorted((name, value) for name, value in answer.headers.items() if name not in ("x-request-id", "date"))
    return answer.status_code, {**answer.json(), "request_id": ""}, headers


def unknown(*names: str) -> dict[str, str]:
    """An id nobody has for each of these."""
    return {name: str(uuid7()) for name in names}


def filled(body: Any, ids: dict[str, str]) -> Any:
    """The body with its placeholders replaced."""
    if isinstance(body, list):
        return [filled(value, ids) for value in body]
    if isinstance(body, dict):
        return {name: filled(value, ids) for name, value in body.items()}
    return body.format(**ids) if isinstance(body, str) and body[:1] == "{" else body


def put(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The body with `value` at `team_id` or, in a list of one, at `by_area/*/to_user_id`."""
    name, _, rest = path.partition("/")
    if not rest:
        return {**body, name: value}
    (one, *_) = body.get(name) or [{}]
    return {**body, name: [put(one, rest.removeprefix("*/"), value)]}
