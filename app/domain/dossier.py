"""The personal dossier: the twelve things worth knowing about a person, and which one to ask for next.

The twelve facts are those of the penetration-network teaching (客户的个人资料). Their order here is the order of
asking: first what is asked naturally at a first meeting and carries most for advice (family, work), then what gives
occasion for a small attention, last what takes trust (ambitions, people at work). Pure rules: no I/O, no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum
from typing import Final


class FactKey(StrEnum):
    """The stable name of a fact; clients and stored rows rely on it."""

    family_hometown = "family_hometown"
    work_role = "work_role"
    leisure = "leisure"
    food = "food"
    school = "school"
    vacation = "vacation"
    pets = "pets"
    year_goals = "year_goals"
    books = "books"
    itinerary = "itinerary"
    ambitions = "ambitions"
    colleagues = "colleagues"


@dataclass(frozen=True, slots=True)
class FactKind:
    """One of the twelve.

    Attributes:
        label: what it is called, (zh, en).
        question: how an agent may ask for it, (zh, en).
        freshness_days: days an observation can be relied on; after them the fact should be asked again.
    """

    key: FactKey
    label: tuple[str, str]
    question: tuple[str, str]
    freshness_days: int

    def label_in(self, language: str) -> str:
        """The label: English for `en` and its variants, Chinese for everything else."""
        return self.label[language.startswith("en")]

    def question_in(self, language: str) -> str:
        """The question, in the language `label_in` would choose."""
        return self.question[language.startswith("en")]


# In the order of asking. The freshness periods are the house's own judgement of how fast such a thing changes.
KINDS: Final = (
    FactKind(
        FactKey.family_hometown,
        ("家庭状况和家乡", "Family and hometown"),
        ("您老家是哪里？家里现在有哪些人？", "Where do you come from, and who is in your family?"),
        365,
    ),
    FactKind(
        FactKey.work_role,
        ("在机构中的作用", "Role in the organisation"),
        ("您在单位主要负责哪些事情？", "What are you mainly responsible for at work?"),
        365,
    ),
    FactKind(
        FactKey.leisure,
        ("喜欢的休闲方式", "Favourite pastimes"),
        ("休息的时候，您喜欢怎么放松？", "How do you like to spend your free time?"),
        730,
    ),
    FactKind(
        FactKey.food,
        ("喜欢的餐厅和食物", "Favourite restaurants and food"),
        ("您常去哪家餐厅？喜欢什么口味？", "Which restaurants do you go to, and what do you like to eat?"),
        730,
    ),
    FactKind(
        FactKey.school,
        ("毕业的学校", "School attended"),
        ("您是从哪所学校毕业的？", "Which school or university did you go to?"),
        3650,
    ),
    FactKind(
        FactKey.vacation,
        ("上次度假的地点和下次休假的计划", "Last holiday and plans for the next one"),
        ("上次度假去了哪里？下次休假有什么打算？", "Where was your last holiday, and what are you planning next?"),
        180,
    ),
    FactKind(
        FactKey.pets,
        ("宠物", "Pets"),
        ("家里养宠物吗？叫什么名字？", "Do you have a pet? What is its name?"),
        365,
    ),
    FactKind(
        FactKey.year_goals,
        ("今年的工作目标", "Work goals of this year"),
        ("今年工作上，您最想完成的是什么？", "What do you most want to achieve at work this year?"),
        180,
    ),
    FactKind(
        FactKey.books,
        ("喜欢的书籍", "Favourite books"),
        ("您最近在读什么书？喜欢哪一类的？", "What are you reading, and what kind of books do you like?"),
        730,
    ),
    FactKind(
        FactKey.itinerary,
        ("行程", "Travel schedule"),
        ("接下来有出差或外出的安排吗？", "Are you travelling in the coming weeks?"),
        30,
    ),
    FactKind(
        FactKey.ambitions,
        ("个人发展计划和志向", "Personal plans and ambitions"),
        ("往后几年，您对自己有什么打算？", "What are your plans for yourself in the years to come?"),
        365,
    ),
    FactKind(
        FactKey.colleagues,
        ("同事之间的关系", "Relations with colleagues"),
        ("工作中您和哪些同事配合得最多？", "Which colleagues do you work with most?"),
        365,
    ),
)
BY_KEY: Final[Mapping[FactKey, FactKind]] = {kind.key: kind for kind in KINDS}

FIRST_DAY: Final = date(1900, 1, 1)
# Fixed, without a time zone database: China has kept one offset since 1991 and only the present day is asked for.
_CHINA: Final = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class Standing:
    """How complete a dossier is on one day.

    Attributes:
        known: facts on record, stale ones included: 0 to `total`.
        percent: known of total, rounded down, so that 100 means all of them.
        stale: how many of the known ones should be asked again.
        ask_next: the fact to ask for; None when all are known and fresh.
    """

    known: int
    total: int
    percent: int
    stale: int
    ask_next: FactKind | None


def china_date(now: datetime) -> date:
    """The day it is in China (UTC+8) at an aware moment."""
    return now.astimezone(_CHINA).date()


def observation_issue(observed_on: date, today: date) -> str | None:
    """The code of the rule a day of observation breaks: `in_future`, `out_of_range` (before 1900), or None."""
    if observed_on > today:
        return "in_future"
    return "out_of_range" if observed_on < FIRST_DAY else None


def is_stale(key: FactKey, observed_on: date, today: date) -> bool:
    """True from the day after the freshness period: a fact of 30 days still holds on the 30th."""
    return (today - observed_on).days > BY_KEY[key].freshness_days


def assess(observed: Mapping[FactKey, date], today: date) -> Standing:
    """Completeness and the next question.

    What is unknown is asked for before what is stale: something new is worth more than a confirmation. Within each
    of the two, the order of `KINDS` decides.

    Args:
        observed: the facts on record and the day each was observed.
        today: the day in China.
    """
    unknown = [kind for kind in KINDS if kind.key not in observed]
    stale = [kind for kind in KINDS if kind.key in observed and is_stale(kind.key, observed[kind.key], today)]
    known = len(KINDS) - len(unknown)
    return Standing(
        known=known,
        total=len(KINDS),
        percent=known * 100 // len(KINDS),
        stale=len(stale),
        ask_next=next(iter(unknown + stale), None),
    )
