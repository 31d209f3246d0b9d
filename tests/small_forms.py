"""Forms of a few items, as tests write them."""

from typing import Any

import pytest

from app.domain import forms
from app.domain.forms import FormDefinition, FormError

LABEL = {"zh": "标签", "en": "Label"}
YES_NO = [{"code": "yes", "label": LABEL}, {"code": "no", "label": LABEL}]


def item(link_id: str, kind: str = "integer", **more: Any) -> dict[str, Any]:
    return {"link_id": link_id, "type": kind, "label": dict(LABEL)} | more


def when(question: str, op: str, value: object) -> dict[str, Any]:
    return {"question": question, "op": op, "value": value}


def raw_form(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"form_key": "test.form", "version": "1.0.0", "title": dict(LABEL), "items": list(items)} | more


def form(*items: dict[str, Any], **more: Any) -> FormDefinition:
    return forms.load_definition(raw_form(*items, **more))


def publish_error(*items: Any, **more: Any) -> tuple[str, str]:
    with pytest.raises(FormError) as caught:
        forms.load_definition(raw_form(*items, **more))
    said = caught.value.message
    assert set(said) == {"zh", "en"}
    assert all(said.values())
    return caught.value.code, caught.value.pointer


def calc(expr: Any, rounding: str | None = None) -> dict[str, Any]:
    return {"calculated": {"expr": expr} | ({"round": rounding} if rounding else {})}


def rule(key: str, expr: Any, severity: str = "error") -> dict[str, Any]:
    return {"key": key, "severity": severity, "expr": expr, "message": {"zh": "规则", "en": f"Rule {key}"}}


def answer(link_id: str) -> list[Any]:
    return ["answer", link_id]


SCORED = [{"code": "low", "label": LABEL, "weight": "1"}, {"code": "high", "label": LABEL, "weight": "2.5"}]
# One item of every kind, and of every rule an item can have.
RICH = raw_form(
    item("intro", "display", help={"zh": "请如实填写", "en": "Please answer truthfully"}),
    item("income", "money", required=True, sensitivity="personal", retention="policy+10y"),
    item("expense", "money", default=0),
    item("surplus", "money", **calc(["sub", answer("income"), answer("expense")], "fen")),
    item("ratio", "decimal", **calc(["div", answer("surplus"), answer("income")], "4")),
    item("name", "text", prefill="customer.name", max=50),
    item("job", "text", prefill="customer.occupation", extract="customer.occupation"),
    item("hobby", "text", extract="dossier.personal.leisure"),
    item("tel", "phone", prefill="customer.phone"),
    item("born", "date", prefill="customer.birthday"),
    item("age", "integer", **calc(["age_years", answer("born"), ["context", "as_of"]])),
    item("met", "datetime"),
    item("doctor", "open_choice", options=YES_NO),
    item("goals", "choice", options=SCORED, multiple=True, min=1, max=2),
    item("paper", "id_number", sensitivity="sensitive", retention="consent"),
    item("home", "address"),
    item("scan", "attachment"),
    item("insured", "reference"),
    item("height", "decimal", min="0.5", max="2.5"),
    item("kids", "group", repeats=True, prefill="household.children", items=[
        item("cost", "money", constraints=[rule("fits", ["<=", answer("cost"), answer("income")], "warning")]),
        item("share", "percent", **calc(["mul", ["div", answer("cost"), ["sum", ["rows", "cost"]]], 10_000])),
    ]),
    item("test", "group", items=[item("q1", "choice", options=SCORED), item("q2", "choice", options=SCORED)]),
    item("score", "decimal", **calc(["sum_weights", "test"])),
    item("level", "choice", options=SCORED, **calc(["if", [">", answer("score"), 3], "high", "low"])),
    item("why", "text", enable_when=[when("level", "=", "high"), when("doctor", "exists", True)],
         enable_behavior="any", constraints=[rule("long", [">=", ["text_len", answer("why")], 4])]),
    subject="individual",
    version="1.2.0",
    derived_from="1.1.0",
)  # fmt: skip
