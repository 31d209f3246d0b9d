"""What the fuzzing hooks know of the running demo: who signs in, ids that exist, states that are needed.

Everything is asked over HTTP, in sessions Schemathesis never sees and so cannot end; as agent1 unless it must be seen
as by the caller of the case (`who`).
"""

import os
from collections.abc import Callable
from functools import cached_property
from random import Random
from typing import Any
from uuid import uuid4

import requests

from app.domain.demo_world import USERS
from tests import fuzz_repair as repair
from tests.fuzz_people import Account, Crew

AGENT, PEER, ADMIN = "agent1", "agent2", "admin1"
_FORM = ("needs.life", "1.0.0")
_NOT_IN_STATE = (404, 409, 410)


class Demo:
    """The demo world as its users find it."""

    def __init__(self, url: str, password: str) -> None:
        self.url, self.password = url, password
        self.accounts = {name: Account(url, name, password) for name in (AGENT, PEER, ADMIN)}
        self.crew = Crew(self.accounts[ADMIN])
        self._spares: dict[str, str] = {}
        self._seen: set[str] = set()
        self._things: dict[tuple[str, str], str] = {}
        self._lent: dict[tuple[str, str], bool] = {}
        self._states: dict[str, Any] = {}

    def ask(self, method: str, path: str, who: str = AGENT, **options: Any) -> requests.Response:
        """One request of our own."""
        return self.accounts[who].ask(method, path, **options)

    def read(self, path: str, who: str = AGENT) -> dict[str, Any] | None:
        """The document at `path`; None when there is none (any more)."""
        answer = self.ask("GET", path, who)
        found: dict[str, Any] | None = answer.json() if answer.status_code == 200 else None
        return found

    def items(self, path: str, who: str = AGENT) -> list[dict[str, Any]]:
        """The first page of a list; empty where there is no list."""
        found: list[dict[str, Any]] = (self.read(path, who) or {"items": []})["items"]
        return found

    @cached_property
    def people(self) -> list[str]:
        """Ids of living persons."""
        return [one["id"] for one in self.items("/v1/customers?party_type=individual&sort=created_at&limit=200")]

    @cached_property
    def companies(self) -> list[str]:
        """Ids of living organisations."""
        return [one["id"] for one in self.items("/v1/customers?party_type=organization&sort=created_at&limit=200")]

    def customers(self, chance: Random) -> list[str]:
        """Persons nine times of ten, else organisations."""
        return self.companies if chance.random() < 0.1 else self.people

    def lost(self, customer_id: str) -> None:
        """A customer was deleted."""
        for group in (self.people, self.companies):
            if customer_id in group:
                group.remove(customer_id)

    def gained(self, customer: dict[str, Any]) -> None:
        """A customer was made or restored."""
        group = self.people if customer["party_type"] == "individual" else self.companies
        if customer["id"] not in group:
            group.append(customer["id"])

    @cached_property
    def analyses(self) -> list[str]:
        """Ids of needs analyses of the demo."""
        return [
            one["id"] for person in self.people[:60] for one in self.items(f"/v1/customers/{person}/needs-analyses")
        ]

    @cached_property
    def responses(self) -> list[str]:
        """Ids of form responses of the demo, drafts and completed ones."""
        return [
            one["id"] for person in self.people[:60] for one in self.items(f"/v1/customers/{person}/form-responses")
        ]

    def _parts(self, collection: str) -> list[str]:
        found = (self.items(f"/v1/customers/{person}/{collection}") for person in self.people[:60])
        return [one["id"] for page in found for one in page]

    def is_first(self, value: str) -> bool:
        """Whether a value that must be unique is seen for the first time."""
        known = value in self._seen
        self._seen.add(value)
        return not known

    def spare_token(self, who: str) -> str:
        """The access token of a session that may be ended."""
        if who not in self._spares:
            self._spares[who] = str(self.accounts[who].sign_in()["access_token"])
        return self._spares[who]

    def spend_spares(self) -> None:
        """A spare session has ended."""
        self._spares.clear()

    def lend(self, kind: str, who: str, make: Callable[[str], str], *, is_used_up: bool = False) -> str:
        """The id of a thing one case after the other may have, until it is gone; `is_used_up` by the first success."""
        key = (kind, who)
        if key not in self._things:
            self._things[key] = make(who)
        self._lent[key] = is_used_up
        return self._things[key]

    def lend_whole(self, kind: str, who: str, make: Callable[[str], str], path: str) -> str:
        """Likewise, of something below `path` that a body names: for what a case has spoilt there comes a new one."""
        found = self.read(f"{path}/{self.lend(kind, who, make)}", who)
        state = None if found is None else found.get("status")
        if found is None or self._states.setdefault(self._things[kind, who], state) != state:
            self.forget(kind, who)
        return self.lend(kind, who, make)

    def forget(self, kind: str, who: str) -> None:
        """Lend another one the next time."""
        self._things.pop((kind, who), None)

    def made_of(self, kind: str, who: str, lent: Callable[[str], str], send: Callable[[str], requests.Response]) -> str:
        """The id of what comes of something that is lent; of another one where nothing may come of it any more."""
        answer = send(lent(who))
        if answer.status_code == 409:
            self.forget(kind, who)
            answer = send(lent(who))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def returned(self, status: int) -> None:
        """A case was answered: what it had is kept if nothing has become of it."""
        for key, is_used_up in self._lent.items():
            if status in _NOT_IN_STATE or (is_used_up and status < 300):
                self._things.pop(key, None)
        self._lent.clear()

    # --- the organisation ------------------------------------------------------------------------------------

    @cached_property
    def organization(self) -> str:
        """The id of the only organisation."""
        return str(self.ask("GET", "/v1/me").json()["org_id"])

    @cached_property
    def users(self) -> dict[str, str]:
        """User name → id of the demo's own users, whom nothing may happen to."""
        known = {one.username: self.accounts.get(one.username) for one in USERS}
        found = {name: account or Account(self.url, name, self.password) for name, account in known.items()}
        return {name: account.ask("GET", "/v1/me").json()["id"] for name, account in found.items()}

    @cached_property
    def receivers(self) -> list[str]:
        """Ids of colleagues who can take customers over."""
        return [self.users[name] for name in ("agent2", "agent3", "manager1")]

    @cached_property
    def sales_teams(self) -> list[str]:
        """Ids of the demo's own teams, which stay where they are; the oldest come first."""
        names = {one.team for one in USERS}
        return [one["id"] for one in self.items("/v1/teams?kind=sales&limit=200") if one["name"] in names][: len(names)]

    @cached_property
    def service_team(self) -> str:
        """The id of a service team agent1 serves in."""
        made = self.new_team("service")
        answer = self.ask("PUT", f"/v1/teams/{made}/members/{self.users[AGENT]}", ADMIN)
        assert answer.status_code == 200, answer.text
        return made

    def new_team(self, kind: str) -> str:
        """The id of a team nobody belongs to."""
        answer = self.ask("POST", "/v1/teams", ADMIN, json={"name": "fuzz", "kind": kind})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def new_relation_type(self) -> str:
        """The id of a relation type no relationship has."""
        label = {"zh": "茶友", "en": "tea friend"}
        body = {"code": f"own_{uuid4().hex[:12]}", "direction": "friend", "label": label}
        answer = self.ask("POST", "/v1/relation-types", ADMIN, json=body)
        if answer.status_code == 409:  # as many as there may be: one that is there already
            kinds = self.items("/v1/relation-types", ADMIN)
            return str(next(kind["id"] for kind in kinds if not kind["is_builtin"]))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    @cached_property
    def request_token(self) -> str:
        """Of the way from one person of the agent to another, through somebody of a colleague's."""
        path = f"/v1/organizations/{self.organization}"
        version = {"If-Match": f'"{self.ask("GET", path, ADMIN).json()["version"]}"'}
        opened = self.ask("PATCH", path, ADMIN, json={"are_cross_agent_paths_allowed": True}, headers=version)
        assert opened.status_code == 200, opened.text
        bridge = self.ask("POST", "/v1/customers", PEER, json={"party_type": "individual", "name": "周桥"}).json()["id"]
        ends = []
        for stage in ("customer", "contact"):
            person = {"party_type": "individual", "name": "王永庆", "stage": stage}
            ends.append(self.ask("POST", "/v1/customers", json=person).json()["id"])
            tie = {"other_id": bridge, "type": "schoolmate", "strength": 1}
            made = self.ask("POST", f"/v1/customers/{ends[-1]}/relationships", ADMIN, json=tie)
            assert made.status_code == 201, made.text
        (way,) = self.items(f"/v1/network/paths?to={ends[1]}")
        return str(way["parties"][1]["request_token"])

    @cached_property
    def departed(self) -> str:
        """The id of somebody who has left."""
        leaver = self.crew.new_user().id
        body = {"left_on": "2026-01-01", "to_user_id": self.receivers[0]}
        headers = {"Idempotency-Key": uuid4().hex}
        answer = self.ask("POST", f"/v1/users/{leaver}/departure", ADMIN, json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        return leaver

    def is_needed(self, thing_id: str) -> bool:
        """Whether a user or team must not be touched, because everything else rests on it."""
        kept = (*self.users.values(), *self.sales_teams, self.service_team)
        return thing_id in kept or self.crew.is_needed(thing_id)

    # --- customers -------------------------------------------------------------------------------------------

    def new_person(self) -> str:
        """The id of a person nobody else knows of."""
        made: dict[str, Any] = self.ask(
            "POST", "/v1/customers", json={"party_type": "individual", "name": "王永庆"}
        ).json()
        return str(made["id"])

    def part(self, above: str, chance: Random, who: str, *, is_new: bool) -> str | None:
        """The id of a fact or relationship of a customer, made if there is none; None where it cannot be made."""
        found = [] if is_new else self.items(above, who)
        if found:
            return str(chance.choice(found)["id"])
        fact = {"fact_key": "food", "value": "热干面", "source": "customer", "observed_on": "2026-01-01"}
        tie = {"other_id": self.new_person(), "direction": "friend"}
        answer = self.ask("POST", above, who, json=tie if above.endswith("relationships") else fact)
        return str(answer.json()["id"]) if answer.status_code == 201 else None

    def draft(self, chance: Random, customer_id: str) -> dict[str, Any]:
        """A new draft with everything a completed response needs, of somebody who consented."""
        form_key, form_version = _FORM
        body = {
            "customer_id": customer_id,
            "form_key": form_key,
            "form_version": form_version,
            "answers": repair.answers(form_key, chance.random(), complete=True),
        }
        answer = self.ask("POST", "/v1/form-responses", json=body, headers={"Idempotency-Key": uuid4().hex})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def complete(self, draft: dict[str, Any]) -> dict[str, Any]:
        """The draft, completed."""
        headers = {"Idempotency-Key": uuid4().hex, "If-Match": f'"{draft["version"]}"'}
        answer = self.ask("POST", f"/v1/form-responses/{draft['id']}/complete", json={}, headers=headers)
        assert answer.status_code == 201, answer.text
        done: dict[str, Any] = answer.json()
        return done

    def fill_in(self, draft: dict[str, Any], chance: Random, who: str) -> None:
        """Give a draft what it needs to be completed."""
        answers = repair.answers(draft["form_key"], chance.random(), complete=True)
        headers = {"If-Match": f'"{draft["version"]}"'}
        answer = self.ask("PATCH", f"/v1/form-responses/{draft['id']}", who, json={"answers": answers}, headers=headers)
        assert answer.status_code == 200, answer.text

    def next_cursor(self, path: str, query: dict[str, Any], who: str) -> str | None:
        """The cursor of the second page of a list; None when it has only one."""
        answer = self.ask("GET", path, who, params={key: value for key, value in query.items() if key != "cursor"})
        return answer.json().get("next_cursor") if answer.status_code == 200 else None


DEMO = Demo(os.environ.get("RENMAI_FUZZ_URL", ""), os.environ.get("RENMAI_DEMO_PASSWORD", "renmai-demo-2026"))
PARTNER_KEY = os.environ.get("RENMAI_FUZZ_PARTNER_KEY", "")
