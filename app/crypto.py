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
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
MAX_PLAINTEXT_BYTES = 1 << 26
BLIND_INDEX_BYTES = 16

_FORMAT = 1
_AES_256_GCM = 1  # 2 is kept for SM4-GCM: another cipher is a data migration, not another format
_HEAD = struct.Struct(">BBI")
_NONCE_BYTES = 12
_TAG_BYTES = 16
_PAD_STEP = 32
_BLOB_VERSION = b"\x01"
_BLOB_MAC_BYTES = 16
_BLOB_TEXT = re.compile(r"[A-Za-z0-9_-]+")


class CryptoError(Exception):
    """A key, ciphertext or signed text is not what it should be. Says nothing about the content."""


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
    return _hkdf(root, b"", _joined(b"renmai/derive/1", purpose.encode()), KEY_BYTES)


def new_key() -> bytes:
    """A fresh 32-byte data key for one organisation or one person."""
    return os.urandom(KEY_BYTES)


def wrap_key(kek: bytes, org_id: UUID, version: int, key: bytes) -> bytes:
    """`key` encrypted under the key-encryption key, bound to its organisation and version (1..2^32-1); 66 bytes.

    Raises:
        CryptoError: a key that is not 32 bytes, or a version out of range.
    """
    head = _head(version)
    return head + _sealed(_cipher(kek), _wrap_aad(head, org_id), _checked_key(key))


def unwrap_key(kek: bytes, org_id: UUID, version: int, wrapped: bytes) -> bytes:
    """The inverse of `wrap_key`.

    Raises:
        CryptoError: another key-encryption key, organisation or version, or changed bytes.
    """
    head = _head(version)
    if wrapped[: _HEAD.size] != head:
        raise CryptoError("wrapped key does not open")
    return _checked_key(_opened(_cipher(kek), _wrap_aad(head, org_id), wrapped[_HEAD.size :]))


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

    Raises:
        CryptoError: a key of the wrong size, two versions with the same key, or `current` not among them.
    """

    __slots__ = ("_ciphers", "_current", "_org")

    def __init__(self, org_id: UUID, keys: Mapping[int, bytes], current: int) -> None:
        if current not in keys or len(set(keys.values())) != len(keys):
            raise CryptoError("key versions must be distinct and include the current one")
        self._org = org_id.bytes
        self._current = _head(current)
        self._ciphers = {_head(version): _cipher(key) for version, key in keys.items()}

    def seal(self, table: str, column: str, row_id: UUID, plaintext: str) -> bytes:
        """Ciphertext of `plaintext` for exactly this place.

        Raises:
            CryptoError: text with lone surrogates, or over 64 MiB of UTF-8.
        """
        head = self._current
        return head + _sealed(self._ciphers[head], self._aad(head, table, column, row_id), _padded(plaintext))

    def open(self, table: str, column: str, row_id: UUID, blob: bytes) -> str:
        """The text sealed at this place, under any known key version.

        Raises:
            CryptoError: changed bytes, another place, or a key version that is not known (any more).
        """
        head = bytes(blob[: _HEAD.size])
        cipher = self._ciphers.get(head)
        if cipher is None:
            raise CryptoError("field does not open")
        return _unpadded(_opened(cipher, self._aad(head, table, column, row_id), blob[_HEAD.size :]))

    def is_current(self, blob: bytes) -> bool:
        """Whether the blob is under the current key version; others wait to be sealed again."""
        return bytes(blob[: _HEAD.size]) == self._current

    def wrap_person_key(self, person_id: UUID, version: int, key: bytes) -> bytes:
        """A person's 32-byte key sealed under the current key of the organisation, bound to person and version.

        Stored form: the head with the person key's version, the head with the organisation key's version, nonce,
        ciphertext, tag: 72 bytes that say themselves which keys they need.

        Raises:
            CryptoError: a key that is not 32 bytes, or a version out of range.
        """
        heads = _head(version) + self._current
        aad = _joined(b"renmai/person-key", self._org, person_id.bytes, heads)
        return heads + _sealed(self._ciphers[self._current], aad, _checked_key(key))

    def person(self, person_id: UUID, wrapped: Sequence[bytes]) -> "FieldCipher":
        """The cipher of one person from his wrapped keys; the highest version seals what is new.

        Raises:
            CryptoError: no key, changed bytes, another person or organisation, an unknown key of the organisation.
        """
        keys = dict(self._unwrapped(person_id, bytes(blob)) for blob in wrapped)
        if not keys:
            raise CryptoError("a person without a key has nothing that opens")
        return FieldCipher(UUID(bytes=self._org), keys, max(keys))

    def _unwrapped(self, person_id: UUID, blob: bytes) -> tuple[int, bytes]:
        heads, size = blob[: 2 * _HEAD.size], _HEAD.size
        cipher = self._ciphers.get(heads[size:])
        if len(heads) < 2 * size or cipher is None or heads[:2] != self._current[:2]:
            raise CryptoError("person key does not open")
        aad = _joined(b"renmai/person-key", self._org, person_id.bytes, heads)
        return _HEAD.unpack(heads[:size])[2], _checked_key(_opened(cipher, aad, blob[2 * size :]))

    def _aad(self, head: bytes, table: str, column: str, row_id: UUID) -> bytes:
        return _joined(b"renmai/field", self._org, table.encode(), column.encode(), row_id.bytes, head)


def blind_index(root_key: bytes, org_id: UUID, table: str, column: str, value: str, version: int = 1) -> bytes:
    """16 bytes that are equal exactly when `value` is, within one organisation, table, column and key version.

    The caller normalises `value` first (a phone to E.164, an ID number to upper case). Such values are few enough
    to try them all: the key is the protection, so it never appears in SQL or logs.

    Raises:
        CryptoError: empty value (all rows without one would look alike), lone surrogates, or a short key.
    """
    if not value:
        raise CryptoError("an empty value has no blind index")
    key = _blind_key(root_key, org_id.bytes, table, column, version)
    return keyed_hash(key, _utf8(value))[:BLIND_INDEX_BYTES]


@lru_cache(maxsize=4096)
def _blind_key(root_key: bytes, org: bytes, table: str, column: str, version: int) -> bytes:
    info = _joined(b"renmai/blind", org, table.encode(), column.encode(), _head(version))
    return _hkdf(_checked_key(root_key), b"", info, KEY_BYTES)


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


def seal_text(key: bytes, aad: bytes, plaintext: str) -> bytes:
    """Encrypts a short text under a 32-byte key, bound to `aad`.

    For a secret only the holder of another secret may read back: the key is then `derive_key(token, purpose)`.

    Raises:
        CryptoError: a key that is not 32 bytes, lone surrogates, or over 64 MiB.
    """
    head = _head(1)
    return head + _sealed(_cipher(key), _joined(b"renmai/text", aad, head), _padded(plaintext))


def open_text(key: bytes, aad: bytes, blob: bytes) -> str:
    """The inverse of `seal_text`.

    Raises:
        CryptoError: another key or `aad`, or changed bytes.
    """
    head = _head(1)
    if blob[: _HEAD.size] != head:
        raise CryptoError("text does not open")
    return _unpadded(_opened(_cipher(key), _joined(b"renmai/text", aad, head), blob[_HEAD.size :]))


def _joined(*parts: bytes) -> bytes:
    """Length-prefixed concatenation: ("ab", "c") and ("a", "bc") stay different."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _hkdf(secret: bytes, salt: bytes, info: bytes, size: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=size, salt=salt, info=info).derive(secret)


