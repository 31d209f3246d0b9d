"""Examples of an organisation's own forms, and of what becomes of the answers to them."""

from typing import Any


def own_forms(ask: Any, admin: str, customer: dict[str, Any]) -> None:
    """A form of the organisation's own in two versions, answers carried over, prefilled and put on record."""
    agent = ask.http.headers["Authorization"]
    first, second = _pet_form("1.0.0"), _pet_form("2.0.0")
    ask.http.headers["Authorization"] = admin
    ask("check_form", "POST", "/v1/forms/check", body={"definition": first})
    ask("publish_form", "POST", "/v1/forms", body={"definition": first})
    carried = {"name": "改名", "from": "1.0.0", "to": "2.0.0", "moves": [{"from": "pet_name", "to": "called"}]}
    ask.http.post("/v1/forms", json={"definition": second, "migrations": [carried]}).raise_for_status()
    ask.http.headers["Authorization"] = agent
    draft = {"customer_id": customer["id"], "form_key": "org.pet_cover", "form_version": "1.0.0"}
    answers = {"pet_name": "旺财", "job": "教务主任"}
    made = ask.http.post("/v1/form-responses", json={**draft, "answers": answers}).json()
    ids, path = {"form_response_id": made["id"]}, f"/v1/form-responses/{made['id']}"
    ask("migrate_form_response", "POST", f"{path}/migrate", body={"to_version": "2.0.0"}, ids=ids)
    key = {"If-Match": '"1"', "Idempotency-Key": f"example-{made['id']}"}
    ask.http.post(f"{path}/complete", headers=key).raise_for_status()
    ask("apply_extraction", "POST", f"{path}/apply-extraction", body={"link_ids": ["job"]}, ids=ids)
    found = {"customer_id": customer["id"], "form_key": "org.pet_cover", "form_version": "1.0.0"}
    ask("get_prefill", "GET", f"/v1/customers/{customer['id']}/prefills/org.pet_cover/versions/1.0.0", ids=found)
    ask.http.headers["Authorization"] = admin
    recall, named = {"reason": "问题措辞有误", "grace_days": 14}, {"form_key": "org.pet_cover", "form_version": "1.0.0"}
    ask("withdraw_form_version", "POST", "/v1/forms/org.pet_cover/versions/1.0.0/withdraw", body=recall, ids=named)
    ask.http.headers["Authorization"] = agent


def _pet_form(version: str) -> dict[str, Any]:
    name = {"type": "text", "label": {"zh": "宠物叫什么？", "en": "What is the pet called?"}, "max": 50}
    job = {"type": "text", "label": {"zh": "您做什么工作？", "en": "What is your occupation?"}, "max": 100}
    places = {"prefill": "customer.occupation", "extract": "customer.occupation"}
    return {
        "form_key": "org.pet_cover",
        "version": version,
        "title": {"zh": "宠物保障", "en": "Pet cover"},
        "subject": "individual",
        "items": [
            {"link_id": "pet_name" if version == "1.0.0" else "called", **name},
            {"link_id": "job", **job, **places},
        ],
    }
