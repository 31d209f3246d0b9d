"""The published contract and the routes are the same thing, and keep the habits of the house."""

import re
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app import main, routers
from app.access import Scope
from app.config import Settings
from app.deps import no_such_method
from tests.factories import World
from tests.operations import Operation, operations

# Open to everybody, each with its reason.
PUBLIC = {
    "login": "how one gets a credential",
    "refresh_tokens": "the refresh token is the credential",
    "accept_invitation": "the token of the link is the credential",
    "get_liveness": "the orchestrator has none",
    "get_readiness": "the orchestrator has none",
    "get_jwks": "public keys",
}
# POSTs that take no Idempotency-Key.
NOT_ONCE = {
    "login": "each is a session of its own",
    "refresh_tokens": "a retry within 30 s gets the same successor anyway",
    "logout": "a retry has no session left to be recognised by",
    "step_up": "each proves a presence of its own",
    "change_password": "a retry is told that the present password is another one",
    "create_second_factor": "a retry replaces the secret nobody has confirmed",
    "confirm_second_factor": "a code is good once; the recovery codes are shown once",
    "accept_invitation": "the link is good once",
    "calculate_needs": "nothing is stored: a retry calculates the same again",
    "calculate_recommendations": "nothing is stored: a retry calculates the same again",
    "calculate_what_if": "nothing is stored: a retry calculates the same again",
    "check_form": "nothing is stored: a retry is told the same again",
    "search_customers": "nothing is stored: a retry searches again",
}
# POSTs that only look: what they are told is too much for a query.
STORES_NOTHING = {"calculate_needs", "calculate_what_if", "check_form", "calculate_recommendations", "search_customers"}
# Changes without a version: nothing about the object can be lost.
NO_VERSION = {
    "delete_session": "a session only ends",
    "delete_user_session": "a session only ends",
    "delete_second_factor": "a second factor is only there or not",
    "delete_user_second_factor": "a second factor is only there or not",
    "put_team_member": "somebody serves in a team or not",
    "delete_team_member": "somebody serves in a team or not",
    "put_coverage_answer": "the last day told counts",
    "delete_coverage_answer": "an answer is only there or not",
    "put_recommendation_dismissal": "the caller's own, and the last reason told counts",
    "delete_recommendation_dismissal": "the caller's own, and only there or not",
    "delete_relationship_interaction": "a recorded contact does not change",
}


@pytest.fixture(scope="module")
def every(api: FastAPI) -> list[Operation]:
    return list(operations(api.openapi()))


def test_document_is_openapi_31_with_described_tags(api: FastAPI, every: list[Operation]) -> None:
    document = api.openapi()
    assert document["openapi"].startswith("3.1")
    described = {tag["name"] for tag in document["tags"] if tag["description"]}
    assert {tag for operation in every for tag in operation.spec["tags"]} == described


def test_operation_ids_are_the_names_of_the_functions_and_unique(api: FastAPI, every: list[Operation]) -> None:
    names = [operation.id for operation in every]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)
    commands = "restore|complete|transfer|reveal|disable|enable|advance|reopen|promote|calculate|revise"
    commands += "|check|publish|withdraw|amend|retract|migrate|apply|sign|resolve|refuse|search"
    entering = "login|logout|refresh|step_up|change|confirm|accept"
    verbs = {"get": "get|list|export", "post": f"create|{commands}|{entering}", "patch": "update",
             "delete": "delete", "put": "put|replace"}  # fmt: skip
    for operation in every:
        assert re.match(verbs[operation.method], operation.id), operation.id


def test_every_operation_says_what_it_does(every: list[Operation]) -> None:
    for operation in every:
        summary, text = operation.spec["summary"], operation.spec["description"]
        assert 5 <= len(summary) <= 60, operation.id
        assert not summary.endswith("."), operation.id
        assert text.strip(), operation.id
        assert operation.spec["tags"], operation.id


def test_every_operation_names_a_scope_or_its_reason_to_be_public(every: list[Operation]) -> None:
    open_to_all = {operation.id for operation in every if not operation.scopes}
    assert open_to_all == set(PUBLIC)
    for operation in every:
        assert set(operation.scopes) <= {scope.value for scope in Scope}, operation.id
        assert len(operation.scopes) <= 1, operation.id


def test_writing_needs_a_writing_scope(every: list[Operation]) -> None:
    for operation in every:
        if operation.scopes and operation.method != "get":
            writes = operation.scopes[0].endswith((":write", ":reveal", ":publish"))
            looks = operation.id in STORES_NOTHING
            assert (writes or operation.scopes == ["session:own"]) is not looks, operation.id
        if operation.scopes and operation.method == "get":
            assert not operation.scopes[0].endswith(":write"), operation.id


