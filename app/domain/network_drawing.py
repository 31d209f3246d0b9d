"""The penetration network as a picture for a phone: SVG 1.1 text without script, style sheet or outside reference.

Six sectors are the six directions (the "doors") seen from the root; everybody stands in the sector of the door he is
reached through, behind the one who leads to him, with what he is to that one under his name. A person is a circle, a
company a square, a shadow contact hollow and dashed. Colour only repeats what the headings say in words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.domain.network_labels import is_plain, measured, shortened, spoken, written
from app.domain.network_layout import Box, Item, Layout, lay_out

WIDTH: Final = 390
DIRECTIONS: Final = ("relative", "friend", "client", "supplier", "partner", "ally")
# Text of a direction on white and on its own tint: at least 4.5 to 1 (WCAG 2.2, 1.4.3).
COLOURS: Final = {
    "relative": "#b3261e", "friend": "#8a5200", "client": "#0b6b4b",
    "supplier": "#0b6484", "partner": "#3a4ab5", "ally": "#7b2d9b",
}  # fmt: skip
TINTS: Final = {
    "relative": "#fdf1f0", "friend": "#fcf4e6", "client": "#edf7f2",
    "supplier": "#ebf5f9", "partner": "#f0f1fc", "ally": "#f8effb",
}  # fmt: skip
INK: Final = "#1c2330"
GREY: Final = "#5a6473"
PAPER: Final = "#ffffff"
UNKNOWN: Final = "#f6f7f9"
FONTS: Final = (
    "system-ui,-apple-system,'PingFang SC','Noto Sans CJK SC','Noto Sans SC','Source Han Sans SC',"
    "'Microsoft YaHei',sans-serif"
)
# By hops from the root: size of the name, longest name in em, half the size of the mark.
_SIZES: Final = ((16.0, 12.0, 0.0), (13.0, 7.0, 6.0), (11.5, 6.0, 4.5), (10.5, 6.0, 3.5))
_SMALL: Final = 10.0  # what somebody is to the one before him
_TIE_EMS: Final = 7.0
_TOP: Final = 58  # with a second line below the title: 15 more
_SIDE: Final = 8
_FOOT: Final = 66
_WORDS: Final = {
    "zh": {
        "relative": "亲属", "friend": "朋友", "client": "客户", "supplier": "供应商", "partner": "合作伙伴",
        "ally": "战略盟友", "unknown": "未知", "title": "{name}的渗透网", "count": "{people} 人 · {companies} 家企业",
        "desc": "以{name}为中心,{hops} 步以内:{doors}。", "door": "{door} {count}", "closed": "{door}未知",
        "more": "另有 {count} 个未画出", "cut": "还有更多", "hidden": "另有 {count} 个您无权查看",
        "person": "个人", "company": "企业", "shadow": "仅听说", "badge": "+n 无权查看", "strength": "线粗 = 关系强",
        "lone": "还没有任何关系", "others": "彼此相识", "is": "{name},{tie}", "list": "、",
    },
    "en": {
        "relative": "Relatives", "friend": "Friends", "client": "Clients", "supplier": "Suppliers",
        "partner": "Partners", "ally": "Allies", "unknown": "unknown", "title": "Network of {name}",
        "count": "{people} people · {companies} companies",
        "desc": "Around {name}, up to {hops} steps: {doors}.", "door": "{door} {count}", "closed": "{door} unknown",
        "more": "{count} more not drawn", "cut": "there are more", "hidden": "{count} more you may not see",
        "person": "person", "company": "company", "shadow": "hearsay", "badge": "+n not yours to see",
        "strength": "thick = strong", "lone": "no relationship yet", "others": "know each other",
        "is": "{name}, {tie}", "list": ", ",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Label:
    """What is written at one node, already shortened, and how much room it takes."""

    name: str
    tie: str
    badge: str
    full: str
    size: float
    mark: float
    name_width: float
    tie_width: float

    @property
    def width(self) -> float:
        """Of the whole: the badge stands right of the mark."""
        badge = self.mark + 2 + _badge_width(self.badge) if self.badge else 0.0
        return max(self.name_width, self.tie_width, 2 * self.mark + 2, 2 * badge)

    @property
    def height(self) -> float:
        """Mark, name, tie."""
        return 2 * self.mark + 3 + self.size * 1.15 + (_SMALL * 1.15 if self.tie else 0)


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished drawing with what a test wants to know of it."""

    svg: str
    layout: Layout
    labels: list[Label]
    height: float


