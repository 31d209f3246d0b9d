"""The demo world: one invented insurance branch in Wuhan, its people, their customers and what joins them.

Pure and deterministic: the same seed gives the same ids and the same content everywhere, so that examples,
screenshots and tests can name a customer. `services/demo.py` loads it.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from uuid import UUID

from app.domain.demo_business import Business
from app.domain.demo_dossiers import business_dossiers
from app.domain.demo_families import Families, Party, Tie
from app.domain.demo_households import FactFind, fact_finds
from app.domain.demo_introductions import DemoIntroduction, introductions
from app.domain.demo_network import Learned, learned
from app.domain.demo_papers import Dossier, Interview, dossiers, interviews
from app.domain.demo_source import Source

SEED: Final = 2026
ORG_CODE: Final = "wuhan"
ORG_NAME: Final = "江城人寿武汉分公司(演示)"
PARTNER: Final = "江城演示银行"
TIES: Final = 1500
# What its agents may sell, and what cover costs in this invented branch (fen a year for each 10,000 yuan insured).
QUALIFICATION: Final = 2
SALES_RULES: Final = {
    "authorisations": [{"qualification_level": level, "max_level": level + 1} for level in (1, 2, 3, 4)],
    "premium_bands": [
        {"category": category, "age_from": first, "age_to": last, "payment_years": 20, "low_fen": low, "high_fen": high}
        for category, first, last, low, high in (
            ("term_life", 18, 39, 900, 1_500),
            ("term_life", 40, 55, 2_400, 4_200),
            ("critical_illness", 0, 17, 2_600, 4_000),
            ("critical_illness", 18, 39, 9_000, 14_000),
            ("critical_illness", 40, 55, 16_000, 24_000),
            ("accident", 0, 65, 300, 600),
        )
    ],
}
_INTRODUCTIONS: Final = 1_000_000
_LEARNED: Final = 2_000_000
_FACT_FINDS: Final = 3_000_000
_DOSSIERS: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class DemoTeam:
    """A node of the sales organisation."""

    id: UUID
    name: str
    parent_id: UUID | None


@dataclass(frozen=True, slots=True)
class Login:
    """Who can log in, known without building the world."""

    username: str
    name: str
    role: str
    team: str


@dataclass(frozen=True, slots=True)
class DemoUser:
    """A login with its ids."""

    id: UUID
    username: str
    name: str
    role: str
    team_id: UUID


@dataclass(frozen=True, slots=True)
class DemoWorld:
    """Everything, in the order in which it has to be loaded."""

    org_id: UUID
    teams: tuple[DemoTeam, ...]
    users: tuple[DemoUser, ...]
    parties: tuple[Party, ...]
    ties: tuple[Tie, ...]
    interviews: tuple[Interview, ...]
    dossiers: tuple[Dossier, ...]
    introductions: tuple[DemoIntroduction, ...]
    learned: Learned
    fact_finds: tuple[FactFind, ...] = ()
    business: tuple[Dossier, ...] = ()


# agent → (persons, companies)
_BOOKS: Final = {"agent1": (146, 36), "agent2": (104, 26), "agent3": (70, 18)}
USERS: Final = (
    Login("agent1", "林知秋", "agent", "营销一部"),
    Login("agent2", "周慕云", "agent", "营销一部"),
    Login("agent3", "何听雨", "agent", "营销二部"),
    Login("manager1", "沈怀瑾", "manager", "营销一部"),
    Login("admin1", "顾北辰", "admin", "武汉分公司"),
    Login("auditor1", "陆明察", "auditor", "武汉分公司"),
)


@lru_cache(maxsize=1)
def build(seed: int = SEED) -> DemoWorld:
    """The world of this seed."""
    source = Source(seed)
    org_id, branch = source.uid(), source.uid()
    teams = (
        DemoTeam(branch, "武汉分公司", None),
        DemoTeam(source.uid(), "营销一部", branch),
        DemoTeam(source.uid(), "营销二部", branch),
    )
    places = {team.name: team.id for team in teams}
    users = tuple(DemoUser(source.uid(), one.username, one.name, one.role, places[one.team]) for one in USERS)
    families = Families(source)
    for owner, (persons, _) in _BOOKS.items():
        families.fill(owner, persons)
    business = Business(source, families.people)
    for owner, (_, companies) in _BOOKS.items():
        business.found(owner, companies)
    business.trade(clients=230, partners=70, allies=60)
    business.shop(70)
    business.refer(90)
    left = TIES - len(families.ties) - len(business.ties)
    business.befriend(left, across=0.25)
    parties = [*families.people, *business.companies]
    source.random.shuffle(parties)  # lists show the newest first: let the newest be of all kinds
    ties = (*families.ties, *business.ties)
    asked = interviews(source, families.households)
    return DemoWorld(
        org_id=org_id,
        teams=teams,
        users=users,
        parties=tuple(parties),
        ties=ties,
        interviews=asked,
        dossiers=dossiers(source, parties),
        # Sources of their own: whatever is drawn for them changes nothing else.
        introductions=introductions(Source(seed + _INTRODUCTIONS), ties),
        learned=learned(Source(seed + _LEARNED), parties, ties),
        fact_finds=fact_finds(
            Source(seed + _FACT_FINDS), families.households, {interview.customer.id for interview in asked}
        ),
        business=business_dossiers(Source(seed + _DOSSIERS), parties),
    )
