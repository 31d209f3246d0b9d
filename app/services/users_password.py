"""Choosing a password: changing one's own, and setting the one an invitation asks for."""

from uuid import UUID

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, db, guesses
from app import passwords as rules
from app.access import Actor
from app.errors import Invalid, Issue, Unauthenticated
from app.models.base import utc_now
from app.models.organizations import Organization, PasswordForm
from app.models.sessions import PasswordChange
from app.models.users import User
from app.services import sessions, sessions_login


async def change(actor: Actor, data: PasswordChange, request_id: str) -> None:
    """Replace the caller's password; every other session of his ends.

    Raises:
        Unauthenticated: `step_up_failed`: the present password is wrong.
        Invalid: the new one is weak (`password_…`) or the present one again.
        TooManyRequests: `too_many_guesses`.
    """
    buckets = await sessions_login.spend_own(actor, request_id)
    if not await sessions_login.is_password(actor, data.current_password):
        raise Unauthenticated("step_up_failed")
    await guesses.give_back(buckets)
    if data.new_password == data.current_password:
        raise Invalid.at("/new_password", "password_unchanged")
    async with db.transaction(actor.org_id) as session:
        session.info["request_id"] = request_id
        user = await _own(session, actor)
        await choose(session, user, data.new_password, pointer="/new_password")
        ended = await sessions.end_all(
            session, actor.org_id, actor.id, reason="password_changed", keep=actor.session_id
        )
        access.record(session, actor, "user.password_changed", "user", actor.id, sessions_ended=ended)


async def _own(session: AsyncSession, actor: Actor) -> User:
    statement = select(User).where(User.org_id == actor.org_id, User.id == actor.id)
    return (await session.exec(statement.with_for_update())).one()


async def choose(session: AsyncSession, user: User, password: str, *, pointer: str) -> None:
    """Set the password of a locked user. The caller audits it and ends sessions.

    Raises:
        Invalid: it is weak; the issue stands at `pointer`.
    """
    code, form = await rules_of(session, user.org_id)
    check(password, (user.username, user.name, code), form, pointer=pointer)
    user.password_hash = await sessions.passwords().hash(password)
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
