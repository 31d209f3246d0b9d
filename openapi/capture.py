"""Takes the examples of the OpenAPI document from a running demo world: `make examples` (start `make run` first).

Every operation is carried out once, like a client would, and what was sent and answered is written to
`openapi/examples/<operationId>.json`; the document shows it beside the schemas. Tokens and keys are replaced.
"""

import argparse
import json
import os
import secrets
from pathlib import Path
from typing import Any

import capture_consents as consents
import capture_dossiers as dossiers
import capture_forms as forms
import capture_needs as needs
import capture_network as network
import capture_proposals as selling
import httpx
import pyotp

FOLDER = Path(__file__).parent / "examples"
PASSWORD = os.environ.get("RENMAI_DEMO_PASSWORD", "renmai-demo-2026")
# What opens something, or names a person for good, gives way to something invented of the same shape.
_SECRET: dict[str, Any] = {
    "access_token": "eyJhbGciOiJFUzI1NiIsImtpZCI6Ii4uLiJ9.eyJpc3MiOiIuLi4ifQ.c2lnbmF0dXJl",
    "refresh_token": "rmr_an-example-that-opens-nothing",
    "device_token": "an-example-that-proves-nothing",
    "token": "rmi_an-example-that-opens-nothing",
    "password": "the-demo-password",
    "current_password": "the-demo-password",
    "new_password": "another-demo-password",
    "secret": "AN2EXAMPLE2THAT2OPENS2NOTHING234",
    "otpauth_uri": "otpauth://totp/Renmai:jiang?secret=AN2EXAMPLE2THAT2OPENS2NOTHING234&issuer=Renmai",
    "recovery_codes": ["EXMP-2222-2222", "EXMP-3333-3333"],
    "id_number": "11010519491231002X",  # the specimen of GB 11643
}


# A published figure (AFP): 3万 a year for 20 years at 3 %, paid at the beginning of each; less 10万 of assets.
CALCULATION: dict[str, Any] = {
    "method": "capital_needs",
    "currency": "CNY",
    "assumptions": {"discount_rate": "published", "streams.0.years": "customer"},
    "streams": [
        {
            "kind": "living",
            "amount_fen": 3_000_000,
            "growth": "0",
            "years": 20,
            "timing": "begin",
            "first_payment": "today",
            "sign": "need",
        }
    ],
    "assets_fen": 10_000_000,
    "discount_rate": "0.03",
}


class Capture:
    """A client that keeps what it sent and received."""

    def __init__(self, base_url: str) -> None:
        self.http = httpx.Client(base_url=base_url, headers={"Accept-Language": "zh-CN"}, timeout=20)

    def __call__(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        body: Any = None,
        shown: Any = None,
        ids: dict[str, str] | None = None,
        **headers: str,
    ) -> Any:
        """Carry out one operation and write its example, with `shown` in place of the body; answers what came back."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.http.request(method, path, json=body, headers=sent)
        if answer.is_error:
            raise SystemExit(f"{operation}: {answer.status_code} {answer.text}")
        is_json = "json" in answer.headers.get("content-type", "")
        is_paper = answer.headers.get("content-type") == "application/pdf"
        received = answer.json() if is_json else "%PDF-1.7" if is_paper else answer.text or None
        example = {"status": answer.status_code, "path": ids or {}, "request": shown or body, "response": received}
        text = json.dumps(_open(example), ensure_ascii=False, indent=2, sort_keys=True)
        (FOLDER / f"{operation}.json").write_text(text + "\n", encoding="utf-8")
        return received


def _open(value: Any, key: str = "") -> Any:
    """The value without secrets, and with long lists cut to what a reader wants to see.

    Of a form only the first question is kept: linters take the others, which name their type, for schemas.
    """
    if value is not None and key in _SECRET:
        return _SECRET[key]
    if isinstance(value, dict):
        return {name: _open(part, name) for name, part in value.items()}
    if isinstance(value, list):
        is_form = key == "items" and value and "link_id" in value[0]
        return [_open(part) for part in value[: 1 if is_form else 4]]
    return value


def service(ask: Capture, partner_key: str) -> None:
    """Signing in and the service's own operations."""
    device = {"id": "example", "name": "林知秋的手机", "platform": "android"}
    login = {"org": "wuhan", "username": "agent1", "password": PASSWORD}
    tokens = ask("login", "POST", "/v1/auth/login", body={**login, "device": device})
    refresh = {"refresh_token": tokens["refresh_token"]}
    other = ask.http.post("/v1/auth/login", json={**login, "device": {**device, "id": "old"}}).json()
    ask("refresh_tokens", "POST", "/v1/auth/refresh", body=refresh)
    ask.http.headers["Authorization"] = f"Bearer {other['access_token']}"
    ask("logout", "POST", "/v1/auth/logout")
    other = ask.http.post("/v1/auth/login", json={**login, "device": {**device, "id": "old"}}).json()
    ask.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    ask("get_me", "GET", "/v1/me")
    ask("list_sessions", "GET", "/v1/auth/sessions")
    ended = {"session_id": other["session_id"]}
    ask("delete_session", "DELETE", f"/v1/auth/sessions/{other['session_id']}", ids=ended)
    for operation, path in (
        ("get_liveness", "/health/live"),
        ("get_readiness", "/health/ready"),
        ("get_jwks", "/.well-known/jwks.json"),
    ):
        ask(operation, "GET", path)
    agent = ask.http.headers.pop("Authorization")  # one credential a request
    ask("get_partner", "GET", "/v1/partner/me", X_API_Key=partner_key)
    ask.http.headers["Authorization"] = agent


