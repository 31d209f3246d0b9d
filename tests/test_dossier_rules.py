"""The rules of a dossier, without a service around them: completeness, two sources of one thing, the stages."""

from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import dossier, opportunity
from app.domain.dossier import Teller, Told
from app.domain.fact_definitions import DossierName, shipped

TODAY = date(2026, 11, 23)
ASKED = [one.key for one in shipped().of(DossierName.personal)]
ME, MATE = UUID(int=1), UUID(int=2)
DAYS = st.integers(0, 400).map(lambda back: TODAY - timedelta(days=back))
TELLERS = st.builds(
    Teller,
    st.sampled_from(["customer", "observed", "third_party", "public", "document"]),
    st.sampled_from([None, UUID(int=7), UUID(int=8)]),
    st.sampled_from([None, "邻居", "年报"]),
    st.sampled_from([ME, MATE]),
)
CURRENT = st.lists(st.tuples(TELLERS, DAYS), max_size=6).map(
    lambda found: [Told(UUID(int=100 + n), teller, day) for n, (teller, day) in enumerate(found)]
)


def test_nothing_known_is_zero_percent_and_asks_the_first() -> None:
    standing = dossier.assess(ASKED, {}, TODAY)
    assert (standing.known, standing.total, standing.percent, standing.stale) == (0, 12, 0, 0)
    assert standing.ask_next == "family_hometown"
    assert dossier.assess([], {}, TODAY) == dossier.Standing(0, 0, 100, 0, None)


def test_percent_is_rounded_down_so_that_100_means_all() -> None:
    found = [dossier.assess(ASKED, dict.fromkeys(ASKED[:n], TODAY), TODAY).percent for n in range(13)]
    assert found == [0, 8, 16, 25, 33, 41, 50, 58, 66, 75, 83, 91, 100]


def test_a_fact_holds_on_its_last_day_and_is_stale_after_it() -> None:
    until = dossier.review_by(TODAY, 30)
    assert until == date(2026, 12, 23)
    assert [dossier.is_stale(until, until + timedelta(days=n)) for n in (-1, 0, 1)] == [False, False, True]


@given(st.dictionaries(st.sampled_from(ASKED), DAYS))
def test_unknown_is_asked_before_stale_and_in_the_order_of_asking(good_until: dict[str, date]) -> None:
    standing = dossier.assess(ASKED, good_until, TODAY)
    unknown = [key for key in ASKED if key not in good_until]
    stale = [key for key in ASKED if key in good_until and good_until[key] < TODAY]
    assert standing.known == 12 - len(unknown)
    assert standing.stale == len(stale)
    assert standing.ask_next == ([*unknown, *stale, None])[0]


def test_day_is_chinas_whatever_the_clock_says() -> None:
    assert dossier.china_date(datetime(2026, 11, 22, 15, 59, tzinfo=UTC)) == date(2026, 11, 22)
    assert dossier.china_date(datetime(2026, 11, 22, 16, 0, tzinfo=UTC)) == date(2026, 11, 23)


def test_day_of_observation_is_past_and_not_before_1900() -> None:
    assert dossier.observation_issue(TODAY, TODAY) is None
    assert dossier.observation_issue(TODAY + timedelta(days=1), TODAY) == "in_future"
    assert dossier.observation_issue(date(1899, 12, 31), TODAY) == "out_of_range"


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (Teller("customer", None, None, ME), Teller("customer", None, None, MATE), True),
        (Teller("observed", None, None, ME), Teller("observed", None, None, ME), True),
        (Teller("observed", None, None, ME), Teller("observed", None, None, MATE), False),
        (Teller("third_party", None, None, ME), Teller("third_party", None, None, MATE), False),
        (Teller("third_party", UUID(int=7), None, ME), Teller("third_party", UUID(int=7), None, MATE), True),
        (Teller("third_party", UUID(int=7), None, ME), Teller("third_party", UUID(int=8), None, ME), False),
        (Teller("document", None, "年报", ME), Teller("document", None, "年报", MATE), True),
        (Teller("document", None, "年报", ME), Teller("document", None, "合同", ME), False),
        (Teller("customer", None, None, ME), Teller("observed", None, None, ME), False),
    ],
)
def test_who_speaks_with_one_voice(one: Teller, other: Teller, is_same: bool) -> None:
    assert one.is_same(other) is other.is_same(one) is is_same