def draw(network: Mapping[str, Any], ties: Mapping[str, Mapping[str, str]], language: str) -> Picture:
    """The network as SVG.

    Args:
        network: as `GET …/network` answers it, at most 100 nodes for a picture one can read.
        ties: by code of a relation type what the other one is called: zh, en and by gender zh_male … (RelationLabel).
        language: zh or en.
    """
    words, nodes = _WORDS[language], network["nodes"]
    labels = [_label(node, ties, language) for node in nodes]
    places = {node["id"]: place for place, node in enumerate(nodes)}
    doors: list[str] = []
    items: list[Item] = []
    for node, label in zip(nodes[1:], labels[1:], strict=True):
        parent = places[node["parent_id"]] - 1
        doors.append(node["via"] if parent < 0 else doors[parent])
        items.append(Item(parent, DIRECTIONS.index(doors[-1]), label.width, label.height))
    counts = {door: doors.count(door) for door in DIRECTIONS}
    facts = _facts(network, words)
    headings = [_heading(words, door, counts[door]) for door in DIRECTIONS]
    root = labels[0]
    layout = lay_out(
        items,
        (max(root.name_width, _badge_width(root.badge)) + 28, 34 + (14 if root.badge else 0)),
        [(max(measured(text, size) for text, size in lines) + 16, 6 + 14.0 * len(lines)) for lines in headings],
        left=_SIDE,
        top=_TOP + 15 * (len(facts) - 1),
        width=WIDTH - 2 * _SIDE,
    )
    height = layout.field.y + layout.field.height + _FOOT
    parts = [
        *_head(network, counts, facts, height, language),
        *_sectors(layout, counts),
        *_lines(network, places, doors, layout, labels),
        *(
            part
            for door, box, lines in zip(DIRECTIONS, layout.headings, headings, strict=True)
            for part in _pill(door, box, lines, is_open=counts[door] > 0)
        ),
        *_root(layout.root, root),
        *(
            part
            for node, label, item, box in zip(nodes[1:], labels[1:], items, layout.items, strict=True)
            for part in _node(node, label, DIRECTIONS[item.sector], box, layout)
        ),
        *_legend(words, layout),
        "</svg>",
    ]
    return Picture("".join(parts), layout, labels, height)


def _label(node: Mapping[str, Any], ties: Mapping[str, Mapping[str, str]], language: str) -> Label:
    size, ems, mark = _SIZES[node["depth"]]
    name = shortened(spoken(node["name"], is_company=node["party_type"] == "organization"), ems)
    called = "" if node["via_type"] is None else _called(ties.get(node["via_type"], {}), node["gender"], language)
    tie = shortened(called, _TIE_EMS)
    full = node["name"] if not called else _WORDS[language]["is"].format(name=node["name"], tie=called)
    badge = f"+{node['hidden']}" if node["hidden"] else ""
    return Label(name, tie, badge, full, size, mark, measured(name, size), measured(tie, _SMALL))


def _called(label: Mapping[str, str], gender: str | None, language: str) -> str:
    """母亲 rather than 父母, once the gender is known."""
    return label.get(f"{language}_{gender}") or label.get(language, "")


def _badge_width(text: str) -> float:
    return measured(text, _SMALL) + 6


def _heading(words: Mapping[str, str], door: str, count: int) -> list[tuple[str, float]]:
    return [(words["door"].format(door=words[door], count=count), 13.0)] if count else [
        (words[door], 12.0), (words["unknown"], 11.0)
    ]  # fmt: skip


def _facts(network: Mapping[str, Any], words: Mapping[str, str]) -> list[str]:
    """The line or two below the title: who is drawn, and what is not."""
    others = network["nodes"][1:]
    companies = sum(node["party_type"] == "organization" for node in others)
    shown = words["count"].format(people=len(others) - companies, companies=companies) if others else words["lone"]
    missing = []
    if network["omitted"]:
        missing.append(words["more"].format(count=network["omitted"]))
    elif network["truncated"]:
        missing.append(words["cut"])
    if network["hidden"]:
        missing.append(words["hidden"].format(count=network["hidden"]))
    return [shown, " · ".join(missing)] if missing else [shown]


def _head(
    network: Mapping[str, Any], counts: Mapping[str, int], facts: Sequence[str], height: float, language: str
) -> list[str]:
    words, name = _WORDS[language], network["nodes"][0]["name"]
    title = words["title"].format(name=name)
    doors = words["list"].join(
        words["door" if counts[door] else "closed"].format(door=words[door], count=counts[door]) for door in DIRECTIONS
    )
    desc = words["desc"].format(name=name, hops=network["depth"], doors=doors)
    lang = "zh-CN" if language == "zh" else "en"
    shown = shortened(title, 20)
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{_n(height)}" '
        f'viewBox="0 0 {WIDTH} {_n(height)}" lang="{lang}" xml:lang="{lang}" role="img" '
        f'aria-labelledby="network-title network-desc" font-family="{written(FONTS)}">',
        f'<title id="network-title">{written(title)}</title><desc id="network-desc">{written(desc)}</desc>',
        f'<rect width="{WIDTH}" height="{_n(height)}" fill="{PAPER}"/>',
        _text(shown, 16, 28, 17, measured(shown, 17), INK, weight=700),
        *(_text(line, 16, 46 + 15 * row, 11, 0, GREY) for row, line in enumerate(facts)),
    ]


