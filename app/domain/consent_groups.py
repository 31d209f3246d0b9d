"""Which answers of a form need consent, and to what. Pure data and one walk.

An item of sensitivity `sensitive` that a person answers belongs to one group: by the table, in a form of an
organisation's own `other_sensitive`, and of the built-in forms everything else is money. Whatever a form calls itself,
an identity number is one by its type, and what is asked for a sensitive fact of a dossier is of that fact's group; and
a published form that marks too little is read as if it marked it. What the server calculates from answers needs nothing
of its own.
"""

from collections.abc import Mapping
from typing import Any, Final

from app.domain.consents import FieldGroup
from app.domain.fact_definitions import Catalogue, shipped
from app.domain.form_shapes import FormDefinition, Item

OWN: Final = "org."  # what keys of an organisation's own forms begin with
# Of built-in forms; what is not named here and sensitive is money.
GROUPS: Final[Mapping[str, FieldGroup]] = {
    "child_name": FieldGroup.minors,
    "child_birth_date": FieldGroup.minors,
    "child_social_medical": FieldGroup.minors,
    "education_goal": FieldGroup.minors,
    "education_cost_yearly": FieldGroup.minors,
    "education_fund": FieldGroup.minors,
    "food_avoided": FieldGroup.health,
    "spend_health": FieldGroup.health,
    "medical_yearly": FieldGroup.health,
    "treated": FieldGroup.health,
    "itinerary": FieldGroup.whereabouts,
    "away_until": FieldGroup.whereabouts,
}
# `needs.life` 1.0.0 marks nothing, and a published text never changes. What `needs.fact_find` calls sensitive is so
# here too: incomes, debts, savings, sums insured. Its children have no name and no birthday: their costs are money.
UNMARKED: Final[Mapping[str, frozenset[str]]] = {
    "needs.life": frozenset({
        "spouse_income", "parents_support", "cost", "mortgage", "other_debts", "liquid_assets", "existing_cover",
        "social_benefits",
    }),
}  # fmt: skip
# Contact data of people who are no customers: not sensitive by themselves, but not the customer's to give either.
THIRD_PARTY: Final = frozenset({"relative_name", "relative_phone"})


def names_facts(form: FormDefinition) -> bool:
    """Whether a form asks for facts of dossiers, so that what they are must be known."""
    return any(_fact_keys(place.item) for place in form.index.values())


def of_answers(
    form: FormDefinition, answers: Mapping[str, Any], catalogue: Catalogue | None = None
) -> frozenset[FieldGroup]:
    """The groups these answers need consent to; empty where nothing sensitive is answered.

    Args:
        catalogue: what the organisation knows of facts; None: what the product does.
    """
    facts = catalogue or shipped()
    places = (form.index.get(link_id) for link_id in _answered(answers))
    groups = (group_of(form.form_key, place.item, facts) for place in places if place is not None)
    return frozenset(group for group in groups if group is not None)


def group_of(form_key: str, item: Item, facts: Catalogue) -> FieldGroup | None:
    """The group an item's answer belongs to; None where it needs no consent of its own."""
    is_own = form_key.startswith(OWN)
    if not is_own and item.link_id in THIRD_PARTY:
        return FieldGroup.third_party
    if item.calculated is not None:
        return None
    if item.type == "id_number":
        return FieldGroup.identity
    for key in _fact_keys(item):
        fact = facts.current(key)
        if fact is not None and fact.needs_consent:
            return fact.group
    if item.sensitivity != "sensitive" and item.link_id not in UNMARKED.get(form_key, ()):
        return None
    if is_own:
        return FieldGroup.other_sensitive
    return GROUPS.get(item.link_id, FieldGroup.financial)


def _fact_keys(item: Item) -> list[str]:
    """The facts an item is answered from, or as which its answer is recorded: `dossier.<dossier>.<key>`."""
    paths = (path for path in (item.extract, item.prefill) if path is not None and path.startswith("dossier."))
    return [path.split(".", 2)[2] for path in paths]


def _answered(answers: Mapping[str, Any]) -> set[str]:
    """The items with an answer, in rows too."""
    found: set[str] = set()
    for link_id, value in answers.items():
        if value is None or value == []:
            continue
        found.add(link_id)
        for row in value if isinstance(value, list) else ():
            if isinstance(row, Mapping):
                found |= {key for key, cell in row.items() if cell is not None and cell != []}
    return found
