"""Security events: told in the audit trail, in a line without persons, and in a counter."""

import json
from typing import Any

import pytest

from app import deps, logs, security
from tests.factories import World, create_customer
from tests.test_sessions import PASSWORD, credentials, give_password, refresh, sign_in


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The lines of security events, as they are written."""
    lines: list[dict[str, Any]] = []

    def event(name: str, *, level: int = 20, **fields: Any) -> None:
        if name == "security":
            lines.append({"level": level, **fields})

    monkeypatch.setattr(logs, "event", event)
    return lines


def count(event: str) -> float:
    value: float = security._COUNT.labels(event)._value.get()
    return value


async def test_sign_in_refusal_reuse_step_up_and_reveal_are_told(world: World, told: list[dict[str, Any]]) -> None:
    await give_password(world)
    before = {name: count(name) for name in security.EVENTS}
    first = await sign_in(world)
    await world.client().post("/v1/auth/login", json=credentials(world, password="x" * 12))
    second = (await refresh(world, first["refresh_token"])).json()
    await refresh(world, second["refresh_token"])
    await refresh(world, first["refresh_token"])
    await world.agent.post("/v1/auth/step-up", json={"password": "x" * 12})
    await world.agent.post("/v1/auth/step-up", json={"password": PASSWORD})
    customer = await create_customer(world.agent, id_number="11010519491231002X")
    body = {"fields": ["id_number"], "purpose": "claim"}
    shown = await world.agent.post(
        f"/v1/customers/{customer['id']}/reveal", json=body, headers={"Idempotency-Key": "k"}
    )
    assert shown.json() == {"id_number": "11010519491231002X"}
    expected = ["session.opened", "session.login_refused", "session.refresh_reused", "access.refused",
                "session.step_up_refused",
                "session.stepped_up", "customer.revealed"]  # fmt: skip
    assert [line["action"] for line in told] == expected
    for name in expected:
        assert count(name) == before[name] + 1
    audited = await world.db.fetch("SELECT action FROM audit_events WHERE org_id = $1", world.org_id)
    assert set(expected) - {"access.refused"} <= {row["action"] for row in audited}
    assert all(line["request_id"] for line in told)
    warned = {line["action"] for line in told if line["level"] > 20}
    assert warned == {
        "session.login_refused", "session.refresh_reused", "access.refused", "session.step_up_refused",
    }  # fmt: skip


async def test_refusals_of_access_name_the_route_and_nobody(world: World, told: list[dict[str, Any]]) -> None:
    await world.client().get("/v1/customers")
    await world.agent.get("/v1/audit-nothing?x=geheim")
    await world.auditor.post("/v1/customers", json={"party_type": "individual", "name": "王永庆"})
    await world.client("x.y.z").get("/v1/me")
    seen = [(line["code"], line["route"], line["actor_id"]) for line in told]
    assert seen == [
        ("unauthenticated", "/v1/customers", None),
        ("scope_missing", "/v1/customers", world.users["auditor"]),
        ("unauthenticated", "/v1/me", None),
    ]
    assert {line["action"] for line in told} == {"access.refused"}


async def test_exhausted_guesses_are_told_without_the_name(world: World, told: list[dict[str, Any]]) -> None:
    for _ in range(11):
        await world.client().post("/v1/auth/login", json=credentials(world, username="li-lei", password="x" * 12))
    assert told[-1]["action"] == "session.guesses_exhausted"
    assert "li-lei" not in json.dumps(told, default=str)


def test_counter_has_no_other_labels_than_the_known_events() -> None:
    with pytest.raises(KeyError):
        security.note("somebody.did_something")
    lines = [line for line in logs.metrics_text().decode().splitlines() if line.startswith("renmai_security_events_")]
    labels = {line.split('event="')[1].split('"')[0] for line in lines if 'event="' in line}
    assert labels <= set(security.EVENTS)
