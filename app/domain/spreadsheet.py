"""Tables for spreadsheets: CSV (RFC 4180) in which no cell is a formula, whatever people wrote into it.

A spreadsheet computes a cell whose first character is one of a few, and some of them look past spaces and invisible
characters, or take the full-width form of a sign for the sign. Such a cell gets an apostrophe in front (OWASP ASVS
5.0, 1.2.10); so does one that begins with an apostrophe itself, and therefore the way back needs no guessing: **who
reads a cell that begins with an apostrophe drops that one character, and has the text as it was** (`text_of`).

The promise holds for readers that split at commas, as the format says. One that is told to split at another
character makes other cells of the same bytes.
"""

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence

GUARD = "'"
# Signs that begin a formula, as ASCII and in every form that compatibility normalisation (NFKC) turns into one:
# small, full-width, superscript, subscript, and the Hebrew plus; the minus sign proper, which has no such form; and
# what may begin a cell of its own in a careless reader. The test derives the forms from the Unicode tables.
_SIGNS = frozenset(
    "=+-@\t\r\n\0"
    "\uff1d\uff0b\uff0d\uff20"  # ＝＋－＠
    "\ufe66\ufe62\ufe63\ufe6b"  # ﹦﹢﹣﹫
    "\u207a\u207c\u208a\u208c"  # ⁺⁼₊₌
    "\u207b\u208b\u2212"  # ⁻₋−
    "\ufb29\u2a75\u2a76"  # ﬩⩵⩶
)
# Invisible letters and marks beside the categories below: Hangul fillers, grapheme joiner, Khmer vowels, Braille
# blank, Mongolian and other variation selectors.
_BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u034f\u17b4\u17b5\u2800\u180b\u180c\u180d\u180f") | frozenset(
    map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
_BLANK_CATEGORIES = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})  # spaces, separators, controls, zero-width and marks


def cell(text: str) -> str:
    """The text as it may stand in a cell: with an apostrophe in front if it could be taken for a formula.

    The first character that can be seen decides; what stands before it stays where it is.
    """
    if text[:1] == GUARD:
        return GUARD + text
    for character in text:
        if character in _SIGNS:
            return GUARD + text
        if character not in _BLANKS and unicodedata.category(character) not in _BLANK_CATEGORIES:
            break
    return text


def text_of(stored: str) -> str:
    """The text a cell was made of: `text_of(cell(text)) == text` for every text."""
    return stored.removeprefix(GUARD)


def table(header: Sequence[str], rows: Iterable[Sequence[str | None]]) -> bytes:
    """A whole file: UTF-8 with a byte order mark (Excel asks for it), CRLF, every cell quoted and neutralised.

    Args:
        header: names of the columns, ours.
        rows: as many cells each; None becomes an empty one.
    """
    return head(header) + lines(rows)


def head(header: Sequence[str]) -> bytes:
    """How a file begins that is written in bites: the byte order mark and the names of the columns."""
    return "\ufeff".encode() + lines([header])


def lines(rows: Iterable[Sequence[str | None]]) -> bytes:
    """A bite of a file: some of its rows, as `table` writes them."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows([("" if text is None else cell(text)) for text in row] for row in rows)
    return out.getvalue().encode()
