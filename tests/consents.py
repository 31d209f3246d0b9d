"""Consents as tests give them: one call for whoever posts sensitive answers."""

from typing import Any
from uuid import uuid4

import httpx

from app.domain import consent_texts
from app.domain.consents import SEPARATE, FieldGroup, Purpose

GROUPS = tuple(group for group in FieldGroup if group in SEPARATE)
PAPER = {"channel": "paper", "evidence": {"reference": "档案柜 3-17"}}
MOTHER = {
    "is_customer": False, "relation": "mother", "name": "何静姝", "evidence": {"reference": "档案柜 3-18"},
}  # fmt: skip


def built_in(purpose: Purpose, group: FieldGroup, org_name: str = "测试机构") -> dict[str, Any]:
    """A ground with the built-in Chinese text of an organisation, without asking for it."""
    text = consent_texts.render(consent_texts.built_in(purpose, group, "zh", org_name), group, "zh", None)
    return {"field_group": group.value, "text_version": 1, "text_hash": consent_texts.text_hash(text)}


async def grounds(
    client: httpx.AsyncClient, *groups: str, purpose: str = "advice", language: str = "zh"
) -> list[dict[str, Any]]:
    """The groups with the texts in force, as a consent names them."""
    texts = (await client.get("/v1/consent-texts", params={"purpose": purpose})).json()["items"]
    shown = {text["field_group"]: text for text in texts if text["recipient"] is None}
    return [
        {
            "field_group": group,
            "text_version": shown[group]["text_version"],
            "text_hash": shown[group]["words"][language]["text_hash"],
        }
        for group in groups
    ]


async def body(client: httpx.AsyncClient, *groups: str, **over: Any) -> dict[str, Any]:
    """A valid consent on paper to these groups, each decided about by itself."""
    told = {key: over[key] for key in ("purpose", "language") if key in over}
    made = {
        "decision": "given", "purpose": "advice", "grounds": await grounds(client, *groups, **told),
        "is_separate": True, "language": "zh", "given_by": "person", **PAPER, **over,
    }  # fmt: skip
    return {key: value for key, value in made.items() if value is not None}


async def give(client: httpx.AsyncClient, customer_id: str, *groups: str, **over: Any) -> dict[str, Any]:
    """A consent of the customer; the answer's body."""
    return await post(client, customer_id, await body(client, *groups, **over))


async def post(client: httpx.AsyncClient, customer_id: str, sent: dict[str, Any]) -> dict[str, Any]:
    """The stored decision."""
    answer = await client.post(
        f"/v1/customers/{customer_id}/consents", json=sent, headers={"Idempotency-Key": uuid4().hex}
    )
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def consented(client: httpx.AsyncClient, customer: dict[str, Any] | str) -> str:
    """Everything a form may ask is consented to, that of children by their mother; the customer's id."""
    customer_id = customer if isinstance(customer, str) else str(customer["id"])
    said = await body(client, *GROUPS)
    of_children = [one for one in said["grounds"] if one["field_group"] == FieldGroup.minors]
    others = [one for one in said["grounds"] if one not in of_children]
    await post(client, customer_id, {**said, "grounds": others})
    await post(client, customer_id, {**said, "grounds": of_children, "given_by": "guardian", "guardian": MOTHER})
    return customer_id


async def withdraw(client: httpx.AsyncClient, consent: dict[str, Any]) -> dict[str, Any]:
    """What the service answers to a withdrawal."""
    answer = await client.post(f"/v1/customers/{consent['customer_id']}/consents/{consent['id']}/withdraw")
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made
