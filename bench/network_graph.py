"""Who knows whom in the network's world: a graph made of households, firms, circles and trade, as arrays.

Nothing here knows the database. Nodes are numbers in the order in which they were entered, ties are pairs of them. The
same seed, size and day always give the same graph.

* An agent has about 300 customers (a power law from 50 to 1,000 beside the many with 300). A quarter of all nodes are
  shadow contacts, each known through a customer of the same agent.
* Persons live in households of one to six with the ties of a family; households of one agent are related, too.
* One node in ten is a company; the number of its employees follows a power law up to 900. They know each other.
* Circles of 20 to 60 persons (a school class, a house, a chamber) have popular members; a few people are known by
  everybody (power law, near 1,000 ties). Companies sell to each other along a chain, persons serve persons.
* Most of it stays within the customers of one agent, a part reaches across.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.domain import relation_catalogue

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

KINDS = relation_catalogue.built_in()
SHADOWS = 0.25  # of all nodes
COMPANIES = 0.1
ENDED = 0.05  # of all ties
TALKED = 0.3  # ties with a contact on record
DAYS = 1000  # of work that the world looks back on
NEVER = np.iinfo(np.int64).min  # instead of a day
_CODE = {kind.code: number for number, kind in enumerate(KINDS)}
_INVERSE = {kind.inverse_code: number for number, kind in enumerate(KINDS)}
_IS_SYMMETRIC = np.array([kind.code == kind.inverse_code for kind in KINDS])
_HOUSEHOLDS = (0.2, 0.3, 0.25, 0.15, 0.07, 0.03)  # of one to six persons
# What the second one is to the first. A couple, two children, his parent, her parent; or one parent and children.
_COUPLE = {
    (0, 1): "spouse", (0, 2): "child", (1, 2): "child", (0, 3): "child", (1, 3): "child", (2, 3): "sibling",
    (0, 4): "parent", (1, 4): "parent_in_law", (2, 4): "grandparent", (3, 4): "grandparent",
    (0, 5): "parent_in_law", (1, 5): "parent", (2, 5): "maternal_grandparent", (3, 5): "maternal_grandparent",
    (4, 5): "co_parent_in_law",
}  # fmt: skip
_ALONE = {pair: "child" if pair[0] == 0 else "younger_sibling" for pair in _COUPLE}
_CIRCLES = ("schoolmate", "schoolmate", "neighbour", "alumnus", "class_parent", "companion", "townsman", "comrade",
            "former_colleague", "chamber_fellow")  # fmt: skip
_FRIENDS = ("friend", "friend", "close_friend", "acquaintance", "companion", "introducer")
_KNOWN = ("acquaintance", "chamber_fellow", "friend", "ally", "referral_partner", "mentor", "online_friend")
_SERVICES = ("patient", "pupil", "legal_client", "accounting_client", "tenant", "bank_client")
_TRADES = ("client", "client", "client", "distributor", "contracting_client")
_POSTS = ("legal_representative", "executive", "director", "supervisor")


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in the order of their ids; ties in the order of theirs. Times in ms and days since 1970, parts in 1/1000.

    `known_through` is -1 for a customer. The right end is `KINDS[kind]` of the left one.
    """

    agents: int
    owner: Ints
    is_company: Flags
    is_shadow: Flags
    known_through: Ints
    made: Ints
    left: Ints
    right: Ints
    kind: Ints
    tied: Ints
    strength: Ints
    computed: Ints
    warmth: Ints
    last_on: Ints
    since: Ints
    until: Ints


@dataclass(slots=True)
class _People:
    """Persons in the order of their households, those of an agent side by side; then the companies, likewise."""

    owner: Ints
    home: Ints  # the agent in whose part of the list the node stands
    persons: int
    starts: Ints  # of the agents' parts
    sizes: Ints
    firsts: Ints  # firms' counterpart of `starts`
    firms: Ints
    heads: Ints  # where households begin
    inmates: Ints  # how many they are
    is_shadow: Flags
    known_through: Ints


def build(nodes: int, ties: int, *, seed: int, today: int) -> Graph:
    """A graph of exactly so many nodes and ties. `today` is a day since 1970; nothing happened after it."""
    dice = np.random.default_rng(seed)
    people = _people(dice, nodes)
    drawn = [_families(dice, people), _employment(dice, people), _trade(dice, people)]
    total = nodes
    made = _times(dice, people, today)
    order = np.argsort(made, kind="stable")
    number = np.empty(total, np.int64)
    number[order] = np.arange(total)
    left, right, kind = _unique(np.concatenate(drawn, axis=1), number)
    while len(left) < ties:
        more = _circles(dice, people, int((ties - len(left)) * 1.1) + 50)
        left, right, kind = _unique(np.concatenate([[order[left], order[right], kind], more], axis=1), number)
    kept = np.sort(dice.permutation(len(left))[:ties])
    left, right, kind = left[kept], right[kept], kind[kept]
    through = people.known_through[order]
    through[through >= 0] = number[through[through >= 0]]
    is_company = np.arange(total) >= people.persons
    return Graph(
        agents=len(people.starts), owner=people.owner[order], is_company=is_company[order],
        is_shadow=people.is_shadow[order], known_through=through, made=made[order],
        **_evidence(dice, made[order], left, right, kind, today),
    )  # fmt: skip


