"""Examples of the operations on household analyses; see capture.py."""

from typing import Any

from capture_consents import consented

WAN = 1_000_000  # 万元 in fen
# A couple with one child, as an agent would note it down in a first talk.
FACT_FIND: dict[str, Any] = {
    "full_name": "周知行",
    "gender": "male",
    "birth_date": "1986-03-02",
    "marital": "married",
    "income": 30 * WAN,
    "social_medical": "employee",
    "social_pension": "employee",
    "social_pension_monthly": 450_000,
    "spouse_name": "何静姝",
    "spouse_birth_date": "1988-12-01",
    "spouse_has_income": True,
    "spouse_income": 15 * WAN,
    "spouse_social_medical": "employee",
    "children": [
        {
            "child_name": "周小满",
            "child_birth_date": "2018-05-01",
            "child_social_medical": "resident",
            "education_goal": "bachelor",
            "education_cost_yearly": 4 * WAN,
        }
    ],
    "supports_parents": False,
    "living_monthly": 900_000,
    "support_years": 16,
    "debts": [{"debt_kind": "mortgage", "debt_owner": "joint", "debt_balance": 120 * WAN, "debt_monthly": 600_000}],
    "cash": 15 * WAN,
    "policies": [
        {
            "policy_insured": "self",
            "policy_peril": "life",
            "policy_sum": 50 * WAN,
            "policy_premium": 150_000,
            "policy_lifelong": False,
            "policy_until": "2036-11-20",
            "policy_group": False,
        }
    ],
}


def households(ask: Any, customer: dict[str, Any]) -> None:
    """From a completed fact find to the gaps, and what becomes of them."""
    form = {"form_key": "needs.fact_find", "form_version": "1.0.0"}
    consented(ask, customer["id"])
    body = {"customer_id": customer["id"], **form, "answers": FACT_FIND}
    made = ask.http.post("/v1/form-responses", json=body).json()
    key = {"If-Match": '"1"', "Idempotency-Key": f"example-{made['id']}"}
    ask.http.post(f"/v1/form-responses/{made['id']}/complete", headers=key).raise_for_status()
    rate = {"discount_rate": {"value": "0.035", "set_by": "organization"}}
    told = {"form_response_id": made["id"], "overrides": rate}
    first = ask("create_needs_analysis", "POST", "/v1/needs-analyses", body=told)
    ids, path = {"needs_analysis_id": first["id"]}, f"/v1/needs-analyses/{first['id']}"
    ask("get_needs_explanation", "GET", f"{path}/explain", ids=ids)
    tried = {"assumptions": {"inflation": "0.03", "retirement_age": 58}}
    ask("calculate_what_if", "POST", f"{path}/what-if", ids=ids, body=tried)
    word = {"kind": "signature", "reference": "sig-2026-0042", "confirmed_at": "2026-11-20T09:30:00+08:00"}
    ask("confirm_needs_analysis", "POST", f"{path}/confirm", ids=ids, body=word)
    income = {"spouse_income_fen": {"value": 20 * WAN, "set_by": "customer"}}
    ask("revise_needs_analysis", "POST", f"{path}/revise", ids=ids, body={"life_event": "income", "overrides": income})
