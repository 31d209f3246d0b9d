"""Promises 29 and 30 over the whole service: JSON is strict, and text survives or is refused, never altered."""

import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app import db, vault
from app.domain.names import InvalidName, normalise_name
from app.models.sessions import Login
from tests import consents, ties
from tests.factories import World, create_customer
from tests.hostile import (
    Json,
    Place,
    at,
    bare,
    body_schema,
    caller,
    credential,
    every,
    fits,
    free_places,
    good,
    named,
    placed,
    plain_headers,
)
from tests.operations import Operation, operations
from tests.sizes import much
from tests.test_sessions import PASSWORD, credentials, give_password
from tests.vectors import REFUSED_ON_PURPOSE, naughty_strings, parsing_suite

DOCUMENT = json.loads((Path(__file__).parents[1] / "openapi/openapi.json").read_text())
JSON = {"Content-Type": "application/json"}
PERSON = b'{"party_type": "individual", "name": "\xe6\xb1\x9f\xe6\x99\x9a\xe8\x88\x9f", "%b": %b}'

# What is written and never shown again: nothing can be compared, but nothing may fail either.
SECRET = ("password", "secret", "token", "code")
# Operations that cost a password hash, a one-time token or an object that can be made once only: some strings do.
SOME = 24
RULES = ("minLength", "maxLength", "pattern", "format")
# Each operation gets every eighth string, another eighth than the one before it, so that together they get all of
# them; `RENMAI_FULL=1` sends all of them everywhere, as the customer with the most fields always gets them.
EVERY = much(1, 8)
# What there can be only one of.
UNIQUE = {
    "create_fact_definition": {"fact_key": "org.golf_"},
    "create_relation_type": {"code": "tea_friend_", "inverse_code": "tea_friend_of_"},
}
# An organisation may have a hundred of these; beyond that everything is refused, which shows nothing.
LIMITED = {"create_fact_definition", "replace_fact_definition"}
WHOLE = {"create_customer"}

# A search stores nothing; what a fact says is masked in every answer, and whom a consent names must be in its text:
# both have tests of their own below.
NOT_SHOWN = {"search_customers", "create_dossier_fact", "update_dossier_fact", "create_consent"}
# Said once and for all: a second reason is refused.
FINAL = {"retract_form_response"}


# --- 29 --------------------------------------------------------------------------------------------------------


async def test_promise_29_json_is_strict_as_body_and_as_member(world: World) -> None:
    files = parsing_suite()
    counts = {kind: sum(name.startswith(kind) for name in files) for kind in ("y_", "n_", "i_")}
    assert counts == {"y_": 95, "n_": 188, "i_": 35}
    client = bare(world)
    client.headers.update({"Authorization": f"Bearer {world.token('agent')}", **JSON})
    wrong = {}
    for name, content in files.items():
        # A list is what `tags` takes, anything else is tried as a note.
        member = b"tags" if content.lstrip()[:1] == b"[" else b"note"
        answers = [
            await client.post("/v1/customers", content=content),
            await client.post("/v1/customers", content=PERSON % (member, content)),
        ]
        told = [(answer.status_code, answer.json().get("code")) for answer in answers]
        for (status, code), answer in zip(told, answers, strict=True):
            refused, parsed = 400 <= status < 500, status == 201 or (status, code) == (422, "invalid")
            if name.startswith("n_") or name in REFUSED_ON_PURPOSE:
                # An empty body is no JSON, but the model decides about it: many requests rightly have none.
                fine = (status, code) in ((400, "json_invalid"), (413, "too_large")) or (not content and refused)
            else:
                fine = parsed if name.startswith("y_") else refused or parsed
            if status == 201:
                fine &= answer.json()[member.decode()] == json.loads(content)
            if not fine:
                wrong[name] = told
    assert wrong == {}


# --- 30 --------------------------------------------------------------------------------------------------------


