"""How long a form at its limits takes to be judged: `python -m bench.forms`, a few seconds, no database.

Four forms, all invented. "at the limits": 500 items, as many as publishing lets pass, with conditions, constraints and
calculations, and with rows 1,000 answers. "beyond": 1,000 items of the same kinds, twice what may be published.
"chained": 16 calculations, each reading the ones before, in the shape of a published risk score. "costliest": as much
evaluation as publishing lets pass (`expr_budget`). The limit of the same run is reading and writing the same answers as
JSON; CPU time, the best of several rounds.
"""

import json
import time
from collections.abc import Callable
from datetime import date
from typing import Any
from unittest.mock import patch

from app.domain import form_definitions, forms
from bench import report

TARGET_MS = 20.0
ROUNDS, TURNS = 7, 5
_LABEL = {"zh": "标签", "en": "Label"}
_OPTIONS = [{"code": f"o{n}", "label": _LABEL, "weight": f"{n}.5"} for n in range(5)]
_CONTEXT = forms.Context(as_of=date(2026, 1, 31), birth_date=date(1980, 5, 20), gender="female")


def item(link_id: str, kind: str, **more: Any) -> dict[str, Any]:
    """An item as a definition writes it."""
    return {"link_id": link_id, "type": kind, "label": _LABEL, **more}


def rule(expr: Any) -> list[dict[str, Any]]:
    """One constraint."""
    return [{"key": "rule", "severity": "error", "expr": expr, "message": _LABEL}]


def form(*items: dict[str, Any]) -> forms.FormDefinition:
    """A published form of these items."""
    return forms.load_definition({"form_key": "bench.form", "version": "1.0.0", "title": _LABEL, "items": list(items)})


def flat(count: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The gate and five items for each of so many: conditions in a chain, rules, calculations."""
    items, answers = [item("gate", "boolean")], dict[str, Any]({"gate": True})
    for n in range(count):
        before = f"money_{n - 1}" if n else "gate"
        when = {"question": before, "op": ">=", "value": 0} if n else {"question": "gate", "op": "=", "value": True}
        cap = ["<=", ["answer", f"money_{n}"], ["mul", ["add", ["answer", f"money_{n}"], 7], ["dec", "1.5"]]]
        total = ["round", ["mul", ["add", ["answer", f"money_{n}"], 100], ["dec", "0.035"]], "fen"]
        items += [
            item(f"money_{n}", "money", enable_when=[when]),
            item(f"count_{n}", "integer", min=0, max=99, constraints=rule(cap)),
            item(f"pick_{n}", "choice", options=_OPTIONS),
            item(f"text_{n}", "text", max=200, required=True),
            item(f"total_{n}", "money", calculated={"expr": total, "round": "fen"}),
        ]
        answers |= {
            f"money_{n}": 1000 + n,
            f"count_{n}": n % 100,
            f"pick_{n}": f"o{n % 5}",
            f"text_{n}": "中文答案" * 10,
        }
    return items, answers


def beyond() -> tuple[forms.FormDefinition, dict[str, Any]]:
    """1,000 items, each answered or calculated, with the limit of publishing lifted."""
    items, answers = flat(199)
    items += [item(f"date_{n}", "date") for n in range(4)]
    answers |= {f"date_{n}": "2026-01-31" for n in range(4)}
    with patch.object(form_definitions, "MAX_ITEMS", 1000):
        return form(*items), answers


def at_the_limits() -> tuple[forms.FormDefinition, dict[str, Any]]:
    """500 items; the answers outside rows and 28 in each of 20 rows."""
    items, answers = flat(91)
    columns = [item(f"cost_{n}", "money") for n in range(27)]
    share = ["mul", ["div", ["answer", "cost_0"], ["sum", ["rows", "cost_0"]]], 10_000]
    columns.append(item("share", "percent", calculated={"expr": share, "round": "integer"}))
    items.append(item("rows", "group", repeats=True, items=columns))
    answers["rows"] = [{f"cost_{n}": 100 + n for n in range(27)} for _ in range(20)]
    rest = 500 - 1 - 5 * 91 - 1 - len(columns)
    items += [item(f"date_{n}", "date") for n in range(rest)]
    answers |= {f"date_{n}": "2026-01-31" for n in range(rest)}
    return form(*items), answers


def chained() -> tuple[forms.FormDefinition, dict[str, Any]]:
    """16 calculations, each about 25 nodes, each reading the two before it."""
    inputs = ["age", "total", "good", "pressure"]
    items = [item(name, "decimal", required=True) for name in inputs] + [item("smoker", "boolean")]
    for n in range(16):
        one = ["answer", f"step_{n - 1}" if n else "age"]
        two = ["answer", f"step_{n - 2}" if n > 1 else "total"]
        base = ["add", ["mul", one, ["dec", "0.0521"]], ["mul", two, ["dec", "-0.2041"]], ["dec", "2.302585"]]
        more = ["if", ["and", ["=", ["answer", "smoker"], True], [">", ["answer", "pressure"], 120]],
                ["mul", ["sub", ["answer", "pressure"], 120], ["dec", "0.0179"]], ["dec", "0.0012"]]  # fmt: skip
        items.append(item(f"step_{n}", "decimal", calculated={"expr": ["div", ["add", base, more], ["dec", "1.37"]]}))
    return form(*items), {"age": "61", "total": "180", "good": "47", "pressure": "124", "smoker": True}


def costliest() -> tuple[forms.FormDefinition, dict[str, Any]]:
    """10 calculations in 20 rows, each of 66 quotients of 34 digits: the slowest operation as often as a form may."""
    quotient = ["div", ["answer", "over"], ["answer", "under"]]
    total = {"expr": ["add", *[quotient] * 66]}
    columns = [item(f"total_{n}", "decimal", calculated=total) for n in range(10)]
    outside = [item("over", "decimal"), item("under", "decimal")]
    definition = form(*outside, item("rows", "group", repeats=True, items=columns))
    long = {"over": "999999999999999.123456789123456789", "under": "888888888888888.987654321987654321"}
    return definition, long | {"rows": [{} for _ in range(20)]}


def cpu_ms(act: Callable[[], object]) -> float:
    """CPU milliseconds of one call, the best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(TURNS):
            act()
        best = min(best, (time.process_time() - begun) / TURNS * 1000)
    return best


def measure(name: str, definition: forms.FormDefinition, answers: dict[str, Any]) -> tuple[float, str]:
    """The milliseconds of judging, and a line of the table."""
    judged = forms.judge(definition, answers, complete=True, context=_CONTEXT)
    assert judged.issues == [], judged.issues[:3]
    values = judged.effective.values
    given = sum(sum(map(len, value)) if isinstance(value, list) else 1 for value in values.values())
    text = json.dumps(answers)
    limit = cpu_ms(lambda: json.dumps(json.loads(text)))
    taken = cpu_ms(lambda: forms.judge(definition, answers, complete=True, context=_CONTEXT))
    return taken, f"| {name} | {len(definition.index)} | {given} | {taken:.2f} | {taken / limit:.1f} |"


def main() -> None:
    """Measure the forms and write their section; the exit status says whether they keep the target."""
    cases = (("at the limits", at_the_limits), ("beyond", beyond), ("chained", chained), ("costliest", costliest))
    told = [measure(name, *make()) for name, make in cases]
    head = f"| form | items | values | ms CPU (target {TARGET_MS:.0f}) | times reading and writing the JSON |"
    report.tell("forms", "Judging a form", [head, "|---|---|---|---|---|", *(line for _, line in told)])
    raise SystemExit(max(taken for taken, _ in told) >= TARGET_MS)


if __name__ == "__main__":
    main()
