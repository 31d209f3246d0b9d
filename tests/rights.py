"""What tests of rights requests share: opening one, checking an identity, carrying it out."""

from typing import Any
from uuid import UUID

import httpx
from uuid_utils.compat import uuid7

from app import db, vault
from tests import household_form, tolerance_form
from tests.fact_find import create_household
from tests.factories import World, create_customer, if_match
from tests.facts import learn
from tests.ties import introduce, relate

Json = dict[str, Any]


def url(customer: Json, request: Json | None = None, action: str = "") -> str:
    place = f"/v1/customers/{customer['id']}/rights-requests"
    return place + (f"/{request['id']}" if request is not None else "") + (f"/{action}" if action else "")


async def ask(client: httpx.AsyncClient, customer: Json, kind: str, **over: Any) -> Json:
    """A request just received."""
    answer = await client.post(url(customer), json={"kind": kind, **over})
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def checked(client: httpx.AsyncClient, customer: Json, kind: str, **over: Any) -> Json:
    """A request whose identity was checked."""
    made = await ask(client, customer, kind, **over)
    answer = await client.post(url(customer, made, "check"), json={"method": "id_document"}, headers=if_match(made))
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def carried_out(world: World, customer: Json, kind: str, **over: Any) -> Json:
    """A request the manager has carried out."""
    made = await checked(world.agent, customer, kind, **over)
    answer = await world.manager.post(url(customer, made, "complete"), headers=if_match(made))
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


SECRETS = ("欧阳金丝雀", "ouyangjinsique", "13900139047", "kanarienvogel", "11010519491231002X", "解放大道七百四十七号",
           "女儿在厦门读初二", "欠张三两万", "林国栋")  # fmt: skip


async def known_well(world: World) -> Json:
    """A customer of whom everything is known that can be known; what of it is personal stands in `SECRETS`."""
    customer = await create_customer(
        world.agent, name="欧阳金丝雀", phones=[{"number": "13900139047"}], id_number="11010519491231002X",
        emails=[{"address": "kanarienvogel@example.cn"}], note="欠张三两万",
        addresses=[{"city": "武汉", "detail": "解放大道七百四十七号"}], tags=["爱鸟"], occupation="教师",
        birthday={"year": 1949, "month": 12, "day": 31}, gender="female",
    )  # fmt: skip
    other = await create_customer(world.agent, name="李雷")
    tie = await relate(world.agent, customer, other, "friend", note="欠张三两万", role="朋友")
    meal = {"kind": "meal", "occurred_on": "2026-01-05"}
    place = f"/v1/customers/{customer['id']}/relationships/{tie['id']}/interactions"
    assert (await world.agent.post(place, json=meal)).status_code == 201
    await introduce(world.agent, other, customer, "agreed", note="欠张三两万")
    fact = {
        "fact_key": "family_hometown",
        "value": "女儿在厦门读初二",
        "source": "customer",
        "observed_on": "2026-11-20",
    }
    kept = {"Idempotency-Key": f"fact-{customer['id']}"}
    answer = await world.agent.post(f"/v1/customers/{customer['id']}/dossier-facts", json=fact, headers=kept)
    assert answer.status_code == 201, answer.text
    await create_household(world.agent, customer["id"])
    for sql in (
        "INSERT INTO coverage_answers (org_id, id, customer_id, direction, asked_on, recorded_by) "
        "VALUES ($1, $2, $2, 'friend', '2026-01-05', $3)",
        "INSERT INTO recommendation_dismissals (org_id, customer_id, user_id, reason) VALUES ($1, $2, $3, 'not_now')",
        "INSERT INTO network_scores (org_id, customer_id, scope_id, pagerank, betweenness, degree, value_degree, "
        "community, is_bridge, participation, influence, computed_at) "
        "VALUES ($1, $2, $3, 0.5, 0.5, 1, 1, 1, false, 0, 50, now())",
    ):
        await world.db.execute(sql, world.org_id, UUID(customer["id"]), world.users["agent"])
    return customer


FACTS: dict[str, list[tuple[str, Any]]] = {
    "personal": [("ambitions", "翠鸟计划"), ("food", "沙茶面")],
    "project": [("stage", {"stage": "idea"})],
    "corporate": [("business", "翠鸟生意")],
    "competitor": [("rep", "小林，爱打电话")],
}


async def everything(world: World) -> Json:
    """`known_well`, and all that hangs on a person besides: facts, a risk tolerance, a signed proposal, looks."""
    customer = await known_well(world)
    place = f"/v1/customers/{customer['id']}"
    for key, value in FACTS["personal"] + FACTS["project"]:
        await learn(world.agent, customer, key, value, teller={"label": "翠鸟邻居"}, source="third_party")
    await tolerance_form.assess(world.agent, customer["id"])
    await household_form.qualify(world)
    analysis = await household_form.analyse(world.agent, customer["id"])
    word = {"kind": "recording", "reference": "翠鸟录音", "confirmed_at": analysis["created_at"]}
    assert (await world.agent.post(f"/v1/needs-analyses/{analysis['id']}/confirm", json=word)).status_code == 201
    proposal = await household_form.propose(world.agent, analysis)
    assert proposal.status_code == 201, proposal.text
    assert (await household_form.sign(world.agent, proposal.json())).status_code == 200
    draft = await tolerance_form.draft(world.agent, customer["id"])
    gone = await tolerance_form.finish(world.agent, draft)
    retracted = await world.agent.post(
        f"/v1/form-responses/{draft['id']}/retract", json={"reason": "翠鸟填错"}, headers=if_match(gone.json())
    )
    assert retracted.status_code == 200, retracted.text
    for place_of in (place, f"{place}/consents", f"{place}/dossiers/personal"):
        assert (await world.agent.get(place_of)).status_code == 200
    return customer


async def company_known_well(world: World) -> Json:
    """A company with facts in its two dossiers."""
    company = await create_customer(
        world.agent, party_type="organization", name="翠鸟有限公司", phones=[{"number": "13900139048"}],
    )  # fmt: skip
    for key, value in FACTS["corporate"]:
        await learn(world.agent, company, key, value)
    for key, value in FACTS["competitor"]:
        await learn(world.agent, company, key, value, basis="public")
    return company


async def add_facts(world: World, customer: Json, count: int) -> None:
    """So many superseded facts of two hundred characters."""
    person, ids = UUID(customer["id"]), [uuid7() for _ in range(count)]
    async with db.transaction(world.org_id) as session:
        cipher = await vault.of_person(session, world.org_id, person)
        sealed = [vault.seal_json(cipher, "dossier_facts", "value", one, "字" * 200) for one in ids]
    await world.db.execute(
        "INSERT INTO dossier_facts (org_id, id, customer_id, dossier, fact_key, definition_version, value_enc, source, "
        "observed_on, recorded_by, recorded_at, consent_ids, superseded_at, created_digest) "
        "SELECT $1, f.id, $2, 'personal', 'family_hometown', 1, f.value, 'customer', '2026-01-01', $3, now(), '{}', "
        "now(), '\\x00' FROM unnest($4::uuid[], $5::bytea[]) AS f (id, value)",
        world.org_id, person, world.users["agent"], ids, sealed,
    )  # fmt: skip


async def held_of(world: World) -> str:
    """Everything the database holds of the organisation, as text."""
    tables = await world.db.fetch("SELECT table_name FROM information_schema.columns WHERE column_name = 'org_id'")
    parts = []
    for (table,) in tables:
        found = f"SELECT string_agg(t::text, '|') FROM {table} t WHERE org_id = $1"
        parts.append(await world.db.fetchval(found, world.org_id) or "")
    return "\n".join(parts)
