"""The express lane: the few reads a phone asks most, past the framework's routing and dependency machinery.

It is an ASGI layer in front of the FastAPI application, built from the routes' own declarations, so there is one
definition of each operation. Whatever is not a plain, valid request for one of its routes (another method or path,
an id that is no UUID, a query its model refuses) falls through untouched, and FastAPI answers it as ever. What it
serves it serves with the same endpoint function, the same scope check and the same error handler.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from app.deps import Needs

_UUID = "([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"

Handler = Callable[[Request, Exception], Awaitable[Response]]


class Lane:
    """One GET route taken apart once.

    Raises:
        ValueError: the route asks for something the lane cannot give.
    """

    __slots__ = ("_actor", "_ids", "_model", "_needs", "_query", "_request", "endpoint", "pattern", "route")

    def __init__(self, route: APIRoute) -> None:
        shape = route.dependant
        needs = [part for part in shape.dependencies if isinstance(part.call, Needs)]
        extra = shape.header_params or shape.cookie_params or shape.body_params or len(shape.query_params) > 1
        if len(needs) != 1 or len(shape.dependencies) != 1 or extra or route.methods != {"GET"}:
            raise ValueError(f"{route.name} cannot take the express lane")
        self.route, self.endpoint = route, route.endpoint
        self._needs: Any = needs[0].call
        self._actor = needs[0].name or ""
        self._request = shape.request_param_name
        self._ids = [parameter.name for parameter in shape.path_params]
        self._query = shape.query_params[0].name if shape.query_params else None
        model: Any = shape.query_params[0].field_info.annotation if shape.query_params else None
        self._model: type[BaseModel] | None = model
        self.pattern = re.compile(re.sub(r"\{\w+\}", lambda _: _UUID, route.path))

    def arguments(self, found: re.Match[str], query_string: bytes) -> dict[str, Any] | None:
        """The endpoint's arguments but for the caller; None when FastAPI must look at this request."""
        values: dict[str, Any] = {name: UUID(text) for name, text in zip(self._ids, found.groups(), strict=True)}
        if self._model is not None and self._query is not None:
            members = dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)) if query_string else {}
            try:
                values[self._query] = self._model.model_validate(members)
            except ValidationError:
                return None
        elif query_string:
            return None
        return values

    async def serve(self, request: Request, values: dict[str, Any]) -> Response:
        """The answer of the endpoint."""
        if self._request is not None:
            values[self._request] = request
        values[self._actor] = await self._needs(request)
        answer: Response = await self.endpoint(**values)
        return answer


class Express:
    """ASGI layer: serves its routes itself and passes everything else on."""

    def __init__(self, app: ASGIApp, routes: Iterable[APIRoute], handler: Handler) -> None:
        self._app = app
        self._lanes = [Lane(route) for route in routes]
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET":
            for lane in self._lanes:
                found = lane.pattern.fullmatch(scope["path"])
                if found is None:
                    continue
                values = lane.arguments(found, scope["query_string"])
                if values is None:
                    break
                scope["route"] = lane.route
                request = Request(scope, receive, send)
                try:
                    response = await lane.serve(request, values)
                except Exception as error:
                    response = await self._handler(request, error)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)
