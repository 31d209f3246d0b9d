"""What the tests of hostile input share: every operation with a good request, and the places of free text in it."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI
from hypothesis import find, settings
from hypothesis import strategies as st

from app.access import PARTNER_SCOPES, SCOPES
from app.models.users import Role
from tests.factories import World
from tests.life_form import FORM
from tests.matrix import BODIES, NEEDED, ROWS
from tests.matrix_makers import customer
from tests.operations import Operation, operations
from tests.traces import filled

Json = dict[str, Any]
Place = tuple[str | int, ...]

_PROBE = "字 é'\"<&😀>"
_ANSWER = "discount_rate"  # the one answer of the published form that is a text
_PATH = {"form_key": FORM["form_key"], "form_version": FORM["form_version"]}


def every(api: FastAPI) -> list[Operation]:
    """All operations of the document."""
    return list(operations(api.openapi()))


def caller(operation: Operation) -> str:
    """Who may call it: the first of the users whose role has the scope, `partner`, or `nobody` where all may."""
    if not operation.scopes:
        return "nobody"
    needed = set(operation.scopes)
    if needed <= {scope.value for scope in PARTNER_SCOPES}:
        return "partner"
    return next(role for role in ("agent", "manager", "admin", "auditor") if needed <= set(SCOPES[Role(role)]))


def credential(world: World, operation: Operation) -> dict[str, str]:
    """The header of somebody who may call it."""
    name = caller(operation)
    if name == "nobody":
        return {}
    return {"Authorization": f"Bearer {world.partner_key if name == 'partner' else world.token(name)}"}


def bare(world: World) -> httpx.AsyncClient:
    """A client of the whole service whose answers are judged by the test alone."""
    transport = httpx.ASGITransport(app=world.app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers={"Accept-Language": "en"})


def unknown_ids(operation: Operation) -> dict[str, str]:
    """Path parameters of the right form."""
    return {name: _PATH.get(name) or str(uuid4()) for name in re.findall(r"\{(\w+)\}", operation.path)}


def plain_headers(operation: Operation, version: str = '"1"') -> dict[str, str]:
    """The declared headers, as a well-behaved client fills them."""
    wanted = {"If-Match": version, "Idempotency-Key": uuid4().hex}
    return {name: value for name, value in wanted.items() if name in operation.headers}


async def good(world: World, operation: Operation) -> tuple[dict[str, str], Any]:
    """Path parameters and body of a request that is as it should be."""
    row = ROWS.get(operation.id)
    owner = caller(operation) if caller(operation) in Role.__members__ else "agent"
    if row is not None:
        ids = await row.make(world, owner)
        return ids, filled(row.body, ids)
    ids = unknown_ids(operation)
    if operation.id not in BODIES:
        return ids, None
    needed = NEEDED.get(operation.id, customer)
    ids |= await needed(world, "agent")
    return ids, filled(BODIES[operation.id], ids)


# --- free text -------------------------------------------------------------------------------------------------


def body_schema(operation: Operation) -> Any:
    """The schema of the request body, or None."""
    content = operation.resolve(operation.spec.get("requestBody", {})).get("content", {})
    return content["application/json"]["schema"] if content else None


def is_free(schema: Json) -> bool:
    """Whether anything may be written here: a text without choices, form or alphabet."""
    if schema.get("type") != "string" or {"enum", "const"} & set(schema) or schema.get("format") not in (None, "name"):
        return False
    pattern = schema.get("pattern")
    return pattern is None or re.search(pattern, _PROBE) is not None


def _variants(operation: Operation, schema: Any) -> Iterator[Json]:
    """The schema without references and unions."""
    schema = operation.resolve(schema)
    inner = [variant for kind in ("oneOf", "anyOf", "allOf") for variant in schema.get(kind, ())]
    for variant in inner:
        yield from _variants(operation, variant)
    if not inner:
        yield schema


def _free_keys(shape: Json) -> list[Any]:
    """Schemas of members whose names are not fixed."""
    return [part for part in (*shape.get("patternProperties", {}).values(), shape.get("additionalProperties"))
            if isinstance(part, dict)]  # fmt: skip


def free_places(operation: Operation, schema: Any, at: Place = (), seen: tuple[int, ...] = ()) -> dict[Place, Json]:
    """Every place of free text below a schema, with its own; of a list the first item, of a map with free keys one."""
    found: dict[Place, Json] = {}
    for variant in _variants(operation, schema):
        if id(variant) in seen:
            continue
        inside = (*seen, id(variant))
        below = [((*at, name), part) for name, part in variant.get("properties", {}).items()]
        below += [((*at, _ANSWER), part) for part in _free_keys(variant)]
        if isinstance(variant.get("items"), dict):
            below.append(((*at, 0), variant["items"]))
        if is_free(variant):
            found[at] = variant
        for place, part in below:
            if _ANSWER not in at:  # the rows of a group are maps of answers again
                found |= free_places(operation, part, place, inside)
    return found


def fits(schema: Json, text: str) -> bool:
    """Whether the document allows this text here."""
    is_long_enough = schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text))
    return is_long_enough and re.search(schema.get("pattern", ""), text) is not None


def placed(operation: Operation, schema: Any, body: Any, texts: dict[Place, str]) -> Any:
    """The body with these texts at their places; whatever an object on the way requires is made up."""
    for place, text in texts.items():
        body = _put(operation, schema, body, place, text)
    return body


def _put(operation: Operation, schema: Any, body: Any, place: Place, text: str) -> Any:
    if not place:
        return text
    step, rest = place[0], place[1:]
    if isinstance(step, int):
        items = next(variant["items"] for variant in _variants(operation, schema) if "items" in variant)
        held = list(body or ())
        held += [None] * (step + 1 - len(held))
        held[step] = _put(operation, items, held[step], rest, text)
        return held
    shape = next(v for v in _variants(operation, schema) if step in v.get("properties", ()) or _free_keys(v))
    part = shape["properties"][step] if step in shape.get("properties", ()) else _free_keys(shape)[0]
    if isinstance(body, dict):
        known = dict(body)
    else:
        known = {name: sample(operation, shape["properties"][name]) for name in shape.get("required", ())}
    known[step] = _put(operation, part, known.get(step), rest, text)
    return known


def sample(operation: Operation, schema: Any) -> Any:
    """Some value of a schema."""
    shape = next(_variants(operation, schema))
    for known in (shape.get("examples", []), shape.get("enum", []), [shape["const"]] if "const" in shape else []):
        if known:
            return known[0]
    made = {"integer": shape.get("minimum", 0), "number": shape.get("minimum", 0), "boolean": False, "array": []}
    if shape.get("type") in made:
        return made[shape["type"]]
    if shape.get("type") == "object":
        return {name: sample(operation, shape["properties"][name]) for name in shape.get("required", ())}
    by_format = {"uuid": str(uuid4()), "date": "2026-01-05", "name": "江晚舟", "email": "a@example.cn"}
    text = by_format.get(shape.get("format", ""))
    return _text(shape.get("pattern", "^x{8}$"), shape.get("minLength", 0)) if text is None else text


@cache
def _text(pattern: str, length: int) -> str:
    """The simplest text of a pattern."""
    short = st.from_regex(pattern.replace("^", "").replace("$", ""), fullmatch=True)
    return find(short, lambda made: len(made) >= length, settings=settings(database=None))


def at(document: Any, place: Place) -> Any:
    """What stands there; None when there is no such place."""
    for step in place:
        try:
            document = document[step]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def named(answer: httpx.Response, places: Iterable[Place]) -> set[Place]:
    """Those of the places at which (or within which, or around which) a refusal found something wrong."""
    told = {tuple(int(step) if step.isdigit() else step for step in issue["pointer"].split("/")[1:])
            for issue in answer.json().get("errors", ()) if issue.get("pointer")}  # fmt: skip
    return {place for place in places if any(place[: len(where)] == where for where in told)}