class Written:
    """Sends texts at many places of one operation's body and judges every answer."""

    def __init__(self, world: World, operation: Operation, ids: dict[str, str], body: Any) -> None:
        self.operation, self.ids, self.body = operation, ids, body
        self.client, self.headers = bare(world), credential(world, operation)
        self.schema = body_schema(operation)
        self.free = free_places(operation, self.schema)
        if operation.id == "update_relation_type":  # a symmetric one
            self.free = {place: schema for place, schema in self.free.items() if place[0] != "inverse_label"}
        if operation.id in LIMITED:  # options go with a choice; those of a list's items have the same rule
            options = [{"code": "a", "label": {"zh": "甲", "en": "A"}}]
            self.body = {**body, "shape": {"kind": "choice", "options": options}}
            self.free = {place: schema for place, schema in self.free.items() if "item" not in place}
        self.stored: dict[Place, int] = {}
        self.others: list[UUID] = []
        self.sent = 0
        self._version = '"1"'

    def whole(self, texts: dict[Place, str]) -> Any:
        body = {**self.body, "other_id": str(self.others.pop())} if self.others else self.body
        self.sent += 1
        body = body | {member: f"{value}{self.sent}" for member, value in UNIQUE.get(self.operation.id, {}).items()}
        return placed(self.operation, self.schema, body, texts)

    async def send(self, texts: dict[Place, str]) -> httpx.Response:
        headers = self.headers | plain_headers(self.operation, self._version)
        url = self.operation.url(self.ids)
        answer = await self.client.request(self.operation.method.upper(), url, json=self.whole(texts), headers=headers)
        assert answer.status_code < 500, (self.operation.id, texts)
        if answer.is_success and "If-Match" in self.operation.headers:
            self._version = answer.headers["etag"]
        return await self._whole(answer) if answer.is_success else answer

    async def _whole(self, answer: httpx.Response) -> httpx.Response:
        """The answer, and the ties it only gives the ids of: what was stored of them is read afterwards."""
        document = answer.json() if answer.content else {}
        if self.operation.id == "create_relationships":
            made = document["results"][0]
            if made["status"] != 201:
                return httpx.Response(made["status"], json=made["problem"])
            tie = await self._tie(self.body["items"][0]["customer_id"], made["id"])
            return httpx.Response(201, json={"items": [{**tie, "new_contact": tie["other"]}]})
        if self.operation.id == "create_shadow_contact":
            tie = await self._tie(document["known_through_id"], document["relations"][0]["relationship_id"])
            return httpx.Response(201, json={**document, "relation": tie})
        return answer

    async def _tie(self, customer_id: str, relationship_id: str) -> Any:
        url = f"/v1/customers/{customer_id}/relationships/{relationship_id}"
        return (await self.client.get(url, headers=self.headers)).json()

    async def write(self, texts: dict[Place, str], places: list[Place] | None = None) -> None:
        """All at once; what is refused gives way to an x, until the rest is stored. Then stored must be sent."""
        places = places or [*texts]
        for place in [place for place, text in texts.items() if "\x00" in text]:
            assert (await self.send(dict.fromkeys(places, "x") | {place: texts.pop(place)})).status_code == 400
        sent = dict.fromkeys(places, "x") | texts
        while texts:
            answer = await self.send(sent)
            if answer.is_success:
                self._judge(answer, texts)
                return
            refused = named(answer, texts) if answer.status_code == 422 else set()
            if not refused:
                halves = [*texts.items()]
                for half in (halves[::2], halves[1::2]) if len(texts) > 1 else ():
                    await self.write(dict(half), places)
                return
            texts = {place: text for place, text in texts.items() if place not in refused}
            sent |= dict.fromkeys(refused, "x")

    def _judge(self, answer: httpx.Response, texts: dict[Place, str]) -> None:
        document = answer.json() if answer.content else None
        for place, text in texts.items():
            kept = at(document, place)
            if kept is None and any(word in str(place[-1]) for word in SECRET):
                continue
            expected = normalise_name(text) if self.is_name(place) else text
            assert kept == expected, (self.operation.id, place, text)
            where = tuple(0 if isinstance(step, int) else step for step in place)
            self.stored[where] = self.stored.get(where, 0) + 1

    def is_name(self, place: Place) -> bool:
        """The one documented exception: names are brought into the form all of them are compared in."""
        return self.free.get(place, {}).get("format") == "name"


