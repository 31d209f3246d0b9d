"""Published forms: those shipped, and an organisation's own."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app import deps, etags
from app.deps import FormsPublish, FormsRead, OnceDep, SessionDep
from app.models.forms import (
    OWN,
    FormCheck,
    FormKey,
    FormList,
    FormPublic,
    FormPublish,
    FormReport,
    FormVersionNumber,
    FormWithdraw,
)
from app.openapi import IF_NONE_MATCH, ONCE, problems
from app.services import forms, forms_publish

router = APIRouter(prefix="/v1/forms", tags=["forms"])
router.add_route("/v1/forms/check", deps.no_such_method, methods=deps.NOT_POST, include_in_schema=False)


@router.get("", response_model=FormList, summary="List published forms", openapi_extra=IF_NONE_MATCH)
async def list_forms(request: Request, actor: FormsRead) -> Response:
    """The newest published version of every form: shipped ones and the organisation's own."""
    body = b'{"items":' + await forms.read_all(actor) + b"}"
    return deps.answer_cacheable(request, body, deps.content_tag(body), is_public=False)


@router.get(
    "/{form_key}", response_model=FormPublic, summary="Read the newest version of a form", openapi_extra=IF_NONE_MATCH
)
async def get_form(request: Request, actor: FormsRead, form_key: Annotated[FormKey, Path()]) -> Response:
    """With everything a phone needs to show it offline, in both languages."""
    body, digest = await forms.read(actor, form_key, None)
    return deps.answer_cacheable(request, body, digest, is_public=not form_key.startswith(OWN))


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
    return deps.answer_cacheable(request, body, digest, is_public=not form_key.startswith(OWN))


@router.post("/check", response_model=FormReport, summary="Check a form before publishing it")
async def check_form(session: SessionDep, actor: FormsRead, data: FormCheck) -> Response:
    """Every problem with its place, how much it changes the version before, the content hash. Nothing is stored."""
    return Response(await forms_publish.check(session, data), media_type="application/json")


@router.post(
    "",
    status_code=201,
    response_model=FormPublic,
    summary="Publish a version of an own form",
    responses={200: {"model": FormPublic, "description": "Published before"}, **problems(409)},
    openapi_extra=ONCE,
)
async def publish_form(session: SessionDep, actor: FormsPublish, once: OnceDep, data: FormPublish) -> Response:
    """For good: a published version never changes. Its number rises by at least what it changes.

    Keys of own forms begin with `org.`; the ETag is the content hash.
    """

    async def make() -> Response:
        body, digest, row, is_new = await forms_publish.publish(session, actor, data)
        location = f"/v1/forms/{row.form_key}/versions/{row.form_version}"
        headers = {"ETag": etags.tag(digest), "Location": location}
        return Response(body, 201 if is_new else 200, headers, "application/json")

    return await once(make)


@router.post(
    "/{form_key}/versions/{form_version}/withdraw",
    response_model=FormPublic,
    summary="Withdraw a version of an own form",
    responses=problems(409),
    openapi_extra=ONCE,
)
async def withdraw_form_version(
    session: SessionDep,
    actor: FormsPublish,
    once: OnceDep,
    form_key: Annotated[FormKey, Path()],
    form_version: Annotated[FormVersionNumber, Path()],
    data: FormWithdraw,
) -> Response:
    """No response to it starts any more; what was begun before may be completed while the grace lasts."""

    async def make() -> Response:
        body, digest = await forms_publish.withdraw(session, actor, form_key, form_version, data)
        return Response(body, 200, {"ETag": etags.tag(digest)}, "application/json")

    return await once(make)