def _sectors(layout: Layout, counts: Mapping[str, int]) -> list[str]:
    field = layout.field
    parts = [
        f'<clipPath id="network-field"><rect x="{_n(field.x)}" y="{_n(field.y)}" width="{_n(field.width)}" '
        f'height="{_n(field.height)}" rx="20"/></clipPath>',
        f'<g clip-path="url(#network-field)" stroke="{PAPER}" stroke-width="3">',
    ]
    for door, outline in zip(DIRECTIONS, layout.sectors, strict=True):
        points = " ".join(f"{_n(x)},{_n(y)}" for x, y in outline)
        parts.append(f'<polygon points="{points}" fill="{TINTS[door] if counts[door] else UNKNOWN}"/>')
    return [*parts, "</g>"]


def _pill(door: str, box: Box, lines: Sequence[tuple[str, float]], *, is_open: bool) -> list[str]:
    """The name of a direction at the outer edge of its sector; one of which nothing is known is only outlined."""
    fill, edge = (COLOURS[door], "none") if is_open else (PAPER, COLOURS[door])
    dashes = "" if is_open else ' stroke-dasharray="3 2.5"'
    parts = [
        f'<rect x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}" height="{_n(box.height)}" rx="10" '
        f'fill="{fill}" stroke="{edge}"{dashes}/>'
    ]
    for row, (text, size) in enumerate(lines):
        colour = PAPER if is_open else (GREY if row else COLOURS[door])
        y = box.y + 14.5 + 14 * row
        parts.append(_text(text, box.middle[0], y, size, 0, colour, anchor="middle", weight=400 if row else 700))
    return parts


def _lines(
    network: Mapping[str, Any],
    places: Mapping[str, int],
    doors: Sequence[str],
    layout: Layout,
    labels: Sequence[Label],
) -> list[str]:
    """The ties that lead to somebody, as wide as they are strong; under them the others, faint."""
    marks = [layout.root.middle, *(
        _mark(box, label, layout) for box, label in zip(layout.items, labels[1:], strict=True)
    )]  # fmt: skip
    strength: dict[tuple[int, int], float] = {}
    for edge in network["edges"]:
        one, other = sorted((places[edge["from_id"]], places[edge["to_id"]]))
        strength[one, other] = max(edge["strength"], strength.get((one, other), 0))
    paths = {(places[node["parent_id"]], place) for place, node in enumerate(network["nodes"]) if place}
    faint = [pair for pair in strength if pair not in paths]
    parts = ['<g fill="none" stroke-linecap="round">']
    if faint:
        steps = "".join(
            f"M{_n(marks[a][0])} {_n(marks[a][1])}L{_n(marks[b][0])} {_n(marks[b][1])}" for a, b in sorted(faint)
        )
        parts.append(f'<path d="{steps}" stroke="#c0c6d0" stroke-width=".7" stroke-dasharray="1 3.5"/>')
    for parent, place in sorted(paths, key=lambda pair: pair[1]):
        (x, y), (a, b) = marks[parent], marks[place]
        width = 0.8 + 2.4 * strength.get((parent, place), 0)
        bend = (x + (a - x) * 0.15, y + (b - y) * 0.6) if abs(b - y) > abs(a - x) else (
            x + (a - x) * 0.6, y + (b - y) * 0.15)  # fmt: skip
        parts.append(
            f'<path d="M{_n(x)} {_n(y)}Q{_n(bend[0])} {_n(bend[1])} {_n(a)} {_n(b)}" '
            f'stroke="{COLOURS[doors[place - 1]]}" stroke-width="{_n(width)}" opacity=".5"/>'
        )
    return [*parts, "</g>"]


def _is_up(box: Box, layout: Layout) -> bool:
    """Above the root the mark stands under its name, so that the tie from below does not cross the name."""
    return box.middle[1] < layout.root.middle[1]


def _mark(box: Box, label: Label, layout: Layout) -> tuple[float, float]:
    inset = label.mark + 1
    return box.middle[0], (box.y + box.height - inset if _is_up(box, layout) else box.y + inset)


def _root(box: Box, label: Label) -> list[str]:
    x, y = box.middle
    if label.badge:
        y -= 7
    parts = [
        f'<g><title>{written(label.full)}</title><rect x="{_n(x - label.name_width / 2 - 12)}" y="{_n(y - 15)}" '
        f'width="{_n(label.name_width + 24)}" height="30" rx="15" fill="{INK}" stroke="{PAPER}" stroke-width="3"/>',
        _text(label.name, x, y + 5.5, label.size, label.name_width, PAPER, anchor="middle", weight=700),
    ]
    if label.badge:
        parts.append(_badge(label.badge, x - _badge_width(label.badge) / 2, y + 23))
    return [*parts, "</g>"]