def test_errors_are_declared_by_reference(every: list[Operation]) -> None:
    for operation in every:
        declared = operation.spec["responses"]
        wanted = {"400", "422", "429", "500", "503"}
        wanted |= {"401", "403"} if operation.scopes else set()
        wanted |= {"404"} if operation.ids else set()
        wanted |= {"413", "415"} if "requestBody" in operation.spec else set()
        wanted |= {"412", "428"} if "If-Match" in operation.headers else set()
        wanted |= {"409"} if "Idempotency-Key" in operation.headers else set()
        assert wanted <= set(declared), (operation.id, wanted - set(declared))
        for status, answer in declared.items():
            if status[0] in "45":
                assert set(answer) == {"$ref"}, (operation.id, status)
                content = operation.resolve(answer)["content"]
                assert set(content) == {"application/problem+json"}, (operation.id, status)


def test_every_success_has_a_schema_or_no_body(every: list[Operation]) -> None:
    for operation in every:
        good = {status: answer for status, answer in operation.spec["responses"].items() if status[0] == "2"}
        assert good, operation.id
        for status, answer in good.items():
            if status == "204":
                assert "content" not in answer, operation.id
                continue
            ((media, content),) = answer["content"].items()
            schema = operation.resolve(content["schema"])
            assert ("Content-Disposition" in answer["headers"]) is operation.id.startswith("export_"), operation.id
            if media in ("text/csv", "image/svg+xml", "application/graphml+xml", "application/pdf", "application/zip"):
                assert (schema["type"], schema["maxLength"] > 0) == ("string", True), (operation.id, status)
                continue
            assert media in ("application/json", "application/vnd.jgf+json"), (operation.id, status)
            assert schema.get("additionalProperties") is False, (operation.id, status)
            assert schema["description"], (operation.id, status)


def test_paths_are_plural_kebab_without_trailing_slash(every: list[Operation]) -> None:
    verbs = {"auth", "login", "logout", "refresh", "restore", "complete", "me", "partner", "dossier", "network",
             "transfer", "reveal", "disable", "enable", "departure", "step-up", "password", "second-factor", "confirm",
             "accept", "kin", "advance", "reopen", "coverage", "company", "influence", "promote", "export",
             "bulk", "calculate", "explain", "revise", "what-if", "check", "withdraw", "amend", "retract", "migrate",
             "apply-extraction", "tolerance", "sign", "document", "consent-coverage", "resolve",
             "access-log", "refuse", "package", "search"}  # fmt: skip
    for operation in every:
        if not operation.path.startswith("/v1/"):
            assert operation.spec["tags"] == ["service"], operation.path
            continue
        for step in operation.path.removeprefix("/v1/").split("/"):
            if step.startswith("{"):
                assert re.fullmatch(r"\{[a-z]+(_[a-z]+)*\}", step), operation.path
                continue
            assert re.fullmatch(r"[a-z]+(-[a-z]+)*(\.(svg|graphml|jgf|pdf|json|zip))?", step), operation.path
            noun = step.split(".")[0]  # another form of the same thing
            assert noun.endswith("s") or noun in verbs, operation.path


def test_changes_name_the_version_they_change(every: list[Operation]) -> None:
    for operation in every:
        if operation.method in ("patch", "put", "delete") and operation.id not in NO_VERSION:
            assert "If-Match" in operation.headers, operation.id
    assert set(NO_VERSION) <= {operation.id for operation in every}


def test_posts_can_be_repeated_safely(every: list[Operation]) -> None:
    without = {o.id for o in every if o.method == "post" and "Idempotency-Key" not in o.headers}
    assert without == set(NOT_ONCE)


def test_documents_with_a_version_have_an_etag_and_a_condition(every: list[Operation]) -> None:
    for operation in every:
        reads_one = operation.method == "get" and "version" in operation.answer_members()
        if reads_one:
            assert "If-None-Match" in operation.headers, operation.id
            assert {"200", "304"} <= set(operation.spec["responses"]), operation.id
            assert "ETag" in operation.spec["responses"]["200"]["headers"], operation.id
        if "201" in operation.spec["responses"]:
            assert {"ETag", "Location"} <= set(operation.spec["responses"]["201"]["headers"]), operation.id
        if "202" in operation.spec["responses"]:
            assert "Location" in operation.spec["responses"]["202"]["headers"], operation.id


def test_parameters_are_left_out_and_never_null(every: list[Operation]) -> None:
    for operation in every:
        for parameter in operation.spec.get("parameters", ()):
            assert {"type": "null"} not in parameter["schema"].get("anyOf", ()), (operation.id, parameter["name"])


def test_patches_are_merge_patches(every: list[Operation]) -> None:
    for operation in every:
        if operation.method == "patch":
            content = operation.spec["requestBody"]["content"]
            assert set(content) == {"application/json", "application/merge-patch+json"}, operation.id
            assert content["application/json"] == content["application/merge-patch+json"], operation.id


