"""Who `make fuzz` is: the demo users it signs in as, and users of its own that may be spoiled.

Whoever decides about others must have been there within five minutes, so everybody signs in again before that. Each
account brings its device token along: guesses Schemathesis makes at a password then never lock the fuzzer out.
"""

import time
from random import Random
from typing import Any
from uuid import uuid4

import pyotp
import requests

FRESH_SECONDS = 200  # what is behind FRESH_SCOPES wants a sign-in of the last 300 s


class Account:
    """One user and how he signs in; `id` is known of those the fuzzer made."""

    def __init__(self, url: str, username: str, password: str, user_id: str = "") -> None:
        self.url, self.username, self.password, self.id = url, username, password, user_id
        self.made_at = time.monotonic()
        self._http = requests.Session()
        self._device_token: str | None = None
        self._token = ""
        self._signed_in_at = -float(FRESH_SECONDS)

    def credentials(self) -> dict[str, Any]:
        """A login that works."""
        device = {"id": "fuzz", "name": "make fuzz", "platform": "cli", "token": self._device_token}
        return {"org": "wuhan", "username": self.username, "password": self.password, "device": device}

    def sign_in(self) -> dict[str, Any]:
        """The tokens of a new session."""
        answer = self._http.post(f"{self.url}/v1/auth/login", json=self.credentials(), timeout=30)
        answer.raise_for_status()
        tokens: dict[str, Any] = answer.json()
        self._device_token = tokens["device_token"]
        return tokens

    def token(self) -> str:
        """A fresh access token of a session that is only ours."""
        if time.monotonic() - self._signed_in_at >= FRESH_SECONDS:
            self._token = str(self.sign_in()["access_token"])
            self._signed_in_at = time.monotonic()
        return self._token

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request of our own."""
        headers = {"Authorization": f"Bearer {self.token()}", **options.pop("headers", {})}
        return self._http.request(method, self.url + path, headers=headers, timeout=30, **options)

    def set_second_factor(self, state: str) -> str:
        """Make the second factor `none`, `open` or `confirmed`; answers the code an authenticator shows now."""
        self.ask("DELETE", "/v1/auth/second-factor")
        if state == "none":
            return ""
        code = pyotp.TOTP(self.ask("POST", "/v1/auth/second-factor").json()["secret"]).now()
        if state == "confirmed":
            self.ask("POST", "/v1/auth/second-factor/confirm", json={"code": code})
        return code


def new_password() -> str:
    """A password no rule refuses."""
    letters = Random(uuid4().int).choices("bdfhkmprtvxz", k=14)
    return f"Qiao-{''.join(letters)}-73"


class Crew:
    """Users made by invitation to be disabled, sent away or deprived of something, in place of the demo's."""

    def __init__(self, admin: Account) -> None:
        self._admin = admin
        self._own: dict[str, Account] = {}
        self._targets: list[str] = []
        self._patient: Account | None = None

    def invite(self) -> dict[str, Any]:
        """A fresh invitation with its token."""
        body = {"username": f"fuzz-{uuid4().hex[:12]}", "name": "江小满", "role": "agent"}
        answer = self._admin.ask("POST", "/v1/invitations", json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def new_user(self) -> Account:
        """An agent without customers whom nobody else knows of."""
        invitation, password = self.invite(), new_password()
        body = {"token": invitation["token"], "password": password}
        answer = requests.post(f"{self._admin.url}/v1/auth/invitations/accept", json=body, timeout=30)
        assert answer.status_code == 204, answer.text
        accepted = self._admin.ask("GET", f"/v1/invitations/{invitation['id']}").json()
        return Account(self._admin.url, invitation["username"], password, accepted["user_id"])

    def own(self, kind: str) -> Account:
        """The user whose own password or second factor is played with; another one before he must sign in again."""
        found = self._own.get(kind)
        if found is None or time.monotonic() - found.made_at >= FRESH_SECONDS:
            found = self._own[kind] = self.new_user()
        return found

    def spend_own(self, kind: str) -> None:
        """His guesses are used up, or his sessions were ended."""
        self._own.pop(kind, None)

    def target(self, chance: Random) -> str:
        """The id of one of three users who may be changed, disabled and enabled again."""
        while len(self._targets) < 3:
            self._targets.append(self.new_user().id)
        return chance.choice(self._targets)

    def left(self, user_id: str) -> None:
        """A user has left the organisation for good."""
        if user_id in self._targets:
            self._targets.remove(user_id)

    @property
    def patient(self) -> Account:
        """Somebody whose sessions are ended by others."""
        if self._patient is None:
            self._patient = self.new_user()
        return self._patient

    def is_needed(self, user_id: str) -> bool:
        """Whether the fuzzer itself signs in as this user."""
        mine = [*self._own.values(), *([] if self._patient is None else [self._patient])]
        return any(one.id == user_id for one in mine)
