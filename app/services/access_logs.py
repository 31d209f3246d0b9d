"""Who looked at me: the events about one customer, in words he may be shown."""

from typing import Any
from uuid import UUID

import orjson

from app import access, keyring, paging, reads
from app.access import Actor
from app.domain import access_log_words as words
from app.errors import Language, NotFound
from app.models.access_logs import AccessLogQuery
from app.paging import Page
from app.services import audit_events


async def search(actor: Actor, customer_id: UUID, query: AccessLogQuery, language: Language) -> Page:
    """A page of what was done with the customer's data, newest first; `at_from` is included, `at_to` is not.

    Of a restricted customer, too: who looked at him is what he may ask meanwhile.

    Raises:
        NotFound, Gone: the customer. Malformed: the cursor.
    """
    try:
        await access.check_customer(actor, customer_id)
    except NotFound:
        if await reads.row(actor.org_id, actor.owners, "get_restriction", [customer_id]) is None:
            raise
    key = keyring.current().cursors
    bound = paging.binding("access_log", actor.org_id, actor.id, customer_id, query.at_from, query.at_to)
    position = paging.decode(key, bound, query.cursor)
    lowest, highest = audit_events.between(query.at_from, query.at_to)
    found = await reads.row(
        actor.org_id,
        None,
        "list_access_log",
        customer_id,
        lowest,
        highest if position is None else min(highest, position.id),
        query.at_from,
        query.at_to,
        query.limit + 1,
    )
    page = paging.page(key, bound, found)
    raw = orjson.loads(page.body)
    items = [_entry(one, language == "en") for one in raw["items"]]
    return Page(orjson.dumps({"items": items, "next_cursor": raw["next_cursor"]}), page.next_cursor)


def _entry(event: dict[str, Any], is_english: bool) -> dict[str, Any]:
    kind, fields, purpose = words.kind_of(event["action"]), event["fields"], event["purpose"]
    data = words.data_of(event["action"], fields if isinstance(fields, list) else [])
    told = words.PURPOSES.get(purpose, (purpose, purpose)) if isinstance(purpose, str) else None
    return {
        "at": event["at"],
        "kind": kind,
        "kind_label": words.KINDS[kind][is_english],
        "by": {
            "name": event["name"],
            "role": event["role"],
            "role_label": words.ROLES[event["role"]][is_english],
        },
        "device_kind": event["device_kind"],
        "data": [{"code": code, "label": words.DATA[code][is_english]} for code in data],
        "purpose": None if told is None else {"code": purpose, "label": told[is_english]},
    }
