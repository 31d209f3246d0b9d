"""Everything a route may ask for: the caller with a scope, a bound transaction, conditions, idempotency."""

import hashlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request, Response, Security
from fastapi.openapi.models import HTTPBearer as BearerModel
from fastapi.security.base import SecurityBase
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, apikeys, db, dpop, etags, idempotency, keyring, limits, looks, reads
from app.access import FRESH_SCOPES, FRESH_SECONDS, PARTNER_SCOPES, Actor, Scope
from app.errors import Forbidden, Invalid, Issue, MethodNotAllowed, ProofRefused, StepUpRequired, Unauthenticated
from app.etags import Document
from app.looks import Look
from app.paging import Page
from app.services import sessions
from app.tokens import AccessClaims, TokenError
from app.withheld import check_replay, ids_in

# A revoked session, a changed role, a moved team count within this time on every worker.
ACTOR_SECONDS = 0.9
_MAX_ACTORS = 20_000
_PENDING = {"change_password": "pending_change_password", "enrol_second_factor": "pending_enrol_second_factor"}
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,59}")

_actors: dict[UUID, tuple[float, Actor]] = {}


def forget_actors() -> None:
    """Drop what this process remembers of callers."""
    _actors.clear()


def forget_session(session_id: UUID) -> None:
    """A session ended here and now: this process need not wait for its memory to fade."""
    _actors.pop(session_id, None)


async def authenticate(request: Request) -> Actor:
    """The caller of this request, found once and kept with it.

    Raises:
        Unauthenticated: no credential, or one that is not (any more) good; always the same answer.
    """
    state = request.scope["state"]
    known: Actor | None = state.get("actor")
    if known is not None:
        return known
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    scheme = scheme.lower()
    if scheme == "bearer" and token.startswith(apikeys.PREFIX):
        actor = await _partner(token)
    elif scheme in ("bearer", "dpop") and token:
        actor = await _user(request, token, is_bound=scheme == "dpop")
    else:
        actor = await _partner(request.headers.get("x-api-key", ""))
    state["actor"] = actor
    state["org_id"] = actor.org_id
    state["user_id"] = actor.id
    return actor


async def _verify(token: str) -> AccessClaims:
    ring = keyring.current()
    if ring.verifier is None:
        raise Unauthenticated
    try:
        return ring.verifier.verify(token)
    except TokenError as error:
        if error.reason != "key":
            raise Unauthenticated from None
    await keyring.look_again(ring, at_most_every=keyring.UNKNOWN_KID_SECONDS)
    try:
        return ring.verifier.verify(token)
    except TokenError:
        raise Unauthenticated from None


async def _user(request: Request, token: str, *, is_bound: bool) -> Actor:
    claims = await _verify(token)
    # A token that names a key is worth nothing without it, and one that names none cannot be shown as if it did.
    if is_bound is (claims.jkt is None):
        raise Unauthenticated
    if claims.jkt is not None:
        proof = _proof(request, access_token=token, bound_to=claims.jkt)
        await sessions.refuse_replay(claims.org, proof)
    request.scope["state"]["auth_time"] = claims.auth_time
    entry = _actors.get(claims.sid)
    now = time.monotonic()
    if entry is not None and entry[0] > now and entry[1].id == claims.sub and entry[1].org_id == claims.org:
        return entry[1]
    actor = await access.user_actor(claims.org, claims.sub, claims.sid)
    if actor is None:
        _actors.pop(claims.sid, None)
        raise Unauthenticated
    if len(_actors) >= _MAX_ACTORS:
        _actors.clear()
    _actors[claims.sid] = (now + ACTOR_SECONDS, actor)
    return actor


def _proof(
    request: Request, *, access_token: str | None = None, bound_to: str | None = None, is_nonce_required: bool = False
) -> dpop.Proof:
    """The proof of the device's key in the `DPoP` header (RFC 9449).

    Raises:
        ProofRefused: absent or wrong; with a fresh nonce when that is all that is missing.
    """
    ring, now = keyring.current(), time.time()
    try:
        return dpop.check(
            request.headers.get("dpop", ""),
            # What the phone signed is the method it sent, not the one it stands for.
            method="POST" if "x-http-method-override" in request.headers else request.method,
            urls=_addresses(request),
            now=now,
            nonce_key=ring.nonces,
            access_token=access_token,
            bound_to=bound_to,
            is_nonce_required=is_nonce_required,
        )
    except dpop.DpopError as error:
        raise ProofRefused(nonce=dpop.make_nonce(ring.nonces, now) if error.needs_nonce else None) from None