async def written(world: World, operation: Operation) -> Written:
    ids, body = await good(world, operation)
    return Written(world, operation, ids, body)


def in_order(texts: list[str], schema: Json, start: int) -> list[str]:
    """Those the document allows first, so that most requests are stored whole; each place begins with another one."""
    turned = [*texts[start:], *texts[:start]]
    return sorted(turned, key=lambda text: not fits(schema, text))


def fields_of(operation: Operation) -> set[tuple[Any, ...]]:
    """The free-text fields an operation writes, each with its rule: what a second operation writes alike is known."""
    noun = re.sub(r"/\{\w+\}$", "", operation.path)
    places = free_places(operation, body_schema(operation) or {})
    return {(noun, place, *map(schema.get, RULES)) for place, schema in places.items()}


WRITES = [operation for operation in operations(DOCUMENT) if operation.id not in NOT_SHOWN and fields_of(operation)]


@pytest.mark.parametrize("operation", WRITES, ids=lambda operation: operation.id)
async def test_promise_30_naughty_strings_survive_or_are_refused(world: World, operation: Operation) -> None:
    texts = naughty_strings()
    assert (len(texts), len(WRITES) >= 30) == (515, True)
    is_dear = not operation.scopes or any(word in name for name in operation.body_members() for word in SECRET)
    task = await written(world, operation)
    places = task.free
    if operation.id == "create_relationship":  # a tie between two people exists once
        task.others = await ties.people(world, 2000)
    first, second = await task.send({}), await task.send({})
    await world.db.execute("ANALYZE customers, relationships")  # hundreds of rows have come since anybody looked
    can_repeat = first.is_success and second.is_success and operation.id not in FINAL
    step = 1 if operation.id in WHOLE else 16 if operation.id in LIMITED else EVERY
    chosen = texts[WRITES.index(operation) % step :: step]
    if is_dear or not can_repeat:
        chosen = texts[:: len(texts) // SOME]
    columns = [in_order(chosen, schema, 37 * step) for step, schema in enumerate(places.values())]
    for row in zip(*columns, strict=True):
        await task.write(dict(zip(places, row, strict=True)))
    if can_repeat and not is_dear and ("answers" not in operation.body_members()):
        assert {place: task.stored.get(place, 0) >= 15 for place in places} == dict.fromkeys(places, True)
    await task.client.aclose()


@pytest.mark.parametrize("operation", WRITES, ids=lambda operation: operation.id)
def test_promise_30_the_document_refuses_nul_in_every_text(operation: Operation) -> None:
    for place, schema in free_places(operation, body_schema(operation)).items():
        assert re.search(schema.get("pattern", ""), "a\0b") is None, place


async def test_promise_30_naughty_strings_in_a_fact_survive_or_are_refused(world: World) -> None:
    customer = await create_customer(world.agent)
    kept: dict[str, str] = {}
    labelled = 0
    client = bare(world)
    client.headers["Authorization"] = f"Bearer {world.token('agent')}"
    for text in naughty_strings()[::EVERY]:  # facts of so many tellers stand side by side
        told = {"fact_key": "books", "source": "observed", "observed_on": "2026-01-05", "teller": {"label": text}}
        answer = await client.post(f"/v1/customers/{customer['id']}/dossier-facts", json={**told, "value": text})
        if answer.status_code != 201:
            assert answer.status_code in (400, 422), text
            told.pop("teller")  # a label is a line
            answer = await client.post(f"/v1/customers/{customer['id']}/dossier-facts", json={**told, "value": text})
        if answer.status_code == 201:
            kept[answer.json()["id"]] = text
    assert len(kept) > 50
    rows = await world.db.fetch("SELECT id, value_enc, teller_enc FROM dossier_facts WHERE org_id = $1", world.org_id)
    async with db.transaction(world.org_id) as session:
        cipher = await vault.of_person(session, world.org_id, UUID(customer["id"]))
    for row in rows:
        if row["teller_enc"] is not None:
            assert cipher.open("dossier_facts", "teller", row["id"], row["teller_enc"]) == kept[str(row["id"])]
            labelled += 1
        assert vault.open_json(cipher, "dossier_facts", "value", row["id"], row["value_enc"]) == kept[str(row["id"])]
    assert labelled > 35


async def test_promise_30_naughty_strings_on_the_papers_of_a_consent_survive_or_are_refused(world: World) -> None:
    customer = await create_customer(world.agent)
    client = bare(world)
    client.headers["Authorization"] = f"Bearer {world.token('agent')}"
    place = f"/v1/customers/{customer['id']}/consents"
    said = await consents.body(world.agent, "minors", given_by="guardian", guardian=consents.MOTHER)
    kept = 0
    for text in naughty_strings()[::EVERY]:
        papers = {"reference": text}
        guardian = {**consents.MOTHER, "name": text, "evidence": papers}
        answer = await client.post(place, json={**said, "evidence": papers, "guardian": guardian})
        assert answer.status_code in (201, 400, 422), text
        if answer.status_code == 201:
            shown = (await client.get(f"{place}/{answer.json()['id']}")).json()
            assert shown["evidence"]["reference"] == text
            assert (shown["guardian"]["name"], shown["guardian"]["evidence"]["reference"]) == (text, text)
            kept += 1
    assert kept > 30


async def test_promise_30_naughty_strings_in_a_search_find_or_are_refused(world: World) -> None:
    client = bare(world)
    client.headers["Authorization"] = f"Bearer {world.token('agent')}"
    for text in naughty_strings():
        answer = await client.get("/v1/customers", params={"q": text, "tag": text})
        assert answer.status_code in (200, 400, 414, 422), text


async def test_promise_30_device_names_survive_or_are_refused(world: World) -> None:
    await give_password(world)
    kept = set()
    for number, text in enumerate(texts := naughty_strings()):
        device = {"id": f"phone-{number}", "name": text, "platform": "ios"}
        body = credentials(world, device=device)
        try:
            assert Login.model_validate(body).device.name == text
        except ValidationError:
            continue
        kept.add(text)
        if len(kept) % 20 == 0:  # each costs a password hash
            answer = await bare(world).post("/v1/auth/login", json=body)
            assert answer.status_code == 200
            headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
            listed = (await bare(world).get("/v1/auth/sessions", headers=headers)).json()["items"]
            assert [item["device_name"] for item in listed if item["device_id"] == device["id"]] == [text]
    assert 250 < len(kept) < len(texts)
    assert PASSWORD not in kept


def hypothesis_texts(count: int) -> list[str]:
    texts: list[str] = []

    @settings(max_examples=count, database=None, derandomize=True, deadline=None, suppress_health_check=[*HealthCheck])
    @given(st.text())
    def collect(text: str) -> None:
        texts.append(text)

    collect()
    return texts[:count]


async def test_promise_30_ten_thousand_texts_survive_or_are_refused(api: FastAPI, world: World) -> None:
    """Many at once: a customer has 83 places for them. Ten thousand with `RENMAI_FULL=1`, else a fifth of them."""
    texts = hypothesis_texts(count := much(10_000, 2_000))
    assert len(texts) == count
    operation = next(one for one in every(api) if one.id == "create_customer")
    task = await written(world, operation)
    assert caller(operation) == "agent"
    places: list[Place] = [("name",), ("occupation",), ("note",), *(("tags", number) for number in range(30))]
    for number in range(10):
        places += [("addresses", number, part) for part in ("province", "city", "county", "detail")]
        places.append(("phones", number, "label"))
    for start in range(0, len(texts), len(places)):
        await task.write(dict(zip(places, texts[start : start + len(places)], strict=False)))
    assert sum(task.stored.values()) > 0.3 * count
    assert task.stored["name",] > 0.002 * count
    await task.client.aclose()


def test_promise_30_a_name_is_changed_by_rule_only() -> None:
    """What the exception for names means: nothing but form is folded, and a folded name stays as it is."""
    for text in naughty_strings():
        try:
            name = normalise_name(text)
        except InvalidName:
            continue
        assert normalise_name(name) == name
        assert len(name) <= len(text)
