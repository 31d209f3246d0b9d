"""A printable proposal 计划书: what stands in it, before any page is set. Pure, no I/O, no clock.

Money is integer fen, 0..2^53 - 1. Texts are in the language of the report and printed as they are: whoever fills the
report chooses the label of a peril, a category or a role. Recommended cover names product categories only; a product
is nothing this model can hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from typing import Final, Literal

Language = Literal["zh", "en"]
Unit = Literal["fen", "per_year", "share", "years", "months", "age", "code"]
Source = Literal["customer", "agent", "form_default", "method_default", "organization", "public"]
Load = Literal["green", "amber", "red"]
Verdict = Literal["suitable", "caution", "unsuitable"]

MAX_FEN: Final = 2**53 - 1
MAX_TEXT: Final = 2_000
MAX_ALL_TEXT: Final = 800_000  # signs in all; a common report has a hundredth of it
MAX_STEPS: Final = 1_000  # of all calculations together
# A report within them is set in a few seconds at most, however it is filled.
LIMITS: Final[Mapping[str, int]] = {
    "members": 30,
    "needs": 60,
    "years": 80,
    "assumptions": 100,
    "reasons": 20,
    "recommendations": 60,
    "categories": 6,
    "alternatives": 10,
    "calculations": 60,
    "steps": 100,
    "notices": 20,
}
_WHOLE = {"age": 150, "level": 5, "rank": 60, "cooling_off_days": 60, "year": 9999}


class ProposalError(ValueError):
    """A report that cannot be printed; `code` is stable, `field` a dotted path, never the value."""

    def __init__(self, code: str, field: str) -> None:
        super().__init__(f"{field}: {code}")
        self.code, self.field = code, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """Who answers for the report: the firm, and the number for service and complaints."""

    name: str
    phone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Who prepared it, with the licence number (执业证编号) that has to be shown before any sale."""

    name: str
    licence_no: str
    phone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody of the household. `key` is how needs point at them; `generation` -2..2, older ones below zero."""

    key: str
    name: str
    role: str
    age: int | None
    generation: int = 0
    occupation: str = ""
    yearly_income_fen: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one peril asks for one insured, and what is there. `rank` 1 is the most urgent; None: no gap to rank."""

    insured: str
    peril: str
    need_fen: int
    existing_fen: int
    rank: int | None = None
    method: str = ""
    note: str = ""

    @property
    def gap_fen(self) -> int:
        return max(0, self.need_fen - self.existing_fen)

    @property
    def over_fen(self) -> int:
        return max(0, self.existing_fen - self.need_fen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """A year of the household: what comes in and the four things it goes to."""

    year: int
    income_fen: int
    living_fen: int = 0
    debt_fen: int = 0
    education_fen: int = 0
    premium_fen: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """One value the figures rest on: as a number of its unit (rates and shares as decimal strings), and who set it."""

    label: str
    value: int | str
    unit: Unit
    source: Source
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Affordability:
    """What premiums the household can carry, a year. `load` judges existing and proposed premium together."""

    yearly_income_fen: int
    rigid_expense_fen: int
    existing_premium_fen: int
    premium_cap_fen: int
    load: Load
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """Risk tolerance C1..C5 with the day of the assessment and the last day it holds."""

    level: int
    label: str
    assessed_on: date
    valid_until: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Suitability:
    """The match opinion that the customer has to be told, with its reasons."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """Cover recommended for one gap: categories, and what a year of it may cost (an estimate, no quotation).

    Premiums are None where nobody has told one.
    """

    insured: str
    peril: str
    categories: tuple[str, ...]
    sum_insured_fen: int | None
    premium_low_fen: int | None
    premium_high_fen: int | None
    term: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """Another way to spend more or less, and the gap it leaves."""

    title: str
    description: str
    premium_low_fen: int
    premium_high_fen: int
    remaining_gap_fen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A line of a calculation: the formula in names, the numbers put in, the amount, and which way it goes."""

    label: str
    formula: str
    amount_fen: int
    substituted: str = ""
    sign: Literal["add", "subtract"] = "add"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calculation:
    """How one need came about. The signed steps add up to `result_fen`."""

    insured: str
    peril: str
    method: str
    version: str
    steps: tuple[Step, ...]
    result_fen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalReport:
    """The whole document. An instance that cannot be printed cannot exist (ProposalError).

    Attributes:
        number: how the organisation finds it again.
        customer: how the customer is addressed, e.g. 林先生.
        prepared_on: the only date the document knows; the file carries it too.
        notices: those of the organisation, after the ones every proposal has to carry.
        cooling_off_days: where it is known for what is recommended; None: the contract says.
    """

    organization: Organization
    agent: Agent
    number: str
    customer: str
    prepared_on: date
    language: Language = "zh"
    members: tuple[Member, ...] = ()
    needs: tuple[Need, ...] = ()
    years: tuple[Year, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    affordability: Affordability | None = None
    tolerance: Tolerance | None = None
    suitability: Suitability | None = None
    recommendations: tuple[Recommendation, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    calculations: tuple[Calculation, ...] = ()
    notices: tuple[str, ...] = ()
    cooling_off_days: int | None = None

    def __post_init__(self) -> None:
        if _check(self, "") > MAX_ALL_TEXT:
            raise ProposalError("text_too_long", "")
        keys = {member.key for member in self.members}
        if len(keys) != len(self.members):
            raise ProposalError("duplicate", "members")
        if sum(len(one.steps) for one in self.calculations) > MAX_STEPS:
            raise ProposalError("too_many", "calculations")
        for name in ("needs", "recommendations", "calculations"):
            for index, part in enumerate(getattr(self, name)):
                if part.insured not in keys:
                    raise ProposalError("insured_unknown", f"{name}.{index}.insured")
        for name in ("recommendations", "alternatives"):
            for index, band in enumerate(getattr(self, name)):
                if (band.premium_low_fen or 0) > (band.premium_high_fen or 0):
                    raise ProposalError("band_reversed", f"{name}.{index}.premium_low_fen")


def _check(value: object, at: str) -> int:
    """Refuse what is out of its bounds; returns how many signs of text there are."""
    name = at.rpartition(".")[2]
    if is_dataclass(value):
        parts = ((field.name, getattr(value, field.name)) for field in fields(value))
        return sum(_check(part, f"{at}.{name}" if at else name) for name, part in parts)
    if isinstance(value, tuple):
        if len(value) > LIMITS[name]:
            raise ProposalError("too_many", at)
        return sum(_check(part, f"{at}.{index}") for index, part in enumerate(value))
    if isinstance(value, int) and value not in _range(name):
        raise ProposalError("out_of_range", at)
    if not isinstance(value, str):
        return 0
    if len(value) > MAX_TEXT:
        raise ProposalError("text_too_long", at)
    return len(value)


def _range(name: str) -> range:
    return range(-2, 3) if name == "generation" else range(_WHOLE.get(name, MAX_FEN) + 1)