def profiles(ask: Capture) -> tuple[dict[str, Any], dict[str, Any]]:
    """Customer operations on two customers made for the purpose."""
    ask("list_customers", "GET", "/v1/customers?stage=prospect&limit=3")
    person = {
        "party_type": "individual",
        "stage": "prospect",
        "name": "欧阳雪梅",
        "gender": "female",
        "birthday": {"year": 1985, "month": 8, "day": 15, "calendar": "lunar"},
        "occupation": "中学教师",
        "phones": [{"number": "13800000000", "kind": "mobile"}],
        "tags": ["转介绍"],
    }
    made = ask("create_customer", "POST", "/v1/customers", body=person)
    ids, path = {"customer_id": made["id"]}, f"/v1/customers/{made['id']}"
    change = {"stage": "customer", "note": "周末上午方便通话"}
    made = ask("update_customer", "PATCH", path, body=change, ids=ids, If_Match='"1"')
    ask("get_customer", "GET", path, ids=ids)
    ask("search_customers", "POST", "/v1/customers/search", body={"q": "13800000000", "limit": 3})
    ask("delete_customer", "DELETE", path, ids=ids, If_Match='"2"')
    made = ask("restore_customer", "POST", f"{path}/restore", ids=ids)
    known = ask.http.get("/v1/customers", params={"party_type": "individual", "limit": 2, "sort": "name"}).json()
    return made, known["items"][0]


def analyses(ask: Capture, customer: dict[str, Any]) -> None:
    """Form, response and analysis operations."""
    consents.consented(ask, customer["id"])
    ask("list_forms", "GET", "/v1/forms")
    form = ask("get_form", "GET", "/v1/forms/needs.life", ids={"form_key": "needs.life"})
    ids = {"form_key": "needs.life", "form_version": form["version"]}
    ask("get_form_version", "GET", f"/v1/forms/needs.life/versions/{form['version']}", ids=ids)
    draft = {"customer_id": customer["id"], "form_key": "needs.life", "form_version": form["version"]}
    made = ask("create_form_response", "POST", "/v1/form-responses", body=draft)
    ids, path = {"form_response_id": made["id"]}, f"/v1/form-responses/{made['id']}"
    answers = {"family_expense": 12_000_000, "support_years": 18, "mortgage": 85_000_000, "existing_cover": 50_000_000}
    ask("update_form_response", "PATCH", path, body={"answers": answers}, ids=ids, If_Match='"1"')
    key = {"If_Match": '"2"', "Idempotency_Key": f"example-{made['id']}"}
    done = ask("complete_form_response", "POST", f"{path}/complete", ids=ids, **key)
    ask("get_form_response", "GET", path, ids=ids)
    own = {"customer_id": customer["id"]}
    ask("list_form_responses", "GET", f"/v1/customers/{customer['id']}/form-responses", ids=own)
    found = {"needs_analysis_id": done["needs_analysis_id"]}
    ask("get_needs_analysis", "GET", f"/v1/needs-analyses/{done['needs_analysis_id']}", ids=found)
    ask("calculate_needs", "POST", "/v1/needs-analyses/calculate", body=CALCULATION)
    ask("list_needs_analyses", "GET", f"/v1/customers/{customer['id']}/needs-analyses", ids=own)
    amended = ask("amend_form_response", "POST", f"{path}/amend", body={}, ids={"form_response_id": done["id"]})
    reason = {"reason": "客户核对后更正"}
    ids, path = {"form_response_id": amended["id"]}, f"/v1/form-responses/{amended['id']}"
    ask("retract_form_response", "POST", f"{path}/retract", body=reason, ids=ids)
    needs.households(ask, customer)