def _addresses(request: Request) -> list[str]:
    """What the phone may have called this address: behind a proxy that ends TLS, only the operator knows."""
    public = keyring.current().settings.public_url
    bases = [public] if public else [f"{scheme}://{request.headers.get('host', '')}" for scheme in ("https", "http")]
    path = (request.scope.get("raw_path") or request.scope["path"].encode()).decode("ascii", "replace")
    return [f"{base}{path}" for base in bases]


def get_proof(request: Request) -> dpop.Proof | None:
    """The proof that comes with a sign-in or a refresh, if the device has a key. It must carry a nonce of ours.

    Raises:
        ProofRefused: there is one, and it is wrong.
    """
    return _proof(request, is_nonce_required=True) if "dpop" in request.headers else None


def offer_nonce(response: Response, proof: dpop.Proof | None) -> None:
    """A device with a key gets the nonce of its next proof beside its tokens."""
    if proof is not None:
        response.headers["DPoP-Nonce"] = dpop.make_nonce(keyring.current().nonces, time.time())


def source_of(request: Request) -> str:
    """The network the request came from, as guesses are counted by it."""
    client = request.client
    return limits.network(client.host) if client else "-"


async def _partner(text: str) -> Actor:
    parsed = apikeys.parse(text)
    if parsed is None:
        raise Unauthenticated
    org_id = await reads.with_connection(lambda c: c.fetchval("SELECT org_by_key($1)", parsed.key_id))
    if org_id is None:
        raise Unauthenticated
    found = await reads.row(org_id, None, "api_key_state", parsed.key_id)
    if found is None or not apikeys.matches(keyring.current().api_keys, parsed, found["key_hash"]):
        raise Unauthenticated
    if found["is_touch_due"]:
        await reads.touch_api_key(org_id, found["id"])
    granted = frozenset(found["scopes"]) & {scope.value for scope in PARTNER_SCOPES}
    return Actor(org_id=org_id, id=found["id"], kind="partner", role=None, scopes=granted, owners=())


class Needs(SecurityBase):
    """The caller, if he has the scope. It reads the raw header: a declared parameter costs four times as much."""

    def __init__(self, scope: Scope, scheme: str = "bearer", *, is_fresh: bool = False) -> None:
        self.scope = scope.value
        self.is_fresh = is_fresh or scope in FRESH_SCOPES
        self.scheme_name = scheme
        self.model = BearerModel(bearerFormat="JWT" if scheme == "bearer" else "API key")

    async def __call__(self, request: Request) -> Actor:
        actor = await authenticate(request)
        if self.scope not in actor.scopes:
            if actor.pending:
                raise Forbidden(_PENDING[actor.pending[0]])
            raise Forbidden("scope_missing", extra={"required_scope": self.scope})
        if self.is_fresh and request.scope["state"]["auth_time"] < time.time() - FRESH_SECONDS:
            raise StepUpRequired(FRESH_SECONDS)
        refuse_unknown_query(request)
        return actor


def refuse_unknown_query(request: Request) -> None:
    """A route without a query model takes no parameter at all; those with one refuse unknown names themselves."""
    if request.scope["query_string"] and not request.scope["route"].dependant.query_params:
        name = next(iter(request.query_params), "?")
        raise Invalid(issues=[Issue("unknown", parameter=name if _PARAMETER.fullmatch(name) else "?")])


def _with(scope: Scope, scheme: str = "bearer", *, is_fresh: bool = False) -> Any:
    return Security(Needs(scope, scheme, is_fresh=is_fresh), scopes=[scope.value])


