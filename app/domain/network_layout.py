"""Where the parties of a network go on a sheet as wide as a phone. Pure geometry, no I/O; lengths in CSS px.

The sheet is a portrait field with the root in the middle and six sectors around it, one a direction. Distances are
measured in a square stretched over the field (rho, 0 in the middle to 1 at the edge) and angles along its perimeter,
because there equal stretches of the perimeter hold equal areas: a sector gets as much of it as what it holds needs.
Everybody has a wished place, by the area those before him take: children behind their parents, in a share of their
parent's share. He gets the free place nearest to it: the field is a bit map of cells of 3 px, in one integer, and
"where does a box of this size fit" is a dozen shifts of it. When somebody finds no place at all the shares are changed
or the field grows, and all begin again. So no two boxes ever overlap, and the same network always gives the same
drawing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from math import ceil, sqrt
from typing import Final

SECTORS: Final = 6
_CELL: Final = 3
_GAP: Final = (2, 1)  # cells kept free beside every box, and above and below it
_EMPTY_SHARE: Final = 0.035  # of the perimeter, for a direction of which nothing is known
_LEAST_SHARE: Final = 0.06  # for one with somebody in it
_WASTE: Final = 3_000
_BORDER: Final = 2  # cells kept free along the edge of the field
_DENSITY: Final = 0.44  # of the field that boxes may cover; more is found no place for
_GROWTH: Final = 1.05
_CROWDED: Final = 1.12  # more of the perimeter for a sector in which somebody found no place
_PATIENCE: Final = 2  # tries with other shares before the field grows
_MIN_HEIGHT: Final = 420
_MAX_TRIES: Final = 120
_TALL: Final = 1.7  # how much dearer a px sideways is than one up or down: labels are wide and flat
_CORNERS: Final = (1.0, 3.0, 5.0, 7.0)


@dataclass(frozen=True, slots=True)
class Item:
    """One party: the place of its parent in the list (-1: the root), its sector, and the size of its box."""

    parent: int
    sector: int
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> tuple[float, float]:
        """Its centre."""
        return self.x + self.width / 2, self.y + self.height / 2

    def overlaps(self, other: "Box") -> bool:
        """Whether the two have an area in common."""
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """The field, the outline of each sector from the middle, and a box for everything that was to be placed."""

    field: Box
    root: Box
    sectors: list[list[tuple[float, float]]]
    headings: list[Box]
    items: list[Box]


@dataclass(frozen=True, slots=True)
class _Wish:
    """Part of a sector's perimeter (from, to) and the distance from the middle."""

    start: float
    end: float
    rho: float


def lay_out(
    items: Sequence[Item],
    root: tuple[float, float],
    headings: Sequence[tuple[float, float]],
    *,
    left: float,
    top: float,
    width: float,
) -> Layout:
    """Place everybody.

    Args:
        items: parents before their children; a child is in the sector of its parent.
        root: width and height of the root's box.
        headings: of the six sectors, clockwise from the top; each stands at the outer edge of its sector.
        left, top, width: of the field, whose height follows from what it has to hold.

    Raises:
        ValueError: a box is wider than its place can ever be.
    """
    if any(item.width > width - 2 * _CELL * (_BORDER + _GAP[0]) for item in items):
        raise ValueError("no place")
    needed = sum((item.width + 4) * (item.height + 4) for item in items) + sum(w * h for w, h in headings)
    height = max(_MIN_HEIGHT, (needed / _DENSITY + root[0] * root[1] * 2) / width)
    crowded = [1.0] * SECTORS
    for attempt in range(_MAX_TRIES):
        field = Box(left, top, width, ceil(height / _CELL) * _CELL)
        sheet = _Sheet(field, items, root, headings, crowded)
        found = sheet.place()
        if found is not None:
            return found
        crowded[sheet.failed] *= _CROWDED
        if attempt % _PATIENCE == _PATIENCE - 1:
            height *= _GROWTH
    raise ValueError("no place")