def test_objects_with_free_keys_say_which(api: FastAPI) -> None:
    schemas = api.openapi()["components"]["schemas"]
    members = [("FormResponseCreate", "answers"), ("FormResponseUpdate", "answers"), ("AuditEventPublic", "detail")]
    for name, member in members:
        free = schemas[name]["properties"][member]
        assert free["additionalProperties"] is False
        assert free["maxProperties"] <= 500
        assert all(key.startswith("^") for key in free["patternProperties"])


def test_lists_page_in_one_way(every: list[Operation]) -> None:
    for operation in every:
        if "next_cursor" in operation.answer_members():
            names = {item["name"]: item["schema"] for item in operation.spec.get("parameters", ())
                     if item["in"] == "query"}  # fmt: skip
            names = names or operation.body_members()
            assert {"limit", "cursor"} <= set(names), operation.id
            limit = names["limit"]
            assert (limit["default"], limit["minimum"], limit["maximum"]) == (50, 1, 200), operation.id
            assert "offset" not in names, operation.id


def _loose(schema: Any, place: str) -> list[str]:
    """Places where a schema leaves something without a bound."""
    if isinstance(schema, list):
        return [found for index, item in enumerate(schema) for found in _loose(item, f"{place}/{index}")]
    if not isinstance(schema, dict):
        return []
    found = []
    kind = schema.get("type")
    if kind == "string" and not {"maxLength", "enum", "const", "format"} & set(schema):
        found.append(f"{place}: string")
    if kind == "integer" and not ("format" in schema and {"minimum", "maximum"} <= set(schema)):
        found.append(f"{place}: integer")
    if kind == "array" and "maxItems" not in schema:
        found.append(f"{place}: array")
    skip = {"examples", "default", "example", "const", "enum"}
    return found + [
        more for name, part in schema.items() if name not in skip for more in _loose(part, f"{place}/{name}")
    ]


def test_everything_in_requests_and_answers_is_bounded(api: FastAPI) -> None:
    assert _loose(api.openapi()["components"]["schemas"], "") == []


def test_no_route_lies_beside_the_document(every: list[Operation]) -> None:
    """What is served and not described: the metrics, and the pages behind problem types."""
    modules = [import_module(f"app.routers.{found.name}") for found in iter_modules(routers.__path__)]
    routes = [route for module in modules for route in module.router.routes if route.endpoint != no_such_method]
    served = {(method.lower(), route.path) for route in routes for method in route.methods}
    described = {(operation.method, operation.path) for operation in every}
    assert served - described == {("get", "/metrics"), ("get", "/problems/{code}")}
    assert described <= served


# --- what the document says is what happens --------------------------------------------------------------------


async def test_unknown_query_parameter_is_422_everywhere(world: World, every: list[Operation]) -> None:
    for operation in every:
        if not operation.scopes:
            continue
        client: httpx.AsyncClient = (
            world.client(world.partner_key) if operation.scopes == ["partner:self"] else world.admin
        )
        client.params = httpx.QueryParams({"colour": "rot-geheim"})
        answer = await operation.call(client, operation.some_ids(), operation.empty_body())
        client.params = httpx.QueryParams()
        assert answer.status_code == 422, operation.id
        issues = [issue for issue in answer.json()["errors"] if issue["code"] == "unknown"]
        assert [issue["parameter"] for issue in issues] == ["colour"], operation.id
        assert "geheim" not in answer.text


async def test_docs_page_may_run_its_scripts_and_is_absent_in_production(world: World, settings: Settings) -> None:
    transport = httpx.ASGITransport(app=world.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:  # no operation of the contract
        page = await client.get("/docs")
    assert page.status_code == 200
    assert "script-src https:" in page.headers["content-security-policy"]
    assert "/openapi.json" in page.text
    production = settings.model_copy(update={"environment": "production"})
    assert "/docs" not in {getattr(route, "path", "") for route in main.create_api(production).routes}


def test_money_is_a_whole_number_of_fen_everywhere(api: FastAPI) -> None:
    found = list(_members(api.openapi()["components"]["schemas"]))
    amounts = [(name, schema) for name, schema in found if name.endswith("_fen")]
    assert len(amounts) > 100
    for name, schema in amounts:
        amount = schema.get("properties", {}).get("value", schema)  # an assumption says who set it
        kinds = {part.get("type") for part in amount.get("anyOf", [amount])}
        assert kinds.isdisjoint({"number", "string"}), (name, schema)


def _members(node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every member of every object schema below a node, by name."""
    if isinstance(node, dict):
        properties = node.get("properties", {})
        yield from properties.items() if isinstance(properties, dict) else ()
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _members(part)
