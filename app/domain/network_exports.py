"""The penetration network in the formats of graph programs: GraphML (yEd, Gephi, networkx) and JSON Graph Format.

GraphML 1.0: http://graphml.graphdrawing.org/specification.html; every attribute is declared with its type.
JSON Graph Format 2: https://jsongraphformat.info/; a graph with its nodes by id.
In both an edge leads from one party to the one who is its `type`: the target is the employee, the daughter, the client.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.domain.network_labels import written

_NODE: Final = {
    "label": "string", "party_type": "string", "stage": "string", "tier": "string", "gender": "string",
    "is_shadow": "boolean", "ownership": "string", "depth": "int", "parent_id": "string", "strength": "double",
    "via": "string", "via_type": "string", "via_label": "string", "degree": "int", "hidden": "int",
}  # fmt: skip
_EDGE: Final = {
    "label": "string", "direction": "string", "type": "string", "strength": "double", "role": "string",
}  # fmt: skip
_GRAPH: Final = {
    "root_id": "string", "depth": "int", "truncated": "boolean", "omitted": "int", "hidden": "int",
}  # fmt: skip
_DOMAINS: Final = (("graph", _GRAPH), ("node", _NODE), ("edge", _EDGE))
_OPENING: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xsi:schemaLocation="http://graphml.graphdrawing.org/xmlns http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd">'
)

Labels = Mapping[str, Mapping[str, str]]


def graphml(network: Mapping[str, Any], labels: Labels, language: str) -> str:
    """The network as a GraphML document.

    Args:
        network: as `GET …/network` answers it.
        labels: by code of a relation type what the other one is called (RelationLabel).
        language: of the labels, zh or en.
    """
    parts = [_OPENING]
    for domain, attributes in _DOMAINS:
        for name, kind in attributes.items():
            parts.append(f'<key id="{domain}_{name}" for="{domain}" attr.name="{name}" attr.type="{kind}"/>')
    parts.append(f'<graph id="network" edgedefault="directed">{_data("graph", _GRAPH, network)}')
    for node in _nodes(network, labels, language):
        parts.append(f'<node id="{node["id"]}">{_data("node", _NODE, node)}</node>')
    for edge in _edges(network, labels, language):
        ends = f'source="{edge["from_id"]}" target="{edge["to_id"]}"'
        parts.append(f'<edge id="{edge["id"]}" {ends}>{_data("edge", _EDGE, edge)}</edge>')
    parts.append("</graph></graphml>\n")
    return "\n".join(parts)


def json_graph(network: Mapping[str, Any], labels: Labels, language: str) -> dict[str, Any]:
    """The network in JSON Graph Format 2; arguments as `graphml`."""
    nodes = {
        node["id"]: {"label": node["label"], "metadata": _picked(node, _NODE)}
        for node in _nodes(network, labels, language)
    }
    edges = [
        {
            "id": edge["id"],
            "source": edge["from_id"],
            "target": edge["to_id"],
            "relation": edge["type"],
            "directed": True,
            "label": edge["label"],
            "metadata": {name: edge[name] for name in ("direction", "strength", "role")},
        }
        for edge in _edges(network, labels, language)
    ]
    return {
        "graph": {
            "id": network["root_id"],
            "label": network["nodes"][0]["name"],
            "type": "penetration network",
            "directed": True,
            "metadata": {name: network[name] for name in _GRAPH},
            "nodes": nodes,
            "edges": edges,
        }
    }


def _picked(node: Mapping[str, Any], attributes: Mapping[str, str]) -> dict[str, Any]:
    return {name: node[name] for name in attributes if name != "label"}


def _nodes(network: Mapping[str, Any], labels: Labels, language: str) -> Iterator[dict[str, Any]]:
    for node in network["nodes"]:
        label = labels.get(node["via_type"], {})
        via_label = None
        if node["via_type"] is not None:
            via_label = label.get(f"{language}_{node['gender']}") or label.get(language)
        yield {**node, "label": node["name"], "via_label": via_label}


def _edges(network: Mapping[str, Any], labels: Labels, language: str) -> Iterator[dict[str, Any]]:
    gender = {node["id"]: node["gender"] for node in network["nodes"]}
    for edge in network["edges"]:
        label = labels.get(edge["type"], {})
        called = label.get(f"{language}_{gender[edge['to_id']]}") or label.get(language, edge["type"])
        yield {**edge, "label": called}


def _data(domain: str, attributes: Mapping[str, str], values: Mapping[str, Any]) -> str:
    """What is null is left out."""
    parts = []
    for name in attributes:
        value = values[name]
        if value is not None:
            text = str(value).lower() if isinstance(value, bool) else written(str(value))
            parts.append(f'<data key="{domain}_{name}">{text}</data>')
    return "".join(parts)
