"""The printed proposal. Nothing of the database is held while a document is set, and who printed what is on record."""

from dataclasses import dataclass
from typing import cast
from uuid import UUID

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, db, reads, reports
from app.access import Actor
from app.domain.dossier import china_date
from app.domain.proposal_filling import report
from app.domain.proposal_report import Language, ProposalError
from app.errors import Conflict, NotFound, Unavailable
from app.models.proposals import Proposal
from app.services import proposals, proposals_opinion

LOOK = "2"  # of the template: another look is another document


@dataclass(frozen=True, slots=True)
class Printable:
    """What is needed to print a proposal; `tag` is the same for the same document."""

    id: UUID
    number: str
    version: int
    tag: bytes
    row: Proposal
    analysis: dict[str, object]


async def prepare(actor: Actor, proposal_id: UUID) -> Printable:
    """The visible proposal and its analysis.

    Raises:
        NotFound: absent or not visible. Gone: its customer is deleted.
    """
    async with db.transaction(actor.org_id) as session:
        row = await proposals.find(session, actor, proposal_id)
        found = await reads.row_in(session, actor.owners, "get_proposal_basis", row.needs_analysis_id)
        if found is None:
            raise NotFound
        analysis = await proposals_opinion.opened(session, actor, found)
    tag = orjson.dumps([LOOK, str(row.id), row.number])
    return Printable(row.id, row.number, row.version, tag, row, analysis)


async def export(actor: Actor, what: Printable, request_id: str) -> bytes:
    """The proposal as a PDF, on record once it is made.

    Raises:
        Conflict: `document_too_large`.
        Unavailable: it could not be set now.
    """
    row = what.row
    try:
        filled = report(
            row.content,
            what.analysis,
            number=row.number,
            prepared_on=china_date(row.recommended_at),
            language=cast("Language", row.language),
        )
    except ProposalError:
        raise Conflict("document_too_large") from None
    try:
        pdf = await reports.render(filled)
    except reports.ReportFailed:
        raise Unavailable("document_unavailable", retry_after=5) from None
    async with db.transaction(actor.org_id) as session:
        session.info["request_id"] = request_id
        _note(session, actor, what)
    return pdf


def _note(session: AsyncSession, actor: Actor, what: Printable) -> None:
    look = {"fields": ["proposal"], "result": "shown", "format": "pdf"}
    access.record(session, actor, "proposal.exported", "proposal", what.id, person=what.row.customer_id, **look)
