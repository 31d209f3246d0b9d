"""The families of the demo world: households of one to three generations and who is what to whom."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from app.domain.demo_source import AS_OF, GENDERS, WORK, Gender, Source, words

_TAGS: Final = words("高端医疗 养老规划 子女教育 续保 健身 自驾游 茶友 钓鱼 广场舞 摄影 老客户 转介绍")
_STAGES: Final = ("contact", "prospect", "customer", "investor")
_KINDS: Final = ("three", "nuclear", "couple", "single", "divorced", "elders")

# What the right one is called → the relation type; whoever is called otherwise has the direction's own.
_KIND_OF_ROLE: Final = {
    **dict.fromkeys(("妻子", "丈夫"), "spouse"),
    **dict.fromkeys(("前妻", "前夫"), "former_spouse"),
    **dict.fromkeys(("儿子", "女儿"), "child"),
    **dict.fromkeys(("弟弟", "妹妹"), "younger_sibling"),
    **dict.fromkeys(("儿媳", "女婿"), "child_in_law"),
    **dict.fromkeys(("孙子", "孙女"), "grandchild"),
    **dict.fromkeys(("外孙", "外孙女"), "maternal_grandchild"),
    "同学": "schoolmate",
    "同事": "colleague",
    "邻居": "neighbour",
    "老乡": "townsman",
    "战友": "comrade",
    "球友": "companion",
    "茶友": "companion",
    "孩子同学家长": "class_parent",
    "企业": "represented_company",
    "雇主": "employer",
    "转介绍人": "referral_partner",
    "商会会员": "chamber_fellow",
}


@dataclass(slots=True)
class Party:
    """A person or company of one agent. `body` is what the agent's phone would send to create it."""

    id: UUID
    owner: str
    body: dict[str, Any]
    born: date
    gender: Gender | None = None

    @property
    def name(self) -> str:
        name: str = self.body["name"]
        return name

    @property
    def age(self) -> int:
        """Completed years on the day of the demo world; of a company since its founding."""
        return AS_OF.year - self.born.year - ((AS_OF.month, AS_OF.day) < (self.born.month, self.born.day))


@dataclass(frozen=True, slots=True)
class Tie:
    """One relationship; `left_role` is what the left one is to the right one. `until` is set when it is over."""

    id: UUID
    left: Party
    right: Party
    type: str
    left_role: str
    right_role: str
    strength: Decimal
    since: date | None = None
    until: date | None = None

    @property
    def kind(self) -> str:
        """The relation type that says what the right one is to the left one."""
        return _KIND_OF_ROLE.get(self.right_role, self.type)


@dataclass(slots=True)
class Household:
    """People who live together."""

    husband: Party | None = None
    wife: Party | None = None
    children: list[Party] = field(default_factory=list)
    elders: list[Party] = field(default_factory=list)

    @property
    def heads(self) -> list[Party]:
        return [one for one in (self.husband, self.wife) if one is not None]


