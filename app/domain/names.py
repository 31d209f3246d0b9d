"""Names of people and companies: storing, comparing, sorting and finding them. Pure rules, no I/O.

Storing changes as little as possible (`normalise_name`), comparing and finding fold much more
(`name_search_key`). All lengths are code points, so 𠮷 counts as one character.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations, groupby, islice, product
from typing import Final

from pypinyin import Style, pinyin
from pypinyin.constants import PINYIN_DICT
from pypinyin.style import convert

MAX_NAME_LENGTH: Final = 100
_MAX_RAW: Final = 1000  # a longer text is refused before any normalising
_MAX_SUFFIXES: Final = 24
_MAX_WORD: Final = 32  # index words and queries are cut alike, so cutting never loses a match
_MAX_COMBINATIONS: Final = 8
_MAX_PHONES: Final = 10
_TAIL: Final = 4  # digits of a phone that its mask shows
_MAX_WORDS_LENGTH: Final = 1500
_MAX_SORT_KEY: Final = 200

MIDDLE_DOT: Final = "\u00b7"
# Bullet, katakana middle dot and its half-width form, hyphenation point, full-width full stop, bullet operator,
# Korean araea, small full stop, dot operator, runic single punctuation. (NFKC knows only two of them, as ".")
_DOTS: Final = "\u2022\u30fb\uff65\u2027\uff0e\u2219\u318d\ufe52\u22c5\u16eb"
# Full-width digits and letters become ASCII. Full-width punctuation stays: （集团） is how companies write it.
_WIDE: Final = {
    wide: wide - 0xFEE0
    for first, last in ((0xFF10, 0xFF19), (0xFF21, 0xFF3A), (0xFF41, 0xFF5A))
    for wide in range(first, last + 1)
}
_STORED: Final[dict[int, int | str]] = {**_WIDE, **dict.fromkeys(map(ord, _DOTS), MIDDLE_DOT)}
# Characters without ink that are not in category Cf: grapheme joiner, Hangul and Khmer fillers, Mongolian and
# other variation selectors, braille blank, and what Unicode reserves for more of the kind.
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)

# Radicals that look like a whole character but, unlike the Kangxi block, have no compatibility mapping.
# They come out of PDF files and old input methods.
_RADICALS: Final = dict(
    zip(
        map(ord, "⺒⺝⺟⺠⺬⺻⺼⻁⻄⻅⻆⻈⻉⻋⻑⻓⻔⻗⻘⻙⻚⻛⻜⻝⻡⻢⻣⻤⻥⻦⻧⻨⻩⻬⻮⻰⻱⻳"),
        "巳月母民示聿肉虎西见角讠贝车長长门雨青韦页风飞食首马骨鬼鱼鸟卤麦黄齐齿龙龜龟",
        strict=True,
    )
)

# Surnames that are read unlike the dictionary's first reading; the other readings are indexed as well.
_SURNAME_READINGS: Final = {
    surname: reading.split("'")
    for surname, reading in re.findall(
        r"\b(\w+):([a-z']+)",
        """
        曾:zeng 仇:qiu 解:xie 朴:piao 查:zha 区:ou 區:ou 盖:ge 蓋:ge 乐:yue 樂:yue 单:shan 單:shan 折:she 覃:qin 缪:miao
        繆:miao 种:chong 洗:xian 员:yun 員:yun 黑:he 祭:zhai 繁:po 召:shao 秘:bi 薄:bo 翟:zhai 牟:mu 郇:xun 隗:wei
        卜:bu 粘:nian 阚:kan 佴:nai 乜:nie 都:du 藏:zang 句:gou 重:chong 适:kuo 角:jue
        万俟:mo'qi 萬俟:mo'qi 尉迟:yu'chi 尉遲:yu'chi 单于:chan'yu 單于:chan'yu 澹台:tan'tai 澹臺:tan'tai 子车:zi'ju
        乐正:yue'zheng 樂正:yue'zheng 长孙:zhang'sun 長孫:zhang'sun 欧阳:ou'yang 歐陽:ou'yang 区阳:ou'yang
        """,
    )
}
_COMPOUND_SURNAMES: Final = frozenset(
    re.findall(
        r"\w\w",
        """
        万俟 萬俟 尉迟 尉遲 单于 單于 长孙 長孫 澹台 澹臺 欧阳 歐陽 区阳 诸葛 諸葛 令狐 皇甫 上官 司马 司馬
        司徒 司空 司寇 夏侯 公孙 公孫 轩辕 軒轅 钟离 鍾離 赫连 赫連 呼延 端木 百里 东郭 東郭 东方 東方 南宫
        南宮 西门 西門 独孤 獨孤 太史 太叔 申屠 公羊 公西 公良 闾丘 閭丘 濮阳 濮陽 淳于 仲孙 仲孫 鲜于 鮮于
        亓官 子车 颛孙 巫马 漆雕 乐正 樂正 壤驷 拓跋 夹谷 宰父 谷梁 段干 左丘 第五 完颜 纳兰 納蘭 叶赫 哥舒
        贺兰 慕容 宇文 东里 梁丘
        """,
    )
)
# Characters of names for which the pinyin library has no reading: the reading of the phonetic part.
_MISSING_READINGS: Final = {"𠮷": ("ji",)}

_HAN: Final = re.compile("[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_TOKENS: Final = re.compile(rf"{_HAN.pattern}|(?:(?!{_HAN.pattern})[^\W_])+")
_SYLLABLE: Final = re.compile("[a-z]+")


class InvalidName(ValueError):
    """A text that cannot be a name; `code` is stable snake_case and is all the text says."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def normalise_name(text: str) -> str:
    """Return the form of a name that is stored: NFC, single blanks, ASCII for full-width letters and digits.

    Look-alikes of the middle dot become U+00B7. The result has 1..100 code points and normalises to itself.
    What nobody can see is refused rather than removed, as it may be an attack or a damaged import.
    Raises InvalidName: `name_control` (controls, line ends, lone surrogates, non-characters, U+FFFD),
    `name_invisible` (zero-width, bidi, variation selectors, fillers), `name_private_use`, `name_too_long`, or
    `name_empty` (nothing but blanks and dots).
    """
    if len(text) > _MAX_RAW:
        raise InvalidName("name_too_long")
    for char in text:
        if code := _refusal(char):
            raise InvalidName(code)
    # Twice NFC: the first brings spacing and dots into their plain forms, the second joins what folding freed.
    folded = unicodedata.normalize("NFC", text).translate(_STORED)
    name = unicodedata.normalize("NFC", " ".join(folded.split()))
    if not name.strip(" " + MIDDLE_DOT):
        raise InvalidName("name_empty")
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidName("name_too_long")
    return name


