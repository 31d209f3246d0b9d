"""The rules of the personal dossier, without a service around them."""

from datetime import UTC, date, datetime, timedelta

import pytest

from app.domain import dossier
from app.domain.dossier import BY_KEY, KINDS, FactKey

TODAY = date(2026, 11, 23)
ALL_FRESH: dict[FactKey, date] = {kind.key: TODAY for kind in KINDS}


def aged(key: FactKey, over: int) -> date:
    """A day of observation `over` days past the freshness of the fact."""
    return TODAY - timedelta(days=BY_KEY[key].freshness_days + over)


def test_the_twelve_facts_of_the_source_are_all_there_once() -> None:
    assert {kind.label[0] for kind in KINDS} == {
        "家庭状况和家乡", "毕业的学校", "喜欢的休闲方式", "喜欢的餐厅和食物", "宠物", "喜欢的书籍",
        "上次度假的地点和下次休假的计划", "行程", "在机构中的作用", "同事之间的关系", "今年的工作目标",
        "个人发展计划和志向",
    }  # fmt: skip
    assert len(KINDS) == 12
    assert set(BY_KEY) == set(FactKey)


def test_keys_are_a_promise() -> None:
    assert [key.value for key in FactKey] == [
        "family_hometown", "work_role", "leisure", "food", "school", "vacation", "pets", "year_goals", "books",
        "itinerary", "ambitions", "colleagues",
    ]  # fmt: skip


def test_asking_order_begins_with_family_and_ends_with_trust() -> None:
    order = [kind.key for kind in KINDS]
    assert order[:2] == [FactKey.family_hometown, FactKey.work_role]
    assert order[-2:] == [FactKey.ambitions, FactKey.colleagues]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.key.value)
def test_every_kind_can_be_asked_in_both_languages(kind: dossier.FactKind) -> None:
    zh, en = kind.question
    assert zh.endswith("？")
    assert en.endswith("?")
    assert en.isascii()
    assert kind.label[1].isascii()
    assert kind.freshness_days > 0


def test_questions_and_labels_are_all_different() -> None:
    for texts in ([kind.label for kind in KINDS], [kind.question for kind in KINDS]):
        assert len({zh for zh, _ in texts}) == len({en for _, en in texts}) == 12


@pytest.mark.parametrize(("language", "index"), [("zh-CN", 0), ("en", 1), ("en-GB", 1), ("zh", 0), ("fr", 0)])
def test_language_picks_label_and_question_alike(language: str, index: int) -> None:
    kind = BY_KEY[FactKey.pets]
    assert kind.label_in(language) == kind.label[index]
    assert kind.question_in(language) == kind.question[index]


def test_freshness_follows_how_fast_a_thing_changes() -> None:
    days = {kind.key: kind.freshness_days for kind in KINDS}
    assert min(days, key=lambda key: days[key]) is FactKey.itinerary
    assert max(days, key=lambda key: days[key]) is FactKey.school


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.key.value)
def test_a_fact_is_stale_from_the_day_after_its_period(kind: dossier.FactKind) -> None:
    assert not dossier.is_stale(kind.key, TODAY, TODAY)
    assert not dossier.is_stale(kind.key, aged(kind.key, 0), TODAY)
    assert dossier.is_stale(kind.key, aged(kind.key, 1), TODAY)


def test_a_fact_observed_tomorrow_elsewhere_is_fresh() -> None:
    assert not dossier.is_stale(FactKey.itinerary, TODAY + timedelta(days=1), TODAY)


def test_empty_dossier_asks_for_the_first_kind() -> None:
    standing = dossier.assess({}, TODAY)
    assert (standing.known, standing.total, standing.percent, standing.stale) == (0, 12, 0, 0)
    assert standing.ask_next is KINDS[0]


def test_full_fresh_dossier_asks_nothing() -> None:
    standing = dossier.assess(ALL_FRESH, TODAY)
    assert (standing.known, standing.percent, standing.stale, standing.ask_next) == (12, 100, 0, None)


def test_percent_never_falls_and_is_100_only_when_all_are_known() -> None:
    percents = [dossier.assess({kind.key: TODAY for kind in KINDS[:count]}, TODAY).percent for count in range(13)]
    assert percents == [0, 8, 16, 25, 33, 41, 50, 58, 66, 75, 83, 91, 100]


def test_questions_come_in_order_as_facts_are_learned() -> None:
    observed: dict[FactKey, date] = {}
    asked = []
    while (kind := dossier.assess(observed, TODAY).ask_next) is not None:
        asked.append(kind)
        observed[kind.key] = TODAY
    assert asked == list(KINDS)


def test_a_gap_in_the_middle_is_asked_before_what_follows() -> None:
    observed: dict[FactKey, date] = {
        key: day for key, day in ALL_FRESH.items() if key not in (FactKey.food, FactKey.books)
    }
    assert dossier.assess(observed, TODAY).ask_next is BY_KEY[FactKey.food]


def test_unknown_is_asked_before_stale() -> None:
    observed: dict[FactKey, date] = {FactKey.family_hometown: aged(FactKey.family_hometown, 1)}
    standing = dossier.assess(observed, TODAY)
    assert (standing.known, standing.percent, standing.stale) == (1, 8, 1)
    assert standing.ask_next is BY_KEY[FactKey.work_role]


def test_stale_facts_of_a_full_dossier_are_asked_in_order() -> None:
    observed: dict[FactKey, date] = {**ALL_FRESH, **{key: aged(key, 1) for key in (FactKey.colleagues, FactKey.pets)}}
    standing = dossier.assess(observed, TODAY)
    assert (standing.known, standing.percent, standing.stale) == (12, 100, 2)
    assert standing.ask_next is BY_KEY[FactKey.pets]
    observed[FactKey.pets] = TODAY
    assert dossier.assess(observed, TODAY).ask_next is BY_KEY[FactKey.colleagues]


def test_the_passing_of_time_alone_moves_the_question() -> None:
    later = TODAY + timedelta(days=31)
    assert dossier.assess(ALL_FRESH, TODAY + timedelta(days=30)).ask_next is None
    assert dossier.assess(ALL_FRESH, later).ask_next is BY_KEY[FactKey.itinerary]


@pytest.mark.parametrize(
    ("day", "code"),
    [
        (TODAY, None),
        (TODAY + timedelta(days=1), "in_future"),
        (date(1900, 1, 1), None),
        (date(1899, 12, 31), "out_of_range"),
        (date.max, "in_future"),
        (date.min, "out_of_range"),
    ],
)
def test_day_of_observation_lies_between_1900_and_today(day: date, code: str | None) -> None:
    assert dossier.observation_issue(day, TODAY) == code


def test_the_day_turns_at_midnight_in_china() -> None:
    assert dossier.china_date(datetime(2026, 11, 22, 15, 59, 59, tzinfo=UTC)) == date(2026, 11, 22)
    assert dossier.china_date(datetime(2026, 11, 22, 16, 0, tzinfo=UTC)) == date(2026, 11, 23)
