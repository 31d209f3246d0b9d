"""Partner API keys: recognisable, typo-proof, stored as a keyed hash only."""

import base64
import re
import string
from typing import Any

import pytest

from app import apikeys
from app.apikeys import NewKey, ParsedKey

PEPPER = bytes(range(32))
BASE62 = string.digits + string.ascii_letters


def new_key() -> NewKey:
    return apikeys.generate("live", PEPPER)


def parsed(text: str) -> ParsedKey:
    found = apikeys.parse(text)
    assert found is not None
    return found


@pytest.mark.parametrize("environment", ["live", "test"])
def test_new_key_has_the_documented_form(environment: Any) -> None:
    key = apikeys.generate(environment, PEPPER)
    assert re.fullmatch(rf"rmk_{environment}_[0-9a-f]{{16}}_[0-9A-Za-z]{{38}}", key.text)
    assert len(key.text) == apikeys.KEY_CHARS
    assert key.text.split("_")[2] == key.key_id
    assert key.text.startswith(apikeys.PREFIX)


def test_secret_has_at_least_190_bits() -> None:
    assert 62**apikeys.SECRET_CHARS >= 2**190


def test_parts_come_back() -> None:
    key = new_key()
    assert parsed(key.text) == ParsedKey(environment="live", key_id=key.key_id, text=key.text)


def test_generated_keys_are_all_different_and_use_the_whole_alphabet() -> None:
    keys = [new_key() for _ in range(300)]
    assert len({key.key_id for key in keys}) == 300
    assert len({key.text[26:58] for key in keys}) == 300
    assert set("".join(key.text[26:58] for key in keys)) == set(BASE62)


def test_unknown_environment_is_refused() -> None:
    wrong: Any = "prod"
    with pytest.raises(ValueError, match="environment"):
        apikeys.generate(wrong, PEPPER)


def test_checksum_is_frozen() -> None:
    # crc32 = 0x0A1367FC = 169043964; in base 62 by long division, so that old keys keep parsing.
    body = "rmk_live_0123456789abcdef_" + "0" * 32
    assert parsed(body + "0BRI3Y").key_id == "0123456789abcdef"


def test_every_single_character_change_is_refused() -> None:
    tried = 0
    for key in (new_key(), new_key()):
        for i, old in enumerate(key.text):
            for character in BASE62 + "_-+/=. \n\x00éＡ":
                if character != old:
                    tried += 1
                    assert apikeys.parse(key.text[:i] + character + key.text[i + 1 :]) is None
    assert tried >= 2_900


def test_lost_doubled_and_swapped_characters_are_refused() -> None:
    text = new_key().text
    for i in range(len(text)):
        assert apikeys.parse(text[:i] + text[i + 1 :]) is None
        assert apikeys.parse(text[:i] + text[i] + text[i:]) is None
        swapped = text[:i] + text[i : i + 2][::-1] + text[i + 2 :]
        assert swapped == text or apikeys.parse(swapped) is None


@pytest.mark.parametrize("change", [str.upper, str.lower, str.swapcase, lambda t: t + "\n", lambda t: " " + t])
def test_whole_text_changes_are_refused(change: Any) -> None:
    text = new_key().text
    assert change(text) == text or apikeys.parse(change(text)) is None


@pytest.mark.parametrize(
    "odd",
    [
        "", "rmk_", "rmk_live_", "rmk_live__", "RMK_live_0123456789abcdef_" + "a" * 38, "rmk_live_" + "a" * 60_000,
        "eyJhbGciOiJFUzI1NiJ9.e30.AAAA", "\x00" * 64, "\ud800" * 64, "汉" * 64, "٣" * 64,
        None, 7, b"rmk_live_", ["rmk_"],
    ],
)  # fmt: skip
def test_anything_else_is_no_key(odd: Any) -> None:
    assert apikeys.parse(odd) is None


def test_key_can_be_told_from_a_jwt() -> None:
    jwt_start = base64.urlsafe_b64encode(b'{"alg"').decode()
    assert not jwt_start.startswith(apikeys.PREFIX)


def test_stored_hash_is_keyed_and_shows_nothing() -> None:
    key = new_key()
    assert key.secret_hash == apikeys.hash_key(PEPPER, key.text)
    assert len(key.secret_hash) == 32
    assert apikeys.hash_key(bytes(32), key.text) != key.secret_hash


def test_only_the_right_key_under_the_right_pepper_matches() -> None:
    key, other = new_key(), new_key()
    assert apikeys.matches(PEPPER, parsed(key.text), key.secret_hash)
    assert not apikeys.matches(PEPPER, parsed(other.text), key.secret_hash)
    assert not apikeys.matches(bytes(32), parsed(key.text), key.secret_hash)
    assert not apikeys.matches(PEPPER, parsed(key.text), b"")


def test_same_id_with_another_secret_does_not_match() -> None:
    key = new_key()
    body = key.text[:26] + "0" * 32
    forged = parsed(body + apikeys._checksum(body))
    assert forged.key_id == key.key_id
    assert not apikeys.matches(PEPPER, forged, key.secret_hash)


def test_text_never_shows_in_a_representation() -> None:
    key = new_key()
    assert key.text[26:] not in repr(key) + repr(parsed(key.text))
    assert key.secret_hash.hex() not in repr(key)


def test_short_pepper_is_refused() -> None:
    for pepper in (b"", bytes(31)):
        with pytest.raises(ValueError, match="pepper"):
            apikeys.hash_key(pepper, new_key().text)
