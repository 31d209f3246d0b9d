"""Carrying a response over to another version of its form: a new draft, never a rewrite, and a report of everything."""

from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, db, envelopes, offline
from app.access import Actor
from app.domain import form_migrations
from app.domain import forms as rules
from app.errors import Conflict, Invalid, NotFound
from app.etags import Document
from app.models.customers import Customer
from app.models.form_responses import FormResponse, FormResponseMigrate, ResponseStatus
from app.services import consents, form_responses, forms, forms_publish


async def migrate(
    session: AsyncSession, actor: Actor, form_response_id: UUID, data: FormResponseMigrate
) -> tuple[Document | None, bytes]:
    """The new draft (None after a dry run), and the report as JSON.

    The map is one that was published with the target version; the former response stays as it is.

    Raises:
        NotFound, Gone. Invalid: `/to_version` is none. Conflict: `response_retracted`, `migration_missing`,
            `form_withdrawn`, `id_taken`. ConsentMissing: as for any writing of sensitive answers.
    """
    customer, old = await form_responses.locked(session, actor, form_response_id)
    try:
        target = await forms.stored(session, old.form_key, data.to_version)
    except NotFound:
        raise Invalid.at("/to_version", "not_found") from None
    digest = form_responses.digest_of(actor, data, b"migrate", old.id.bytes)
    is_known = data.id is not None and await offline.is_sent_before(session, actor, FormResponse, data.id, digest)
    if not is_known:  # the retry of one that was made hears so, whatever became of either end since
        _refuse(old, target)
    name, made = await _carried(session, old, target.definition)
    report = _report(old, target.definition, name, made)
    if data.is_dry_run:
        return None, orjson.dumps({**report, "form_response_id": None})
    new_id = data.id or uuid7()
    if not is_known:
        carried = await consents.check_answers(session, actor, customer, target.definition, made.answers)
        response = FormResponse(
            org_id=actor.org_id,
            id=new_id,
            customer_id=old.customer_id,
            form_key=old.form_key,
            form_version=target.definition.version,
            content_hash=target.content_hash,
            migrated_from_id=old.id,
            recorded_by=actor.id,
            created_digest=digest,
        )
        warnings = _warnings(customer, target.definition, made.answers)
        await envelopes.put(session, response, **form_responses.said(made.answers, warnings, report["provenance"]))
        session.add(response)
        db.mark(session, response, access.holders(customer))
        told = {"migrated_from_id": str(old.id)}
        access.record(session, actor, "form_response.created", "form_response", new_id, person=customer.id, **told)
        await consents.note_use(session, actor, carried, "form_response", new_id)
    try:
        document = await form_responses.stored(session, actor, new_id)
    except IntegrityError:  # the id was taken between the look and the insert, under another customer
        raise offline.id_taken() from None
    return document, orjson.dumps({**report, "form_response_id": str(new_id)})


def _refuse(old: FormResponse, target: forms.StoredForm) -> None:
    if old.status == ResponseStatus.entered_in_error:
        raise Conflict("response_retracted")
    if target.is_withdrawn:
        raise Conflict("form_withdrawn")


def _warnings(customer: Customer, form: rules.FormDefinition, answers: dict[str, Any]) -> list[dict[str, Any]]:
    context = form_responses.context(customer)
    return form_responses.judged(rules.check_answers(form, answers, complete=False, context=context))


async def _carried(
    session: AsyncSession, old: FormResponse, target: rules.FormDefinition
) -> tuple[str, form_migrations.Migrated]:
    """The name of the map, and what it makes of the answers."""
    maps = await forms.maps(session, old.form_key, target.version)
    one = next((one for one in maps if one["from"] == old.form_version), None)
    if one is None:
        raise Conflict("migration_missing")
    source = (await forms.stored(session, old.form_key, old.form_version)).definition
    migration = form_migrations.load_migration(forms_publish.unnamed(one), source, target)
    return one["name"], form_migrations.migrate(migration, old.answers)


def _report(
    old: FormResponse, target: rules.FormDefinition, name: str, made: form_migrations.Migrated
) -> dict[str, Any]:
    said = made.report()
    return {
        "from_version": old.form_version,
        "to_version": target.version,
        "map_name": name,
        "answers": made.answers,
        "provenance": [
            {"pointer": one["pointer"], "source": one["from"], "how": one["how"]} for one in said["provenance"]
        ],
        **{key: said[key] for key in ("unmapped", "dropped", "refused", "open")},
    }