def sign_in(ask: Capture, username: str, password: str) -> str:
    """The `Authorization` of a new session."""
    device = {"id": "example", "name": "办公室电脑", "platform": "web"}
    login = {"org": "wuhan", "username": username, "password": password, "device": device}
    return f"Bearer {ask.http.post('/v1/auth/login', json=login).raise_for_status().json()['access_token']}"


def organization(ask: Capture) -> None:
    """The organisation and its teams, as an administrator; what is made is deleted again."""
    org_id = ask.http.get("/v1/me").json()["org_id"]
    ids, path = {"organization_id": org_id}, f"/v1/organizations/{org_id}"
    known = ask("get_organization", "GET", path, ids=ids)
    change, version = {"session_idle_days": known["session_idle_days"]}, known["version"]
    ask("update_organization", "PATCH", path, body=change, ids=ids, If_Match=f'"{version}"')
    top = ask.http.get("/v1/teams?limit=1").json()["items"][0]
    made = ask("create_team", "POST", "/v1/teams", body={"name": "营销三部", "kind": "sales", "parent_id": top["id"]})
    ids, path = {"team_id": made["id"]}, f"/v1/teams/{made['id']}"
    ask("update_team", "PATCH", path, body={"name": "光谷营销部"}, ids=ids, If_Match=f'"{made["version"]}"')
    made = ask("get_team", "GET", path, ids=ids)
    ask("list_teams", "GET", "/v1/teams?limit=4")
    ask("delete_team", "DELETE", path, ids=ids, If_Match=f'"{made["version"]}"')
    serving = ask.http.post("/v1/teams", json={"name": "续期服务组", "kind": "service"}).json()
    user = ask.http.get("/v1/users?role=agent&limit=1").json()["items"][0]
    ids, path = {"team_id": serving["id"], "user_id": user["id"]}, f"/v1/teams/{serving['id']}"
    serving = ask("put_team_member", "PUT", f"{path}/members/{user['id']}", ids=ids)
    ask("delete_team_member", "DELETE", f"{path}/members/{user['id']}", ids=ids)
    version = ask.http.get(path).json()["version"]
    ask.http.delete(path, headers={"If-Match": f'"{version}"'}).raise_for_status()


def invite(ask: Capture) -> tuple[str, str, str]:
    """Invitations; answers the id, user name and password of the user who accepted one."""
    body = {"username": f"jiang.{secrets.token_hex(3)}", "name": "江小满", "role": "agent"}
    made = ask("create_invitation", "POST", "/v1/invitations", body=body)
    ids, path = {"invitation_id": made["id"]}, f"/v1/invitations/{made['id']}"
    password = f"Qiao-{secrets.token_urlsafe(16)}"
    ask("accept_invitation", "POST", "/v1/auth/invitations/accept", body={"token": made["token"], "password": password})
    accepted = ask("get_invitation", "GET", path, ids=ids)
    ask("list_invitations", "GET", "/v1/invitations?limit=2")
    other = ask.http.post("/v1/invitations", json={**body, "username": f"{body['username']}.2"}).json()
    ids, path = {"invitation_id": other["id"]}, f"/v1/invitations/{other['id']}"
    ask("delete_invitation", "DELETE", path, ids=ids, If_Match=f'"{other["version"]}"')
    return accepted["user_id"], body["username"], password


def presence(ask: Capture, username: str, password: str) -> str:
    """Password and second factor of a user of ours; answers his `Authorization`."""
    own = sign_in(ask, username, password)
    ask("step_up", "POST", "/v1/auth/step-up", body={"password": password}, Authorization=own)
    factor = ask("create_second_factor", "POST", "/v1/auth/second-factor", Authorization=own)
    code = {"code": pyotp.TOTP(factor["secret"]).now()}
    confirm = "/v1/auth/second-factor/confirm"
    ask("confirm_second_factor", "POST", confirm, body=code, shown={"code": "123456"}, Authorization=own)
    ask("delete_second_factor", "DELETE", "/v1/auth/second-factor", Authorization=own)
    change = {"current_password": password, "new_password": f"Qiao-{secrets.token_urlsafe(16)}"}
    ask("change_password", "POST", "/v1/auth/password", body=change, Authorization=own)
    return own


