"""The operations of the network, carried out once for `capture.py`: `ask` is its client."""

import time
from typing import Any

from uuid_utils.compat import uuid7


def relations(ask: Any, one: dict[str, Any], other: dict[str, Any]) -> None:
    """Relationship and network operations."""
    ids, path = {"customer_id": one["id"]}, f"/v1/customers/{one['id']}/relationships"
    fact = {"other_id": other["id"], "direction": "friend", "role": "大学同学", "strength": 0.75, "since": "2004-09-01"}
    made = ask("create_relationship", "POST", path, body=fact, ids=ids)
    ids, one_path = {**ids, "relationship_id": made["id"]}, f"{path}/{made['id']}"
    ask("update_relationship", "PATCH", one_path, body={"strength": 0.5}, ids=ids, If_Match='"1"')
    ask("get_relationship", "GET", one_path, ids=ids)
    ask("delete_relationship", "DELETE", one_path, ids=ids, If_Match='"2"')
    ask("restore_relationship", "POST", f"{one_path}/restore", ids=ids)
    ids = {"customer_id": other["id"]}
    ask("list_relationships", "GET", f"/v1/customers/{other['id']}/relationships?limit=3", ids=ids)
    network = f"/v1/customers/{other['id']}/network"
    ask("get_network", "GET", f"{network}?depth=2&limit=5", ids=ids)
    ask("get_network_drawing", "GET", f"{network}.svg?depth=1&limit=3", ids=ids)
    company = ask.http.get("/v1/customers", params={"party_type": "organization", "limit": 1, "sort": "name"}).json()
    ids = {"customer_id": company["items"][0]["id"]}
    ask("get_company", "GET", f"/v1/customers/{ids['customer_id']}/company?levels=1", ids=ids)


def ways(ask: Any) -> None:
    """Kin, and paths. (Asking a colleague has an example written by hand: the demo does not allow it.)"""
    kin = next(
        person
        for person in ask.http.get("/v1/customers", params={"party_type": "individual", "limit": 50}).json()["items"]
        if any(item["inferred"] for item in ask.http.get(f"/v1/customers/{person['id']}/kin").json()["items"])
    )
    ask("get_kin", "GET", f"/v1/customers/{kin['id']}/kin", ids={"customer_id": kin["id"]})
    ask("list_network_paths", "GET", "/v1/network/paths?to_tag=%E9%87%8D%E7%82%B9%E4%BC%81%E4%B8%9A&k=1")


def introductions(ask: Any, one: dict[str, Any], other: dict[str, Any]) -> None:
    """Introductions, the tasks they make, and what they are worth; nothing of it is left behind."""
    body = {"introducer_id": other["id"], "target_id": one["id"], "note": "饭局上提起,先加微信"}
    made = ask("create_introduction", "POST", "/v1/introductions", body={**body, "asked_on": "2026-10-20"})
    ids, path = {"introduction_id": made["id"]}, f"/v1/introductions/{made['id']}"
    ask("update_introduction", "PATCH", path, body={"note": "由介绍人先打招呼"}, ids=ids, If_Match='"1"')
    step = {"status": "introduced", "happened_on": "2026-10-28"}
    ask("advance_introduction", "POST", f"{path}/advance", body=step, ids=ids, If_Match='"2"')
    declined = {"status": "declined", "happened_on": "2026-11-01", "reason": "not_now"}
    ask.http.post(f"{path}/advance", json=declined, headers={"If-Match": '"3"'}).raise_for_status()
    ask("reopen_introduction", "POST", f"{path}/reopen", ids=ids)
    ask("get_introduction", "GET", path, ids=ids)
    ask("list_introductions", "GET", f"/v1/introductions?introducer_id={other['id']}&limit=2")
    task = ask("list_tasks", "GET", f"/v1/tasks?state=open&customer_id={other['id']}&limit=2")["items"][0]
    found = {"task_id": task["id"]}
    ask("complete_task", "POST", f"/v1/tasks/{task['id']}/complete", ids=found)
    ask("reopen_task", "POST", f"/v1/tasks/{task['id']}/reopen", ids=found)
    ask("get_task", "GET", f"/v1/tasks/{task['id']}", ids=found)
    best = ask("list_introducers", "GET", "/v1/introducers?limit=2")["items"][0]
    ask("get_referrals", "GET", f"/v1/customers/{best['id']}/referrals", ids={"customer_id": best["id"]})
    ask("delete_introduction", "DELETE", path, ids=ids, If_Match='"5"')
    made = ask("restore_introduction", "POST", f"{path}/restore", ids=ids)
    ask.http.delete(path, headers={"If-Match": f'"{made["version"]}"'}).raise_for_status()


