"""Warm introductions: who can introduce me to whom, and why that may work."""

from datetime import date
from typing import Any
from uuid import UUID

import orjson

from app import reads
from app.access import Actor
from app.errors import Conflict, Invalid, Issue, NotFound
from app.models.base import china_today
from app.models.network_paths import PathQuery
from app.services import path_requests

_TARGETS = ("to", "at_company", "to_tag", "to_tier")


async def find(actor: Actor, query: PathQuery) -> bytes:
    """The warmest paths as JSON, found in the database (`find_paths.sql`), each hop explained.

    Raises:
        Invalid: not exactly one target; the party of `from` as target; more than 2,000 customers in a segment.
        NotFound: a party that was named is absent, deleted or not visible.
        Conflict: `customer_not_organization`: what was named as a company is a person; `purpose_objected`: one that
            was named objects to introductions. Others who do stand on no path.
    """
    given = [name for name in _TARGETS if getattr(query, name) is not None]
    if len(given) != 1:
        raise Invalid(issues=[Issue("one_target", parameter=given[1] if given else "to")])
    start = None if query.start == "me" else UUID(query.start)
    if start is not None and start in (query.to, query.at_company):
        raise Invalid(issues=[Issue("same_customer", parameter="from")])
    found = await reads.row(
        actor.org_id,
        actor.owners,
        "find_paths",
        actor.id,
        start,
        query.to,
        query.at_company,
        query.to_tag,
        query.to_tier,
        query.k,
        query.max_hops,
        actor.is_masked,
    )
    if found is None or not found["is_found"]:
        raise NotFound
    if found["is_person"]:
        raise Conflict("customer_not_organization")
    if found["is_objected"]:
        raise Conflict("purpose_objected")
    if found["is_too_wide"]:
        raise Invalid(issues=[Issue("segment_too_wide", parameter=given[0])])
    return explained(actor, orjson.loads(found["body"]), china_today())


def explained(actor: Actor, found: dict[str, Any], today: date) -> bytes:
    """The paths with a sentence for every hop and one for the whole way, in Chinese and English."""
    for path in found["items"]:
        for hop in path["hops"]:
            hop["explanation"] = _hop(hop, today)
        path["explanation"] = _way(path)
        for party in path["parties"]:
            unseen = party.pop("unseen_id")
            party["request_token"] = (
                None if unseen is None else path_requests.token(actor, unseen, party["colleague"]["id"])
            )
    return orjson.dumps(found)


def _hop(hop: dict[str, Any], today: date) -> dict[str, str]:
    if hop["label"] is None:
        warmth = hop["warmth"]
        return {"zh": f"同事客户的关系,热度{warmth}", "en": f"a tie of a colleague's customer, warmth {warmth}"}
    zh, en = f"{hop['label']['zh']},强度{hop['strength']}", f"{hop['label']['en']}, strength {hop['strength']}"
    if hop["last_interaction_on"] is None:
        return {"zh": f"{zh},暂无联系记录", "en": f"{en}, no contact recorded"}
    days = max(0, (today - date.fromisoformat(hop["last_interaction_on"])).days)
    when = ("今天有联系", "in contact today") if days == 0 else (f"{days}天前有联系", f"last contact {_days(days)} ago")
    return {"zh": f"{zh},{when[0]}", "en": f"{en}, {when[1]}"}


def _days(days: int) -> str:
    return "1 day" if days == 1 else f"{days} days"


def _way(path: dict[str, Any]) -> dict[str, str]:
    zh, en = [], []
    for party in path["parties"]:
        agent = (party["colleague"] or {}).get("name")
        zh.append(party["name"] or f"同事{agent}的客户")
        en.append(party["name"] or f"a customer of {agent}")
    return {"zh": " → ".join(zh), "en": " → ".join(en)}
