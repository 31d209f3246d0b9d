"""What `make fuzz` sets out to do: nothing is switched off, and every operation is somebody's business."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from tests import fuzz, fuzz_aims, fuzz_turns
from tests.fuzz_world import ADMIN, AGENT, PEER, Demo
from tests.operations import Operation, operations

REPO = Path(__file__).parents[1]
ALWAYS = {"--workers=1", "--generation-database=none", "--continue-on-failure", "--no-color"}


@pytest.fixture(scope="module")
def every(api: FastAPI) -> list[Operation]:
    return list(operations(api.openapi()))


def _label(operation: Operation) -> str:
    return f"{operation.method.upper()} {operation.path}"


def test_promise_28_no_check_is_switched_off() -> None:
    settings = tomllib.loads((REPO / "tests" / "schemathesis.toml").read_text(encoding="utf-8"))
    assert set(settings) == {"checks"}  # phases, generation and operations are as they come: all of them
    assert [name for name, one in settings["checks"].items() if set(one) != {"expected-statuses"}] == []


def test_promise_28_all_phases_run_on_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[list[str]] = []

    class Ended:
        returncode = 0

    def run(command: list[str], **options: Any) -> Ended:
        sent.append(command)
        return Ended()

    monkeypatch.setattr(subprocess, "run", run)
    for phases, _ in fuzz.rounds(fuzz._PHASES):
        fuzz._schemathesis("http://x", {}, 200, 3, [f"--phases={phases}"])
    given = [part.removeprefix("--phases=") for command in sent for part in command if part.startswith("--phases=")]
    assert set(",".join(given).split(",")) == {"examples", "coverage", "fuzzing", "stateful"}
    for command in sent:
        assert set(command) >= ALWAYS
        assert {"--max-examples=200", "--seed=3"} <= set(command)
        assert not [part for part in command if "checks" in part or "exclude" in part]


def test_promise_28_two_users_and_a_peer_sign_in() -> None:
    assert list(fuzz_turns.ROLES) == [AGENT, ADMIN]
    assert set(Demo("http://x", "secret").accounts) == {AGENT, PEER, ADMIN}
    turns = fuzz_turns.Turns()
    assert turns.peers == (AGENT, PEER)  # an administrator may see what an agent has
    assert [caller for _, caller in fuzz.rounds(fuzz._PHASES)] == [None, AGENT, ADMIN]


def test_promise_28_every_operation_has_a_caller_who_may(every: list[Operation]) -> None:
    able = {_label(one): fuzz_turns.callers(_label(one), one.spec.get("security", [])) for one in every}
    assert [label for label, names in able.items() if not names] == []
    both = [label for label, names in able.items() if names == [AGENT, ADMIN]]
    alone = [label for label, names in able.items() if names == [ADMIN]]
    assert len(both) > len(alone) > 10  # the rest acts on the caller himself, or is a partner's


def test_only_what_everybody_may_read_is_not_tried_as_somebody_else(every: list[Operation]) -> None:
    reads = {_label(one) for one in every if one.method == "get"}
    assert reads >= fuzz_turns.SHARED
    assert {label.split("/")[2] for label in fuzz_turns.SHARED} == {
        "teams", "organizations", "forms", "products", "fact-definitions",
    }  # fmt: skip
    turns = fuzz_turns.Turns()
    asked = ("read", "GET /v1/customers/{customer_id}", "CustomerPublic", PEER)
    assert (turns.claim_probe(asked), turns.claim_probe(asked)) == (True, False)
    assert not turns.claim_probe(("read", "GET /v1/teams/{team_id}", "TeamPublic", PEER))


def test_promise_28_every_write_has_a_decision_what_it_may_spoil(every: list[Operation]) -> None:
    writes = {_label(one) for one in every if one.method not in ("get", "head")}
    decided = [*fuzz_turns.SELF, *fuzz_aims.AIMS, *fuzz_aims.HARMLESS]
    assert sorted(decided) == sorted(writes)  # each once: a new one wants a decision, an old one is forgotten
    assert fuzz_aims.BODIES.keys() <= writes


def test_scenario_has_one_caller_however_the_run_is_narrowed() -> None:
    assert fuzz.rounds("stateful") == [("stateful", AGENT), ("stateful", ADMIN)]
    assert fuzz.rounds("fuzzing,stateful")[0] == ("fuzzing", None)
    assert fuzz.rounds("coverage") == [("coverage", None)]


def test_decisions_name_what_would_end_the_run() -> None:
    """What takes an account, a session or a team away is aimed, never left where it falls."""
    taking = re.compile(r"(disable|departure|/password|second-factor|^DELETE /v1/(users|teams|invitations))")
    assert [label for label in fuzz_aims.HARMLESS if taking.search(label)] == []


def test_make_fuzz_takes_several_seeds() -> None:
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    assert "$(SEEDS:%=--seed=%)" in makefile
