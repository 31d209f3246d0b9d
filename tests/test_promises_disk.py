"""Promise 47: a stolen disk, backup or dump shows nothing of a person but his name.

A service of its own takes in canary persons through its API, is asked about them and misused; then its database files,
a base backup, a dump, the WAL, every log and temporary file are searched. Some by default; `RENMAI_CANARIES=1000`
takes in a thousand. Names, which lie in clear by decision, prove that the search finds what is there.
"""

import asyncio
import base64
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest

from app.embedded import EmbeddedPostgres
from tests import canaries, consents, fact_find
from tests.factories import if_match, searched
from tests.private_server import common as common
from tests.served import PASSWORD, Service, signed_in

PERSONS = int(os.environ.get("RENMAI_CANARIES", "24"))
ORG = "vogel"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the programs of the server in /proc")


@dataclass
class Aviary:
    """The place of the service, and what was made of it afterwards."""

    service: Service
    database: EmbeddedPostgres
    home: Path


@pytest.fixture(scope="module")
def aviary(common: Path) -> Iterator[Aviary]:
    """A service over a private server that keeps all of its WAL, with temporary files of its own."""
    with EmbeddedPostgres(common / "var", settings={"wal_keep_size": "4GB", "max_wal_size": "4GB"}) as database:
        temporary = common / "tmp"
        temporary.mkdir(mode=0o777)
        key = base64.b64encode(os.urandom(32)).decode()  # never on this disk
        service = Service(common, LOG_LEVEL="DEBUG", MASTER_KEY=key)
        service.env["TMPDIR"] = str(temporary)
        try:
            service.start()
            service.command("org", "create", "--code", ORG, "--name", "鸟语测试机构")
            for name, role in (("agent", "agent"), ("boss", "manager")):
                user = ("--username", name, "--name", "陆听雨", "--role", role)
                service.command("user", "create", "--org", ORG, *user, RENMAI_NEW_PASSWORD=PASSWORD)
            yield Aviary(service, database, common)
        finally:
            service.end()


@pytest.fixture(scope="module")
async def agent(aviary: Aviary) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(aviary.service, ORG, "agent") as client:
        yield client


async def test_row_47_a_stolen_disk_or_dump_shows_no_person(aviary: Aviary, agent: httpx.AsyncClient) -> None:
    made = []
    for first in range(0, PERSONS, 8):
        numbers = range(first, min(first + 8, PERSONS))
        made += await asyncio.gather(*(take_in(agent, number) for number in numbers))
    for one, other in pairwise(made):
        await tie(agent, one, other)
    await ask(agent, made[:5])
    await misuse(agent, made[0])
    log = (aviary.home / "service.log").read_text()
    assert canaries.marks_in(log.encode()) == set()
    with (aviary.database.data_dir / "pg_hba.conf").open("a") as door:  # a backup is taken as a replica would
        door.write("local replication all trust\n")
    for statement in ("SELECT pg_reload_conf()", "CHECKPOINT", "SELECT pg_switch_wal()"):
        psql(aviary, "-d", "postgres", "-c", statement)
    tool(aviary, "pg_dump", "-d", "renmai", "-f", str(aviary.home / "dump.sql"))
    tool(aviary, "pg_basebackup", "-D", str(aviary.home / "backup"), "-c", "fast", "-X", "fetch")
    found, named = canaries.search(aviary.home)
    assert found == {}
    places = {name.split("/")[0] if "pg_wal" not in name else "wal" for name in named}
    assert {"dump.sql", "backup", "var", "wal"} <= places, "the search does not find what is there"


@pytest.mark.parametrize(("kind", "mark"), canaries.MARKS.items())
def test_row_47_a_leak_in_any_shape_would_be_found(kind: str, mark: str) -> None:
    for shape in canaries.shapes(mark):
        value = shape + b"0123" if shape == mark.encode() and mark.isdecimal() else shape
        assert canaries.marks_in(b"\x00\xff" + value + b"\x01") == {kind}


def test_row_47_persons_of_the_search_are_valid_and_marked() -> None:
    for number in (0, 7, 999):
        said = str(canaries.person(number))
        assert {"phone", "e-mail", "ID number", "address", "note"} == canaries.marks_in(said.encode())


