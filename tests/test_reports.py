"""The proposal as a PDF: what can be read in it, what it carries, and what happens when it cannot be made."""

import asyncio
import io
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import orjson
import pypdf
import pytest

from app import reports, typeset
from app.domain.proposal_page import clean, page
from app.domain.proposal_report import Agent, Organization, ProposalReport
from tests import proposals

Gate: TypeAlias = tuple[list[int], asyncio.Event, asyncio.Event]

BARE = ProposalReport(
    organization=Organization(name=""),
    agent=Agent(name="", licence_no=""),
    number="",
    customer="",
    prepared_on=date(2026, 1, 1),
)


def read(pdf: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(pdf), strict=True)


def text_of(pdf: bytes, pages: int | None = None) -> str:
    """All its text, or that of its first pages, without the spaces that only lay it out."""
    return "".join("".join(one.extract_text() for one in read(pdf).pages[:pages]).split())


@pytest.fixture(scope="module")
async def demo() -> bytes:
    return await reports.render(proposals.household())


async def test_household_is_a_short_document_in_chinese(demo: bytes) -> None:
    found, text = read(demo), text_of(demo)
    assert 3 <= len(found.pages) <= 6
    assert [float(side) for side in found.pages[0].mediabox[2:]] == pytest.approx([595.28, 841.89], abs=0.1)
    for words in (
        "家庭保障需求分析计划书", "林致远先生", "陈思远", "00000000000000000001", "122.72万元", "138.00万元",
        "匹配：建议的保障类别适合您", "定期寿险", "18,760–24,870元", "销售人员设定：与客户商定", "C2稳健型",
        "不是保险合同", "犹豫期", "12378", "遗属生活费", "1,727,179.35", "第1页，共5页",
    ):  # fmt: skip
        assert words in text, words


async def test_document_carries_its_fonts_and_nothing_else(demo: bytes) -> None:
    pages: Any = read(demo).pages
    fonts = [
        descendant.get_object()["/FontDescriptor"]
        for one in pages
        for font in one["/Resources"]["/Font"].values()
        for descendant in font.get_object()["/DescendantFonts"]
    ]
    assert fonts
    for font in fonts:
        assert "/FontFile2" in font or "/FontFile3" in font
        assert "NotoSansCJKsc" in font["/FontName"]
    assert len(demo) < 500_000  # a subset: the whole font is 33 MB
    assert b"/JavaScript" not in demo
    assert b"/EmbeddedFile" not in demo
    assert b"/URI" not in demo


async def test_document_carries_the_date_of_the_report_and_no_clock(demo: bytes) -> None:
    about: Any = read(demo).metadata
    assert (about.creation_date.date(), about.modification_date.date()) == (date(2026, 11, 27), date(2026, 11, 27))
    assert about.title == "家庭保障需求分析计划书 · 林致远 先生"


async def test_english_has_english_words_and_yuan() -> None:
    text = text_of(await reports.render(replace(proposals.household(), language="en")))
    for words in ("Householdprotectionproposal", "CNY1,227,179", "Page1of5", "noinsurancecontract"):
        assert words in text, words
    assert "万元" not in text


async def test_report_without_anything_says_so() -> None:
    text = text_of(await reports.render(BARE))
    assert text.count("暂无资料。") == 7
    assert "没有需要补充的保障缺口" not in text  # nothing was reckoned, so nothing is known


async def test_any_text_is_printed_and_never_read() -> None:
    """Everything that could be read as something else, together in every place: one that was read would end it all."""
    pdf = await reports.render(proposals.hostile(" ".join(proposals.MARKUP)))
    text = text_of(pdf, 2).replace("\u200b", "")
    assert '呈送#import"x"#panic()*粗*' in text
    for sent in filter(str.isascii, proposals.MARKUP):
        assert "".join(clean(sent).replace("\u200b", "").split()) in text, sent


@pytest.mark.parametrize("number", range(len(proposals.SHAPES)))
async def test_text_of_any_shape_is_laid_out(number: int) -> None:
    pdf = await reports.render(proposals.hostile(proposals.SHAPES[number]))
    assert len(read(pdf).pages) >= 3


async def test_spaces_are_no_text() -> None:
    assert page(proposals.hostile("  ")) == page(proposals.hostile(""))


async def test_largest_report_is_made() -> None:
    pdf = await reports.render(proposals.large())
    assert len(read(pdf).pages) > 20


# --- the others are served meanwhile ---------------------------------------------------------------------------


