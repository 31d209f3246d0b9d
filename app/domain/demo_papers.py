"""What the agents of the demo world have on paper: answers to the life-need form, and dossiers of persons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from app.domain.demo_families import Household, Party
from app.domain.demo_source import AS_OF, Source

FORM: Final = ("needs.life", "1.0.0")
COMPLETED: Final = 9
DRAFTS: Final = 5
DOSSIERS: Final = 25
_SOURCES: Final = ("customer", "observed", "third_party", "public", "document")
_SOURCE_WEIGHTS: Final = (60, 20, 12, 4, 4)
_WAN: Final = 1_000_000  # 万元 in fen


@dataclass(frozen=True, slots=True)
class Interview:
    """The answers of one head of a household; drafts stop somewhere in the middle."""

    id: UUID
    customer: Party
    answers: dict[str, Any]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing known about somebody; `teller`: who else said it, in words."""

    id: UUID
    fact_key: str
    value: Any
    source: str
    observed_on: date
    basis: str | None = None
    teller: str | None = None


@dataclass(frozen=True, slots=True)
class Dossier:
    """What is known about one customer."""

    customer: Party
    facts: tuple[Fact, ...]


# In the order of asking (`domain.dossier`): what is asked first is known of most.
_SAYINGS: Final[dict[str, tuple[str, ...]]] = {
    "family_hometown": (
        "老家在孝感农村,父母仍住老屋,每月回去一次",
        "荆州人,大学毕业后留在武汉,爱人是同乡",
        "土生土长的汉口人,三代同住,孩子由奶奶接送",
        "黄冈人,兄妹三人,排行老二,常给家里寄钱",
    ),
    "work_role": (
        "部门负责人,十万元以下的采购自己能定",
        "技术骨干,意见很受领导重视,但不管预算",
        "行政主管,员工福利和团险都由本人经办",
        "店里大小事自己说了算,账由家人管",
    ),
    "leisure": (
        "周末带孩子去东湖绿道骑车",
        "喜欢钓鱼,常去梁子湖,装备很讲究",
        "晚饭后跳广场舞,是队里的领舞",
        "爱打羽毛球,每周三固定一场",
    ),
    "food": (
        "爱吃热干面和糊汤粉,不吃香菜",
        "偏爱清淡,常去楼下的粥铺,不吃海鲜",
        "喜欢吃辣,请客必去一家湘菜馆",
        "只喝绿茶,不喝酒",
    ),
    "school": (
        "武汉一所师范学院毕业,当过班长",
        "技校学的机电,同班同学很多自己开厂",
        "在职读了工商管理,同学群里很活跃",
        "高中毕业后参军,退伍后进的单位",
    ),
    "vacation": (
        "去年全家去了云南,明年暑假想带父母看海",
        "国庆去恩施自驾,过年打算回老家",
        "三年没休过长假,想去一趟西北",
    ),
    "pets": (
        "养了一只橘猫,叫豆包",
        "家里有一条金毛,每天早晚遛",
        "阳台养了十几盆兰花,不养宠物",
    ),
    "year_goals": (
        "今年要把第二家门店开起来",
        "目标是拿到中级职称",
        "想把应收账款压到一个月以内",
        "带出两个能独立接单的徒弟",
    ),
    "books": (
        "爱看历史小说,床头常放一套明史",
        "在读投资理财类的书,会做笔记",
        "喜欢育儿书,常在朋友圈分享",
    ),
    "itinerary": (
        "下周去长沙出差三天,周五晚回",
        "月底陪孩子参加比赛,周末不在家",
        "每月十五号前后盘点,不方便见面",
    ),
    "ambitions": (
        "五年内想自己开一家工作室",
        "打算五十五岁退下来,把店交给儿子",
        "希望调到总部做管理",
    ),
    "colleagues": (
        "和财务主管是多年搭档,互相信任",
        "与新来的副总不太合拍",
        "常和仓库老师傅一起吃午饭,消息都从他那里来",
    ),
}


def interviews(source: Source, households: Sequence[Household]) -> tuple[Interview, ...]:
    """Completed interviews with parents who earn, then drafts."""
    heads = [
        (head, home)
        for home in households
        if home.children and home.husband is not None and home.wife is not None
        for head in home.heads
        if 28 <= head.age <= 55
    ]
    chosen = source.random.sample(heads, COMPLETED + DRAFTS)
    return tuple(
        Interview(source.uid(), head, _answers(source, head, home, index < COMPLETED), index < COMPLETED)
        for index, (head, home) in enumerate(chosen)
    )


def _answers(source: Source, head: Party, home: Household, is_complete: bool) -> dict[str, Any]:
    draw = source.random.randint
    youngest = min(child.age for child in home.children)
    answers: dict[str, Any] = {
        "family_expense": draw(12, 36) * _WAN,
        "support_years": max(10, 23 - youngest),
        "survivor_share": draw(12, 16) * 500,
    }
    if not is_complete:
        return answers
    if source.chance(0.7):
        years = max(1, 55 - min(parent.age for parent in home.heads if parent is not head))
        answers |= {"has_spouse_income": True, "spouse_income": draw(4, 12) * _WAN, "spouse_income_years": years}
    if home.elders or source.chance(0.4):
        answers |= {
            "supports_parents": True,
            "parents_support": draw(1, 4) * _WAN,
            "parents_support_years": draw(8, 25),
        }
    answers["children"] = [
        {"cost": draw(10, 40) * _WAN, "years_until": max(0, 18 - child.age)}
        for child in home.children
        if child.age < 22
    ]
    answers |= {
        "mortgage": source.pick((0, draw(30, 180) * _WAN)),
        "other_debts": source.pick((0, 0, draw(2, 15) * _WAN)),
        "liquid_assets": draw(5, 60) * _WAN,
        "existing_cover": source.pick((0, 0, 10, 20, 50, 100)) * _WAN,
    }
    if source.chance(0.4):
        answers["discount_rate"] = source.pick(("0.025", "0.03", "0.035"))
    return answers


def dossiers(source: Source, parties: Sequence[Party]) -> tuple[Dossier, ...]:
    """Dossiers of up to eleven facts, of customers whom an agent has talked to."""
    known = [one for one in parties if one.gender and 24 <= one.age <= 70 and one.body["stage"] != "contact"]
    return tuple(
        Dossier(customer, _facts(source, source.random.randint(3, 11)))
        for customer in source.random.sample(known, DOSSIERS)
    )


def _facts(source: Source, count: int) -> tuple[Fact, ...]:
    keys = list(_SAYINGS)
    while len(keys) > count:  # what is asked late is missing first
        keys.remove(keys[-1] if source.chance(0.5) else source.pick(keys))
    facts = tuple(
        Fact(
            source.uid(),
            key,
            source.pick(_SAYINGS[key]),
            source.random.choices(_SOURCES, _SOURCE_WEIGHTS)[0],
            source.day(AS_OF - timedelta(400), AS_OF),
            basis="told_by_customer" if key == "colleagues" else None,
        )
        for key in keys
    )
    # Where somebody is and will be is sensitive: nobody of the demo has agreed to its being kept.
    return tuple(fact for fact in facts if fact.fact_key != "itinerary")
