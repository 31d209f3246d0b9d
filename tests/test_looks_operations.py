"""Every operation that reads either puts a look on record, or is named here with the reason why not.

Driven by the OpenAPI document: a new one that does neither fails.
"""

from typing import Any

import pytest
from fastapi import FastAPI

from tests.factories import World, create_customer
from tests.matrix import ROWS, cast
from tests.operations import by_id, operations
from tests.ties import introduce
from tests.traces import filled

_EMPLOYEE = "who works with the service, no customer"
_ORGANISATION = "the organisation's own, of no person"
_SERVICE = "the service itself"
_PICTURE = "a picture of many: names, stages and kinds of tie, nothing of what is sealed"
_SUMMARY = "a list of many: names and masks"
NO_LOOK = {
    "get_network": _PICTURE, "get_network_drawing": _PICTURE, "list_network_paths": _PICTURE,
    "list_influences": _PICTURE, "list_communities": _PICTURE,
    "list_customers": _SUMMARY, "list_shadow_contacts": _SUMMARY, "list_recommendations": _SUMMARY,
    "list_introducers": _SUMMARY, "get_agent_coverage": _SUMMARY, "list_tasks": _SUMMARY,
    "get_task": "one line of the list of tasks: a name and a day",
    "list_access_log": "who looked, not what there was to see",
    "list_audit_events": "ids, names of fields and counts",
    "get_partner": "the bank itself",
    "list_relation_types": _ORGANISATION, "get_relation_type": _ORGANISATION, "list_teams": _ORGANISATION,
    "get_team": _ORGANISATION, "get_organization": _ORGANISATION, "list_products": _ORGANISATION,
    "get_product": _ORGANISATION, "get_sales_rules": _ORGANISATION, "list_consent_texts": _ORGANISATION,
    "get_consent_text": _ORGANISATION, "list_fact_definitions": _ORGANISATION, "get_fact_definition": _ORGANISATION,
    "list_forms": _ORGANISATION, "get_form": _ORGANISATION, "get_form_version": _ORGANISATION,
    "list_product_categories": _SERVICE, "get_liveness": _SERVICE, "get_readiness": _SERVICE, "get_jwks": _SERVICE,
    "list_sessions": _EMPLOYEE, "get_me": _EMPLOYEE, "list_users": _EMPLOYEE, "get_user": _EMPLOYEE,
    "list_user_sessions": _EMPLOYEE, "get_departure": _EMPLOYEE, "list_invitations": _EMPLOYEE,
    "get_invitation": _EMPLOYEE,
}  # fmt: skip
# On record of each person they show, and tested with those: exports row by row, introductions where a note is read.
ELSEWHERE = {"export_customers": "tests/test_looks.py", "list_introductions": "below"}
_OF = "SELECT action, person_id FROM audit_events WHERE org_id = $1 AND person_id IS NOT NULL ORDER BY id"


def _reads(api: FastAPI) -> set[str]:
    return {one.id for one in operations(api.openapi()) if one.method.lower() == "get"}


def test_every_read_looks_or_says_why_not(api: FastAPI) -> None:
    known = NO_LOOK.keys() | ELSEWHERE.keys() | set(ROWS)
    assert _reads(api) - known == set()
    assert (NO_LOOK.keys() | ELSEWHERE.keys()) - _reads(api) == set()


async def _trail(world: World) -> list[Any]:
    return list(await world.db.fetch(_OF, world.org_id))


@pytest.mark.parametrize("is_exempt", [False, True])
async def test_row_62_reads_of_one_person_are_on_record_and_others_are_not(
    api: FastAPI, world: World, other_world: World, is_exempt: bool
) -> None:
    clients, wrong = await cast(world, other_world), []
    for name, operation in by_id(api.openapi()).items():
        if operation.method.lower() != "get" or name not in ROWS or (name in NO_LOOK) is not is_exempt:
            continue
        row = ROWS[name]
        ids = await row.make(world, "agent")
        before = await _trail(world)
        answer = await operation.call(clients[row.may()], ids, filled(row.body, ids))
        assert answer.status_code == 200, (name, answer.text)
        if (await _trail(world) == before) is not is_exempt:
            wrong.append(name)
    assert wrong == []


async def test_introductions_are_looked_at_where_a_note_is_read(world: World) -> None:
    one, two = await create_customer(world.agent, name="王永庆"), await create_customer(world.agent, name="李雷")
    await introduce(world.agent, one, two, "agreed", note="喝过茶")
    before = await _trail(world)
    assert (await world.agent.get("/v1/introductions")).status_code == 200
    (look,) = (await _trail(world))[len(before) :]
    assert (look["action"], str(look["person_id"])) == ("introduction.viewed", one["id"])
