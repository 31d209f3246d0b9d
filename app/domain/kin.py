"""Kin nobody entered: who is whose grandmother, cousin or in-law follows from parents, spouses and siblings.

Inferred kin are computed at every question and never stored, so that a corrected parent corrects them all. The steps
of a derivation are read from the person asked about: P to a parent, C to a child, S to the spouse, B to a sibling
(entered, or the other child of a parent). Names follow GB/T 4761-2008 and the difference Chinese makes between the
father's and the mother's side; where the gender that decides is not known, the father's word stands.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

_Id = TypeVar("_Id")

# What a relation type (and its inverse) is among the four steps.
PARENT_TYPES: Final = frozenset({"parent"})
SPOUSE_TYPES: Final = frozenset({"spouse"})
SIBLING_TYPES: Final = frozenset({"sibling", "elder_sibling"})
BASIS: Final = PARENT_TYPES | SPOUSE_TYPES | SIBLING_TYPES

# Steps → relation type, the nearest first: of several derivations the first one counts.
_RULES: Final = (
    ("B", "sibling"),
    ("PP", "grandparent"),
    ("CC", "grandchild"),
    ("SP", "parent_in_law"),
    ("CS", "child_in_law"),
    ("SB", "sibling_in_law"),
    ("BS", "sibling_in_law"),
    ("PB", "uncle_aunt"),
    ("BC", "nephew_niece"),
    ("CSP", "co_parent_in_law"),
    ("PPP", "great_grandparent"),
    ("CCC", "great_grandchild"),
    ("PBS", "uncle_aunt"),
    ("SBC", "nephew_niece"),
    ("PBC", "cousin"),
)
MAX_STEPS: Final = 4
"""Ties a derivation may take: a cousin is a parent's sibling's child, and a sibling two ties away."""


@dataclass(frozen=True, slots=True)
class KinTie(Generic[_Id]):
    """An entered tie: the right one is `type` (parent, spouse, sibling, elder_sibling) of the left one."""

    left: _Id
    right: _Id
    type: str


@dataclass(frozen=True, slots=True)
class Inferred(Generic[_Id]):
    """Somebody who is kin: as what, and by way of whom."""

    id: _Id
    type: str
    through: tuple[_Id, ...]


class Family(Generic[_Id]):
    """Entered ties, ready to be walked.

    Args:
        ties: of `BASIS` types; others are left aside.
        genders: male, female or anything else.
    """

    def __init__(self, ties: Iterable[KinTie[_Id]], genders: dict[_Id, str | None]) -> None:
        self._genders = genders
        self._steps: dict[str, dict[_Id, list[_Id]]] = {step: {} for step in "PCSB"}
        for tie in ties:
            if tie.type in PARENT_TYPES:
                self._add("P", tie.left, tie.right)
                self._add("C", tie.right, tie.left)
            elif tie.type in SPOUSE_TYPES:
                self._add("S", tie.left, tie.right)
                self._add("S", tie.right, tie.left)
            elif tie.type in SIBLING_TYPES:
                self._add("B", tie.left, tie.right)
                self._add("B", tie.right, tie.left)

    def _add(self, step: str, one: _Id, other: _Id) -> None:
        found = self._steps[step].setdefault(one, [])
        if other not in found:
            found.append(other)

    def infer(self, root: _Id, *, known: Iterable[_Id] = ()) -> list[Inferred[_Id]]:
        """Everybody who is kin of `root` without being entered as such, the nearest first.

        Args:
            known: who is entered as a relative of `root` already: nothing is inferred about them.
        """
        taken, found = {root, *known}, []
        for steps, kind in _RULES:
            for path in sorted(self._walk(root, steps), key=lambda path: [str(one) for one in path]):
                if path[-1] not in taken:
                    taken.add(path[-1])
                    found.append(Inferred(path[-1], self._exact(kind, path), path[1:-1]))
        return found

    def _walk(self, root: _Id, steps: str) -> Iterator[tuple[_Id, ...]]:
        """Every way along these steps that comes past nobody twice."""
        ways: list[tuple[_Id, ...]] = [(root,)]
        for step in steps:
            ways = [(*way, other) for way in ways for other in self._next(way[-1], step) if other not in way]
        yield from ways

    def _next(self, one: _Id, step: str) -> list[_Id]:
        entered = self._steps[step].get(one, [])
        if step != "B":
            return entered
        parents = self._steps["P"].get(one, [])
        shared = [child for parent in parents for child in self._steps["C"].get(parent, []) if child != one]
        return list(dict.fromkeys([*entered, *shared]))

    def _exact(self, kind: str, path: tuple[_Id, ...]) -> str:
        """The side a grandparent, a grandchild or a cousin stands on."""
        first = self._genders.get(path[1])
        if kind in ("grandparent", "grandchild"):
            return f"maternal_{kind}" if first == "female" else kind
        if kind == "cousin":
            is_maternal = "female" in (first, self._genders.get(path[2]))
            return "maternal_cousin" if is_maternal else "paternal_cousin"
        return kind
