"""Where the fuzzer's operations on consents are aimed, and the consents its other operations rest on."""

from random import Random
from typing import Any, TypeAlias
from uuid import uuid4

from tests.consents import GROUPS, MOTHER, PAPER
from tests.fuzz_world import AGENT, DEMO

Case: TypeAlias = Any
Body: TypeAlias = dict[str, Any]

_OF_MONEY: set[str] = set()  # who consented; only persons made for it take a consent back
_CONSENTS = "/v1/customers/{customer_id}/consents"


def grounds(purpose: str, who: str, *groups: str) -> list[Body]:
    """The groups with the texts in force."""
    texts = DEMO.items(f"/v1/consent-texts?purpose={purpose}", who)
    shown = {text["field_group"]: text for text in texts if text["recipient"] is None}
    return [
        {
            "field_group": group,
            "text_version": shown[group]["text_version"],
            "text_hash": shown[group]["words"]["zh"]["text_hash"],
        }
        for group in groups
    ]


def given(customer: str, who: str, *groups: str, **over: Any) -> Body:
    """A consent to advice."""
    sent = {"decision": "given", "purpose": "advice", "grounds": grounds("advice", who, *groups), "is_separate": True,
            "language": "zh", "given_by": "person", **PAPER, **over}  # fmt: skip
    answer = DEMO.ask("POST", _CONSENTS.format(customer_id=customer), who, json=sent)
    assert answer.status_code == 201, answer.text
    made: Body = answer.json()
    return made


def consented(customer: str, who: str = AGENT) -> str:
    """Everything a form may ask is consented to; the customer's id."""
    given(customer, who, *(group for group in GROUPS if group != "minors"))
    given(customer, who, "minors", given_by="guardian", guardian=MOTHER)
    return customer


def of_money(customer: str) -> str:
    """What `needs.life` asks is consented to; the customer's id."""
    if customer not in _OF_MONEY:
        given(customer, AGENT, "financial")
        _OF_MONEY.add(customer)
    return customer


def aim_consent(case: Case, _chance: Random) -> None:
    """A consent nobody has withdrawn, or a text that is there."""
    path = case.path_parameters
    if "consent_text_id" in path:
        (ground,) = given(DEMO.new_person(), AGENT, "health")["grounds"]
        path["consent_text_id"] = ground["consent_text_id"]
        return
    path["customer_id"] = DEMO.new_person()
    if "consent_id" in path:
        path["consent_id"] = given(path["customer_id"], AGENT, "health")["id"]


def fit_consent(_case: Case, body: Body, chance: Random) -> Body:
    """A decision that keeps the rules: of the person himself, about texts in force, on a day that can be."""
    kept: Body = {name: body[name] for name in ("id", "channel", "decision", "evidence") if name in body}
    groups = chance.sample([group for group in GROUPS if group != "minors"], chance.randint(1, 3))
    told = {"purpose": "service", "grounds": grounds("service", AGENT, *groups), "language": "zh"}
    return {**PAPER, **kept, **told, "is_separate": True, "given_by": "person"}


def fit_text(_case: Case, body: Body, _chance: Random) -> Body:
    """A text of a purpose nothing else rests on, in the built-in words."""
    body = {name: body[name] for name in ("field_group", "is_material") if name in body}
    return {**body, "purpose": "introductions", "recipient": {"name": f"银行{uuid4().hex[:8]}", "contact": "热线"}}


AIMS = {
    f"{method} {path}": aim_consent
    for method, path in (
        ("GET", f"{_CONSENTS}/{{consent_id}}"),
        ("POST", f"{_CONSENTS}/{{consent_id}}/withdraw"),
        ("GET", "/v1/consent-texts/{consent_text_id}"),
    )
}
BODIES = {f"POST {_CONSENTS}": fit_consent, "POST /v1/consent-texts": fit_text}
