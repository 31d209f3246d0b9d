"""Answers of every type, what is computed from them, and the rules that hold between them."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import forms
from app.domain.forms import Context, FormDefinition
from tests.small_forms import RICH, SCORED, YES_NO, answer, calc, form, item, rule, when

FORM = forms.load_definition(RICH)
CUSTOMER = "customer:0190a0a0-0000-7000-8000-000000000001"
SCAN = {"sha256": "0" * 64, "name": "体检.pdf", "media_type": "application/pdf", "size": 1}


def issues(definition: FormDefinition, answers: Any, complete: bool = False) -> list[tuple[str, str]]:
    return [(i.pointer, i.code) for i in forms.check_answers(definition, answers, complete=complete)]


def values(definition: FormDefinition, answers: dict[str, Any], **known: Any) -> Any:
    return forms.effective_answers(definition, answers, Context(**known)).values


@pytest.mark.parametrize(
    ("link_id", "fine", "wrong"),
    [
        ("height", ["1.75", "0.5", "2.50"], {"decimal_invalid": ["1e0", "+1", "1.", "01", "٣"], "out_of_range": ["3"]}),
        ("height", [], {"number_not_integer": [1.75], "wrong_type": [2, True, ["1.7"]]}),
        ("met", ["2026-01-31T09:30:00+08:00", "2026-01-31T00:00:00Z", "2024-02-29T23:59:59.123456-11:30"], {}),
        ("met", [], {"datetime_invalid": ["2026-01-31T09:30:00", "2026-01-31", "2026-02-30T00:00:00Z", "x",
                                          "2026-01-31 09:30:00Z", "2026-01-31T24:00:00Z", "2026-01-31T09:30:00+15:00",
                                          "0001-01-01T00:00:00+14:00"], "wrong_type": [20260131]}),
        ("doctor", ["yes", {"text": "私人医生"}], {"option_unknown": ["maybe"], "out_of_range": [{"text": ""}],
                                              "wrong_type": [{}, {"text": 1}, {"text": "a", "b": 1}, ["yes"]]}),
        ("doctor", [], {"text_invalid": [{"text": "\x00"}], "number_not_integer": [{"text": 1.5}, 1.5]}),
        ("goals", [["low"], ["high", "low"], [], None], {"option_unknown": [["low", "x"]], "wrong_type": ["low", [1]],
                                                        "out_of_range": [["low", "high", "low"]],
                                                        "option_duplicate": [["low", "low"]]}),
        ("insured", [CUSTOMER, CUSTOMER.replace("customer", "policy")],
         {"reference_invalid": ["customer:1", "user" + CUSTOMER[8:], CUSTOMER.upper(), CUSTOMER + "\n"]}),
        ("scan", [SCAN], {"attachment_invalid": [{}, SCAN | {"size": 0}, SCAN | {"name": "a/b"}, SCAN | {"extra": 1},
                                                 SCAN | {"sha256": "0" * 63}, SCAN | {"size": 1.5}, SCAN | {"name": 1},
                                                 SCAN | {"media_type": "pdf"}], "wrong_type": ["a.pdf", [SCAN]]}),
        ("paper", ["11010519491231002X", "11010519491231002x", "E12345678", "H1234567(8)"],
         {"id_number_invalid": ["110105194912310021", "110105194912310029", "中文字中文字", "123", "", "a" * 40]}),
        ("tel", ["13812345678", "+8613812345678"], {"phone_invalid": ["12", "", "abc"], "wrong_type": [13812345678]}),
        ("home", [{"city": "杭州市"}, {"province": "浙江省", "city": "杭州市", "county": "西湖区", "detail": "1号"}],
         {"address_invalid": [{}, {"street": "x"}, {"city": ""}, {"city": 1}, {"city": "x" * 51}, {"city": "\x00"}],
          "wrong_type": ["杭州市"]}),
        ("intro", [None], {"not_answered": ["x", 1, True]}),
    ],
)  # fmt: skip
def test_answer_is_checked_by_its_type(link_id: str, fine: list[Any], wrong: dict[str, list[Any]]) -> None:
    for value in fine:
        assert issues(FORM, {link_id: value}) == [], value
    for code, bad in wrong.items():
        for value in bad:
            assert issues(FORM, {link_id: value}) == [(f"/answers/{link_id}", code)], value


def test_nothing_chosen_of_several_is_no_answer() -> None:
    asked = form(item("goals", "choice", options=SCORED, multiple=True, required=True, default=["low"]))
    assert values(asked, {"goals": []}) == {"goals": ["low"]}
    bare = form(item("goals", "choice", options=SCORED, multiple=True, required=True))
    assert issues(bare, {"goals": []}, complete=True) == [("/answers/goals", "required")]


@pytest.mark.parametrize(
    ("op", "value", "given_", "holds"),
    [
        ("=", "low", ["low", "high"], True), ("=", "low", ["high"], False), ("=", "low", [], False),
        ("!=", "low", ["high"], True), ("!=", "low", ["low", "high"], False), ("!=", "low", None, False),
        ("exists", True, ["low"], True), ("exists", False, [], True),
    ],
)  # fmt: skip
def test_condition_on_several_choices_asks_for_one_of_them(op: str, value: Any, given_: Any, holds: bool) -> None:
    goals = item("goals", "choice", options=SCORED, multiple=True)
    asked = form(goals, item("gated", default=1, enable_when=[when("goals", op, value)]))
    assert ("gated" in values(asked, {"goals": given_})) is holds


def test_open_choice_of_several_takes_own_words_among_codes() -> None:
    asked = form(
        item("pick", "open_choice", options=SCORED, multiple=True, min=2),
        item("score", "decimal", **calc(["weight", "pick"])),
        item("has_low", "boolean", **calc(["in", "low", answer("pick")])),
        item("gated", default=1, enable_when=[when("pick", "=", "high")]),
    )
    sent = {"pick": ["high", {"text": "low"}]}
    assert values(asked, sent) == sent | {"score": "2.5", "has_low": False, "gated": 1}
    own = {"text": "x"}
    for wrong, code in (([own, own], "option_duplicate"), ([own], "out_of_range"), ([{"text": 1}, own], "wrong_type")):
        assert issues(asked, {"pick": wrong}) == [("/answers/pick", code)]
    closed = form(item("pick", "choice", options=SCORED, multiple=True))
    assert issues(closed, {"pick": [own]}) == [("/answers/pick", "wrong_type")]


def test_own_words_meet_no_condition_but_inequality() -> None:
    for op, holds in (("=", False), ("!=", True)):
        gated = item("gated", default=1, enable_when=[when("pick", op, "yes")])
        asked = form(item("pick", "open_choice", options=YES_NO), gated)
        assert ("gated" in values(asked, {"pick": {"text": "yes"}})) is holds


# --- calculated ------------------------------------------------------------------------------------------------

ANSWERS: dict[str, Any] = {"income": 300, "expense": 500, "born": "1990-02-01", "q1": "high", "q2": "low"}
ANSWERS |= {"kids": [{"cost": 100}, {"cost": 200}, {}]}


def test_calculated_items_are_computed_in_the_order_of_dependence() -> None:
    made = values(FORM, ANSWERS, as_of=date(2026, 1, 31))
    assert (made["surplus"], made["ratio"], made["age"]) == (-200, "-0.6667", 35)
    assert (made["score"], made["level"]) == ("3.5", "high")
    assert [row.get("share") for row in made["kids"]] == [3333, 6667, None]
    assert "age" not in values(FORM, ANSWERS)  # nobody said for which day
    judged = forms.judge(FORM, ANSWERS | {"why": "因为想要"}, complete=True, context=Context(date(2026, 1, 31)))
    assert judged.issues == []
    assert "/answers/kids/1/share" in judged.effective.calculated
    assert judged.record == dict(judged.effective.values)


def test_clients_value_is_compared_and_the_servers_kept() -> None:
    sent = ANSWERS | {"surplus": -200, "ratio": "-0.66670", "score": "3", "level": "low", "age": 7}
    (first, second, third) = forms.check_answers(FORM, sent, complete=False)
    differing = {(one.pointer, one.code, one.severity) for one in (first, second, third)}
    places = ("/answers/age", "/answers/score", "/answers/level")
    assert differing == {(place, "calculated_differs", "warning") for place in places}
    record = forms.completed_answers(FORM, sent)
    assert (record["surplus"], record["score"], record["level"]) == (-200, "3.5", "high")
    assert "age" not in record
    assert "expense" not in forms.completed_answers(FORM, {"income": 1})  # a default is nobody's answer
    for wrong, code in ((1.5, "number_not_integer"), ("x", "wrong_type")):
        assert issues(FORM, ANSWERS | {"surplus": wrong}) == [("/answers/surplus", code)]
    rows = [{"cost": 100, "share": 1}]
    assert issues(FORM, ANSWERS | {"kids": rows}) == [("/answers/kids/0/share", "calculated_differs")]


def test_why_there_is_no_result_is_told_as_a_warning() -> None:
    ratio = ["div", 1, answer("n")]
    missing = rule("lookup", ["=", ["lookup", "pension_months@2005", 5], 1])
    asked = form(item("n", constraints=[missing]), item("made", "decimal", constraints=[missing], **calc(ratio)))
    assert issues(asked, {"n": 0}) == [("/answers/made", "division_by_zero")]  # of its own, not of the constraints
    (issue,) = forms.check_answers(FORM, {"income": 0, "expense": 5}, complete=True)
    assert (issue.pointer, issue.code, issue.severity) == ("/answers/ratio", "division_by_zero", "warning")


@pytest.mark.parametrize(
    ("kind", "rounding", "expr", "expected"),
    [
        ("money", "fen", ["mul", answer("m"), ["dec", "0.5"]], 53),
        ("money", None, ["neg", ["mul", answer("m"), ["dec", "0.5"]]], -53),
        ("integer", "integer", ["div", answer("n"), 2], 3),
        ("percent", None, ["div", answer("n"), ["dec", "0.003"]], 1667),
        ("decimal", "2", ["div", answer("n"), 8], "0.63"),
        ("decimal", "4", ["div", answer("n"), 3], "1.6667"),
        ("decimal", "integer", ["div", answer("n"), 2], "3"),
        ("decimal", None, ["div", answer("n"), 3], "1.666666666666666667"),
        ("rate", None, ["div", answer("n"), 3], "1.66666667"),
        ("boolean", None, [">", answer("n"), 3], True),
        ("date", None, ["max", ["date", "2026-01-01"], ["date", "2025-01-01"]], "2026-01-01"),
        ("text", None, ["if", True, "甲", "乙"], "甲"),
        ("datetime", None, answer("at"), "2026-01-31T09:00:00+08:00"),
    ],
)
def test_result_is_stored_as_its_item_is_written(kind: str, rounding: str | None, expr: Any, expected: Any) -> None:
    sources = [item("m", "money"), item("n"), item("at", "datetime")]
    asked = form(*sources, item("made", kind, **calc(expr, rounding)), item("read", kind, **calc(answer("made"))))
    made = values(asked, {"m": 105, "n": 5, "at": "2026-01-31T09:00:00+08:00"})
    assert made["made"] == made["read"] == expected


def test_result_outside_its_bounds_is_no_answer() -> None:
    expr = ["mul", answer("n"), 1000]
    for kind, bounds in (("integer", {"max": 4000}), ("decimal", {"max": "4000"}), ("rate", {})):
        asked = form(item("n"), item("made", kind, **calc(expr), **bounds), item("next", kind, **calc(answer("made"))))
        assert issues(asked, {"n": 5}, complete=True) == [("/answers/made", "out_of_range")]
        (issue,) = forms.check_answers(asked, {"n": 5}, complete=False)
        assert issue.severity == "warning"
        assert forms.judge(asked, {"n": 5}, complete=True).effective.values == {"n": 5}
    huge = form(item("n"), item("made", "decimal", **calc(["mul", answer("n"), 10**9, 10**6])))
    assert issues(huge, {"n": 1}, complete=True) == [("/answers/made", "out_of_range")]


def test_required_result_that_is_missing_stops_completion() -> None:
    asked = form(item("n"), item("made", required=True, **calc(["add", answer("n"), 1])))
    assert issues(asked, {}, complete=True) == [("/answers/made", "required")]
    assert issues(asked, {"n": 1}, complete=True) == []


def test_disabled_question_is_unanswered_for_what_is_calculated() -> None:
    gated = item("bonus", "money", default=7, enable_when=[when("flag", "=", True)])
    total = item("total", "money", **calc(["add", answer("pay"), answer("bonus")]))
    loose = item("loose", "money", **calc(["sum", answer("pay"), answer("bonus")]))
    asked = form(total, loose, item("flag", "boolean"), item("pay", "money"), gated)
    sent = {"pay": 10, "bonus": 5}
    assert values(asked, sent) == {"pay": 10, "loose": 10}
    assert values(asked, sent | {"flag": True}) == sent | {"flag": True, "total": 15, "loose": 15}
    assert values(asked, {"pay": 10, "flag": True})["total"] == 17  # defaults count
    off = form(item("flag", "boolean"), item("made", enable_when=[when("flag", "=", True)], **calc(5)))
    assert values(off, {"flag": False, "made": 9}) == {"flag": False}
    assert issues(off, {"made": 9}) == []
    draft = forms.judge(asked, sent, complete=False)
    assert draft.record == sent | {"loose": 10}  # a draft keeps what is not asked at the moment


# --- constraints -----------------------------------------------------------------------------------------------

RULES = [rule("less", ["<", answer("a"), answer("b")]), rule("small", ["<", answer("a"), 100], "warning")]
BOUND = form(item("a", constraints=RULES, enable_when=[when("on", "!=", False)]), item("b"), item("on", "boolean"))


def test_broken_constraint_stops_completion_and_warns_in_drafts() -> None:
    sent = {"a": 200, "b": 5, "on": True}
    found = [(i.pointer, i.code, i.key, i.severity) for i in forms.check_answers(BOUND, sent, complete=True)]
    expected = [("/answers/a", "constraint_broken", "less", "error")]
    assert found == [*expected, ("/answers/a", "constraint_broken", "small", "warning")]
    drafted = forms.check_answers(BOUND, sent, complete=False)
    assert {issue.severity for issue in drafted} == {"warning"}
    assert drafted[0].message == {"zh": "规则", "en": "Rule less"}
    assert issues(BOUND, {"a": 2, "b": 5, "on": True}, complete=True) == []


def test_no_more_than_a_hundred_issues_are_told() -> None:
    asked = form(*(item(f"i{n}", constraints=[rule("no", False)]) for n in range(120)))
    assert len(issues(asked, {}, complete=True)) == 100


def test_many_warnings_never_hide_an_error() -> None:
    warned = [item(f"i{n}", constraints=[rule("no", False, "warning")]) for n in range(120)]
    asked = form(*warned, item("must", required=True), item("late", "integer"))
    found = forms.check_answers(asked, {"late": "x"}, complete=True)
    assert len(found) == 100
    assert [(one.pointer, one.code) for one in found if one.severity == "error"] == [
        ("/answers/must", "required"),
        ("/answers/late", "wrong_type"),
    ]
    assert found[0].pointer == "/answers/i0"  # the first ones stay, in written order
    drafted = forms.check_answers(asked, {"late": "x"}, complete=False)
    assert [one.pointer for one in drafted if one.severity == "error"] == ["/answers/late"]


def test_constraint_is_not_broken_by_null_or_while_disabled() -> None:
    assert issues(BOUND, {"a": 2, "on": True}, complete=True) == []
    assert issues(BOUND, {"a": 200, "b": 5, "on": False}, complete=True) == []
    assert issues(BOUND, {"a": "x", "b": 5, "on": True}, complete=True) == [("/answers/a", "wrong_type")]


def test_constraints_hold_in_every_row_and_for_groups() -> None:
    cost = item("cost", constraints=[rule("cap", ["<=", answer("cost"), answer("limit")])])
    total = rule("total", ["<=", ["sum", ["rows", "cost"]], 10])
    asked = form(item("limit"), item("kids", "group", repeats=True, items=[cost], constraints=[total]))
    sent: dict[str, Any] = {"limit": 5, "kids": [{"cost": 5}, {"cost": 6}, {}]}
    broken = [("/answers/kids/1/cost", "constraint_broken"), ("/answers/kids", "constraint_broken")]
    assert issues(asked, sent, complete=True) == broken
    assert issues(asked, sent | {"kids": [{"cost": 5}, {"cost": 5}]}, complete=True) == []
    plain = form(item("g", "group", items=[item("x"), item("y")], constraints=[rule("e", ["exists", answer("x")])]))
    assert issues(plain, {"y": 1}, complete=True) == [("/answers/g", "constraint_broken")]


# --- anything at all -------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["low", "1.5"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(["text", "cost", "share"]), inner, max_size=3)
    ),
    max_leaves=6,
)
SOME = st.dictionaries(st.sampled_from([*FORM.index, "stranger"]), JSON | st.integers(0, 10**13), max_size=9)


@settings(max_examples=150, deadline=None)
@given(SOME | JSON, st.booleans())
def test_no_answers_make_judging_raise(answers: Any, complete: bool) -> None:
    judged = forms.judge(FORM, answers, complete=complete, context=Context(date(2026, 1, 31), gender="female"))
    assert len(judged.issues) <= 100
    assert all(all(issue.message.values()) for issue in judged.issues)
    if complete and not any(issue.severity == "error" for issue in judged.issues):
        again = forms.judge(FORM, judged.record, complete=True, context=Context(date(2026, 1, 31), gender="female"))
        assert again.record == judged.record  # what is kept is judged as it was
        assert not any(issue.code == "calculated_differs" for issue in again.issues)
