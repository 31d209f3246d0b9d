"""The working life of the demo world: companies, who owns them and works there, their trade, and friendships."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from app.domain.demo_families import Party, Tie
from app.domain.demo_source import AS_OF, Source

_FRIENDS: Final = ("同学", "同事", "邻居", "老乡", "球友", "战友", "茶友", "孩子同学家长")
_TAGS: Final = ("团险", "雇主责任", "员工福利", "重点企业")
_STAGES: Final = ("contact", "prospect", "customer", "investor")


@dataclass(slots=True)
class Business:
    """Companies and every tie that is not of blood or marriage."""

    source: Source
    people: list[Party]
    companies: list[Party] = field(default_factory=list)
    ties: list[Tie] = field(default_factory=list)
    _known: set[tuple[frozenset[Any], str]] = field(default_factory=set)

    def found(self, owner: str, count: int) -> None:
        """Companies of one agent, each with an owner among his persons and up to six of them working there."""
        able = [one for one in self.people if one.owner == owner and 26 <= one.age <= 64]
        bosses = self.source.random.sample(able, len(able) // 3)
        for index in range(count):
            company = self._company(owner)
            self.companies.append(company)
            boss = bosses[index % len(bosses)]  # some have a second company
            self._head(boss, company)
            for worker in self.source.random.sample(able, self.source.pick((0, 1, 1, 2, 3, 4, 6))):
                if worker is not boss:
                    self._employ(worker, company)

    def trade(self, *, clients: int, partners: int, allies: int) -> None:
        """Trade between companies of the same agent; a few have many clients, most have few."""
        by_owner: dict[str, list[Party]] = {}
        for company in self.companies:
            by_owner.setdefault(company.owner, []).append(company)
        kinds = (("client", clients), ("partner", partners), ("ally", allies))
        for kind, count in kinds:
            for _ in range(count):
                left = self.source.pick(self.companies)
                ranked = by_owner[left.owner]
                right = ranked[int(len(ranked) * self.source.random.random() ** 2.2)]
                self._trade(kind, right, left)

    def shop(self, count: int) -> None:
        """Persons who buy from a company, as clients."""
        adults = [one for one in self.people if one.age >= 20]
        for _ in range(count):
            person = self.source.pick(adults)
            near = [one for one in self.companies if one.owner == person.owner]
            self._tie(self.source.pick(near), person, "client", ("商家", "顾客"), 0.2, 0.6)

    def refer(self, count: int) -> None:
        """Persons who send each other customers."""
        adults = [one for one in self.people if 28 <= one.age <= 65 and one.body["stage"] != "contact"]
        for _ in range(count):
            left, right = self.source.random.sample(adults, 2)
            if left.owner == right.owner:
                self._tie(left, right, "ally", ("转介绍人", "转介绍人"), 0.35, 0.8)

    def befriend(self, count: int, *, across: float) -> None:
        """Exactly `count` friendships. Who has friends finds more: the degrees follow a power law.

        Args:
            across: share of friendships that join the customers of two agents of the same team.
        """
        adults = [one for one in self.people if one.age >= 16]
        urn = list(adults)
        wanted = len(self.ties) + count
        while len(self.ties) < wanted:
            left, right = self.source.pick(urn), self.source.pick(urn)
            is_across = {left.owner, right.owner} == {"agent1", "agent2"} and self.source.chance(across)
            if left is right or abs(left.age - right.age) > 16 or (left.owner != right.owner and not is_across):
                continue
            role = self.source.pick(_FRIENDS)
            if self._tie(left, right, "friend", (role, role), 0.15, 0.85, over=0.03):
                urn += [left, right]

    def _company(self, owner: str) -> Party:
        source = self.source
        name, industry = source.company()
        founded = source.day(date(1998, 3, 1), date(2024, 6, 30))
        body: dict[str, Any] = {
            "party_type": "organization",
            "name": name,
            "occupation": industry,
            "stage": source.random.choices(_STAGES, (38, 34, 22, 6))[0],
            "phones": [{"number": source.landline(), "kind": "work", "label": "总机"}],
            "addresses": [source.office()],
            "tags": sorted(
                set(source.random.choices(("团险", "雇主责任", "员工福利", "重点企业"), k=source.pick((0, 1, 2))))
            ),
        }
        if source.chance(0.4):
            tail = body["phones"][0]["number"][-4:]
            body["emails"] = [{"address": f"office{tail}@example.com", "kind": "work"}]
        if source.chance(0.6):
            body["id_number"] = source.uscc()
        return Party(source.uid(), owner, body, founded)

    def _head(self, boss: Party, company: Party) -> None:
        boss.body["occupation"] = "企业主"
        boss.body["tags"] = sorted({*boss.body["tags"], "企业主"})
        self._tie(boss, company, "partner", ("法定代表人", "企业"), 0.9, 0.97, since=max(company.born, _grown(boss)))

    def _employ(self, worker: Party, company: Party) -> None:
        since = self.source.day(max(company.born, _grown(worker)), AS_OF)
        self._tie(worker, company, "partner", ("员工", "雇主"), 0.4, 0.8, since=since, over=0.14)

    def _trade(self, kind: str, left: Party, right: Party) -> None:
        roles = {"client": ("供应商", "客户"), "partner": ("合作方", "合作方"), "ally": ("商会会员", "商会会员")}[kind]
        since = self.source.day(max(left.born, right.born), AS_OF)
        self._tie(left, right, kind, roles, 0.2, 0.9, since=since, over=0.06)

    def _tie(
        self,
        left: Party,
        right: Party,
        kind: str,
        roles: tuple[str, str],
        low: float,
        high: float,
        *,
        since: date | None = None,
        over: float = 0.0,
    ) -> bool:
        """A tie, unless the two have one of this kind already."""
        fact = (frozenset((left.id, right.id)), kind)
        if left is right or fact in self._known:
            return False
        self._known.add(fact)
        source = self.source
        if since is None and source.chance(0.7):
            since = source.day(max(_grown(left), _grown(right)), AS_OF)
        until = source.day(max(since, AS_OF - timedelta(900)), AS_OF) if since and source.chance(over) else None
        strength = Decimal(str(round(low + (high - low) * source.random.random() ** 1.5, 2)))
        self.ties.append(Tie(source.uid(), left, right, kind, *roles, strength, since, until))
        return True


def _grown(party: Party) -> date:
    """The day from which a party can have ties of its own: a person at 14, a company at once."""
    if party.gender is None:
        return party.born
    return min(AS_OF, date(party.born.year + 14, party.born.month, 1))


def degrees(ties: list[Tie]) -> Counter[Any]:
    """How many ties each party has."""
    return Counter(party.id for tie in ties for party in (tie.left, tie.right))
