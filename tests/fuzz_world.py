"""What the fuzzing hooks know of the running demo: sign-ins of their own, ids that exist, states that are needed.

Everything is asked over HTTP as `agent1`, in a session Schemathesis never sees and so cannot end.
"""

import os
import time
from functools import cached_property
from random import Random
from typing import Any
from uuid import uuid4

import requests

from tests import fuzz_repair as repair

_TOKEN_SECONDS = 300.0  # an access token lives ten minutes
_FORM = ("needs.life", "1.0.0")


class Demo:
    """The demo world as agent1 finds it."""

    def __init__(self, url: str, password: str) -> None:
        self.url = url
        self.password = password
        self._http = requests.Session()
        self._signed_in_at = -_TOKEN_SECONDS
        self._spare: dict[str, Any] | None = None
        self._seen: set[str] = set()

    def credentials(self) -> dict[str, Any]:
        """A login that works."""
        device = {"id": "fuzz", "name": "make fuzz", "platform": "cli"}
        return {"org": "wuhan", "username": "agent1", "password": self.password, "device": device}

    def sign_in(self) -> dict[str, Any]:
        """The tokens of a new session of agent1."""
        answer = requests.post(f"{self.url}/v1/auth/login", json=self.credentials(), timeout=30)
        answer.raise_for_status()
        tokens: dict[str, Any] = answer.json()
        return tokens

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request of our own."""
        if time.monotonic() - self._signed_in_at >= _TOKEN_SECONDS:
            self._http.headers["Authorization"] = f"Bearer {self.sign_in()['access_token']}"
            self._signed_in_at = time.monotonic()
        return self._http.request(method, self.url + path, timeout=30, **options)

    def read(self, path: str) -> dict[str, Any] | None:
        """The document at `path`; None when there is none (any more)."""
        answer = self.ask("GET", path)
        found: dict[str, Any] | None = answer.json() if answer.status_code == 200 else None
        return found

    def items(self, path: str) -> list[dict[str, Any]]:
        """The first page of a list; empty where there is no list."""
        found: list[dict[str, Any]] = (self.read(path) or {"items": []})["items"]
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

    def spare_token(self) -> str:
        """The access token of a session that may be ended."""
        if self._spare is None:
            self._spare = self.sign_in()
        return str(self._spare["access_token"])

    def spend_spare(self) -> None:
        """The spare session has ended."""
        self._spare = None

    def new_person(self) -> str:
        """The id of a person nobody else knows of."""
        made: dict[str, Any] = self.ask(
            "POST", "/v1/customers", json={"party_type": "individual", "name": "王永庆"}
        ).json()
        return str(made["id"])

    def part(self, above: str, chance: Random, *, is_new: bool) -> str | None:
        """The id of a fact or relationship of a customer, made if there is none; None where it cannot be made."""
        found = [] if is_new else self.items(above)
        if found:
            return str(chance.choice(found)["id"])
        fact = {"fact_key": "food", "value": "热干面", "source": "customer", "observed_on": "2026-01-01"}
        tie = {"other_id": self.new_person(), "direction": "friend"}
        answer = self.ask("POST", above, json=tie if above.endswith("relationships") else fact)
        return str(answer.json()["id"]) if answer.status_code == 201 else None

    def draft(self, chance: Random) -> dict[str, Any]:
        """A new draft with everything a completed response needs."""
        form_key, form_version = _FORM
        body = {
            "customer_id": chance.choice(self.people),
            "form_key": form_key,
            "form_version": form_version,
            "answers": repair.answers(form_key, chance.random(), complete=True),
        }
        answer = self.ask("POST", "/v1/form-responses", json=body, headers={"Idempotency-Key": uuid4().hex})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def fill_in(self, draft: dict[str, Any], chance: Random) -> None:
        """Give a draft what it needs to be completed."""
        answers = repair.answers(draft["form_key"], chance.random(), complete=True)
        headers = {"If-Match": f'"{draft["version"]}"'}
        answer = self.ask("PATCH", f"/v1/form-responses/{draft['id']}", json={"answers": answers}, headers=headers)
        assert answer.status_code == 200, answer.text

    def next_cursor(self, path: str, query: dict[str, Any]) -> str | None:
        """The cursor of the second page of a list; None when it has only one."""
        answer = self.ask("GET", path, params={key: value for key, value in query.items() if key != "cursor"})
        return answer.json().get("next_cursor") if answer.status_code == 200 else None


DEMO = Demo(os.environ.get("RENMAI_FUZZ_URL", ""), os.environ.get("RENMAI_DEMO_PASSWORD", "renmai-demo-2026"))
PARTNER_KEY = os.environ.get("RENMAI_FUZZ_PARTNER_KEY", "")