async def take_in(client: httpx.AsyncClient, number: int) -> str:
    """One person with contact data, consents, facts and answers to a form; every fifth with an analysis."""
    made = await client.post("/v1/customers", json=canaries.person(number))
    assert made.status_code == 201, made.text
    customer = str(made.json()["id"])
    marks = canaries.MARKS
    of_all = await consents.body(client, *(group for group in consents.GROUPS if group != "minors"))
    await consents.post(client, customer, {**of_all, "evidence": {"reference": f"{marks['evidence']}{number}"}})
    mother = {**consents.MOTHER, "name": marks["guardian"]}
    of_children = await consents.body(client, "minors", given_by="guardian", guardian=mother)
    await consents.post(client, customer, of_children)
    await consents.give(client, customer, "whereabouts", purpose="service")
    await learn(client, customer, "books", f"{marks['fact']}{number}")
    await learn(client, customer, "itinerary", f"{marks['plan']}{number}")
    answers = fact_find.family(spouse_name=marks["spouse"], income=int(f"{marks['income']}{number:03d}"))
    body = {"customer_id": customer, "form_key": fact_find.FORM, "form_version": "1.0.0", "answers": answers}
    draft = await client.post("/v1/form-responses", json=body)
    assert draft.status_code == 201, draft.text
    headers = {"Idempotency-Key": uuid4().hex, **if_match(draft.json())}
    done = await client.post(f"/v1/form-responses/{draft.json()['id']}/complete", headers=headers)
    assert done.status_code == 201, done.text
    if number % 5 == 0:
        analysis = await client.post("/v1/needs-analyses", json={"form_response_id": draft.json()["id"]})
        assert analysis.status_code == 201, analysis.text
    return customer


async def learn(client: httpx.AsyncClient, customer: str, key: str, value: str) -> None:
    fact = {"fact_key": key, "value": value, "source": "customer", "observed_on": "2026-11-20"}
    answer = await client.post(f"/v1/customers/{customer}/dossier-facts", json=fact)
    assert answer.status_code == 201, answer.text


async def tie(client: httpx.AsyncClient, one: str, other: str) -> None:
    said = {"other_id": other, "type": "schoolmate", "note": canaries.MARKS["tie"]}
    answer = await client.post(f"/v1/customers/{one}/relationships", json=said)
    assert answer.status_code == 201, answer.text


async def ask(client: httpx.AsyncClient, customers: list[str]) -> None:
    """What is read, searched, revealed, changed and deleted leaves nothing behind either."""
    for number, customer in enumerate(customers):
        sent = canaries.person(number)
        for word in (sent["id_number"], sent["phones"][0]["number"]):
            assert await searched(client, word) == [customer]
        fields = {"fields": ["id_number", "phones", "emails", "dossier.personal.itinerary"], "purpose": "servicing"}
        key = {"Idempotency-Key": uuid4().hex}
        shown = await client.post(f"/v1/customers/{customer}/reveal", json=fields, headers=key)
        assert shown.status_code == 200, shown.text
        assert shown.json()["id_number"] == sent["id_number"]
        profile = await client.get(f"/v1/customers/{customer}")
        body = {"note": sent["note"] + "，改", "phones": sent["phones"]}
        changed = await client.patch(f"/v1/customers/{customer}", json=body, headers=if_match(profile.json()))
        assert changed.status_code == 200, changed.text
    gone = await client.delete(f"/v1/customers/{customers[-1]}", headers=if_match(changed.json()))
    assert gone.status_code == 204, gone.text


async def misuse(client: httpx.AsyncClient, customer: str) -> None:
    """Values where they do not belong, and bodies that break rules: errors are where values slip into logs."""
    for mark in canaries.MARKS.values():
        for url in (f"/v1/customers/{mark}", f"/v1/customers/{customer}/{mark}", f"/v1/tasks?state={mark}"):
            assert (await client.get(url)).status_code in (404, 422)
        body = {"party_type": "individual", "name": mark, "gender": mark, "phones": [{"number": mark}], mark: mark}
        assert (await client.post("/v1/customers", json=body)).status_code == 422
        broken = await client.post("/v1/customers", content=f'{{"name": "{mark}", ]'.encode())
        assert broken.status_code in (400, 415, 422)
        headers = {"Idempotency-Key": mark.encode().hex(), "Accept-Language": mark.encode().hex()}
        assert (await client.post("/v1/customers", json=body, headers=headers)).status_code == 422


def psql(aviary: Aviary, *words: str) -> None:
    tool(aviary, "psql", "-q", *words)


def tool(aviary: Aviary, name: str, *words: str) -> None:
    """One of PostgreSQL's own programs, against the server the service uses."""
    dsn = urlsplit(aviary.database.dsn("postgres", "postgres"))
    asked = parse_qs(dsn.query)
    programs = Path(f"/proc/{aviary.database.pid}/exe").resolve().parent
    address = ("-h", asked["host"][0], "-p", asked["port"][0], "-U", "postgres")
    done = subprocess.run([str(programs / name), *address, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
