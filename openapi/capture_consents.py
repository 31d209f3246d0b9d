"""Examples of consents, and the consents other examples rest on."""

from typing import Any
from uuid import uuid4

_SEPARATE = ("identity", "health", "financial", "whereabouts", "third_party", "other_sensitive")
_PAPER = {"channel": "paper", "evidence": {"reference": "同意书 2026-0042"}}


def grounds(ask: Any, *groups: str) -> list[dict[str, Any]]:
    """The groups with the texts in force."""
    texts = ask.http.get("/v1/consent-texts?purpose=advice").json()["items"]
    shown = {text["field_group"]: text for text in texts if text["recipient"] is None}
    return [
        {
            "field_group": group,
            "text_version": shown[group]["text_version"],
            "text_hash": shown[group]["words"]["zh"]["text_hash"],
        }
        for group in groups
    ]


def consent(ask: Any, *groups: str, **over: Any) -> dict[str, Any]:
    """A consent to advice, on paper."""
    told = {"decision": "given", "purpose": "advice", "grounds": grounds(ask, *groups), "is_separate": True}
    return {**told, "language": "zh", "given_by": "person", **_PAPER, **over}


def consented(ask: Any, customer_id: str) -> None:
    """Everything a form may ask, the children's data by their mother."""
    mother = {"is_customer": False, "relation": "mother", "name": "苏婉清", "evidence": _PAPER["evidence"]}
    for sent in (consent(ask, *_SEPARATE), consent(ask, "minors", given_by="guardian", guardian=mother)):
        ask.http.post(f"/v1/customers/{customer_id}/consents", json=sent).raise_for_status()


def decisions(ask: Any, customer: dict[str, Any]) -> None:
    """What to show, what was decided, and that it was taken back."""
    ask("list_consent_texts", "GET", "/v1/consent-texts?purpose=advice")
    ids, path = {"customer_id": customer["id"]}, f"/v1/customers/{customer['id']}"
    sent = consent(ask, "health", "financial")
    made = ask("create_consent", "POST", f"{path}/consents", body={"id": str(uuid4()), **sent}, ids=ids)
    one = {**ids, "consent_id": made["id"]}
    ask("list_consents", "GET", f"{path}/consents", ids=ids)
    ask("get_consent", "GET", f"{path}/consents/{made['id']}", ids=one)
    ask("get_consent_coverage", "GET", f"{path}/consent-coverage", ids=ids)
    ask("withdraw_consent", "POST", f"{path}/consents/{made['id']}/withdraw", body={"channel": "app"}, ids=one)


def text(ask: Any) -> None:
    """A text for a bank, by an administrator."""
    bank = {"name": "江城银行", "contact": "个人信息保护办公室，武汉市江汉路1号"}
    body = {"purpose": "partner_sharing", "field_group": "financial", "recipient": bank, "is_material": True}
    made = ask("publish_consent_text", "POST", "/v1/consent-texts", body=body)
    path = f"/v1/consent-texts/{made['id']}"
    ask("get_consent_text", "GET", path, ids={"consent_text_id": made["id"]})