@given(CURRENT, TELLERS, DAYS, st.sets(st.integers(100, 105)))
def test_nothing_is_replaced_but_by_its_own_source_or_by_name(
    current: list[Told], teller: Teller, day: date, named: set[int]
) -> None:
    wanted = {UUID(int=n) for n in named}
    end = dossier.settle(current, teller, day, named=wanted)
    known = {one.id: one for one in current}
    for one in end.superseded:
        assert one in wanted or (known[one].teller.is_same(teller) and known[one].observed_on <= day)
    assert wanted & set(known) <= set(end.superseded)
    if end.superseded_by is None:  # it is current: whatever its own source said before is history
        left = [one for one in current if one.id not in end.superseded]
        assert not any(one.teller.is_same(teller) for one in left)
    else:  # a late word about the past: its source has said something newer
        newer = known[end.superseded_by]
        assert newer.teller.is_same(teller)
        assert newer.observed_on > day
        assert end.superseded_by not in end.superseded


@given(CURRENT, TELLERS, DAYS)
def test_there_is_only_ever_one_of_a_single_fact(current: list[Told], teller: Teller, day: date) -> None:
    end = dossier.settle(current[:1], teller, day, is_single=True)
    assert (len(end.superseded) == len(current[:1])) is (end.superseded_by is None)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", 3, {"year": 2026}]), st.booleans()), min_size=1, max_size=5))
def test_facts_contradict_until_they_agree_or_all_are_kept(values: list[tuple[Any, bool]]) -> None:
    differ = any(one != other for (one, _), (other, _) in product(values, values))
    assert dossier.contradict(values) is (differ and not all(is_kept for _, is_kept in values))


# --- the project -----------------------------------------------------------------------------------------------


def test_every_stage_can_be_reached_and_every_open_one_can_be_lost() -> None:
    graph = nx.DiGraph((one, after) for one in opportunity.STAGES for after in opportunity.next_stages(one))
    assert nx.is_strongly_connected(graph)
    assert set(graph) == set(opportunity.STAGES)
    open_ones = [one for one in opportunity.STAGES if one not in opportunity.DECIDED]
    assert all(graph.has_edge(one, "lost") for one in open_ones)
    assert list(graph.predecessors("won")) == ["deciding"]
    assert list(opportunity.next_stages(None)) == open_ones


def test_the_same_stage_may_be_told_again_and_a_decided_project_begins_anew() -> None:
    assert all(opportunity.may_follow(one, one) for one in opportunity.STAGES)
    assert not opportunity.may_follow("idea", "won")
    assert not opportunity.may_follow(None, "won")
    assert opportunity.may_follow("won", "idea")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"stage": "idea"}, None),
        ({"stage": "lost", "reasons": ["price"]}, None),
        ({"stage": "won"}, ("/reasons", "missing")),
        ({"stage": "idea", "reasons": ["price"]}, ("/reasons", "reasons_before_decision")),
    ],
)
def test_reasons_go_with_a_decision(value: dict[str, Any], problem: tuple[str, str] | None) -> None:
    assert opportunity.stage_problem(value) == problem


def test_policy_is_in_force_to_the_end_of_what_is_known_of_its_last_day() -> None:
    ends: list[dict[str, Any]] = [
        {}, {"expires_on": {"year": 2026}}, {"expires_on": {"year": 2026, "month": 11}},
        {"expires_on": {"year": 2026, "month": 11, "day": 23}}, {"expires_on": {"year": 2026, "month": 11, "day": 22}},
        {"expires_on": {"year": 2025}},
    ]  # fmt: skip
    assert [opportunity.in_force([one], TODAY) for one in ends] == [1, 1, 1, 1, 0, 0]
    assert opportunity.in_force(ends, TODAY) == 4
