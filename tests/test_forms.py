"""Published forms: published once and for all, cached by phones, in two languages."""

import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from app import keyring, migrate
from app.config import Settings
from app.domain import forms as rules
from tests.factories import World, unguarded
from tests.life_form import exact

Publish = Callable[..., Awaitable[dict[str, Any]]]
_LIFE = next(form for form in rules.published_forms() if form["form_key"] == "needs.life")


@pytest.fixture
async def publish(owner_db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Publish]:
    """Publishes a variant of the life-need form the way a migration does, and takes it back after the test."""
    made: list[tuple[str, str]] = []

    async def make(form_key: str, version: str, **over: Any) -> dict[str, Any]:
        raw = {**copy.deepcopy(_LIFE), "form_key": form_key, "version": version, **over}
        monkeypatch.setattr(rules, "published_forms", lambda: [raw])
        made.append((form_key, version))
        await migrate._publish_forms(owner_db)
        return raw

    yield make
    async with unguarded(owner_db, "form_versions"):
        await owner_db.executemany("DELETE FROM form_versions WHERE form_key = $1 AND version = $2", made)


def _labels(node: Any) -> list[dict[str, str]]:
    if isinstance(node, list):
        return [label for part in node for label in _labels(part)]
    if not isinstance(node, dict):
        return []
    own = [node[key] for key in ("title", "label", "help") if key in node]
    return own + [label for value in node.values() for label in _labels(value)]


# --- publishing ------------------------------------------------------------------------------------------------


async def test_migrating_again_publishes_nothing_twice(settings: Settings, owner_db: asyncpg.Connection) -> None:
    before = await owner_db.fetch("SELECT * FROM form_versions ORDER BY form_key, version")
    assert settings.owner_database_url is not None
    await migrate.upgrade(settings.owner_database_url, app_role="renmai_app", keys=keyring.derive(settings))
    assert await owner_db.fetch("SELECT * FROM form_versions ORDER BY form_key, version") == before
    assert len(before) >= 1


async def test_changed_text_under_a_published_version_is_refused(publish: Publish, world: World) -> None:
    first = await publish("test.changed", "1.0.0")
    with pytest.raises(RuntimeError, match=r"test\.changed 1\.0\.0 .* raise its version"):
        await publish("test.changed", "1.0.0", title={"zh": "另一个标题", "en": "Another title"})
    stored = (await world.agent.get("/v1/forms/test.changed")).json()
    assert stored["definition"] == first
    assert stored["content_hash"] == rules.content_hash(first)


