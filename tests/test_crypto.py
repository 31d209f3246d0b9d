"""Field encryption and its relatives: what is sealed opens only where it was sealed, unchanged."""

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from app import aead, crypto
from app.crypto import BlindKeys, CryptoError, FieldCipher

VECTORS = Path(__file__).parents[2] / "shared/vectors/wycheproof"
needs_vectors = pytest.mark.skipif(not VECTORS.is_dir(), reason="the public Wycheproof vectors are not on this machine")
ORG, ROW = uuid4(), uuid4()
KEYS = {1: crypto.new_key(), 2: crypto.new_key()}
CIPHER = FieldCipher(ORG, KEYS, 2)
ROOT = bytes(range(32))
ID_NUMBER = "11010519491231002X"
# Computed once by hand with RFC 5869 over plain HMAC, not with the code under test.
FROZEN_DERIVED = "e4a5c639775c431d2d8c0f8adb80ae7b7c1f57f7656eafcd1a1c703497fdb014"
FROZEN_BLIND = "a0ad6e66af7ac2d46d28e6e131a7bfaa"


def seal(text: str = ID_NUMBER, cipher: FieldCipher = CIPHER) -> bytes:
    return cipher.seal("dossier", "id_number", ROW, text)


def flips(blob: bytes) -> Iterator[bytes]:
    """Every byte changed in turn: lowest bit, highest bit, all bits."""
    for i in range(len(blob)):
        for mask in (0x01, 0x80, 0xFF):
            yield blob[:i] + bytes([blob[i] ^ mask]) + blob[i + 1 :]


def assert_none_opens(attempts: Iterator[Any], open_: Callable[[Any], object]) -> None:
    for attempt in attempts:
        with pytest.raises(CryptoError):
            open_(attempt)


# --- fields -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "王小明", ID_NUMBER, "𠮷野家 ·•・", "\x00", "a" * 5000, "x" * 28, "x" * 29])
def test_field_comes_back_unchanged(text: str) -> None:
    assert CIPHER.open("dossier", "id_number", ROW, seal(text)) == text


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_any_unicode_text_comes_back_unchanged(text: str) -> None:
    assert CIPHER.open("dossier", "id_number", ROW, seal(text)) == text


def test_stored_form_is_the_documented_one() -> None:
    blob = seal()
    assert blob[:6] == b"\x01\x01\x00\x00\x00\x02"
    assert len(blob) == 66
    assert ID_NUMBER.encode() not in blob


def test_length_shows_in_steps_of_32_only() -> None:
    sizes = {len(seal("x" * n)) for n in range(29)}
    assert sizes == {66}
    assert {len(seal("x" * n)) for n in range(29, 61)} == {98}


def test_same_text_is_never_sealed_alike() -> None:
    assert len({seal() for _ in range(200)}) == 200


def test_every_changed_byte_of_a_field_is_refused() -> None:
    blob = seal()
    assert_none_opens(flips(blob), lambda b: CIPHER.open("dossier", "id_number", ROW, b))


def test_cut_or_longer_field_is_refused() -> None:
    blob = seal()
    attempts = [blob[:n] for n in range(len(blob))] + [blob + b"\0", b"\0" + blob, blob + blob]
    assert_none_opens(iter(attempts), lambda b: CIPHER.open("dossier", "id_number", ROW, b))


@pytest.mark.parametrize(
    ("table", "column", "row"),
    [
        ("customer", "id_number", ROW),
        ("dossier", "phone", ROW),
        ("dossier", "id_number", UUID(int=ROW.int ^ 1)),
        ("dossieri", "d_number", ROW),
        ("", "dossierid_number", ROW),
    ],
)
def test_field_in_another_place_is_refused(table: str, column: str, row: UUID) -> None:
    with pytest.raises(CryptoError):
        CIPHER.open(table, column, row, seal())


def test_field_of_another_organisation_is_refused_even_with_its_key() -> None:
    with pytest.raises(CryptoError):
        FieldCipher(uuid4(), KEYS, 2).open("dossier", "id_number", ROW, seal())


