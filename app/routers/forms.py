"""Published forms."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app import deps
from app.deps import FormsRead
from app.models.forms import FormKey, FormList, FormPublic, FormVersionNumber
from app.openapi import IF_NONE_MATCH
from app.services import forms

router = APIRouter(prefix="/v1/forms", tags=["forms"])


@router.get("", response_model=FormList, summary="List published forms", openapi_extra=IF_NONE_MATCH)
async def list_forms(request: Request, actor: FormsRead) -> Response:
    """The newest published version of every form."""
    body = b'{"items":' + await forms.read_all(actor) + b"}"
    return deps.answer_cacheable(request, body, deps.content_tag(body))


@router.get(
    "/{form_key}", response_model=FormPublic, summary="Read the newest version of a form", openapi_extra=IF_NONE_MATCH
)
async def get_form(request: Request, actor: FormsRead, form_key: Annotated[FormKey, Path()]) -> Response:
    """With everything a phone needs to show it offline, in both languages."""
    body, digest = await forms.read(actor, form_key, None)
    return deps.answer_cacheable(request, body, digest)


@router.get(
    "/{form_key}/versions/{form_version}",
    response_model=FormPublic,
    summary="Read one version of a form",
    openapi_extra=IF_NONE_MATCH,
)
async def get_form_version(
    request: Request,
    actor: FormsRead,
    form_key: Annotated[FormKey, Path()],
    form_version: Annotated[FormVersionNumber, Path()],
) -> Response:
    """The text of a published version never changes; its ETag does only when the version is withdrawn."""
    body, digest = await forms.read(actor, form_key, form_version)
    return deps.answer_cacheable(request, body, digest)
