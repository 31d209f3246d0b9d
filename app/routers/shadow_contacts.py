"""Shadow contacts."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app import deps
from app.deps import IfMatch, OnceDep, SessionDep, ShadowContactsRead, ShadowContactsWrite
from app.looks import Look
from app.models.customers import CustomerPublic
from app.models.shadow_contacts import (
    ShadowContactCreate,
    ShadowContactExport,
    ShadowContactPage,
    ShadowContactPromote,
    ShadowContactPublic,
    ShadowContactQuery,
    ShadowContactUpdate,
)
from app.openapi import IF_MATCH, IF_NONE_MATCH, ONCE, problems
from app.services import shadow_contacts, shadow_contacts_erase

router = APIRouter(prefix="/v1/shadow-contacts", tags=["shadow contacts"])

_ONE = "/{shadow_contact_id}"


@router.get("", response_model=ShadowContactPage, summary="List shadow contacts")
async def list_shadow_contacts(
    request: Request, actor: ShadowContactsRead, query: Annotated[ShadowContactQuery, Query()]
) -> Response:
    """Those whose time is up first come first: who is asked for in good time may be confirmed."""
    return deps.answer_page(request, await shadow_contacts.search(actor, query))


@router.post(
    "",
    status_code=201,
    response_model=ShadowContactPublic,
    summary="Record somebody known through a customer",
    responses={200: {"model": ShadowContactPublic, "description": "Sent before"}, **problems(409)},
    openapi_extra=ONCE,
)
async def create_shadow_contact(
    session: SessionDep, actor: ShadowContactsWrite, once: OnceDep, data: ShadowContactCreate
) -> Response:
    """The contact and what it is to that customer; it is kept for a year. The same `id` and body answers 200."""

    async def make() -> Response:
        document, is_new = await shadow_contacts.create(session, actor, data)
        return deps.answer_created(document, f"/v1/shadow-contacts/{document.id}", status=201 if is_new else 200)

    return await once(make)


@router.get(
    _ONE,
    response_model=ShadowContactPublic,
    summary="Read one shadow contact",
    openapi_extra=IF_NONE_MATCH,
)
async def get_shadow_contact(request: Request, actor: ShadowContactsRead, shadow_contact_id: UUID) -> Response:
    """With its strongest ties. The ETag changes with them, and is good for a change of the contact."""
    document = await shadow_contacts.read(actor, shadow_contact_id)
    look = Look("shadow_contact.viewed", shadow_contact_id, shadow_contact_id, ("profile",))
    return await deps.shown(request, actor, deps.answer_composed(request, document), look)


@router.patch(
    _ONE,
    response_model=ShadowContactPublic,
    summary="Change or confirm a shadow contact",
    openapi_extra=IF_MATCH,
)
async def update_shadow_contact(
    session: SessionDep,
    actor: ShadowContactsWrite,
    shadow_contact_id: UUID,
    if_match: IfMatch,
    data: ShadowContactUpdate,
) -> Response:
    """JSON merge patch; the year begins anew, unless `keep_until` names an earlier day."""
    return deps.answer_changed(await shadow_contacts.update(session, actor, shadow_contact_id, if_match, data))


@router.delete(
    _ONE,
    status_code=204,
    response_class=Response,
    summary="Erase a shadow contact at once",
    openapi_extra=IF_MATCH,
)
async def delete_shadow_contact(
    session: SessionDep, actor: ShadowContactsWrite, shadow_contact_id: UUID, if_match: IfMatch
) -> None:
    """For whoever does not want to be in anybody's book: name, ties, notes and recorded contacts go for good."""
    await shadow_contacts_erase.erase(session, actor, shadow_contact_id, if_match)


@router.get(_ONE + "/export", response_model=ShadowContactExport, summary="Export all that is held about a contact")
async def export_shadow_contact(session: SessionDep, actor: ShadowContactsRead, shadow_contact_id: UUID) -> Response:
    """For whoever asks what is known of him: record, ties, sources, who recorded what and when. It is audited.

    Other customers than the one he is known through are not named.
    """
    body = await shadow_contacts.export(session, actor, shadow_contact_id)
    named = {"Content-Disposition": 'attachment; filename="shadow-contact.json"'}
    return Response(body, 200, named, "application/json")


@router.post(
    _ONE + "/promote",
    response_model=CustomerPublic,
    summary="Make a shadow contact a customer",
    responses=problems(409),
    openapi_extra=ONCE,
)
async def promote_shadow_contact(
    session: SessionDep,
    actor: ShadowContactsWrite,
    once: OnceDep,
    shadow_contact_id: UUID,
    data: ShadowContactPromote,
) -> Response:
    """He has been met himself: id and ties stay, and what can be done with customers can be done with him."""

    async def make() -> Response:
        document = await shadow_contacts.promote(session, actor, shadow_contact_id, data)
        return deps.answer_created(document, f"/v1/customers/{document.id}", status=200)

    return await once(make)
