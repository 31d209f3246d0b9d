"""Kin of a customer: entered relatives, and what follows from them. Nothing of it is stored."""

from typing import Any
from uuid import UUID

import orjson

from app import reads
from app.access import Actor
from app.domain import kin
from app.domain.kin import Family, KinTie
from app.errors import Gone, NotFound


async def read(actor: Actor, customer_id: UUID) -> bytes:
    """Whom the actor sees of the customer's family, as JSON; derivations pass through visible persons only.

    Raises:
        NotFound: the customer is absent or not visible. Gone: he was deleted in the last 30 days.
    """
    found = await reads.row(
        actor.org_id, actor.owners, "get_kin", customer_id, sorted(kin.BASIS), kin.MAX_STEPS, actor.is_masked
    )
    if found is None:
        raise NotFound
    if found["is_deleted"]:
        raise Gone
    people = {person["id"]: person for person in orjson.loads(found["people"])}
    entered = [one for one in orjson.loads(found["entered"]) if one["other_id"] in people]
    ties = [KinTie(*tie) for tie in orjson.loads(found["ties"])]
    family = Family(ties, {key: person["gender"] for key, person in people.items()})
    types = orjson.loads(found["types"])
    items = [_item(types, people[one["other_id"]], one["type"], one["relationship_id"], []) for one in entered]
    for one in family.infer(str(customer_id), known=[one["other_id"] for one in entered]):
        if one.type in types and {one.id, *one.through} <= people.keys():
            items.append(_item(types, people[one.id], one.type, None, [people[key] for key in one.through]))
    return orjson.dumps({"customer_id": str(customer_id), "items": items})


def _item(
    types: dict[str, Any], person: dict[str, Any], code: str, relationship_id: str | None, through: list[dict[str, Any]]
) -> dict[str, Any]:
    label, gender = types[code]["label"], person["gender"]
    return {
        "person": person,
        "type": code,
        "label": {language: label.get(f"{language}_{gender}", label[language]) for language in ("zh", "en")},
        "family_degree": types[code]["degree"],
        "inferred": relationship_id is None,
        "relationship_id": relationship_id,
        "through": through,
    }
