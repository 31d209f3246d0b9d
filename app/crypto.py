"""Keys and ciphers: field encryption, blind indexes, keyed hashes, signed cursors.

One root key of 32 bytes is the only secret an operator keeps. Everything else is derived from it by purpose (HKDF)
or random and stored wrapped. Nothing here touches the database; callers bring keys and bytes.

Primitives: AES-256-GCM (NIST SP 800-38D, random 96-bit nonces), HKDF-SHA-256 (RFC 5869), HMAC-SHA-256 (RFC 2104).
Every associated-data string and MAC input is length-prefixed and starts with its own purpose, so that no output of
one function can be passed to another.
"""

import base64
import hmac
import os
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from app import aead
from app.aead import HEAD, Aead, checked_key, hkdf, joined, padded, unpadded, utf8
from app.aead import KEY_BYTES as KEY_BYTES
from app.aead import Algorithm as Algorithm
from app.aead import CryptoError as CryptoError

BLIND_INDEX_BYTES = 16

_BLOB_VERSION = b"\x01"
_BLOB_MAC_BYTES = 16
_BLOB_TEXT = re.compile(r"[A-Za-z0-9_-]+")
_AES = Algorithm.aes_256_gcm


def derive_key(root: bytes, purpose: str) -> bytes:
    """32 bytes for one purpose, by HKDF-SHA-256 without salt (the root is uniformly random).

    Args:
        root: at least 32 secret bytes of full entropy: the root key, or a random 256-bit token.
        purpose: short constant text; a different purpose gives an unrelated key.

    Raises:
        CryptoError: short root or empty purpose.
    """
    if len(root) < KEY_BYTES or not purpose:
        raise CryptoError("a derived key needs 32 bytes of root and a purpose")
    return hkdf(root, b"", joined(b"renmai/derive/1", purpose.encode()), KEY_BYTES)


def new_key() -> bytes:
    """A fresh 32-byte data key for one organisation or one person."""
    return os.urandom(KEY_BYTES)


class Place(NamedTuple):
    """Where a wrapped secret belongs: it opens nowhere else. A key service takes it as its encryption context."""

    purpose: bytes
    parts: tuple[bytes, ...]
    version: int = 1

    @classmethod
    def key(cls, layer: str, org_id: UUID, version: int) -> "Place":
        """The place of a key of an organisation.

        Args:
            layer: `org` for the key its persons' keys and its own fields lie under, `blind` for its blind indexes.
        """
        return cls(f"renmai/{layer}-key".encode(), (org_id.bytes,), version)

    @classmethod
    def text(cls, aad: bytes) -> "Place":
        """The place of a padded text, as `seal_text` binds it."""
        return cls(b"renmai/text", (aad,))


def wrap(kek: bytes, place: Place, secret: bytes, algorithm: Algorithm = _AES) -> bytes:
    """`secret` encrypted under a 32-byte key and bound to its place; 34 bytes longer.

    Raises:
        CryptoError: a key that is not 32 bytes, or a version out of 1..2^32-1.
    """
    head = aead.head_of(place.version, algorithm)
    return head + aead.sealed(aead.cipher_of(kek, algorithm), joined(place.purpose, *place.parts, head), secret)


def unwrap(kek: bytes, place: Place, blob: bytes) -> bytes:
    """The inverse of `wrap`.

    Raises:
        CryptoError: another key, place or version, or changed bytes.
    """
    algorithm, version = aead.read_head(blob)
    if version != place.version:
        raise CryptoError("wrapped key does not open")
    aad = joined(place.purpose, *place.parts, blob[: HEAD.size])
    return aead.opened(aead.cipher_of(kek, algorithm), aad, blob[HEAD.size :])


def wrap_key(kek: bytes, org_id: UUID, version: int, key: bytes, algorithm: Algorithm = _AES) -> bytes:
    """`key` encrypted under the key-encryption key, bound to its organisation and version (1..2^32-1); 66 bytes.

    Raises:
        CryptoError: a key that is not 32 bytes, or a version out of range.
    """
    return wrap(kek, Place.key("org", org_id, version), checked_key(key), algorithm)


def unwrap_key(kek: bytes, org_id: UUID, version: int, wrapped: bytes) -> bytes:
    """The inverse of `wrap_key`.

    Raises:
        CryptoError: another key-encryption key, organisation or version, or changed bytes.
    """
    return checked_key(unwrap(kek, Place.key("org", org_id, version), wrapped))


