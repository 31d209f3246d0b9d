"""Publishing: each kind of broken definition is refused with a code and a place of its own."""

import ast
import copy
import hashlib
import json
import unicodedata
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import form_words, forms
from app.domain.forms import FormError
from tests.small_forms import LABEL, RICH, SCORED, YES_NO, answer, calc, form, item, publish_error, raw_form, rule, when

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
PICK = {"type": "choice", "options": YES_NO}
SHOWN = {"type": "display"}
WEIGHTS = [PICK | {"options": [{"code": "a", "label": LABEL, "weight": bad}]} for bad in ("1e2", "x", "", ".5", "1,5")]
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
    "bounds_invalid ": [PICK | {"multiple": True, "min": 3, "max": 2}, {"type": "decimal", "min": "1", "max": "0.5"}],
    "bounds_not_allowed ": [PICK | {"min": 1}, {"type": "phone", "max": 20}],
    "multiple_not_allowed": [{"multiple": True}, {"type": "text", "multiple": True}],
    "weight_invalid /options/0/weight": WEIGHTS,
    "invalid /options/0/weight": [PICK | {"options": [{"code": "a", "label": LABEL, "weight": 2}]}],
    "display_rule_not_allowed": [
        SHOWN | {"required": True},
        SHOWN | {"default": "x"},
        SHOWN | {"prefill": "customer.name"},
        SHOWN | calc(1),
        SHOWN | {"constraints": [rule("a", True)]},
    ],
    "group_rule_not_allowed ": [INNER | calc(1), INNER | {"repeats": True} | calc(1)],
    "invalid /sensitivity": [{"sensitivity": "secret"}],
    "invalid /retention": [{"retention": "forever"}],
    "prefill_unknown /prefill": [{"prefill": "customer.password"}, {"prefill": "dossier.personal"}, {"prefill": ""}],
    "prefill_type /prefill": [
        {"prefill": "customer.name"},
        {"type": "date", "prefill": "customer.age"},
        INNER | {"prefill": "household.children"},
        {"prefill": "household.children"},
    ],
    "extract_unknown /extract": [{"extract": "customer.name"}, {"extract": "household.children"}],
    "extract_type /extract": [{"extract": "customer.birthday"}, {"type": "attachment", "extract": "dossier.a.b"}],
    "calculated_rule_not_allowed": [{"default": 1} | calc(1), {"prefill": "customer.age"} | calc(1)],
    "constraint_duplicate /constraints/1": [{"constraints": [rule("same", True), rule("same", True)]}],
    "invalid /constraints/0/severity": [{"constraints": [rule("a", True, "fatal")]}],
    "key_missing /constraints/0/message/zh": [{"constraints": [rule("a", True) | {"message": {"en": "x"}}]}],
    "key_missing /calculated/expr": [{"calculated": {}}],
    "invalid /calculated/round": [calc(1, "3")],
    "link_id_duplicate /items/0": [{"type": "group", "items": [item("a")]}],
}


@pytest.mark.parametrize("expected", BROKEN)
def test_item_that_breaks_a_publish_rule_is_refused(expected: str) -> None:
    code, _, pointer = expected.partition(" ")  # a blank at the end only tells two lines apart
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


# --- calculations and constraints ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"type": "money"} | calc(["mul", answer("m"), answer("m")]), "expr_money_product", "/calculated/expr"),
        (calc(["add", 1, ["pow", 2]]), "expr_op", "/calculated/expr/2"),
        (calc(["answer", "nobody"]), "expr_link", "/calculated/expr"),
        (calc(answer("inside")), "expr_scope", "/calculated/expr"),
        (calc(answer("shown")), "expr_link", "/calculated/expr"),
        (calc(answer("a")), "calculated_self", "/calculated/expr"),
        (calc(answer("m")), "calculated_type", "/calculated"),
        (calc("text"), "calculated_type", "/calculated"),
        ({"type": "money"} | calc(answer("n")), "calculated_type", "/calculated"),
        ({"type": "boolean"} | calc(answer("n")), "calculated_type", "/calculated"),
        ({"type": "phone"} | calc("x"), "calculated_type", "/calculated"),
        ({"type": "attachment"} | calc(None), "calculated_type", "/calculated"),
        ({"type": "choice", "options": YES_NO} | calc("maybe"), "calculated_type", "/calculated"),
        ({"type": "choice", "options": YES_NO} | calc(answer("pick")), "calculated_type", "/calculated"),
        ({"type": "choice", "options": YES_NO} | calc(["context", "gender"]), "calculated_type", "/calculated"),
        (calc(1, "none"), "calculated_round", "/calculated"),
        (calc(1, "fen"), "calculated_round", "/calculated"),
        ({"type": "money"} | calc(answer("m"), "2"), "calculated_round", "/calculated"),
        ({"type": "boolean"} | calc(True, "integer"), "calculated_round", "/calculated"),
        ({"constraints": [rule("c", answer("n"))]}, "constraint_type", "/constraints/0/expr"),
        ({"constraints": [rule("c", True), rule("d", [">", answer("m"), answer("n")])]}, "expr_money_number",
         "/constraints/1/expr"),
        ({"constraints": [rule("c", ["=", answer("pick"), "lwo"])]}, "expr_option", "/constraints/0/expr"),
    ],
)  # fmt: skip
def test_expression_that_cannot_work_is_refused(change: dict[str, Any], code: str, pointer: str) -> None:
    others = [item("n"), item("m", "money"), item("pick", "choice", options=SCORED), item("shown", "display")]
    others += [item("rows", "group", repeats=True, items=[item("inside")])]
    assert publish_error(item("a") | change, *others) == (code, f"/items/0{pointer}")


