"""The printed proposal over HTTP: what it says, what it says nothing of, and that nobody waits for it."""

import asyncio
import io
import time
from typing import Any

import pypdf
import pytest

from app import reports
from tests import household_form as family
from tests import tolerance_form
from tests.factories import World, create_customer
from tests.household_form import analyse, life, propose, proposed, qualify


def _url(proposal: dict[str, Any]) -> str:
    return f"/v1/proposals/{proposal['id']}/document.pdf"


def _text(pdf: bytes) -> str:
    """All its text, without the spaces that only lay it out."""
    found = pypdf.PdfReader(io.BytesIO(pdf), strict=True)
    return "".join("".join(page.extract_text() for page in found.pages).split())


async def test_document_tells_the_whole_proposal_in_chinese(world: World) -> None:
    await qualify(world)
    customer = await create_customer(world.agent, name="林致远")
    await tolerance_form.assess(world.agent, customer["id"])
    analysis = await analyse(world.agent, customer["id"])
    lean = {"title": "精简方案", "description": "一年后复查", "premium_low_fen": 180_000, "premium_high_fen": 240_000}
    open_ = life(insured="spouse", peril="critical_illness", category="critical_illness", premium_low_fen=None,
                 premium_high_fen=None, payment_years=None, term=None)  # fmt: skip
    made = (await propose(world.agent, analysis, life(), open_, alternatives=[lean])).json()
    answer = await world.agent.get(_url(made))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    text = _text(answer.content)
    for words in (
        "家庭保障需求分析计划书", "测试机构", "呈送林致远", family.LICENCE, made["number"], "软件工程师", "苏婉清",
        "林知夏", "遗属需要法", "68.50", "需谨慎：请先阅读下列提示", "部分建议尚无保费估算", "令2023年第2号",
        "定期寿险",        "60.00", "至60岁", "1,800–2,400元", "精简方案", "C3", "有效期至", "本人年收入",
        "客户提供", "房贷余额", "12378", "家庭年度收支",
    ):  # fmt: skip
        assert words in text, words
    assert "每月房租" not in text  # nobody named it


async def test_document_speaks_the_language_of_its_proposal(world: World) -> None:
    made = await proposed(world, language="en")
    text = _text((await world.agent.get(_url(made), headers={"Accept-Language": "zh-CN"})).content)
    assert "Householdprotectionproposal" in text
    assert "Termlife" in text


async def test_customer_who_insists_is_quoted(world: World) -> None:
    made = await proposed(world)
    analysis = {"id": made["needs_analysis_id"]}
    said: dict[str, Any] = {"customer_insists": True, "statement": "我知道风险，仍要投保。"}
    insisted = await propose(world.agent, analysis, life(sum_insured_fen=500 * family.WAN), **said)
    text = _text((await world.agent.get(_url(insisted.json()))).content)
    assert "不匹配：建议终止投保" in text
    assert "建议保额超过保障缺口" in text
    assert "仍自愿投保，并说明：我知道风险，仍要投保。" in text


async def test_name_of_the_file_names_nobody_and_the_file_runs_nothing(world: World) -> None:
    made = await proposed(world)
    headers = (await world.agent.get(_url(made))).headers
    assert headers["content-disposition"] == f'attachment; filename="{made["number"]}.pdf"'
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
    assert headers["cache-control"] == "no-store"


async def test_printing_is_on_record_and_the_same_document_is_not_sent_twice(world: World) -> None:
    made = await proposed(world)
    first = await world.agent.get(_url(made))
    again = await world.agent.get(_url(made), headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert (await world.agent.get(_url(made))).content == first.content
    events = (await world.admin.get("/v1/audit-events", params={"action": "proposal.exported"})).json()["items"]
    assert {event["object_id"] for event in events} == {made["id"]}
    shown = {"fields": ["proposal"], "format": "pdf"}
    results = ("shown", "not_modified", "shown")
    assert [event["detail"] for event in events] == [{**shown, "result": result} for result in results]
    assert events[2]["request_id"] == first.headers["x-request-id"]
    assert "林" not in str(events)


async def test_document_that_cannot_be_set_is_503_and_not_on_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await proposed(world)

    async def fail(_report: object) -> bytes:
        raise reports.ReportFailed("timeout")

    monkeypatch.setattr(reports, "render", fail)
    answer = await world.agent.get(_url(made))
    assert (answer.status_code, answer.json()["code"]) == (503, "document_unavailable")
    assert answer.headers["retry-after"] == "5"
    events = (await world.admin.get("/v1/audit-events", params={"action": "proposal.exported"})).json()["items"]
    assert events == []


async def test_others_are_served_while_a_document_is_set(world: World) -> None:
    made = await proposed(world)
    task, served, longest, last = asyncio.create_task(world.agent.get(_url(made))), 0, 0.0, time.perf_counter()
    while not task.done():
        assert (await world.mate.get("/v1/me")).status_code == 200
        served += 1
        longest, last = max(longest, time.perf_counter() - last), time.perf_counter()
    assert (await task).status_code == 200
    assert served >= 5
    assert longest < 0.5  # the whole takes longer than that


async def test_no_connection_is_held_while_a_document_is_set(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many wait as there are places at the database, and somebody else still gets one."""
    made = await proposed(world)
    go, full, waiting = asyncio.Event(), asyncio.Event(), 0

    async def wait(_report: object) -> bytes:
        nonlocal waiting
        waiting += 1
        if waiting == 30:
            full.set()
        await go.wait()
        return b"%PDF-1.7"

    monkeypatch.setattr(reports, "render", wait)
    tasks = [asyncio.create_task(world.agent.get(_url(made))) for _ in range(30)]
    async with asyncio.timeout(10):
        await full.wait()
        assert (await world.agent.get(f"/v1/proposals/{made['id']}")).status_code == 200
    go.set()
    assert {answer.status_code for answer in await asyncio.gather(*tasks)} == {200}
