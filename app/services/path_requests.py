"""Asking a colleague for an introduction: he finds a task about his own customer, and who asks.

The caller never learns who the customer is. What he sends back is the sealed id he got with the path; the colleague is
told who asks, and the two talk.
"""

import base64
from datetime import timedelta
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, crypto, db, keyring
from app.access import Actor
from app.errors import Conflict, Invalid
from app.models.base import china_today, utc_now
from app.models.customers import Customer
from app.models.network_paths import Colleague
from app.models.organizations import OrganizationSettings
from app.models.path_requests import PathRequestCreate, PathRequestPublic
from app.models.rights_requests import Objectionable
from app.models.tasks import SubjectType, Task, TaskKind
from app.models.users import User
from app.services import rights_requests_objections, tasks

GOOD_FOR = timedelta(days=7)
ANSWER_WITHIN = timedelta(days=3)


def token(actor: Actor, customer_id: str, owner_id: str) -> str:
    """The sealed id of somebody the actor does not see, and whose he is: for a week, and for the actor only."""
    text = f"{customer_id} {owner_id} {int(utc_now().timestamp())}"
    sealed = crypto.seal_text(keyring.current().paths, _place(actor), text)
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")


async def create(session: AsyncSession, actor: Actor, data: PathRequestCreate) -> bytes:
    """Put it on the colleague's list; while it stands there open, asking again changes nothing.

    Raises:
        Invalid: `request_token_invalid`: another's, older than a week, or the customer is gone, seen by now, or
            somebody else's customer: the caller is not told whose.
        Conflict: `cross_agent_paths_closed`: the organisation does not allow it any more; `purpose_objected`.
    """
    await access.stay(session, actor)
    if not await _is_open(session, actor.org_id):
        raise Conflict("cross_agent_paths_closed")
    customer, owner = await _asked(session, actor, *_opened(actor, data.request_token))
    await rights_requests_objections.check(session, actor.org_id, [customer.id], Objectionable.introductions)
    if await _task(session, actor, customer) is None:
        tasks.ask_colleague(session, actor, customer, china_today() + ANSWER_WITHIN)
    answer = PathRequestPublic(colleague=Colleague(id=owner.id, name=owner.name))
    return answer.model_dump_json().encode()


def _place(actor: Actor) -> bytes:
    return actor.org_id.bytes + actor.id.bytes


def _opened(actor: Actor, text: str) -> tuple[UUID, UUID]:
    try:
        sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        customer_id, owner_id, made = crypto.open_text(keyring.current().paths, _place(actor), sealed).split(" ")
    except (crypto.CryptoError, ValueError):
        raise Invalid.at("/request_token", "request_token_invalid") from None
    if int(made) < (utc_now() - GOOD_FOR).timestamp():
        raise Invalid.at("/request_token", "request_token_invalid")
    return UUID(customer_id), UUID(owner_id)


async def _is_open(session: AsyncSession, org_id: UUID) -> bool:
    statement = select(OrganizationSettings.are_cross_agent_paths_allowed).where(OrganizationSettings.org_id == org_id)
    return bool((await session.exec(statement)).first())


async def _asked(session: AsyncSession, actor: Actor, customer_id: UUID, owner_id: UUID) -> tuple[Customer, User]:
    """The customer, who stays with his owner until this ends, and the owner. Nobody asks himself."""
    statement = select(Customer).where(
        col(Customer.org_id) == actor.org_id, col(Customer.id) == customer_id, col(Customer.deleted_at).is_(None)
    )
    customer = (await session.exec(statement.with_for_update(read=True))).first()
    is_seen = actor.owners is None or owner_id in actor.owners
    if customer is None or customer.owner_id != owner_id or is_seen:
        raise Invalid.at("/request_token", "request_token_invalid")
    named = select(User).where(col(User.org_id) == actor.org_id, col(User.id) == customer.owner_id)
    return customer, (await session.exec(named)).one()


async def _task(session: AsyncSession, actor: Actor, customer: Customer) -> Task | None:
    """The same request, if it is open. Requests of one caller queue up behind each other."""
    lock = "SELECT 1 FROM users WHERE org_id = $1 AND id = $2 FOR NO KEY UPDATE"
    await db.raw(session).execute(lock, actor.org_id, actor.id)
    statement = select(Task).where(
        col(Task.org_id) == actor.org_id,
        col(Task.customer_id) == customer.id,
        col(Task.kind) == TaskKind.answer_colleague,
        col(Task.subject_type) == SubjectType.user,
        col(Task.subject_id) == actor.id,
        col(Task.done_at).is_(None),
        col(Task.deleted_at).is_(None),
    )
    return (await session.exec(statement)).first()