def test_circle_of_calculations_and_conditions_is_named() -> None:
    chain = [item("a", **calc(answer("b"))), item("b", **calc(answer("c")))]
    chain += [item("c", enable_when=[when("a", ">", 1)])]
    with pytest.raises(FormError) as caught:
        forms.load_definition(raw_form(*chain))
    error = caught.value
    assert (error.code, set(error.detail.split(" → "))) == ("calculated_cycle", {"a", "b", "c"})
    assert error.detail.split(" → ")[0] == error.detail.split(" → ")[-1]
    assert error.detail in error.message["zh"]
    cost = item("cost", enable_when=[when("total", ">", 1)])
    rows = item("kids", "group", repeats=True, items=[cost])
    assert publish_error(item("total", **calc(["sum", ["rows", "cost"]])), rows)[0] == "calculated_cycle"
    scored = item("g", "group", items=[item("q", "choice", options=SCORED, enable_when=[when("total", ">", 1)])])
    assert publish_error(item("total", **calc(["sum_weights", "g"])), scored)[0] == "calculated_cycle"


def test_all_expressions_together_have_a_budget() -> None:
    heavy = calc(["add", *[["sum", ["rows", "cost"]]] * 80])  # 1,761 each
    rows = item("kids", "group", repeats=True, items=[item("cost")])
    assert len(form(rows, *(item(f"i{n}", **heavy) for n in range(22))).index) == 24
    assert publish_error(rows, *(item(f"i{n}", **heavy) for n in range(23))) == ("expr_budget", "/items")
    asked = [when("first", "=", n) for n in range(20)]
    many = [item("first"), *(item(f"i{n}", enable_when=asked) for n in range(101))]
    assert publish_error(item("kids", "group", repeats=True, items=many)) == ("expr_budget", "/items")
    codes = [{"code": f"o{n}", "label": LABEL, "weight": "1"} for n in range(50)]
    several = item("g", "group", items=[item(f"m{n}", "choice", options=codes, multiple=True) for n in range(39)])
    scored = calc(["sum_weights", "g"])  # 39 questions of 50 codes
    assert publish_error(several, *(item(f"i{n}", **scored) for n in range(21))) == ("expr_budget", "/items")
    inner = [item("cost"), item("x", **heavy), item("y", **heavy)]  # for each of 20 rows
    assert publish_error(item("kids", "group", repeats=True, items=inner)) == ("expr_budget", "/items")


def test_form_says_whom_it_is_about_and_where_it_comes_from() -> None:
    plain, rich = form(item("a")), forms.load_definition(RICH)
    assert (plain.subject, plain.derived_from, plain.semantic_change) == ("any", None, False)
    assert (rich.subject, rich.derived_from) == ("individual", "1.1.0")
    assert publish_error(item("a"), subject="pet") == ("invalid", "/subject")
    assert publish_error(item("a"), derived_from="1.0.0") == ("derived_from_not_lower", "/derived_from")
    assert publish_error(item("a"), version="1.10.0", derived_from="1.9.0", semantic_change=1)[1] == "/semantic_change"
    assert form(item("a"), version="1.10.0", derived_from="1.9.0").version == "1.10.0"


def test_two_items_do_not_write_to_one_place() -> None:
    both = [item(name, "text", extract="dossier.personal.food") for name in ("a", "b")]
    assert publish_error(*both) == ("extract_duplicate", "/items/1/extract")
    inner = item("a", "text", extract="dossier.personal.food")
    assert publish_error(item("g", "group", repeats=True, items=[inner])) == (
        "extract_type",
        "/items/0/items/0/extract",
    )


# --- catch-all questions (保险销售行为管理办法, article 27) -----------------------------------------------------------


