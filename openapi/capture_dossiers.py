"""Examples of the four dossiers and of fact definitions."""

from typing import Any, Protocol

GOLF: dict[str, Any] = {
    "label": {"zh": "高尔夫", "en": "Golf"},
    "question": {"zh": "您打高尔夫吗？一般在哪里？", "en": "Do you play golf, and where?"},
    "shape": {"kind": "text", "max_length": 200},
    "sensitivity": "c1",
    "group": "general",
    "purpose": "service",
    "legal_basis": "consent",
    "retention": "consent",
    "review_days": 365,
    "order": 500,
    "is_offline_allowed": True,
}


class Ask(Protocol):
    """Carries out one operation and keeps it as an example."""

    http: Any

    def __call__(self, operation: str, method: str, path: str, **more: Any) -> Any: ...


def facts(ask: Ask, customer: dict[str, Any]) -> None:
    """What an agent does with what he knows."""
    ids, above = {"customer_id": customer["id"]}, f"/v1/customers/{customer['id']}"
    path = f"{above}/dossier-facts"
    fact = {"fact_key": "leisure", "value": "周末钓鱼", "source": "customer", "observed_on": "2026-11-01"}
    made = ask("create_dossier_fact", "POST", path, body=fact, ids=ids)
    one, place = {**ids, "dossier_fact_id": made["id"]}, f"{path}/{made['id']}"
    ask("update_dossier_fact", "PATCH", place, body={"value": "周末去东湖钓鱼"}, ids=one, If_Match='"1"')
    ask("get_dossier_fact", "GET", place, ids=one)
    ask("delete_dossier_fact", "DELETE", place, ids=one, If_Match='"2"')
    ask("restore_dossier_fact", "POST", f"{place}/restore", ids=one)
    other = {**fact, "value": "打羽毛球", "source": "third_party", "teller": {"label": "同事"}, "confidence": "0.7"}
    told = ask.http.post(path, json=other).json()
    ask("get_dossier", "GET", f"{above}/dossiers/personal", ids={**ids, "dossier": "personal"})
    decision = {"decision": "choose", "fact_ids": [made["id"], told["id"]]}
    ask("resolve_dossier_fact", "POST", f"{place}/resolve", body=decision, ids=one)
    ask("list_dossier_facts", "GET", path, ids=ids)
    ask("list_fact_definitions", "GET", "/v1/fact-definitions?dossier=project")
    ask("get_fact_definition", "GET", "/v1/fact-definitions/stage", ids={"fact_key": "stage"})


def definitions(ask: Ask) -> None:
    """What an administrator adds and changes; the caller is one."""
    path, ids = "/v1/fact-definitions", {"fact_key": "org.golf"}
    made = ask("create_fact_definition", "POST", path, body={"fact_key": "org.golf", "dossier": "personal", **GOLF})
    version = f'"{made["version"]}"'
    newer = {**GOLF, "review_days": 180}
    made = ask("replace_fact_definition", "PUT", f"{path}/org.golf", body=newer, ids=ids, If_Match=version)
    change = {"is_offline_allowed": False, "order": 5}
    version = f'"{made["version"]}"'
    ask("update_fact_definition", "PATCH", f"{path}/org.golf", body=change, ids=ids, If_Match=version)
    ask("withdraw_fact_definition", "POST", f"{path}/org.golf/withdraw", ids=ids)
