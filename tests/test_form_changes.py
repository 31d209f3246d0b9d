"""How much a new version changes, and the way of answers from one version to the next."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import form_changes, form_migrations, forms
from app.domain.forms import FormDefinition, FormError
from tests.small_forms import LABEL, RICH, SCORED, YES_NO, answer, calc, form, item, raw_form, rule, when

Raw = dict[str, Any]
TYPO = {"zh": "标 签", "en": "Labell"}
BASE = raw_form(
    item("n", min=0, max=10),
    item("m", "money", constraints=[rule("cap", ["<", answer("m"), 100], "warning")]),
    item("pick", "choice", options=SCORED),
    item("twice", **calc(["mul", answer("n"), 2])),
    item("gated", enable_when=[when("n", ">", 3)]),
    item("g", "group", items=[item("x"), item("y")]),
    item("kids", "group", repeats=True, min=1, items=[item("cost", "money")]),
    version="1.4.2",
)


def changed(change: Callable[[Raw], object], version: str = "9.0.0", **more: Any) -> FormDefinition:
    raw: Raw = json.loads(json.dumps(BASE)) | {"version": version} | more
    by_name = {one["link_id"]: one for one in raw["items"]}
    change(by_name | {"form": raw})
    return forms.load_definition(raw)


def options(raw: Raw) -> list[Raw]:
    found: list[Raw] = raw["pick"]["options"]
    return found


OLD = changed(lambda raw: None, "1.4.2")
LEVELS: list[tuple[str, str, str, Callable[[Raw], object]]] = [
    ("patch", "label_changed", "n", lambda r: r["n"].update(label=TYPO)),
    ("patch", "label_changed", "n", lambda r: r["n"].update(help=TYPO)),
    ("patch", "title_changed", "", lambda r: r["form"].update(title=TYPO)),
    ("patch", "option_label_changed", "pick", lambda r: options(r)[0].update(label=TYPO)),
    ("patch", "constraint_message_changed", "m", lambda r: r["m"]["constraints"][0].update(message=TYPO)),
    ("minor", "item_added", "new", lambda r: r["form"]["items"].append(item("new"))),
    ("minor", "option_added", "pick", lambda r: options(r).append({"code": "mid", "label": LABEL})),
    ("minor", "option_order_changed", "pick", lambda r: options(r).reverse()),
    ("minor", "order_changed", "", lambda r: r["form"]["items"].reverse()),
    ("minor", "bounds_widened", "n", lambda r: r["n"].update(max=11)),
    ("minor", "bounds_widened", "kids", lambda r: r["kids"].pop("min")),
    ("minor", "constraint_removed", "m", lambda r: r["m"].pop("constraints")),
    ("minor", "constraint_added", "n", lambda r: r["n"].update(constraints=[rule("w", True, "warning")])),
    ("minor", "sensitivity_changed", "n", lambda r: r["n"].update(sensitivity="sensitive")),
    ("minor", "retention_changed", "n", lambda r: r["n"].update(retention="consent")),
    ("minor", "prefill_changed", "n", lambda r: r["n"].update(prefill="customer.age")),
    ("minor", "extract_changed", "n", lambda r: r["n"].update(extract="dossier.a.b")),
    ("major", "item_added", "new", lambda r: r["form"]["items"].append(item("new", required=True))),
    ("major", "constraint_added", "new", lambda r: r["form"]["items"].append(
        item("new", constraints=[rule("e", True)]))),
    ("major", "item_removed", "m", lambda r: r["form"]["items"].pop(1)),
    ("major", "item_removed", "x", lambda r: r["g"]["items"][0].update(link_id="renamed")),
    ("major", "item_moved", "x", lambda r: r["form"]["items"].append(r["g"]["items"].pop(0))),
    ("major", "type_changed", "m", lambda r: r["m"].update(type="integer")),
    ("major", "multiple_changed", "pick", lambda r: r["pick"].update(multiple=True)),
    ("major", "repeats_changed", "g", lambda r: r["g"].update(repeats=True)),
    ("major", "option_removed", "pick", lambda r: options(r).pop()),
    ("major", "weight_changed", "pick", lambda r: options(r)[0].update(weight="2")),
    ("major", "default_changed", "n", lambda r: r["n"].update(default=1)),
    ("major", "required_changed", "n", lambda r: r["n"].update(required=True)),
    ("major", "bounds_tightened", "n", lambda r: r["n"].update(min=1)),
    ("major", "bounds_tightened", "kids", lambda r: r["kids"].update(max=5)),
    ("major", "calculated_changed", "twice", lambda r: r["twice"].update(calc(["mul", answer("n"), 3]))),
    ("major", "calculated_changed", "twice", lambda r: r["twice"].pop("calculated")),
    ("major", "calculated_changed", "x", lambda r: r["g"]["items"][0].update(calc(1))),
    ("major", "enable_when_changed", "gated", lambda r: r["gated"]["enable_when"][0].update(value=4)),
    ("major", "enable_behavior_changed", "gated", lambda r: r["gated"].update(enable_behavior="any")),
    ("major", "constraint_changed", "m", lambda r: r["m"]["constraints"][0].update(severity="error")),
    ("major", "constraint_changed", "m", lambda r: r["m"]["constraints"][0].update(expr=True)),
    ("major", "constraint_added", "n", lambda r: r["n"].update(constraints=[rule("e", True)])),
    ("major", "semantic_change", "", lambda r: r["form"].update(semantic_change=True)),
    ("major", "subject_changed", "", lambda r: r["form"].update(subject="company")),
]  # fmt: skip


@pytest.mark.parametrize(("level", "code", "link_id", "change"), LEVELS)
def test_change_has_a_class_and_the_version_must_rise_by_it(
    level: str, code: str, link_id: str, change: Callable[[Raw], object]
) -> None:
    found = form_changes.compare(OLD, changed(change))
    assert found.level == level
    assert (level, code, link_id) in [(one.level, one.code, one.link_id) for one in found.changes]
    rises = {"patch": "1.4.3", "minor": "1.5.0", "major": "2.0.0"}
    for one, version in rises.items():
        new = changed(change, version)
        if list(rises).index(one) < list(rises).index(level):
            with pytest.raises(FormError) as caught:
                form_changes.check_successor(OLD, new)
            assert (caught.value.code, caught.value.pointer) == ("version_too_low", "/version")
            assert level in caught.value.message["en"]
        else:
            assert form_changes.check_successor(OLD, new).level == level


def test_successor_is_of_the_same_form_and_higher() -> None:
    def refused(**more: Any) -> tuple[str, str]:
        with pytest.raises(FormError) as caught:
            form_changes.check_successor(OLD, changed(lambda raw: None, **more))
        return caught.value.code, caught.value.pointer

    assert refused(version="1.4.2") == refused(version="1.3.9") == ("version_not_higher", "/version")
    assert refused(version="0.9.0")[0] == "version_not_higher"
    assert refused(form_key="test.other") == ("form_key_differs", "/form_key")
    assert refused(version="1.5.0", derived_from="1.4.1") == ("derived_from_differs", "/derived_from")
    same = form_changes.check_successor(OLD, changed(lambda raw: None, "1.4.10", derived_from="1.4.2"))
    assert same.to_json() == {"level": "patch", "changes": []}


def test_true_is_not_one_when_versions_are_compared() -> None:
    old = form(item("a", "boolean"), item("b", enable_when=[when("a", "=", True)], constraints=[rule("c", True)]))
    raw = raw_form(
        item("a"), item("b", enable_when=[when("a", "=", 1)], constraints=[rule("c", True)]), version="1.0.1"
    )
    codes = {one.code for one in form_changes.compare(old, forms.load_definition(raw)).changes}
    assert codes == {"type_changed", "enable_when_changed"}


# --- migration maps --------------------------------------------------------------------------------------------

FREQUENT = [{"code": code, "label": LABEL} for code in ("often", "never")]
FROM = form(
    item("same"), item("name", "text"), item("yuan"), item("yearly", "money"), item("share", "percent"),
    item("pick", "choice", options=YES_NO), item("words", "text"), item("smokes", "boolean"), item("gone", "text"),
    item("price", "decimal"), item("open", "open_choice", options=YES_NO),
    item("goals", "choice", options=YES_NO, multiple=True),
    item("sum", "money", **calc(["add", answer("yearly"), 1])), item("retyped"), item("bounded", max=100),
    item("kids", "group", repeats=True, items=[item("cost"), item("age")]),
    item("cars", "group", repeats=True, items=[item("plate", "text")]),
)  # fmt: skip
TO = forms.load_definition(raw_form(
    item("same"), item("full_name", "text"), item("income", "money"), item("monthly", "money"), item("part", "rate"),
    item("habit", "choice", options=FREQUENT), item("job", "choice", options=FREQUENT),
    item("smoking", "choice", options=FREQUENT),
    item("cost_fen", "money"), item("open", "open_choice", options=FREQUENT),
    item("goals", "choice", options=FREQUENT, multiple=True),
    item("sum", "money", **calc(["mul", answer("monthly"), 12])),
    item("retyped", "text"), item("bounded", max=10), item("wanted", required=True),
    item("children", "group", repeats=True, max=2, items=[item("fee", "money"), item("age")]),
    version="2.0.0",
))  # fmt: skip
TABLE = {"yes": "often", "no": "never"}
MAP: Raw = {
    "from": "1.0.0",
    "to": "2.0.0",
    "moves": [{"from": "name", "to": "full_name"}, {"from": "kids", "to": "children"}],
    "converters": [
        {"from": "yuan", "to": "income", "kind": "integer_to_money"},
        {"from": "yearly", "to": "monthly", "kind": "money_yearly_to_monthly"},
        {"from": "share", "to": "part", "kind": "percent_to_rate"},
        {"from": "pick", "to": "habit", "kind": "choice_codes", "codes": TABLE},
        {"from": "words", "to": "job", "kind": "text_to_choice", "codes": {"经常": "often"}},
        {"from": "smokes", "to": "smoking", "kind": "boolean_to_choice", "codes": {"true": "often", "false": "never"}},
        {"from": "price", "to": "cost_fen", "kind": "decimal_to_money"},
        {"from": "open", "to": "open", "kind": "choice_codes", "codes": TABLE},
        {"from": "goals", "to": "goals", "kind": "choice_codes", "codes": TABLE},
        {"from": "cost", "to": "fee", "kind": "integer_to_money"},
    ],
    "drops": ["gone"],
}
CARRY = form_migrations.load_migration(MAP, FROM, TO)
ANSWERS: Raw = {
    "same": 1, "name": "王小明", "yuan": 3, "yearly": 1_000, "share": 755, "pick": "yes", "words": " 经常 ",
    "smokes": False, "gone": "x", "price": "0.125", "open": {"text": "其他"}, "goals": ["no", "yes"], "sum": 1_001,
    "retyped": 5, "kids": [{"cost": 7, "age": 3}, {}], "cars": [{"plate": "浙A"}],
}  # fmt: skip


def test_answers_are_carried_to_a_new_draft_with_their_origin() -> None:
    made = form_migrations.migrate(CARRY, ANSWERS)
    assert made.answers == {
        "same": 1, "full_name": "王小明", "income": 300, "monthly": 83, "part": "0.0755", "habit": "often",
        "job": "often", "smoking": "never", "cost_fen": 13, "open": {"text": "其他"}, "goals": ["never", "often"],
        "children": [{"fee": 700, "age": 3}, {}],
    }  # fmt: skip
    how = {origin.pointer: (origin.source, origin.how) for origin in made.provenance}
    assert how["/answers/same"] == ("/answers/same", "kept")
    assert how["/answers/full_name"] == ("/answers/name", "moved")
    assert how["/answers/children/0/fee"] == ("/answers/kids/0/cost", "integer_to_money")
    assert how["/answers/children/0/age"] == ("/answers/kids/0/age", "kept")
    assert (made.unmapped, made.dropped, made.refused) == (["/answers/retyped", "/answers/cars"], ["/answers/gone"], [])
    report = made.report()
    assert report["open"] == [{"pointer": "/answers/wanted", "code": "required"}]
    assert (report["kept"], len(report["provenance"])) == (2, 13)
    assert "王小明" not in json.dumps(report, ensure_ascii=False)


@pytest.mark.parametrize(
    ("link_id", "value", "code"),
    [
        ("words", "从不", "not_convertible"), ("bounded", 50, "out_of_range"), ("same", "x", "wrong_type"),
        ("same", 1.5, "number_not_integer"), ("yuan", 2**52, "out_of_range"), ("kids", "x", "wrong_type"),
        ("pick", "maybe", "option_unknown"),
    ],
)  # fmt: skip
def test_answer_that_cannot_be_carried_is_listed(link_id: str, value: Any, code: str) -> None:
    made = form_migrations.migrate(CARRY, {link_id: value})
    assert made.refused == [(f"/answers/{link_id}", code)]
    assert made.provenance == []


def test_what_the_old_form_does_not_have_is_listed_without_its_name() -> None:
    made = form_migrations.migrate(CARRY, {"Wang Xiaoming": 1, "age": 3, "cars": [], "kids": [{"same": 1}]})
    assert made.unmapped == ["/answers", "/answers/age", "/answers/cars", "/answers/kids/0/same"]


def test_rows_too_many_are_listed_one_by_one() -> None:
    made = form_migrations.migrate(CARRY, {"kids": [{"age": 1}, 7, {"age": 3}, {"age": 4}]})
    assert made.answers == {"children": [{"age": 1}, {}]}
    rest = [("/answers/kids/1", "wrong_type"), ("/answers/kids/2", "row_count"), ("/answers/kids/3", "row_count")]
    assert made.refused == rest


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"to": "2.0.1"}, "map_version", "/from"), ({"from": "2.0.0"}, "map_version", "/from"),
        ({"moves": [{"from": "nobody", "to": "same"}]}, "map_source", "/moves/0/from"),
        ({"moves": [{"from": "same", "to": "nobody"}]}, "map_target", "/moves/0/to"),
        ({"moves": [{"from": "same", "to": "wanted"}, {"from": "same", "to": "same"}]}, "map_twice", "/moves/1/from"),
        ({"moves": [{"from": "same", "to": "wanted"}, {"from": "yuan", "to": "wanted"}]}, "map_twice", "/moves/1/to"),
        ({"moves": [{"from": "same", "to": "wanted"}], "drops": ["same"]}, "map_twice", "/drops/0"),
        ({"drops": ["nobody"]}, "map_source", "/drops/0"),
        ({"moves": [{"from": "same", "to": "full_name"}]}, "map_type", "/moves/0"),
        ({"moves": [{"from": "yearly", "to": "sum"}]}, "map_target", "/moves/0/to"),
        ({"moves": [{"from": "cost", "to": "same"}]}, "map_target", "/moves/0/to"),
        ({"moves": [{"from": "same", "to": "age"}]}, "map_target", "/moves/0/to"),
        ({"moves": [{"from": "age", "to": "age"}]}, "map_target", "/moves/0/to"),
        ({"converters": [{"from": "name", "to": "income", "kind": "integer_to_money"}]}, "map_type", "/converters/0"),
        ({"converters": [{"from": "pick", "to": "goals", "kind": "choice_codes", "codes": TABLE}]}, "map_type",
         "/converters/0"),
        ({"converters": [{"from": "pick", "to": "habit", "kind": "choice_codes"}]}, "map_codes", "/converters/0"),
        ({"converters": [{"from": "yuan", "to": "income", "kind": "integer_to_money", "codes": {}}]}, "map_codes",
         "/converters/0"),
        ({"converters": [{"from": "pick", "to": "habit", "kind": "choice_codes", "codes": {"maybe": "often"}}]},
         "map_codes", "/converters/0/codes"),
        ({"converters": [{"from": "pick", "to": "habit", "kind": "choice_codes", "codes": {"yes": "daily"}}]},
         "map_codes", "/converters/0/codes"),
        ({"converters": [{"from": "pick", "to": "habit", "kind": "guess"}]}, "invalid", "/converters/0/kind"),
        ({"moves": [{"from": "same"}]}, "key_missing", "/moves/0/to"), ({"extra": 1}, "key_unknown", "/extra"),
    ],
)  # fmt: skip
def test_map_that_cannot_work_is_refused(change: Raw, code: str, pointer: str) -> None:
    with pytest.raises(FormError) as caught:
        form_migrations.load_migration({"from": "1.0.0", "to": "2.0.0"} | change, FROM, TO)
    assert (caught.value.code, caught.value.pointer) == (code, pointer)
    assert all(caught.value.message.values())


@pytest.mark.parametrize(
    ("kinds", "kind", "value", "expected"),
    [
        (("money", "money"), "money_monthly_to_yearly", 5, 60),
        (("integer", "decimal"), "integer_to_decimal", -5, "-5"),
        (("rate", "percent"), "rate_to_percent", "0.07555", 756),
        (("text", "open_choice"), "text_to_open_choice", "x", {"text": "x"}),
        (("choice", "boolean"), "choice_to_boolean", "yes", True),
        (("choice", "choice"), "choice_to_list", "no", ["no"]),
        (("money", "money"), "money_yearly_to_monthly", 18, 2),
        (("decimal", "money"), "decimal_to_money", "12.345", 1235),
    ],
)  # fmt: skip
def test_converter_gives_the_new_spelling(kinds: tuple[str, str], kind: str, value: Any, expected: Any) -> None:
    def one(link_id: str, of: str) -> Raw:
        more = {"options": YES_NO} if "choice" in of else {}
        return item(link_id, of, **more) | ({"multiple": True} if (link_id, kind) == ("b", "choice_to_list") else {})

    old, new = form(one("a", kinds[0])), forms.load_definition(raw_form(one("b", kinds[1]), version="2.0.0"))
    how: Raw = {"from": "a", "to": "b", "kind": kind}
    how |= {"codes": {"yes": "true", "no": "false"}} if kind == "choice_to_boolean" else {}
    raw = {"from": "1.0.0", "to": "2.0.0", "converters": [how]}
    assert form_migrations.migrate(form_migrations.load_migration(raw, old, new), {"a": value}).answers == {
        "b": expected
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["yes", "0.5"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([*FROM.index, "stranger"]), JSON, max_size=8) | JSON)
def test_any_answers_become_a_draft_that_can_be_saved(answers: Any) -> None:
    made = form_migrations.migrate(CARRY, answers)
    errors = [i for i in forms.check_answers(TO, made.answers, complete=False) if i.severity == "error"]
    assert errors == []


@settings(max_examples=100, deadline=None)
@given(JSON | st.fixed_dictionaries({"from": st.just("1.0.0"), "to": st.just("2.0.0")}, optional={
    "moves": JSON, "drops": JSON, "converters": st.lists(st.fixed_dictionaries({
        "from": st.sampled_from(list(FROM.index)), "to": st.sampled_from(list(TO.index)),
        "kind": st.sampled_from(list(form_migrations._TYPES))}, optional={"codes": JSON}), max_size=2)}))  # fmt: skip
def test_no_map_makes_loading_raise_anything_else(raw: Any) -> None:
    try:
        loaded = form_migrations.load_migration(raw, FROM, TO)
    except FormError as error:
        said = error.message
    else:
        said = {"zh": "可用", "en": str(len(loaded.ways))}
    assert all(said.values())


def test_form_carried_onto_itself_keeps_every_answer() -> None:
    rich = forms.load_definition(RICH)
    loaded = form_migrations.load_migration({"from": "1.2.0", "to": "1.2.0"}, rich, rich)
    sent: Raw = {"income": 5, "goals": ["low"], "kids": [{"cost": 3}], "doctor": {"text": "x"}, "q1": "low"}
    made = form_migrations.migrate(loaded, sent)
    assert made.answers == sent
    assert {origin.how for origin in made.provenance} == {"kept"}
