"""What of a customer is sealed: phones, e-mails, addresses and the note in one column, the ID number in another.

Both are sealed under his own key. What stands in clear beside them is derived here: masked copies, blind indexes of
whole numbers, and search words with no more of a phone than its mask shows.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlmodel.ext.asyncio.session import AsyncSession

from app import crypto, db, guesses, paging, unsealing, vault
from app.access import Actor
from app.crypto import FieldCipher
from app.domain import identity, names
from app.errors import Conflict, Invalid, Issue, TooManyRequests
from app.etags import Document
from app.models.customers import Customer, PartyType

MEMBERS = ("phones", "emails", "addresses", "note")
_NOTHING: dict[str, Any] = {"phones": [], "emails": [], "addresses": [], "note": None}
_PLACE = ("customers", "private")
_NUMBER = ("customers", "id_number")
_PHONE = ("customers", "phone")
_NUMBER_COLUMNS = ("id_type", "id_number_enc", "id_number_bi", "id_number_bi_ver", "id_number_masked")
_BATCH = 500
_TAKEN_PER_HOUR = 20  # more than a family's papers typed in twice, less than a guess at the last four digits takes
# The unique index compares what is indexed under one key only.
_TAKEN = """
SELECT true FROM customers WHERE org_id = $1 AND id_type = $2 AND id_number_bi = ANY($3) AND id <> $4
AND deleted_at IS NULL LIMIT 1
"""
_SEALED = """
SELECT c.id, c.private_enc,
       ARRAY(SELECT k.wrapped FROM person_keys k WHERE k.org_id = $1 AND k.person_id = c.id) AS wrapped
