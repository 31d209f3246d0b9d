"""Consent: which decision of a person carries which of his data for which purpose. Pure rules: no I/O, no clock.

Sensitive data need a consent of their own (PIPL 28, 29), data of somebody under fourteen that of his guardian (PIPL
31). What a person said last is what counts: a refusal or a withdrawal ends every earlier consent to the same group, in
whatever order the phones deliver them.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from app.domain import lunar
from app.domain.dossier import china_date


class Purpose(StrEnum):
    """What data are used for; consent to one purpose says nothing about another."""

    advice = "advice"
    underwriting = "underwriting"
    service = "service"
    proactive_contact = "proactive_contact"
    introductions = "introductions"
    partner_sharing = "partner_sharing"


class FieldGroup(StrEnum):
    """Kinds of data a person decides about one by one."""

    general = "general"
    identity = "identity"
    health = "health"
    financial = "financial"
    whereabouts = "whereabouts"
    minors = "minors"
    religion = "religion"
    biometrics = "biometrics"
    third_party = "third_party"
    other_sensitive = "other_sensitive"


class Decision(StrEnum):
    """What the person said."""

    given = "given"
    refused = "refused"


class Channel(StrEnum):
    """How he said it."""

    on_screen_signature = "on_screen_signature"
    paper = "paper"
    phone_recording = "phone_recording"
    app = "app"
    message = "message"


class Relation(StrEnum):
    """What a guardian is to the child (民法典 27)."""

    father = "father"
    mother = "mother"
    grandparent = "grandparent"
    sibling = "sibling"
    other = "other"


class GivenBy(StrEnum):
    """Who spoke: the person, or the one who has custody of the child the data are about."""

    person = "person"
    guardian = "guardian"


class Age(StrEnum):
    """What a birthday says about the fourteen years of PIPL 31 on a day."""

    under_14 = "under_14"
    of_age = "of_age"
    unknown = "unknown"


class ConsentStatus(StrEnum):
    """How a record stands on a day."""

    given = "given"
    not_yet_valid = "not_yet_valid"
    expired = "expired"
    withdrawn = "withdrawn"
    refused = "refused"


SEPARATE: Final = frozenset(FieldGroup) - {FieldGroup.general}
GUARDED_YEARS: Final = 14
# What leaves something behind that can be shown later; of the others the record of the app or the message is the proof.
WITH_EVIDENCE: Final = frozenset({Channel.on_screen_signature, Channel.paper, Channel.phone_recording})
# Nobody is asked again for so long after he refused, unless the record says another day.
QUIET: Final = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Decided:
    """One recorded decision of a person about one purpose and one recipient.

    Attributes:
        versions: the groups decided about and the version of the text that was shown for each.
        decided_at: when he said so, aware; what counts between contradicting records.
        valid_from, valid_until: China's days, both included; no end means until it is withdrawn.
        is_own_guardian: the guardian who spoke is the person himself, about his children.
    """

    id: UUID
    decision: Decision
    versions: Mapping[FieldGroup, int]
    decided_at: datetime
    valid_from: date
    valid_until: date | None
    withdrawn_at: datetime | None
    given_by: GivenBy
    is_own_guardian: bool = False


def age(birthday: lunar.PartialDate | None, on: date) -> Age:
    """Whether somebody is under fourteen on a day; a birthday that may be either counts as under.

    Completed years by the Gregorian calendar (`lunar.age_on`). Without a year nothing is known.
    """
    if birthday is None or birthday.year is None:
        return Age.unknown
    born = lunar.solar_date(birthday) or _latest_birth(birthday)
    if born > on:
        return Age.under_14
    years = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    return Age.under_14 if years < GUARDED_YEARS else Age.of_age


def status(one: Decided, today: date) -> ConsentStatus:
    """How a record stands on China's day `today`."""
    if one.decision is Decision.refused:
        return ConsentStatus.refused
    if one.withdrawn_at is not None:
        return ConsentStatus.withdrawn
    if today < one.valid_from:
        return ConsentStatus.not_yet_valid
    if one.valid_until is not None and today > one.valid_until:
        return ConsentStatus.expired
    return ConsentStatus.given