async def test_service_itself_can_neither_publish_nor_withdraw(settings: Settings, world: World) -> None:
    connection = await asyncpg.connect(settings.database_url)
    try:
        for statement in (
            "UPDATE form_versions SET status = 'withdrawn'",
            "DELETE FROM form_versions",
            "INSERT INTO form_versions SELECT form_key, '9.9.9', status, content_hash, definition FROM form_versions",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


# --- reading ---------------------------------------------------------------------------------------------------


async def test_form_answers_its_whole_text_in_both_languages(world: World) -> None:
    answer = await world.agent.get("/v1/forms/needs.life", headers={"Accept-Language": "zh-CN"})
    body = exact(answer)
    assert answer.status_code == 200
    assert body["definition"] == _LIFE
    assert (body["version"], body["status"], body["title"]) == ("1.0.0", "published", _LIFE["title"])
    labels = _labels(body["definition"])
    assert len(labels) > 60
    assert all(any("\u4e00" <= sign <= "\u9fff" for sign in label["zh"]) for label in labels)
    assert all(label["en"].isascii() and label["en"].strip() for label in labels)
    english = await world.agent.get("/v1/forms/needs.life", headers={"Accept-Language": "en"})
    assert english.content == answer.content


async def test_content_hash_can_be_recomputed_from_what_was_sent(world: World) -> None:
    body = (await world.agent.get("/v1/forms/needs.life")).json()
    assert rules.content_hash(body["definition"]) == body["content_hash"]


@pytest.mark.parametrize("url", ["/v1/forms", "/v1/forms/needs.life", "/v1/forms/needs.life/versions/1.0.0"])
async def test_forms_are_cacheable_and_answer_304(world: World, url: str) -> None:
    first = await world.agent.get(url)
    # The list has the organisation's own forms in it.
    kept = f"{'private' if url == '/v1/forms' else 'public'}, max-age=300"
    assert first.headers["cache-control"] == kept
    for held in (first.headers["etag"], f"W/{first.headers['etag']}", f'"other", {first.headers["etag"]}'):
        again = await world.agent.get(url, headers={"If-None-Match": held})
        assert (again.status_code, again.content) == (304, b"")
        assert (again.headers["etag"], again.headers["cache-control"]) == (first.headers["etag"], kept)
    assert (await world.agent.get(url, headers={"If-None-Match": '"other"'})).status_code == 200


async def test_etag_of_a_version_is_its_content_hash(world: World) -> None:
    one = await world.agent.get("/v1/forms/needs.life/versions/1.0.0")
    assert one.headers["etag"] == f'"{one.json()["content_hash"]}"'
    assert (await world.agent.get("/v1/forms/needs.life")).headers["etag"] == one.headers["etag"]


@pytest.mark.parametrize("path", ["needs.nothing", "needs.life/versions/0.0.9", "needs.nothing/versions/1.0.0"])
async def test_unknown_form_or_version_is_404(world: World, path: str) -> None:
    answer = await world.agent.get(f"/v1/forms/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["Needs.Life", "needs.life/versions/1.0", "needs.life/versions/latest", "1"])
async def test_misspelt_form_or_version_is_422(world: World, path: str) -> None:
    assert (await world.agent.get(f"/v1/forms/{path}")).status_code == 422


async def test_newest_version_is_by_number_and_older_ones_stay_readable(publish: Publish, world: World) -> None:
    for version in ("1.9.0", "1.10.0", "1.2.0"):
        await publish("test.many", version)
    assert (await world.agent.get("/v1/forms/test.many")).json()["version"] == "1.10.0"
    listed = [form for form in exact(await world.agent.get("/v1/forms"))["items"] if form["form_key"] == "test.many"]
    assert [form["version"] for form in listed] == ["1.10.0"]
    assert "definition" not in listed[0]
    old = await world.agent.get("/v1/forms/test.many/versions/1.9.0")
    assert old.json()["definition"]["version"] == "1.9.0"


async def test_list_changes_its_etag_when_a_form_is_published(publish: Publish, world: World) -> None:
    held = (await world.agent.get("/v1/forms")).headers["etag"]
    await publish("test.newcomer", "1.0.0")
    answer = await world.agent.get("/v1/forms", headers={"If-None-Match": held})
    assert answer.status_code == 200
    keys = [form["form_key"] for form in answer.json()["items"]]
    assert {"needs.life", "test.newcomer"} <= set(keys)
    assert keys == sorted(keys)


async def test_withdrawn_version_is_never_the_newest_and_no_304_hides_it(publish: Publish, world: World) -> None:
    for version in ("1.0.0", "1.1.0"):
        await publish("test.recalled", version)
    url = "/v1/forms/test.recalled/versions/1.1.0"
    held = (await world.agent.get(url)).headers["etag"]
    await world.db.execute(
        "UPDATE form_versions SET status = 'withdrawn' WHERE form_key = 'test.recalled' AND version = '1.1.0'"
    )
    assert (await world.agent.get("/v1/forms/test.recalled")).json()["version"] == "1.0.0"
    answer = await world.agent.get(url, headers={"If-None-Match": held})
    assert (answer.status_code, answer.json()["status"]) == (200, "withdrawn")
    again = await world.agent.get(url, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    await world.db.execute("UPDATE form_versions SET status = 'withdrawn' WHERE form_key = 'test.recalled'")
    assert (await world.agent.get("/v1/forms/test.recalled")).status_code == 404


async def test_every_role_reads_the_same_forms_and_nobody_else(world: World, other_world: World) -> None:
    wanted = (await world.agent.get("/v1/forms/needs.life")).content
    for client in (world.manager, world.admin, world.auditor, other_world.agent):
        assert (await client.get("/v1/forms/needs.life")).content == wanted
    assert (await world.client().get("/v1/forms/needs.life")).status_code == 401
    partner = world.client(None, **{"X-API-Key": world.partner_key})
    assert (await partner.get("/v1/forms/needs.life")).status_code == 403
