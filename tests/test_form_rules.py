"""Answering and defaulting of forms, and the way from the shipped form to the life need."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import forms, needs
from app.domain.forms import FormDefinition, FormError
from tests.small_forms import YES_NO, form, item, when


def issues(definition: FormDefinition, answers: Any, complete: bool = False) -> list[tuple[str, str]]:
    return [(i.pointer, i.code) for i in forms.check_answers(definition, answers, complete=complete)]


LIFE = next(forms.load_definition(raw) for raw in forms.published_forms() if raw["form_key"] == "needs.life")


def test_long_chain_of_conditions_is_answered_without_recursion() -> None:
    chain = [item("i0", "boolean")]
    chain += [item(f"i{n}", "boolean", enable_when=[when(f"i{n - 1}", "=", True)]) for n in range(1, 500)]
    definition = form(*reversed(chain))
    answers: dict[str, Any] = {f"i{n}": True for n in range(500)}
    assert len(forms.effective_answers(definition, answers).values) == 500
    assert forms.effective_answers(definition, answers | {"i7": False}).values.keys() == {f"i{n}" for n in range(8)}


EVERY_TYPE = form(
    item("flag", "boolean"),
    item("count", "integer", min=-2, max=9),
    item("sum", "money"),
    item("share", "percent", min=0, max=10_000),
    item("growth", "rate", min="-0.05", max="0.20"),
    item("day", "date", min="2020-01-01"),
    item("note", "text", max=3),
    item("pick", "choice", options=YES_NO),
)


@pytest.mark.parametrize(
    ("link_id", "fine", "wrong"),
    [
        ("flag", [True, False, None], {"wrong_type": [1, 0, "true"], "number_not_integer": [1.0]}),
        ("count", [-2, 9], {"out_of_range": [-3, 10, 10**40], "wrong_type": [True, "3"], "number_not_integer": [3.0]}),
        ("sum", [0, 10**13], {"out_of_range": [-1, 10**13 + 1], "number_not_integer": [0.5, float("nan")]}),
        ("share", [0, 7000], {"out_of_range": [-1, 10_001], "wrong_type": ["70%"], "number_not_integer": [70.0]}),
        ("growth", ["0.03", "-0.05", "0", "0.20"], {"out_of_range": ["0.2000001", "-0.06"]}),
        ("growth", [], {"rate_invalid": ["3%", ".03", "1e-2", "NaN", "٠.٠٣", "0.03\n", "00.1", ""]}),
        ("growth", [], {"number_not_integer": [0.03], "wrong_type": [0, True, ["0.03"]]}),
        ("day", ["2020-01-01", "2024-02-29"], {"date_invalid": ["2023-02-29", "20240101", "2024-W01-1", "2024-1-1"]}),
        ("day", [], {"out_of_range": ["2019-12-31"], "wrong_type": [20200101]}),
        ("note", ["", "中文字", "𠮷𠮷𠮷"], {"out_of_range": ["abcd"], "text_invalid": ["\x00", "\ud83d", "\x7f"]}),
        ("pick", ["yes", "no"], {"option_unknown": ["YES", "", "maybe"], "wrong_type": [True, ["yes"]]}),
    ],
)
def test_draft_answer_is_checked_by_type_and_bounds(link_id: str, fine: list[Any], wrong: dict[str, list[Any]]) -> None:
    for value in fine:
        assert issues(EVERY_TYPE, {link_id: value}) == []
    for code, values in wrong.items():
        for value in values:
            assert issues(EVERY_TYPE, {link_id: value}) == [(f"/answers/{link_id}", code)], value


def test_unknown_link_ids_are_refused_without_repeating_personal_text() -> None:
    definition = form(item("g", "group", items=[item("a")]))
    assert issues(definition, {"b": 1}) == [("/answers/b", "unknown_link_id")]
    assert issues(definition, {"g": {"a": 1}}) == [("/answers/g", "unknown_link_id")]
    assert issues(definition, {"Wang Xiaoming 138": 1}) == [("/answers", "unknown_link_id")]
    assert issues(definition, [1]) == [("/answers", "wrong_type")]
    assert len(issues(definition, {f"x{n}": 1 for n in range(5000)})) == 100


def test_issue_messages_are_bilingual_and_do_not_echo_the_value() -> None:
    (issue,) = forms.check_answers(EVERY_TYPE, {"note": "secret"}, complete=False)
    assert (set(issue.message), issue.severity) == ({"zh", "en"}, "error")
    assert "secret" not in str(issue)


def test_required_is_asked_on_complete_only_and_defaults_satisfy_it() -> None:
    definition = form(item("a", required=True), item("b", required=True, default=4), item("c"))
    assert issues(definition, {}) == []
    assert issues(definition, {"a": None}, complete=True) == [("/answers/a", "required")]
    effective = forms.effective_answers(definition, {"a": 1})
    assert effective.values == {"a": 1, "b": 4}
    assert effective.defaulted == {"/answers/b"}
    assert forms.effective_answers(definition, {"a": 1, "b": 4}).defaulted == set()
    assert forms.effective_answers(definition, {}).values == {"b": 4}


def test_disabled_items_are_ignored_on_complete_and_checked_in_drafts() -> None:
    gated = item("why", "text", required=True, enable_when=[when("flag", "=", True)])
    definition = form(item("flag", "boolean", default=False), gated)
    assert issues(definition, {}, complete=True) == []
    assert issues(definition, {"why": 7}, complete=True) == []
    assert issues(definition, {"why": 7}) == [("/answers/why", "wrong_type")]
    assert issues(definition, {"flag": True}, complete=True) == [("/answers/why", "required")]
    assert issues(definition, {"flag": 1}, complete=True) == [("/answers/flag", "wrong_type")]
    assert forms.effective_answers(definition, {"flag": False, "why": "x"}).values == {"flag": False}


def test_group_that_is_disabled_takes_its_items_and_their_dependants_along() -> None:
    group = item("g", "group", items=[item("a", default=5)], enable_when=[when("flag", "=", True)])
    definition = form(item("flag", "boolean"), group, item("b", default=1, enable_when=[when("a", "=", 5)]))
    assert forms.effective_answers(definition, {"flag": True}).values == {"flag": True, "a": 5, "b": 1}
    assert forms.effective_answers(definition, {"flag": False, "a": 5, "b": 2}).values == {"flag": False}


@pytest.mark.parametrize(
    ("kind", "op", "value", "enabling", "not_enabling"),
    [
        ("integer", ">", 5, [6], [5, 4, None]),
        ("integer", ">=", 5, [5], [4, None]),
        ("integer", "<", 5, [4], [5, None]),
        ("money", "<=", 5, [5, 0], [6, None]),
        ("integer", "!=", 5, [6], [5, None]),
        ("rate", ">", "0.09", ["0.1"], ["0.09", "0.0900", "0.010"]),
        ("rate", "=", "0.1", ["0.10"], ["0.11"]),
        ("date", "<", "2024-10-01", ["2024-09-30"], ["2024-10-01"]),
        ("text", "exists", True, ["x"], [None]),
        ("text", "exists", False, [None], ["x"]),
    ],
)
def test_condition_compares_values_not_spellings(
    kind: str, op: str, value: object, enabling: list[Any], not_enabling: list[Any]
) -> None:
    definition = form(item("q", kind), item("gated", default=1, enable_when=[when("q", op, value)]))
    for answers, enabled in ((enabling, True), (not_enabling, False)):
        for answer in answers:
            assert ("gated" in forms.effective_answers(definition, {"q": answer}).values) is enabled


def test_enable_behavior_joins_conditions_by_all_or_any() -> None:
    both = [when("p", "=", 1), when("q", "=", 1)]
    for behavior, needed in (("all", 2), ("any", 1)):
        gated = item("gated", default=1, enable_when=both, enable_behavior=behavior)
        definition = form(item("p"), item("q"), gated)
        for p, q in ((0, 0), (1, 0), (0, 1), (1, 1)):
            values = forms.effective_answers(definition, {"p": p, "q": q}).values
            assert ("gated" in values) is (p + q >= needed)


# Conditions on a question as FHIR SDC defines them: (behaviour, conditions, answers, is it asked).
DEEP = item("deep", "group", enable_when=[when("inner", ">", 1)], items=[item("deepest", default=5)])
GATE = item("gate", "group", enable_when=[when("b", "=", True)], items=[item("inner"), DEEP])
ASKED = [item("b", "boolean"), item("c", "choice", options=YES_NO), item("n"), item("t", "text"), item("d", "date")]
ASKED += [item("when", "datetime"), item("x", "decimal"), GATE]
B, C, N = when("b", "=", True), when("c", "=", "yes"), when("n", ">=", 3)
SDC: list[tuple[str, list[Any], dict[str, Any], bool]] = [
    ("all", [], {}, True),
    ("all", [B], {}, False),  # a missing answer fails every comparison
    ("all", [B], {"b": None}, False),
    ("all", [B], {"b": True}, True),
    ("all", [B], {"b": False}, False),
    ("all", [when("b", "=", False)], {}, False),
    ("all", [when("b", "!=", True)], {}, False),
    ("all", [when("b", "!=", True)], {"b": False}, True),
    ("all", [when("b", "exists", True)], {"b": False}, True),
    ("all", [when("b", "exists", False)], {}, True),
    ("all", [when("b", "exists", False)], {"b": False}, False),
    ("all", [B, C, N], {"b": True, "c": "yes", "n": 3}, True),
    ("all", [B, C, N], {"b": True, "c": "yes"}, False),
    ("all", [B, C, N], {"b": True, "c": "no", "n": 3}, False),
    ("any", [B, C, N], {"n": 3}, True),
    ("any", [B, C, N], {"b": False, "c": "yes", "n": 1}, True),
    ("any", [B, C, N], {"b": False, "c": "no", "n": 2}, False),
    ("any", [B, C, N], {}, False),
    ("any", [when("t", "exists", False), N], {}, True),
    ("all", [when("t", "=", "是")], {"t": "是"}, True),
    ("all", [when("t", "=", "是")], {"t": " 是"}, False),
    ("all", [when("d", ">", "2024-02-28")], {"d": "2024-02-29"}, True),
    ("all", [when("x", "=", "1.50")], {"x": "1.5"}, True),
    ("all", [when("when", "<", "2026-01-31T01:00:00Z")], {"when": "2026-01-31T08:30:00+08:00"}, True),
    ("all", [when("inner", "=", 2)], {"inner": 2}, False),  # in a group that is not asked
    ("all", [when("inner", "=", 2)], {"b": True, "inner": 2}, True),
    ("all", [when("inner", "exists", False)], {"inner": 2}, True),  # and so unanswered
    ("all", [when("deepest", "=", 5)], {"b": True, "inner": 2}, True),  # by its default
    ("all", [when("deepest", "=", 5)], {"b": True, "inner": 1, "deepest": 5}, False),
    ("all", [when("deepest", "=", 5)], {"b": False, "inner": 2, "deepest": 5}, False),
    ("any", [when("deepest", "exists", False), B], {"b": True, "inner": 2}, True),
    ("all", [when("n", ">", 3)], {"n": "4"}, False),  # what is no answer decides nothing
]


@pytest.mark.parametrize(("behavior", "conditions", "answers", "asked"), SDC)
def test_question_is_asked_as_sdc_says(
    behavior: str, conditions: list[Any], answers: dict[str, Any], asked: bool
) -> None:
    gated = item("gated", required=True, enable_when=conditions, enable_behavior=behavior)
    follower = item("follower", required=True, enable_when=[when("gated", "exists", True)])
    definition = form(follower, gated, *ASKED)  # the order of writing is not the order of dependence
    wanted = {pointer for pointer, code in issues(definition, answers, complete=True) if code == "required"}
    assert wanted == ({"/answers/gated"} if asked else set())
    wanted = {
        pointer for pointer, code in issues(definition, answers | {"gated": 1}, complete=True) if code == "required"
    }
    assert wanted == ({"/answers/follower"} if asked else set())
    kept = forms.judge(definition, answers | {"gated": 1}, complete=False).record
    assert kept["gated"] == 1  # a draft loses nothing
    assert ("gated" in forms.completed_answers(definition, answers | {"gated": 1})) is asked


EXTRA = item("extra", default=2, enable_when=[when("cost", ">", 9), when("limit", "=", 1)])
ROW_ITEMS = [item("cost", "money", required=True), EXTRA]
ROWS = form(item("limit"), item("children", "group", repeats=True, required=True, max=3, items=ROW_ITEMS))


def test_rows_are_checked_one_by_one_with_pointers() -> None:
    answers = {"children": [{"cost": 10}, {"cost": 1.5, "name": "x"}, {}]}
    expected = [("/answers/children/1/name", "unknown_link_id"), ("/answers/children/1/cost", "number_not_integer")]
    assert issues(ROWS, answers) == expected
    assert issues(ROWS, answers, complete=True) == [*expected, ("/answers/children/2/cost", "required")]
    assert issues(ROWS, {"cost": 1}) == [("/answers/cost", "unknown_link_id")]
    for wrong, code in (({"cost": 1}, "wrong_type"), (1.0, "number_not_integer"), ("x", "wrong_type")):
        assert issues(ROWS, {"children": wrong}) == [("/answers/children", code)]
    assert issues(ROWS, {"children": [7]}) == [("/answers/children/0", "wrong_type")]


def test_row_counts_are_bounded() -> None:
    assert issues(ROWS, {"children": []}) == []
    assert issues(ROWS, {}, complete=True) == [("/answers/children", "required")]
    assert issues(ROWS, {"children": [{"cost": 1}] * 3}, complete=True) == []
    assert issues(ROWS, {"children": [{"cost": 1}] * 4}) == [("/answers/children", "row_count")]
    assert len(issues(ROWS, {"children": [{"cost": True}] * 9999})) == 1 + 20


def test_row_conditions_look_at_their_own_row_or_outside_and_fill_defaults() -> None:
    effective = forms.effective_answers(ROWS, {"limit": 1, "children": [{"cost": 9, "extra": 7}, {"cost": 10}]})
    assert effective.values == {"limit": 1, "children": [{"cost": 9}, {"cost": 10, "extra": 2}]}
    assert effective.defaulted == {"/answers/children/1/extra"}


def test_effective_answers_refuse_what_is_wrong_but_not_what_is_missing() -> None:
    assert forms.effective_answers(ROWS, {"children": [{}]}).values == {"children": [{}]}
    with pytest.raises(FormError) as caught:
        forms.effective_answers(ROWS, {"children": [{"cost": -1}]})
    assert (caught.value.code, caught.value.pointer) == ("out_of_range", "/answers/children/0/cost")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
LINKS = st.sampled_from([*LIFE.index, "stranger"])


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(LINKS, JSON, max_size=8), st.booleans())
def test_no_answers_make_the_engine_raise_or_keep_a_float(answers: dict[str, Any], complete: bool) -> None:
    found = forms.check_answers(LIFE, answers, complete=complete)
    if complete and all(issue.code == "required" for issue in found):
        values = forms.effective_answers(LIFE, answers).values
        assert json.loads(json.dumps(values, allow_nan=False), parse_float=pytest.fail) == values


def test_life_form_needs_two_answers_and_says_which_values_were_its_own() -> None:
    answers = {"family_expense": 12_000_000, "support_years": 20}
    assert issues(LIFE, answers, complete=True) == []
    inp = needs.life_input_from_answers(forms.effective_answers(LIFE, answers))
    assert (inp.survivor_share, inp.discount_rate) == (Decimal("0.7"), Decimal("0.03"))
    assert inp.expense_growth == Decimal("0.02")
    assert (inp.timing, inp.first_payment, inp.emergency_months, inp.spouse_income) == ("begin", "today", 6, None)
    by = {a.key: a.source for a in needs.life_need(inp).assumptions}
    assert by["support_years"] == "customer"
    assert by["discount_rate"] == by["final_expenses_fen"] == "form_default"
    off = answers | {"spouse_income": 3, "spouse_income_years": 4}  # has_spouse_income was never said
    assert needs.life_input_from_answers(forms.effective_answers(LIFE, off)).spouse_income is None
    agent = needs.life_input_from_answers(forms.effective_answers(LIFE, answers), answered_by="agent")
    assert agent.sources["support_years"] == "agent"


def test_life_form_carries_every_answer_to_its_place() -> None:
    answers: dict[str, Any] = {"family_expense": 1, "survivor_share": 6_550, "support_years": 2, "timing": "end"}
    answers |= {"expense_growth": "0.01", "discount_rate": "0.05", "first_payment": "stated", "mortgage": 3}
    answers |= {"other_debts": 4, "final_expenses": 5, "emergency_months": 7, "liquid_assets": 8, "existing_cover": 9}
    answers["children"] = [{"cost": 10, "years_until": 11}, {"cost": 12, "years_until": 13}]
    answers["education_growth"] = "0.06"
    gates = {"spouse_income": "has_spouse_income", "parents_support": "supports_parents"}
    gates["social_benefits"] = "has_social_benefits"
    for n, (name, gate) in enumerate(gates.items()):
        answers |= {gate: True, name: 20 + n, f"{name}_years": 30 + n, f"{name}_timing": ("end", "begin")[n % 2]}
        answers[f"{name}_growth"] = f"0.0{n + 1}"
    assert issues(LIFE, answers, complete=True) == []
    inp = needs.life_input_from_answers(forms.effective_answers(LIFE, answers))
    assert set(inp.sources.values()) == {"customer"}
    got: Any = needs.life_need(inp).to_json()["inputs"]
    expected: dict[str, Any] = {"family_expense_fen": 1, "survivor_share": "0.655", "support_years": 2, "timing": "end"}
    expected |= {"expense_growth": "0.01", "discount_rate": "0.05", "first_payment": "stated", "mortgage_fen": 3}
    expected |= {"other_debts_fen": 4, "final_expenses_fen": 5, "emergency_months": 7, "liquid_assets_fen": 8}
    expected |= {"spouse_income": {"yearly_fen": 20, "years": 30, "timing": "end", "growth": "0.01"}}
    expected |= {"parents_support": {"yearly_fen": 21, "years": 31, "timing": "begin", "growth": "0.02"}}
    expected |= {"social_benefits": {"yearly_fen": 22, "years": 32, "timing": "end", "growth": "0.03"}}
    costs = [{"cost_fen": 10, "in_years": 11, "growth": "0.06"}, {"cost_fen": 12, "in_years": 13, "growth": "0.06"}]
    assert got == expected | {"existing_cover_fen": 9, "education": costs}


def test_life_input_names_the_answer_that_is_missing_or_no_rate() -> None:
    fine = forms.effective_answers(LIFE, {"family_expense": 1, "support_years": 1}).values
    for link_id, value, code in (("survivor_share", None, "missing"), ("discount_rate", "three", "not_decimal")):
        with pytest.raises(needs.NeedsError) as caught:
            needs.life_input_from_answers(forms.EffectiveAnswers({**fine, link_id: value}, frozenset()))
        assert (caught.value.code, caught.value.field) == (code, link_id)
