"""Checks every answer of every test against the OpenAPI document: status, media type, required headers, schema."""

import re
from typing import Any

import httpx
import jsonschema_rs


class Contract:
    """The OpenAPI document, ready to judge answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._paths = [  # literal paths before templates
            (re.compile(re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(path))), operations)
            for path, operations in sorted(document["paths"].items(), key=lambda pair: str(pair[0]).count("{"))
        ]
        self._validators: dict[str, jsonschema_rs.Draft202012Validator] = {}

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """The documented operation a request meets, literal paths before templates."""
        for pattern, operations in self._paths:
            if pattern.fullmatch(path) and method.lower() in operations:
                found: dict[str, Any] = operations[method.lower()]
                return found
        return None

    async def check(self, response: httpx.Response) -> None:
        """An httpx response hook: fails the test whose answer is not as documented."""
        request = response.request
        method = request.headers.get("x-http-method-override", request.method)
        operation = self.operation(method, request.url.path)
        if operation is None or response.status_code == 405:
            assert response.status_code in (400, 404, 405, 413, 414, 415, 422, 431), response.status_code
            return
        where = f"{request.method} {request.url.path} → {response.status_code}"
        declared = operation["responses"].get(str(response.status_code))
        assert declared is not None, f"{where} is not declared"
        declared = self._resolve(declared)
        body = await response.aread()
        content = declared.get("content", {})
        if not content:
            assert not body, f"{where} has an undeclared body"
            return
        media = response.headers["content-type"].split(";")[0]
        assert media in content, f"{where} answers {media}"
        said = response.json() if media.endswith("json") else response.text
        self._validate(content[media].get("schema", {}), said, where)

    def _resolve(self, node: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in node:
            return node
        target: Any = self.document
        for step in node["$ref"].lstrip("#/").split("/"):
            target = target[step]
        resolved: dict[str, Any] = target
        return resolved

    def _validate(self, schema: dict[str, Any], said: Any, where: str) -> None:
        key = repr(schema)
        if key not in self._validators:
            whole = {**schema, "components": self.document.get("components", {})}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole)
        problems = [f"{error.instance_path}: {error.message[:200]}" for error in
                    self._validators[key].iter_errors(said)]  # fmt: skip
        assert not problems, f"{where} breaks its schema: {problems[:3]}"