async def test_loop_goes_on_while_the_same_document_is_set_again(demo: bytes) -> None:
    longest, last = 0.0, time.perf_counter()
    started = last
    task = asyncio.create_task(reports.render(proposals.household()))
    while not task.done():
        await asyncio.sleep(0.001)
        longest, last = max(longest, time.perf_counter() - last), time.perf_counter()
    assert await task == demo
    assert longest < 0.15  # the whole takes longer than that
    assert last - started < 2


@pytest.fixture
async def gate(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gate]:
    """In place of the process: how many were at work when each began; they end when told."""
    seen: list[int] = []
    go, full, running = asyncio.Event(), asyncio.Event(), 0

    async def stand_in(order: bytes) -> bytes:
        nonlocal running
        running += 1
        seen.append(running)
        if running == reports.AT_ONCE:
            full.set()
        await go.wait()
        running -= 1
        return b"%PDF"

    monkeypatch.setattr(reports, "_in_a_process", stand_in)
    yield seen, go, full
    go.set()


async def test_only_so_many_are_set_at_once(gate: Gate) -> None:
    seen, go, full = gate
    tasks = [asyncio.create_task(reports.render(BARE)) for _ in range(7)]
    async with asyncio.timeout(5):
        await full.wait()
    go.set()
    await asyncio.gather(*tasks)
    assert len(seen) == 7
    assert max(seen) == reports.AT_ONCE


async def test_who_waits_too_long_for_his_turn_is_told(gate: Gate) -> None:
    _, go, _ = gate
    tasks = [asyncio.create_task(reports.render(BARE)) for _ in range(reports.AT_ONCE)]
    with pytest.raises(reports.ReportFailed, match="timeout"):
        await reports.render(BARE, seconds=0.05)
    go.set()
    await asyncio.gather(*tasks)


# --- when it cannot be made ------------------------------------------------------------------------------------


async def test_child_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stuck = tmp_path / "stuck.py"
    said = tmp_path / "said"
    stuck.write_text(f"import os, time\nopen({str(said)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)\n")
    monkeypatch.setattr(typeset, "__file__", str(stuck))
    with pytest.raises(reports.ReportFailed, match="timeout"):
        await reports.render(BARE, seconds=1)
    with pytest.raises(ProcessLookupError):
        os.kill(int(said.read_text()), 0)


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        (f"sys.exit({typeset.FONT_MISSING})", "font-missing"),
        (f"sys.exit({typeset.TYPST_MISSING})", "typst-missing"),
        (f"sys.exit({typeset.REFUSED})", "failed"),
        ("os.abort()", "failed"),
        ("print('no document')", "failed"),
    ],
)
async def test_failure_says_what_an_operator_has_to_know(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ends: str, code: str
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(f"import os, sys\n{ends}\n")
    monkeypatch.setattr(typeset, "__file__", str(broken))
    with pytest.raises(reports.ReportFailed) as failed:
        await reports.render(BARE)
    assert failed.value.code == code


def order(**changed: object) -> bytes:
    return orjson.dumps({"template": "proposal.typ", "timestamp": 0, "seconds": 20, "page": page(BARE), **changed})


def ended(sent: bytes) -> tuple[int, bytes, bytes]:
    done = subprocess.run([sys.executable, "-I", typeset.__file__], input=sent, capture_output=True, timeout=30)
    return done.returncode, done.stdout, done.stderr


def test_missing_font_is_named() -> None:
    assert ended(order(font_package="no_such_font_package")) == (typeset.FONT_MISSING, b"", b"font-missing")
    # A package that is there, but holds another font: a document in boxes is no document.
    assert ended(order(font_package="pypdf")) == (typeset.FONT_MISSING, b"", b"font-missing")


def test_compiler_message_is_not_repeated() -> None:
    status, out, said = ended(order(page={"secret": "林致远"}))
    assert (status, out, said) == (typeset.REFUSED, b"", b"refused")


async def test_child_gets_no_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = tmp_path / "told.py"
    told.write_text("import os, sys\nsys.stdout.write('%PDF' + ' '.join(os.environ))\n")
    monkeypatch.setattr(typeset, "__file__", str(told))
    for name in ("RENMAI_SIGNING_SECRET", "PGPASSWORD", "DATABASE_URL"):
        monkeypatch.setenv(name, "x")
    given = (await reports.render(BARE)).decode().removeprefix("%PDF").split()
    own = {"LC_CTYPE", "RAYON_NUM_THREADS"}
    assert set(given) <= {"PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR"} | own
