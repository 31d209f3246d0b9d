"""The keys of this process: purpose keys derived from the root, signing and organisation keys from the database.

Stored keys are sealed: signing keys and organisation keys can be opened only with the root key, which never enters
the database.
"""

import asyncio
import time
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
from sqlmodel.ext.asyncio.session import AsyncSession

from app import crypto, db, reads
from app.config import Settings
from app.tokens import CachedVerifier, KeyState, KeyTable, SigningKey

UNKNOWN_KID_SECONDS = 5  # an unknown kid asks the database at most this often
SIGNER_SECONDS = 60  # whoever signs has looked at most this long ago whether the key was retired
# A new key is published this long before it signs: a process that looked just before the rotation may not look again
# when the first token of the new key reaches it, and would refuse it.
PUBLISHED_AHEAD_SECONDS = 2 * UNKNOWN_KID_SECONDS
# The longest access token, the leeway, and a signer that does not know yet.
_RETIRED_GRACE_SECONDS = 600 + 30 + PUBLISHED_AHEAD_SECONDS + SIGNER_SECONDS


@dataclass(slots=True)
class Keyring:
    """Everything secret a running process needs, by purpose."""

    settings: Settings
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
    org_ciphers: dict[UUID, crypto.FieldCipher] = field(default_factory=dict)


def derive(settings: Settings) -> Keyring:
    """The purpose keys of a process; the database is not asked."""
    root = settings.master_secret()

    def purpose(name: str) -> bytes:
        return crypto.derive_key(root, f"renmai/{name}")

    return Keyring(
        settings=settings,
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
        "SELECT kid, sealed_pem, retired_at IS NOT NULL AS is_retired, "
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
            crypto.open_text(ring.kek, row["kid"].encode(), row["sealed_pem"]),
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
    await connection.execute(
        "INSERT INTO signing_keys (kid, sealed_pem) VALUES ($1, $2)",
        key.kid,
        crypto.seal_text(ring.kek, key.kid.encode(), pem),
    )
    return key.kid


async def field_cipher(session: AsyncSession, org_id: UUID) -> crypto.FieldCipher:
    """The field cipher of an organisation; its first key is made when it is first needed."""
    ring = current()
    cipher = ring.org_ciphers.get(org_id)
    if cipher is None:
        rows = await _org_keys(session, org_id)
        if not rows:
            wrapped = crypto.wrap_key(ring.kek, org_id, 1, crypto.new_key())
            await db.raw(session).execute(
                "INSERT INTO org_keys (org_id, version, wrapped) VALUES ($1, 1, $2) ON CONFLICT DO NOTHING",
                org_id,
                wrapped,
            )
            # Read it back: a parallel request may have been first. Nothing is kept by the process, now or when this
            # transaction asks again: if it fails, the key never was, and what is sealed under it cannot be opened.
            session.info["has_new_key"] = True
            rows = await _org_keys(session, org_id)
        cipher = _cipher(ring, org_id, rows)
        if session.info.get("has_new_key"):
            return cipher
        if len(ring.org_ciphers) >= 1000:
            ring.org_ciphers.clear()
        ring.org_ciphers[org_id] = cipher
    return cipher


async def read_cipher(org_id: UUID) -> crypto.FieldCipher:
    """The field cipher of an organisation on the read road; something sealed was read, so there is a key.

    Raises:
        CryptoError: the organisation has no key.
    """
    ring = current()
    cipher = ring.org_ciphers.get(org_id)
    if cipher is None:
        found = await reads.row(org_id, None, "get_org_keys")
        rows = [] if found is None else list(zip(found["versions"], found["wrapped"], strict=True))
        if not rows:
            raise crypto.CryptoError("the organisation has no key")
        cipher = _cipher(ring, org_id, rows)
        ring.org_ciphers[org_id] = cipher
    return cipher


async def _org_keys(session: AsyncSession, org_id: UUID) -> list[tuple[int, bytes]]:
    rows = await db.raw(session).fetch(
        "SELECT version, wrapped FROM org_keys WHERE org_id = $1 ORDER BY version", org_id
    )
    return [(row["version"], row["wrapped"]) for row in rows]


def _cipher(ring: Keyring, org_id: UUID, rows: list[tuple[int, bytes]]) -> crypto.FieldCipher:
    keys = {version: crypto.unwrap_key(ring.kek, org_id, version, wrapped) for version, wrapped in rows}
    return crypto.FieldCipher(org_id, keys, max(keys))
