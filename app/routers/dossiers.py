"""The personal dossier."""

from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request, Response

from app import deps
from app.deps import DossiersRead, DossiersWrite, IfMatch, OnceDep, SessionDep
from app.errors import Language, pick_language
from app.looks import Look
from app.models.dossiers import (
    DossierFactCreate,
    DossierFactKindList,
    DossierFactPage,
    DossierFactPublic,
    DossierFactQuery,
    DossierFactUpdate,
    DossierPublic,
)
from app.openapi import IF_MATCH, IF_NONE_MATCH, ONCE, problems
from app.services import dossiers

router = APIRouter(tags=["dossiers"])

_FACTS = "/v1/customers/{customer_id}/dossier-facts"
_FACT = _FACTS + "/{dossier_fact_id}"


def _spoken(request: Request, body: bytes, language: Language) -> Response:
    """200 or 304 for a body with words in it. The tag is of bytes and language: another language, another tag."""
    response = deps.answer_cacheable(request, body, deps.content_tag(language.encode() + body))
    response.headers["Content-Language"] = language
    response.headers["Vary"] = "Accept-Language"
    return response


@router.get(
    "/v1/customers/{customer_id}/dossier",
    response_model=DossierPublic,
    summary="Read a person's dossier",
    responses=problems(409, 410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_dossier(request: Request, actor: DossiersRead, customer_id: UUID) -> Response:
    """What is known now, how complete it is and what to ask next; labels follow Accept-Language."""
    language = pick_language(request.headers.get("accept-language"))
    response = _spoken(request, await dossiers.read(actor, customer_id, language), language)
    response.headers["Cache-Control"] = "no-store"
    look = Look("dossier.viewed", customer_id, customer_id, ("dossier.personal",))
    return await deps.shown(request, actor, response, look)


@router.get(
    "/v1/dossier-fact-kinds",
    response_model=DossierFactKindList,
    summary="List the twelve facts of a dossier",
    openapi_extra=IF_NONE_MATCH,
)
async def list_dossier_fact_kinds(request: Request, _actor: DossiersRead) -> Response:
    """In the order of asking, with the question for each; the same for everybody."""
    language = pick_language(request.headers.get("accept-language"))
    return _spoken(request, dossiers.kinds(language), language)


@router.get(_FACTS, response_model=DossierFactPage, summary="List recorded facts", responses=problems(409, 410))
async def list_dossier_facts(
    request: Request, actor: DossiersRead, customer_id: UUID, query: Annotated[DossierFactQuery, Query()]
) -> Response:
    """The history, newest first: what is current and what was superseded."""
    answer = deps.answer_page(request, await dossiers.search(actor, customer_id, query))
    look = Look("dossier_fact.listed", None, customer_id, ("dossier.personal",))
    return await deps.shown(request, actor, answer, look)


@router.post(
    _FACTS,
    status_code=201,
    response_model=DossierFactPublic,
    summary="Record a fact",
    responses={200: {"model": DossierFactPublic, "description": "Sent before"}, **problems(409, 410)},
    openapi_extra=ONCE,
)
async def create_dossier_fact(
    session: SessionDep, actor: DossiersWrite, once: OnceDep, customer_id: UUID, data: DossierFactCreate
) -> Response:
    """It becomes the current one of its key; the one before is kept as history. The same `id` and body answers 200."""

    async def make() -> Response:
        document, is_new = await dossiers.create(session, actor, customer_id, data)
        location = f"/v1/customers/{customer_id}/dossier-facts/{document.id}"
        return deps.answer_created(document, location, status=201 if is_new else 200)

    return await once(make)


@router.get(
    _FACT,
    response_model=DossierFactPublic,
    summary="Read one recorded fact",
    responses=problems(409, 410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_dossier_fact(request: Request, actor: DossiersRead, customer_id: UUID, dossier_fact_id: UUID) -> Response:
    """Current or superseded."""
    document = await dossiers.read_fact(actor, customer_id, dossier_fact_id)
    key = orjson.loads(document.body)["fact_key"]
    look = Look("dossier_fact.viewed", dossier_fact_id, customer_id, (f"dossier.personal.{key}",))
    return await deps.shown(request, actor, deps.answer_composed(request, document), look)


@router.patch(
    _FACT,
    response_model=DossierFactPublic,
    summary="Correct a fact",
    responses=problems(409, 410),
    openapi_extra=IF_MATCH,
)
async def update_dossier_fact(
    session: SessionDep,
    actor: DossiersWrite,
    customer_id: UUID,
    dossier_fact_id: UUID,
    if_match: IfMatch,
    data: DossierFactUpdate,
) -> Response:
    """Merge patch of the current fact: for a mistake. What is new is recorded as a new fact; history answers 409."""
    return deps.answer_changed(await dossiers.update(session, actor, customer_id, dossier_fact_id, if_match, data))


@router.delete(
    _FACT,
    status_code=204,
    response_class=Response,
    summary="Delete a fact",
    responses=problems(409, 410),
    openapi_extra=IF_MATCH,
)
async def delete_dossier_fact(
    session: SessionDep, actor: DossiersWrite, customer_id: UUID, dossier_fact_id: UUID, if_match: IfMatch
) -> None:
    """A tombstone for 30 days. The fact it had superseded does not come back."""
    await dossiers.delete(session, actor, customer_id, dossier_fact_id, if_match)


@router.post(
    _FACT + "/restore",
    response_model=DossierFactPublic,
    summary="Restore a deleted fact",
    responses=problems(409, 410),
    openapi_extra=ONCE,
)
async def restore_dossier_fact(
    session: SessionDep, actor: DossiersWrite, once: OnceDep, customer_id: UUID, dossier_fact_id: UUID
) -> Response:
    """Undo a deletion of the last 30 days; 409 when another fact of the key is current by now."""

    async def make() -> Response:
        return deps.answer_changed(await dossiers.restore(session, actor, customer_id, dossier_fact_id))

    return await once(make)
