"""Where the fuzzer's operations on introductions and tasks are aimed: most of them at things in a state that fits."""

from typing import Any, TypeAlias

from app.domain.introductions import STEPS, may_follow
from tests import fuzz_repair as repair
from tests.fuzz_aims import is_drawn, is_stateful
from tests.fuzz_chance import Chance
from tests.fuzz_world import DEMO

Case: TypeAlias = Any
Body: TypeAlias = dict[str, Any]


def _new(who: str, *steps: str) -> dict[str, Any]:
    """An introduction between two persons nobody else knows of, which has gone these steps."""
    body = {"introducer_id": DEMO.new_person(), "target_id": DEMO.new_person()}
    answer = DEMO.ask("POST", "/v1/introductions", who, json=body)
    assert answer.status_code == 201, answer.text
    for step in steps:
        found = answer.json()
        body = {"status": step, **({"reason": "no_need"} if step == "declined" else {})}
        headers = {"If-Match": f'"{found["version"]}"'}
        answer = DEMO.ask("POST", f"/v1/introductions/{found['id']}/advance", who, json=body, headers=headers)
        assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def aim_introduction(case: Case, chance: Chance, who: str) -> None:
    """What was captured is kept while it is there; of the unknown ones, one in ten."""
    given, verb = case.path_parameters, f"{case.method} {case.operation.path}".rsplit("/", 1)[-1]
    if _is_kept(case, "introduction_id", "/v1/introductions", chance, who):
        return
    made = _new(who, "declined") if verb == "reopen" and not chance.errs(0.3) else _new(who)
    if verb == "restore" and not chance.errs(0.3):
        headers = {"If-Match": f'"{made["version"]}"'}
        assert DEMO.ask("DELETE", f"/v1/introductions/{made['id']}", who, headers=headers).status_code == 204
    given["introduction_id"] = made["id"]


def aim_task(case: Case, chance: Chance, who: str) -> None:
    """Likewise."""
    if not _is_kept(case, "task_id", "/v1/tasks", chance, who):
        owed = _new(who, "introduced")["introducer"]["id"]
        case.path_parameters["task_id"] = DEMO.items(f"/v1/tasks?customer_id={owed}", who)[0]["id"]


def _is_kept(case: Case, member: str, collection: str, chance: Chance, who: str) -> bool:
    if chance.is_sure:
        return False
    status = DEMO.ask("GET", f"{collection}/{case.path_parameters[member]}", who).status_code
    if status == 404:
        return not is_stateful(case) and not is_drawn(case, member) and chance.errs(0.1)
    return is_drawn(case, member) and (status != 410 or str(case.operation.path).endswith("/restore"))


def new_introduction(case: Case, body: Body, chance: Chance) -> Body:
    """Both ends are new, or the second of two would be a conflict; so there is no tie between them to name."""
    body |= {"introducer_id": DEMO.new_person(), "target_id": DEMO.new_person()}
    body.pop("relationship_id", None)
    if "asked_on" in body:
        body["asked_on"] = repair.past_day(body["asked_on"])
    return body


def next_step(case: Case, body: Body, chance: Chance, who: str) -> Body:
    """A step that may follow, with a reason where it is declined; one in ten goes back or nowhere (409)."""
    found = DEMO.read(f"/v1/introductions/{case.path_parameters['introduction_id']}", who)
    if found is None:
        return body
    able = [step for step in (*STEPS, "declined") if may_follow(found["status"], step)]
    if able and body["status"] not in able and not chance.errs(0.1):
        body["status"] = chance.choice(able)
    if "happened_on" in body:
        body["happened_on"] = max(repair.past_day(body["happened_on"]), found["status_on"])
    if body["status"] == "declined":
        body.setdefault("reason", "not_now")
    else:
        body.pop("reason", None)
    return body