FROM customers c
WHERE c.org_id = $1 AND c.id = ANY($2::uuid[]) AND c.private_enc IS NOT NULL
"""
_RESEAL = """
UPDATE customers c SET private_enc = n.sealed FROM unnest($2::uuid[], $3::bytea[]) AS n (id, sealed)
WHERE c.org_id = $1 AND c.id = n.id
"""


async def opened(session: AsyncSession, customer: Customer) -> dict[str, Any]:
    """The sealed members in clear; empty lists and null where there is nothing.

    Raises:
        CryptoError: the key of the person is gone or another's, or the bytes were changed.
    """
    if customer.private_enc is None:
        return dict(_NOTHING)
    cipher = await vault.of_person(session, customer.org_id, customer.id)
    return _open(cipher, customer.id, customer.private_enc)


async def id_number(session: AsyncSession, customer: Customer) -> str | None:
    """The ID number in clear, if there is one.

    Raises:
        CryptoError: as `opened`.
    """
    if customer.id_number_enc is None:
        return None
    cipher = await vault.of_person(session, customer.org_id, customer.id)
    return cipher.open(*_NUMBER, customer.id, customer.id_number_enc)


async def document(
    org_id: UUID, found: asyncpg.Record | None, customer_id: UUID, session: AsyncSession | None = None
) -> Document:
    """A profile from the row of `get_customer`, with what was opened for its reader.

    Args:
        session: where the row was read inside a transaction.

    Raises:
        NotFound, Gone: as `paging.document`. CryptoError: as `opened`.
    """
    made = paging.document(found, customer_id)
    if found is None or found["sealed"] is None:
        return made
    heads = map(crypto.organisation_part, found["wrapped"])
    cipher = (await unsealing.organisation(org_id, session, *heads)).person(customer_id, found["wrapped"])
    private = _open(cipher, customer_id, found["sealed"])
    values = (_masked_phones(private["phones"]), private["addresses"], private["note"])
    return Document(unsealing.fill(found["body"], values).encode(), made.version, customer_id)


def keep_masked(changes: Mapping[str, Any], private: Mapping[str, Any]) -> list[Issue]:
    """Replace each phone and e-mail that is the mask of exactly one stored value by that value, in place.

    Returns:
        `mask_unknown` where nothing stored has this mask, `mask_ambiguous` where several have.
    """
    issues = []
    for member, key, mask in (("phones", "number", identity.mask_phone), ("emails", "address", identity.mask_email)):
        stored = {item[key]: mask(item[key]) for item in private[member]}
        for index, item in enumerate(changes.get(member, ())):
            if not _is_mask(item[key]):
                continue
            fitting = [value for value, shown in stored.items() if shown == item[key]]
            if len(fitting) == 1:
                item[key] = fitting[0]
            else:
                code = "mask_ambiguous" if fitting else "mask_unknown"
                issues.append(Issue(code, pointer=f"/{member}/{index}/{key}"))
    return issues


async def columns(
    session: AsyncSession,
    customer_id: UUID,
    party: PartyType,
    changes: dict[str, Any],
    before: Mapping[str, Any],
    *,
    is_new: bool,
) -> dict[str, Any]:
    """The columns of the sealed members that were sent, and what stands beside them; `changes` loses those.

    Args:
        before: phones, e-mails, addresses and note as they are.

    Raises:
        Conflict: `id_number_taken`, where the number is indexed under a former key.
    """
    made: dict[str, Any] = {}
    sent = {member: changes.pop(member) for member in MEMBERS if member in changes}
    private = {**before, **sent}
    is_kept, number = bool(sent) and any(private.values()), changes.get("id_number")
    cipher = None
    if is_kept or number is not None:
        make = vault.of_new_person if is_new else vault.of_person
        cipher = await make(session, session.info["org_id"], customer_id)
    if sent:
        made["private_enc"] = _seal(cipher, customer_id, private) if cipher is not None and is_kept else None
        made["masked"] = {
            "phones": [{**phone, "label": None} for phone in _masked_phones(private["phones"])],
            "emails": [{**mail, "address": identity.mask_email(mail["address"])} for mail in private["emails"]],
            "addresses": [{**place, "detail": None, "postcode": None} for place in private["addresses"]],
        }
    if "phones" in sent:
        made |= await _phone_columns(session, sent["phones"])
    if "id_number" in changes:
        del changes["id_number"]
        made |= dict.fromkeys(_NUMBER_COLUMNS)
    if number is not None and cipher is not None:
        made |= await _number_columns(session, customer_id, party, number, cipher)
    return made


async def _phone_columns(session: AsyncSession, phones: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """By these numbers the customer is found, and by no others any more."""
    org_id = session.info["org_id"]
    found = [await vault.blind(session, org_id, *_PHONE, number) for number in {phone["number"] for phone in phones}]
    if not found:
        return {"phones_bi": None, "phones_bi_ver": None}
    return {"phones_bi": sorted(blind for blind, _ in found), "phones_bi_ver": found[0][1]}


async def _number_columns(
    session: AsyncSession, customer_id: UUID, party: PartyType, number: str, cipher: FieldCipher
) -> dict[str, Any]:
    org_id, kind = session.info["org_id"], "resident_id" if party == PartyType.individual else "uscc"
    former = await vault.blinds(org_id, *_NUMBER, number)
    if len(former) > 1 and await db.raw(session).fetchval(_TAKEN, org_id, kind, former, customer_id):
        raise Conflict("id_number_taken", issues=[Issue("id_number_taken", pointer="/id_number")])
    blind, version = await vault.blind(session, org_id, *_NUMBER, number)
    values = (kind, cipher.seal(*_NUMBER, customer_id, number), blind, version, identity.mask_id_number(number))
    return dict(zip(_NUMBER_COLUMNS, values, strict=True))


@asynccontextmanager
async def guarding_number(actor: Actor, number: str | None) -> AsyncIterator[None]:
    """Where an ID number is stored: that it is taken tells whom others know, so it is told twenty times an hour.

    A number that is stored, or is none, counts for nothing.

    Raises:
        TooManyRequests: `too_many_guesses`.
    """
    if number is None:
        yield
        return
    bucket = guesses.bucket("id_number", _TAKEN_PER_HOUR, str(actor.org_id), str(actor.id))
    try:
        await guesses.spend([bucket], timedelta(hours=1))
        yield
    except (Invalid, TooManyRequests):  # many at once that are free must not use up the hour
        await guesses.give_back([bucket])
        raise
    await guesses.give_back([bucket])


def search_text(name: str, masked: Mapping[str, Any]) -> str:
    """The words a customer is found by: of the name, and of each phone the digits at the end that its mask shows."""
    return names.search_words(name, [phone["number"].rpartition("*")[2] for phone in masked["phones"]])


async def blind_search(org_id: UUID, query: str) -> tuple[list[bytes], list[bytes]] | None:
    """The blind indexes of a whole phone or ID number: of phones, and of ID numbers. None when it is neither."""
    phones: list[bytes] = []
    numbers: list[bytes] = []
    for rule, place, made in ((identity.check_phone, _PHONE, phones), (_id_number, _NUMBER, numbers)):
        try:
            made += await vault.blinds(org_id, *place, rule(query))
        except identity.IdentityError:
            continue
    return (phones, numbers) if phones or numbers else None


async def forget_notes(session: AsyncSession, customer_ids: Sequence[UUID]) -> int:
    """Take the notes out of what is sealed of these customers; how many there were.

    Each must be opened for it: some 20 µs, in batches, so that others have their turn between them.
    """
    driver, org_id = db.raw(session), session.info["org_id"]
    forgotten = 0
    for begin in range(0, len(customer_ids), _BATCH):
        rows = await driver.fetch(_SEALED, org_id, customer_ids[begin : begin + _BATCH])
        heads = [crypto.organisation_part(wrapped) for row in rows for wrapped in row["wrapped"]]
        organisation = await unsealing.organisation(org_id, session, *heads)
        ids, blobs = [], []
        for row in rows:
            cipher = organisation.person(row["id"], row["wrapped"])
            private = _open(cipher, row["id"], row["private_enc"])
            if private["note"] is not None:
                ids.append(row["id"])
                blobs.append(_seal(cipher, row["id"], {**private, "note": None}))
        if ids:
            await driver.execute(_RESEAL, org_id, ids, blobs)
        forgotten += len(ids)
    return forgotten


def _is_mask(text: str) -> bool:
    """Of a phone or an e-mail: a star may stand in an address, but none ends with its @."""
    return text.endswith("@") or ("*" in text and "@" not in text)


def _id_number(text: str) -> str:
    try:
        return identity.check_resident_id(text).number
    except identity.IdentityError:
        return identity.check_uscc(text)


def _masked_phones(phones: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**phone, "number": identity.mask_phone(phone["number"])} for phone in phones]


def _open(cipher: FieldCipher, customer_id: UUID, blob: bytes) -> dict[str, Any]:
    return {**_NOTHING, **vault.open_json(cipher, *_PLACE, customer_id, blob)}


def _seal(cipher: FieldCipher, customer_id: UUID, private: Mapping[str, Any]) -> bytes | None:
    return vault.seal_json(cipher, *_PLACE, customer_id, private) if any(private.values()) else None
