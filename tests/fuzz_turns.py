"""Who carries out which operation of `make fuzz`: agent1 and admin1 take turns where both may.

The provider stands where Schemathesis keeps those of `[auth.wfc]`, so that its check `object_level_authorization` knows
who sent what and tries what agent1 read as agent2. That check finds little; tests/test_isolation.py proves who sees
what.
"""

import os
from typing import Any, TypeAlias
from zlib import crc32

import schemathesis
from schemathesis.auths import CachingAuthProvider
from schemathesis.wfc.escalation import EscalatingAuthProvider

from app.access import SCOPES
from app.models.users import Role
from tests.fuzz_people import FRESH_SECONDS
from tests.fuzz_world import ADMIN, AGENT, DEMO, PARTNER_KEY, PEER

Case: TypeAlias = Any

ROLES = {AGENT: Role.agent, ADMIN: Role.admin}
PARTNER, LEAVING, PASSWORD, FACTOR = "partner", "leaving", "password", "factor"
# Operations that change the caller himself: a session that may end, a user of the fuzzer's own.
SELF = {
    "POST /v1/auth/logout": LEAVING,
    "POST /v1/auth/password": PASSWORD,
    "POST /v1/auth/step-up": PASSWORD,
    "POST /v1/auth/second-factor": FACTOR,
    "POST /v1/auth/second-factor/confirm": FACTOR,
    "DELETE /v1/auth/second-factor": FACTOR,
}
# Operations that are for one of the two only: whoever sees everybody has nobody to ask.
ONLY = {"POST /v1/network/path-requests": AGENT}
# Everybody in an organisation may read these, whoever made them. `object_level_authorization` finds that out by listing
# them as the other user, which fails on a later page: its cursor belongs to who asked.
SHARED = frozenset(
    {
        "GET /v1/teams/{team_id}",
        "GET /v1/organizations/{organization_id}",
        "GET /v1/forms/{form_key}",
        "GET /v1/forms/{form_key}/versions/{form_version}",
        "GET /v1/products/{product_id}",
        "GET /v1/organizations/{organization_id}/sales-rules",
        "GET /v1/consent-texts/{consent_text_id}",
        "GET /v1/fact-definitions/{fact_key}",
    }
)


def callers(label: str, security: list[dict[str, list[str]]]) -> list[str]:
    """Who may carry out an operation, by its `security` in the document; nobody where no role has the scope."""
    if label in SELF:
        return [SELF[label]]
    if label in ONLY:
        return [ONLY[label]]
    wanted = {scope for one in security for scope in one.get("bearer", [])}
    if any("apiKey" in one for one in security):
        return [PARTNER]
    return [name for name, role in ROLES.items() if wanted <= {scope.value for scope in SCOPES[role]}]


def _turn(case: Case) -> str:
    """Whose turn it is: the same for the same case, and one for a whole scenario (RENMAI_FUZZ_CALLER)."""
    raw = case.operation.definition.raw
    able = callers(case.operation.label, raw.get("security", []))
    wanted = os.environ.get("RENMAI_FUZZ_CALLER")
    if wanted in able:
        return wanted
    drawn = repr((case.path_parameters, case.query, case.body, sorted(dict(case.headers or {}))))
    return able[crc32(drawn.encode(errors="backslashreplace")) % len(able)]


class _Bearer:
    def set(self, case: Case, data: str, context: Any) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


class _User(_Bearer):
    """A demo user, in a session the hooks do not use."""

    def __init__(self, name: str) -> None:
        self.name = name

    def get(self, case: Case, context: Any) -> str:
        return str(DEMO.accounts[self.name].sign_in()["access_token"])


class _Leaving(_Bearer):
    """A demo user in a session of its own, because logging out ends it."""

    def get(self, case: Case, context: Any) -> str:
        return DEMO.spare_token(os.environ.get("RENMAI_FUZZ_CALLER", AGENT))


class _Own(_Bearer):
    """A user of the fuzzer's own."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def get(self, case: Case, context: Any) -> str:
        return DEMO.crew.own(self.kind).token()


class _Partner:
    """The partner bank of the demo."""

    def get(self, case: Case, context: Any) -> str:
        return PARTNER_KEY

    def set(self, case: Case, data: str, context: Any) -> None:
        case.headers["X-API-Key"] = data


class Turns(EscalatingAuthProvider):
    """Chooses by scope instead of trying one after the other."""

    def __init__(self) -> None:
        users: dict[str, Any] = {
            name: CachingAuthProvider(_User(name), refresh_interval=FRESH_SECONDS) for name in (AGENT, PEER, ADMIN)
        }
        others = {PARTNER: _Partner(), LEAVING: _Leaving(), PASSWORD: _Own(PASSWORD), FACTOR: _Own(FACTOR)}
        found: dict[str, Any] = {**users, **others}
        super().__init__(list(found.values()), list(found), peers=(AGENT, PEER))

    def get(self, case: Case, context: Any) -> Any:
        name = _turn(case)
        return name, self.provider_for(name).get(case, context)

    def set(self, case: Case, data: Any, context: Any) -> None:
        name, secret = data
        case._auth_identity = name
        self.provider_for(name).set(case, secret, context)

    def claim_probe(self, key: tuple[str, ...]) -> bool:
        """Whether to try as the other user what `key` names (what kind of try, operation, …); once each."""
        return key[1] not in SHARED and super().claim_probe(key)

    def record(self, label: str, identity: str | None, status_code: int) -> None:
        """Nothing is learned: the document says who may."""


@schemathesis.hook
def after_load_schema(context: Any, schema: Any) -> None:
    """Let nobody else set credentials."""
    schema.auth.providers.append(Turns())


def asker(case: Case) -> str:
    """Who sees what the caller of the case sees."""
    return case.auth_identity if case.auth_identity in ROLES else ADMIN
