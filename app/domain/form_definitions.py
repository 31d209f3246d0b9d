"""Publishing a form: every check a definition must pass, and the definition as the engine uses it. Pure.

One read is permitted in this package: `published_forms` and `published_maps` take what is shipped as package data.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from pydantic import TypeAdapter

from app.domain import form_lint, form_plans, form_types
from app.domain.form_shapes import (
    MAX_DEPTH,
    MAX_ISSUES,
    MAX_ITEMS,
    Draft,
    FormDefinition,
    FormError,
    Item,
    Place,
    content_hash,
    noting,
    read_shape,
    require,
    shape_problems,
    version_key,
)

_DRAFT = TypeAdapter(Draft)
_CHOICES = ("choice", "open_choice")
# Equality is all that can be asked of these, and nothing at all of the others but whether they are answered.
_EQUAL = {"boolean", "text", "choice", "open_choice", "reference", "id_number", "phone"} | form_types.ORDERED


def load_definition(raw: Mapping[str, object]) -> FormDefinition:
    """Check a definition as publishing must and return it with its hash; strings come back in NFC.

    FormError, with a code and pointer for each kind of mistake (`form_words`): its shape (zh and en everywhere), 500
    items, depth 8, unique link_ids and option codes, bounds, defaults, weights, prefill and extract, conditions that
    can be asked, expressions that are typed and within their limits, no circles, no catch-all question.
    """
    draft = _read(raw)
    index = _index(draft, None)
    _check_together(index, None)
    return _definition(raw, draft, index, form_plans.plan(index))


def _definition(
    raw: Mapping[str, object], draft: Draft, index: Mapping[str, Place], plan: Mapping[str, form_plans.Step]
) -> FormDefinition:
    scopes = {place.scope for place in index.values()}
    return FormDefinition(
        form_key=draft.form_key,
        version=draft.version,
        title=draft.title,
        items=draft.items,
        content_hash=content_hash(raw),
        index=index,
        slots={scope: tuple(one for one in index if index[one].scope == scope) for scope in scopes},
        order={scope: tuple(one for one in plan if index[one].scope == scope) for scope in scopes},
        subject=draft.subject,
        derived_from=draft.derived_from,
        semantic_change=draft.semantic_change,
        plan=plan,
    )


def examine(raw: Mapping[str, object]) -> tuple[FormDefinition | None, list[FormError]]:
    """The definition, or all that keeps it from being published, in the order it is written, at most 100.

    What rests on something broken is not judged: items not before the shape is right, expressions not before the
    items are, circles not before the expressions are.
    """
    found = shape_problems(_DRAFT, raw)
    if found:
        return None, found[:MAX_ISSUES]
    draft: Draft = read_shape(_DRAFT, raw)
    with noting(found):
        _check_origin(draft)
    index, plan = _index(draft, found), dict[str, form_plans.Step]()
    if not found:
        _check_together(index, found)
    if not found:
        plan = form_plans.plan(index, found)
    return (None, found[:MAX_ISSUES]) if found else (_definition(raw, draft, index, plan), [])


def problems(raw: Mapping[str, object]) -> list[FormError]:
    """All that keeps a definition from being published (`examine`); [] when nothing does."""
    return examine(raw)[1]


def published_forms() -> list[dict[str, Any]]:
    """Raw definitions shipped with the package, by file name: package data, the one read permitted in the domain."""
    folder = files(__package__).joinpath("published")
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".json"))
    return [json.loads(folder.joinpath(name).read_bytes()) for name in names]


def published_maps() -> list[dict[str, Any]]:
    """Migration maps shipped beside the forms, each with the `form_key` and `name` it is published under."""
    folder = files(__package__).joinpath("published", "maps")
    found = folder.iterdir() if folder.is_dir() else ()
    return [json.loads(file.read_bytes()) for file in sorted(found, key=lambda file: file.name)]


def _read(raw: object) -> Draft:
    draft: Draft = read_shape(_DRAFT, raw)
    _check_origin(draft)
    return draft


def _check_origin(draft: Draft) -> None:
    if draft.derived_from is not None:
        lower = version_key(draft.derived_from) < version_key(draft.version)
        require(lower, "derived_from_not_lower", "/derived_from")


def _index(draft: Draft, found: list[FormError] | None) -> dict[str, Place]:
    """Every item by its link_id. With a list what is wrong is noted there, and the item left out."""
    index = dict[str, Place]()
    for place in _places(draft.items, None, "", 1, found):
        link_id = place.item.link_id
        with noting(found):
            require(link_id not in index, "link_id_duplicate", place.pointer, link_id)
            require(len(index) < MAX_ITEMS, "too_many", place.pointer)
            index[link_id] = place
    return index


def _check_together(index: Mapping[str, Place], found: list[FormError] | None) -> None:
    with noting(found):
        _check_targets(index)
    for place in index.values():
        with noting(found):
            _check_conditions(place, index)


def _places(
    items: tuple[Item, ...], parent: Place | None, at: str, depth: int, found: list[FormError] | None
) -> Iterator[Place]:
    require(not items or depth <= MAX_DEPTH, "too_deep", at)
    scope = None if parent is None else parent.item.link_id if parent.item.repeats else parent.scope
    for n, item in enumerate(items):
        here = f"{at}/items/{n}"
        place = Place(item, parent.item.link_id if parent else None, scope, here, None)
        with noting(found):
            _check_item(item, scope, here)
            place = dataclasses.replace(place, bounds=form_types.bounds(item, here))
            if item.default is not None:
                default = form_types.reader(item, place.bounds)(item.default)
                require(default.__class__ is not form_types.Wrong, "default_invalid", f"{here}/default")
        yield place
        with noting(found):
            yield from _places(item.items, place, here, depth + 1, found)


def _check_item(item: Item, scope: str | None, at: str) -> None:
    """What can be said of an item without looking at any other."""
    is_group, is_choice = item.type == "group", item.type in _CHOICES
    require(bool(item.items) == is_group, "items_missing" if is_group else "items_not_allowed", at)
    require(bool(item.options) == is_choice, "options_invalid", at)
    require(len({option.code for option in item.options}) == len(item.options), "option_duplicate", at)
    for n, option in enumerate(item.options):
        fine = option.weight is None or form_types.DECIMAL.fullmatch(option.weight)
        require(fine, "weight_invalid", f"{at}/options/{n}/weight")
    require(is_choice or not item.multiple, "multiple_not_allowed", at)
    # No rows within rows: a small body could then ask for millions of condition checks.
    require(not item.repeats or (is_group and scope is None), "repeats_not_allowed", at)
    plain = (item.required, item.min, item.max) == (False, None, None)
    unasked = item.default is None and item.calculated is None
    require(not is_group or ((item.repeats or plain) and unasked), "group_rule_not_allowed", at)
    if item.type == "display":
        silent = plain and unasked and not item.constraints and item.prefill is None and item.extract is None
        require(silent, "display_rule_not_allowed", at)
    if item.calculated is not None:
        computed = item.default is None and item.prefill is None and not item.multiple
        require(computed, "calculated_rule_not_allowed", at)
    keys = [constraint.key for constraint in item.constraints]
    for n, key in enumerate(keys):
        require(key not in keys[:n], "constraint_duplicate", f"{at}/constraints/{n}", key)
    form_lint.check_wording(item, at)
    form_lint.check_sources(item, scope, at)


def _check_targets(index: Mapping[str, Place]) -> None:
    """Nothing is written from two places."""
    owners = dict[str, str]()
    for link_id, place in index.items():
        target = place.item.extract
        if target is not None:
            first = owners.setdefault(target, link_id)
            require(first == link_id, "extract_duplicate", f"{place.pointer}/extract", target)


def _check_conditions(place: Place, index: Mapping[str, Place]) -> None:
    for n, condition in enumerate(place.item.enable_when):
        at, asked, target = f"{place.pointer}/enable_when/{n}", condition.question, index.get(condition.question)
        require(asked != place.item.link_id, "enable_when_self", at, asked)
        if target is None or target.item.type in ("group", "display") or target.scope not in (None, place.scope):
            raise FormError("enable_when_target", at, asked)
        value, exists, kind = condition.value, condition.op == "exists", target.item.type
        equal = condition.op in ("=", "!=") and kind in _EQUAL
        require(exists or equal or kind in form_types.ORDERED, "enable_when_op", at, condition.op)
        if exists:
            fits = isinstance(value, bool)
        else:
            # A condition names one option, also of several, and never somebody's own words.
            read = form_types.reader(target.item, target.bounds, "choice" if kind in _CHOICES else None)
            fits = read(value).__class__ is not form_types.Wrong
        require(fits, "enable_when_value", at)
