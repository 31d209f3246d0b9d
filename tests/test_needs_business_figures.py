"""The published figures that are no family's need, over HTTP: an organisation's own form computes them.

What an agency loses, whom a disappointed customer tells, and a newspaper's rule of thumb are no methods of the
product: none is a present value of a need. The form engine reproduces each to the last digit all the same, and the
weights of service quality are those of the form that is shipped.
"""

from decimal import Decimal
from typing import Any

from tests.factories import World, create_customer
from tests.life_form import complete, exact
from tests.own_forms import publish
from tests.small_forms import LABEL, item
from tests.vectors import needs_vectors


def _dec(text: str) -> Any:
    return ["dec", text]


# The figure's id, its expression, its value.
PLAN = ["add", ["mul", _dec("1.6"), _dec("0.97"), _dec("0.83")], ["mul", 6, _dec("0.98"), _dec("0.9")]]
FIGURES: dict[str, tuple[Any, str]] = {
    "SEED-01": (PLAN, "6.58016"),
    "SEED-02": (["sub", _dec("7.6"), PLAN], "1.01984"),
    "SEED-03": (["div", ["mul", 1, 100_000_000], 1000], "100000"),
    "SEED-04": (["add", 1, 11, ["mul", 11, 5]], "67"),
    "SEED-05": (["round", ["mul", 67, _dec("0.25")], "integer"], "17"),
    "SEED-06": (["mul", 4, 12, 30], "1440"),
    "SEED-07": (["div", ["div", ["div", 1440, 2], 2], 2], "180"),
    "SEED-08": (["mul", 6, 10], "60"),
    "HEUR-01": (["mul", 25, _dec("0.5"), 12, ["add", 1, _dec("0.05")]], "157.5"),
}


def link(figure: str) -> str:
    return figure.lower().replace("-", "_")


async def test_figures_of_the_business_are_computed_by_a_form_of_ones_own(world: World) -> None:
    calculated = [
        item(link(figure), "decimal", calculated={"expr": expr, "round": "none"})
        for figure, (expr, _) in FIGURES.items()
    ]
    form = {"form_key": "org.business", "version": "1.0.0", "title": LABEL, "items": calculated}
    await publish(world.admin, form)
    customer = await create_customer(world.agent)
    body = {"customer_id": customer["id"], "form_key": "org.business", "form_version": "1.0.0", "answers": {}}
    draft = await world.agent.post("/v1/form-responses", json=body)
    done = await complete(world.agent, draft.json())
    assert done.status_code == 201, done.text
    found = exact(done)["answers"]
    assert {figure: Decimal(found[link(figure)]) for figure in FIGURES} == {
        figure: Decimal(value) for figure, (_, value) in FIGURES.items()
    }


async def test_weights_of_service_quality_are_the_published_ones(world: World) -> None:
    shown = exact(await world.agent.get("/v1/forms/service.rater"))
    (weights,) = (one for one in shown["definition"]["items"] if one["link_id"] == "weights")
    defaults = {one["link_id"].split("_")[0]: one["default"] for one in weights["items"] if "default" in one}
    assert defaults == {"reliability": 32, "responsiveness": 22, "assurance": 19, "empathy": 16, "tangibles": 11}
    assert sum(defaults.values()) == 100


def test_figures_are_those_of_the_file() -> None:
    listed = needs_vectors()
    assert listed["SQ-01"]["expected"] == 100
    assert {figure: Decimal(str(listed[figure]["expected"])) for figure in FIGURES} == {
        figure: Decimal(value) for figure, (_, value) in FIGURES.items()
    }
