"""The error tree and how an error looks on the wire.

    AppError
    ├── Malformed            400  the request cannot be read
    ├── Unauthenticated      401  nobody we know
    │   ├── ProofRefused     401  the device's key was not proven
    │   └── StepUpRequired   401  known, but too long ago
    ├── Forbidden            403  visible, but not allowed
    │   └── ConsentMissing   403  the person has not agreed to it
    │   └── CustomerRestricted 403 stored only: nobody reads or changes anything of him
    ├── NotFound             404  absent, or not yours
    ├── MethodNotAllowed     405
    ├── Conflict             409  against the current state
    ├── Gone                 410  deleted, can still be restored
    ├── PreconditionFailed   412  somebody was faster
    ├── TooLarge             413
    ├── UriTooLong           414
    ├── UnsupportedMedia     415
    ├── Invalid              422  well-formed, but a rule is broken
    ├── PreconditionRequired 428  If-Match is missing
    ├── TooManyRequests      429
    ├── HeadersTooLarge      431
    └── Unavailable          503  try again

`code` is stable and never changes with the language; `title` and the messages do (zh-CN, en). An error never
repeats what the client sent: only where it was (`pointer`, `parameter`, `header`) and which rule it broke.
"""

import re
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, ClassVar, Literal, Self

import orjson

from app.error_words import MESSAGES, TITLES

Language = Literal["zh-CN", "en"]


@dataclass(frozen=True, slots=True)
class Issue:
    """One broken rule: where (one of pointer, parameter, header; none where something is missing) and which."""

    code: str
    pointer: str | None = None
    parameter: str | None = None
    header: str | None = None
    message: tuple[str, str] | None = None  # zh, en; default: MESSAGES[code]

    def to_json(self, language: Language) -> dict[str, str]:
        place = {"pointer": self.pointer, "parameter": self.parameter, "header": self.header}
        zh, en = self.message or MESSAGES.get(self.code, MESSAGES["invalid"])
        where = {key: value for key, value in place.items() if value is not None}
        return {**where, "code": self.code, "message": zh if language == "zh-CN" else en}


