"""Next best introductions: what makes somebody two steps away worth meeting, and the words that say so.

A candidate is somebody the agent keeps as a contact only (a shadow contact, or a customer of stage `contact`); an
introducer is an own customer who has come further and has a current tie to him. Four parts, each 0 to 1 and rounded to
three decimals, make the score, which is exactly their weighted sum:

* closeness, how likely the introduction works: Adamic and Adar 2003, weighted by the tie and by how well the agent
  stands with the introducer: 1 - exp(-CLOSENESS_RATE * sum(warmth * familiarity / ln(2 + degree))), degree being the
  introducer's current ties that the agent sees, at most MAX_DEGREE. `warmth` is the tie's own
  (refresh_relationships.sql). An introducer who knows everybody says little about the one he is tied to.
* value: VALUE_OWN * what the tier says, or else the kind of party, + VALUE_CIRCLE * (1 - 1/2^n) for n ties to valuable
  customers of the agent (tier mvc or mgc, or investors) + VALUE_WAYS * (1 - 1/2^(introducers - 1)).
* coverage: the greatest rarity among the directions he stands in, as seen from his introducers; rarity is the share of
  the agent's acquaintances around whom nobody is known in that direction.
* novelty: NOVELTY_TIE * closeness of the best tie to a moderate one, 1 - ((strength - MODERATE) / (1 - MODERATE))^2,
  + NOVELTY_APART / introducers + NOVELTY_COMMUNITY * the share of introducers of another community. Moderately weak
  ties bring most (Rajkumar et al. 2022, Granovetter 1973). Where communities are not known, the first two are stretched
  to make 1 together.

Pure rules: no I/O, no clock. The statement (app/sql/list_recommendations.sql) does the sums and takes the constants
from `CONSTANTS`, as one object.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

WEIGHTS: Final[Mapping[str, float]] = {"closeness": 0.40, "value": 0.25, "coverage": 0.15, "novelty": 0.20}
# How well an agent stands with somebody of this stage. Contacts introduce nobody.
FAMILIARITY: Final[Mapping[str, float]] = {"prospect": 0.6, "customer": 0.9, "investor": 1.0}
MAX_DEGREE: Final = 1000
# One prospect at a tie of warmth 0.5 and degree 10 gives 0.26, three such customers 0.74.
CLOSENESS_RATE: Final = 2.5
TIER_VALUE: Final[Mapping[str, float]] = {"mvc": 1.0, "mgc": 0.8, "lvc": 0.3, "bz": 0.0}
PARTY_VALUE: Final[Mapping[str, float]] = {"individual": 0.5, "organization": 0.6}
VALUE_OWN, VALUE_CIRCLE, VALUE_WAYS = 0.5, 0.3, 0.2
MODERATE: Final = 0.45
NOVELTY_TIE, NOVELTY_APART, NOVELTY_COMMUNITY = 0.5, 0.3, 0.2
DAYS_NOT_NOW: Final = 90

CONSTANTS: Final = json.dumps(
    {
        **{f"w_{part}": weight for part, weight in WEIGHTS.items()},
        **{f"familiarity_{stage}": value for stage, value in FAMILIARITY.items()},
        **{f"tier_{tier}": value for tier, value in TIER_VALUE.items()},
        **PARTY_VALUE,
        "max_degree": MAX_DEGREE,
        "closeness_rate": CLOSENESS_RATE,
        "value_own": VALUE_OWN,
        "value_circle": VALUE_CIRCLE,
        "value_ways": VALUE_WAYS,
        "moderate": MODERATE,
        "novelty_tie": NOVELTY_TIE,
        "novelty_apart": NOVELTY_APART,
        "novelty_community": NOVELTY_COMMUNITY,
    }
)

# --- reasons -------------------------------------------------------------------------------------------------------

# From which value on a part is worth a sentence.
RARE: Final = 0.5
MODERATE_RANGE: Final = (0.25, 0.65)
_DIRECTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "relative": ("亲属", "relatives"),
    "friend": ("朋友", "friends"),
    "client": ("客户", "clients"),
    "supplier": ("供应商", "suppliers"),
    "partner": ("合作伙伴", "partners"),
    "ally": ("战略盟友", "allies"),
}
_TIERS: Final[Mapping[str, tuple[str, str]]] = {
    "mvc": ("最有价值的一类", "one of the most valuable"),
    "mgc": ("最具成长性的一类", "one of those with most to grow"),
}


def reasons(item: Mapping[str, Any], today: date) -> list[dict[str, str]]:
    """Why somebody is recommended, the way to him first: codes with a sentence in both languages.

    Args:
        item: a row of the statement: `person`, `introducers`, `features`.
        today: the day in China.
    """
    return [{"code": code, "zh": zh, "en": en} for code, zh, en in _sentences(item, today)]


def _sentences(item: Mapping[str, Any], today: date) -> Iterator[tuple[str, str, str]]:
    person, best, features = item["person"], item["introducers"][0], item["features"]
    zh_when, en_when = _last_contact(best["last_interaction_on"], today)
    strength = f"{best['strength']:g}"
    yield (
        "introduced_by",
        f"由{best['name']}引荐：{best['label']['zh']}，强度{strength}，{zh_when}",
        f"Through {best['name']}: {best['label']['en']}, strength {strength}, {en_when}",
    )
    count = item["introducer_count"]
    if count > 1:
        yield "several_introducers", f"共有{count}位客户可以引荐", f"{count} customers can introduce you"
    if features["rarity"] >= RARE:
        zh, en = _DIRECTIONS[features["direction"]]
        yield "new_direction", f"开辟新方向：{zh}", f"Opens a new direction: {en}"
    if MODERATE_RANGE[0] <= features["best_strength"] <= MODERATE_RANGE[1]:
        yield "moderate_tie", "适度的弱关系，新信息多", "A moderately weak tie: much that is new"
    if features["apart"]:
        yield "another_community", "来自另一个圈子", "From another circle than those who introduce"
    if features["valuable_ties"] > 0:
        known = features["valuable_ties"]
        yield "knows_valuable", f"与您的{known}位重点客户有往来", f"Tied to {known} of your most valuable customers"
    if person["tier"] in _TIERS:
        zh, en = _TIERS[person["tier"]]
        yield "valuable", f"本人属于{zh}", f"Rated {en}"
    elif person["party_type"] == "organization":
        yield "company", "企业客户，保障需求面广", "A company, with needs of many kinds"


def _last_contact(day: str | None, today: date) -> tuple[str, str]:
    """When the two last met, as far as it was recorded."""
    if day is None:
        return "尚无往来记录", "no contact between them recorded"
    days = (today - date.fromisoformat(day)).days
    if days <= 0:
        return "今天联系过", "in touch today"
    return f"{days}天前联系过", f"in touch {days} day{'' if days == 1 else 's'} ago"
