"""What persons ask of their rights, and the package they are handed."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from app import deps
from app.deps import IfMatch, OnceDep, RightsDecide, RightsExport, RightsRead, RightsWrite, SessionDep
from app.looks import Look
from app.models.rights_requests import (
    RightsIdentityCheck,
    RightsRequestCreate,
    RightsRequestPage,
    RightsRequestPublic,
    RightsRequestQuery,
    RightsRequestRefuse,
)
from app.openapi import IF_MATCH, IF_NONE_MATCH, ONCE, PACKAGE, ZIP, problems
from app.services import rights_requests, rights_requests_decide, rights_requests_package

router = APIRouter(prefix="/v1/customers/{customer_id}/rights-requests", tags=["rights"])

_CHANGING = {"parameters": [*IF_MATCH["parameters"], *ONCE["parameters"]]}


@router.get("", response_model=RightsRequestPage, summary="List the rights requests of a customer")
async def list_rights_requests(
    request: Request,
    session: SessionDep,
    actor: RightsRead,
    customer_id: UUID,
    query: Annotated[RightsRequestQuery, Query()],
) -> Response:
    """The latest first; also of a customer who is restricted or was erased."""
    answer = deps.answer_page(request, await rights_requests.search(session, actor, customer_id, query))
    return await deps.shown(request, actor, answer, Look("rights_request.listed", None, customer_id, ("requests",)))


@router.post(
    "",
    status_code=201,
    response_model=RightsRequestPublic,
    summary="Record a rights request",
    responses=problems(409),
    openapi_extra=ONCE,
)
async def create_rights_request(
    session: SessionDep, actor: RightsWrite, once: OnceDep, customer_id: UUID, data: RightsRequestCreate
) -> Response:
    """What a person asks, by the day he asked it. It becomes a task of his agent, due in 15 calendar days."""

    async def make() -> Response:
        made = await rights_requests.create(session, actor, customer_id, data)
        return deps.answer_created(made, f"/v1/customers/{customer_id}/rights-requests/{made.id}")

    return await once(make)


@router.get(
    "/{rights_request_id}",
    response_model=RightsRequestPublic,
    summary="Read one rights request",
    openapi_extra=IF_NONE_MATCH,
)
async def get_rights_request(
    request: Request, session: SessionDep, actor: RightsRead, customer_id: UUID, rights_request_id: UUID
) -> Response:
    """Also of a customer who is restricted or was erased."""
    answer = deps.answer(request, await rights_requests.read(session, actor, customer_id, rights_request_id))
    look = Look("rights_request.viewed", rights_request_id, customer_id, ("requests",))
    return await deps.shown(request, actor, answer, look)


@router.post(
    "/{rights_request_id}/check",
    response_model=RightsRequestPublic,
    summary="Record how an identity was checked",
    responses=problems(409),
    openapi_extra=_CHANGING,
)
async def check_rights_identity(
    session: SessionDep,
    actor: RightsWrite,
    once: OnceDep,
    customer_id: UUID,
    rights_request_id: UUID,
    if_match: IfMatch,
    data: RightsIdentityCheck,
) -> Response:
    """Nothing is carried out or handed over before. No number of a document is written down."""

    async def make() -> Response:
        made = await rights_requests.check_identity(session, actor, customer_id, rights_request_id, if_match, data)
        return deps.answer_changed(made)

    return await once(make)


@router.post(
    "/{rights_request_id}/withdraw",
    response_model=RightsRequestPublic,
    summary="Withdraw a rights request",
    responses=problems(409),
    openapi_extra=_CHANGING,
)
async def withdraw_rights_request(
    session: SessionDep,
    actor: RightsWrite,
    once: OnceDep,
    customer_id: UUID,
    rights_request_id: UUID,
    if_match: IfMatch,
) -> Response:
    """The person takes an open request back."""

    async def make() -> Response:
        return deps.answer_changed(
            await rights_requests.withdraw(session, actor, customer_id, rights_request_id, if_match)
        )

    return await once(make)


@router.post(
    "/{rights_request_id}/complete",
    response_model=RightsRequestPublic,
    summary="Carry a rights request out",
    responses=problems(409),
    openapi_extra=_CHANGING,
)
async def complete_rights_request(
    session: SessionDep,
    actor: RightsDecide,
    once: OnceDep,
    customer_id: UUID,
    rights_request_id: UUID,
    if_match: IfMatch,
) -> Response:
    """At once and as a whole. Erasure cannot be undone; while a law keeps the data, the customer is restricted instead,
    and erased when that ends (`outcome_until`). Needs a fresh proof of presence.
    """

    async def make() -> Response:
        return deps.answer_changed(
            await rights_requests_decide.complete(session, actor, customer_id, rights_request_id, if_match)
        )

    return await once(make)


@router.post(
    "/{rights_request_id}/refuse",
    response_model=RightsRequestPublic,
    summary="Refuse a rights request",
    responses=problems(409),
    openapi_extra=_CHANGING,
)
async def refuse_rights_request(
    session: SessionDep,
    actor: RightsDecide,
    once: OnceDep,
    customer_id: UUID,
    rights_request_id: UUID,
    if_match: IfMatch,
    data: RightsRequestRefuse,
) -> Response:
    """With a reason the person is told. Needs a fresh proof of presence."""

    async def make() -> Response:
        return deps.answer_changed(
            await rights_requests_decide.refuse(session, actor, customer_id, rights_request_id, if_match, data)
        )

    return await once(make)


@router.post(
    "/{rights_request_id}/reopen",
    response_model=RightsRequestPublic,
    summary="Lift a restriction or an objection",
    responses=problems(409),
    openapi_extra=_CHANGING,
)
async def reopen_rights_request(
    session: SessionDep,
    actor: RightsDecide,
    once: OnceDep,
    customer_id: UUID,
    rights_request_id: UUID,
    if_match: IfMatch,
) -> Response:
    """The person wants to be served again. Needs a fresh proof of presence."""

    async def make() -> Response:
        return deps.answer_changed(
            await rights_requests_decide.reopen(session, actor, customer_id, rights_request_id, if_match)
        )

    return await once(make)


@router.get(
    "/{rights_request_id}/package.json",
    response_class=Response,
    summary="Export everything of a person as JSON",
    responses={200: PACKAGE, **problems(409)},
)
async def export_rights_package(
    session: SessionDep, actor: RightsExport, customer_id: UUID, rights_request_id: UUID
) -> Response:
    """Every column the data inventory names as his, sealed values in clear, for a request of access, copy or
    portability whose identity was checked. Needs a fresh proof of presence; every package is on record.
    """
    what = await rights_requests_package.prepare(session, actor, customer_id, rights_request_id, "json")
    named = {"Content-Disposition": 'attachment; filename="package.json"'}
    return StreamingResponse(rights_requests_package.as_json(what), 200, named, "application/json")


@router.get(
    "/{rights_request_id}/package.zip",
    response_class=Response,
    summary="Export everything of a person as tables",
    responses={200: ZIP, **problems(409)},
)
async def export_rights_package_tables(
    session: SessionDep, actor: RightsExport, customer_id: UUID, rights_request_id: UUID
) -> Response:
    """The same as an archive of CSV files, one a table. No cell is a formula: one that could be begins with an
    apostrophe.
    """
    what = await rights_requests_package.prepare(session, actor, customer_id, rights_request_id, "zip")
    named = {"Content-Disposition": 'attachment; filename="package.zip"'}
    return StreamingResponse(rights_requests_package.as_zip(what), 200, named, "application/zip")