def test_field_claiming_another_key_version_is_refused() -> None:
    blob = seal()
    with pytest.raises(CryptoError):
        CIPHER.open("dossier", "id_number", ROW, blob[:5] + b"\x01" + blob[6:])


def test_old_version_is_read_until_its_key_is_gone() -> None:
    old = seal(cipher=FieldCipher(ORG, KEYS, 1))
    assert CIPHER.open("dossier", "id_number", ROW, old) == ID_NUMBER
    assert not CIPHER.is_current(old)
    assert CIPHER.is_current(seal())
    with pytest.raises(CryptoError):
        FieldCipher(ORG, {2: KEYS[2]}, 2).open("dossier", "id_number", ROW, old)


def test_text_that_is_not_unicode_or_too_long_is_refused_without_quoting_it() -> None:
    for text in ("secret\ud800", "字" * 23_000_000):
        with pytest.raises(CryptoError) as caught:
            seal(text)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "current"),
    [
        ({1: bytes(31)}, 1),
        ({1: bytes(33)}, 1),
        ({1: b""}, 1),
        ({}, 1),
        ({1: KEYS[1]}, 2),
        ({1: KEYS[1], 2: KEYS[1]}, 2),
        ({0: KEYS[1]}, 0),
        ({1 << 32: KEYS[1]}, 1 << 32),
    ],
)
def test_unfit_field_keys_are_refused(keys: dict[int, bytes], current: int) -> None:
    with pytest.raises(CryptoError):
        FieldCipher(ORG, keys, current)


def test_damaged_padding_is_refused() -> None:
    for framed in (b"", b"\0\0\0", b"\0\0\0\x05abc", b"\0\0\0\x01ab", b"\xff\xff\xff\xffabc"):
        with pytest.raises(CryptoError):
            aead.unpadded(framed)


# --- wrapped keys -------------------------------------------------------------------------------------------


def test_wrapped_key_comes_back_and_hides_the_key() -> None:
    wrapped = crypto.wrap_key(ROOT, ORG, 3, KEYS[1])
    assert crypto.unwrap_key(ROOT, ORG, 3, wrapped) == KEYS[1]
    assert len(wrapped) == 66
    assert KEYS[1] not in wrapped


def test_wrapped_key_opens_nowhere_else() -> None:
    wrapped = crypto.wrap_key(ROOT, ORG, 3, KEYS[1])
    others = [(bytes(32), ORG, 3), (ROOT, uuid4(), 3), (ROOT, ORG, 2)]
    assert_none_opens(iter(others), lambda o: crypto.unwrap_key(o[0], o[1], o[2], wrapped))
    assert_none_opens(flips(wrapped), lambda b: crypto.unwrap_key(ROOT, ORG, 3, b))
    assert_none_opens(iter([b"", wrapped[:40]]), lambda b: crypto.unwrap_key(ROOT, ORG, 3, b))


def test_only_whole_keys_are_wrapped() -> None:
    for kek, key in [(ROOT, bytes(16)), (bytes(16), KEYS[1]), (b"", KEYS[1])]:
        with pytest.raises(CryptoError):
            crypto.wrap_key(kek, ORG, 1, key)


def test_sealed_field_is_no_wrapped_key() -> None:
    # One key for both would be a mistake; even then the purposes keep them apart.
    cipher = FieldCipher(ORG, {1: ROOT}, 1)
    with pytest.raises(CryptoError):
        crypto.unwrap_key(ROOT, ORG, 1, cipher.seal("dossier", "id_number", ROW, "x"))


# --- derived keys, blind index, hashes ----------------------------------------------------------------------


def test_derived_keys_differ_by_purpose_and_root() -> None:
    keys = {crypto.derive_key(root, p) for root in (ROOT, bytes(32)) for p in ("a", "b", "ab", "a\0b")}
    assert len(keys) == 8
    assert all(len(key) == 32 for key in keys)
    assert crypto.derive_key(ROOT, "a") == crypto.derive_key(ROOT, "a")


@pytest.mark.parametrize(("root", "purpose"), [(bytes(31), "a"), (b"", "a"), (ROOT, "")])
def test_short_root_or_no_purpose_is_refused(root: bytes, purpose: str) -> None:
    with pytest.raises(CryptoError):
        crypto.derive_key(root, purpose)


