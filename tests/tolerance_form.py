"""The risk tolerance form as tests fill it in, and the assessments they make of it."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from tests.factories import World, if_match
from tests.library_forms import items

FORM = {"form_key": "risk.tolerance", "form_version": "1.0.0"}
_QUESTIONS = [link_id for link_id, item in items("risk.tolerance").items() if item.type == "choice" and item.options]
# Which option of every question, of five from the most careful to the boldest, makes which class.
CAREFUL, MIDDLE, BOLD = 0, 2, 4


def answers(option: int, **over: Any) -> dict[str, Any]:
    """Every question answered with the same option, by the customer himself."""
    form = items("risk.tolerance")
    chosen = {link_id: form[link_id].options[option].code for link_id in _QUESTIONS if link_id != "tolerance_class"}
    return {"answered_by_self": True, **chosen, **over}


async def draft(client: httpx.AsyncClient, customer_id: str, option: int = MIDDLE) -> dict[str, Any]:
    """A response that says everything, not completed."""
    body = {"customer_id": customer_id, "answers": answers(option), **FORM}
    answer = await client.post("/v1/form-responses", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def finish(client: httpx.AsyncClient, response: dict[str, Any], **said: Any) -> httpx.Response:
    """The answer to completing it; `said`: what the phone tells about it."""
    headers = {"Idempotency-Key": uuid4().hex, **if_match(response)}
    sent = {"json": said} if said else {}
    return await client.post(f"/v1/form-responses/{response['id']}/complete", headers=headers, **sent)  # type: ignore[arg-type]  # a body or none


async def assess(client: httpx.AsyncClient, customer_id: str, option: int = MIDDLE) -> dict[str, Any]:
    """An assessment, made by completing a response."""
    answer = await finish(client, await draft(client, customer_id, option))
    assert answer.status_code == 201, answer.text
    body = {"form_response_id": answer.json()["id"]}
    made = await client.post(f"/v1/customers/{customer_id}/tolerance-assessments", json=body)
    assert made.status_code == 200, made.text
    found: dict[str, Any] = made.json()
    return found


async def age(world: World, assessment_id: str, by: timedelta) -> None:
    """Let an assessment have been made so much earlier."""
    await world.db.execute(
        "UPDATE tolerance_assessments SET assessed_at = assessed_at - $2::interval, "
        "assessed_on = (assessed_at - $2::interval + interval '8 hours')::date, "
        "valid_until = valid_until - $3::int, confirmed_at = confirmed_at - $2::interval WHERE id = $1",
        UUID(assessment_id),
        by,
        by.days,
    )


def at(text: str) -> datetime:
    """A time as the wire writes it."""
    return datetime.fromisoformat(text)
