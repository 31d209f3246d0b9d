"""The published contract: what FastAPI generates, completed with what it cannot know.

Routes state what is special about them (`openapi_extra=IF_MATCH`, `responses=problems(409)`); what follows from the
house rules (who may get 401, 413, 422 …) is added here, so that no route can forget it.
"""

from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi

VERSION = "1.0.0"
_EXAMPLES = Path(__file__).parents[1] / "openapi" / "examples"

_TAG = r'(W/)?"[\x21\x23-\x7E]*"'
_ETAG = {"type": "string", "format": "entity-tag", "maxLength": 80, "pattern": f"^{_TAG}$"}
_ETAGS = {
    "type": "string",
    "format": "entity-tags",
    "maxLength": 2000,
    "pattern": rf"^(\*|{_TAG}([ \t]*,[ \t]*{_TAG})*)$",
}


def _header(name: str, text: str, schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    parameter = {"name": name, "in": "header", "required": required, "description": text, "schema": schema}
    return {"parameters": [parameter]}


IF_MATCH = _header("If-Match", "The version that is changed, as the last ETag said", _ETAG, required=True)
IF_NONE_MATCH = _header("If-None-Match", "The versions already held; 304 when one is current", _ETAGS)
_KEY = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7E]+$"}
ONCE = _header("Idempotency-Key", "A retry with the same key answers what the first one answered (24 h)", _KEY)
_PROOF = {"type": "string", "minLength": 1, "maxLength": 6000, "pattern": r"^[A-Za-z0-9_.-]+$"}
DPOP = _header("DPoP", "A proof of the device's key (RFC 9449), with the nonce of the last `DPoP-Nonce`", _PROOF)
# The longest table there can be: 20,000 rows of at most 2,700 characters, when every one of them is a quote.
CSV: dict[str, Any] = {"content": {"text/csv": {"schema": {"type": "string", "maxLength": 60_000_000}}}}
# A picture of 100 parties has some 70,000 characters; a file of 300 parties with 2,000 edges 1.3 million.
SVG: dict[str, Any] = {"content": {"image/svg+xml": {"schema": {"type": "string", "maxLength": 500_000}}}}
GRAPHML: dict[str, Any] = {
    "content": {"application/graphml+xml": {"schema": {"type": "string", "maxLength": 5_000_000}}}
}
# A household takes 320 KB; the largest report there can be, some megabytes.
PDF: dict[str, Any] = {
    "content": {"application/pdf": {"schema": {"type": "string", "format": "binary", "maxLength": 20_000_000}}}
}
# Of a person with 10,000 records some megabytes. What a table has stands in the data inventory.
_WORD = {"type": "string", "maxLength": 60}
_PART = {
    "type": "object",
    "required": ["columns", "rows"],
    "additionalProperties": False,
    "properties": {
        "columns": {
            "type": "object",
            "maxProperties": 100,
            "additionalProperties": {
                "type": "object",
                "required": ["class", "purpose", "legal_basis", "retention"],
                "additionalProperties": False,
                "properties": {"class": _WORD, "purpose": _WORD, "legal_basis": _WORD, "retention": _WORD},
            },
        },
        "rows": {"type": "array", "maxItems": 1_000_000, "items": {"type": "object", "maxProperties": 100}},
    },
}
_PACKAGE = {
    "type": "object",
    "description": "Everything of a person: for each table what its columns are (data-inventory.json), and its rows",
    "required": ["format", "customer_id", "rights_request_id", "made_at", "tables"],
    "additionalProperties": False,
    "properties": {
        "format": {"const": "renmai-package/1"},
        "customer_id": {"type": "string", "format": "uuid"},
        "rights_request_id": {"type": "string", "format": "uuid"},
        "made_at": {"type": "string", "format": "date-time"},
        "tables": {"type": "object", "maxProperties": 100, "additionalProperties": _PART},
    },
}
PACKAGE: dict[str, Any] = {"content": {"application/json": {"schema": _PACKAGE}}}
_ARCHIVE = {"type": "string", "format": "binary", "maxLength": 500_000_000}
ZIP: dict[str, Any] = {"content": {"application/zip": {"schema": _ARCHIVE}}}
ONCE_REQUIRED = _header("Idempotency-Key", "Required: this command has lasting effect", _KEY, required=True)