def test_derivation_is_frozen() -> None:
    # Changing any of these makes stored data unreadable or unfindable: a new version, not a new value.
    assert crypto.derive_key(ROOT, "tokens").hex() == FROZEN_DERIVED
    assert BlindKeys(UUID(int=1), {1: ROOT}, 1).index("dossier", "id_number", ID_NUMBER).hex() == FROZEN_BLIND


def test_blind_index_is_equal_only_in_the_same_place() -> None:
    base = (ROOT, ORG, 1, "dossier", "id_number", ID_NUMBER)
    others: list[tuple[bytes, UUID, int, str, str, str]] = [
        (bytes(32), *base[1:]),
        (ROOT, uuid4(), *base[2:]),
        (ROOT, ORG, 2, *base[3:]),
        (*base[:3], "customer", *base[4:]),
        (*base[:4], "phone", ID_NUMBER),
        (*base[:3], "dossieri", "d_number", ID_NUMBER),
        (*base[:5], ID_NUMBER.lower()),
    ]
    made = [
        BlindKeys(org, {version: key}, version).index(table, column, value)
        for key, org, version, table, column, value in (*others, base, base)
    ]
    assert made[-1] == made[-2]
    assert len(set(made)) == 8
    assert {len(index) for index in made} == {16}


def test_blind_indexes_of_all_versions_begin_with_the_current() -> None:
    keys = BlindKeys(ORG, {1: bytes(32), 2: ROOT, 3: KEYS[1]}, 2)
    place = ("dossier", "phone", "+8613800138000")
    assert keys.indexes(*place) == [keys.index(*place, version) for version in (2, 1, 3)]
    with pytest.raises(CryptoError):
        keys.index(*place, 4)


@pytest.mark.parametrize("value", ["", "\ud800"])
def test_blind_index_of_nothing_is_refused(value: str) -> None:
    with pytest.raises(CryptoError):
        BlindKeys(ORG, {1: ROOT}, 1).index("dossier", "id_number", value)


@pytest.mark.parametrize(("keys", "current"), [({1: bytes(31)}, 1), ({}, 1), ({1: ROOT, 2: ROOT}, 1), ({0: ROOT}, 0)])
def test_unfit_keys_of_blind_indexes_are_refused(keys: dict[int, bytes], current: int) -> None:
    with pytest.raises(CryptoError):
        BlindKeys(ORG, keys, current)


def test_keyed_hash_needs_a_key() -> None:
    assert crypto.keyed_hash(ROOT, b"x") == hmac.new(ROOT, b"x", "sha256").digest()
    with pytest.raises(CryptoError):
        crypto.keyed_hash(b"", b"x")


# --- signed text --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [b"", b"\x00", b'{"k":[1,"\xe7\x8e\x8b"]}', bytes(range(256))])
def test_signed_text_comes_back_and_is_url_safe(payload: bytes) -> None:
    text = crypto.sign_blob(ROOT, payload)
    assert crypto.open_blob(ROOT, text, 1000) == payload
    assert not set(text) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_every_single_character_change_of_signed_text_is_refused() -> None:
    text = crypto.sign_blob(ROOT, b"after=7;sort=name")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/. \x00é"
    changed = (text[:i] + c + text[i + 1 :] for i in range(len(text)) for c in alphabet if c != text[i])
    assert_none_opens(changed, lambda attempt: crypto.open_blob(ROOT, attempt, 1000))


def test_odd_signed_text_is_refused() -> None:
    text = crypto.sign_blob(ROOT, b"payload")
    attempts = ["", "=", "A", "A" * 21, text + "=", text + "\n", text[:-1], text + "A", "\ud800", "汉字", None, 7, b"x"]
    assert_none_opens(iter(attempts), lambda attempt: crypto.open_blob(ROOT, attempt, 1000))
    assert_none_opens(iter([text]), lambda attempt: crypto.open_blob(ROOT, attempt, len(text) - 1))
    assert_none_opens(iter([text]), lambda attempt: crypto.open_blob(bytes(32), attempt, 1000))


