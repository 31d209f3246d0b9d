"""People who must not be found on a disk: their data carry marks, and the marks are looked for in every shape.

A mark is a part of a value that says enough (the first eight digits of a telephone number, the name of a lane) and
stands in every value of its kind, so that one search finds all of them.
"""

import base64
import mmap
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from app.domain import identity

MARKS: Final = {
    "phone": "19976543",
    "e-mail": "vogelbauer-kanarie",
    "ID number": "11010519491231",
    "address": "金丝雀巷",
    "note": "笼中鸟备忘",
    "fact": "朱鹮往事",
    "plan": "白鹇行踪",
    "spouse": "画眉夫人",
    "income": "76543219",
    "tie": "戴胜私语",
    "evidence": "档案柜-夜莺",
    "guardian": "母亲鹪鹩",
}
NAME: Final = "百灵鸟"  # of class C1, stored in clear: what the search must be able to find


def id_number(number: int) -> str:
    """The valid number of the standard's own sample day with this order, 0 to 999."""
    body = f"{MARKS['ID number']}{number:03d}"
    return body + identity.id_check_character(body)


def person(number: int) -> dict[str, Any]:
    """A customer, 0 to 999, whose every value of class C2 carries its mark."""
    return {
        "party_type": "individual",
        "name": f"{NAME}{'甲乙丙丁戊己庚辛壬癸'[number % 10]}",
        "stage": "prospect",
        "birthday": {"year": 1949, "month": 12, "day": 31},
        "id_number": id_number(number),
        "phones": [{"number": f"{MARKS['phone']}{number:03d}"}],
        "emails": [{"address": f"k{number}@{MARKS['e-mail']}.example"}],
        "addresses": [{"province": "湖北省", "city": "武汉市", "detail": f"{MARKS['address']}{number}号"}],
        "note": f"{MARKS['note']}，第{number}笼",
    }


def shapes(mark: str) -> set[bytes]:
    """A mark as it may lie on a disk: UTF-8, UTF-16, base64 of either at any offset, hex, URL, JSON and SQL escapes."""
    found: set[bytes] = {quote(mark).encode(), mark.encode("unicode_escape")}
    for raw in (mark.encode(), mark.encode("utf-16-le"), mark.encode("utf-16-be")):
        found |= {raw, raw.hex().encode(), raw.hex().upper().encode()}
        for offset in range(3):
            # What a neighbour could change at either end is left out.
            text = base64.b64encode(b"\0" * offset + raw)
            inner = text[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]
            found |= {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


# Bare digits stand by chance in the hex of a ciphertext, of which a dump has many millions.
_ALONE = {
    mark.encode(): re.compile(rb"(?<![0-9a-fA-F])(?:86)?" + mark.encode() + rb"[0-9]{2,4}X?(?![0-9a-fA-F])")
    for mark in MARKS.values()
    if mark.isdecimal()
}
PATTERNS: Final = [(kind, shape) for kind, mark in MARKS.items() for shape in shapes(mark)]


def marks_in(data: bytes | mmap.mmap) -> set[str]:
    """The kinds of data that can be read in these bytes."""
    return {kind for kind, shape in PATTERNS if data.find(shape) >= 0 and _is_alone(data, shape)}


def _is_alone(data: bytes | mmap.mmap, shape: bytes) -> bool:
    return shape not in _ALONE or _ALONE[shape].search(data) is not None


def has_name(data: bytes | mmap.mmap) -> bool:
    """Whether the names stand there in clear: then the search works."""
    return data.find(NAME.encode()) >= 0


def search(place: Path) -> tuple[dict[str, set[str]], set[str]]:
    """Which kinds of data lie in which files below a place; and the files in which names do."""
    found: dict[str, set[str]] = {}
    named: set[str] = set()
    for path in sorted(place.rglob("*")):
        if not path.is_file() or path.stat().st_size == 0:
            continue
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if kinds := marks_in(data):
                found[str(path.relative_to(place))] = kinds
            if has_name(data):
                named.add(str(path.relative_to(place)))
    return found, named