class FieldCipher:
    """Encrypts single columns of one organisation; no ciphertext opens in another row, column, table or org.

    Stored form: `1 | algorithm | key version u32 | nonce 12 | ciphertext | tag 16`. The plaintext carries its
    length and is padded to 32-byte steps, so the size of a stored name or number says almost nothing: anything up
    to 28 bytes of UTF-8 takes 66 bytes.

    Nonces are random: rotate an organisation's key long before it has sealed 2^32 values (SP 800-38D, 8.3).

    Args:
        org_id: the owner of all rows.
        keys: every version that may still have to be read, version (1..2^32-1) to 32-byte key.
        current: the version new values are sealed under.
        algorithm: what new values are sealed with; both algorithms open.

    Raises:
        CryptoError: a key of the wrong size, two versions with the same key, or `current` not among them.
    """

    __slots__ = ("_algorithm", "_ciphers", "_current", "_keys", "_org")

    def __init__(self, org_id: UUID, keys: Mapping[int, bytes], current: int, algorithm: Algorithm = _AES) -> None:
        self._keys = _versions(keys, current)
        self._org = org_id.bytes
        self._algorithm = algorithm
        self._current = aead.head_of(current, algorithm)
        self._ciphers: dict[bytes, Aead] = {}

    def seal(self, table: str, column: str, row_id: UUID, plaintext: str) -> bytes:
        """Ciphertext of `plaintext` for exactly this place.

        Raises:
            CryptoError: text with lone surrogates, or over 1 MiB of UTF-8.
        """
        head = self._current
        return head + aead.sealed(self._cipher(head), self._aad(head, table, column, row_id), padded(plaintext))

    def open(self, table: str, column: str, row_id: UUID, blob: bytes) -> str:
        """The text sealed at this place, under any known key version.

        Raises:
            CryptoError: changed bytes, another place, or a key version that is not known (any more).
        """
        head = bytes(blob[: HEAD.size])
        return unpadded(
            aead.opened(self._cipher(head), self._aad(head, table, column, row_id), bytes(blob[HEAD.size :]))
        )

    @property
    def head(self) -> bytes:
        """The first six bytes of all that is sealed now: format, algorithm, current version."""
        return self._current

    def is_current(self, blob: bytes) -> bool:
        """Whether the blob is under the current key version and algorithm; others wait to be sealed again."""
        return bytes(blob[: HEAD.size]) == self._current

    def knows(self, blob: bytes) -> bool:
        """Whether the key version the blob says it is under is one of those at hand.

        Raises:
            CryptoError: it does not begin as a sealed value does.
        """
        return aead.read_head(bytes(blob[: HEAD.size]))[1] in self._keys

    def wrap_person_key(self, person_id: UUID, version: int, key: bytes) -> bytes:
        """A person's 32-byte key sealed under the current key of the organisation, bound to person and version.

        Stored form: the head with the person key's version, the head with the organisation key's version, nonce,
        ciphertext, tag: 72 bytes that say themselves which keys they need.

        Raises:
            CryptoError: a key that is not 32 bytes, or a version out of range.
        """
        heads = aead.head_of(version, self._algorithm) + self._current
        aad = joined(b"renmai/person-key", self._org, person_id.bytes, heads)
        return heads + aead.sealed(self._cipher(self._current), aad, checked_key(key))

    def rewrap_person_key(self, person_id: UUID, blob: bytes) -> bytes:
        """The same key of a person under the current key of the organisation.

        Raises:
            CryptoError: it does not open here.
        """
        return self.wrap_person_key(person_id, *self._unwrapped(person_id, bytes(blob)))

    def person(self, person_id: UUID, wrapped: Sequence[bytes]) -> "FieldCipher":
        """The cipher of one person from his wrapped keys; the highest version seals what is new.

        Raises:
            CryptoError: no key, changed bytes, another person or organisation, an unknown key of the organisation.
        """
        keys = dict(self._unwrapped(person_id, bytes(blob)) for blob in wrapped)
        if not keys:
            raise CryptoError("a person without a key has nothing that opens")
        return FieldCipher(UUID(bytes=self._org), keys, max(keys), self._algorithm)

    def _unwrapped(self, person_id: UUID, blob: bytes) -> tuple[int, bytes]:
        heads, size = blob[: 2 * HEAD.size], HEAD.size
        _, version = aead.read_head(heads[:size])
        aad = joined(b"renmai/person-key", self._org, person_id.bytes, heads)
        return version, checked_key(aead.opened(self._cipher(heads[size:]), aad, blob[2 * size :]))

    def _cipher(self, head: bytes) -> Aead:
        """The cipher for a head; made when first needed, for most have only one."""
        cipher = self._ciphers.get(head)
        if cipher is None:
            algorithm, version = aead.read_head(head)
            if version not in self._keys:
                raise CryptoError("field does not open")
            cipher = self._ciphers[head] = aead.cipher_of(self._keys[version], algorithm)
        return cipher

    def _aad(self, head: bytes, table: str, column: str, row_id: UUID) -> bytes:
        return joined(b"renmai/field", self._org, table.encode(), column.encode(), row_id.bytes, head)


def _versions(keys: Mapping[int, bytes], current: int) -> dict[int, bytes]:
    if current not in keys or len(set(keys.values())) != len(keys):
        raise CryptoError("key versions must be distinct and include the current one")
    for version in keys:
        aead.head_of(version)
    return {version: checked_key(key) for version, key in keys.items()}


def organisation_part(wrapped: bytes) -> bytes:
    """The part of a wrapped person key whose head names the key of the organisation it lies under."""
    return wrapped[HEAD.size :]


