"""Names: what is stored, what is refused, what finds what."""

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.names import (
    InvalidName,
    name_search_key,
    name_sort_key,
    normalise_name,
    search_patterns,
    search_words,
)
from tests.vectors import naughty_strings

fast = settings(max_examples=150, deadline=None, derandomize=True, database=None)
# Han of all planes, Latin with accents, digits, separators, LIKE metacharacters and the index's own mark.
name_characters = st.sampled_from("曾国藩王永庆单于重乐𠮷吉𡈼𬎆䶮一⼀〇aZéüÜßıAＡ５7 ·•-'’%_\\#（)．.ن가がﾊﾞ")
name_texts = st.text(name_characters, min_size=1, max_size=24)


def like(text: str, pattern: str) -> bool:
    """LIKE as PostgreSQL has it, escape character backslash."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    return re.fullmatch("".join(wild.get(part, re.escape(part[-1])) for part in parts), text, re.DOTALL) is not None


def finds(query: str, name: str, phones: tuple[str, ...] = ()) -> bool:
    words = search_words(name, phones)
    return any(like(words, pattern) for pattern in search_patterns(query))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("王永庆", "王永庆"),
        ("  王 \u3000 永庆\u00a0", "王 永庆"),
        ("ＡＢＣ１２３ａｚ", "ABC123az"),
        ("上海某某（集团）有限公司", "上海某某（集团）有限公司"),
        ("Mu\u0308ller", "Müller"),
        ("Ａ\u030a", "Å"),
        ("\uf90a", "金"),  # canonical duplicate of the same character
        ("⼀", "⼀"),  # a radical is kept as written and only folded for finding
        ("𠮷野", "𠮷野"),
        ("𡈼𠅤", "𡈼𠅤"),
        ("\U00031350", "\U00031350"),  # extension H, newer than this Python's tables
        ("\U0002ebf0", "\U0002ebf0"),  # extension I
        ("〇", "〇"),
        ("O'Brien-Smith Jr.", "O'Brien-Smith Jr."),
        ("김철수", "김철수"),
        ("张" * 100, "张" * 100),
        (" " * 50 + "张" + " " * 50 + "三", "张 三"),
        ("𠮷" * 100, "𠮷" * 100),
    ],
)
def test_normalise_keeps_what_people_write(text: str, name: str) -> None:
    assert normalise_name(text) == name


@pytest.mark.parametrize("dot", "·•・･‧．∙ㆍ﹒⋅᛫\u0387")
def test_normalise_middle_dots_become_one(dot: str) -> None:
    assert normalise_name(f"买买提{dot}吐尔逊") == "买买提\u00b7吐尔逊"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *((text, "name_empty") for text in ("", " ", "\u3000\u00a0", "·", " • ・ ")),
        *(
            (f"王{char}永", "name_control")
            for char in "\x00\t\n\r\x1b\x7f\x85\u2028\u2029\ud800\ufffd\uffff\ufdd0\U0001fffe"
        ),
        *((f"王{char}永", "name_invisible") for char in "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u061c\u180e\u2065"),
        *((f"王{char}永", "name_invisible") for char in "\u200e\u200f\u202a\u202e\u2066\u2069\ufff9\ufff0"),
        *((f"王{char}永", "name_invisible") for char in "\u115f\u3164\uffa0\u2800\ufe0f\U000e0100\U000e0041"),
        *((f"王{char}永", "name_private_use") for char in "\ue000\uf8ff\U000f0000\U0010fffd"),
        ("张" * 101, "name_too_long"),
        ("𠮷" * 101, "name_too_long"),
        ("a" * 1_000_000, "name_too_long"),
        ("\u200b王", "name_invisible"),
        ("王\ufeff", "name_invisible"),
        ("王\n", "name_control"),
    ],
)
def test_normalise_refuses_with_code(text: str, code: str) -> None:
    with pytest.raises(InvalidName) as caught:
        normalise_name(text)
    assert caught.value.code == str(caught.value) == code


@given(st.text(max_size=120))
@fast
def test_normalise_any_text_is_stable_or_refused(text: str) -> None:
    try:
        name = normalise_name(text)
    except InvalidName:
        return
    assert normalise_name(name) == name
    assert unicodedata.is_normalized("NFC", name)
    assert 1 <= len(name) <= 100
    assert name == name.strip()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("⼀⼭", "一山"),
        ("⻢⻰", "马龙"),
        ("⺠", "民"),
        ("買買提•吐爾遜", "買買提・吐爾遜"),
        ("买买提·吐尔逊", "买买提 吐尔逊"),
        ("买买提.吐尔逊", "买买提吐尔逊"),
        ("ＭＡＲＹ Ann", "mary ann"),
        ("Müller", "Mu\u0308ller"),
        ("José", "JOSE"),
        ("O’Brien", "O'Brien"),
        ("STRASSE", "straße"),
        ("某某（集团）", "某某(集团)"),
        ("㈱", "(株)"),
        ("王\u200b永庆", "王永庆"),
        ("가", "\u1100\u1161"),
    ],
)
def test_search_key_look_alikes_are_equal_and_find_each_other(one: str, other: str) -> None:
    assert name_search_key(one) == name_search_key(other)
    assert finds(one, other)
    assert finds(other, one)


@pytest.mark.parametrize(
    ("one", "other"), [("𠮷", "吉"), ("未", "末"), ("が", "か"), ("王", "玉"), ("张伟", "张玮"), ("bao", "bo")]
)
def test_search_key_other_names_stay_apart(one: str, other: str) -> None:
    assert name_search_key(one) != name_search_key(other)
    assert not finds(one, other)


@given(st.text(max_size=200))
@fast
def test_keys_accept_any_text(text: str) -> None:
    sort_key = name_sort_key(text)
    assert sort_key.isascii()
    assert sort_key.isprintable()
    assert sort_key == sort_key.lower()
    assert len(sort_key) <= 200
    words = search_words(text, [text[:40], "8000"])
    assert words == f" {' '.join(words.split())} "
    assert "\x00" not in words
    assert len(words) <= 1500
    words.encode()  # no lone surrogates reach the database
    assert len(search_patterns(text)) <= 2
    assert all(pattern.startswith("% ") and pattern.endswith("%") for pattern in search_patterns(text))


def test_naughty_strings_are_found_again_or_refused() -> None:
    refused = 0
    for text in naughty_strings():
        try:
            name = normalise_name(text)
        except InvalidName:
            refused += 1
            continue
        assert finds(name, name) or not name_search_key(name)
    assert refused > 5


def test_sort_key_orders_by_surname_reading() -> None:
    # The last one is a character nobody has a reading for.
    expected = ["3M", "阿宝", "Bob", "单于", "李四", "林平", "区志明", "欧阳修", "齐白石", "仇英", "曾国藩", "张安"]
    expected.append("\U000323af")
    assert sorted(sorted(expected), key=name_sort_key) == expected


def test_sort_key_does_not_mix_characters_of_one_reading() -> None:
    assert sorted(["章安", "张伟", "章伟", "张安"], key=name_sort_key) == ["张安", "张伟", "章安", "章伟"]


@given(name_texts, st.data())
@fast
def test_search_any_part_of_a_name_finds_it(text: str, data: st.DataObject) -> None:
    try:
        name = normalise_name(text)
    except InvalidName:
        return
    if len(name_search_key(name)) > 24:
        return
    start = data.draw(st.integers(0, len(name) - 1))
    part = name[start : data.draw(st.integers(start + 1, len(name)))]
    # A part that is all separators has nothing to search for.
    assert finds(part, name) or not name_search_key(part)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("wyq", "王永庆"),
        ("WYQ", "王永庆"),
        ("yq", "王永庆"),
        ("wangyongqing", "王永庆"),
        ("wang yong", "王永庆"),
        ("yongqing", "王永庆"),
        ("wáng yǒng", "王永庆"),
        *((query, "曾国藩") for query in ("zgf", "cgf", "zeng", "ceng", "guofan")),
        *((query, "万俟卨") for query in ("moqi", "mqx", "xie", "wan")),
        *((query, "尉迟恭") for query in ("yuchi", "ycg", "gong", "weichi")),
        *((query, "单于琪") for query in ("chanyu", "cyq", "shanyu", "qi")),
        *((query, "单雄信") for query in ("shan", "sxx", "dxx", "xx")),
        *((query, "种师道") for query in ("chong", "csd", "zsd")),
        *((query, "欧阳修") for query in ("ouyang", "oyx", "xiu")),
        *((query, "𠮷野家") for query in ("jiye", "jyj", "野家", "𠮷")),
        *((query, "吕布") for query in ("lv", "lü", "lǚ", "LVBU")),
        *((query, "重庆银行") for query in ("chongqing", "cqyh", "庆银", "zhongqing")),
        *((query, "买买提·吐尔逊") for query in ("tuerxun", "mmttex", "提吐", "提·吐")),
        *((query, "58同城") for query in ("5", "58", "58tc", "tongcheng", "8同")),
        *((query, "3M中国") for query in ("3", "3m", "3mzg", "zhongguo")),
        *((query, "10086公司") for query in ("10086", "0086", "86公")),
        *((query, "John Smith") for query in ("js", "smith", "john s", "JOHN")),
        *((query, "Müller") for query in ("muller", "MÜLLER", "üll")),
        *((query, "100%_\\") for query in ("%", "_", "\\", "0%_")),
    ],
)
def test_search_finds(query: str, name: str) -> None:
    assert finds(query, name)


@pytest.mark.parametrize(
    ("surname", "readings"),
    [
        *(("曾", "zeng ceng"), ("仇", "qiu chou"), ("解", "xie jie"), ("朴", "piao pu"), ("查", "zha cha")),
        *(("区", "ou qu"), ("盖", "ge gai"), ("乐", "yue le"), ("单", "shan dan chan"), ("折", "she zhe")),
        *(("覃", "qin tan"), ("缪", "miao"), ("种", "chong zhong"), ("任", "ren"), ("翟", "zhai di"), ("卜", "bu")),
        *(("黑", "he hei"), ("员", "yun yuan"), ("隗", "wei kui"), ("尉", "wei"), ("召", "shao zhao")),
        *(("單", "shan dan"), ("區", "ou qu"), ("樂", "yue le"), ("繆", "miao"), ("蓋", "ge gai")),
    ],
)
def test_search_all_readings_of_a_surname_find(surname: str, readings: str) -> None:
    for reading in readings.split():
        assert finds(f"{reading}wei", f"{surname}伟")
        assert finds(f"{reading[0]}w", f"{surname}伟")
    assert name_sort_key(f"{surname}伟").startswith(readings.split()[0])


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("wqy", "王永庆"),
        ("%", "王永庆"),
        ("_", "王永庆"),
        ("庆永", "王永庆"),
        ("ong", "王永庆"),
        ("#", "王永庆"),
        ("8", "王永庆"),
    ],
)
def test_search_does_not_find(query: str, name: str) -> None:
    assert not finds(query, name, ("8000",))


@pytest.mark.parametrize("query", ["8000", "000", "８０００"])
def test_search_phone_tail_finds(query: str) -> None:
    assert finds(query, "王永庆", ("5678", "8000"))


@pytest.mark.parametrize("query", ["00", "1381234", "80001", "48000", "13812348000", "#0008", "#8"])
def test_search_phone_elsewhere_too_short_or_longer_than_the_tail_does_not_find(query: str) -> None:
    assert not finds(query, "王永庆", ("8000",))


def test_search_words_hold_no_more_of_a_phone_than_four_digits() -> None:
    assert search_words("", ["13812348000", "nonsense", "", "800x"]) == " #0008 "


def test_search_patterns_have_the_documented_form() -> None:
    assert search_patterns(" 伟 明 ") == ["% 伟明%"]
    assert search_patterns("8000") == ["% 8000%", "% #0008%"]
    assert search_patterns("58") == ["% 58%"]
    assert search_patterns("5%_\\") == ["% 5\\%\\_\\\\%"]
    assert [search_patterns(query) for query in ("", " ", "·", "\u200b", "-", "#", "\x00")] == [[]] * 7


def test_search_long_name_is_bounded_and_found_by_its_start_and_phone() -> None:
    name = "重乐单曾" * 25
    phones = tuple(f"80{index:02}" for index in range(10))
    assert len(search_words(name, phones)) <= 1500
    assert finds(name, name)
    assert finds(name[20:60], name)
    assert finds("chongle", name)
    assert all(finds(phone, name, phones) for phone in phones)


def test_search_combinations_are_bounded() -> None:
    latin = [word for word in search_words("单乐重曾覃种").split() if word.isascii()]
    assert sum(len(word) > 12 for word in latin) <= 2 * 8
    assert len({word for word in latin if word.startswith("dan")}) == 1


def test_search_words_are_deterministic() -> None:
    assert search_words("曾国藩", ["8000"]) == (" 曾国藩 国藩 藩 #0008 zengguofan zgf guofan gf cengguofan cgf ")
