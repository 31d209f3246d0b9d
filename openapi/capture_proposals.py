"""Examples of the operations on products, risk tolerance and proposals; see capture.py and capture_needs.py."""

from typing import Any

from capture_consents import consented
from capture_needs import FACT_FIND, WAN

BAND = {"category": "term_life", "age_from": 30, "age_to": 45, "payment_years": 20, "per": "wan"}
RULES: dict[str, Any] = {
    "thresholds": {"yearly_premium_share": "0.20", "payment_end_age": 65},
    "authorisations": [
        {"qualification_level": 1, "max_level": 2},
        {"qualification_level": 2, "max_level": 3},
        {"qualification_level": 3, "max_level": 4},
        {"qualification_level": 4, "max_level": 5},
    ],
    "premium_bands": [{**BAND, "low_fen": 1_200, "high_fen": 1_600}],
}
ILLNESS = {
    "code": "CI-2026",
    "name": "示例重大疾病保险",
    "insurer": "示例人寿保险有限公司",
    "category": "critical_illness",
}
# Every question of risk.tolerance, as a careful person of forty would answer.
TOLERANCE: dict[str, Any] = {
    "answered_by_self": True,
    "age_band": "to_45",
    "income_source": "salary",
    "income_band": "to_50",
    "debt_burden": "to_third",
    "asset_share": "to_quarter",
    "horizon": "to_5",
}
COVER: dict[str, Any] = {
    "insured": "self",
    "peril": "critical_illness",
    "sum_insured_fen": 60 * WAN,
    "premium_low_fen": 540_000,
    "premium_high_fen": 720_000,
    "payment_years": 20,
    "term": "至 70 岁",
    "reason": "补足治疗费与三年的收入",
}


def selling(ask: Any, user_id: str) -> str:
    """What an administrator sets up: products, rules, and what qualifies an agent; answers a product's id."""
    ask("list_product_categories", "GET", "/v1/product-categories")
    made = ask("create_product", "POST", "/v1/products", body=ILLNESS)
    ids, path = {"product_id": made["id"]}, f"/v1/products/{made['id']}"
    ask("get_product", "GET", path, ids=ids)
    ask("update_product", "PATCH", path, body={"level": 2}, ids=ids, If_Match=f'"{made["version"]}"')
    ask("list_products", "GET", "/v1/products")
    org = ask.http.get("/v1/me").json()["org_id"]
    ids, path = {"organization_id": org}, f"/v1/organizations/{org}/sales-rules"
    found = ask("get_sales_rules", "GET", path, ids=ids)
    ask("replace_sales_rules", "PUT", path, body=RULES, ids=ids, If_Match=f'"{found["version"]}"')
    user = ask.http.get(f"/v1/users/{user_id}").json()
    qualified = {"licence_no": "00000000000000000001", "qualification_level": 2}
    ask.http.patch(
        f"/v1/users/{user_id}", json=qualified, headers={"If-Match": f'"{user["version"]}"'}
    ).raise_for_status()
    return str(made["id"])


def _complete(ask: Any, customer_id: str, form_key: str, answers: dict[str, Any]) -> str:
    body = {"customer_id": customer_id, "form_key": form_key, "form_version": "1.0.0", "answers": answers}
    made = ask.http.post("/v1/form-responses", json=body)
    made.raise_for_status()
    headers = {"If-Match": f'"{made.json()["version"]}"', "Idempotency-Key": f"example-{made.json()['id']}"}
    ask.http.post(f"/v1/form-responses/{made.json()['id']}/complete", headers=headers).raise_for_status()
    return str(made.json()["id"])


def _options(ask: Any, picks: dict[str, Any], nth: int) -> dict[str, Any]:
    """The answers told, and the nth option of every question that is left."""
    form = ask.http.get("/v1/forms/risk.tolerance").json()
    asked = next(group for group in form["definition"]["items"] if group["link_id"] == "questions")["items"]
    return {**{one["link_id"]: one["options"][nth]["code"] for one in asked}, **picks}


def tolerance(ask: Any, customer_id: str) -> None:
    """Two assessments; the second has another class, which the customer confirms."""
    own, path = {"customer_id": customer_id}, f"/v1/customers/{customer_id}"
    _complete(ask, customer_id, "risk.tolerance", _options(ask, TOLERANCE, 2))
    ask("get_tolerance", "GET", f"{path}/tolerance", ids=own)
    response = _complete(ask, customer_id, "risk.tolerance", _options(ask, TOLERANCE, 1))
    body = {"form_response_id": response}
    made = ask("create_tolerance_assessment", "POST", f"{path}/tolerance-assessments", body=body, ids=own)
    ids, at = {"tolerance_assessment_id": made["id"]}, f"/v1/tolerance-assessments/{made['id']}"
    ask("confirm_tolerance_assessment", "POST", f"{at}/confirm", ids=ids)
    ask("get_tolerance_assessment", "GET", at, ids=ids)
    ask("list_tolerance_assessments", "GET", f"{path}/tolerance-assessments", ids=own)


def proposals(ask: Any, customer_id: str, product_id: str) -> None:
    """From the analysis to the signed paper."""
    consented(ask, customer_id)
    told = {"form_response_id": _complete(ask, customer_id, "needs.fact_find", FACT_FIND)}
    answer = ask.http.post("/v1/needs-analyses", json=told)
    answer.raise_for_status()
    analysis = answer.json()["id"]
    at = f"/v1/needs-analyses/{analysis}/recommendations"
    bands = [{**BAND, "category": "critical_illness", "low_fen": 9_000, "high_fen": 12_000}]
    ask("calculate_recommendations", "POST", at, body={"premium_bands": bands}, ids={"needs_analysis_id": analysis})
    lean = {
        "title": "精简方案",
        "description": "先补足一部分，一年后复查",
        "premium_low_fen": 270_000,
        "premium_high_fen": 360_000,
        "covers": [{"insured": "self", "peril": "critical_illness", "sum_insured_fen": 30 * WAN}],
    }
    body = {"needs_analysis_id": analysis, "recommendations": [{**COVER, "product_id": product_id}]}
    made = ask("create_proposal", "POST", "/v1/proposals", body={**body, "alternatives": [lean]})
    ids, path = {"proposal_id": made["id"]}, f"/v1/proposals/{made['id']}"
    signature = {"signed_by": "周知行", "is_customer_himself": True, "is_opinion_told": True, "kind": "screen"}
    ask("sign_proposal", "POST", f"{path}/sign", body=signature, ids=ids)
    ask("get_proposal", "GET", path, ids=ids)
    ask("list_proposals", "GET", f"/v1/customers/{customer_id}/proposals", ids={"customer_id": customer_id})
    ask("export_proposal_document", "GET", f"{path}/document.pdf", ids=ids)


def advice(ask: Any, admin: str) -> None:
    """All of it, for a customer of the agent who is signed in; `admin`: an administrator's Authorization."""
    agent, user_id = ask.http.headers["Authorization"], ask.http.get("/v1/me").json()["id"]
    ask.http.headers["Authorization"] = admin
    product_id = selling(ask, user_id)
    ask.http.headers["Authorization"] = agent
    person = {"party_type": "individual", "name": "周知行"}
    customer = ask.http.post("/v1/customers", json=person).json()
    tolerance(ask, customer["id"])
    proposals(ask, customer["id"], product_id)
    path = f"/v1/customers/{customer['id']}"
    version = ask.http.get(path).json()["version"]
    ask.http.delete(path, headers={"If-Match": f'"{version}"'}).raise_for_status()
