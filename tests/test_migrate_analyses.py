"""What step 0012 makes of the needs analyses of the former release."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from uuid_utils.compat import uuid7

from app import keyring, migrate, vault
from app.config import Settings
from app.crypto import FieldCipher
from app.domain import forms
from app.domain.household_single import life_result
from app.domain.needs import LifeNeedResult, life_input_from_answers, life_need
from app.envelopes import merged, texts
from app.models.base import china_today
from app.models.needs_analyses import NeedsAnalysis
from tests.library_forms import FORMS
from tests.life_form import ANSWERS
from tests.test_migrate import fill, former

__all__ = ["former"]

_SAID: dict[str, dict[str, Any]] = {
    "a gap": ANSWERS,
    "no cover": {**ANSWERS, "existing_cover": 0},
    "no need": {"family_expense": 100, "support_years": 1, "liquid_assets": 10**13, "existing_cover": 5},
}


def found(answers: dict[str, Any]) -> LifeNeedResult:
    return life_need(life_input_from_answers(forms.effective_answers(FORMS["needs.life"], answers)))


async def store(connection: asyncpg.Connection, org: UUID, customer: UUID, result: LifeNeedResult) -> UUID:
    """An analysis as the former release kept it."""
    response, analysis, user = uuid7(), uuid7(), uuid7()
    await connection.execute(
        "INSERT INTO form_responses (org_id, id, customer_id, form_key, form_version, content_hash, status, answers, "
        "recorded_by, completed_at, created_digest) "
        "VALUES ($1, $2, $3, 'needs.life', '1.0.0', '-', 'completed', '{}', $4, now(), '')",
        org, response, customer, user,
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO needs_analyses (org_id, id, customer_id, form_response_id, method_code, method_version, need_fen, "
        "existing_cover_fen, gap_fen, result, prepared_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        org, analysis, customer, response, result.method_code, result.method_version, result.need_fen,
        result.existing_cover_fen, result.gap_fen, orjson.dumps(result.to_json()).decode(), user,
    )  # fmt: skip
    return analysis


async def cipher_of(connection: asyncpg.Connection, org: UUID, person: UUID) -> FieldCipher:
    """The cipher of a customer of a database no service runs on; this process has its keyring."""
    session: Any = SimpleNamespace(info={"raw": connection, "org_id": org})
    return await vault.of_person(session, org, person)


@pytest.mark.usefixtures("api")
async def test_analyses_of_the_former_release_keep_every_figure(former: str, settings: Settings) -> None:
    connection = await asyncpg.connect(former)
    try:
        org, people, _ = await fill(connection)
        results = {name: found(answers) for name, answers in _SAID.items()}
        ids = {name: await store(connection, org, people["one"], result) for name, result in results.items()}
        await migrate.upgrade(former, app_role="renmai_app", keys=keyring.derive(settings))
        key = await cipher_of(connection, org, people["one"])
        for name, analysis in ids.items():
            row = await connection.fetchrow("SELECT * FROM needs_analyses WHERE org_id = $1 AND id = $2", org, analysis)
            said = merged(texts(key, NeedsAnalysis, analysis, row, "summary", "analysis", "facts"))
            assert said["results"] == [life_result(results[name])], name
            assert (row["as_of"], row["supersedes_id"]) == (china_today(), None)
            nothing = ("household", "facts", "affordability", "suitability", "life_event", "diff")
            assert [said[member] for member in nothing] == [None] * len(nothing)
            assert (said["need_fen"], said["gap_fen"]) == (results[name].need_fen, results[name].gap_fen)
    finally:
        await connection.close()
