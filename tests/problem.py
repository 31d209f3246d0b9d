"""The one way tests look at an error: RFC 9457, house members only, the same id in header and body."""

from typing import Any

import httpx

from app.error_words import TITLES

_MEMBERS = {"type", "title", "status", "code", "request_id", "errors", "current_version", "required_scope",
            "max_age", "purpose", "field_groups"}  # fmt: skip
# How to prove oneself where it is not said by the realm alone.
_CHALLENGES = {
    "dpop_proof_invalid": 'DPoP realm="renmai", error="invalid_dpop_proof"',
    "dpop_nonce_required": 'DPoP realm="renmai", error="use_dpop_nonce"',
    "step_up_required": 'Bearer realm="renmai", error="insufficient_user_authentication"',
}


def assert_problem(answer: httpx.Response, status: int, code: str, *places: tuple[str, str]) -> dict[str, Any]:
    """Fails unless `answer` is exactly this problem.

    Args:
        places: (where, issue code) of each entry of `errors`, in order: `/pointer`, `?parameter` or `header:`.

    Returns:
        The body.
    """
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body: dict[str, Any] = answer.json()
    assert set(body) <= _MEMBERS
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"/problems/{code.replace('_', '-')}"
    language = answer.headers["content-language"]
    assert body["title"] == TITLES[code][("zh-CN", "en").index(language)]
    assert body["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["cache-control"] == "no-store"
    found = []
    for issue in body.get("errors", ()):
        for kind, spelling in (("pointer", "{}"), ("parameter", "?{}"), ("header", "{}:")):
            found += [(spelling.format(issue[kind]), issue["code"])] if kind in issue else []
        assert issue["message"]
    assert found == list(places)
    if status == 401:
        assert answer.headers["www-authenticate"].startswith(_CHALLENGES.get(code, 'Bearer realm="renmai"'))
    if status in (429, 503):
        assert int(answer.headers["retry-after"]) >= 1
    if status == 405:
        assert answer.headers["allow"]
    return body
