"""The operations of the OpenAPI document, as tests that are driven by it want them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

METHODS = ("get", "head", "post", "put", "patch", "delete", "options")


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    spec: dict[str, Any]
    document: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.spec["operationId"])

    @property
    def scopes(self) -> list[str]:
        """What the caller needs; empty for public operations."""
        return [scope for need in self.spec.get("security", ()) for scopes in need.values() for scope in scopes]

    @property
    def headers(self) -> set[str]:
        """Names of the declared headers."""
        return {item["name"] for item in self.spec.get("parameters", ()) if item["in"] == "header"}

    @property
    def ids(self) -> list[str]:
        """Names of the path parameters that are ids."""
        return [
            item["name"]
            for item in self.spec.get("parameters", ())
            if item["in"] == "path" and item["schema"].get("format") == "uuid"
        ]

    def resolve(self, node: Any) -> Any:
        """What a `$ref` stands for."""
        while "$ref" in node:
            target: Any = self.document
            for step in node["$ref"].lstrip("#/").split("/"):
                target = target[step]
            node = target
        return node

    def members(self, schema: Any) -> dict[str, Any]:
        """Members of an object schema, those of all variants of a union together."""
        schema = self.resolve(schema)
        found: dict[str, Any] = dict(schema.get("properties", {}))
        for kind in ("oneOf", "anyOf", "allOf"):
            for variant in schema.get(kind, ()):
                found |= self.members(variant)
        return found

    def body_members(self) -> dict[str, Any]:
        """Members of the request body; empty without a body."""
        content = self.resolve(self.spec.get("requestBody", {})).get("content", {})
        return self.members(content["application/json"]["schema"]) if content else {}

    def body_ids(self) -> set[str]:
        """Paths of the members of the request body that hold an id: `team_id`, `by_area/*/to_user_id`."""
        content = self.resolve(self.spec.get("requestBody", {})).get("content", {})
        return set(self._uuids(content["application/json"]["schema"], "")) if content else set()

    def _uuids(self, schema: Any, place: str) -> Iterator[str]:
        schema = self.resolve(schema)
        if schema.get("format") == "uuid":
            yield place.lstrip("/")
        for name, part in schema.get("properties", {}).items():
            yield from self._uuids(part, f"{place}/{name}")
        for kind in ("oneOf", "anyOf", "allOf"):
            for part in schema.get(kind, ()):
                yield from self._uuids(part, place)
        if "items" in schema:
            yield from self._uuids(schema["items"], f"{place}/*")

    def query(self) -> dict[str, Any]:
        """The query parameters: name → schema."""
        return {item["name"]: item["schema"] for item in self.spec.get("parameters", ()) if item["in"] == "query"}

    def some_ids(self) -> dict[str, str]:
        """A value nobody has for every path parameter."""
        return {name: str(uuid4()) for name in re.findall(r"\{(\w+)\}", self.path)}

    def empty_body(self) -> dict[str, Any] | None:
        """The least that can be sent: an empty object where there is a body."""
        return {} if "requestBody" in self.spec else None

    def answer_members(self) -> set[str]:
        """Members of every successful answer."""
        found: set[str] = set()
        for status, answer in self.spec["responses"].items():
            content = answer.get("content", {}) if status[0] == "2" else {}
            found |= (
                set(self.members(content["application/json"]["schema"])) if "application/json" in content else set()
            )
        return found

    def url(self, ids: Mapping[str, str]) -> str:
        """The path with its parameters filled in."""
        return self.path.format(**ids)

    async def call(
        self, client: httpx.AsyncClient, ids: Mapping[str, str], body: Any = None, **params: str
    ) -> httpx.Response:
        """A request that is valid but for what the test is about: If-Match 1, a fresh Idempotency-Key.

        Args:
            params: the query.
        """
        headers = {}
        if "If-Match" in self.headers:
            headers["If-Match"] = '"1"'
        if "Idempotency-Key" in self.headers:
            headers["Idempotency-Key"] = uuid4().hex
        return await client.request(
            self.method.upper(), self.url(ids), json=body, headers=headers, params=params or None
        )


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    """All of them, in the order of the document."""
    for path, item in document["paths"].items():
        for method, spec in item.items():
            if method in METHODS:
                yield Operation(method, path, spec, document)


def by_id(document: dict[str, Any]) -> dict[str, Operation]:
    """All of them by their operationId."""
    return {operation.id: operation for operation in operations(document)}
