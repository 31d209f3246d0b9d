"""How exceptions raised inside routes become problem+json; the place where framework errors lose their echo."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from app import security, withheld
from app.domain.needs_methods import METHODS
from app.errors import (
    AppError,
    Conflict,
    Invalid,
    Issue,
    Malformed,
    MethodNotAllowed,
    NotFound,
    pick_language,
    problem,
)
from app.logs import route_of

# pydantic error type → our code; anything else is "invalid".
_CODES = {
    "missing": "missing",
    "extra_forbidden": "unknown",
    "string_too_short": "too_short",
    "too_short": "too_short",
    "string_too_long": "too_long",
    "too_long": "too_long",
    "string_pattern_mismatch": "pattern",
    "enum": "choice",
    "literal_error": "choice",
    "union_tag_invalid": "choice",
    "union_tag_not_found": "missing",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "greater_than": "out_of_range",
    "less_than": "out_of_range",
    "none_required": "null_not_allowed",
}
# Whoever raises these notes what happened.
_TOLD_ELSEWHERE = {"login_failed", "step_up_failed", "second_factor_required", "invitation_invalid"}
_RETRY = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)


def _issue(error: dict[str, Any]) -> Issue:
    kind = error["type"]
    code = _CODES.get(kind, "type" if kind.endswith(("_type", "_parsing")) else "invalid")
    where, *path = error["loc"]
    if path[-1:] == ["[key]"]:  # of an object whose members may be named freely, within a pattern
        path.pop()
        code = "unknown"
    if where == "body":
        if code == "unknown":
            path[-1] = _plausible(str(path[-1]))
        if kind.startswith("union_tag_"):
            path.append(error["ctx"]["discriminator"].strip("'"))
        elif path[:-1] and path[0] in _METHODS:
            del path[0]
        steps = [str(step).replace("~", "~0").replace("/", "~1") for step in path if step not in _UNION_TAGS]
        return Issue(code, pointer="".join(f"/{step}" for step in steps))
    name = str(path[-1])[:60] if path else ""
    if code == "unknown":
        name = _plausible(name)
    return Issue(code, header=name) if where == "header" else Issue(code, parameter=name)


def _plausible(name: str) -> str:
    """An unknown name is the client's text: repeated only if it can be nothing but a name."""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,59}", name) else "?"


_UNION_TAGS = {"individual", "organization"}  # pydantic puts the chosen member of a union into the path
_METHODS = METHODS.keys()  # … first in it, before a member: no body has one of such a name with members of its own


def translate(error: Exception) -> AppError | None:
    """Our error for an exception of the framework or the database; None for what is a fault of ours."""
    if isinstance(error, AppError):
        return error
    if isinstance(error, RequestValidationError):
        issues = [_issue(item) for item in error.errors()]
        if any(item["type"] == "json_invalid" for item in error.errors()):
            return Malformed("json_invalid")
        return Invalid(issues=issues)
    if isinstance(error, HTTPException):
        return {404: NotFound(), 405: MethodNotAllowed()}.get(error.status_code, Malformed())
    cause = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(cause, _RETRY):
        return Conflict("retry", headers={"Retry-After": "1"})
    if isinstance(cause, (asyncpg.UniqueViolationError, asyncpg.ForeignKeyViolationError)):
        return Conflict()
    return None


def answerer(app: FastAPI) -> Callable[[Request, Exception], Awaitable[Response]]:
    """What answers an exception as a problem; one nobody translates is raised again, for the outermost layer."""

    async def handle(request: Request, error: Exception) -> Response:
        told = translate(error)
        if told is None:
            raise error
        if isinstance(told, NotFound) and "actor" in request.scope["state"]:
            told = await withheld.restricted(request.scope["state"]["actor"], request.scope["path"]) or told
        if told.status in (401, 403) and told.code not in _TOLD_ELSEWHERE:
            state = request.scope["state"]
            security.note(
                "access.refused",
                code=told.code,
                route=route_of(request.scope),
                org_id=state.get("org_id"),
                actor_id=state.get("user_id"),
                request_id=state.get("request_id"),
            )
        if isinstance(told, MethodNotAllowed):
            told.headers["Allow"] = ", ".join(allowed_methods(app, request.url.path)) or "GET"
        body, headers = problem(
            told,
            language=pick_language(request.headers.get("accept-language")),
            request_id=request.scope["state"].get("request_id", ""),
        )
        return Response(body, told.status, headers)

    return handle


def install(app: FastAPI) -> None:
    """Register the handler for everything it may be able to translate."""
    for kind in (AppError, RequestValidationError, HTTPException, DBAPIError, asyncpg.PostgresError):
        app.add_exception_handler(kind, answerer(app))


def allowed_methods(app: FastAPI, path: str) -> list[str]:
    """Every method some route serves at this path: the framework's own Allow knows only the first route it met."""
    paths = app.openapi()["paths"]
    if path in paths:  # a path without parameters goes before one with them
        return sorted(name.upper() for name in paths[path] if name != "parameters")
    table: list[tuple[re.Pattern[str], set[str]]] | None = getattr(app.state, "methods_by_path", None)
    if table is None:
        table = []
        for template, operations in paths.items():
            pattern = re.compile(re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(template)))
            table.append((pattern, {name.upper() for name in operations if name != "parameters"}))
        app.state.methods_by_path = table
    return sorted({method for pattern, methods in table if pattern.fullmatch(path) for method in methods})