def _pareto(dice: np.random.Generator, low: float, high: float, power: float, count: int) -> Floats:
    """Bounded Pareto: P(X > x) falls with x to the power, between low and high."""
    ratio = (low / high) ** power
    found: Floats = low * (1 - dice.random(count) * (1 - ratio)) ** (-1 / power)
    return found


def _people(dice: np.random.Generator, nodes: int) -> _People:
    persons = nodes - int(nodes * COMPANIES)
    # A book is what an agent has; the sizes speak of customers, so persons and companies share 4/3 of it.
    count = max(2, int(nodes / 100))
    books = np.where(dice.random(count) < 0.6, 300.0, _pareto(dice, 50, 1000, 1.0, count)) / (1 - SHADOWS)
    ends = np.cumsum(books)
    agents = max(2, int(np.searchsorted(ends, nodes * 0.98)))
    cuts = np.concatenate([[0.0], ends[:agents] / ends[agents - 1]])
    marks, firm_marks = (np.round(cuts * part).astype(np.int64) for part in (persons, nodes - persons))
    sizes, firms = np.diff(marks), np.diff(firm_marks)
    lengths = dice.choice(np.arange(1, 7), persons, p=_HOUSEHOLDS)
    heads = np.unique(np.concatenate([np.cumsum(lengths)[np.cumsum(lengths) < persons], marks[:-1][sizes > 0]]))
    inmates = np.diff(np.append(heads, persons))
    home = np.concatenate([np.repeat(np.arange(agents), sizes), np.repeat(np.arange(agents), firms)])
    head_of = np.repeat(heads, inmates)
    rank = np.arange(persons) - head_of
    people = _People(
        home.copy(), home, persons, marks[:-1], sizes, persons + firm_marks[:-1], firms, heads, inmates,
        np.zeros(nodes, np.bool_), np.full(nodes, -1),
    )  # fmt: skip
    kin = dice.permutation(np.flatnonzero(rank > 0))[: int(nodes * SHADOWS * 0.8)]
    lone = np.setdiff1d(heads[inmates == 1], marks[:-1])  # the first of each part stays a customer
    lone = dice.permutation(lone)[: int(nodes * SHADOWS) - len(kin)]
    people.is_shadow[kin] = people.is_shadow[lone] = True
    people.known_through[kin] = head_of[kin]
    through = _mates(dice, people, home[lone])
    people.known_through[lone] = np.where(people.is_shadow[through], marks[home[lone]], through)
    is_away = (rank > 0) & ~people.is_shadow[:persons] & (dice.random(persons) < 0.05)
    is_away[through] = False
    away = np.flatnonzero(is_away)
    people.owner[away] = dice.integers(0, agents, len(away))
    return people


def _mates(dice: np.random.Generator, people: _People, agents: Ints) -> Ints:
    """For each of these agents some person of his part."""
    return people.starts[agents] + (dice.random(len(agents)) * people.sizes[agents]).astype(np.int64)


def _anybody(dice: np.random.Generator, people: _People, agents: Ints, nearby: Floats | float) -> Ints:
    """Persons of the same agent with the chance `nearby`, else of any."""
    wide = dice.integers(0, people.persons, len(agents))
    return np.where(dice.random(len(agents)) < nearby, _mates(dice, people, agents), wide)


def _ties(one: Any, other: Any, kind: Any) -> Ints:
    return np.stack([one, other, np.broadcast_to(kind, np.shape(one))]).astype(np.int64)


def _said(one: Ints, other: Ints, code: str) -> Ints:
    """`other` is `code` of `one`, whichever of its two codes the kind is stored under."""
    return _ties(one, other, _CODE[code]) if code in _CODE else _ties(other, one, _INVERSE[code])