@pytest.mark.parametrize(
    "zh",
    [
        "是否还有其他未告知的情况", "其他需要说明的事项", "其他情况", "有无其他异常", "还有什么需要补充说明的吗?",
        "除上述之外是否有其他疾病?", "是否存在未如实告知的事项", "其它应告知事项", "任何可能影响承保的情况",
        "除此之外，您还患有其他疾病吗?", "请补充其他健康情况", "其他情况说明", "您是否有影响投保的情形?",
        "其他说明事项", "您是否有其他问题?", "未尽事项", "是否有其它需要我们注意的健康情况", "前述以外的症状",
    ],
)  # fmt: skip
def test_catch_all_question_in_chinese_is_refused(zh: str) -> None:
    asked = {"label": {"zh": zh, "en": "A question"}}
    assert publish_error(item("a", "boolean", **asked)) == ("catch_all_question", "/items/0/label/zh")
    assert publish_error(item("a", "text", **asked))[0] == "catch_all_question"
    assert publish_error(item("a", "choice", options=YES_NO, required=True, **asked))[0] == "catch_all_question"
    assert form(item("a", "choice", options=YES_NO, **asked), item("b", "display", **asked)).index
    helped = item("a", "text", help=asked["label"])
    assert publish_error(helped) == ("catch_all_question", "/items/0/help/zh")


@pytest.mark.parametrize(
    "en",
    [
        "Is there anything else we should know?", "Any other information", "Anything you have not disclosed?",
        "Other matters that need to be disclosed", "Do you have any other circumstances to report?",
        "Any illness besides the above?", "Is there any fact that may affect our decision?", "Other matters",
        "Is there anything we should know?", "Do you have any other illness?", "Have you withheld anything?",
        "Is there something else you would like to add?", "All other facts that were not mentioned",
    ],
)  # fmt: skip
def test_catch_all_question_in_english_is_refused(en: str) -> None:
    label = {"zh": "问题", "en": en}
    assert publish_error(item("a", "boolean", label=label)) == ("catch_all_question", "/items/0/label/en")


@pytest.mark.parametrize(
    ("zh", "en"),
    [
        ("是否有其他保险", "Do you hold policies of other insurers?"), ("其他收入(每年)", "Other income a year"),
        ("其他债务余额", "Other debts outstanding"), ("其他补充医疗保险", "Other supplementary medical insurance"),
        ("备注", "Notes"), ("其他需要赡养的人", "Other people you support"),
        ("请说明其他收入的来源", "Where other income comes from"),
        ("是否吸烟", "Do you smoke?"), ("近两年是否住院", "Were you in hospital in the last two years?"),
        ("您对服务的其他建议", "Suggestions for our service"), ("其他资产", "Other assets"),
        ("还有几年退休", "Years until retirement"),
        ("是否有未结清的贷款", "Are there loans not yet paid off?"), ("其他兴趣爱好", "Other hobbies"),
        ("上述保单是否仍有效", "Are the policies above in force?"), ("是否需要说明书", "Do you want the brochure?"),
        ("收入及其他信息来源", "Income and other information"), ("请说明其他房产的位置", "Where other property is"),
        ("是否患过高血压", "Have you ever had high blood pressure?"), ("您最看重什么?", "Anything but price?"),
    ],
)  # fmt: skip
def test_question_about_one_thing_may_be_asked(zh: str, en: str) -> None:
    asked = {"label": {"zh": zh, "en": en}, "required": True}
    assert form(item("a", "text", **asked), item("b", "boolean", **asked)).index


# --- anything at all -------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def places(node: Any) -> list[tuple[Any, Any]]:
    """Every container of the definition with every key in it."""
    pairs = list(node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ())
    return [(node, key) for key, _ in pairs] + [place for _, part in pairs for place in places(part)]


@settings(max_examples=150, deadline=None)
@given(st.data(), JSON)
def test_no_definition_makes_publishing_raise_anything_else(data: st.DataObject, value: Any) -> None:
    raw = json.loads(json.dumps(RICH))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(raw)))
        words = st.sampled_from([value, "kids", "cost", ["rows", "cost"], ["answer", "income"], True, 1, "choice"])
        container[key] = copy.deepcopy(data.draw(words))  # a list put into itself would be no JSON
    try:
        forms.load_definition(raw)
    except FormError as error:
        said = error.message
    else:
        said = {"zh": "可用", "en": "fine"}
    assert all(said.values())


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_json_that_is_no_definition_is_refused(value: Any) -> None:
    with pytest.raises(FormError):
        forms.load_definition(value)


def test_every_code_has_its_words() -> None:
    said = set[str]()
    for file in Path(forms.__file__).parent.glob("*.py"):
        if not file.name.startswith(("form", "expression")):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).rpartition(".")[2]
                place = {"require": 1, "FormError": 0, "Wrong": 0, "note": 0, "_note": 1}.get(name)
                code = node.args[place] if place is not None and len(node.args) > place else None
                said |= {part.value for part in ast.walk(code) if isinstance(part, ast.Constant)
                         and isinstance(part.value, str) and len(part.value) > 4} if code else set()  # fmt: skip
    assert len(said) > 60
    words = {code.partition("_")[0] for code in form_words.MESSAGES}
    assert {code for code in said if code not in form_words.MESSAGES and code.partition("_")[0] in words} == set()