CustomersRead = Annotated[Actor, _with(Scope.customers_read)]
CustomersWrite = Annotated[Actor, _with(Scope.customers_write)]
CustomersReveal = Annotated[Actor, _with(Scope.customers_reveal)]
CustomersExport = Annotated[Actor, _with(Scope.customers_export)]
TransfersWrite = Annotated[Actor, _with(Scope.transfers_write)]
RelationshipsRead = Annotated[Actor, _with(Scope.relationships_read)]
RelationshipsWrite = Annotated[Actor, _with(Scope.relationships_write)]
RelationTypesRead = Annotated[Actor, _with(Scope.relation_types_read)]
RelationTypesWrite = Annotated[Actor, _with(Scope.relation_types_write)]
NetworksRead = Annotated[Actor, _with(Scope.networks_read)]
ShadowContactsRead = Annotated[Actor, _with(Scope.shadow_contacts_read)]
ShadowContactsWrite = Annotated[Actor, _with(Scope.shadow_contacts_write)]
IntroductionsRead = Annotated[Actor, _with(Scope.introductions_read)]
IntroductionsWrite = Annotated[Actor, _with(Scope.introductions_write)]
TasksRead = Annotated[Actor, _with(Scope.tasks_read)]
TasksWrite = Annotated[Actor, _with(Scope.tasks_write)]
JobsWrite = Annotated[Actor, _with(Scope.jobs_write)]
FormsRead = Annotated[Actor, _with(Scope.forms_read)]
FormsPublish = Annotated[Actor, _with(Scope.forms_publish)]
NeedsAnalysesRead = Annotated[Actor, _with(Scope.needs_analyses_read)]
NeedsAnalysesWrite = Annotated[Actor, _with(Scope.needs_analyses_write)]
DossiersRead = Annotated[Actor, _with(Scope.dossiers_read)]
DossiersWrite = Annotated[Actor, _with(Scope.dossiers_write)]
TeamsRead = Annotated[Actor, _with(Scope.teams_read)]
TeamsWrite = Annotated[Actor, _with(Scope.teams_write)]
UsersRead = Annotated[Actor, _with(Scope.users_read)]
UsersWrite = Annotated[Actor, _with(Scope.users_write)]
SessionsRead = Annotated[Actor, _with(Scope.sessions_read)]
SessionsWrite = Annotated[Actor, _with(Scope.sessions_write)]
DeparturesRead = Annotated[Actor, _with(Scope.departures_read)]
DeparturesWrite = Annotated[Actor, _with(Scope.departures_write)]
InvitationsRead = Annotated[Actor, _with(Scope.invitations_read)]
InvitationsWrite = Annotated[Actor, _with(Scope.invitations_write)]
OrganizationsRead = Annotated[Actor, _with(Scope.organizations_read)]
OrganizationsWrite = Annotated[Actor, _with(Scope.organizations_write)]
AuditEventsRead = Annotated[Actor, _with(Scope.audit_events_read)]
OwnSession = Annotated[Actor, _with(Scope.session_own)]
OwnSessionFresh = Annotated[Actor, _with(Scope.session_own, is_fresh=True)]
PartnerSelf = Annotated[Actor, _with(Scope.partner_self, "apiKey")]
ProductsRead = Annotated[Actor, _with(Scope.products_read)]
ProductsWrite = Annotated[Actor, _with(Scope.products_write)]
ProposalsRead = Annotated[Actor, _with(Scope.proposals_read)]
ProposalsWrite = Annotated[Actor, _with(Scope.proposals_write)]
ConsentsRead = Annotated[Actor, _with(Scope.consents_read)]
ConsentsWrite = Annotated[Actor, _with(Scope.consents_write)]
ConsentTextsWrite = Annotated[Actor, _with(Scope.consent_texts_write)]
FactDefinitionsWrite = Annotated[Actor, _with(Scope.fact_definitions_write)]
AccessLogRead = Annotated[Actor, _with(Scope.access_log_read)]
RightsRead = Annotated[Actor, _with(Scope.rights_read)]
RightsWrite = Annotated[Actor, _with(Scope.rights_write)]
RightsDecide = Annotated[Actor, _with(Scope.rights_decisions_write)]
RightsExport = Annotated[Actor, _with(Scope.rights_export)]
LegalHoldsWrite = Annotated[Actor, _with(Scope.legal_holds_write)]
ProofDep = Annotated[dpop.Proof | None, Depends(get_proof)]


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """A transaction bound to the caller's organisation, committed before the answer leaves."""
    actor = await authenticate(request)
    async with db.transaction(actor.org_id) as session:
        session.info["request_id"] = request.scope["state"].get("request_id", "")
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]


async def get_if_match(request: Request) -> int:
    """The version the caller changes."""
    return etags.wanted_version(request.headers.get("if-match"))


IfMatch = Annotated[int, Depends(get_if_match)]


