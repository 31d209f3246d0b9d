"""Fact definitions: what may be known of a customer, what for, and how carefully it is kept. Versioned data.

Those of the product stand in `definitions/facts-1.json`: the 33 fields of the four dossiers (corporate, competitor,
project, personal), which the published dossier forms name, and a few structured companions that are never asked for by
themselves. An organisation adds its own under keys that begin with `org.`. A version never changes what was recorded
under an older one: every fact names the version it was recorded under.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any, Final

from app.domain.consents import FieldGroup, Purpose
from app.domain.fact_types import Shape, Words, shape_of

OWN: Final = "org."
"""What the keys of an organisation's own definitions begin with; none of the product's does."""


class DossierName(StrEnum):
    """The four dossiers. Persons have a personal one, companies a corporate one; both have the other two."""

    personal = "personal"
    corporate = "corporate"
    competitor = "competitor"
    project = "project"


class Sensitivity(StrEnum):
    """How carefully a value is shown. Every value is sealed; all but those of C1 are masked until revealed.

    C1 to C3 are the classes of JR/T 0171; sensitive personal information (PIPL 28) needs a consent of its own; data of
    third persons need a stated basis.
    """

    c1 = "c1"
    c2 = "c2"
    c3 = "c3"
    sensitive_personal = "sensitive_personal"
    third_party = "third_party"


class LegalBasis(StrEnum):
    """Why it may be kept (PIPL 13)."""

    consent = "consent"
    contract = "contract"
    legal_duty = "legal_duty"
    disclosed = "disclosed"
    no_personal_data = "no_personal_data"


class ThirdPartyBasis(StrEnum):
    """Why something about a third person may be kept: he agreed, made it public, one of the two, or the customer told
    it in his own affair (relation and role only).
    """

    agreed = "agreed"
    public = "public"
    agreed_or_public = "agreed_or_public"
    told_by_customer = "told_by_customer"


@dataclass(frozen=True, slots=True)
class FactDefinition:
    """One kind of fact in one version.

    Attributes:
        retention: `consent` (as long as it is not withdrawn), `relation+Ny` (years after the relation ends), or
            `observed+Nd` (days after the observation).
        review_days: days an observation can be relied on; after them the fact should be asked again.
        order: place in the order of asking; None: never asked for by itself, and not counted as missing.
        bases: what may be stated as the basis of third-party data; empty where none is needed.
        is_withdrawn: nothing new is recorded under it.
    """

    dossier: DossierName
    key: str
    version: int
    label: Words
    question: Words
    shape: Shape
    sensitivity: Sensitivity
    group: FieldGroup
    purpose: Purpose
    legal_basis: LegalBasis
    retention: str
    review_days: int
    order: int | None
    is_offline_allowed: bool
    bases: tuple[ThirdPartyBasis, ...] = ()
    is_withdrawn: bool = False

    @property
    def field(self) -> str:
        """The name by which it is revealed, prefilled and extracted: `dossier.<dossier>.<key>`."""
        return f"dossier.{self.dossier}.{self.key}"

    @property
    def is_masked(self) -> bool:
        """Whether the value is shown only when it is revealed."""
        return self.sensitivity is not Sensitivity.c1

    @property
    def needs_consent(self) -> bool:
        """Whether nothing is recorded without a separate consent. For data of third persons the customer cannot
        consent: there a basis is stated instead.
        """
        return self.sensitivity is Sensitivity.sensitive_personal

    @property
    def is_asked(self) -> bool:
        """Whether it counts for completeness and is asked for."""
        return self.order is not None and not self.is_withdrawn

    def fits(self, party_type: str) -> bool:
        """Whether a person (`individual`) or company (`organization`) has this dossier at all."""
        return fits(self.dossier, party_type)

    def expires_on(self, observed_on: date) -> date | None:
        """The last day the value may be kept, where retention counts from the observation."""
        kind, _, rest = self.retention.partition("+")
        return observed_on + timedelta(days=int(rest.removesuffix("d"))) if kind == "observed" else None

    def adjusted(self, change: "Override | None") -> "FactDefinition":
        """As an organisation has it."""
        if change is None:
            return self
        order = self.order if change.is_asked is None else (change.order or self.order or _LAST)
        order = change.order if change.order is not None else order
        return replace(
            self,
            review_days=self.review_days if change.review_days is None else change.review_days,
            is_offline_allowed=(
                self.is_offline_allowed if change.is_offline_allowed is None else change.is_offline_allowed
            ),
            order=None if change.is_asked is False else order,
            is_withdrawn=self.is_withdrawn or change.is_withdrawn,
        )


_LAST: Final = 1000  # after everything that has a place


@dataclass(frozen=True, slots=True)
class Override:
    """What an organisation has changed of a definition; None: nothing.

    Attributes:
        order: another place in the order of asking.
        is_asked: whether it is asked for at all.
    """

    review_days: int | None = None
    is_offline_allowed: bool | None = None
    order: int | None = None
    is_asked: bool | None = None
    is_withdrawn: bool = False


class Catalogue:
    """All definitions of an organisation: the product's, its own, with what it has changed.

    Args:
        own: every version of the organisation's own definitions.
        overrides: by key.
    """

    __slots__ = ("_current", "_versions")

    def __init__(self, own: Iterable[FactDefinition] = (), overrides: Mapping[str, Override] | None = None) -> None:
        self._versions = dict(_shipped())
        for one in own:
            self._versions[one.key, one.version] = one
        newest: dict[str, FactDefinition] = {}
        for one in self._versions.values():
            if one.key not in newest or newest[one.key].version < one.version:
                newest[one.key] = one
        changed = overrides or {}
        self._current = {key: one.adjusted(changed.get(key)) for key, one in newest.items()}

    def current(self, key: str) -> FactDefinition | None:
        """The newest version as the organisation has it, withdrawn or not."""
        return self._current.get(key)

    def as_written(self, key: str, version: int) -> FactDefinition | None:
        """The version a fact was recorded under, as it was written."""
        return self._versions.get((key, version))

    def of(self, dossier: DossierName) -> list[FactDefinition]:
        """The current definitions of a dossier: those asked for in their order, then the others by key."""
        found = [one for one in self._current.values() if one.dossier is dossier]
        return sorted(found, key=lambda one: (not one.is_asked, one.order or 0, one.key))

    def all(self) -> list[FactDefinition]:
        """All current definitions, dossier by dossier."""
        return [one for dossier in DossierName for one in self.of(dossier)]

    def withheld(self) -> list[str]:
        """The keys whose facts may not be kept on a phone."""
        return sorted(key for key, one in self._current.items() if not one.is_offline_allowed)


def fits(dossier: DossierName, party_type: str) -> bool:
    """Whether a person (`individual`) or company (`organization`) has this dossier."""
    wanted = {DossierName.personal: "individual", DossierName.corporate: "organization"}.get(dossier)
    return wanted is None or wanted == party_type


def definition_of(raw: Mapping[str, Any]) -> FactDefinition:
    """A definition from its JSON, which has been checked."""
    return FactDefinition(
        dossier=DossierName(raw["dossier"]),
        key=raw["key"],
        version=raw["version"],
        label=Words(**raw["label"]),
        question=Words(**raw["question"]),
        shape=shape_of(raw["shape"]),
        sensitivity=Sensitivity(raw["sensitivity"]),
        group=FieldGroup(raw["group"]),
        purpose=Purpose(raw["purpose"]),
        legal_basis=LegalBasis(raw["legal_basis"]),
        retention=raw["retention"],
        review_days=raw["review_days"],
        order=raw["order"],
        is_offline_allowed=raw["is_offline_allowed"],
        bases=tuple(ThirdPartyBasis(one) for one in raw.get("bases", ())),
    )


@cache
def shipped_text() -> Mapping[tuple[str, int], Mapping[str, Any]]:
    """The product's definitions as they are published, by key and version."""
    text = resources.files("app.domain").joinpath("definitions", "facts-1.json").read_text(encoding="utf-8")
    return {(one["key"], one["version"]): one for one in json.loads(text)}


@cache
def _shipped() -> Mapping[tuple[str, int], FactDefinition]:
    return {place: definition_of(raw) for place, raw in shipped_text().items()}


@cache
def shipped() -> Catalogue:
    """The definitions of an organisation that has changed none and added none."""
    return Catalogue()


def check_own(sensitivity: Sensitivity, group: FieldGroup, *, has_bases: bool) -> tuple[str, str] | None:
    """What is wrong with an own definition taken as a whole: (JSON pointer, code), or None.

    Data of third persons are their own group and need a basis; every other group but the general one needs a separate
    consent, so what is in it is sensitive.
    """
    if sensitivity is Sensitivity.third_party:
        wanted = group is FieldGroup.third_party
    elif sensitivity is Sensitivity.sensitive_personal:
        wanted = group not in (FieldGroup.general, FieldGroup.third_party)
    else:
        wanted = group is FieldGroup.general
    if not wanted:
        return "/group", "group_mismatch"
    if has_bases is not (sensitivity is Sensitivity.third_party):
        return "/bases", "bases_mismatch"
    return None
