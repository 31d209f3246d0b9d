"""Publishing: each kind of broken definition is refused with a code and a place of its own."""

import hashlib
import json
import unicodedata
from importlib.resources import files
from typing import Any

import pytest

from app.domain import forms
from app.domain.forms import FormError
from tests.small_forms import LABEL, YES_NO, form, item, publish_error, raw_form, when

LIFE_HASH = "sha256:0107bc6e5f16786f32f70306144d49d059334c37dd9edbacd2da62f5d5a9aa10"


def test_definition_loads_with_places_and_order() -> None:
    definition = form(item("b", enable_when=[when("a", "=", 1)]), item("g", "group", items=[item("a")]))
    assert (definition.index["a"].parent, definition.index["a"].pointer) == ("g", "/items/1/items/0")
    assert definition.slots[None] == ("b", "g", "a")
    assert definition.order[None].index("a") < definition.order[None].index("b")


DEFAULTS: list[dict[str, Any]] = [{"default": True}, {"default": 11, "max": 10}, {"type": "text", "default": 1}]
DEFAULTS += [{"type": "choice", "options": YES_NO, "default": "maybe"}]
RANGES: list[dict[str, Any]] = [{"min": 5, "max": 4}, {"min": "1"}, {"min": True}, {"type": "money", "min": -1}]
RANGES += [{"type": "rate", "min": "x"}, {"type": "date", "max": "2026-02-30"}, {"type": "text", "max": 2001}]
INNER = {"type": "group", "items": [item("b")]}
BROKEN: dict[str, list[dict[str, Any]]] = {
    "key_unknown /a~1b~0": [{"a/b~": 1}],
    "key_missing /label/en": [{"label": {"zh": "标签"}}],
    "key_missing /help/zh": [{"help": {"en": "Only English"}}],
    "invalid /label/en": [{"label": {"zh": "标签", "en": "  "}}, {"label": {"zh": "长", "en": "x" * 201}}],
    "invalid /link_id": [{"link_id": "Income"}, {"link_id": "income\n"}, {"link_id": "收入"}, {"link_id": "a" * 65}],
    "invalid /type": [{"type": "picture"}, {"type": ["integer"]}],
    "invalid /required": [{"required": "true"}, {"required": 1}],
    "number_not_integer /default": [{"default": 1.0}],
    "default_invalid /default": DEFAULTS,
    "bounds_invalid": [*RANGES, INNER | {"repeats": True, "max": 21}],
    "bounds_not_allowed": [{"type": "boolean", "max": 1}],
    "repeats_not_allowed": [{"repeats": True}],
    "repeats_not_allowed /items/0": [INNER | {"repeats": True, "items": [item("b") | INNER | {"repeats": True}]}],
    "items_not_allowed": [{"items": [item("b")]}],
    "items_missing": [{"type": "group"}],
    "options_invalid": [{"type": "choice"}, {"options": YES_NO}],
    "option_duplicate": [{"type": "choice", "options": YES_NO + YES_NO[:1]}],
    "group_rule_not_allowed": [INNER | {"required": True}, INNER | {"min": 1}, INNER | {"default": 1}],
    "link_id_duplicate /items/0": [{"type": "group", "items": [item("a")]}],
}


@pytest.mark.parametrize("expected", BROKEN)
def test_item_that_breaks_a_publish_rule_is_refused(expected: str) -> None:
    code, _, pointer = expected.partition(" ")
    for change in BROKEN[expected]:
        assert publish_error(item("a") | change) == (code, f"/items/0{pointer}"), change


def test_condition_that_cannot_work_is_refused() -> None:
    others = [item("flag", "boolean"), item("word", "text"), item("pick", "choice", options=YES_NO)]
    others += [item("plain", "group", items=[item("inner")])]
    others += [item("rows", "group", repeats=True, items=[item("cost")])]
    for condition, code in (
        (when("missing", "=", 1), "enable_when_target"),
        (when("plain", "exists", True), "enable_when_target"),
        (when("cost", "=", 1), "enable_when_target"),
        (when("flag", ">", True), "enable_when_op"),
        (when("word", "<", "a"), "enable_when_op"),
        (when("flag", "=", 1), "enable_when_value"),
        (when("flag", "exists", "yes"), "enable_when_value"),
        (when("pick", "=", "maybe"), "enable_when_value"),
    ):
        assert publish_error(item("a", enable_when=[condition]), *others) == (code, "/items/0/enable_when/0")


