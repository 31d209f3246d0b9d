"""What opening sealed facts costs in CPU: `.venv/bin/python -m bench.dossiers`, a few seconds, no database.

A dossier with 12 facts whose values are all shown, from the row the database gives to the bytes of the answer: the key
of the person is unwrapped, 12 values are opened. Beside it, in the same run, turn by turn: the same answer without
opening anything. Budget: 1 ms of CPU for the difference.
"""

import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import orjson

from app import crypto, vault
from app.crypto import FieldCipher
from app.domain import fact_definitions as definitions
from app.domain.fact_definitions import Catalogue, DossierName
from app.models.dossiers_view import DossierQuery
from app.services import dossiers_view
from app.services.dossiers_read import TABLE, VALUE, Reader
from app.services.fact_definitions import Known
from bench import report

BUDGET_MS, FACTS, TURNS, REPEATS = 1.0, 12, 300, 10
ORG, PERSON, DAY = UUID(int=1), UUID(int=2), date(2026, 11, 23)
_FOOD = definitions.shipped_text()["food", 1]


def catalogue() -> Catalogue:
    """Definitions of class C1, one for each fact."""
    own = [{**_FOOD, "key": f"org.food_{n}", "dossier": "personal"} for n in range(FACTS)]
    return Catalogue([definitions.definition_of(one) for one in own])


def row(cipher: FieldCipher) -> dict[str, Any]:
    """What the statement of a dossier answers."""
    ids = [UUID(int=100 + n) for n in range(FACTS)]
    facts: list[dict[str, Any]] = [
        {
            "id": str(one), "fact_key": f"org.food_{n}", "definition_version": 1, "source": "customer",
            "teller_id": None, "basis": None, "observed_on": "2026-11-20", "confidence": None, "consent_ids": [],
            "review_by": None, "recorded_by": {"id": str(ORG), "name": "林知秋"},
            "recorded_at": "2026-11-20T04:00:00.000000Z", "is_kept": False, "version": 1,
        }
        for n, one in enumerate(ids)
    ]  # fmt: skip
    text = "周末带孩子去东湖绿道骑车,晚饭常在楼下的粥铺"
    return {
        "facts": orjson.dumps(facts).decode(),
        "sealed": [vault.seal_json(cipher, TABLE, VALUE, one, text) for one in ids],
        "tellers": [None] * FACTS,
        "stages": None,
        "staged": None,
        "version": FACTS,
    }


def cpu_ms(work: Callable[[], object]) -> float:
    """CPU milliseconds of one run, of several in a row."""
    begun = time.process_time()
    for _ in range(REPEATS):
        work()
    return (time.process_time() - begun) * 1000 / REPEATS


def main() -> None:
    """Print both, and fail over the budget."""
    organisation = FieldCipher(ORG, {1: crypto.new_key()}, 1)
    wrapped = [organisation.wrap_person_key(PERSON, 1, crypto.new_key())]
    known = Known(catalogue(), {}, {})
    found, query = row(organisation.person(PERSON, wrapped)), DossierQuery()

    def answer(cipher: FieldCipher | None) -> bytes:
        eye = Reader(known, cipher)
        return dossiers_view.compose(eye, PERSON, DossierName.personal, found, query, DAY, "zh-CN")

    def opened() -> bytes:
        return answer(organisation.person(PERSON, wrapped))

    assert opened().count("粥铺".encode()) == FACTS
    assert "粥铺".encode() not in answer(None)
    with_opening, without = [], []
    for _ in range(TURNS):
        with_opening.append(cpu_ms(opened))
        without.append(cpu_ms(lambda: answer(None)))
    shown, bare = statistics.median(with_opening), statistics.median(without)
    lines = [
        f"* a dossier of {FACTS} facts, CPU: opened {shown:.3f} ms, without opening {bare:.3f} ms",
        f"* opening {FACTS} values and the key of the person adds {shown - bare:.3f} ms (budget {BUDGET_MS} ms)",
    ]
    report.tell("dossiers", "Opening the facts of a dossier", lines)
    if shown - bare >= BUDGET_MS:
        sys.exit("over the budget")


if __name__ == "__main__":
    main()
