"""Where the fuzzer's operations on forms and responses are aimed: at versions and responses in a state that fits."""

from typing import Any, TypeAlias

from tests.fuzz_aims import is_stateful, is_to_replace
from tests.fuzz_chance import Chance
from tests.fuzz_consents import of_money
from tests.fuzz_households import MOVED, new_form
from tests.fuzz_turns import asker
from tests.fuzz_world import ADMIN, AGENT, DEMO

Case: TypeAlias = Any

_OPEN = ("draft", "in_progress")


def aim_response(case: Case, chance: Chance) -> None:
    """What is completed cannot change, and completing needs all answers: most writes get a draft that is ready."""
    given = case.path_parameters
    path = f"/v1/form-responses/{given['form_response_id']}"
    found = None if is_to_replace(case, "form_response_id", path, chance) else DEMO.read(path, asker(case))
    if found is not None and found["status"] in _OPEN and found["form_key"] != "needs.life":
        found = None  # what was migrated, say: the answers that are drawn would not fit it
    if found is not None and found["status"] in _OPEN:
        of_money(found["customer_id"])
    is_after = case.path.endswith(("/amend", "/retract"))
    is_unfit = found is not None and (found["status"] in _OPEN) is is_after
    if case.method == "GET":
        given["form_response_id"] = chance.choice(DEMO.responses) if found is None else found["id"]
    elif found is None or chance.is_sure or (is_unfit and not is_stateful(case) and not chance.errs(0.3)):
        given["form_response_id"] = _response_for(case, chance, is_after)
    elif case.path.endswith("/complete") and found["status"] in _OPEN:
        DEMO.fill_in(found, chance, asker(case))


def _response_for(case: Case, chance: Chance, is_after: bool) -> str:
    """A completed response, or a draft that is ready; the next case gets the same one if it still is."""

    def make(who: str) -> str:
        draft = DEMO.draft(chance, of_money(DEMO.new_person()))
        return str((DEMO.complete(draft) if is_after else draft)["id"])

    if is_stateful(case):
        return make(AGENT)
    return DEMO.lend(case.operation.label, AGENT, make, is_used_up=case.method == "POST")


def aim_form(case: Case, chance: Chance) -> None:
    """A published form; half of those that are to be withdrawn are the organisation's own, the others cannot be.

    The one that answers are migrated in stays published.
    """
    if chance.errs(0.1) and not str(case.path_parameters["form_key"]).startswith(MOVED):
        return
    if case.path.endswith("/withdraw") and not chance.errs(0.5):
        key = new_form(ADMIN) if is_stateful(case) else DEMO.lend("form_key", ADMIN, new_form, is_used_up=True)
        found = {"form_key": key, "form_version": "1.0.0"}
    else:
        is_shipped = case.path.endswith("/withdraw")
        form = chance.choice([one for one in DEMO.items("/v1/forms") if not (is_shipped and "org." in one["form_key"])])
        found = {"form_key": form["form_key"], "form_version": form["version"]}
    case.path_parameters.update({name: value for name, value in found.items() if name in case.path_parameters})
