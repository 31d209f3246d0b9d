"""Forms of a few items, as tests write them."""

from typing import Any

import pytest

from app.domain import forms
from app.domain.forms import FormDefinition, FormError

LABEL = {"zh": "标签", "en": "Label"}
YES_NO = [{"code": "yes", "label": LABEL}, {"code": "no", "label": LABEL}]


def item(link_id: str, kind: str = "integer", **more: Any) -> dict[str, Any]:
    return {"link_id": link_id, "type": kind, "label": dict(LABEL)} | more


def when(question: str, op: str, value: object) -> dict[str, Any]:
    return {"question": question, "op": op, "value": value}


def raw_form(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"form_key": "test.form", "version": "1.0.0", "title": dict(LABEL), "items": list(items)} | more


def form(*items: dict[str, Any]) -> FormDefinition:
    return forms.load_definition(raw_form(*items))


def publish_error(*items: Any, **more: Any) -> tuple[str, str]:
    with pytest.raises(FormError) as caught:
        forms.load_definition(raw_form(*items, **more))
    return caught.value.code, caught.value.pointer