def id_number() -> str:
    """A resident ID number with a right check character (GB 11643), which nobody in the demo has yet."""
    day = f"{1950 + secrets.randbelow(40)}{1 + secrets.randbelow(12):02}{1 + secrets.randbelow(28):02}"
    body = f"110101{day}{secrets.randbelow(1000):03}"
    return body + "10X98765432"[sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(body)) % 11]


def people(ask: Capture, agent: str) -> None:
    """Users, from their invitation to their departure; `agent` is the `Authorization` of one who stays."""
    user_id, username, password = invite(ask)
    ids, path = {"user_id": user_id}, f"/v1/users/{user_id}"
    user = ask("get_user", "GET", path, ids=ids)
    team = ask.http.get("/v1/teams?kind=sales&limit=2").json()["items"][1]
    ask("update_user", "PATCH", path, body={"team_id": team["id"]}, ids=ids, If_Match=f'"{user["version"]}"')
    ask("list_users", "GET", "/v1/users?role=agent&limit=2")
    own = presence(ask, username, password)
    sessions = ask("list_user_sessions", "GET", f"{path}/sessions", ids=ids)["items"]
    ask.http.post("/v1/auth/second-factor", headers={"Authorization": own}).raise_for_status()
    ended = {**ids, "session_id": sessions[0]["id"]}
    ask("delete_user_session", "DELETE", f"{path}/sessions/{sessions[0]['id']}", ids=ended)
    ask("delete_user_second_factor", "DELETE", f"{path}/second-factor", ids=ids)
    ask("create_password_reset", "POST", f"{path}/password-resets", ids=ids)
    ask("disable_user", "POST", f"{path}/disable", ids=ids)
    ask("enable_user", "POST", f"{path}/enable", ids=ids)
    known = ask.http.get("/v1/users?role=agent&limit=1").json()["items"][0]
    phones = [{"number": "13800000000", "kind": "mobile"}]
    person = {"party_type": "individual", "name": "欧阳雪梅", "id_number": id_number(), "phones": phones}
    customer = ask.http.post("/v1/customers", json=person, headers={"Authorization": agent}).json()
    one, at = {"customer_id": customer["id"]}, f"/v1/customers/{customer['id']}"
    looked = {"fields": ["id_number", "phones"], "purpose": "application"}
    ask("reveal_customer", "POST", f"{at}/reveal", body=looked, ids=one, Idempotency_Key=f"example-{customer['id']}")
    ask("transfer_customer", "POST", f"{at}/transfer", body={"to_user_id": user_id}, ids=one)
    leaving = {"left_on": "2026-11-01", "to_user_id": known["id"]}
    ask("create_departure", "POST", f"{path}/departure", body=leaving, ids=ids, Idempotency_Key=f"example-{user_id}")
    ask("get_departure", "GET", f"{path}/departure", ids=ids)
    version = ask.http.get(at).json()["version"]
    ask.http.delete(at, headers={"If-Match": f'"{version}"'}).raise_for_status()


def main() -> None:
    """Carry out everything once against the service at RENMAI_URL."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--url", default=os.environ.get("RENMAI_URL", "http://127.0.0.1:8000"))
    options.add_argument("--partner-key", required=True, help="as printed by `make run`")
    given = options.parse_args()
    FOLDER.mkdir(exist_ok=True)
    ask = Capture(given.url)
    service(ask, given.partner_key)
    made, known = profiles(ask)
    consents.decisions(ask, made)
    network.relations(ask, made, known)
    network.ways(ask)
    network.introductions(ask, made, known)
    network.surroundings(ask, known)
    network.contacts(ask, made)
    analyses(ask, made)
    dossiers.facts(ask, made)
    agent, admin = ask.http.headers["Authorization"], sign_in(ask, "admin1", PASSWORD)
    forms.own_forms(ask, admin, made)
    selling.advice(ask, admin)
    forms.own_forms(ask, admin, made)
    ask.http.headers["Authorization"] = admin
    consents.text(ask)
    dossiers.definitions(ask)
    organization(ask)
    network.scores(ask)
    network.kinds(ask)
    network.files(ask, known)
    people(ask, agent)
    ask("list_audit_events", "GET", "/v1/audit-events?action=customer.created&limit=1")
    ask("export_customers", "GET", "/v1/customer-exports?stage=investor")
    print(f"{len(list(FOLDER.glob('*.json')))} examples in {FOLDER.name}/")


if __name__ == "__main__":
    main()
