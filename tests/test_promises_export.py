"""Numbered promise 36: an export is safe in a spreadsheet, and gives back what was written."""

import csv
import io
import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.spreadsheet import cell, table, text_of
from tests.factories import World, create_customer, if_match

PROMISED = "=+-@\t\r\0＝＋－＠﹦﹢﹣﹫"
EVERY = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
# What a spreadsheet may take for the sign: whatever compatibility normalisation turns into it, and the minus proper.
FORMULA = {sign for sign in EVERY if unicodedata.normalize("NFKC", sign)[0] in "=+-@\t\r\n\0\u2212"}
# What it may look past: spaces, byte order marks, zero-width, direction marks, blanks that count as letters.
BLANK = {sign for sign in EVERY if sign.isspace() or unicodedata.category(sign) in ("Cf", "Zs", "Zl", "Zp")}
BLANK |= set("\u3164\u115f\u1160\uffa0\u2800\u034f\ufe0f\U000e0100")
_BLANKS = "".join(sorted(BLANK))

signs, blanks = st.sampled_from(sorted(FORMULA)), st.text(st.sampled_from(sorted(BLANK)), max_size=4)
texts = st.text() | st.builds(
    "".join, st.tuples(blanks, signs | st.sampled_from(["'", '"', ",", "王", "a"]), st.text(max_size=8))
)


def read(file: bytes) -> list[list[str]]:
    """The cells as a program finds them that knows the format and nothing of us."""
    return list(csv.reader(io.StringIO(file.decode("utf-8-sig"), newline=""), strict=True))


def begins(found: str) -> set[str]:
    """The characters somebody may take for the first one: as it stands, and past what cannot be seen."""
    return {found[:1], found.lstrip(_BLANKS)[:1]}


@given(st.lists(texts, min_size=1, max_size=5))
@example(["=1", "\ufeff=1", " \u200b＝1", "'=1", "''", "\t=1", "\0", '"=1', "x,=1", "x\r\n=1", "\u3164@SUM(A1)", ""])
def test_promise_36_no_text_begins_a_formula_and_every_text_comes_back(written: list[str]) -> None:
    header, row = read(table(["a"] * len(written), [written]))
    assert header == ["a"] * len(written)
    assert [found for found in row if begins(found) & FORMULA] == []
    assert [text_of(found) for found in row] == written
    assert row == [cell(text) for text in written]


def test_promise_36_every_sign_is_neutralised_bare_and_behind_every_blank() -> None:
    assert set(PROMISED) <= FORMULA
    assert [sign for sign in FORMULA if cell(f"{sign}1+1") != f"'{sign}1+1"] == []
    behind = [(blank, sign) for blank in BLANK for sign in PROMISED if cell(f"{blank}{sign}x")[0] != "'"]
    assert behind == []


@pytest.mark.parametrize("text", ["王永庆", "138****8000", " 王", "a=b", "x@y", "1-2", "", '"x"', "O'Neil", "A\u2212B"])
def test_promise_36_ordinary_text_stays_as_it_is(text: str) -> None:
    assert cell(text) == text


@pytest.mark.parametrize("text", ["'", "'=1", "''x"])
def test_promise_36_apostrophe_is_doubled_so_that_the_way_back_is_certain(text: str) -> None:
    assert cell(text) == "'" + text
    assert text_of(cell(text)) == text


async def test_promise_36_formulas_in_profiles_leave_as_text(world: World) -> None:
    """Over HTTP: each sign, in a name, an occupation, a tag, a place; and what the profile says comes back."""
    written = [f"{blank}{sign}cmd|' /C calc'!A0"[:20] for sign in PROMISED for blank in ("", " ", "\u3000", "\u200b")]
    stored = {}
    for text in written:
        given_ = {"occupation": text, "tags": [text, "=2"], "addresses": [{"city": text, "county": text}]}
        if set(text) & set("\t\r\0"):  # refused at the door already
            answer = await world.agent.post(
                "/v1/customers", json={"party_type": "individual", "name": "王", "occupation": text}
            )
            assert answer.status_code in (400, 422)
            continue
        made = await create_customer(world.agent, phones=[{"number": "+852 2345 6789"}], **given_)
        named = await world.agent.patch(f"/v1/customers/{made['id']}", json={"name": text}, headers=if_match(made))
        stored[made["id"]] = named.json() if named.status_code == 200 else made
    assert len(stored) == 48
    answer = await world.manager.get("/v1/customer-exports")
    header, *rows = read(answer.content)
    assert len(rows) == len(stored)
    assert [found for row in rows for found in row if begins(found) & FORMULA] == []
    names = set()
    for row in rows:
        back = {name: text_of(found) for name, found in zip(header, row, strict=True)}
        profile = stored[back["id"]]
        place = profile["addresses"][0]
        names.add(profile["name"][0])
        assert (back["name"], back["occupation"]) == (profile["name"], profile["occupation"])
        assert (back["tags"], back["city"], back["county"]) == (
            "|".join(profile["tags"]),
            place["city"],
            place["county"],
        )
        assert back["phone_masked"] == "****6789"
    assert set("=+-@") <= names  # names were formulas, too