class AppError(Exception):
    """Anything the client is told. `extra` members are ids, versions and counts: never a person's data."""

    status: ClassVar[int] = 500
    code: str = "internal"

    def __init__(
        self,
        code: str | None = None,
        *,
        issues: Sequence[Issue] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.code = code or type(self).code
        super().__init__(self.code)
        self.issues = tuple(issues)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    def below(self, place: str) -> Self:
        """The same error, of a part of the body that stands at `place`."""
        moved = copy(self)
        moved.issues = tuple(replace(issue, pointer=f"{place}{issue.pointer or ''}") for issue in self.issues)
        return moved


class Malformed(AppError):
    status, code = 400, "malformed"


class Unauthenticated(AppError):
    status, code = 401, "unauthenticated"

    def __init__(self, code: str | None = None, **kwargs: Any) -> None:
        super().__init__(code, **kwargs)
        self.headers.setdefault("WWW-Authenticate", 'Bearer realm="renmai"')


class ProofRefused(Unauthenticated):
    """The proof of the device's key (DPoP, RFC 9449) is missing, wrong, or was seen before.

    Args:
        nonce: a fresh one, when the same phone would succeed with it (`use_dpop_nonce`).
    """

    def __init__(self, code: str = "dpop_proof_invalid", *, nonce: str | None = None) -> None:
        error = "invalid_dpop_proof" if nonce is None else "use_dpop_nonce"
        headers = {"WWW-Authenticate": f'DPoP realm="renmai", error="{error}", algs="ES256"'}
        if nonce is not None:
            code, headers["DPoP-Nonce"] = "dpop_nonce_required", nonce
        super().__init__(code, headers=headers)


class StepUpRequired(Unauthenticated):
    """The caller must prove once more that he is there (RFC 9470): `POST /v1/auth/step-up`, then try again."""

    def __init__(self, max_age: int) -> None:
        challenge = f'Bearer realm="renmai", error="insufficient_user_authentication", max_age="{max_age}"'
        super().__init__("step_up_required", headers={"WWW-Authenticate": challenge}, extra={"max_age": max_age})


class Forbidden(AppError):
    status, code = 403, "forbidden"


class ConsentMissing(Forbidden):
    """A person has not consented, or not any more.

    Args:
        purpose, groups: code words of what he would have to consent to; nothing of what was sent.
    """

    def __init__(self, purpose: str, groups: Sequence[str]) -> None:
        issues = [Issue(f"consent_{group}") for group in groups]
        super().__init__("consent_missing", issues=issues, extra={"purpose": purpose, "field_groups": list(groups)})


class CustomerRestricted(Forbidden):
    """What is known of the customer is only stored (PIPL 47): why, and until when; null: until it is lifted."""

    code = "customer_restricted"

    def __init__(self, *, restriction: str, until: date | None) -> None:
        super().__init__(extra={"reason": restriction, "until": None if until is None else until.isoformat()})


class NotFound(AppError):
    status, code = 404, "not_found"


class MethodNotAllowed(AppError):
    status, code = 405, "method_not_allowed"


class Conflict(AppError):
    status, code = 409, "conflict"


class Gone(AppError):
    status, code = 410, "gone"


class PreconditionFailed(AppError):
    """The stored version differs. The answer carries the current one, so that the phone can merge."""

    status, code = 412, "version_stale"

    def __init__(self, current: int) -> None:
        super().__init__(extra={"current_version": current}, headers={"ETag": f'"{current}"'})


class TooLarge(AppError):
    status, code = 413, "too_large"


class UriTooLong(AppError):
    status, code = 414, "uri_too_long"


class UnsupportedMedia(AppError):
    status, code = 415, "media_type_unsupported"


class Invalid(AppError):
    status, code = 422, "invalid"

    @classmethod
    def at(cls, pointer: str, code: str) -> "Invalid":
        """One broken rule at one JSON pointer."""
        return cls(issues=[Issue(code, pointer=pointer)])


class PreconditionRequired(AppError):
    status, code = 428, "if_match_missing"


class TooManyRequests(AppError):
    status, code = 429, "quota_exceeded"


class HeadersTooLarge(AppError):
    status, code = 431, "headers_too_large"


class Unavailable(AppError):
    status, code = 503, "unavailable"

    def __init__(self, code: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(code, headers={"Retry-After": str(retry_after)})


_RANGE = re.compile(r"\s*([A-Za-z*][A-Za-z0-9*-]{0,20})\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*")


def pick_language(accept_language: str | None) -> Language:
    """zh-CN unless the caller prefers English (RFC 9110 12.5.4; anything unreadable counts as zh-CN)."""
    best: tuple[float, Language] = (0.0, "zh-CN")
    for part in (accept_language or "")[:200].split(","):
        found = _RANGE.fullmatch(part)
        if found is None:
            continue
        tag, weight = found[1].lower(), float(found[2] or 1)
        known: Language | None = "en" if tag.startswith("en") else "zh-CN" if tag.startswith(("zh", "*")) else None
        if known is not None and weight > best[0]:
            best = (weight, known)
    return best[1]


def problem(error: AppError, *, language: Language, request_id: str) -> tuple[bytes, dict[str, str]]:
    """The problem+json body (RFC 9457) and the headers of one error."""
    zh, en = TITLES.get(error.code, TITLES["internal"])
    body: dict[str, Any] = {
        "type": f"/problems/{error.code.replace('_', '-')}",
        "title": zh if language == "zh-CN" else en,
        "status": error.status,
        "code": error.code,
        "request_id": request_id,
        **error.extra,
    }
    if error.issues:
        body["errors"] = [issue.to_json(language) for issue in error.issues[:50]]
    headers = {
        "Content-Type": "application/problem+json",
        "Content-Language": language,
        **error.headers,
    }
    return orjson.dumps(body), headers
