"""The four dossiers of a customer: personal, corporate, competitor, project."""

from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request, Response

from app import deps
from app.deps import DossiersRead, DossiersWrite, IfMatch, OnceDep, SessionDep
from app.domain.fact_definitions import DossierName
from app.errors import pick_language
from app.looks import Look
from app.models.dossiers import (
    DossierFactCreate,
    DossierFactPage,
    DossierFactPublic,
    DossierFactQuery,
    DossierFactResolve,
    DossierFactUpdate,
    DossierFactView,
)
from app.models.dossiers_view import DossierPublic, DossierQuery
from app.openapi import IF_MATCH, IF_NONE_MATCH, ONCE, problems
from app.services import dossiers, dossiers_amend, dossiers_read, dossiers_view

router = APIRouter(tags=["dossiers"])

_FACTS = "/v1/customers/{customer_id}/dossier-facts"
_FACT = _FACTS + "/{dossier_fact_id}"


@router.get(
    "/v1/customers/{customer_id}/dossiers/{dossier}",
    response_model=DossierPublic,
    summary="Read one of the four dossiers",
    responses=problems(409, 410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_dossier(
    request: Request,
    actor: DossiersRead,
    customer_id: UUID,
    dossier: DossierName,
    query: Annotated[DossierQuery, Query()],
) -> Response:
    """What is known now or was on a day, masked by sensitivity, and what to ask next; labels follow Accept-Language."""
    language = pick_language(request.headers.get("accept-language"))
    body = await dossiers_view.read(actor, customer_id, dossier, query, language)
    # The tag is of bytes and language: another language, another tag.
    response = deps.answer_cacheable(request, body, deps.content_tag(language.encode() + body))
    response.headers["Content-Language"] = language
    response.headers["Vary"] = "Accept-Language"
    response.headers["Cache-Control"] = "no-store"
    look = Look("dossier.viewed", customer_id, customer_id, (f"dossier.{dossier.value}",))
    return await deps.shown(request, actor, response, look)


@router.get(_FACTS, response_model=DossierFactPage, summary="List recorded facts", responses=problems(410))
async def list_dossier_facts(
    request: Request, actor: DossiersRead, customer_id: UUID, query: Annotated[DossierFactQuery, Query()]
) -> Response:
    """The history, newest first: what is current and what was superseded."""
    answer = deps.answer_page(request, await dossiers_read.search(actor, customer_id, query))
    return await deps.shown(request, actor, answer, Look("dossier_fact.listed", None, customer_id, ("dossier",)))


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
    """It takes the place of what the same source said before, which is kept as history. What others said stays beside
    it: if it says something else, the dossier tells of a conflict. The same `id` and body answers 200.

    Sensitive personal information needs a consent: 403 `consent_missing`. The answer is masked like any other.
    """

    async def make() -> Response:
        document, is_new = await dossiers.create(session, actor, customer_id, data)
        location = f"/v1/customers/{customer_id}/dossier-facts/{document.id}"
        return deps.answer_created(document, location, status=201 if is_new else 200)

    return await once(make)


@router.get(
    _FACT,
    response_model=DossierFactPublic,
    summary="Read one recorded fact",
    responses=problems(410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_dossier_fact(
    request: Request,
    actor: DossiersRead,
    customer_id: UUID,
    dossier_fact_id: UUID,
    query: Annotated[DossierFactView, Query()],
) -> Response:
    """Current or superseded; masked unless its definition is of class C1."""
    found = await dossiers_read.read(actor, customer_id, dossier_fact_id, is_for_phone=query.for_ is not None)
    said = orjson.loads(found.body)
    look = Look("dossier_fact.viewed", dossier_fact_id, customer_id, (f"dossier.{said['dossier']}.{said['fact_key']}",))
    return await deps.shown(request, actor, deps.answer_composed(request, found), look)


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
    """Merge patch of the current fact: for a mistake. The former wording becomes history; history answers 409.

    What is new is recorded as a new fact.
    """
    document = await dossiers_amend.update(session, actor, customer_id, dossier_fact_id, if_match, data)
    return deps.answer_changed(document)


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
    """A tombstone for 30 days, its former wordings too. The fact it had superseded does not come back."""
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
    """Undo a deletion of the last 30 days; 409 when the same source has said something newer."""

    async def make() -> Response:
        return deps.answer_changed(await dossiers.restore(session, actor, customer_id, dossier_fact_id))

    return await once(make)


@router.post(
    _FACT + "/resolve",
    response_model=DossierFactPublic,
    summary="Decide about facts that contradict each other",
    responses=problems(409, 410),
    openapi_extra=ONCE,
)
async def resolve_dossier_fact(
    session: SessionDep,
    actor: DossiersWrite,
    once: OnceDep,
    customer_id: UUID,
    dossier_fact_id: UUID,
    data: DossierFactResolve,
) -> Response:
    """`choose`: this one stands and the others become history; `keep_all`: they stand side by side, no conflict any
    more. 409 `conflict_changed` when there is a fact the caller has not seen.
    """

    async def make() -> Response:
        return deps.answer_changed(await dossiers_amend.resolve(session, actor, customer_id, dossier_fact_id, data))

    return await once(make)
