"""Who looked at me: a customer is told when, who, what kind of data and what for; in words, and nothing more."""

from typing import Any

import pytest

from app.domain import access_log_words as words
from app.models.access_logs import AccessData, AccessKind, AccessRole
from tests.factories import World, create_customer, if_match
from tests.ties import relate


async def log(world: World, customer_id: str, who: str = "agent", **query: Any) -> list[dict[str, Any]]:
    answer = await getattr(world, who).get(f"/v1/customers/{customer_id}/access-log", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_customer_is_told_who_looked_at_what_and_what_for(world: World) -> None:
    made = await create_customer(world.agent, id_number="11010519491231002X")
    path = f"/v1/customers/{made['id']}"
    assert (await world.manager.get(path)).status_code == 200
    assert (await world.auditor.get(path)).status_code == 200
    reveal = {"fields": ["id_number"], "purpose": "claim"}
    assert (await world.agent.post(f"{path}/reveal", json=reveal, headers={"Idempotency-Key": "k"})).status_code == 200
    assert (await world.agent.patch(path, json={"note": "x"}, headers=if_match(made))).status_code == 200
    assert (await world.manager.get("/v1/customer-exports")).status_code == 200
    found = await log(world, made["id"])
    assert [(one["kind"], one["by"]["name"], one["by"]["role"]) for one in found] == [
        ("exported", "manager", "manager"),
        ("changed", "agent", "agent"),
        ("revealed", "agent", "agent"),
        ("viewed", "auditor", "auditor"),
        ("viewed", "manager", "manager"),
        ("created", "agent", "agent"),
    ]
    assert found[2] == {
        "at": found[2]["at"],
        "kind": "revealed",
        "kind_label": "Seen in clear",
        "by": {"name": "agent", "role": "agent", "role_label": "Agent"},
        "device_kind": "ios",
        "data": [{"code": "identity", "label": "Identity document"}],
        "purpose": {"code": "claim", "label": "Claim"},
    }
    assert [one["code"] for one in found[1]["data"]] == ["note"]
    assert [one["code"] for one in found[4]["data"]] == ["profile", "contact", "identity", "note"]
    assert await log(world, made["id"], "manager") == await log(world, made["id"], "auditor") == found


async def test_words_follow_the_language_and_no_id_is_told(world: World) -> None:
    made = await create_customer(world.agent)
    await world.agent.get(f"/v1/customers/{made['id']}")
    answer = await world.agent.get(f"/v1/customers/{made['id']}/access-log", headers={"Accept-Language": "zh-CN"})
    assert answer.headers["content-language"] == "zh-CN"
    assert [one["kind_label"] for one in answer.json()["items"]] == ["查看", "录入"]
    ids = [made["id"], *map(str, (*world.users.values(), *world.sessions.values(), world.org_id))]
    assert [one for one in ids if one in answer.text] == []


async def test_both_ends_of_a_tie_are_told(world: World) -> None:
    one, two = await create_customer(world.agent), await create_customer(world.agent, name="李雷")
    tie = await relate(world.agent, one, two)
    shown = await world.agent.get(f"/v1/customers/{one['id']}/relationships/{tie['id']}")
    assert shown.status_code == 200
    for each in (one, two):
        first = (await log(world, each["id"]))[0]
        assert (first["kind"], first["data"][0]["code"]) == ("viewed", "relationships")


async def test_pages_follow_each_other_and_times_narrow_them(world: World) -> None:
    made = await create_customer(world.agent)
    for _ in range(4):
        await world.agent.get(f"/v1/customers/{made['id']}")
    every = await log(world, made["id"])
    assert len(every) == 5
    path, gathered = f"/v1/customers/{made['id']}/access-log?limit=2", list[dict[str, Any]]()
    while path:
        page = await world.agent.get(path)
        gathered += page.json()["items"]
        path = page.headers["link"].split(">")[0].lstrip("<") if "link" in page.headers else ""
    assert gathered == every
    assert await log(world, made["id"], at_from=every[1]["at"]) == every[:2]
    assert await log(world, made["id"], at_to=every[1]["at"]) == every[2:]


async def test_stranger_and_other_organisations_get_nothing(world: World, other_world: World) -> None:
    made = await create_customer(world.agent)
    for client in (world.stranger, other_world.admin):
        assert (await client.get(f"/v1/customers/{made['id']}/access-log")).status_code == 404
    assert (await world.client(world.partner_key).get(f"/v1/customers/{made['id']}/access-log")).status_code == 403


def test_every_code_has_its_words() -> None:
    assert set(words.KINDS) == {kind.value for kind in AccessKind}
    assert set(words.DATA) == {data.value for data in AccessData}
    assert set(words.ROLES) == {role.value for role in AccessRole}


@pytest.mark.parametrize(
    ("action", "fields", "kind", "data"),
    [
        ("customer.updated", ["phones", "note"], "changed", ["contact", "note"]),
        ("customer.revealed", ["dossier.personal.health_issues", "id_number"], "revealed", ["identity", "dossier"]),
        ("customer.deleted", [], "deleted", ["profile"]),
        ("consent.withdrawn", ["health"], "consented", ["consents"]),
        ("rights_request.opened", [], "requested", ["rights"]),
        ("form_response.updated", ["q1", "q2"], "changed", ["answers"]),
        ("something.new", ["x"], "changed", ["other"]),
    ],
)
def test_action_says_what_was_done_with_which_data(action: str, fields: list[str], kind: str, data: list[str]) -> None:
    assert (words.kind_of(action), words.data_of(action, fields)) == (kind, data)