class BlindKeys:
    """The keys of an organisation's blind indexes; a version a row may still be indexed under is kept until none is.

    Args:
        org_id: the owner of all rows.
        keys: version (1..2^32-1) to 32-byte key.
        current: the version new values are indexed under.

    Raises:
        CryptoError: as for FieldCipher.
    """

    __slots__ = ("_columns", "_keys", "_org", "current")

    def __init__(self, org_id: UUID, keys: Mapping[int, bytes], current: int) -> None:
        self._keys = _versions(keys, current)
        self._org = org_id
        self.current = current
        self._columns: dict[tuple[int, str, str], bytes] = {}  # deriving a key costs more than using it

    def index(self, table: str, column: str, value: str, version: int | None = None) -> bytes:
        """The blind index of a normalised value under the current key, or that of another version.

        Raises:
            CryptoError: an unknown version, or as for `blind_index`.
        """
        place = (self.current if version is None else version, table, column)
        key = self._columns.get(place)
        if key is None:
            if place[0] not in self._keys:
                raise CryptoError("unknown version of a blind index")
            key = _blind_key(self._keys[place[0]], self._org.bytes, table, column, place[0])
            self._columns[place] = key
        return _blind(key, value)

    def indexes(self, table: str, column: str, value: str) -> list[bytes]:
        """One index for every version, the current first."""
        others = sorted(self._keys.keys() - {self.current})
        return [self.index(table, column, value, version) for version in (self.current, *others)]


def blind_index(root_key: bytes, org_id: UUID, table: str, column: str, value: str, version: int = 1) -> bytes:
    """16 bytes that are equal exactly when `value` is, within one organisation, table, column and key version.

    The caller normalises `value` first (a phone to E.164, an ID number to upper case). Such values are few enough
    to try them all: the key is the protection, so it never appears in SQL or logs.

    Raises:
        CryptoError: empty value (all rows without one would look alike), lone surrogates, or a short key.
    """
    return _blind(_blind_key(root_key, org_id.bytes, table, column, version), value)


def _blind(key: bytes, value: str) -> bytes:
    if not value:
        raise CryptoError("an empty value has no blind index")
    return keyed_hash(key, utf8(value))[:BLIND_INDEX_BYTES]


def _blind_key(root_key: bytes, org: bytes, table: str, column: str, version: int) -> bytes:
    info = joined(b"renmai/blind", org, table.encode(), column.encode(), aead.head_of(version))
    return hkdf(checked_key(root_key), b"", info, KEY_BYTES)


def keyed_hash(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-256, 32 bytes: how secrets that are only ever compared (refresh tokens, API keys) are stored.

    Raises:
        CryptoError: a key under 16 bytes; HMAC itself would take an empty one.
    """
    if len(key) < 16:
        raise CryptoError("a MAC key is at least 16 bytes")
    return hmac.digest(key, data, "sha256")


def sign_blob(key: bytes, payload: bytes) -> str:
    """`payload` (readable by anyone, changeable by nobody) as URL-safe text, with a 128-bit MAC."""
    body = _BLOB_VERSION + payload
    return base64.urlsafe_b64encode(body + _blob_mac(key, body)).rstrip(b"=").decode("ascii")


def open_blob(key: bytes, text: str, max_len: int) -> bytes:
    """The payload of `sign_blob`.

    Args:
        key: the key it was signed with.
        text: what a client sent; anything.
        max_len: longest accepted text, in characters.

    Raises:
        CryptoError: too long, not our alphabet, not the one spelling of its bytes, another key or version, changed.
    """
    if not isinstance(text, str) or len(text) > max_len or not _BLOB_TEXT.fullmatch(text):
        raise CryptoError("signed text does not open")
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise CryptoError("signed text does not open") from None
    body, mac = raw[:-_BLOB_MAC_BYTES], raw[-_BLOB_MAC_BYTES:]
    is_canonical = base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") == text
    if not is_canonical or body[:1] != _BLOB_VERSION or not hmac.compare_digest(mac, _blob_mac(key, body)):
        raise CryptoError("signed text does not open")
    return body[1:]


def seal_text(key: bytes, aad: bytes, plaintext: str, algorithm: Algorithm = _AES) -> bytes:
    """Encrypts a short text under a 32-byte key, bound to `aad`.

    For a secret only the holder of another secret may read back: the key is then `derive_key(token, purpose)`.

    Raises:
        CryptoError: a key that is not 32 bytes, lone surrogates, or over 1 MiB.
    """
    return wrap(key, Place.text(aad), padded(plaintext), algorithm)


def open_text(key: bytes, aad: bytes, blob: bytes) -> str:
    """The inverse of `seal_text`.

    Raises:
        CryptoError: another key or `aad`, or changed bytes.
    """
    return unpadded(unwrap(key, Place.text(aad), blob))


def _blob_mac(key: bytes, body: bytes) -> bytes:
    return keyed_hash(checked_key(key), joined(b"renmai/blob", body))[:_BLOB_MAC_BYTES]
