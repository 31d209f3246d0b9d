"""What a label in a drawn network says and how wide it gets: measuring, shortening and escaping. Pure rules, no I/O.

The server has no font. Widths are upper bounds by script: a Chinese character is one em wide in every font, a Latin
letter half of one to three quarters. A text of other scripts can be wider than any bound, so a drawing has to force
it into the width computed here (`is_plain`).
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final
from xml.sax.saxutils import escape

ELLIPSIS: Final = "…"
_MAX_MARKS: Final = 2  # combining marks a letter may carry; a tower of them would reach the label above
_LATIN: Final = 0.55
_WIDE_LATIN: Final = {**dict.fromkeys("ABCDEFGHJKLNOPQRSTUVXYZw", 0.72), **dict.fromkeys("mMW%@&", 0.95)}
# Characters of which every common font is known to keep the widths above: ASCII, Latin-1, Chinese and its punctuation.
_PLAIN: Final = re.compile("[ -~\u00a1-\u00ac\u00ae-\u00ff\u2026\u3001-\u3011\u4e00-\u9fff\uff01-\uff5e]*")
# How a company's name ends, and what nobody says when he speaks of it; the longer ones first.
_LEGAL_FORMS: Final = (
    "集团股份有限公司", "集团有限责任公司", "集团有限公司", "股份有限公司", "有限责任公司", "有限公司",
    "co., ltd.", "co., ltd", "co.,ltd.", "co.,ltd", "co. ltd.", "co. ltd", "co ltd.", "co ltd", "limited", "ltd.",
    "ltd", "inc.", "inc", "llc.", "llc",
)  # fmt: skip
# What XML 1.0 cannot carry at all (section 2.2).
_UNWRITABLE: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def written(text: str) -> str:
    """The text as XML character data or as an attribute in double quotes."""
    return escape(_UNWRITABLE.sub("\ufffd", text), {'"': "&quot;"})


def is_plain(text: str) -> bool:
    """Whether the width of the text is known whatever the font."""
    return _PLAIN.fullmatch(text) is not None


@lru_cache(maxsize=20_000)
def _em(char: str) -> float:
    if " " <= char <= "~":
        return _WIDE_LATIN.get(char, _LATIN)
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0.0
    # Ambiguous ones (… and Greek among them) are as wide as a Chinese character in a Chinese font.
    return 1.0 if unicodedata.east_asian_width(char) in "WFA" else 0.75


def measured(text: str, size: float) -> float:
    """The width of the text in px at this font size in px: not less than any common font needs."""
    return sum(map(_em, text)) * size


def spoken(name: str, *, is_company: bool) -> str:
    """A company without its legal form: 江城衡岳纺织有限责任公司 is 江城衡岳纺织."""
    if not is_company:
        return name
    for form in _LEGAL_FORMS:
        rest = name[: -len(form)]
        is_latin = form.isascii()
        if name.lower().endswith(form) and (not is_latin or rest.endswith((" ", ","))):
            short = rest.rstrip(" ,")
            return short if len(short) >= 2 else name
    return name


def shortened(text: str, ems: float) -> str:
    """The text if it is at most so many em wide; else its beginning and an ellipsis. Never empty unless it was."""
    text = _thinned(text)
    if measured(text, 1) <= ems:
        return text
    room, kept = ems - _em(ELLIPSIS), ""
    for char in text:
        room -= _em(char)
        if room < 0:
            break
        kept += char
    return kept.rstrip() + ELLIPSIS


def _thinned(text: str) -> str:
    marks, kept = 0, []
    for char in _UNWRITABLE.sub("\ufffd", text):
        marks = marks + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        if marks <= _MAX_MARKS:
            kept.append(char)
    return "".join(kept)
