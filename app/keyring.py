"""The keys of this process: purpose keys derived from the root, signing and organisation keys from the database.

Stored keys are sealed: signing keys and organisation keys can be opened only with the root key, which never enters
the database.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

import asyncpg
from sqlmodel.ext.asyncio.session import AsyncSession

from app import aead, crypto, db, reads
from app.config import Settings
from app.crypto import Algorithm, BlindKeys, CryptoError, FieldCipher, Place
from app.tokens import CachedVerifier, KeyState, KeyTable, SigningKey
from app.wrapping import KeyWrapper, LocalKeys

UNKNOWN_KID_SECONDS = 5  # an unknown kid asks the database at most this often
SIGNER_SECONDS = 60  # whoever signs has looked at most this long ago whether the key was retired
# A new key is published this long before it signs: a process that looked just before the rotation may not look again
# when the first token of the new key reaches it, and would refuse it.
PUBLISHED_AHEAD_SECONDS = 2 * UNKNOWN_KID_SECONDS
# The longest access token, the leeway, and a signer that does not know yet.
_RETIRED_GRACE_SECONDS = 600 + 30 + PUBLISHED_AHEAD_SECONDS + SIGNER_SECONDS
KeyLayer = Literal["org", "blind"]
_FIRST: dict[KeyLayer, str] = {
    "org": "INSERT INTO org_keys (org_id, version, wrapped, kek_version, activated_at) "
    "VALUES ($1, 1, $2, $3, now()) ON CONFLICT DO NOTHING",
    "blind": "INSERT INTO blind_keys (org_id, version, wrapped, kek_version, activated_at) "
    "VALUES ($1, 1, $2, $3, now()) ON CONFLICT DO NOTHING",
}
_ORGANISATIONS = 1000  # so many have their keys in memory at most


@dataclass(frozen=True, slots=True)
class OrgKeys:
    """The keys of an organisation, as they were at one moment."""

    fields: FieldCipher | None
    blinds: BlindKeys | None
    loaded_at: float


@dataclass(slots=True)
class Keyring:
    """Everything secret a running process needs, by purpose."""

    settings: Settings
    wrapper: KeyWrapper
    algorithm: Algorithm
    kek: bytes
    blind: bytes
    refresh: bytes
    api_keys: bytes
    passwords: bytes
    cursors: bytes
    digests: bytes
    devices: bytes
    guesses: bytes
    invitations: bytes
    nonces: bytes
    recovery: bytes
    answers: bytes
    limits: bytes
    paths: bytes
    table: KeyTable | None = None
    verifier: CachedVerifier | None = None
    key_states: list[tuple[str, KeyState]] = field(default_factory=list)
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    loaded_at: float = 0.0
    organisations: dict[UUID, OrgKeys] = field(default_factory=dict)


def derive(settings: Settings) -> Keyring:
    """The purpose keys of a process; the database is not asked.

    Raises:
        SettingsError: a key that is unfit.
        CryptoError: the algorithm that is chosen is not to be had here.
    """
    root = settings.master_secret()
    algorithm = Algorithm[settings.seal_algorithm.replace("-", "_")]
    aead.check_supported(algorithm)

    def purpose(name: str) -> bytes:
        return crypto.derive_key(root, f"renmai/{name}")

    return Keyring(
        settings=settings,
        wrapper=LocalKeys(settings, purpose("kek")),
        algorithm=algorithm,
        kek=purpose("kek"),
        blind=purpose("blind"),
        refresh=purpose("refresh"),
        api_keys=purpose("api_keys"),
        passwords=purpose("passwords"),
        cursors=purpose("cursors"),
        digests=purpose("digests"),
        devices=purpose("devices"),
        guesses=purpose("guesses"),
        invitations=purpose("invitations"),
        nonces=purpose("nonces"),
        recovery=purpose("recovery"),
        answers=purpose("answers"),
        limits=purpose("limits"),
        paths=purpose("paths"),
    )


_ring: Keyring | None = None


def use(ring: Keyring | None) -> None:
    """Make `ring` the one of this process."""
    global _ring
    _ring = ring


def current() -> Keyring:
    """The keyring of this process.

    Raises:
        RuntimeError: the service has not been started.
    """
    if _ring is None:
        raise RuntimeError("the keyring is not open")
    return _ring


async def load_signing_keys(connection: asyncpg.Connection, ring: Keyring) -> None:
    """Read the signing keys (making the first one when there is none) and use them from now on.

    A retired key still verifies for the longest life of a token it may have signed, and is unknown afterwards. It
    signs until its successor is old enough to. Of several first keys, which processes that started together may have
    made, the oldest signs: it is the one that all of them know.
    """
    rows = await connection.fetch(
        "SELECT kid, sealed_pem, kek_version, retired_at IS NOT NULL AS is_retired, "
        "created_at <= now() - make_interval(secs => $2) "
        "AND (retired_at IS NULL OR retired_at > now() - make_interval(secs => $2)) AS may_sign FROM signing_keys "
        "WHERE retired_at IS NULL OR retired_at > now() - make_interval(secs => $1) ORDER BY created_at, kid",
        _RETIRED_GRACE_SECONDS,
        PUBLISHED_AHEAD_SECONDS,
    )
    if not any(not row["is_retired"] for row in rows):
        await add_signing_key(connection, ring)
        return await load_signing_keys(connection, ring)
    signers = [row for row in rows if row["may_sign"]][-1:] or [row for row in rows if not row["is_retired"]]
    keys: list[tuple[str, str, KeyState]] = [
        (
            row["kid"],
            await open_text(ring, row["kek_version"], row["kid"].encode(), row["sealed_pem"]),
            "active" if row["kid"] == signers[0]["kid"] else "verify_only",
        )
        for row in rows
    ]
    settings, states = ring.settings, [(kid, state) for kid, _, state in keys]
    table = KeyTable(keys, issuer=settings.issuer, audience=settings.audience, ttl=settings.access_ttl_seconds)
    ring.table = table
    if ring.verifier is None:
        ring.verifier = CachedVerifier(table)
    elif ring.key_states != states:  # what was verified stays known while the keys are the same
        ring.verifier.replace(table)
    ring.key_states = states
    ring.loaded_at = time.monotonic()
    return None


async def look_again(ring: Keyring, *, at_most_every: float) -> None:
    """Load the signing keys anew, unless that was done less than so many seconds ago.

    The answer to a token of an unknown key costs no connection then: anybody can send one.
    """
    if time.monotonic() - ring.loaded_at < at_most_every:
        return
    async with ring.looking:  # one looks, the others wait for what it finds
        if time.monotonic() - ring.loaded_at >= at_most_every:
            await reads.with_connection(lambda connection: load_signing_keys(connection, ring))


async def rotate_signing_keys(connection: asyncpg.Connection, ring: Keyring) -> str:
    """Make a new signing key and retire all others; returns the kid. Only the owner role may.

    Running processes sign with it in 10 to 70 seconds; tokens of the retired keys stay good until they expire.
    """
    async with connection.transaction():
        await connection.execute("UPDATE signing_keys SET retired_at = now() WHERE retired_at IS NULL")
        return await add_signing_key(connection, ring)


async def add_signing_key(connection: asyncpg.Connection, ring: Keyring) -> str:
    """Create, seal and store a new signing key; returns its kid."""
    key = SigningKey.generate()
    pem = key.to_pem().decode()
    version, sealed = await seal_text(ring, key.kid.encode(), pem)
    await connection.execute(
        "INSERT INTO signing_keys (kid, sealed_pem, kek_version) VALUES ($1, $2, $3)", key.kid, sealed, version
    )
    return key.kid


async def seal_text(ring: Keyring, aad: bytes, text: str) -> tuple[int, bytes]:
    """A text of the service itself under the key-encryption key: the version of that key, and what to store.

    A table that holds such texts has a column `kek_version` and a line in `app/sealed.py`.
    """
    return await ring.wrapper.wrap(Place.text(aad), aead.padded(text))


async def open_text(ring: Keyring, kek_version: int, aad: bytes, sealed: bytes) -> str:
    """The inverse of `seal_text`.

    Raises:
        CryptoError: another key or `aad`, or changed bytes.
    """
    return aead.unpadded(await ring.wrapper.unwrap(kek_version, Place.text(aad), sealed))


async def field_cipher(session: AsyncSession, org_id: UUID, *sealed: bytes) -> FieldCipher:
    """The field cipher of an organisation; its first key is made when it is first needed.

    Args:
        sealed: what it must open. If it lies under a version made since this process looked, it looks again.
    """
    keys = _at_hand(org_id)
    if keys is None or keys.fields is None or not all(map(keys.fields.knows, sealed)):
        keys = await _load(session, org_id)
        if keys.fields is None:
            keys = await _with_first(session, org_id, "org")
    if keys.fields is None:
        raise CryptoError("the organisation has no key")
    return keys.fields


async def read_cipher(org_id: UUID, *sealed: bytes) -> FieldCipher:
    """The field cipher of an organisation on the read road; something sealed was read, so there is a key.

    Args:
        sealed: as for `field_cipher`.

    Raises:
        CryptoError: the organisation has no key.
    """
    keys = _at_hand(org_id)
    if keys is None or keys.fields is None or not all(map(keys.fields.knows, sealed)):
        keys = await _read(org_id)
    if keys.fields is None:
        raise CryptoError("the organisation has no key")
    return keys.fields


async def blind_keys(session: AsyncSession, org_id: UUID) -> BlindKeys:
    """The keys of an organisation's blind indexes; the first is made when it is first needed."""
    keys = _at_hand(org_id)
    if keys is None or keys.blinds is None:
        keys = await _load(session, org_id)
        if keys.blinds is None:
            keys = await _with_first(session, org_id, "blind")
    if keys.blinds is None:
        raise CryptoError("the organisation has no key")
    return keys.blinds


