"""Introductions, the referral tree, and introducers."""

from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request, Response

from app import deps
from app.deps import IfMatch, IntroductionsRead, IntroductionsWrite, OnceDep, SessionDep
from app.looks import Look
from app.models.base import PageQuery
from app.models.introductions import (
    IntroducerPage,
    IntroductionAdvance,
    IntroductionCreate,
    IntroductionPage,
    IntroductionPublic,
    IntroductionQuery,
    IntroductionUpdate,
    ReferralQuery,
    ReferralTree,
)
from app.openapi import IF_MATCH, IF_NONE_MATCH, ONCE, problems
from app.services import introductions, introductions_credit

router = APIRouter(prefix="/v1", tags=["introductions"])

_ALL = "/introductions"
_ONE = "/introductions/{introduction_id}"


def _look(shown: dict[str, Any]) -> Look:
    """An introduction with what is noted of it: it is about both whom it brings together."""
    ends = UUID(shown["introducer"]["id"]), UUID(shown["target"]["id"])
    return Look("introduction.viewed", UUID(shown["id"]), ends[0], ("introduction", "note"), ends[1])


@router.get(_ALL, response_model=IntroductionPage, summary="List introductions")
async def list_introductions(
    request: Request, actor: IntroductionsRead, query: Annotated[IntroductionQuery, Query()]
) -> Response:
    """Newest first. Those with an end the caller cannot see are missing."""
    page = await introductions.search(actor, query)
    noted = [one for one in orjson.loads(page.body)["items"] if one["note"] is not None]
    return await deps.shown(request, actor, deps.answer_page(request, page), *map(_look, noted))


@router.get(
    _ONE,
    response_model=IntroductionPublic,
    summary="Read one introduction",
    responses=problems(410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_introduction(request: Request, actor: IntroductionsRead, introduction_id: UUID) -> Response:
    """With its history. It is there for those who see both the introducer and the party to be met."""
    document = await introductions.read(actor, introduction_id)
    look = _look(orjson.loads(document.body))
    return await deps.shown(request, actor, deps.answer_composed(request, document), look)


@router.post(
    _ALL,
    status_code=201,
    response_model=IntroductionPublic,
    summary="Ask for an introduction",
    responses={200: {"model": IntroductionPublic, "description": "Sent before"}, **problems(409, 410)},
    openapi_extra=ONCE,
)
async def create_introduction(
    session: SessionDep, actor: IntroductionsWrite, once: OnceDep, data: IntroductionCreate
) -> Response:
    """The caller asks a customer to lead him to another one, or to a shadow contact. No tie is made by it.

    One caller can have one open introduction of an introducer to a party. The same `id` and body answers 200.
    """

    async def make() -> Response:
        document, is_new = await introductions.create(session, actor, data)
        return deps.answer_created(document, f"/v1/introductions/{document.id}", status=201 if is_new else 200)

    return await once(make)


@router.patch(
    _ONE,
    response_model=IntroductionPublic,
    summary="Change the note of an introduction",
    responses=problems(410),
    openapi_extra=IF_MATCH,
)
async def update_introduction(
    session: SessionDep,
    actor: IntroductionsWrite,
    introduction_id: UUID,
    if_match: IfMatch,
    data: IntroductionUpdate,
) -> Response:
    """JSON merge patch. Who introduces whom is fixed, and how it stands changes with its steps."""
    return deps.answer_changed(await introductions.update(session, actor, introduction_id, if_match, data))


@router.post(
    f"{_ONE}/advance",
    response_model=IntroductionPublic,
    summary="Record the next step of an introduction",
    responses=problems(409, 410, 412, 428),
    openapi_extra={"parameters": [*IF_MATCH["parameters"], *ONCE["parameters"]]},
)
async def advance_introduction(
    session: SessionDep,
    actor: IntroductionsWrite,
    once: OnceDep,
    introduction_id: UUID,
    if_match: IfMatch,
    data: IntroductionAdvance,
) -> Response:
    """asked → agreed → introduced → met → analysis → policy, or declined from anywhere before the policy.

    Steps may be skipped, and are never taken back. When it is introduced (or further), the agent owes the introducer
    thanks within 3 days, and once more within 7 days of the policy: a task is made in the same transaction.
    """

    async def make() -> Response:
        return deps.answer_changed(await introductions.advance(session, actor, introduction_id, if_match, data))

    return await once(make)


@router.post(
    f"{_ONE}/reopen",
    response_model=IntroductionPublic,
    summary="Reopen a declined introduction",
    responses=problems(409, 410),
    openapi_extra=ONCE,
)
async def reopen_introduction(
    session: SessionDep, actor: IntroductionsWrite, once: OnceDep, introduction_id: UUID
) -> Response:
    """It goes on where it stood before it was declined; one that is not declined stays as it is."""

    async def make() -> Response:
        return deps.answer_changed(await introductions.reopen(session, actor, introduction_id))

    return await once(make)


@router.delete(
    _ONE,
    status_code=204,
    response_class=Response,
    summary="Delete an introduction",
    responses=problems(410),
    openapi_extra=IF_MATCH,
)
async def delete_introduction(
    session: SessionDep, actor: IntroductionsWrite, introduction_id: UUID, if_match: IfMatch
) -> None:
    """For what was recorded by mistake, with all its tasks; it can be restored for 30 days. Others are declined."""
    await introductions.delete(session, actor, introduction_id, if_match)


@router.post(
    f"{_ONE}/restore",
    response_model=IntroductionPublic,
    summary="Restore a deleted introduction",
    responses=problems(409, 410),
    openapi_extra=ONCE,
)
async def restore_introduction(
    session: SessionDep, actor: IntroductionsWrite, once: OnceDep, introduction_id: UUID
) -> Response:
    """Undo a deletion of the last 30 days; its tasks come back as they were."""

    async def make() -> Response:
        return deps.answer_changed(await introductions.restore(session, actor, introduction_id))

    return await once(make)


@router.get(
    "/customers/{customer_id}/referrals",
    response_model=ReferralTree,
    summary="Read who came through a customer",
    responses=problems(410),
)
async def get_referrals(
    request: Request, actor: IntroductionsRead, customer_id: UUID, query: Annotated[ReferralQuery, Query()]
) -> Response:
    """The referral tree: whom he introduced, whom those introduced, and so on, each party once.

    An introduction is worth 0.1 when introduced, 0.25 met, 0.5 analysis, 1 policy; those asked, agreed or declined
    are no branches. An ancestor at distance d gets ½^(d-1) of it, up to six generations. If several chains lead to a
    party, the shortest counts, then the introduction worth most. A branch through a party the caller cannot see is
    neither shown nor counted.
    """
    tree = await introductions_credit.tree(actor, customer_id, query.depth)
    look = Look("introduction.listed", None, customer_id, ("introductions",))
    return await deps.shown(request, actor, Response(tree, media_type="application/json"), look)


@router.get("/introducers", response_model=IntroducerPage, summary="List introducers by credit")
async def list_introducers(
    request: Request, actor: IntroductionsRead, query: Annotated[PageQuery, Query()]
) -> Response:
    """What was asked of whom, what became of it, its worth (as in the referral tree) and the tier it earns.

    Bronze from 0, silver from 1, gold from 3, platinum from 6, diamond from 12; 1 is a policy introduced directly.
    """
    return deps.answer_page(request, await introductions_credit.ranked(actor, query))
