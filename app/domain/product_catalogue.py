"""Categories of life insurance and the level each is sold at. Pure data.

保险法 95: 人身保险 is life, health and accident insurance; the rule on terms and rates (保监会令2011-3, revised 2015)
divides it further and names the design types. The levels follow the self-discipline rule of the industry: P2 for
ordinary life, annuity and health products, P3 for participating and universal ones, higher for linked ones. An
organisation may grade its own products otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Branch = Literal["life", "annuity", "health", "accident"]
Design = Literal["ordinary", "participating", "universal", "unit_linked"]
Category = Literal[
    "term_life", "whole_life", "endowment", "pension_annuity", "education_annuity", "annuity",
    "critical_illness", "medical", "disability", "ltc", "accident",
]  # fmt: skip
Peril = Literal["life", "critical_illness", "medical", "accident", "education", "pension"]

PERILS: Final[tuple[Peril, ...]] = ("life", "critical_illness", "medical", "accident", "education", "pension")
_ALL: Final[tuple[Design, ...]] = ("ordinary", "participating", "universal", "unit_linked")
_LEVELS: Final[Mapping[Design, int]] = {"ordinary": 2, "participating": 3, "universal": 3, "unit_linked": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryFacts:
    """A category. `perils`: what it answers, the first one above all; `pays_at_death`: its sum insured is paid then;
    `is_indemnity`: it pays what was spent, and not twice."""

    code: Category
    branch: Branch
    zh: str
    en: str
    perils: tuple[Peril, ...]
    designs: tuple[Design, ...] = ("ordinary",)
    pays_at_death: bool = False
    is_indemnity: bool = False

    def level(self, design: Design = "ordinary") -> int:
        """The level of this category in this design, 1 (P1) to 5 (P5)."""
        return 1 if self.branch == "accident" else _LEVELS[design]


_ROWS: Final = (
    CategoryFacts(code="term_life", branch="life", zh="定期寿险", en="Term life", perils=("life",), pays_at_death=True),
    CategoryFacts(
        code="whole_life", branch="life", zh="终身寿险", en="Whole life", perils=("life",), designs=_ALL,
        pays_at_death=True,
    ),
    CategoryFacts(
        code="endowment", branch="life", zh="两全保险", en="Endowment", perils=("life", "education", "pension"),
        designs=_ALL, pays_at_death=True,
    ),
    CategoryFacts(
        code="pension_annuity", branch="annuity", zh="养老年金保险", en="Pension annuity", perils=("pension",),
        designs=_ALL,
    ),
    CategoryFacts(
        code="education_annuity", branch="annuity", zh="教育年金保险", en="Education annuity", perils=("education",),
        designs=_ALL,
    ),
    CategoryFacts(
        code="annuity", branch="annuity", zh="年金保险", en="Annuity", perils=("pension", "education"), designs=_ALL
    ),
    CategoryFacts(
        code="critical_illness", branch="health", zh="疾病保险（重大疾病）", en="Critical illness",
        perils=("critical_illness",),
    ),
    CategoryFacts(
        code="medical", branch="health", zh="医疗保险（费用补偿型）", en="Medical (indemnity)", perils=("medical",),
        is_indemnity=True,
    ),
    CategoryFacts(
        code="disability", branch="health", zh="失能收入损失保险", en="Disability income",
        perils=("critical_illness", "accident"),
    ),
    CategoryFacts(
        code="ltc", branch="health", zh="护理保险", en="Long-term care", perils=("critical_illness", "pension")
    ),
    CategoryFacts(
        code="accident", branch="accident", zh="意外伤害保险", en="Accident", perils=("accident",), pays_at_death=True
    ),
)  # fmt: skip
CATEGORIES: Final[Mapping[str, CategoryFacts]] = {row.code: row for row in _ROWS}
BRANCHES: Final[Mapping[Branch, tuple[str, str]]] = {
    "life": ("人寿保险", "Life insurance"),
    "annuity": ("年金保险", "Annuities"),
    "health": ("健康保险", "Health insurance"),
    "accident": ("意外伤害保险", "Accident insurance"),
}
DESIGNS: Final[Mapping[Design, tuple[str, str]]] = {
    "ordinary": ("普通型", "Ordinary"),
    "participating": ("分红型", "Participating"),
    "universal": ("万能型", "Universal"),
    "unit_linked": ("投资连结型", "Unit-linked"),
}
# What is recommended for a peril unless the agent chooses another category.
USUAL: Final[Mapping[Peril, Category]] = {
    "life": "term_life",
    "critical_illness": "critical_illness",
    "medical": "medical",
    "accident": "accident",
    "education": "education_annuity",
    "pension": "pension_annuity",
}