def surroundings(ask: Any, known: dict[str, Any]) -> None:
    """Coverage of the six directions, and whom to meet next."""
    ids, path = {"customer_id": known["id"]}, f"/v1/customers/{known['id']}"
    answer, day = {**ids, "direction": "ally"}, {"asked_on": "2026-11-01"}
    ask("put_coverage_answer", "PUT", f"{path}/coverage-answers/ally", body=day, ids=answer)
    ask("get_coverage", "GET", f"{path}/coverage", ids=ids)
    ask("delete_coverage_answer", "DELETE", f"{path}/coverage-answers/ally", ids=answer)
    ask("get_agent_coverage", "GET", "/v1/network/coverage?limit=2")
    found = ask("list_recommendations", "GET", "/v1/network/recommendations?limit=1")["items"][0]["person"]
    ids = {"customer_id": found["id"]}
    path = f"/v1/network/recommendation-dismissals/{found['id']}"
    ask("put_recommendation_dismissal", "PUT", path, body={"reason": "not_now"}, ids=ids)
    ask("delete_recommendation_dismissal", "DELETE", path, ids=ids)


def contacts(ask: Any, customer: dict[str, Any]) -> None:
    """A family in one call, shadow contacts, recorded contacts; one contact is erased, one becomes a customer."""
    father = {"id": str(uuid7()), "name": "欧阳德", "party_type": "individual", "gender": "male"}
    mother = {"id": str(uuid7()), "name": "周桂芳", "party_type": "individual", "gender": "female"}
    items = [
        {"customer_id": customer["id"], "new_contact": father, "type": "parent", "source": "customer"},
        {"customer_id": customer["id"], "new_contact": mother, "type": "parent", "source": "customer"},
        {"customer_id": father["id"], "other_id": mother["id"], "type": "spouse"},
        {"customer_id": customer["id"], "other_id": customer["id"], "type": "friend"},
    ]
    ask("create_relationships", "POST", "/v1/relationships/bulk", body={"items": items})
    brother = {
        "name": "欧阳雪峰",
        "party_type": "individual",
        "gender": "male",
        "known_through_id": customer["id"],
        "relation": {"type": "sibling", "role": "弟弟", "source": "customer", "confidence": 0.9},
    }
    made = ask("create_shadow_contact", "POST", "/v1/shadow-contacts", body=brother)
    ids, path = {"shadow_contact_id": made["id"]}, f"/v1/shadow-contacts/{made['id']}"
    change = {"name": "欧阳雪锋"}
    ask("update_shadow_contact", "PATCH", path, body=change, ids=ids, If_Match='"1"')
    ask("get_shadow_contact", "GET", path, ids=ids)
    ask("list_shadow_contacts", "GET", "/v1/shadow-contacts?limit=2")
    tie = made["relations"][0]["relationship_id"]
    own = {"customer_id": customer["id"], "relationship_id": tie}
    met_path = f"/v1/customers/{customer['id']}/relationships/{tie}/interactions"
    met = {"kind": "meal", "occurred_on": "2026-11-01"}
    once = ask("create_relationship_interaction", "POST", met_path, body=met, ids=own)
    one = {**own, "interaction_id": once["id"]}
    ask("get_relationship_interaction", "GET", f"{met_path}/{once['id']}", ids=one)
    ask("list_relationship_interactions", "GET", met_path, ids=own)
    ask("export_shadow_contact", "GET", f"{path}/export", ids=ids)
    ask("delete_relationship_interaction", "DELETE", f"{met_path}/{once['id']}", ids=one)
    version = ask.http.get(path).headers["etag"]
    ask("delete_shadow_contact", "DELETE", path, ids=ids, If_Match=version)
    ids, path = {"shadow_contact_id": father["id"]}, f"/v1/shadow-contacts/{father['id']}"
    ask("promote_shadow_contact", "POST", f"{path}/promote", body={"stage": "prospect"}, ids=ids)


def kinds(ask: Any) -> None:
    """Relation types: the catalogue, and one of the organisation's own."""
    label = {"zh": "茶友", "en": "tea friend"}
    made = ask("create_relation_type", "POST", "/v1/relation-types", body={"code": "tea_friend", "direction": "friend",
                                                                          "label": label})  # fmt: skip
    ids, path = {"relation_type_id": made["id"]}, f"/v1/relation-types/{made['id']}"
    ask("update_relation_type", "PATCH", path, body={"introduction_weight": 0.85}, ids=ids, If_Match='"1"')
    ask("get_relation_type", "GET", path, ids=ids)
    ask("list_relation_types", "GET", "/v1/relation-types")
    ask("delete_relation_type", "DELETE", path, ids=ids, If_Match='"2"')


def files(ask: Any, customer: dict[str, Any]) -> None:
    """The network as a file, for those who may export."""
    ids, network = {"customer_id": customer["id"]}, f"/v1/customers/{customer['id']}/network"
    ask("export_network_graphml", "GET", f"{network}.graphml?depth=1&limit=3", ids=ids)
    ask("export_network_json_graph", "GET", f"{network}.jgf?depth=1&limit=3", ids=ids)


def scores(ask: Any) -> None:
    """What the service computed of the network when it started, and a wish for more, as an administrator."""
    for _ in range(60):
        if ask.http.get("/v1/network/influence").json()["computed_at"] is not None:
            break
        time.sleep(1)
    ask("list_influences", "GET", "/v1/network/influence?scope=organization&limit=3")
    ask("list_communities", "GET", "/v1/network/communities?scope=organization")
    ask("refresh_influences", "POST", "/v1/network/influence/refresh")
