"""Consent texts: what to show a person before he decides."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app import deps
from app.deps import ConsentsRead, ConsentTextsWrite, OnceDep, SessionDep
from app.models.consent_texts import ConsentTextCreate, ConsentTextList, ConsentTextPublic, ConsentTextQuery
from app.openapi import IF_NONE_MATCH, ONCE, problems
from app.services import consent_texts

router = APIRouter(tags=["consents"])


@router.get(
    "/v1/consent-texts",
    response_model=ConsentTextList,
    summary="List the consent texts in force",
    openapi_extra=IF_NONE_MATCH,
)
async def list_consent_texts(
    request: Request, session: SessionDep, actor: ConsentsRead, query: Annotated[ConsentTextQuery, Query()]
) -> Response:
    """What to show for one purpose, by recipient and group, in Chinese and English. Show `text` as it is.

    Built in are all purposes but `partner_sharing`, whose texts have to name a recipient first.
    """
    return deps.answer_listed(request, await consent_texts.listed(session, actor, query.purpose))


@router.get(
    "/v1/consent-texts/{consent_text_id}",
    response_model=ConsentTextPublic,
    summary="Read one consent text",
    openapi_extra=IF_NONE_MATCH,
)
async def get_consent_text(
    request: Request, session: SessionDep, actor: ConsentsRead, consent_text_id: UUID
) -> Response:
    """What somebody was shown, in force or not. It never changes."""
    return deps.answer(request, await consent_texts.read(session, actor, consent_text_id))


@router.post(
    "/v1/consent-texts",
    status_code=201,
    response_model=ConsentTextPublic,
    summary="Publish a consent text",
    responses=problems(409),
    openapi_extra=ONCE,
)
async def publish_consent_text(
    session: SessionDep, actor: ConsentTextsWrite, once: OnceDep, data: ConsentTextCreate
) -> Response:
    """The organisation's next version for a purpose, a group and a recipient; in force at once, for good.

    A material one asks everybody again: consents to versions before it carry no new writes.
    """

    async def make() -> Response:
        document = await consent_texts.create(session, actor, data)
        return deps.answer_created(document, f"/v1/consent-texts/{document.id}")

    return await once(make)