async def read_blind_keys(org_id: UUID) -> BlindKeys | None:
    """The keys of an organisation's blind indexes on the read road; None while nothing has been indexed."""
    keys = _at_hand(org_id)
    if keys is None or keys.blinds is None:
        keys = await _read(org_id)
    return keys.blinds


def _at_hand(org_id: UUID) -> OrgKeys | None:
    """What this process knows already, unless it is too old: a key is published that long before it is used."""
    ring = current()
    keys = ring.organisations.get(org_id)
    if keys is None or time.monotonic() - keys.loaded_at < ring.settings.key_seconds:
        return keys
    del ring.organisations[org_id]
    return None


async def _load(session: AsyncSession, org_id: UUID) -> OrgKeys:
    now, statement = time.monotonic(), reads.statement("get_org_keys", None)
    keys = await _opened(org_id, await db.raw(session).fetchrow(statement, org_id, None), now)
    if not session.info.get("has_new_key"):
        _keep(org_id, keys)
    return keys


async def _read(org_id: UUID) -> OrgKeys:
    now = time.monotonic()
    keys = await _opened(org_id, await reads.row(org_id, None, "get_org_keys"), now)
    _keep(org_id, keys)
    return keys


async def _with_first(session: AsyncSession, org_id: UUID, layer: KeyLayer) -> OrgKeys:
    """Make the first key, and read it back: a parallel request may have been first.

    Nothing is kept by the process, now or when this transaction asks again: if it fails, the key never was, and what
    is sealed under it cannot be opened.
    """
    version, wrapped = await current().wrapper.wrap(Place.key(layer, org_id, 1), crypto.new_key())
    await db.raw(session).execute(_FIRST[layer], org_id, wrapped, version)
    session.info["has_new_key"] = True
    return await _load(session, org_id)


def _keep(org_id: UUID, keys: OrgKeys) -> None:
    known = current().organisations
    known.pop(org_id, None)
    if keys.fields is None and keys.blinds is None:
        return
    if len(known) >= _ORGANISATIONS:
        del known[next(iter(known))]  # the oldest
    known[org_id] = keys


async def _opened(org_id: UUID, found: asyncpg.Record | None, now: float) -> OrgKeys:
    keys: dict[str, dict[int, bytes]] = {"org": {}, "blind": {}}
    active: dict[str, int] = {}
    ring, rows = current(), [] if found is None else found["keys"]
    for layer, version, kek_version, state, wrapped in rows:
        place = Place.key(layer, org_id, version)
        keys[layer][version] = await ring.wrapper.unwrap(kek_version, place, wrapped)
        if state == "active":
            active[layer] = version
    return OrgKeys(
        FieldCipher(org_id, keys["org"], active["org"], ring.algorithm) if "org" in active else None,
        BlindKeys(org_id, keys["blind"], active["blind"]) if "blind" in active else None,
        now,
    )
