"""`make tour`: an agent's working day against a running service, as a phone would do it, printed for a person.

A client and nothing else: it imports httpx and rich and speaks only HTTP. Run it again as often as you like; it
records a consent, a new draft, a new analysis and two new facts each time.
"""

import os
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.tree import Tree

BASE_URL = os.environ.get("RENMAI_URL", "http://127.0.0.1:8000")
USER = os.environ.get("RENMAI_TOUR_USER", "agent1")
PASSWORD = os.environ.get("RENMAI_DEMO_PASSWORD", "renmai-demo-2026")

_DIRECTIONS = {
    "relative": "亲属 relative",
    "friend": "朋友 friend",
    "client": "客户 client",
    "supplier": "供应商 supplier",
    "partner": "合作伙伴 partner",
    "ally": "战略联盟 ally",
}


class TourError(Exception):
    """Something the tour needs is not there; the message is for a person."""


def yuan(fen: int) -> str:
    """Fen as yuan with thousands separators."""
    return f"¥{fen // 100:,}.{fen % 100:02d}"


def birthday(known: dict[str, Any] | None) -> str:
    """What is known of a birthday: 1980-08-15, ?-10-26, 农历 1949-闰7-12."""
    if known is None:
        return "—"
    year, month, day = (known[part] or "?" for part in ("year", "month", "day"))
    return f"{'农历 ' * (known['calendar'] == 'lunar')}{year}-{'闰' * known['leap_month']}{month}-{day}"


def ask(client: httpx.Client, method: str, path: str, **options: Any) -> Any:
    """One request; its JSON, or a readable failure."""
    answer = client.request(method, path, **options)
    if answer.is_error:
        body = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        raise TourError(f"{method} {path} → {answer.status_code} {body.get('code', '')} {body.get('errors', '')}")
    return answer.json() if answer.content else None


def sign_in(client: httpx.Client) -> None:
    """Log in like a phone and keep the access token."""
    device = {"id": "tour", "name": "make tour", "platform": "cli"}
    body = {"org": "wuhan", "username": USER, "password": PASSWORD, "device": device}
    tokens = ask(client, "POST", "/v1/auth/login", json=body)
    client.headers["Authorization"] = f"Bearer {tokens['access_token']}"


def show_customers(client: httpx.Client, console: Console) -> dict[str, Any]:
    """Today's customers; the one the tour goes on with is the person with the richest network."""
    query = {"sort": "-updated_at", "party_type": "individual", "limit": 12}
    page = ask(client, "GET", "/v1/customers", params=query)
    if not page["items"]:
        raise TourError("There are no customers: start the service with `make run`, which loads the demo world.")
    table = Table(title="今天的客户 · Today's customers", header_style="bold")
    for column in ("姓名 name", "阶段 stage", "职业 occupation", "电话 phone", "标签 tags"):
        table.add_column(column)
    for row in page["items"]:
        table.add_row(
            row["name"], row["stage"], row["occupation"] or "", row["phone_masked"] or "", " ".join(row["tags"])
        )
    console.print(table)
    sizes = {
        row["id"]: len(ask(client, "GET", f"/v1/customers/{row['id']}/network", params={"depth": 1})["nodes"])
        for row in page["items"]
    }
    best = max(page["items"], key=lambda row: sizes[row["id"]])
    profile: dict[str, Any] = ask(client, "GET", f"/v1/customers/{best['id']}")
    return profile


def show_profile(profile: dict[str, Any], console: Console) -> None:
    """One profile."""
    phones = ", ".join(phone["number"] for phone in profile["phones"]) or "—"
    lines = [
        f"阶段 stage      {profile['stage']}",
        f"生日 birthday   {birthday(profile['birthday'])}",
        f"职业 occupation {profile['occupation'] or '—'}",
        f"电话 phone      {phones}",
        f"证件 ID         {profile['id_number_masked'] or '—'}",
        f"标签 tags       {' '.join(profile['tags']) or '—'}",
    ]
    console.print(Panel("\n".join(lines), title=profile["name"], expand=False))


def show_network(client: httpx.Client, profile: dict[str, Any], console: Console) -> None:
    """The network as a tree: below each person, whom he leads to."""
    network = ask(client, "GET", f"/v1/customers/{profile['id']}/network", params={"depth": 2, "limit": 40})
    tree = Tree(f"[bold]{profile['name']}[/] · 渗透网 network")
    branches = {profile["id"]: tree}
    for node in sorted(network["nodes"], key=lambda node: (node["depth"], -(node["strength"] or 0))):
        if node["id"] == network["root_id"]:
            continue
        label = _DIRECTIONS.get(node["via"], node["via"])
        branches[node["id"]] = branches[node["parent_id"]].add(
            f"{node['name']} [dim]{label} · {node['strength']:.2f} · {node['stage']}[/]"
        )
    console.print(tree)
    more = f", 还有 {network['omitted']} more" if network["truncated"] else ""
    console.print(f"[dim]{len(network['nodes'])} nodes, {len(network['edges'])} edges{more}[/]\n")


