"""Authenticated encryption below `crypto`: two algorithms, one stored form, padding.

Every sealed value starts with `1 | algorithm | version u32`. AES-256-GCM (NIST SP 800-38D) is algorithm 1, SM4-GCM
(GB/T 32907 in the mode of GB/T 36624) is algorithm 2. What is sealed anew takes the one that is chosen; both open.
"""

import os
import struct
from enum import IntEnum
from typing import Protocol

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
MAX_PLAINTEXT_BYTES = 1 << 26
HEAD = struct.Struct(">BBI")

_FORMAT = 1
_NONCE_BYTES = 12
_TAG_BYTES = 16
_PAD_STEP = 32


class CryptoError(Exception):
    """A key, ciphertext or signed text is not what it should be. Says nothing about the content."""


class Algorithm(IntEnum):
    """What a value is sealed with; the number is the second byte of the stored form."""

    aes_256_gcm = 1
    sm4_gcm = 2


class Aead(Protocol):
    """A cipher with its key: the ciphertext carries its tag, and wrong bytes raise InvalidTag."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes: ...
    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes: ...


class SM4GCM:
    """SM4-GCM (RFC 8998) in the shape of AESGCM, under a key of 128 bits."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = algorithms.SM4(key)

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        sealer = _supported(self._key, modes.GCM(nonce)).encryptor()
        sealer.authenticate_additional_data(associated_data)
        return sealer.update(data) + sealer.finalize() + sealer.tag

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        tag, text = data[-_TAG_BYTES:], data[:-_TAG_BYTES]
        opener = _supported(self._key, modes.GCM(nonce, tag)).decryptor()
        opener.authenticate_additional_data(associated_data)
        return opener.update(text) + opener.finalize()


def _supported(key: algorithms.SM4, mode: modes.GCM) -> Cipher[modes.GCM]:
    try:
        cipher = Cipher(key, mode)
        cipher.encryptor if mode.tag is None else cipher.decryptor  # noqa: B018  asking is the test
    except UnsupportedAlgorithm:
        raise CryptoError("this OpenSSL has no SM4-GCM") from None
    return cipher


def check_supported(algorithm: Algorithm) -> None:
    """Seal one value of nothing, so that a process that cannot do it does not start.

    Raises:
        CryptoError: the OpenSSL below has no such algorithm.
    """
    sealed(cipher_of(bytes(KEY_BYTES), algorithm), b"", b"")


def cipher_of(key: bytes, algorithm: Algorithm = Algorithm.aes_256_gcm) -> Aead:
    """The cipher of a 32-byte key. SM4 takes 16 bytes: they are derived, so that no key serves two algorithms."""
    if algorithm is Algorithm.aes_256_gcm:
        return AESGCM(checked_key(key))
    return SM4GCM(hkdf(checked_key(key), b"", joined(b"renmai/sm4-gcm"), 16))


def checked_key(key: bytes) -> bytes:
    """The key, which must have 32 bytes."""
    if len(key) != KEY_BYTES:
        raise CryptoError("a key is 32 bytes")
    return key


def head_of(version: int, algorithm: Algorithm = Algorithm.aes_256_gcm) -> bytes:
    """The six bytes a sealed value starts with."""
    if not 1 <= version < 1 << 32:
        raise CryptoError("a key version is 1..2^32-1")
    return HEAD.pack(_FORMAT, algorithm, version)


def read_head(blob: bytes) -> tuple[Algorithm, int]:
    """Algorithm and key version a sealed value says it is under.

    Raises:
        CryptoError: it is none, or of a format or algorithm that is not known.
    """
    try:
        form, algorithm, version = HEAD.unpack(blob[: HEAD.size])
        if form == _FORMAT and version:
            return Algorithm(algorithm), version
    except (struct.error, ValueError):
        pass
    raise CryptoError("ciphertext does not open")


def sealed(cipher: Aead, aad: bytes, plaintext: bytes) -> bytes:
    """`nonce 12 | ciphertext | tag 16` under a random nonce."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plaintext, aad)


def opened(cipher: Aead, aad: bytes, blob: bytes) -> bytes:
    """Plaintext of `nonce 12 | ciphertext | tag 16`."""
    if len(blob) < _NONCE_BYTES + _TAG_BYTES:
        raise CryptoError("ciphertext does not open")
    try:
        return cipher.decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], aad)
    except InvalidTag:
        raise CryptoError("ciphertext does not open") from None


def joined(*parts: bytes) -> bytes:
    """Length-prefixed concatenation: ("ab", "c") and ("a", "bc") stay different."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def hkdf(secret: bytes, salt: bytes, info: bytes, size: int) -> bytes:
    """HKDF-SHA-256 (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=size, salt=salt, info=info).derive(secret)


def utf8(text: str) -> bytes:
    """The bytes of a text; one with lone surrogates is refused without quoting it."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # its message quotes the text
        raise CryptoError("text is not valid Unicode") from None


def padded(text: str) -> bytes:
    """Length, text, zeros up to the next step of 32 bytes."""
    raw = utf8(text)
    if len(raw) > MAX_PLAINTEXT_BYTES:
        raise CryptoError("text is too long")
    framed = len(raw).to_bytes(4, "big") + raw
    return framed + bytes(-len(framed) % _PAD_STEP)


def unpadded(framed: bytes) -> str:
    """The inverse of `padded`."""
    size = int.from_bytes(framed[:4], "big")
    raw, padding = framed[4 : 4 + size], framed[4 + size :]
    if len(framed) < 4 or len(raw) != size or padding.strip(b"\0"):
        raise CryptoError("text does not open")
    return raw.decode("utf-8")
