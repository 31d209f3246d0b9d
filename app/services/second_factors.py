"""The second factor: enrol an authenticator (TOTP, RFC 6238), confirm it, check its codes, take it away."""

import hmac
import secrets
import time
from uuid import UUID

import pyotp
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, crypto, keyring
from app.access import Actor
from app.errors import Conflict, Invalid, NotFound
from app.models.base import utc_now
from app.models.second_factors import RecoveryCode, RecoveryCodes, SecondFactor, SecondFactorNew
from app.models.users import User

STEP_SECONDS = 30
_ISSUER = "Renmai"
_CODES = 10
_DIGITS = 6  # of the authenticator; a recovery code has twelve characters
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # nothing that is read wrong from paper; 12 of them are 59 bits


async def of(session: AsyncSession, org_id: UUID, user_id: UUID) -> SecondFactor | None:
    """The confirmed second factor of a user, locked: its last step is about to move."""
    found = await _any_of(session, org_id, user_id)
    return found if found is not None and found.confirmed_at is not None else None


async def _any_of(session: AsyncSession, org_id: UUID, user_id: UUID) -> SecondFactor | None:
    statement = select(SecondFactor).where(
        SecondFactor.org_id == org_id, SecondFactor.user_id == user_id, col(SecondFactor.deleted_at).is_(None)
    )
    return (await session.exec(statement.with_for_update())).first()


async def enrol(session: AsyncSession, actor: Actor) -> SecondFactorNew:
    """A new secret; one that was never confirmed is replaced.

    Raises:
        Conflict: `second_factor_exists`.
    """
    user = await _own(session, actor)
    before = await _any_of(session, actor.org_id, actor.id)
    if before is not None and before.confirmed_at is not None:
        raise Conflict("second_factor_exists")
    if before is not None:
        before.deleted_at = utc_now()
        await session.flush()
    secret, factor_id = pyotp.random_base32(), uuid7()
    cipher = await keyring.field_cipher(session, actor.org_id)
    sealed = cipher.seal("second_factors", "secret", factor_id, secret)
    session.add(SecondFactor(org_id=actor.org_id, id=factor_id, user_id=actor.id, secret_enc=sealed))
    await session.flush()
    access.record(session, actor, "second_factor.enrolled", "second_factor", factor_id)
    uri = pyotp.TOTP(secret).provisioning_uri(name=user.username, issuer_name=_ISSUER)
    return SecondFactorNew(secret=secret, otpauth_uri=uri)


async def _own(session: AsyncSession, actor: Actor) -> User:
    """The caller's own account, locked: two devices may enrol at once."""
    statement = select(User).where(User.org_id == actor.org_id, User.id == actor.id)
    return (await session.exec(statement.with_for_update())).one()


async def confirm(session: AsyncSession, actor: Actor, code: str) -> RecoveryCodes:
    """Count from now on; the recovery codes are made and shown here only.

    Raises:
        Conflict: `second_factor_absent`: nothing waits to be confirmed.
        Invalid: the code is wrong.
    """
    user = await _own(session, actor)
    factor = await _any_of(session, actor.org_id, actor.id)
    if factor is None or factor.confirmed_at is not None:
        raise Conflict("second_factor_absent")
    if not await _take_step(session, factor, code):
        raise Invalid.at("/code", "code_wrong")
    factor.confirmed_at = user.updated_at = utc_now()
    codes = ["-".join(_word() for _ in range(3)) for _ in range(_CODES)]
    session.add_all(
        RecoveryCode(org_id=factor.org_id, second_factor_id=factor.id, code_hash=_hash(factor, one)) for one in codes
    )
    access.record(session, actor, "second_factor.confirmed", "second_factor", factor.id)
    return RecoveryCodes(recovery_codes=codes)


def _word() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(4))


def _hash(factor: SecondFactor, code: str) -> bytes:
    plain = code.replace("-", "").upper()
    return crypto.keyed_hash(keyring.current().recovery, factor.id.bytes + plain.encode())


async def take(session: AsyncSession, factor: SecondFactor, code: str) -> bool:
    """Whether the code is right; a right one is used up, a step of the clock as well as a recovery code."""
    if len(code) == _DIGITS:
        return await _take_step(session, factor, code)
    statement = (
        update(RecoveryCode)
        .where(
            col(RecoveryCode.org_id) == factor.org_id,
            col(RecoveryCode.second_factor_id) == factor.id,
            col(RecoveryCode.code_hash) == _hash(factor, code),
            col(RecoveryCode.used_at).is_(None),
        )
        .values(used_at=utc_now())
    )
    return (await session.exec(statement)).rowcount == 1


async def _take_step(session: AsyncSession, factor: SecondFactor, code: str) -> bool:
    """A code is good for its time step and one either way, and never for a step at or before the last one taken."""
    cipher = await keyring.field_cipher(session, factor.org_id, factor.secret_enc)
    totp = pyotp.TOTP(cipher.open("second_factors", "secret", factor.id, factor.secret_enc))
    now = int(time.time()) // STEP_SECONDS
    right = [step for step in (now - 1, now, now + 1) if hmac.compare_digest(totp.generate_otp(step), code)]
    if not right or max(right) <= factor.last_step:
        return False
    factor.last_step = max(right)
    return True


async def remove(session: AsyncSession, actor: Actor, user: User) -> None:
    """Take it away: the user's own, or that of somebody who lost his phone.

    Raises:
        NotFound: there is none.
    """
    factor = await discard(session, user)
    if factor is None:
        raise NotFound
    access.record(session, actor, "second_factor.removed", "second_factor", factor.id, user_id=str(user.id))


async def discard(session: AsyncSession, user: User) -> SecondFactor | None:
    """What was taken away from a locked user; None when there was none. The caller audits it."""
    factor = await _any_of(session, user.org_id, user.id)
    if factor is not None:
        factor.deleted_at = user.updated_at = utc_now()
    return factor


async def remove_own(session: AsyncSession, actor: Actor) -> None:
    """Take the caller's own second factor away.

    Raises:
        NotFound: there is none.
    """
    await remove(session, actor, await _own(session, actor))