def speaker_issue(given_by: GivenBy, is_own_guardian: bool, groups: Collection[FieldGroup], person: Age) -> str | None:
    """The code of the rule a speaker breaks, or None.

    `guardian_required`: data of children, or of somebody under fourteen, are for the guardian to decide about;
    `guardian_not_needed`: the person is of age and speaks for himself; `birthday_unknown`: which of the two it is has
    to be asked first.
    """
    others = set(groups) - {FieldGroup.minors}
    is_outsider = given_by is GivenBy.guardian and not is_own_guardian
    if person is Age.under_14:
        return None if is_outsider else "guardian_required"
    if given_by is GivenBy.person:
        return "guardian_required" if FieldGroup.minors in groups else None
    if is_own_guardian and FieldGroup.minors not in groups:
        return "guardian_not_needed"
    if is_own_guardian or others:
        return _spoken_for(is_outsider, person)
    return None


def _spoken_for(is_outsider: bool, person: Age) -> str | None:
    if person is Age.unknown:
        return "birthday_unknown"
    return "guardian_not_needed" if is_outsider else None


def carrying(
    decided: Collection[Decided],
    oldest: Mapping[FieldGroup, int],
    birthday: lunar.PartialDate | None,
    today: date,
) -> dict[FieldGroup, UUID]:
    """The consent every group rests on, of all decisions of one person about one purpose and one recipient.

    Args:
        oldest: the oldest version of each group's text that still carries; 1 where nothing is said.
        birthday: the person's.
        today: the day in China.
    """
    ends = _ends(decided)
    found: dict[FieldGroup, UUID] = {}
    for one in sorted(decided, key=lambda one: (one.decided_at, one.id.bytes)):
        if status(one, today) is not ConsentStatus.given:
            continue
        person = age(birthday, china_date(one.decided_at))
        for group, version in one.versions.items():
            is_ended = group in ends and one.decided_at <= ends[group]
            if not is_ended and version >= oldest.get(group, 1) and _may_speak(one, group, person):
                found[group] = one.id
    return found


def over(decided: Collection[Decided], before: datetime, today: date) -> set[FieldGroup]:
    """The groups the person said no to earlier than `before`, and has not said yes to since."""
    ends = _ends(decided)
    stands = (ConsentStatus.given, ConsentStatus.not_yet_valid)
    again = {
        group
        for one in decided
        if status(one, today) in stands
        for group in one.versions
        if group in ends and one.decided_at > ends[group]
    }
    return {group for group, at in ends.items() if at < before} - again


def _may_speak(one: Decided, group: FieldGroup, person: Age) -> bool:
    is_outsider = one.given_by is GivenBy.guardian and not one.is_own_guardian
    if person is Age.under_14:
        return is_outsider
    return one.given_by is GivenBy.guardian if group is FieldGroup.minors else not is_outsider


def _ends(decided: Iterable[Decided]) -> dict[FieldGroup, datetime]:
    """For each group the last moment the person said no to it."""
    ends: dict[FieldGroup, datetime] = {}
    for one in decided:
        said_no_at = one.decided_at if one.decision is Decision.refused else one.withdrawn_at
        if said_no_at is not None:
            for group in one.versions:
                ends[group] = max(said_no_at, ends.get(group, said_no_at))
    return ends


def _latest_birth(birthday: lunar.PartialDate) -> date:
    """The last day somebody with a birthday of known year and unknown day can have been born."""
    assert birthday.year is not None
    if birthday.calendar == "lunar":  # a lunar year ends in the February after
        return date(birthday.year + 1, 2, 28)
    if birthday.month is None or birthday.month == 12:
        return date(birthday.year, 12, 31)
    return date(birthday.year, birthday.month + 1, 1) - timedelta(days=1)