@dataclass(slots=True)
class Families:
    """All persons of the world with their blood and marriage ties."""

    source: Source
    people: list[Party] = field(default_factory=list)
    ties: list[Tie] = field(default_factory=list)
    households: list[Household] = field(default_factory=list)

    def fill(self, owner: str, count: int) -> None:
        """Households for one agent until there are `count` persons."""
        wanted = len(self.people) + count
        while len(self.people) < wanted:
            room = wanted - len(self.people)
            kind = "single" if room < 7 else self.source.random.choices(_KINDS, (30, 34, 10, 14, 5, 7))[0]
            self.households.append(self._household(owner, kind))

    def _household(self, owner: str, kind: str) -> Household:
        source, home = self.source, Household()
        address = source.home()
        age = source.random.randint(60, 82) if kind == "elders" else source.random.randint(27, 57)
        surname = source.surname()
        if kind == "single":
            gender = source.pick(GENDERS)
            alone = self._person(owner, surname, gender, age, address)
            home.husband, home.wife = (alone, None) if gender == "male" else (None, alone)
            return home
        home.husband = self._person(owner, surname, "male", age, address)
        home.wife = self._person(owner, source.surname(), "female", age - source.random.randint(-2, 4), address)
        self._marry(home.husband, home.wife, is_over=kind == "divorced")
        if kind in ("three", "nuclear", "divorced"):
            self._children(home, address)
        if kind == "three":
            self._elders(home, address)
        return home

    def _children(self, home: Household, address: dict[str, Any]) -> None:
        husband, wife = home.husband, home.wife
        assert husband is not None
        assert wife is not None
        youngest_parent = min(husband.age, wife.age)
        age = youngest_parent - self.source.random.randint(24, 31)
        surname = husband.name[0]
        for _ in range(self.source.random.choice((1, 1, 1, 2, 2))):
            if age < 0:
                break
            child = self._person(husband.owner, surname, self.source.pick(GENDERS), age, address)
            for sibling in home.children:
                self._siblings(sibling, child)
            for parent in (husband, wife):
                self._parent(parent, child)
            home.children.append(child)
            age -= self.source.random.randint(2, 6)

    def _elders(self, home: Household, address: dict[str, Any]) -> None:
        """The parents of one of the two live along; sometimes a brother or sister is known as well."""
        source = self.source
        child, spouse = source.pick(((home.husband, home.wife), (home.wife, home.husband)))
        assert child is not None
        assert spouse is not None
        age = child.age + source.random.randint(26, 31)
        father = self._person(child.owner, child.name[0], "male", age, address)
        mother = self._person(child.owner, source.surname(), "female", age - source.random.randint(-1, 4), address)
        self._marry(father, mother)
        home.elders = [father, mother]
        is_paternal = child is home.husband
        for elder in home.elders:
            self._parent(elder, child)
            self._in_law(elder, spouse, is_paternal)
            for grandchild in home.children:
                self._grandparent(elder, grandchild, is_paternal)
        if source.chance(0.4):
            gender = source.pick(GENDERS)
            sibling = self._person(child.owner, child.name[0], gender, child.age - source.random.randint(2, 6), None)
            for elder in home.elders:
                self._parent(elder, sibling)
            self._siblings(child, sibling)

    def _person(self, owner: str, surname: str, gender: Gender, age: int, address: dict[str, Any] | None) -> Party:
        source = self.source
        born = source.day(date(AS_OF.year - age - 1, AS_OF.month, AS_OF.day + 1), date(AS_OF.year - age, 10, 31))
        body: dict[str, Any] = {
            "party_type": "individual",
            "name": source.name(surname, gender, born),
            "gender": gender,
            "birthday": source.birthday(born),
            "occupation": _occupation(source, age),
            "stage": source.random.choices(_STAGES, (34, 30, 28, 8) if age >= 22 else (90, 8, 2, 0))[0],
            "addresses": [] if address is None or source.chance(0.15) else [address],
            "tags": sorted(set(source.random.choices(_TAGS, k=source.pick((0, 0, 1, 1, 2, 3))))) if age >= 18 else [],
        }
        if age >= 13:
            body["phones"] = [{"number": source.mobile(), "kind": "mobile"}]
        if age >= 60 and source.chance(0.4):
            body["phones"].append({"number": source.landline(), "kind": "home"})
        if 20 <= age < 65 and source.chance(0.3):
            tail = body["phones"][0]["number"][-4:]
            body["emails"] = [{"address": f"demo{tail}@example.com", "kind": source.pick(("home", "work"))}]
        if age >= 18 and source.chance(0.45):
            body["id_number"] = source.resident_id(born, gender)
        person = Party(source.uid(), owner, body, born, gender)
        self.people.append(person)
        return person

    def _tie(
        self,
        left: Party,
        right: Party,
        roles: tuple[str, str],
        strength: float,
        since: date | None = None,
        until: date | None = None,
    ) -> None:
        jitter = self.source.random.uniform(-0.06, 0.06)
        exact = Decimal(str(round(min(0.99, strength + jitter), 2)))
        self.ties.append(Tie(self.source.uid(), left, right, "relative", *roles, exact, since, until))

    def _marry(self, husband: Party, wife: Party, *, is_over: bool = False) -> None:
        grown = max(husband.born, wife.born).replace(day=1)
        since = self.source.day(grown.replace(year=grown.year + 22), grown.replace(year=grown.year + 24))
        since = min(since, AS_OF)
        if is_over:
            until = self.source.day(max(since, date(2019, 1, 1)), AS_OF)
            self._tie(husband, wife, ("前夫", "前妻"), 0.25, since=since, until=until)
        else:
            self._tie(husband, wife, ("丈夫", "妻子"), 0.93, since=since)

    def _parent(self, parent: Party, child: Party) -> None:
        roles = (_by(parent, "父亲", "母亲"), _by(child, "儿子", "女儿"))
        self._tie(parent, child, roles, 0.9 if child.age < 25 else 0.8, since=child.born)

    def _siblings(self, elder: Party, younger: Party) -> None:
        roles = (_by(elder, "哥哥", "姐姐"), _by(younger, "弟弟", "妹妹"))
        self._tie(elder, younger, roles, 0.7, since=younger.born)

    def _in_law(self, elder: Party, spouse: Party, is_paternal: bool) -> None:
        if is_paternal:
            self._tie(elder, spouse, (_by(elder, "公公", "婆婆"), "儿媳"), 0.6)
        else:
            self._tie(elder, spouse, (_by(elder, "岳父", "岳母"), "女婿"), 0.6)

    def _grandparent(self, elder: Party, child: Party, is_paternal: bool) -> None:
        old, young = ("爷爷", "奶奶"), ("孙子", "孙女")
        if not is_paternal:
            old, young = ("外公", "外婆"), ("外孙", "外孙女")
        self._tie(elder, child, (_by(elder, *old), _by(child, *young)), 0.75, since=child.born)


def _by(person: Party, male: str, female: str) -> str:
    return male if person.gender == "male" else female


def _occupation(source: Source, age: int) -> str | None:
    if age < 6:
        return None
    if age < 22:
        return "学生"
    if age >= 60:
        return "退休"
    return source.pick(WORK)