def test_signed_text_of_another_version_is_refused() -> None:
    body = b"\x02payload"
    text = base64.urlsafe_b64encode(body + crypto._blob_mac(ROOT, body)).rstrip(b"=").decode()
    assert_none_opens(iter([text]), lambda attempt: crypto.open_blob(ROOT, attempt, 1000))


# --- text under a presented token ---------------------------------------------------------------------------


def test_sealed_text_opens_only_with_its_key_and_context() -> None:
    key = crypto.derive_key(b"presented token of 256 random bits", "refresh-grace")
    blob = crypto.seal_text(key, b"session-1", "successor")
    assert crypto.open_text(key, b"session-1", blob) == "successor"
    others = [(ROOT, b"session-1"), (key, b"session-2"), (key, b"")]
    assert_none_opens(iter(others), lambda o: crypto.open_text(o[0], o[1], blob))
    assert_none_opens(flips(blob), lambda b: crypto.open_text(key, b"session-1", b))
    assert_none_opens(iter([b"", blob[:20]]), lambda b: crypto.open_text(key, b"session-1", b))


# --- public vectors -----------------------------------------------------------------------------------------


def wycheproof(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for group in json.loads((VECTORS / f"{name}_test.json").read_text("utf-8"))["testGroups"]:
        for case in group["tests"]:
            yield group, case


def hexed(case: dict[str, Any], *names: str) -> list[bytes]:
    return [bytes.fromhex(case[name]) for name in names]


@needs_vectors
def test_row_49_wycheproof_aes_gcm(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0
    for group, case in wycheproof("aes_gcm"):
        if (group["ivSize"], group["tagSize"]) != (96, 128):
            continue
        count += 1
        key, iv, aad, message, ciphertext, tag = hexed(case, "key", "iv", "aad", "msg", "ct", "tag")
        cipher = aead.cipher_of(key) if len(key) == crypto.KEY_BYTES else AESGCM(key)  # shorter keys are not ours
        if case["result"] == "valid":
            assert aead.opened(cipher, aad, iv + ciphertext + tag) == message
            monkeypatch.setattr("os.urandom", lambda _, iv=iv: iv)
            assert aead.sealed(cipher, aad, message) == iv + ciphertext + tag
        else:
            with pytest.raises(CryptoError):
                aead.opened(cipher, aad, iv + ciphertext + tag)
    assert count == 197


@needs_vectors
def test_row_49_wycheproof_hmac() -> None:
    count = 0
    for group, case in wycheproof("hmac_sha256"):
        count += 1
        key, message, tag = hexed(case, "key", "msg", "tag")
        is_equal = crypto.keyed_hash(key, message)[: group["tagSize"] // 8] == tag
        assert is_equal == (case["result"] == "valid"), case["tcId"]
    assert count == 174


@needs_vectors
def test_row_49_wycheproof_hkdf() -> None:
    count = 0
    for _, case in wycheproof("hkdf_sha256"):
        count += 1
        secret, salt, info, expected = hexed(case, "ikm", "salt", "info", "okm")
        if case["result"] == "valid":
            assert aead.hkdf(secret, salt, info, case["size"]) == expected
        else:
            with pytest.raises(ValueError, match="larger than 8160"):
                aead.hkdf(secret, salt, info, case["size"])
    assert count == 86


def test_person_key_opens_for_its_person_only() -> None:
    one, other = uuid4(), uuid4()
    cipher = crypto.FieldCipher(ORG, KEYS, 2)
    key = crypto.new_key()
    wrapped = cipher.wrap_person_key(one, 1, key)
    sealed = cipher.person(one, [wrapped]).seal("customers", "private", one, "13800138000")
    assert cipher.person(one, [wrapped]).open("customers", "private", one, sealed) == "13800138000"
    for person, blob in (
        (other, wrapped),
        (one, wrapped[:-1]),
        (one, b""),
        (one, bytes([wrapped[0] ^ 1]) + wrapped[1:]),
    ):
        with pytest.raises(crypto.CryptoError):
            cipher.person(person, [blob])
    with pytest.raises(crypto.CryptoError):
        crypto.FieldCipher(uuid4(), KEYS, 2).person(one, [wrapped])
    with pytest.raises(crypto.CryptoError):
        cipher.person(one, [])
