"""Choosing a password: changing one's own, and what the rules of an organisation say of any.

Hashing takes its time and happens outside any transaction; whoever writes the result looks again whether what it was
based on still holds.
"""

from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from app import access, db, guesses
from app import passwords as rules
from app.access import Actor
from app.errors import Invalid, Issue, Unauthenticated
from app.models.base import utc_now
from app.models.organizations import Organization, PasswordForm
from app.models.sessions import LoginSession, PasswordChange
from app.models.users import User
from app.services import sessions, sessions_login


async def change(actor: Actor, data: PasswordChange, request_id: str) -> None:
    """Replace the caller's password; every other session of his ends.

    Raises:
        Unauthenticated: `step_up_failed`: the present password is wrong, or was replaced meanwhile.
        Invalid: the new one is weak (`password_…`) or the present one again.
        TooManyRequests: `too_many_guesses`.
    """
    buckets = await sessions_login.spend_own(actor, request_id)
    known = await sessions_login.right_hash(actor, data.current_password)
    if known is None:
        await _note_refusal(actor, request_id)
        raise Unauthenticated("step_up_failed")
    await guesses.give_back(buckets)
    if data.new_password == data.current_password:
        raise Invalid.at("/new_password", "password_unchanged")
    async with db.transaction(actor.org_id) as session:
        user = (await session.exec(_own(actor))).one()
        code, form = await rules_of(session, actor.org_id)
    check(data.new_password, (user.username, user.name, code), form, pointer="/new_password")
    hashed = await sessions.passwords().hash(data.new_password)
    async with db.transaction(actor.org_id) as session:
        session.info["request_id"] = request_id
        user = (await session.exec(_own(actor).with_for_update())).one()
        if user.password_hash != known or not await _is_alive(session, actor):
            raise Unauthenticated("step_up_failed")
        use(user, hashed)
        ended = await sessions.end_all(
            session, actor.org_id, actor.id, reason="password_changed", keep=actor.session_id
        )
        access.record(session, actor, "user.password_changed", "user", actor.id, sessions_ended=ended)


def _own(actor: Actor) -> SelectOfScalar[User]:
    return select(User).where(User.org_id == actor.org_id, User.id == actor.id)


async def _is_alive(session: AsyncSession, actor: Actor) -> bool:
    """A reset that came first has ended the session this change was asked for in."""
    statement = select(LoginSession.id).where(
        LoginSession.org_id == actor.org_id, LoginSession.id == actor.session_id, col(LoginSession.revoked_at).is_(None)
    )
    return (await session.exec(statement.with_for_update(read=True))).first() is not None


async def _note_refusal(actor: Actor, request_id: str) -> None:
    async with db.transaction(actor.org_id) as session:
        session.info["request_id"] = request_id
        sessions.note(session, actor.id, "session.step_up_refused", "session", actor.session_id)


def use(user: User, hashed: str) -> None:
    """Set the password of a locked user. The caller audits it and ends sessions."""
    user.password_hash = hashed
    user.password_changed_at = user.updated_at = utc_now()


async def rules_of(session: AsyncSession, org_id: UUID) -> tuple[str, PasswordForm]:
    """The code of the organisation, which no password may contain, and the form its passwords must have."""
    code = (await session.exec(select(Organization.code).where(Organization.id == org_id))).one()
    return code, PasswordForm((await sessions.settings_of(session, org_id)).password_form)


def check(password: str, context: tuple[str, ...], form: PasswordForm, *, pointer: str) -> None:
    """Refuse a weak password.

    Raises:
        Invalid: `password_…`, at `pointer`.
    """
    try:
        rules.check_strength(password, context, form.value)
    except rules.WeakPassword as weak:
        raise Invalid(issues=[Issue(f"password_{weak.code}", pointer=pointer)]) from None
