"""Where answers may come from before anybody answers, and where they go to afterwards (FHIR SDC: prepopulation and
extraction). Pure.

A prefilled answer is a suggestion with its source named; the form checks it as any other. What is extracted is one
value of one person, taken from a completed response only.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from app.domain.form_shapes import FormDefinition, Item
from app.domain.form_types import Wrong, kind_of

_WORDS = {
    "gender": {"male": "男", "female": "女", "unstated": "未说明"},
    "party_type": {"individual": "个人", "organization": "企业"},
    "id_type": {"resident_id": "居民身份证", "uscc": "统一社会信用代码"},
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the household, as far as he is known. `reference`: customer:<id>, None for a mere contact."""

    name: str
    gender: str | None = None
    birth_date: date | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What a source says, and the day it was observed where somebody wrote that down."""

    value: Any
    observed_on: date | None = None


@dataclass(slots=True)
class Prefilled:
    """`sources`: pointer → source; `missing`: (link_id, source) nothing is known of; `unfit`: known, but no answer."""

    answers: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    missing: list[tuple[str, str]] = field(default_factory=list)
    unfit: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Extracted:
    """A value on its way out: text of a fact, a code of gender, a day, an occupation; `raw` is the answer itself."""

    link_id: str
    target: str
    value: Any
    raw: Any = None


def prefill(form: FormDefinition, known: Mapping[str, Known]) -> Prefilled:
    """Answers to the items that name a source, as far as it is known and fits. Nothing is ever guessed."""
    made = Prefilled()
    for link_id, place in form.index.items():
        source = place.item.prefill
        if source is None or place.scope is not None:
            continue
        found = known.get(source)
        if found is None:
            made.missing.append((link_id, source))
            continue
        if place.item.type == "group":
            _fill_group(form, link_id, source, found.value, made)
            continue
        value = _fitting(place.item, source, found.value)
        if value is None or _is_wrong(form, link_id, value):
            made.unfit.append((link_id, source))
        else:
            made.answers[link_id], made.sources[f"/answers/{link_id}"] = value, source
    return made


def extractions(form: FormDefinition, record: Mapping[str, Any]) -> Iterator[Extracted]:
    """The answers of a completed response that go somewhere, in the order of the form."""
    for link_id, place in form.index.items():
        target = place.item.extract
        if target is None or place.scope is not None or link_id not in record:
            continue
        read = form.plan[link_id].read
        value = record[link_id]
        if target == "customer.gender":
            yield Extracted(link_id, target, value)
        elif target == "customer.birthday":
            yield Extracted(link_id, target, read(value))
        else:
            yield Extracted(link_id, target, in_words(place.item, value), value)


def in_words(item: Item, value: Any) -> str:
    """An answer as a text a person reads, in Chinese: labels for codes, yuan for fen."""
    if isinstance(value, list):
        return "、".join(in_words(item, one) for one in value)
    if isinstance(value, bool):
        return "是" if value else "否"
    if item.options:
        labels = {option.code: option.label.zh for option in item.options}
        return labels.get(value, "") if isinstance(value, str) else str(value["text"])
    if item.type == "address":
        return "".join(value.get(part, "") for part in ("province", "city", "county", "detail"))
    if item.type == "money":
        return f"{value // 100}.{value % 100:02d}元" if value >= 0 else f"-{in_words(item, -value)}"
    if item.type == "percent":
        return f"{Decimal(value) / 100:f}%"
    return str(value)


def _is_wrong(form: FormDefinition, link_id: str, value: Any) -> bool:
    read = form.plan[link_id].read
    return read is None or isinstance(read(value), Wrong)


def _fitting(item: Item, source: str, value: Any) -> Any:
    """The value as the item's type writes it; None where it cannot."""
    if isinstance(value, Person):
        said = {"text": value.name, "boolean": True, "reference": value.reference}
        return said.get(item.type)
    if isinstance(value, date):
        return value.isoformat() if item.type in ("date", "text") else None
    if item.options:
        return _option(item, value)
    if item.type == "address":
        return {key: part for key, part in value.items() if part} if isinstance(value, Mapping) else None
    if item.type == "text":
        if isinstance(value, Mapping):
            return "".join(value.get(part) or "" for part in ("province", "city", "county", "detail"))
        return _WORDS.get(source.partition(".")[2], {}).get(value, str(value))
    if item.type == "decimal":
        return str(value)
    return value


def _option(item: Item, value: Any) -> Any:
    """The code of an option with this code or label; an open choice takes the words themselves."""
    if not isinstance(value, str):
        return None
    codes = {option.code: option.code for option in item.options}
    codes |= {label: option.code for option in item.options for label in (option.label.zh, option.label.en)}
    if item.multiple:
        parts = [codes.get(part) for part in value.split("、")]
        return None if None in parts else parts
    return codes.get(value, {"text": value} if item.type == "open_choice" else None)


def _fill_group(form: FormDefinition, link_id: str, source: str, value: Any, made: Prefilled) -> None:
    """One row for each child; the spouse's answers stand beside all others. What nobody knows stays open."""
    people = value if isinstance(value, list) else [value]
    item = form.index[link_id].item
    rows = [_about(form, item.items, person) for person in people]
    if item.repeats:
        limits = form.index[link_id].bounds
        rows = rows[: limits[1]] if limits is not None else rows
        if rows:
            made.answers[link_id], made.sources[f"/answers/{link_id}"] = rows, source
        return
    for row in rows[:1]:
        for inner, answer in row.items():
            made.answers.setdefault(inner, answer)
            made.sources.setdefault(f"/answers/{inner}", source)


def _about(form: FormDefinition, items: tuple[Item, ...], person: Person) -> dict[str, Any]:
    """Name, day of birth, gender and reference, by the type of the item and how its link_id ends."""
    row = dict[str, Any]()
    for item in items:
        ending, value = item.link_id.rpartition("_")[2], None
        if item.type == "group":
            row |= _about(form, item.items, person)
        elif item.type == "text" and ending == "name":
            value = person.name
        elif item.type == "date" and item.link_id.endswith(("birth_date", "birthday")) and person.birth_date:
            value = person.birth_date.isoformat()
        elif kind_of(item) == "choice" and ending == "gender":
            value = person.gender if person.gender in {option.code for option in item.options} else None
        elif item.type == "reference":
            value = person.reference
        if value is not None and not _is_wrong(form, item.link_id, value):
            row[item.link_id] = value
    return row
