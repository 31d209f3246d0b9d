"""The model of a proposal and what it prints, without any page being set."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import typeset
from app.domain import proposal_page
from app.domain.proposal_page import axis, clean, exact_yuan, page, short, whole_yuan
from app.domain.proposal_report import (
    MAX_FEN,
    MAX_TEXT,
    Assumption,
    Member,
    Need,
    ProposalError,
    Recommendation,
    Tolerance,
)
from app.domain.proposal_words import WORDS
from tests.proposals import household, large


def need(**changed: Any) -> Need:
    return replace(Need(insured="lin", peril="身故", need_fen=0, existing_fen=0), **changed)


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({"customer": "长" * (MAX_TEXT + 1)}, "text_too_long", "customer"),
        ({"notices": ("x",) * 21}, "too_many", "notices"),
        (
            {
                "needs": tuple(need(peril=n * "长", method="长" * 2000, note="长" * 2000) for n in (2000,) * 60),
                "assumptions": (
                    Assumption(label="长" * 2000, value="长" * 2000, unit="code", source="agent", note="长" * 2000),
                )
                * 100,
            },
            "text_too_long",
            "",
        ),
        ({"needs": (need(insured="nobody"),)}, "insured_unknown", "needs.0.insured"),
        ({"needs": (need(need_fen=-1),)}, "out_of_range", "needs.0.need_fen"),
        ({"needs": (need(existing_fen=MAX_FEN + 1),)}, "out_of_range", "needs.0.existing_fen"),
        ({"members": (Member(key="lin", name="", role="", age=151),)}, "out_of_range", "members.0.age"),
        (
            {"members": (Member(key="a", name="", role="", age=1, generation=3),)},
            "out_of_range",
            "members.0.generation",
        ),
        ({"members": (Member(key="a", name="", role="", age=None),) * 2}, "duplicate", "members"),
        ({"calculations": household().calculations[:1] * 60 * 2}, "too_many", "calculations"),
        (
            {
                "recommendations": (
                    Recommendation(
                        insured="lin",
                        peril="",
                        categories=(),
                        sum_insured_fen=None,
                        premium_low_fen=2,
                        premium_high_fen=1,
                    ),
                )
            },
            "band_reversed",
            "recommendations.0.premium_low_fen",
        ),
        (
            {"tolerance": Tolerance(level=6, label="", assessed_on=date(2026, 1, 1), valid_until=date(2027, 1, 1))},
            "out_of_range",
            "tolerance.level",
        ),
    ],
)
def test_report_that_cannot_be_printed_cannot_exist(changed: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(ProposalError) as failed:
        replace(household(), **changed)
    assert (failed.value.code, failed.value.field) == (code, field)


def test_steps_of_all_calculations_are_bounded_together() -> None:
    one = large().calculations[0]
    with pytest.raises(ProposalError, match="too_many"):
        replace(large(), calculations=(replace(one, steps=one.steps * 6),) * 11)


@given(st.integers(0, MAX_FEN), st.integers(0, MAX_FEN))
def test_gap_and_excess_never_stand_together(needed: int, existing: int) -> None:
    found = need(need_fen=needed, existing_fen=existing)
    assert min(found.gap_fen, found.over_fen) == 0
    assert found.gap_fen - found.over_fen == needed - existing


@pytest.mark.parametrize(
    ("fen", "whole", "exact"),
    [(0, "0", "0.00"), (49, "0", "0.49"), (50, "1", "0.50"), (123_456_789, "1,234,568", "1,234,567.89")],
)
def test_yuan_are_rounded_half_up_and_grouped(fen: int, whole: str, exact: str) -> None:
    assert (whole_yuan(fen), exact_yuan(fen)) == (whole, exact)


def test_a_family_with_a_gap_is_never_covered_in_full() -> None:
    report = replace(household(), needs=(need(need_fen=MAX_FEN, existing_fen=MAX_FEN - 1), need()))
    assert [row["ratio"] for row in page(report)["needs"]] == ["99%", "–"]


def test_negative_amounts_have_a_minus_as_wide_as_a_digit() -> None:
    assert page(household())["flow"]["table"][-1][-1] == "−26.44"


@given(st.integers(0, 10**18))
def test_axis_is_round_and_reaches_the_top(most: int) -> None:
    marks = axis(most)
    step = marks[1]
    assert marks[0] == 0
    assert 2 <= len(marks) <= 6
    assert marks == [step * n for n in range(len(marks))]
    assert str(step).rstrip("0") in ("1", "2", "5")
    assert marks[-2] < max(1, most) <= marks[-1]


@given(st.text(st.characters(), max_size=200))
def test_clean_leaves_nothing_that_is_no_text(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()  # no half surrogates
    assert not any(sign < " " or sign in "\x7f\u202e\u2066\u2028" for sign in cleaned)
    assert all(len(run) < 25 for run in cleaned.replace("\u200b", " ").split(" ") if run.isascii())


def test_clean_keeps_what_people_are_called() -> None:
    assert clean(" 𠮷野 O’Neill-苏\n婉清 ") == "𠮷野 O’Neill-苏 婉清"
    assert clean("a\u202eb\x00c\ud800") == "abc\ufffd"
    assert short("一二三四五", 5) == "一二三四五"
    assert short("一二三四五六", 5) == "一二三四…"


def test_priorities_are_the_gaps_by_rank_then_by_size() -> None:
    needs = (
        need(peril="丙", need_fen=10, existing_fen=0),
        need(peril="丁", need_fen=30, existing_fen=0),
        need(peril="乙", need_fen=10, existing_fen=0, rank=2),
        need(peril="无", need_fen=10, existing_fen=10, rank=1),
        need(peril="甲", need_fen=10, existing_fen=0, rank=1),
    )
    found = page(replace(household(), needs=needs))["priorities"]
    assert [(one["peril"], one["rank"]) for one in found] == [("甲", "1"), ("乙", "2"), ("丁", "–"), ("丙", "–")]


@pytest.mark.parametrize(
    ("value", "unit", "printed"),
    [
        (18_000_000, "fen", "180,000 元"),
        ("0.035", "per_year", "3.5%／年"),
        ("-0.01", "per_year", "-1%／年"),
        ("0.70", "share", "70%"),
        ("1", "share", "100%"),
        ("not a number", "share", "not a number"),
        (20, "years", "20 年"),
        (6, "months", "6 个月"),
        (60, "age", "60 岁"),
        ("begin", "code", "begin"),
    ],
)
def test_assumptions_are_printed_in_their_unit(value: Any, unit: Any, printed: str) -> None:
    row = Assumption(label="x", value=value, unit=unit, source="public", note="来源")
    assert page(replace(household(), assumptions=(row,)))["assumptions"] == [["x", printed, "公开资料：来源"]]


@pytest.mark.parametrize(("days", "words"), [(15, "不少于 15 日"), (None, "长期健康保险不少于 15 日")])
def test_cooling_off_is_always_told(days: int | None, words: str) -> None:
    assert sum(words in notice for notice in page(replace(household(), cooling_off_days=days))["notices"]) == 1


@pytest.mark.parametrize(("age", "is_told"), [(0, True), (17, True), (18, False), (None, False)])
def test_limit_for_minors_is_told_where_one_is_insured(age: int | None, is_told: bool) -> None:
    only = Member(key="lin", name="林", role="本人", age=age)
    report = replace(household(), members=(only,), needs=(need(),), recommendations=(), calculations=())
    assert any("未成年人" in notice for notice in page(report)["notices"]) is is_told


def test_notices_of_the_organisation_come_last() -> None:
    assert page(replace(household(), notices=("本机构提示",)))["notices"][-1] == "本机构提示"


def test_page_is_plain_data_without_floats() -> None:
    def walk(value: object) -> None:
        assert value is None or type(value) in (str, int, bool, list, dict)
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(part)

    walk(page(household()))
    walk(page(large()))


def test_words_are_in_both_languages() -> None:
    assert [key for key, (zh, en) in WORDS.items() if not zh or not en or zh == en] == []
    holes = {key: (zh.count("{"), en.count("{")) for key, (zh, en) in WORDS.items()}
    assert [key for key, (zh, en) in holes.items() if zh != en] == []


def test_no_word_is_left_over() -> None:
    setters = [Path(proposal_page.__file__), *typeset.TEMPLATES.iterdir()]
    source = "".join(path.read_text() for path in setters)
    built = ("source_", "verdict_", "load_", "years_", "months_")  # their names are put together from codes
    assert [key for key in WORDS if key not in source and not key.startswith(built)] == []
