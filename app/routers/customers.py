"""Customer profiles."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field as Bound
from pydantic import StringConstraints

from app import deps
from app.deps import (
    CustomersExport,
    CustomersRead,
    CustomersReveal,
    CustomersWrite,
    IfMatch,
    OnceDep,
    OnceRequired,
    SessionDep,
    TransfersWrite,
)
from app.looks import PROFILE, Look
from app.models.base import Line20, Line50, PageQuery, Wire
from app.models.customers import (
    CustomerCreate,
    CustomerPage,
    CustomerPublic,
    CustomerTransfer,
    CustomerUpdate,
    PartyType,
    Stage,
)
from app.models.customers_reveal import CustomerReveal, CustomerRevealed
from app.openapi import CSV, IF_MATCH, IF_NONE_MATCH, ONCE, ONCE_REQUIRED, problems
from app.services import customers, customers_export, customers_reveal, customers_transfer
from app.services.customers import CustomerFilter

router = APIRouter(tags=["customers"])

_ALL = "/v1/customers"
_ONE = "/v1/customers/{customer_id}"

Sort = Literal["created_at", "-created_at", "updated_at", "-updated_at", "name", "-name"]
Stages = Annotated[
    str,
    StringConstraints(
        max_length=40, pattern=r"^(contact|prospect|customer|investor)(,(contact|prospect|customer|investor)){0,3}$"
    ),
]
_STAGES = "One or several stages, comma separated"
_TAG = "Customers that carry this tag"


class CustomerExportQuery(Wire):
    """Filters of the export."""

    stage: Stages | None = Bound(default=None, description=_STAGES)
    tag: Line20 | None = Bound(default=None, description=_TAG)


class CustomerQuery(PageQuery):
    """Filters of the list."""

    stage: Stages | None = Bound(default=None, description=_STAGES)
    tag: Line20 | None = Bound(default=None, description=_TAG)
    party_type: PartyType | None = Bound(default=None, description="Persons or organisations only")
    q: Line50 | None = Bound(
        default=None,
        description="Name, pinyin, initials, the last 3 or 4 digits of a phone, or a whole phone or ID number (numbers "
        "not for auditors)",
        examples=["wyq"],
    )
    sort: Sort = Bound(default="-created_at", description="Sort key; a minus turns the order round")


def _stages(stage: str | None) -> list[Stage] | None:
    return None if stage is None else [Stage(part) for part in stage.split(",")]


# Not below /v1/customers, where it would stand in the place of an id.
@router.get(
    "/v1/customer-exports",
    response_class=Response,
    summary="Export customers as a spreadsheet",
    responses={200: CSV, **problems(409)},
)
async def export_customers(
    session: SessionDep, actor: CustomersExport, query: Annotated[CustomerExportQuery, Query()]
) -> Response:
    """The customers the caller may see as CSV, newest first, at most 20,000; contact data masked, tags parted by `|`.

    A cell that a spreadsheet could take for a formula begins with an apostrophe, as does one whose text begins with
    an apostrophe: who reads the file drops that one character. Needs a fresh proof of presence; every export is on
    record.
    """
    wanted = CustomerFilter(stage=_stages(query.stage), tag=None if query.tag is None else [query.tag])
    body = await customers_export.export(session, actor, wanted)
    named = {"Content-Disposition": 'attachment; filename="customers.csv"'}
    return Response(body, 200, named, "text/csv; charset=utf-8")


@router.get(
    _ONE,
    response_model=CustomerPublic,
    summary="Read one customer",
    responses=problems(410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_customer(request: Request, actor: CustomersRead, customer_id: UUID) -> Response:
    """The full profile; ID number, phones and e-mails masked, for auditors addresses as well."""
    answer = deps.answer(request, await customers.read(actor, customer_id))
    return await deps.shown(request, actor, answer, Look("customer.viewed", customer_id, customer_id, PROFILE))


@router.get(_ALL, response_model=CustomerPage, summary="List and search customers")
async def list_customers(request: Request, actor: CustomersRead, query: Annotated[CustomerQuery, Query()]) -> Response:
    """The customers the caller may see, newest first unless `sort` says otherwise."""
    wanted = CustomerFilter(
        stage=_stages(query.stage),
        tag=None if query.tag is None else [query.tag],
        party_type=query.party_type,
        q=query.q,
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    return deps.answer_page(request, await customers.search(actor, wanted))


@router.post(
    _ALL,
    status_code=201,
    response_model=CustomerPublic,
    summary="Create a customer",
    responses={200: {"model": CustomerPublic, "description": "Sent before"}, **problems(409, 410)},
    openapi_extra=ONCE,
)
async def create_customer(session: SessionDep, actor: CustomersWrite, once: OnceDep, data: CustomerCreate) -> Response:
    """A person or an organisation, owned by the caller. Sending the same `id` and body again answers 200."""

    async def make() -> Response:
        document, is_new = await customers.create(session, actor, data)
        location = f"/v1/customers/{document.id}"
        return deps.answer_created(document, location, status=201 if is_new else 200)

    return await once(make)


@router.patch(
    _ONE,
    response_model=CustomerPublic,
    summary="Change a customer",
    responses=problems(409, 410),
    openapi_extra=IF_MATCH,
)
async def update_customer(
    session: SessionDep, actor: CustomersWrite, customer_id: UUID, if_match: IfMatch, data: CustomerUpdate
) -> Response:
    """JSON merge patch (RFC 7396): absent members stay, null clears, lists are replaced whole.

    A phone or e-mail sent back as it was answered, masked, stays what it is.
    """
    return deps.answer_changed(await customers.update(session, actor, customer_id, if_match, data))


@router.delete(
    _ONE,
    status_code=204,
    response_class=Response,
    summary="Delete a customer",
    responses=problems(410),
    openapi_extra=IF_MATCH,
)
async def delete_customer(session: SessionDep, actor: CustomersWrite, customer_id: UUID, if_match: IfMatch) -> None:
    """A tombstone: reads answer 410 for 30 days, during which it can be restored."""
    await customers.delete(session, actor, customer_id, if_match)


@router.post(
    _ONE + "/restore",
    response_model=CustomerPublic,
    summary="Restore a deleted customer",
    responses=problems(409),
    openapi_extra=ONCE,
)
async def restore_customer(session: SessionDep, actor: CustomersWrite, once: OnceDep, customer_id: UUID) -> Response:
    """Undo a deletion of the last 30 days."""

    async def make() -> Response:
        return deps.answer_changed(await customers.restore(session, actor, customer_id))

    return await once(make)


@router.post(
    _ONE + "/transfer",
    response_model=CustomerPublic,
    summary="Hand a customer over to another agent",
    responses=problems(409, 410),
    openapi_extra=ONCE,
)
async def transfer_customer(
    session: SessionDep, actor: TransfersWrite, once: OnceDep, customer_id: UUID, data: CustomerTransfer
) -> Response:
    """The former agent sees him no more, from the next request on; what he noted for himself is not handed over."""

    async def make() -> Response:
        return deps.answer_changed(await customers_transfer.transfer(session, actor, customer_id, data))

    return await once(make)


@router.post(
    _ONE + "/reveal",
    response_model=CustomerRevealed,
    summary="Show masked fields in clear",
    responses=problems(410),
    openapi_extra=ONCE_REQUIRED,
)
async def reveal_customer(
    session: SessionDep, actor: CustomersReveal, once: OnceRequired, customer_id: UUID, data: CustomerReveal
) -> Response:
    """ID number, phones and e-mails in full, and facts of dossiers, for a stated purpose.

    Needs a fresh proof of presence; every look is on record.
    """

    async def make() -> Response:
        shown = await customers_reveal.reveal(session, actor, customer_id, data)
        return Response(shown.model_dump_json(exclude_unset=True), media_type="application/json")

    await customers_reveal.check(actor, customer_id)
    answer = await once(make)
    if "idempotency-replayed" in answer.headers:
        customers_reveal.record(session, actor, customer_id, data)
    return answer
