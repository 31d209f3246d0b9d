"""Fact definitions: what is asked about customers, and how carefully it is kept."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app import deps, etags
from app.deps import DossiersRead, FactDefinitionsWrite, IfMatch, OnceDep, SessionDep
from app.etags import tag
from app.models.fact_definitions import (
    FactDefinitionCreate,
    FactDefinitionList,
    FactDefinitionPublic,
    FactDefinitionQuery,
    FactDefinitionReplace,
    FactDefinitionUpdate,
    FactDefinitionVersionQuery,
    FactKey,
)
from app.openapi import IF_MATCH, IF_NONE_MATCH, ONCE, problems
from app.services import fact_definitions

router = APIRouter(prefix="/v1/fact-definitions", tags=["dossiers"])

_ONE = "/{fact_key}"
_Key = Annotated[FactKey, Path()]


def _changed(made: tuple[bytes, int], status: int = 200, **headers: str) -> Response:
    body, version = made
    return Response(body, status, {"ETag": tag(version), **headers}, "application/json")


@router.get(
    "", response_model=FactDefinitionList, summary="List what is asked about customers", openapi_extra=IF_NONE_MATCH
)
async def list_fact_definitions(
    request: Request, actor: DossiersRead, query: Annotated[FactDefinitionQuery, Query()]
) -> Response:
    """The product's definitions and the organisation's own, in both languages, in the order of asking."""
    return deps.answer_listed(request, await fact_definitions.read_all(actor, query.dossier))


@router.get(_ONE, response_model=FactDefinitionPublic, summary="Read one fact definition", openapi_extra=IF_NONE_MATCH)
async def get_fact_definition(
    request: Request, actor: DossiersRead, fact_key: _Key, query: Annotated[FactDefinitionVersionQuery, Query()]
) -> Response:
    """As the organisation has it now; or the version a fact names, as it was written."""
    body, version = await fact_definitions.read(actor, fact_key, query.definition_version)
    current = etags.tag_with(version, body)
    if etags.is_unchanged(request.headers.get("if-none-match"), current[1:-1]):
        return Response(status_code=304, headers={"ETag": current})
    return Response(body, 200, {"ETag": current}, "application/json")


@router.post(
    "",
    status_code=201,
    response_model=FactDefinitionPublic,
    summary="Add a fact definition",
    responses=problems(409),
    openapi_extra=ONCE,
)
async def create_fact_definition(
    session: SessionDep, actor: FactDefinitionsWrite, once: OnceDep, data: FactDefinitionCreate
) -> Response:
    """One of the organisation's own; its key begins with `org.`."""

    async def make() -> Response:
        made = await fact_definitions.create(session, actor, data)
        return _changed(made, 201, Location=f"/v1/fact-definitions/{data.fact_key}")

    return await once(make)


@router.put(
    _ONE,
    response_model=FactDefinitionPublic,
    summary="Write a new version of a fact definition",
    responses=problems(409),
    openapi_extra=IF_MATCH,
)
async def replace_fact_definition(
    session: SessionDep, actor: FactDefinitionsWrite, fact_key: _Key, if_match: IfMatch, data: FactDefinitionReplace
) -> Response:
    """Of an own one. Facts recorded under an older version keep its meaning; they name the version."""
    return _changed(await fact_definitions.replace(session, actor, fact_key, if_match, data))


@router.patch(
    _ONE,
    response_model=FactDefinitionPublic,
    summary="Change when and how a fact is asked",
    openapi_extra=IF_MATCH,
)
async def update_fact_definition(
    session: SessionDep, actor: FactDefinitionsWrite, fact_key: _Key, if_match: IfMatch, data: FactDefinitionUpdate
) -> Response:
    """Merge patch, of the product's definitions too: when it is asked again, in which order, whether phones keep it.

    It holds for all facts at once; phones are told to forget what they may not keep any more.
    """
    return _changed(await fact_definitions.update(session, actor, fact_key, if_match, data))


@router.post(
    _ONE + "/withdraw",
    response_model=FactDefinitionPublic,
    summary="Withdraw an own fact definition",
    responses=problems(409),
    openapi_extra=ONCE,
)
async def withdraw_fact_definition(
    session: SessionDep, actor: FactDefinitionsWrite, once: OnceDep, fact_key: _Key
) -> Response:
    """Nothing new is recorded under it; what is on record stays."""

    async def make() -> Response:
        return _changed(await fact_definitions.withdraw(session, actor, fact_key))

    return await once(make)