_STATUS = {
    400: ("Malformed", "The request cannot be read"),
    401: ("Unauthenticated", "No credential, one that is not valid any more, or (step_up_required) one too long ago"),
    403: ("Forbidden", "The caller lacks the scope"),
    404: ("NotFound", "Absent, or not visible to the caller: the two are never told apart"),
    408: ("RequestTimeout", "The body did not arrive in time"),
    409: ("Conflict", "Against the current state; the code says how"),
    410: ("Gone", "Deleted in the last 30 days; it can be restored"),
    412: ("PreconditionFailed", "Somebody changed it meanwhile; current_version says what is stored"),
    413: ("TooLarge", "The body is larger than 256 KiB"),
    414: ("UriTooLong", "The address is longer than 4 KiB"),
    415: ("UnsupportedMedia", "Bodies are application/json or application/merge-patch+json"),
    422: ("Invalid", "Well-formed, but a rule is broken; errors say where"),
    428: ("PreconditionRequired", "If-Match is missing"),
    429: ("TooManyRequests", "See Retry-After"),
    431: ("HeadersTooLarge", "More than 64 headers or 16 KiB"),
    500: ("InternalError", "A fault of the service"),
    503: ("Unavailable", "Try again after Retry-After"),
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors a route declares beyond those that follow from its shape."""
    return {status: {"description": _STATUS[status][1]} for status in statuses}


def _follows(path: str, operation: dict[str, Any]) -> set[int]:
    """The errors that follow from the shape of an operation."""
    headers = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "header"}
    found = {400, 401, 414, 422, 429, 431, 500, 503}
    if operation.get("security"):
        found.add(403)
    if "requestBody" in operation:
        found |= {408, 413, 415, 422}
    if operation.get("parameters"):
        found.add(422)
    if "{" in path:
        found.add(404)
    if "If-Match" in headers:
        found |= {412, 428}
    if "Idempotency-Key" in headers:
        found |= {409, 422}
    return found


def _say_what_is_read(operation: dict[str, Any], method: str) -> None:
    """Parameters and bodies as the service reads them, where the generator describes the Python function."""
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
        if len(choices) == 1:  # a parameter is left out; it has no way to be null
            del schema["anyOf"]
            parameter["schema"] = {**schema, **choices[0]}
    if method == "patch" and "requestBody" in operation:
        content = operation["requestBody"]["content"]
        content["application/merge-patch+json"] = content["application/json"]


def _complete(path: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    declared = {int(status) for status in responses if status[0] in "45"}
    for status in declared:
        del responses[str(status)]
    for status in sorted(_follows(path, operation) | declared):
        responses[str(status)] = {"$ref": f"#/components/responses/{_STATUS[status][0]}"}
    headers = {parameter["name"] for parameter in operation.get("parameters", ())}
    if "If-None-Match" in headers:
        responses["304"] = {"description": "The version held is current"}
    for status, response in responses.items():
        if status[0] in "23":
            response["headers"] = _headers(status, headers)
            if operation["operationId"].startswith("export_"):
                response["headers"]["Content-Disposition"] = {"$ref": "#/components/headers/Content-Disposition"}
    operation.setdefault("security", [{}])  # {}: open to everybody, said explicitly


def _headers(status: str, names: set[str]) -> dict[str, Any]:
    wanted = ["X-Request-Id", "RateLimit", "RateLimit-Policy"]
    if names & {"If-Match", "If-None-Match"} or status == "201":
        wanted.append("ETag")
    if status in ("201", "202"):
        wanted.append("Location")
    return {name: {"$ref": f"#/components/headers/{name}"} for name in wanted}


def _text(maximum: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": maximum}


_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details; `code` is stable, titles and messages follow Accept-Language.",
    "required": ["type", "title", "status", "code", "request_id"],
    "additionalProperties": False,
    "properties": {
        "type": {**_text(100), "format": "uri-reference"},
        "title": _text(200),
        "status": {"type": "integer", "format": "int32", "minimum": 400, "maximum": 599},
        "code": {**_text(60), "pattern": "^[a-z0-9_]+$"},
        "request_id": _text(64),
        "current_version": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 2147483647},
        "required_scope": _text(60),
        "max_age": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 86400},
        "purpose": {**_text(60), "pattern": "^[a-z_]+$"},
        "field_groups": {"type": "array", "maxItems": 50, "items": {**_text(60), "pattern": "^[a-z_]+$"}},
        "reason": _text(60),
        "until": {"anyOf": [{"type": "string", "format": "date", "maxLength": 10, "minLength": 10}, {"type": "null"}]},
        "errors": {
            "type": "array",
            "maxItems": 50,
            "items": {
                "type": "object",
                "required": ["code", "message"],
                "additionalProperties": False,
                "properties": {
                    "pointer": _text(300),
                    "parameter": _text(60),
                    "header": _text(60),
                    "code": _text(60),
                    "message": _text(200),
                },
            },
        },
    },
}

_HEADERS = {
    "X-Request-Id": ("The id of this request in our logs", _text(64)),
    "RateLimit": (
        "What is left under the tighter policy",
        {**_text(60), "examples": ['"default";r=580;t=41', '"source";r=12;t=7']},
    ),
    "RateLimit-Policy": (
        "The quotas: of the caller, and of everything that comes from his address",
        {**_text(100), "examples": ['"default";q=600;w=60, "source";q=6000;w=60']},
    ),
    "Retry-After": ("Seconds to wait", {"type": "integer", "format": "int32", "minimum": 0, "maximum": 86400}),
    "ETag": ("The version of this resource", _ETAG),
    "Location": (
        "Where the new resource is; of a 202, where what was asked for will be",
        {**_text(200), "format": "uri-reference"},
    ),
    "Content-Disposition": ("Under which name to keep the file", _text(100)),
    "WWW-Authenticate": ("How to authenticate", _text(200)),
}


_OWN_HEADERS = {401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}


def _components() -> dict[str, Any]:
    responses = {}
    for status, (name, text) in _STATUS.items():
        wanted = ["X-Request-Id", "RateLimit", "RateLimit-Policy"]
        wanted += {401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}.get(status, [])
        responses[name] = {
            "description": text,
            "headers": {header: {"$ref": f"#/components/headers/{header}"} for header in wanted},
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    return {
        "responses": responses,
        "headers": {name: {"description": text, "schema": schema} for name, (text, schema) in _HEADERS.items()},
    }


def _examples(document: dict[str, Any]) -> None:
    """Put the committed example of each operation (`openapi/examples/<operationId>.json`) beside its schemas."""
    for operations in document["paths"].values():
        for operation in operations.values():
            path = _EXAMPLES / f"{operation['operationId']}.json"
            if not path.exists():
                continue
            example = orjson.loads(path.read_bytes())
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path" and parameter["name"] in example["path"]:
                    parameter["example"] = example["path"][parameter["name"]]
            if example["request"] is not None and "requestBody" in operation:
                for media in operation["requestBody"]["content"].values():
                    media["examples"] = {"demo": {"value": example["request"]}}
            for status, response in operation["responses"].items():
                if status == str(example.get("status")) and "content" in response:
                    for media in response["content"].values():
                        media["examples"] = {"demo": {"value": example["response"]}}


_DESCRIPTION = """The service behind a life-insurance agent's phone: customer profiles, the penetration network 渗透网,
needs analyses, dossiers, and what partner banks may see.

Conventions, errors, paging, concurrency and the stability promise stand in `openapi/README.md`."""

_TAGS = {
    "customers": "Customer profiles, from first contact to loyal customer.",
    "network": "The penetration network 渗透网: who stands around whom, and which doors are still closed.",
    "relationships": "Who knows whom, in six directions, how well, and how anybody came to know of it.",
    "shadow contacts": "People and companies known only through a customer: kept minimal, for a year, and erased.",
    "relation types": "What two parties can be to each other: a built-in catalogue, and the organisation's own.",
    "introductions": "Who is asked to introduce whom, what becomes of it, and whom that does credit.",
    "tasks": "What a user owes somebody by a day: thanks, to begin with.",
    "dossiers": "What is known of a customer in four dossiers: each fact sealed, with source, date and basis.",
    "form-responses": "Answers to forms: drafts and completed records.",
    "needs-analyses": "Protection need, existing cover and gap, with every step.",
    "forms": "Published form versions, ready for offline use.",
    "auth": "Signing in, staying signed in, proving once more that one is there, signing out.",
    "users": "The people of an organisation: their accounts and sessions; invitations and departures.",
    "teams": "Sales teams, down which managers look, and service teams, which share customers.",
    "organizations": "What an organisation's administrator decides.",
    "audit-events": "Who did what to which object; written with the change, changed by nobody.",
    "partner": "What a partner bank's key may ask.",
    "service": "Health and published keys.",
    "products": "Product categories and levels, an organisation's own products, and who may sell them.",
    "rights": "What persons ask of their rights: access, package, correction, restriction, erasure; and legal holds.",
    "proposals": "Risk tolerance, the match opinion, and what is recommended, down to the printed proposal 计划书.",
    "consents": "What people decided about their data, by which text, and how it stands.",
    "access-log": "Who looked at a customer, when and what for, in words he may be handed.",
}

_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "ES256 access token of at most 10 minutes from `POST /v1/auth/login`; verified as RFC8725 asks.",
    },
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "A partner's key (`rmk_…`); `Authorization: Bearer rmk_…` is accepted too.",
    },
}

# Every generated string and integer gets the bound its format implies.
_BOUNDS = {
    "uuid": {"minLength": 36, "maxLength": 36},
    "date-time": {"minLength": 20, "maxLength": 40},
    "date": {"minLength": 10, "maxLength": 10},
}


def _bound(node: Any) -> None:
    """Say what the generator leaves out: lengths that follow from a format, and that other names are refused."""
    if isinstance(node, list):
        for item in node:
            _bound(item)
    elif isinstance(node, dict):
        if node.get("type") == "string" and node.get("format") in _BOUNDS:
            node.update(_BOUNDS[node["format"]])
        if "patternProperties" in node:
            node.setdefault("additionalProperties", False)  # keys are checked: what fits no pattern is a 422
        for bound in ("minimum", "maximum"):
            if node.get("type") == "integer" and bound in node:
                node[bound] = int(node[bound])  # it makes floats of large bounds, and 2^53 + 1 is none
        if node.get("default", "") is None and "anyOf" not in node:
            del node["default"]  # "may be absent, never null": null is no default of such a member
        for value in node.values():
            _bound(value)


def build(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the service."""
    document = get_openapi(
        title=app.title,
        version=VERSION,
        openapi_version="3.1.0",
        description=_DESCRIPTION,
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
        servers=[{"url": "/", "description": "This production or local service", "x-internal": False}],
        contact={"name": "Renmai", "url": "https://renmai.example/"},
        license_info={"name": "Proprietary", "identifier": "LicenseRef-Proprietary"},
    )
    schemas = document["components"]["schemas"]
    for generated in ("HTTPValidationError", "ValidationError"):
        schemas.pop(generated, None)
    schemas["Problem"] = _PROBLEM
    document["components"].update(_components())
    document["components"]["securitySchemes"] = _SCHEMES
    _bound(document["components"]["schemas"])
    _bound(document["paths"])
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _say_what_is_read(operation, method)
            _complete(path, operation)
    _examples(document)
    return document


# The page loads its script and style from where the framework says; nothing else of the service is relaxed.
_DOCS_POLICY = "default-src 'none'; script-src https: 'unsafe-inline'; style-src https: 'unsafe-inline'; \
img-src https: data:; connect-src 'self'"


def serve_docs(app: FastAPI) -> None:
    """The interactive page at /docs, for development: it needs scripts, which every other answer forbids."""

    async def docs(_request: Request) -> Response:
        page = get_swagger_ui_html(openapi_url="/openapi.json", title=app.title)
        page.headers["Content-Security-Policy"] = _DOCS_POLICY
        return page

    app.add_route("/docs", docs, include_in_schema=False)


def install(app: FastAPI) -> None:
    """Make the application serve this document."""

    def document() -> dict[str, Any]:
        app.openapi_schema = app.openapi_schema or build(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # the documented way to replace it