def _node(node: Mapping[str, Any], label: Label, door: str, box: Box, layout: Layout) -> list[str]:
    x, y = _mark(box, label, layout)
    colour, size = COLOURS[door], label.mark
    fill = PAPER if node["is_shadow"] else colour
    dashes = ' stroke-dasharray="2.2 1.8"' if node["is_shadow"] else ""
    style = f'fill="{fill}" stroke="{colour if node["is_shadow"] else PAPER}" stroke-width="1.5"{dashes}'
    if node["party_type"] == "organization":
        shape = f'<rect x="{_n(x - size)}" y="{_n(y - size)}" width="{_n(2 * size)}" height="{_n(2 * size)}" rx="1.5" '
    else:
        shape = f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(size)}" '
    top = box.y - 1 if _is_up(box, layout) else box.y + 2 * size + 2
    name_y = top + label.size
    parts = [f"<g><title>{written(label.full)}</title>{shape}{style}/>"]
    if label.badge:
        parts.append(_badge(label.badge, x + size + 2, y))
    weight, halo = (600 if node["depth"] == 1 else 400), TINTS[door]
    parts.append(
        _text(label.name, x, name_y, label.size, label.name_width, INK, anchor="middle", weight=weight, halo=halo)
    )
    if label.tie:
        y = name_y + _SMALL * 1.15
        parts.append(_text(label.tie, x, y, _SMALL, label.tie_width, colour, anchor="middle", halo=halo))
    return [*parts, "</g>"]


def _badge(text: str, x: float, y: float) -> str:
    """How many stand behind somebody whom the caller may not see; `x` is its left side, `y` its middle."""
    width = _badge_width(text)
    return f'<rect x="{_n(x)}" y="{_n(y - 6.5)}" width="{_n(width)}" height="13" rx="6.5" fill="#e3e6eb"/>' + _text(
        text, x + width / 2, y + 3.6, _SMALL, 0, "#3c4554", anchor="middle"
    )


def _legend(words: Mapping[str, str], layout: Layout) -> list[str]:
    y = layout.field.y + layout.field.height + 24
    parts = [f'<g stroke-width="1.5"><circle cx="22" cy="{_n(y)}" r="5" fill="{GREY}"/>']
    x = 32.0
    parts.append(_text(words["person"], x, y + 4, 11, 0, GREY))
    x += measured(words["person"], 11) + 16
    parts.append(f'<rect x="{_n(x)}" y="{_n(y - 5)}" width="10" height="10" rx="1.5" fill="{GREY}"/>')
    parts.append(_text(words["company"], x + 15, y + 4, 11, 0, GREY))
    x += measured(words["company"], 11) + 36
    parts.append(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="5" fill="{PAPER}" stroke="{GREY}" stroke-dasharray="2.2 1.8"/>')
    parts.append(_text(words["shadow"], x + 10, y + 4, 11, 0, GREY))
    x += measured(words["shadow"], 11) + 28
    parts.append(f'<path d="M{_n(x)} {_n(y)}h18" stroke="#8d96a5" stroke-width="1" stroke-dasharray="1 3.5"/>')
    parts.append(_text(words["others"], x + 24, y + 4, 11, 0, GREY))
    second = y + 22
    parts.append(
        f'<path d="M17 {_n(second)}h12" stroke="{GREY}" stroke-width=".8"/>'
        f'<path d="M33 {_n(second)}h12" stroke="{GREY}" stroke-width="3.2"/></g>'
    )
    parts.append(_text(words["strength"], 52, second + 4, 11, 0, GREY))
    x = 52 + measured(words["strength"], 11) + 18
    parts.append(_text(words["badge"], x, second + 4, 11, 0, GREY))
    return parts


def _text(
    text: str,
    x: float,
    y: float,
    size: float,
    width: float,
    fill: str,
    *,
    anchor: str = "start",
    weight: int = 400,
    halo: str = "",
) -> str:
    """One line of text. With a `width` and letters of unknown width it is forced into that width."""
    forced = f' textLength="{_n(width)}" lengthAdjust="spacingAndGlyphs"' if width and not is_plain(text) else ""
    start = "" if anchor == "start" else f' text-anchor="{anchor}"'
    bold = "" if weight == 400 else f' font-weight="{weight}"'
    around = f' stroke="{halo}" stroke-width="2.5" stroke-linejoin="round" paint-order="stroke"' if halo else ""
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}"{start}{bold}{around}{forced} fill="{fill}">'
        f"{written(text)}</text>"
    )


def _n(value: float) -> str:
    """A length with one decimal, without a needless zero."""
    return f"{value:.1f}".removesuffix(".0")
