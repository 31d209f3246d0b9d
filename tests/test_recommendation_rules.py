"""The rules of recommendations: constants that fit together, and the sentences."""

import json
from datetime import date
from typing import Any

import pytest

from app.domain import recommendations as rules

TODAY = date(2026, 3, 13)
Item = dict[str, Any]


def item(**over: Any) -> Item:
    """A recommendation as the statement tells it; members of `features`, `person` and the best introducer by name."""
    made: Item = {
        "person": {"tier": None, "party_type": "individual"},
        "introducers": [
            {"name": "王永庆", "label": {"zh": "同学", "en": "schoolmate"}, "strength": 0.8,
             "last_interaction_on": "2026-03-01"},
        ],
        "introducer_count": 1,
        "features": {"rarity": 0.1, "direction": "friend", "best_strength": 0.8, "apart": False, "valuable_ties": 0},
    }  # fmt: skip
    for name, value in over.items():
        place = next(
            (part for part in (made["person"], made["features"], made["introducers"][0]) if name in part), made
        )
        place[name] = value
    return made


def told(**over: Any) -> dict[str, tuple[str, str]]:
    return {reason["code"]: (reason["zh"], reason["en"]) for reason in rules.reasons(item(**over), TODAY)}


def test_weights_make_one() -> None:
    assert sum(rules.WEIGHTS.values()) == pytest.approx(1)
    assert pytest.approx(1) == rules.VALUE_OWN + rules.VALUE_CIRCLE + rules.VALUE_WAYS
    assert pytest.approx(1) == rules.NOVELTY_TIE + rules.NOVELTY_APART + rules.NOVELTY_COMMUNITY
    parts = [*rules.FAMILIARITY.values(), *rules.TIER_VALUE.values(), *rules.PARTY_VALUE.values()]
    assert all(0 <= part <= 1 for part in parts)


def test_statement_gets_every_constant() -> None:
    sent = json.loads(rules.CONSTANTS)
    assert (sent["w_closeness"], sent["familiarity_investor"], sent["tier_bz"], sent["organization"]) == (
        0.4,
        1,
        0,
        0.6,
    )
    assert (sent["moderate"], sent["max_degree"]) == (rules.MODERATE, rules.MAX_DEGREE)
    assert len(sent) == 22


def test_way_is_always_told() -> None:
    assert told() == {
        "introduced_by": (
            "由王永庆引荐：同学，强度0.8，12天前联系过",
            "Through 王永庆: schoolmate, strength 0.8, in touch 12 days ago",
        )
    }


@pytest.mark.parametrize(
    ("day", "zh", "en"),
    [
        (None, "尚无往来记录", "no contact between them recorded"),
        ("2026-03-13", "今天联系过", "in touch today"),
        ("2026-03-12", "1天前联系过", "in touch 1 day ago"),
        ("2025-03-13", "365天前联系过", "in touch 365 days ago"),
    ],
)
def test_last_contact_is_told_in_days(day: str | None, zh: str, en: str) -> None:
    said = told(last_interaction_on=day)["introduced_by"]
    assert said[0].endswith(f"，{zh}")
    assert said[1].endswith(f", {en}")


@pytest.mark.parametrize(
    ("over", "code", "zh"),
    [
        ({"introducer_count": 3}, "several_introducers", "共有3位客户可以引荐"),
        ({"rarity": 0.5, "direction": "supplier"}, "new_direction", "开辟新方向：供应商"),
        ({"best_strength": 0.25}, "moderate_tie", "适度的弱关系，新信息多"),
        ({"best_strength": 0.65}, "moderate_tie", "适度的弱关系，新信息多"),
        ({"apart": True}, "another_community", "来自另一个圈子"),
        ({"valuable_ties": 2}, "knows_valuable", "与您的2位重点客户有往来"),
        ({"tier": "mvc", "party_type": "organization"}, "valuable", "本人属于最有价值的一类"),
        ({"party_type": "organization"}, "company", "企业客户，保障需求面广"),
    ],
)
def test_reason_is_told_where_it_holds(over: Item, code: str, zh: str) -> None:
    found = told(**over)
    assert list(found) == ["introduced_by", code]
    assert found[code][0] == zh
    assert found[code][1].isascii()


@pytest.mark.parametrize(
    "over", [{"rarity": 0.499}, {"best_strength": 0.249}, {"best_strength": 0.651}, {"tier": "lvc"}, {"tier": "bz"}]
)
def test_reason_is_not_told_where_it_does_not_hold(over: Item) -> None:
    assert list(told(**over)) == ["introduced_by"]