class Once:
    """Runs a POST at most once per Idempotency-Key; `required` ones refuse to run without."""

    def __init__(self, request: Request, session: AsyncSession, *, required: bool) -> None:
        self._request, self._session = request, session
        self._key = idempotency.check_key(request.headers.get("idempotency-key"), required=required)

    async def __call__(self, make: Callable[[], Awaitable[Response]]) -> Response:
        if self._key is None:
            return await make()
        actor = await authenticate(self._request)
        body = await self._request.body()
        digest = idempotency.request_hash(self._request.method, self._request.url.path, body)
        stored = await idempotency.begin(self._session, actor.id, self._key, digest)
        if stored is not None:
            await check_replay(self._session, actor, stored.body)
            return Response(stored.body, stored.status, {**stored.headers, "Idempotency-Replayed": "true"})
        answer = await make()
        kept = {name: answer.headers[name] for name in ("content-type", "location", "etag") if name in answer.headers}
        await idempotency.finish(
            self._session,
            actor.id,
            self._key,
            idempotency.Stored(answer.status_code, kept, bytes(answer.body)),
            ids_in(self._request.url.path.encode(), body, bytes(answer.body)),
        )
        return answer


async def get_once(request: Request, session: SessionDep) -> Once:
    """Idempotency, if the caller asks for it."""
    return Once(request, session, required=False)


async def get_once_required(request: Request, session: SessionDep) -> Once:
    """Idempotency, for commands with lasting effect."""
    return Once(request, session, required=True)


OnceDep = Annotated[Once, Depends(get_once)]
OnceRequired = Annotated[Once, Depends(get_once_required)]


async def shown(request: Request, actor: Actor, response: Response, *seen: Look) -> Response:
    """The answer, once it is on record whom it shows to the caller.

    Raises:
        Unavailable: that cannot be written: nothing is shown.
    """
    result = "not_modified" if response.status_code == 304 else "shown"
    await looks.note(actor, request.scope["state"].get("request_id", ""), *seen, result=result)
    return response


def answer(request: Request, document: Document) -> Response:
    """200 with ETag, or 304 when the caller already has this version."""
    return _conditional(request, document.body, etags.tag(document.version))


def answer_composed(request: Request, document: Document) -> Response:
    """As `answer`, for a document that also tells of other rows than its own."""
    return _conditional(request, document.body, etags.tag_with(document.version, document.body))


def answer_cacheable(request: Request, body: bytes, version: str, *, is_public: bool = True) -> Response:
    """As `answer`, for documents that may be cached: by everybody, or (an organisation's own) by the caller."""
    response = _conditional(request, body, etags.tag(version))
    response.headers["Cache-Control"] = f"{'public' if is_public else 'private'}, max-age=300"
    return response


def answer_listed(request: Request, body: bytes) -> Response:
    """A whole small list, or 304 when the caller has it already."""
    return _conditional(request, body, etags.tag(content_tag(body)))


def content_tag(body: bytes) -> str:
    """A version for a document that has none: a digest of its bytes."""
    return hashlib.sha256(body).hexdigest()[:24]


def _conditional(request: Request, body: bytes, current: str) -> Response:
    if etags.is_unchanged(request.headers.get("if-none-match"), current[1:-1]):
        return Response(status_code=304, headers={"ETag": current})
    return Response(body, 200, {"ETag": current}, "application/json")


def answer_created(document: Document, location: str, *, status: int = 201) -> Response:
    """201 with Location and ETag."""
    headers = {"ETag": etags.tag(document.version), "Location": location}
    return Response(document.body, status, headers, "application/json")


def answer_changed(document: Document) -> Response:
    """200 after a write, with the new ETag."""
    return Response(document.body, 200, {"ETag": etags.tag(document.version)}, "application/json")


def answer_page(request: Request, page: Page) -> Response:
    """A page and, when there is another one, its Link."""
    headers = {}
    if page.next_cursor is not None:
        # Put together by hand: the framework's URL objects cost as much as the rest of the answer.
        # ">" would end the address inside the header; everything else that could was refused by the guard.
        parts = request.scope["query_string"].decode("ascii", "replace").replace(">", "%3E").split("&")
        kept = [part for part in parts if part and not part.startswith("cursor=")]
        query = "&".join([*kept, f"cursor={page.next_cursor}"])
        headers["Link"] = f'<{request.scope["path"]}?{query}>; rel="next"'
    return Response(page.body, 200, headers, "application/json")


NOT_POST = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "PUT", "TRACE"]


async def no_such_method(_request: Request) -> Response:
    """At a path beside one with an id in its place, which would take its name for the id."""
    raise MethodNotAllowed
