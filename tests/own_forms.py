"""A form of an organisation's own as tests publish it."""

import copy
from typing import Any, Final
from uuid import uuid4

import httpx

from tests.life_form import complete, exact

KEY: Final = "org.pet_cover"
_PET: Final[dict[str, Any]] = {
    "form_key": KEY,
    "version": "1.0.0",
    "title": {"zh": "宠物保障", "en": "Pet cover"},
    "subject": "individual",
    "items": [
        {"link_id": "pet_name", "type": "text", "label": {"zh": "宠物叫什么？", "en": "What is the pet called?"},
         "max": 50, "required": True, "sensitivity": "personal"},
        {"link_id": "kind", "type": "choice", "label": {"zh": "是什么宠物？", "en": "What kind of pet is it?"},
         "options": [{"code": "dog", "label": {"zh": "狗", "en": "Dog"}},
                     {"code": "cat", "label": {"zh": "猫", "en": "Cat"}}]},
        {"link_id": "monthly", "type": "money", "label": {"zh": "每月花费？", "en": "What does it cost a month?"},
         "min": 0, "max": 10_000_000},
        {"link_id": "yearly", "type": "money", "label": {"zh": "每年花费", "en": "Cost a year"},
         "calculated": {"expr": ["mul", ["answer", "monthly"], 12], "round": "fen"},
         "constraints": [{"key": "dear", "severity": "warning", "expr": ["<", ["answer", "yearly"], 1_200_000],
                          "message": {"zh": "花费较高", "en": "That is a lot"}}]},
        {"link_id": "walks", "type": "integer", "label": {"zh": "每天遛几次？", "en": "How many walks a day?"},
         "min": 0, "max": 10, "enable_when": [{"question": "kind", "op": "=", "value": "dog"}]},
    ],
}  # fmt: skip
ANSWERS: Final[dict[str, Any]] = {"pet_name": "旺财", "kind": "dog", "monthly": 50_000, "walks": 2}


def pet(version: str = "1.0.0", **over: Any) -> dict[str, Any]:
    """The definition; `over` replaces its members."""
    return {**copy.deepcopy(_PET), "version": version, **over}


def pet_two() -> dict[str, Any]:
    """A major version: walks are called outings, the breed is asked, the kind is asked no more."""
    two = pet("2.0.0", derived_from="1.0.0")
    walks = two["items"].pop()
    del two["items"][1], walks["enable_when"]
    two["items"].append({**walks, "link_id": "outings"})
    two["items"].append({"link_id": "breed", "type": "text", "max": 50,
                         "label": {"zh": "是什么品种？", "en": "What breed is it?"}})  # fmt: skip
    return two


MAP: Final = {"name": "遛狗改称外出", "from": "1.0.0", "to": "2.0.0", "moves": [{"from": "walks", "to": "outings"}]}


async def publish(admin: httpx.AsyncClient, definition: dict[str, Any], *migrations: dict[str, Any]) -> dict[str, Any]:
    """The published version."""
    answer = await admin.post("/v1/forms", json={"definition": definition, "migrations": list(migrations)})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = exact(answer)
    return made


async def start(client: httpx.AsyncClient, customer_id: str, version: str = "1.0.0", **over: Any) -> httpx.Response:
    """The answer to a new draft."""
    body = {"customer_id": customer_id, "form_key": KEY, "form_version": version, "answers": ANSWERS, **over}
    return await client.post("/v1/form-responses", json=body)


async def completed(client: httpx.AsyncClient, customer_id: str, version: str = "1.0.0", **over: Any) -> dict[str, Any]:
    """A completed response."""
    answer = await complete(client, (await start(client, customer_id, version, **over)).json(), uuid4().hex)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = exact(answer)
    return made
