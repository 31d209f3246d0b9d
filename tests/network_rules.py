"""The rules of the network without their database: breadth first, best product, limit; no fan."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.domain.relation_catalogue import built_in
from tests.ties import Edge, Json, ids

Path = tuple[int, UUID | None, Decimal, str | None]  # hop, parent, product, direction
Lets = Callable[[Edge, bool], bool]  # whether a tie is followed, read from its left or (True) its right end
_KINDS = {kind.code: kind for kind in built_in()}


def way(edge: Edge, *, is_turned: bool) -> tuple[str, str]:
    """Direction and type as read from an end: the left end of a client is a supplier."""
    kind = _KINDS[edge.kind]
    if not is_turned:
        return kind.direction, kind.code
    return "supplier" if kind.direction == "client" else kind.direction, kind.inverse_code


def everything(_edge: Edge, _is_turned: bool) -> bool:
    """No filter."""
    return True


def only(directions: set[str] | None = None, types: set[str] | None = None, least: int = 0) -> Lets:
    """Ties of these directions and types, at least so strong (thousandths)."""

    def lets(edge: Edge, is_turned: bool) -> bool:
        direction, code = way(edge, is_turned=is_turned)
        return (
            (directions is None or direction in directions)
            and (types is None or code in types)
            and edge.strength >= least
        )

    return lets


def walk(root: UUID, edges: list[Edge], depth: int, limit: int, lets: Lets = everything) -> Json:
    """Whom to keep is asked of the whole hop; whom the walk goes on from decides only what is told besides."""
    paths: dict[UUID, Path] = {root: (0, None, Decimal(1), None)}
    front, gone_on, omitted, hop = [root], set[UUID](), 0, 0
    for hop in range(1, depth + 1):
        room = limit - len(paths)
        order, best = reached(front, paths, edges, lets)
        taken = goes_on_from(front, paths, room, lambda some: reached(some, paths, edges, lets))
        omitted = len(reached(taken, paths, edges, lets)[0]) - len(order[:room])
        gone_on |= set(taken)
        is_partial, front = len(taken) < len(front), order[:room]
        paths.update({node: (hop, best[node][2], best[node][0], best[node][3]) for node in front})
        if omitted or not front or is_partial:
            break
    else:
        is_partial = False
    known = [edge for edge in edges if {edge.left, edge.right} <= paths.keys()]
    inner = {edge.id for edge in known if lets(edge, False) or lets(edge, True)}
    last = paths.keys() - gone_on if hop > 1 else set()
    outer = {edge.id for edge in edges if {edge.left, edge.right} <= last}
    return {"paths": paths, "edges": inner - outer, "outer": inner & outer, "omitted": omitted, "partial": is_partial,
            "gone_on": gone_on}  # fmt: skip


def reached(
    front: list[UUID], paths: dict[UUID, Path], edges: list[Edge], lets: Lets
) -> tuple[list[UUID], dict[UUID, tuple[Decimal, UUID, UUID, str]]]:
    """Whoever is new behind these customers, the best first, and over which tie."""
    best: dict[UUID, tuple[Decimal, UUID, UUID, str]] = {}
    for node in front:
        for edge in edges:
            if node not in (edge.left, edge.right):
                continue
            is_turned = edge.right == node
            other, via = edge.left if is_turned else edge.right, way(edge, is_turned=is_turned)[0]
            if other in paths or not lets(edge, is_turned):
                continue
            product = paths[node][2] * edge.strength / 1000
            if other not in best or (product, edge.id) > best[other][:2]:
                best[other] = (product, edge.id, node, via)
    return sorted(best, key=lambda node: (-best[node][0], node)), best


def goes_on_from(front: list[UUID], paths: dict[UUID, Path], room: int, look: Any) -> list[UUID]:
    """Of a hop with many more customers than there is room for: the strongest, and who could lead to a better one."""
    taken = front if room == 0 else front[: room * 5 // 4 + 16]
    if len(taken) == len(front):
        return front
    order, best = look(taken)
    if len(order) < room:
        return front
    worst = best[order[room - 1]][0]
    return [node for node in front if node in taken or paths[node][2] >= worst]


def same(found: Json, expected: Json, *, outer: bool = False) -> None:
    nodes = {
        UUID(node["id"]): (
            node["depth"], node["parent_id"] and UUID(node["parent_id"]), Decimal(str(node["strength"])), node["via"],
        )
        for node in found["nodes"]
    }  # fmt: skip
    assert nodes == expected["paths"]
    assert ids(found) == list(expected["paths"])
    drawn = [UUID(edge["id"]) for edge in found["edges"]]
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == expected["edges"] | (expected["outer"] if outer else set())
    ends = Counter(end for edge in found["edges"] for end in (edge["from_id"], edge["to_id"]))
    assert {node["id"]: node["degree"] for node in found["nodes"] if node["degree"]} == ends
    assert (found["truncated"], found["omitted"]) == (
        expected["omitted"] > 0 or expected["partial"], expected["omitted"],
    )  # fmt: skip