def _perimeter(s: float) -> tuple[float, float]:
    """The point of the square [-1, 1]² at s of its perimeter (0 to 8, clockwise from the middle of the upper side)."""
    s %= 8
    if s < 1 or s >= 7:
        return (s if s < 1 else s - 8), -1.0
    if s < 3:
        return 1.0, s - 2
    if s < 5:
        return 4 - s, 1.0
    return -1.0, 6 - s


def _shares(items: Sequence[Item], crowded: Sequence[float]) -> list[tuple[float, float]]:
    """Start and end of each sector on the perimeter, by the area it needs; the first is centred on top."""
    held = [0.0] * SECTORS
    for item in items:
        held[item.sector] += (item.width + 6) * (item.height + 6)
    # A few labels fill a wedge worse than many do.
    held = [(one + _WASTE) * factor if one else 0.0 for one, factor in zip(held, crowded, strict=True)]
    total = sum(held)
    least = [_LEAST_SHARE if one else _EMPTY_SHARE for one in held]
    spare = 1 - sum(least)
    parts = [
        8 * (low + (spare * one / total if total else spare / SECTORS)) for low, one in zip(least, held, strict=True)
    ]
    ends = list(accumulate(parts, initial=-parts[0] / 2))
    return list(pairwise(ends))


def _depths(items: Sequence[Item]) -> list[int]:
    depths: list[int] = []
    for item in items:
        depths.append(0 if item.parent < 0 else depths[item.parent] + 1)
    return depths


def _wishes(
    items: Sequence[Item], depths: Sequence[int], shares: Sequence[tuple[float, float]], inner: float
) -> list[_Wish]:
    """Where everybody would like to be: his share of his parent's share, as far out as those before him take room."""
    areas = [(item.width + 6) * (item.height + 6) for item in items]
    weight = list(areas)
    for place in range(len(items) - 1, -1, -1):
        if items[place].parent >= 0:
            weight[items[place].parent] += weight[place]
    bands = [[0.0] * 8 for _ in range(SECTORS)]
    for place, item in enumerate(items):
        bands[item.sector][depths[place]] += areas[place]
    used: dict[int, float] = {}
    met: dict[tuple[int, int], int] = {}
    sums = [sum(weight[place] for place, item in enumerate(items) if item.parent < 0 and item.sector == sector)
            for sector in range(SECTORS)]  # fmt: skip
    found: list[_Wish] = []
    for place, item in enumerate(items):
        if item.parent < 0:
            start, end = shares[item.sector]
            key, whole = -1 - item.sector, sums[item.sector]
        else:
            start, end = found[item.parent].start, found[item.parent].end
            key, whole = item.parent, weight[item.parent] - areas[item.parent]
        before = used.get(key, 0.0)
        used[key] = before + weight[place]
        begin = start + (end - start) * before / whole
        stop = start + (end - start) * used[key] / whole
        depth = depths[place]
        band = bands[item.sector]
        total = sum(band)
        # Neighbours stand in two rows of their band by turns.
        turn = met[(item.sector, depth)] = met.get((item.sector, depth), -1) + 1
        part = (sum(band[:depth]) + band[depth] * (0.3, 0.7)[turn % 2]) / total
        part *= min(1.0, 0.35 + total / 60_000)
        found.append(_Wish(begin, stop, sqrt(inner**2 + (0.9 - inner**2) * part)))
    return found