def name_search_key(text: str) -> str:
    """Return what equal-looking names share: for duplicates and for matching, never for showing.

    Folds case, width, radicals, accents, blanks, dots, hyphens and apostrophes; drops what is invisible. Decomposed
    (NFKD), so that a part of a name always gives a part of its key. 𠮷 and 吉 stay different. Any text is allowed.
    """
    return _without_separators(_fold(text))


def name_sort_key(name: str) -> str:
    """Return an ASCII key, at most 200 characters, that sorts names by pinyin when compared byte by byte.

    A Han character gives its reading and then its code point, so that 张 and 章 do not mix; what has no reading
    comes after z. Any text is allowed.
    """
    folded = _fold(name)
    parts: list[str] = []
    tokens = _tokens(folded)
    for token, options in zip(tokens, _readings(tuple(tokens)), strict=True):
        if _HAN.match(token):
            parts.append(f"{options[0]}{ord(token):05x}" if options else f"~{ord(token):06x}")
        else:
            parts.append("".join(char if char.isascii() else f"~{ord(char):06x}" for char in token))
    return " ".join(parts)[:_MAX_SORT_KEY]


def search_words(name: str, tails: Sequence[str] = ()) -> str:
    """Return the words under which a person is found, for one text column searched by `search_patterns`.

    The words stand between single blanks, with one at each end, so that LIKE '% x%' means "a word begins with x":
    every suffix of the name's key (hence any part of the name; the first 24 suffixes), pinyin and initials of the
    whole and of the given name for up to 8 combinations of readings, and `#` + the reversed last digits of up to 10
    phones, no more of them than may be read in clear (4). Lower case, at most 1500 characters; beyond that rare
    readings are left out.
    """
    folded = _fold(name)
    key = _without_separators(folded)
    words = [key[start : start + _MAX_WORD] for start in range(min(len(key), _MAX_SUFFIXES))]
    words += ["#" + tail[-_TAIL:][::-1] for tail in tails[:_MAX_PHONES] if tail.isascii() and tail.isdigit()]
    words += _pinyin_words(folded)
    text = " "
    for word in dict.fromkeys(words):
        if len(text) + len(word) < _MAX_WORDS_LENGTH:
            text += word + " "
    return text


def search_patterns(query: str, *, phones: bool = True) -> list[str]:
    """Return the LIKE patterns (escape character backslash) for a query; a row matches when any of them does.

    One pattern for names and pinyin, and a second one for 3 or 4 digits (the tail of a phone) or for ü written
    as in pinyin. Empty when nothing searchable is left. Any text is allowed. Without `phones` digits find names only.
    """
    query = query[:_MAX_RAW]
    key = name_search_key(query)
    keys = [key[:_MAX_WORD]]
    if phones and key.isascii() and key.isdigit() and 3 <= len(key) <= _TAIL:
        keys.append("#" + key[::-1])
    elif "u\u0308" in (plain := unicodedata.normalize("NFD", query.lower())):
        # Pinyin types ü as v (lv for 吕), while the ü of Müller is found as u.
        keys.append(name_search_key(plain.replace("u\u0308", "v"))[:_MAX_WORD])
    return [f"% {_escape(word)}%" for word in keys if word]