def _families(dice: np.random.Generator, people: _People) -> Ints:
    is_couple = dice.random(len(people.heads)) < 0.8
    made = []
    for table, chosen in ((_COUPLE, is_couple), (_ALONE, ~is_couple)):
        for (first, second), code in table.items():
            heads = people.heads[chosen & (people.inmates > second)]
            made.append(_said(heads + first, heads + second, code))
    # Households are related to others, most of them to one of the same agent.
    heads = people.heads[dice.random(len(people.heads)) < 0.5]
    others = _anybody(dice, people, people.home[heads], 0.88)
    kin = np.array([_CODE[code] for code in ("sibling", "sibling_in_law", "maternal_cousin", "uncle_aunt")])
    made.append(_ties(heads, others, kin[dice.integers(0, len(kin), len(heads))]))
    # Shadow contacts who are nobody's family are known through a friend or colleague.
    lone = np.flatnonzero(people.is_shadow & ~np.isin(np.arange(len(people.owner)), np.concatenate(made, axis=1)[:2]))
    knows = np.array([_CODE[code] for code in ("acquaintance", "colleague", "friend")])
    made.append(_ties(people.known_through[lone], lone, knows[dice.integers(0, len(knows), len(lone))]))
    return np.concatenate(made, axis=1)


def _employment(dice: np.random.Generator, people: _People) -> Ints:
    firms = np.arange(people.persons, len(people.owner))
    sizes = _pareto(dice, 2.5, 900, 1.3, len(firms)).astype(np.int64)
    firm, size = np.repeat(firms, sizes), np.repeat(sizes, sizes)
    place = np.arange(len(firm)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    worker = _anybody(dice, people, people.home[firm], np.minimum(0.92, 100 / size))
    posts = np.array([_CODE[code] for code in (*_POSTS, "employee")])
    post = posts[np.where((place < 4) & (place * 3 <= size), np.minimum(place, 4), 4)]
    made = [_ties(firm, worker, post)]
    owns = dice.random(len(firm)) < np.where(place == 0, 0.7, 0.03)
    made.append(_ties(firm[owns], worker[owns], _CODE["shareholder"]))
    seat = firms[dice.random(len(firms)) < 0.6]
    made.append(_ties(seat, _anybody(dice, people, people.home[seat], 0.6), _CODE["director"]))
    # Colleagues: the next desk, and somebody who came before; now and then he is the superior.
    for chance, near in ((0.6, True), (0.25, False)):
        here = np.flatnonzero((place > 0) & (dice.random(len(firm)) < chance))
        there = here - 1 if near else here - 1 - (dice.random(len(here)) * np.minimum(place[here], 30)).astype(np.int64)
        kind = np.where(dice.random(len(here)) < 0.2, _CODE["superior"], _CODE["colleague"])
        made.append(_ties(worker[here], worker[there], kind))
    return np.concatenate(made, axis=1)


def _trade(dice: np.random.Generator, people: _People) -> Ints:
    firms = np.arange(people.persons, len(people.owner))
    seller = np.repeat(firms, dice.poisson(2.5, len(firms)))
    weight = np.cumsum(_pareto(dice, 1, 300, 1.1, len(firms)))
    wide = people.persons + np.searchsorted(weight, dice.random(len(seller)) * weight[-1])
    home = people.home[seller]
    near = people.firsts[home] + (dice.random(len(seller)) ** 2 * people.firms[home]).astype(np.int64)
    buyer = np.where(dice.random(len(seller)) < 0.65, near, wide)
    # Goods flow one way, from makers to shops, so that chains are chains.
    tier = dice.random(len(people.owner))
    turned = tier[seller] > tier[buyer]
    seller, buyer = np.where(turned, buyer, seller), np.where(turned, seller, buyer)
    trades = np.array([_CODE[code] for code in _TRADES])
    made = [_ties(seller, buyer, trades[dice.integers(0, len(trades), len(seller))])]
    group = firms[dice.random(len(firms)) < 0.05]
    made.append(_ties(group, dice.choice(firms, len(group)), _CODE["parent_company"]))
    # One person in forty is a doctor, teacher, lawyer … with many who come to him, most of them close by.
    served = dice.integers(0, people.persons, people.persons // 4)
    home = people.home[served]
    chair = people.starts[home] + (dice.random(len(served)) ** 2 * people.sizes[home] / 40).astype(np.int64) * 40
    other = dice.integers(0, people.persons // 40, len(served)) * 40
    server = np.where(dice.random(len(served)) < 0.9, chair, other)
    services = np.array([_CODE[code] for code in _SERVICES])
    made.append(_ties(server, served, services[server // 40 % len(services)]))
    return np.concatenate(made, axis=1)


def _circles(dice: np.random.Generator, people: _People, count: int) -> Ints:
    """Friends inside circles, the popular ones preferred; and those whom everybody knows."""
    seats = np.random.default_rng(people.persons).permutation(people.persons)  # the same circles at every call
    seats = seats[np.argsort(people.home[seats], kind="stable")]
    fame = np.cumsum(_pareto(np.random.default_rng(people.persons + 1), 1, 10_000, 1.2, people.persons))
    wide = int(count * 0.17)
    famous = np.searchsorted(fame, dice.random(wide) * fame[-1])
    known = np.array([_CODE[code] for code in _KNOWN])
    fans = _anybody(dice, people, people.home[famous], 0.6)
    made = [_ties(famous, fans, known[dice.integers(0, len(known), wide)])]
    agent = people.home[dice.integers(0, people.persons, count - wide)]
    width = 20 + agent * 7 % 41  # of the circles of this agent
    offset = (dice.random(len(agent)) * people.sizes[agent]).astype(np.int64)
    begin = offset - offset % width
    room = np.minimum(width, people.sizes[agent] - begin)
    popular = begin + (dice.random(len(agent)) ** 2 * room).astype(np.int64)
    one, other = seats[people.starts[agent] + offset], seats[people.starts[agent] + popular]
    circles, friends = (np.array([_CODE[code] for code in codes]) for codes in (_CIRCLES, _FRIENDS))
    circle = circles[(agent * 31 + begin // width) % len(circles)]
    friend = friends[dice.integers(0, len(friends), len(agent))]
    made.append(_ties(one, other, np.where(dice.random(len(agent)) < 0.35, friend, circle)))
    drawn = np.concatenate(made, axis=1)
    # Little is known of a shadow contact: most of his ties nobody has heard of.
    is_dim = people.is_shadow[drawn[0]] | people.is_shadow[drawn[1]]
    return drawn[:, ~is_dim | (dice.random(drawn.shape[1]) < 0.4)]


def _unique(drawn: Ints, number: Ints) -> tuple[Ints, Ints, Ints]:
    """Each fact once, in its one form: of a symmetric kind the smaller number stands left."""
    left, right, kind = number[drawn[0]], number[drawn[1]], drawn[2]
    low, high = np.minimum(left, right), np.maximum(left, right)
    fact = (low * len(number) + high) * len(KINDS) + kind
    first = np.unique(fact, return_index=True)[1]
    first = first[low[first] != high[first]]
    turned = _IS_SYMMETRIC[kind] & (left > right)
    return np.where(turned, right, left)[first], np.where(turned, left, right)[first], kind[first]


def _times(dice: np.random.Generator, people: _People, today: int) -> Ints:
    """When each node was entered: shadow contacts after the customer they are known through."""
    day = dice.random(len(people.owner)) * DAYS
    members = np.repeat(people.heads, people.inmates)
    later = day[members] + dice.exponential(40, people.persons) * (np.arange(people.persons) != members)
    day[: people.persons] = later
    day = np.where(day < DAYS - 0.01, day, DAYS - 0.01)
    lone = np.flatnonzero(people.is_shadow)
    day[lone] = day[people.known_through[lone]] + 0.01 + dice.exponential(20, len(lone))
    day = np.where(day < DAYS, day, DAYS - dice.random(len(day)) * 0.005)
    return ((today - DAYS + day) * 86_400_000).astype(np.int64)


def _evidence(
    dice: np.random.Generator, made: Ints, left: Ints, right: Ints, kind: Ints, today: int
) -> dict[str, Ints]:
    """Strength by type with its spread, contacts, dates; the rows in the order in which they were entered."""
    count = len(left)
    tied = np.maximum(made[left], made[right]) + (dice.exponential(30, count) * 86_400_000).astype(np.int64)
    tied = np.minimum(tied, today * 86_400_000 - dice.integers(0, 1000, count))
    order = np.argsort(tied, kind="stable")
    left, right, kind, tied = left[order], right[order], kind[order], tied[order]
    usual = np.array([kind.strength for kind in KINDS])[kind]
    strength = np.clip(usual + dice.normal(0, 0.13, count), 0.05, 0.99) * 1000
    is_round = dice.random(count) < 0.5  # what people say comes in steps of 0.05
    strength = np.where(is_round, np.clip(np.round(strength / 50) * 50, 50, 950), strength).astype(np.int64)
    since = np.where(dice.random(count) < 0.6, tied // 86_400_000 - dice.exponential(1800, count).astype(int), NEVER)
    begun = np.where(since == NEVER, tied // 86_400_000, since)
    over = begun + ((today - begun) * dice.random(count)).astype(np.int64)
    until = np.where(dice.random(count) < ENDED, over, NEVER)
    ago = np.minimum(dice.exponential(150, count).astype(np.int64), 1500)
    is_met = (dice.random(count) < TALKED) & (until == NEVER)
    weight = np.array([kind.weight for kind in KINDS])[kind]
    recency = np.where(is_met, 0.8 + 0.2 * 0.5 ** (ago / 180), 0.9)
    return {
        "left": left, "right": right, "kind": kind, "tied": tied, "strength": strength,
        "computed": np.where(is_met, (strength * dice.random(count)).astype(np.int64), NEVER),
        "warmth": np.floor(strength * weight * recency + 0.5 + 1e-9).astype(np.int64),
        "last_on": np.where(is_met, today - ago, NEVER), "since": since, "until": until,
    }  # fmt: skip
