"""What `make fuzz` sets out to do: nothing is switched off, and every operation is somebody's business."""

import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from tests import fuzz, fuzz_aims, fuzz_turns
from tests.fuzz_chance import Chance
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
    assert set(settings) == {"checks", "operations"}  # phases and generation are as they come
    for loosened in (settings, *settings["operations"]):
        assert [name for name, one in loosened["checks"].items() if set(one) != {"expected-statuses"}] == []
    (special,) = settings["operations"]
    assert set(special) == {"include-operation-id", "checks"}  # no operation is left out
    assert set(special["checks"]) == {"positive_data_acceptance"}


def test_promise_28_all_phases_run_on_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[list[str]] = []

    class Ended:
        returncode, stdout = 0, ""

    def run(command: list[str], **options: Any) -> Ended:
        sent.append(command)
        return Ended()

    monkeypatch.setattr(subprocess, "run", run)
    for phases, _ in (one for lane in fuzz.lanes(fuzz._PHASES) for one in lane):
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
    shared = {"teams", "organizations", "forms", "products", "consent-texts", "fact-definitions"}
    assert {label.split("/")[2] for label in fuzz_turns.SHARED} == shared
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


def test_lanes_leave_no_round_out() -> None:
    both = [("coverage", None)], [("examples,fuzzing", None), ("stateful", AGENT), ("stateful", ADMIN)]
    assert fuzz.lanes(fuzz._PHASES) == [*both]
    assert fuzz.lanes("coverage") == [both[0]]
    assert fuzz.lanes("stateful") == [both[1][1:]]


def test_operation_no_lane_reached_fails_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = ["GET /a", "GET /b"]
    for reached, status in ((["GET /b"], 0), ([], 1)):
        outcomes = [fuzz._Outcome(0, wanted, Counter(labels)) for labels in (["GET /a"], reached)]
        monkeypatch.setattr(fuzz, "_lane", lambda *_given, left=outcomes: left.pop())
        assert fuzz._run(15, 1, fuzz._PHASES, []) == status
    assert "Never: GET /b" in capsys.readouterr().out


def test_operation_errs_only_after_it_has_succeeded() -> None:
    chance = Chance("seed")
    chance.is_sure = True
    assert not any(chance.errs(0.9) for _ in range(100))
    chance.is_sure = False
    assert any(chance.errs(0.9) for _ in range(100))


def test_thing_is_lent_again_until_it_is_gone() -> None:
    demo, made = Demo("http://x", "secret"), iter("abcd")

    def lend(*, is_used_up: bool) -> str:
        return demo.lend("proposal", AGENT, lambda _who: next(made), is_used_up=is_used_up)

    told = []
    for status, is_used_up in ((422, True), (201, True), (201, False), (404, False), (200, False)):
        told.append(lend(is_used_up=is_used_up))
        demo.returned(status)
    assert told == ["a", "a", "b", "b", "c"]


def test_decisions_name_what_would_end_the_run() -> None:
    """What takes an account, a session or a team away is aimed, never left where it falls."""
    taking = re.compile(r"(disable|departure|/password|second-factor|^DELETE /v1/(users|teams|invitations))")
    assert [label for label in fuzz_aims.HARMLESS if taking.search(label)] == []


def test_make_fuzz_takes_several_seeds() -> None:
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    assert "$(SEEDS:%=--seed=%)" in makefile


def test_what_a_case_has_spoilt_is_not_lent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    demo, made, states = Demo("http://x", "secret"), iter("abc"), {"a": "completed", "b": "completed", "c": "completed"}
    monkeypatch.setattr(demo, "read", lambda path, _who: {"status": states[path[-1]]} if path[-1] in states else None)

    def lend() -> str:
        return demo.lend_whole("fact_find", AGENT, lambda _who: next(made), "/v1/form-responses")

    told = [lend(), lend()]
    states["a"] = "entered_in_error"
    told += [lend(), lend()]
    del states["b"]
    told.append(lend())
    assert told == ["a", "a", "b", "b", "c"]
