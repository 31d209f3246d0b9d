"""Promise 47, of answers and what is concluded from them: a stolen database shows none of them."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.config import Settings
from tests import consents, tolerance_form
from tests import household_form as family
from tests.factories import World, create_customer, if_match
from tests.life_form import ANSWERS, complete, create_analysis
from tests.own_forms import publish
from tests.sightings import scan, stolen
from tests.small_forms import LABEL, YES_NO, item

# Canaries: texts nobody else uses, and odd numbers of nine digits and more. A percentage, a yes and a code are too
# short to be told from others; they stand in the same sealed text.
_SAID: dict[str, Any] = {
    "text": "金丝雀喜欢夜里唱歌",
    "integer": 7_391_246_853_179,
    "decimal": "739124685.317",
    "money": 7_391_246_853,
    "percent": 73_912,
    "rate": "0.739124",
    "boolean": True,
    "date": "1873-09-14",
    "datetime": "1873-09-14T07:39:12Z",
    "phone": "+8613907391246",
    "id_number": "11010519491231002X",
    "reference": f"customer:{uuid4()}",
    "choice": "yes",
    "open_choice": {"text": "自己说的金丝雀话"},
    "address": {"province": "金丝雀省", "city": "金丝雀市", "county": "金丝雀县", "detail": "夜莺路七百三十九号"},
    "attachment": {"sha256": "7391246853abcdef" * 4, "name": "金丝雀病历.png", "media_type": "image/png", "size": 9},
}
_CODES = {"choice": {"options": YES_NO}, "open_choice": {"options": YES_NO}}
_REASON = "金丝雀说错了话所以收回"


def _canaries(said: Any) -> set[str]:
    """Everything in an answer that is long enough to be told from others."""
    if isinstance(said, dict):
        return set().union(*map(_canaries, said.values()))
    if isinstance(said, list):
        return set().union(*map(_canaries, said))
    if isinstance(said, str):
        return {said} if len(said.encode()) > 9 and said != "image/png" else set()
    return {str(said)} if isinstance(said, int) and said >= 10**8 and said % 1000 else set()


async def test_row_47_the_search_finds_every_spelling(settings: Settings) -> None:
    said = "金丝雀喜欢白天唱歌"
    spellings = {
        "plain": "'x' || $1::text",
        "list": "jsonb_build_array($1::text)",
        "raw": "convert_to($1, 'UTF8')",
        "base64": "encode(convert_to('a' || $1, 'UTF8'), 'base64')",
        "hex": "upper(encode(convert_to($1, 'UTF8'), 'hex'))",
    }
    async with stolen(settings) as connection:
        await connection.execute(
            "CREATE TEMP TABLE loot (plain text, list jsonb, raw bytea, base64 text, hex text, wide bytea)"
        )
        for column, value in spellings.items():
            await connection.execute("TRUNCATE loot")
            await connection.execute(f"INSERT INTO loot ({column}) VALUES ({value})", said)
            assert await scan(connection, [said]) == {("loot", said)}, column
        await connection.execute("TRUNCATE loot")
        await connection.execute("INSERT INTO loot (wide) VALUES ($1)", b"-" + said.encode("utf-16-be"))
        assert await scan(connection, [said]) == {("loot", said)}


async def _draft(client: httpx.AsyncClient, customer: str, form_key: str, said: dict[str, Any]) -> dict[str, Any]:
    body = {"customer_id": customer, "form_key": form_key, "form_version": "1.0.0", "answers": said}
    answer = await client.post("/v1/form-responses", json=body, headers={"Idempotency-Key": uuid4().hex})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_row_47_answers_of_every_type_lie_nowhere_in_clear(world: World, settings: Settings) -> None:
    kinds = [item(kind, kind, **_CODES.get(kind, {})) for kind in _SAID]
    rows = [{**one, "link_id": f"row_{one['link_id']}"} for one in kinds if one["type"] in ("text", "money", "address")]
    group = item("rows", "group", repeats=True, items=rows)
    form = {"form_key": "org.canary", "version": "1.0.0", "title": LABEL, "items": [*kinds, group]}
    await publish(world.admin, form)
    customer = await create_customer(world.agent)
    await consents.consented(world.agent, customer)
    in_rows = {"row_text": "行里的金丝雀也唱歌", "row_money": 7_391_246_899, "row_address": _SAID["address"]}
    said = {**_SAID, "rows": [in_rows, {"row_text": "第二行金丝雀不唱歌"}]}
    first = await _draft(world.agent, customer["id"], "org.canary", said)
    assert first["answers"] == said
    change = {"answers": {"text": "金丝雀改口说了别的"}}
    url = f"/v1/form-responses/{first['id']}"
    later = (await world.agent.patch(url, json=change, headers=if_match(first))).json()
    done = await complete(world.agent, later)
    assert done.status_code == 201, done.text
    assert (await world.agent.post(f"{url}/amend", json={})).status_code == 201
    second = await _draft(world.agent, customer["id"], "org.canary", said)
    taken = await world.agent.post(f"/v1/form-responses/{second['id']}/retract", json={"reason": _REASON})
    assert taken.json()["retraction_reason"] == _REASON
    async with stolen(settings) as connection:
        canaries = _canaries(said) | _canaries(change) | {_REASON}
        assert len(canaries) >= 20
        assert await scan(connection, canaries) == set()


@pytest.mark.parametrize("form_key", ["needs.life", "needs.fact_find"])
async def test_row_47_amounts_of_an_analysis_lie_nowhere_in_clear(
    world: World, settings: Settings, form_key: str
) -> None:
    customer = await create_customer(world.agent)
    if form_key == "needs.life":
        said = {**ANSWERS, "existing_cover": 739_124_117, "liquid_assets": 873_914_213}
        made = await create_analysis(world.agent, customer["id"], answers=said)
    else:
        said = family.answers(income=371_940_283, cash=283_740_191, spouse_name="苏金丝雀", living_monthly=1_234_913)
        made = await family.analyse(world.agent, customer["id"], **said)
    word = {"kind": "recording", "reference": "录音柜金丝雀七号", "confirmed_at": made["created_at"]}
    told = await world.agent.post(f"/v1/needs-analyses/{made['id']}/confirm", json=word)
    assert told.json()["confirmation"]["reference"] == word["reference"]
    shown = [
        made[name] for name in ("need_fen", "existing_cover_fen", "gap_fen", "results", "household", "assumptions")
    ]
    names = {"苏金丝雀"} if form_key == "needs.fact_find" else set()
    canaries = {one for one in _canaries([said, shown]) if one.isdigit()} | {word["reference"]} | names
    assert len(canaries) >= 6
    async with stolen(settings) as connection:
        assert await scan(connection, canaries) == set()


async def test_row_47_a_proposal_lies_nowhere_in_clear(world: World, settings: Settings) -> None:
    await family.qualify(world)
    customer = await create_customer(world.agent, name="林致远")
    analysis = await family.analyse(world.agent, customer["id"], cash=283_740_377)
    await tolerance_form.assess(world.agent, customer["id"])
    cover = family.life(sum_insured_fen=739_124_511, term="至金丝雀六十岁", reason="金丝雀的房贷主要靠他一个人的收入")
    other = {
        "title": "金丝雀另一个办法",
        "description": "金丝雀先买一半等明年再看",
        "premium_low_fen": 100,
        "premium_high_fen": 200,
        "covers": [{"insured": "self", "peril": "life", "sum_insured_fen": 391_246_777}],
    }
    will = {"customer_insists": True, "statement": "金丝雀自己坚持要买这份保险"}
    answer = await family.propose(world.agent, analysis, cover, alternatives=[other], **will)
    assert answer.status_code == 201, answer.text
    word = {"signed_by": "林金丝雀致远", "reference": "文件柜金丝雀第九格", "kind": "paper"}
    done = await family.sign(world.agent, answer.json(), **word)
    assert done.status_code == 200, done.text
    canaries = _canaries([cover, other, will, word, 283_740_377]) - {"term_life"}
    assert len(canaries) == 10
    async with stolen(settings) as connection:
        assert await scan(connection, canaries) == set()


async def test_row_47_a_risk_tolerance_lies_nowhere_in_clear(world: World, settings: Settings) -> None:
    """It is a word of two letters: nothing of the row says which."""
    rows = []
    for option in (tolerance_form.CAREFUL, tolerance_form.BOLD):
        made = await tolerance_form.assess(world.agent, (await create_customer(world.agent))["id"], option)
        row = await world.db.fetchrow(
            "SELECT to_jsonb(t) AS all FROM tolerance_assessments t WHERE id::text = $1", made["id"]
        )
        rows.append(row["all"])
    assert not any(word in row for row in rows for word in ('"c1"', '"c5"', '"score"', '"level"'))