class _Sheet:
    """One try on a field of one size."""

    def __init__(
        self,
        field: Box,
        items: Sequence[Item],
        root: tuple[float, float],
        headings: Sequence[tuple[float, float]],
        crowded: Sequence[float],
    ) -> None:
        self.field, self.items, self.headings, self.failed = field, items, headings, 0
        self.columns, self.rows = int(field.width // _CELL), int(field.height // _CELL)
        self.stride = 8 * ((self.columns + _GAP[0] + 8) // 8)
        self.half = field.width / 2, field.height / 2
        self.shares = _shares(items, crowded)
        self.root = Box(field.middle[0] - root[0] / 2, field.middle[1] - root[1] / 2, *root)
        # Right of the last column and below the last row nothing stands, nor along the edge.
        sides = ((1 << (self.stride - self.columns + _BORDER)) - 1) << (self.columns - _BORDER) | (1 << _BORDER) - 1
        above = (1 << (self.stride * _BORDER)) - 1
        below = ((1 << (self.stride * 60)) - 1) << (self.stride * (self.rows - _BORDER))
        self.whole = ((1 << self.columns) - 1) * _repeated(self.stride, self.rows)
        self.taken = sides * _repeated(self.stride, self.rows) | above | below
        self.walls = self._walls()

    def place(self) -> Layout | None:
        """A box for everything, or None when something finds no place."""
        self._take(self.root)
        headings = []
        for sector, (size, (start, end)) in enumerate(zip(self.headings, self.shares, strict=True)):
            point = self._point(_Wish(start, end, 0.97))
            found = self._find(size, point, self.walls[sector]) or self._find(size, point, 0)
            if found is None:
                self.failed = sector
                return None
            headings.append(found)
        inner = max(self.root.width / self.field.width, self.root.height / self.field.height) + 0.05
        depths = _depths(self.items)
        wishes = _wishes(self.items, depths, self.shares, inner)
        placed: dict[int, Box] = {}
        for place, item in sorted(enumerate(self.items), key=lambda one: depths[one[0]]):
            wish, wall = wishes[place], self.walls[item.sector]
            near = inner if item.parent < 0 else self._rho(placed[item.parent]) + 0.02
            point = self._point(_Wish(wish.start, wish.end, max(wish.rho, min(0.95, near + 0.06))))
            size = (item.width, item.height)
            box = self._find(size, point, wall | self._inside(near)) or self._find(size, point, wall)
            if box is None:
                self.failed = item.sector
                return None
            placed[place] = box
        items = [placed[place] for place in range(len(self.items))]
        return Layout(self.field, self.root, [self._outline(*share) for share in self.shares], headings, items)

    def _point(self, wish: _Wish) -> tuple[float, float]:
        u, v = _perimeter((wish.start + wish.end) / 2)
        x, y = self.field.middle
        return x + u * wish.rho * self.half[0], y + v * wish.rho * self.half[1]

    def _rho(self, box: Box) -> float:
        (x, y), (cx, cy) = box.middle, self.field.middle
        return max(abs(x - cx) / self.half[0], abs(y - cy) / self.half[1])

    def _outline(self, start: float, end: float) -> list[tuple[float, float]]:
        stops = [start, *(c + 8 * turn for turn in (-1, 0, 1) for c in _CORNERS if start < c + 8 * turn < end), end]
        (x, y), (a, b) = self.field.middle, self.half
        return [(x, y), *((x + a * u, y + b * v) for u, v in map(_perimeter, sorted(stops)))]

    def _walls(self) -> list[int]:
        """For each sector the cells outside of it."""
        size, half = self.stride // 8, self.rows / 2
        rows: list[list[bytes]] = [[] for _ in range(SECTORS)]
        above, below = self._cuts(-1), self._cuts(1)
        for row in range(self.rows):
            y = row + 0.5 - half
            slopes, sectors = above if y < 0 else below
            free = [0] * SECTORS
            begin = 0
            for slope, sector in zip(slopes, sectors, strict=True):
                end = min(self.columns, max(begin, round(self.columns / 2 + slope * abs(y))))
                free[sector] |= (1 << end) - (1 << begin)
                begin = end
            for one, found in zip(rows, free, strict=True):
                one.append(found.to_bytes(size, "little"))
        return [self.whole & ~int.from_bytes(b"".join(one), "little") for one in rows]

    def _cuts(self, side: int) -> tuple[list[float], list[int]]:
        """The sectors of the upper (-1) or lower half from left to right, and where each ends: cells a row away."""
        rays = [(*_perimeter(start), sector) for sector, (start, _) in enumerate(self.shares)]
        slope = self.half[0] / self.half[1]
        cuts = sorted((u * slope / abs(v), sector) for u, v, sector in rays if v * side > 1e-9)
        end = float(self.columns)
        if not cuts:
            return [end], [self._owner(side * 1e-6)]
        # Clockwise, in which a sector follows its ray, is to the right above the middle and to the left below it.
        starts = [sector for _, sector in cuts]
        between = [(starts[0] - 1) % SECTORS, *starts] if side < 0 else [*starts, (starts[-1] - 1) % SECTORS]
        return [*(cut for cut, _ in cuts), end], between

    def _owner(self, v: float) -> int:
        """The sector of a point on the left side of the square."""
        for sector, (start, end) in enumerate(self.shares):
            if any(start <= 6 - v + turn < end for turn in (-8, 0, 8)):
                return sector
        return 0

    def _inside(self, rho: float) -> int:
        """The cells nearer to the middle than rho."""
        columns, rows = int(min(rho, 0.98) * self.columns / 2), int(min(rho, 0.98) * self.rows / 2)
        if columns <= 0 or rows <= 0:
            return 0
        row = ((1 << (2 * columns)) - 1) << (self.columns // 2 - columns)
        return row * _repeated(self.stride, 2 * rows) << (self.stride * (self.rows // 2 - rows))

    def _take(self, box: Box) -> None:
        column, row = int((box.x - self.field.x) // _CELL), int((box.y - self.field.y) // _CELL)
        columns = ceil((box.x + box.width - self.field.x) / _CELL) - column
        rows = ceil((box.y + box.height - self.field.y) / _CELL) - row
        bits = ((1 << columns + _GAP[0]) - 1) << column
        self.taken |= bits * _repeated(self.stride, rows + _GAP[1]) << (self.stride * row)

    def _find(self, size: tuple[float, float], point: tuple[float, float], wall: int) -> Box | None:
        """Take the free box of this size nearest to where its middle should be; None when there is none."""
        columns, rows = ceil(size[0] / _CELL), ceil(size[1] / _CELL)
        blocked = _dilated(_dilated(self.taken | wall, columns + _GAP[0], 1), rows + _GAP[1], self.stride)
        x = (point[0] - size[0] / 2 - self.field.x) / _CELL
        y = (point[1] - size[1] / 2 - self.field.y) / _CELL
        found = self._nearest(blocked, x, y)
        if found is None:
            return None
        box = Box(self.field.x + found[0] * _CELL, self.field.y + found[1] * _CELL, *size)
        self._take(box)
        return box

    def _nearest(self, blocked: int, x: float, y: float) -> tuple[int, int] | None:
        size, last = self.stride // 8, self.rows - 1
        free = (~blocked & self.whole).to_bytes(size * self.rows, "little")
        best, found = float("inf"), None
        column, middle = min(self.columns - 1, max(0, round(x))), min(last, max(0, round(y)))
        below = (1 << column) - 1
        for away in range(self.rows):
            if (away - 1) ** 2 > best:
                break
            for row in (middle - away, middle + away) if away else (middle,):
                if not 0 <= row <= last:
                    continue
                bits = int.from_bytes(free[row * size : (row + 1) * size], "little")
                if not bits:
                    continue
                right, left = bits >> column, bits & below
                steps = (right & -right).bit_length() - 1 if right else left.bit_length() - 1 - column
                if right and left and column - left.bit_length() + 1 < steps:
                    steps = left.bit_length() - 1 - column
                cost = (row - y) ** 2 + (column + steps - x) ** 2 * _TALL
                if cost < best:
                    best, found = cost, (column + steps, row)
        return found


@lru_cache(maxsize=2000)
def _repeated(stride: int, count: int) -> int:
    """A one every `stride` bits, `count` times."""
    return ((1 << (stride * count)) - 1) // ((1 << stride) - 1)


def _dilated(bits: int, count: int, step: int) -> int:
    """Where any of the `count` cells from here on (a step apart) is set."""
    done = 1
    while done < count:
        shift = min(done, count - done)
        bits |= bits >> (shift * step)
        done += shift
    return bits