def agree(client: httpx.Client, profile: dict[str, Any]) -> None:
    """Without the customer's own consent no answer about money is taken; he gives it on paper."""
    texts = ask(client, "GET", "/v1/consent-texts", params={"purpose": "advice"})["items"]
    shown = next(text for text in texts if text["field_group"] == "financial" and text["recipient"] is None)
    ground = {"field_group": "financial", "text_version": shown["text_version"]}
    consent = {
        "decision": "given",
        "purpose": "advice",
        "grounds": [{**ground, "text_hash": shown["words"]["zh"]["text_hash"]}],
        "is_separate": True,
        "language": "zh",
        "given_by": "person",
        "channel": "paper",
        "evidence": {"reference": "make tour"},
    }
    ask(client, "POST", f"/v1/customers/{profile['id']}/consents", json=consent)


def fill_form(client: httpx.Client, profile: dict[str, Any], console: Console) -> None:
    """Fill the published form, complete it, show the gap with every step."""
    form = ask(client, "GET", "/v1/forms/needs.life")
    answers = {
        "family_expense": 12_000_000,
        "support_years": 18,
        "children": [{"cost": 30_000_000, "years_until": 10}],
        "mortgage": 85_000_000,
        "liquid_assets": 20_000_000,
        "existing_cover": 50_000_000,
    }
    answers = {key: value for key, value in answers.items() if key in str(form["definition"])}
    draft = ask(
        client,
        "POST",
        "/v1/form-responses",
        json={"customer_id": profile["id"], "form_key": "needs.life", "form_version": form["version"]},
    )
    path = f"/v1/form-responses/{draft['id']}"
    saved = ask(client, "PATCH", path, json={"answers": answers}, headers={"If-Match": f'"{draft["version"]}"'})
    headers = {"If-Match": f'"{saved["version"]}"', "Idempotency-Key": str(uuid4())}
    done = ask(client, "POST", f"{path}/complete", headers=headers)
    analysis = ask(client, "GET", f"/v1/needs-analyses/{done['needs_analysis_id']}")
    table = Table(title="寿险保障需求 · Life protection need", show_footer=True)
    table.add_column("项目 item", footer="需求 need")
    table.add_column("算式 calculation")
    table.add_column("金额 amount", justify="right", footer=yuan(analysis["need_fen"]))
    for step in analysis["results"][0]["steps"]:
        if step["amount_fen"]:
            sign = "-" if step["sign"] == "subtract" else ""
            table.add_row(
                f"{step['label']['zh']} {step['label']['en']}", step["substituted"], sign + yuan(step["amount_fen"])
            )
    console.print(table)
    console.print(
        f"已有保额 existing cover {yuan(analysis['existing_cover_fen'])}   "
        f"[bold red]缺口 gap {yuan(analysis['gap_fen'])}[/]\n"
    )


def record_facts(client: httpx.Client, profile: dict[str, Any], console: Console) -> None:
    """Ask the next two questions of the dossier and record the answers."""
    path, facts = f"/v1/customers/{profile['id']}/dossiers/personal", f"/v1/customers/{profile['id']}/dossier-facts"
    invented = ("老家黄冈,父母同住;孩子上初中", "周末喜欢钓鱼和羽毛球")
    for value in invented:
        dossier = ask(client, "GET", path)
        following = dossier["next_question"]
        key = following["fact_key"] if following else dossier["facts"][0]["fact_key"]
        definition = ask(client, "GET", f"/v1/fact-definitions/{key}")
        if definition["sensitivity"] == "sensitive_personal":
            console.print("下一个问题涉及敏感信息,须先取得单独同意 the next question needs a separate consent")
            break
        fact = {"fact_key": key, "value": value, "source": "customer", "observed_on": f"{datetime.now(UTC):%Y-%m-%d}"}
        if definition["bases"]:
            fact["basis"] = "told_by_customer"
        ask(client, "POST", facts, json=fact)
        if following:
            console.print(f"问 asked: {following['question']}  [dim]→ {value}[/]")
    dossier = ask(client, "GET", path)
    done = dossier["completeness"]
    console.print(f"档案完整度 completeness: [bold]{done['known']}/{done['total']} = {done['percent']} %[/]")
    if dossier["next_question"]:
        console.print(f"下一个问题 next question: {dossier['next_question']['question']}")


def main() -> None:
    """Walk the day once."""
    console = Console()
    console.print(f"[dim]{BASE_URL} · wuhan / {USER}[/]\n")
    try:
        with httpx.Client(base_url=BASE_URL, timeout=10, headers={"Accept-Language": "zh-CN"}) as client:
            sign_in(client)
            profile = show_customers(client, console)
            show_profile(profile, console)
            show_network(client, profile, console)
            agree(client, profile)
            fill_form(client, profile, console)
            record_facts(client, profile, console)
    except TourError as error:
        console.print(f"[red]{error}[/]")
        sys.exit(1)
    except httpx.ConnectError:
        console.print(f"[red]Nobody answers at {BASE_URL}. Start the service first: make run[/]")
        sys.exit(1)


if __name__ == "__main__":
    main()