def _refusal(char: str) -> str | None:
    category = unicodedata.category(char)
    if _INVISIBLE.match(char) or category == "Cf":
        return "name_invisible"
    if category == "Co":
        return "name_private_use"
    # Unassigned code points are fine: the newest Han extensions are unknown to this Python.
    is_noncharacter = ord(char) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(char) <= 0xFDEF
    if category in {"Cc", "Cs", "Zl", "Zp"} or is_noncharacter or char == "\ufffd":
        return "name_control"
    return None


def _fold(text: str) -> str:
    """Fold everything but separators."""
    visible = "".join(
        char for char in _INVISIBLE.sub("", text[:_MAX_RAW]) if unicodedata.category(char) not in {"Cc", "Cf", "Cs"}
    )
    folded = unicodedata.normalize("NFKD", visible.translate(_STORED)).casefold()
    folded = unicodedata.normalize("NFKD", folded).translate(_RADICALS)
    # Accents have combining class 200 and up; vowel signs and voicing marks, which make other names, lie below.
    return "".join(char for char in folded if unicodedata.combining(char) < 200)


def _without_separators(folded: str) -> str:
    # "#" goes too: it marks phones in the index.
    return "".join(
        char
        for char in folded
        if char not in "'\u2018\u2019`.#" + MIDDLE_DOT and unicodedata.category(char) not in {"Pd", "Zs", "Zl", "Zp"}
    )


def _escape(word: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", word)


def _tokens(folded: str) -> list[str]:
    """Han characters one by one, other letters and digits in runs."""
    return _TOKENS.findall(folded.replace("'", "").replace("\u2019", ""))


@lru_cache(maxsize=8192)
def _dictionary_readings(char: str) -> tuple[str, ...]:
    """All readings without tones, the usual one first; the dictionary separates them by commas."""
    if char in _MISSING_READINGS:
        return _MISSING_READINGS[char]
    toned = PINYIN_DICT.get(ord(char), "")
    plain = (convert(reading, Style.NORMAL, strict=True) for reading in toned.split(",") if reading)
    return tuple(dict.fromkeys(reading for reading in plain if _SYLLABLE.fullmatch(reading)))


def _usual_readings(han: str) -> list[str]:
    """The reading of each character in its context (重庆 is chong qing); all must be in the dictionary."""
    return [options[0] for options in pinyin(han, style=Style.NORMAL)] if han else []


def _surname_length(tokens: Sequence[str]) -> int:
    if "".join(tokens[:2]) in _COMPOUND_SURNAMES:
        return 2
    return 1 if tokens and _HAN.match(tokens[0]) else 0


@lru_cache(maxsize=256)
def _readings(tokens: tuple[str, ...]) -> list[tuple[str, ...]]:
    """For each token its readings, the best first; a token that is no Han character reads as itself.

    Kept for a moment because every stored name is read twice, for its sort key and for its search words.
    """
    surname = _surname_length(tokens)
    best: list[str] = _SURNAME_READINGS.get("".join(tokens[:surname]), [""] * surname).copy()
    for is_known, run in groupby(tokens[surname:], key=lambda token: len(token) == 1 and ord(token) in PINYIN_DICT):
        chars = list(run)
        best += _usual_readings("".join(chars)) if is_known else [""] * len(chars)
    return [
        tuple(option for option in dict.fromkeys((usual, *_dictionary_readings(token))) if option)
        if _HAN.match(token)
        else (token,)
        for token, usual in zip(tokens, best, strict=True)
    ]


def _combinations(readings: Sequence[tuple[str, ...]]) -> Iterator[list[str]]:
    """Choose one reading per token: first the best of each, then with one token deviating, then with two.

    Deviations of earlier tokens come first, as surnames are the ones with unusual readings.
    """
    usual = [options[0] for options in readings]
    variable = [index for index, options in enumerate(readings) if len(options) > 1]
    for count in range(min(len(variable), 3) + 1):
        for changed in combinations(variable, count):
            for choice in product(*(readings[index][1:] for index in changed)):
                combination = usual.copy()
                for index, reading in zip(changed, choice, strict=True):
                    combination[index] = reading
                yield combination


def _pinyin_words(folded: str) -> list[str]:
    tokens = _tokens(folded)
    read = [(token, options) for token, options in zip(tokens, _readings(tuple(tokens)), strict=True) if options]
    has_han = any(_HAN.match(token) for token, _ in read)
    given = _given_start(folded, [token for token, _ in read])
    words: list[str] = []
    for combination in islice(_combinations([options for _, options in read]), _MAX_COMBINATIONS):
        # 58同城 is typed 58tc, but John Smith js.
        initials = [
            reading if has_han and not _HAN.match(token) else reading[0]
            for reading, (token, _) in zip(combination, read, strict=True)
        ]
        words += ["".join(combination), "".join(initials), "".join(combination[given:]), "".join(initials[given:])]
    return [word[:_MAX_WORD] for word in words if word]


def _given_start(folded: str, tokens: Sequence[str]) -> int:
    """Guess the token at which the given name begins: after the dot or blank, else after the surname."""
    first, separator, _ = folded.replace(MIDDLE_DOT, " ").strip().partition(" ")
    if separator:
        return min(len(_tokens(first)), len(tokens))
    return min(_surname_length(tokens) or 1, len(tokens))
