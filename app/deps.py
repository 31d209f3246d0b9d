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

from app import access, apikeys, db, etags, idempotency, keyring, reads
from app.access import PARTNER_SCOPES, Actor, Scope
from app.errors import Forbidden, Invalid, Issue, Unauthenticated
from app.etags import Document
from app.paging import Page
from app.tokens import AccessClaims, TokenError

# A revoked session, a changed role, a moved team count within this time on every worker.
ACTOR_SECONDS = 0.9
_MAX_ACTORS = 20_000
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
    header = request.headers.get("authorization", "")
    token = header[7:] if header[:7].lower() == "bearer " else ""
    if not token:
        token = request.headers.get("x-api-key", "")
        if not token.startswith(apikeys.PREFIX):
            raise Unauthenticated
    actor = await (_partner(token) if token.startswith(apikeys.PREFIX) else _user(token))
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


async def _user(token: str) -> Actor:
    claims = await _verify(token)
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

    def __init__(self, scope: Scope, scheme: str = "bearer") -> None:
        self.scope = scope.value
        self.scheme_name = scheme
        self.model = BearerModel(bearerFormat="JWT" if scheme == "bearer" else "API key")

    async def __call__(self, request: Request) -> Actor:
        actor = await authenticate(request)
        if self.scope not in actor.scopes:
            raise Forbidden("scope_missing", extra={"required_scope": self.scope})
        refuse_unknown_query(request)
        return actor


def refuse_unknown_query(request: Request) -> None:
    """A route without a query model takes no parameter at all; those with one refuse unknown names themselves."""
    if request.scope["query_string"] and not request.scope["route"].dependant.query_params:
        name = next(iter(request.query_params), "?")
        raise Invalid(issues=[Issue("unknown", parameter=name if _PARAMETER.fullmatch(name) else "?")])


def _with(scope: Scope, scheme: str = "bearer") -> Any:
    return Security(Needs(scope, scheme), scopes=[scope.value])


CustomersRead = Annotated[Actor, _with(Scope.customers_read)]
CustomersWrite = Annotated[Actor, _with(Scope.customers_write)]
RelationshipsRead = Annotated[Actor, _with(Scope.relationships_read)]
RelationshipsWrite = Annotated[Actor, _with(Scope.relationships_write)]
FormsRead = Annotated[Actor, _with(Scope.forms_read)]
NeedsAnalysesRead = Annotated[Actor, _with(Scope.needs_analyses_read)]
NeedsAnalysesWrite = Annotated[Actor, _with(Scope.needs_analyses_write)]
DossiersRead = Annotated[Actor, _with(Scope.dossiers_read)]
DossiersWrite = Annotated[Actor, _with(Scope.dossiers_write)]
OwnSession = Annotated[Actor, _with(Scope.session_own)]
PartnerSelf = Annotated[Actor, _with(Scope.partner_self, "apiKey")]


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
            return Response(stored.body, stored.status, {**stored.headers, "Idempotency-Replayed": "true"})
        answer = await make()
        kept = {name: answer.headers[name] for name in ("content-type", "location", "etag") if name in answer.headers}
        await idempotency.finish(
            self._session, actor.id, self._key, idempotency.Stored(answer.status_code, kept, bytes(answer.body))
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


def answer(request: Request, document: Document) -> Response:
    """200 with ETag, or 304 when the caller already has this version."""
    return _conditional(request, document.body, etags.tag(document.version))


def answer_cacheable(request: Request, body: bytes, version: str) -> Response:
    """As `answer`, for public documents that may be cached."""
    response = _conditional(request, body, etags.tag(version))
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


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
