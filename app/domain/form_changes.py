"""How much a new version of a form changes, and whether its number says so. Pure.

patch: words only (a typo). minor: what old answers need not know of, such as a new optional item or option. major:
whatever could make an old answer wrong, missing or mean something else (SDC: such a change SHALL change the version).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from app.domain.form_shapes import Constraint, FormDefinition, Item, Option, Place, require, version_key

Level = Literal["patch", "minor", "major"]
LEVELS: tuple[Level, ...] = ("patch", "minor", "major")
# A change of these changes what an answer means or whether it is asked; of those it only changes what is done with it.
_MEANING = ("type", "multiple", "repeats", "default", "enable_when", "enable_behavior")
_HANDLING = ("sensitivity", "retention", "prefill", "extract")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `code` says what, `link_id` where (empty for the form itself), `detail` which option or rule."""

    level: Level
    code: str
    link_id: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """All differences, the greatest level of them (patch where nothing differs)."""

    level: Level
    changes: tuple[Change, ...]

    def to_json(self) -> dict[str, Any]:
        """For an author to read before publishing."""
        listed = [
            {"level": one.level, "code": one.code, "link_id": one.link_id, "detail": one.detail} for one in self.changes
        ]
        return {"level": self.level, "changes": listed}


def compare(old: FormDefinition, new: FormDefinition) -> Changes:
    """What differs between two versions of a form, item by item."""
    found = [*_form_changes(old, new)]
    for link_id, place in old.index.items():
        if link_id in new.index:
            found += _item_changes(link_id, place, new.index[link_id])
        else:
            found.append(Change("major", "item_removed", link_id))
    for link_id, place in new.index.items():
        if link_id not in old.index:
            found += _new_item(link_id, place.item)
    level = max((one.level for one in found), key=LEVELS.index, default=LEVELS[0])
    return Changes(level, tuple(found))


def check_successor(old: FormDefinition, new: FormDefinition) -> Changes:
    """The changes, when `new` may follow `old`.

    FormError: form_key_differs; derived_from_differs (when it names another predecessor); version_not_higher;
    version_too_low, its detail the level: 1.4.2 is followed by 1.4.3 at least after a patch, 1.5.0 after a minor
    change, 2.0.0 after a major one.
    """
    require(old.form_key == new.form_key, "form_key_differs", "/form_key")
    require(new.derived_from in (None, old.version), "derived_from_differs", "/derived_from")
    before, after = version_key(old.version), version_key(new.version)
    require(after > before, "version_not_higher", "/version")
    found = compare(old, new)
    raised = LEVELS[2 - next(n for n in range(3) if after[n] != before[n])]
    require(LEVELS.index(raised) >= LEVELS.index(found.level), "version_too_low", "/version", found.level)
    return found


def _form_changes(old: FormDefinition, new: FormDefinition) -> Iterator[Change]:
    if new.semantic_change:
        yield Change("major", "semantic_change", "")
    if old.subject != new.subject:
        yield Change("major", "subject_changed", "")
    if old.title != new.title:
        yield Change("patch", "title_changed", "")
    kept = [link_id for link_id in old.index if link_id in new.index]
    if kept != [link_id for link_id in new.index if link_id in old.index]:
        yield Change("minor", "order_changed", "")


def _new_item(link_id: str, item: Item) -> Iterator[Change]:
    yield Change("major" if item.required else "minor", "item_added", link_id, "required" if item.required else "")
    for constraint in item.constraints:
        if constraint.severity == "error":
            yield Change("major", "constraint_added", link_id, constraint.key)


def _item_changes(link_id: str, old: Place, new: Place) -> Iterator[Change]:
    one, other = old.item, new.item
    if old.parent != new.parent:
        yield Change("major", "item_moved", link_id)
    for name in _MEANING:
        if not _same(getattr(one, name), getattr(other, name)):
            yield Change("major", f"{name}_changed", link_id)
    if _calculation(one) != _calculation(other):
        yield Change("major", "calculated_changed", link_id)
    for name in _HANDLING:
        if getattr(one, name) != getattr(other, name):
            yield Change("minor", f"{name}_changed", link_id)
    if one.required != other.required:
        yield Change("major" if other.required else "minor", "required_changed", link_id)
    if (one.label, one.help) != (other.label, other.help):
        yield Change("patch", "label_changed", link_id)
    if one.type == other.type and one.multiple == other.multiple:
        yield from _bounds_changes(link_id, old, new)
    yield from _option_changes(link_id, one.options, other.options)
    yield from _constraint_changes(link_id, one.constraints, other.constraints)


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON, where true is not 1."""
    return bool(one == other) and repr(one) == repr(other)


def _calculation(item: Item) -> str:
    return "" if item.calculated is None else repr((item.calculated.expr, item.calculated.round))


def _bounds_changes(link_id: str, old: Place, new: Place) -> Iterator[Change]:
    if old.bounds is None or new.bounds is None or old.bounds == new.bounds:
        return
    (low, high), (least, most) = old.bounds, new.bounds
    if old.item.type == "group":  # the least number of rows also says whether any are required: told elsewhere
        low, least = old.item.min or 0, new.item.min or 0
        if (low, high) == (least, most):
            return
    tighter = least > low or most < high
    yield Change("major" if tighter else "minor", "bounds_tightened" if tighter else "bounds_widened", link_id)


def _option_changes(link_id: str, old: tuple[Option, ...], new: tuple[Option, ...]) -> Iterator[Change]:
    before, after = ({option.code: option for option in options} for options in (old, new))
    for code, option in before.items():
        other = after.get(code)
        if other is None:
            yield Change("major", "option_removed", link_id, code)
            continue
        if option.weight != other.weight:
            yield Change("major", "weight_changed", link_id, code)
        if option.label != other.label:
            yield Change("patch", "option_label_changed", link_id, code)
    for code in after:
        if code not in before:
            yield Change("minor", "option_added", link_id, code)
    kept = [code for code in before if code in after]
    if kept != [code for code in after if code in before]:
        yield Change("minor", "option_order_changed", link_id)


def _constraint_changes(link_id: str, old: tuple[Constraint, ...], new: tuple[Constraint, ...]) -> Iterator[Change]:
    before, after = ({constraint.key: constraint for constraint in rules} for rules in (old, new))
    for key, constraint in before.items():
        other = after.get(key)
        if other is None:
            yield Change("minor", "constraint_removed", link_id, key)
            continue
        if not _same(constraint.expr, other.expr):
            yield Change("major", "constraint_changed", link_id, key)
        if constraint.severity != other.severity:
            yield Change("major" if other.severity == "error" else "minor", "constraint_changed", link_id, key)
        if constraint.message != other.message:
            yield Change("patch", "constraint_message_changed", link_id, key)
    for key, constraint in after.items():
        if key not in before:
            stops = constraint.severity == "error"
            yield Change("major" if stops else "minor", "constraint_added", link_id, key)