def _checked_key(key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise CryptoError("a key is 32 bytes")
    return key


def _cipher(key: bytes) -> AESGCM:
    return AESGCM(_checked_key(key))


def _head(version: int) -> bytes:
    if not 1 <= version < 1 << 32:
        raise CryptoError("a key version is 1..2^32-1")
    return _HEAD.pack(_FORMAT, _AES_256_GCM, version)


def _wrap_aad(head: bytes, org_id: UUID) -> bytes:
    return _joined(b"renmai/org-key", org_id.bytes, head)


def _sealed(cipher: AESGCM, aad: bytes, plaintext: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plaintext, aad)


def _opened(cipher: AESGCM, aad: bytes, sealed: bytes) -> bytes:
    """Plaintext of `nonce 12 | ciphertext | tag 16`."""
    if len(sealed) < _NONCE_BYTES + _TAG_BYTES:
        raise CryptoError("ciphertext does not open")
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], aad)
    except InvalidTag:
        raise CryptoError("ciphertext does not open") from None


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # its message quotes the text
        raise CryptoError("text is not valid Unicode") from None


def _padded(text: str) -> bytes:
    raw = _utf8(text)
    if len(raw) > MAX_PLAINTEXT_BYTES:
        raise CryptoError("text is too long")
    framed = len(raw).to_bytes(4, "big") + raw
    return framed + bytes(-len(framed) % _PAD_STEP)


def _unpadded(framed: bytes) -> str:
    size = int.from_bytes(framed[:4], "big")
    raw, padding = framed[4 : 4 + size], framed[4 + size :]
    if len(framed) < 4 or len(raw) != size or padding.strip(b"\0"):
        raise CryptoError("text does not open")
    return raw.decode("utf-8")


def _blob_mac(key: bytes, body: bytes) -> bytes:
    return keyed_hash(_checked_key(key), _joined(b"renmai/blob", body))[:_BLOB_MAC_BYTES]