def test_conditions_in_a_circle_are_refused_even_through_a_group() -> None:
    assert publish_error(item("a", enable_when=[when("a", "=", 1)])) == ("enable_when_self", "/items/0/enable_when/0")
    first, second = item("a", enable_when=[when("b", "=", 1)]), item("b", enable_when=[when("a", "=", 1)])
    assert publish_error(first, second)[0] == "enable_when_cycle"
    own_child = item("g", "group", items=[item("a")], enable_when=[when("a", "=", 1)])
    assert publish_error(own_child)[0] == "enable_when_cycle"


def nested(depth: int) -> dict[str, Any]:
    inner = item("leaf")
    for level in range(depth - 1):
        inner = item(f"level_{level}", "group", items=[inner])
    return inner


def test_sizes_are_bounded_exactly() -> None:
    assert publish_error() == ("invalid", "/items")
    assert len(form(*(item(f"i{n}") for n in range(500))).index) == 500
    assert publish_error(*(item(f"i{n}") for n in range(501))) == ("too_many", "/items/500")
    assert "leaf" in form(nested(8)).index
    assert [publish_error(nested(depth))[0] for depth in (9, 50)] == ["too_deep"] * 2
    options = [{"code": f"o{n}", "label": LABEL} for n in range(201)]
    assert publish_error(item("a", "choice", options=options)) == ("too_many", "/items/0/options")


@pytest.mark.parametrize("version", ["1.0", "01.0.0", "1.0.0-rc", "1.0.0\n", "١.0.0", 1])
def test_version_that_is_not_three_numbers_is_refused(version: object) -> None:
    assert publish_error(item("a"), version=version) == ("invalid", "/version")


def test_content_hash_ignores_key_order_and_unicode_form_only() -> None:
    raw = raw_form(item("a", label={"zh": "é", "en": "é"}))
    same = dict(reversed(list(json.loads(json.dumps(raw)).items())))
    same["items"][0]["label"] = {"en": unicodedata.normalize("NFD", "é"), "zh": "é"}
    assert forms.content_hash(same) == forms.content_hash(raw) == forms.load_definition(same).content_hash
    same["items"][0]["label"]["en"] = "e"
    assert forms.content_hash(same) != forms.content_hash(raw)
    expected = hashlib.sha256('{"a":"é","b":[1,true,null]}'.encode()).hexdigest()
    assert forms.content_hash({"b": [1, True, None], "a": "é"}) == "sha256:" + expected


@pytest.mark.parametrize(
    ("raw", "code", "pointer"),
    [
        ({"a": [0, 1.0]}, "number_not_integer", "/a/1"),
        ({"a": 2**53}, "value_not_allowed", "/a"),
        ({"a": "x\x00"}, "text_invalid", "/a"),
        ({"a": "\ud800"}, "text_invalid", "/a"),
        ({"\u00e9": 1, "e\u0301": 2}, "key_duplicate", ""),
    ],
)
def test_content_that_has_no_canonical_form_is_refused(raw: dict[str, Any], code: str, pointer: str) -> None:
    with pytest.raises(FormError) as caught:
        forms.content_hash(raw)
    assert (caught.value.code, caught.value.pointer) == (code, pointer)


def test_published_forms_load_and_are_named_after_themselves() -> None:
    for raw in forms.published_forms():
        definition = forms.load_definition(raw)
        name = f"{definition.form_key}-{definition.version}.json"
        assert files("app.domain").joinpath("published", name).is_file()
    # A published form never changes: a new text is a new version in a new file.
    hashes = {raw["form_key"]: forms.content_hash(raw) for raw in forms.published_forms() if raw["version"] == "1.0.0"}
    assert hashes["needs.life"] == LIFE_HASH
