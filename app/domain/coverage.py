"""Coverage of the six directions: how much of a customer's surroundings is known, and what to ask next.

The six directions are those of the penetration-network teaching (客户的亲属、朋友、客户、供应商、合作伙伴、战略联盟).
A direction is answered when a tie in it is known, or when the customer was asked and there is nobody. Pure rules: no
I/O, no clock.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """What is known of a direction: somebody, nobody (he was asked), nothing."""

    filled = "filled"
    asked_none = "asked_none"
    unknown = "unknown"


# In this order everywhere; bit n of a mask is the n-th of them.
DIRECTIONS: Final = ("relative", "friend", "client", "supplier", "partner", "ally")

# What answering a direction adds to the score, in points of 100. The house's own judgement of where introductions come
# from: with a person, family and friends first, then those he does business with; with a company, its chain first, then
# whom it works with, last the families and friends of those who lead it.
WEIGHTS: Final[Mapping[str, Mapping[str, int]]] = {
    "individual": {"relative": 25, "friend": 25, "client": 15, "supplier": 10, "partner": 15, "ally": 10},
    "organization": {"relative": 5, "friend": 10, "client": 25, "supplier": 20, "partner": 25, "ally": 15},
}

# How an agent may ask, (zh, en). A question about people, never about contracts; the customer may always say no.
QUESTIONS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "individual": {
        "relative": (
            "平时家里人常聚吗？方便的话，想听您说说家里都有谁，以后安排保障我也好一并替他们想着。",
            "Does the family get together often? If you don't mind, who is there at home? Then I can keep them in mind "
            "too.",
        ),
        "friend": (
            "您平时和哪些朋友走得近？周末一般约谁喝茶、打球？",
            "Which friends are you close to? Whom do you usually meet for tea or sports at the weekend?",
        ),
        "client": (
            "您做这一行，平时主要和哪些客户打交道？听您聊聊，我也长长见识。",
            "In your line of work, what clients do you mostly deal with? I always learn something from you.",
        ),
        "supplier": (
            "平时有哪些让您放心的供货商或服务师傅？像医生、老师、装修师傅，我也想跟着您认识几位靠谱的人。",
            "Whom do you rely on for goods and services: a doctor, a teacher, a good craftsman? I should like to know "
            "people one can trust.",
        ),
        "partner": (
            "工作上和您配合最默契的是哪几位？听您说说，我也好多了解您的事业。",
            "With whom do you work best? I should like to understand what you do a little better.",
        ),
        "ally": (
            "您有没有参加商会、校友会或者兴趣社团？里面有聊得来的朋友吗？",
            "Do you belong to a chamber of commerce, an alumni circle or a club? Is there anybody you get on with?",
        ),
    },
    "organization": {
        "relative": (
            "咱们公司有没有家里人一起打理的？几位负责人的家人，平时也常到公司走动吗？",
            "Is any of the company run as a family? Do relatives of those who lead it come by now and then?",
        ),
        "friend": (
            "公司几位负责人在圈子里和哪些企业家常来往？有机会也想向他们请教请教。",
            "Which other business people are the heads of the company friendly with? I should be glad to learn from "
            "them some day.",
        ),
        "client": (
            "咱们公司的产品主要服务哪些客户？了解他们，我才知道怎样替公司分担风险。",
            "Which clients does the company mainly serve? Knowing them, I can see which risks to help with.",
        ),
        "supplier": (
            "公司合作最久、最信得过的供应商是哪几家？供应稳不稳，我也帮您一起留心。",
            "Which suppliers has the company trusted longest? I should be glad to keep an eye on how steady they are.",
        ),
        "partner": (
            "这几年和公司一起做项目的伙伴有哪些？合作得顺心的，您愿意说说吗？",
            "Which partners have worked on projects with the company in recent years? Would you tell me about the ones "
            "it went well with?",
        ),
        "ally": (
            "公司加入了哪些商会、协会或者产业联盟？平时的活动多不多？",
            "Which chambers, associations or alliances has the company joined? Do they meet often?",
        ),
    },
}


def score(party_type: str, answered: Collection[str]) -> int:
    """Points of the answered directions, 0 to 100; 100 means all six."""
    weights = WEIGHTS[party_type]
    return sum(weights[direction] for direction in DIRECTIONS if direction in answered)


def next_direction(party_type: str, answered: Collection[str]) -> str | None:
    """The unknown direction with the highest weight, among equals the first in order; None when all are answered."""
    weights = WEIGHTS[party_type]
    unknown = [direction for direction in DIRECTIONS if direction not in answered]
    return max(unknown, key=lambda direction: weights[direction], default=None)


def question(party_type: str, direction: str) -> tuple[str, str]:
    """How to ask about a direction, in Chinese and English."""
    return QUESTIONS[party_type][direction]


def state(*, is_filled: bool, is_asked: bool) -> State:
    """A tie outweighs the answer that there is nobody, whichever came first."""
    return State.filled if is_filled else State.asked_none if is_asked else State.unknown


def _of_mask(mask: int) -> list[str]:
    return [direction for place, direction in enumerate(DIRECTIONS) if mask >> place & 1]


# What the statement over a whole book looks up instead of knowing the rules: element n is for the directions of mask n.
SCORES: Final[Mapping[str, tuple[int, ...]]] = {
    party_type: tuple(score(party_type, _of_mask(mask)) for mask in range(64)) for party_type in WEIGHTS
}
NEXT: Final[Mapping[str, tuple[str | None, ...]]] = {
    party_type: tuple(next_direction(party_type, _of_mask(mask)) for mask in range(64)) for party_type in WEIGHTS
}
