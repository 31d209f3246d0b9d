"""The error tree and how an error looks on the wire.

    AppError
    ├── Malformed            400  the request cannot be read
    ├── Unauthenticated      401  nobody we know
    │   ├── ProofRefused     401  the device's key was not proven
    │   └── StepUpRequired   401  known, but too long ago
    ├── Forbidden            403  visible, but not allowed
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
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import orjson

Language = Literal["zh-CN", "en"]

# code → (title zh, title en); /problems/{code} shows both.
TITLES: dict[str, tuple[str, str]] = {
    "malformed": ("请求无法读取", "The request cannot be read"),
    "json_invalid": ("请求内容不是有效的 JSON", "The body is not valid JSON"),
    "cursor_invalid": ("翻页标记无效或已过期", "The cursor is invalid, stale or belongs to another query"),
    "idempotency_key_missing": ("缺少 Idempotency-Key", "The Idempotency-Key header is required here"),
    "unauthenticated": ("请先登录", "Sign in first"),
    "login_failed": ("机构、用户名或密码不正确", "Organisation, user name or password is wrong"),
    "refresh_invalid": ("登录已失效,请重新登录", "The session has ended; sign in again"),
    "second_factor_required": ("请输入动态验证码", "The code of the second factor is needed"),
    "step_up_required": ("请重新验证身份", "Prove again that it is you: too much time has passed"),
    "step_up_failed": ("验证失败", "The password or code is wrong"),
    "dpop_proof_invalid": ("设备密钥证明无效", "The proof of the device's key does not hold"),
    "dpop_nonce_required": ("设备密钥证明需要新的随机数", "The device's proof needs the nonce of this answer"),
    "dpop_required": ("本机构要求绑定设备密钥", "This organisation admits only devices with a key of their own"),
    "own_session_unbound": (
        "请先用带设备密钥的会话登录",
        "Sign in with a device key first, or this would shut you out as well",
    ),
    "invitation_invalid": ("邀请无效、已使用或已过期", "The invitation is unknown, used, taken back or expired"),
    "too_many_guesses": ("尝试次数过多,请稍后再试", "Too many tries; wait, or use a device that signed in before"),
    "second_factor_exists": ("已绑定动态验证码", "A second factor is enrolled already"),
    "second_factor_absent": ("尚未绑定动态验证码", "No second factor is waiting to be confirmed"),
    "username_taken": ("用户名已被使用", "The user name is taken"),
    "user_departed": ("该用户已离职", "The user has left"),
    "last_admin": ("至少保留一名管理员", "An organisation keeps at least one administrator"),
    "own_account": ("不能对自己的账号执行此操作", "Nobody does this to his own account"),
    "team_in_use": ("团队仍有成员、下级或客户", "Somebody or something still belongs to the team"),
    "team_kind": ("团队类型不符", "This is for the other kind of team"),
    "too_many_customers": ("客户太多,请分批转移", "Too many customers for one hand-over; transfer some first"),
    "too_many_rows": ("数据太多,请缩小导出范围", "Too many rows for one export; narrow it by stage or tag"),
    "forbidden": ("没有权限", "Not allowed"),
    "pending_change_password": ("请先修改密码", "The password must be changed first"),
    "pending_enrol_second_factor": ("请先绑定动态验证码", "A second factor must be enrolled first"),
    "scope_missing": ("缺少所需权限范围", "The caller lacks the scope this operation needs"),
    "not_found": ("找不到", "Not found"),
    "method_not_allowed": ("不支持该方法", "Method not allowed"),
    "conflict": ("与当前状态冲突", "Conflict with the current state"),
    "id_taken": ("该编号已用于其他内容", "This id already holds something else"),
    "id_number_taken": ("该证件号码在本机构已登记", "This ID number is already recorded in the organisation"),
    "relationship_exists": ("该关系已存在", "This relationship is already recorded"),
    "response_completed": ("问卷已完成,不能再修改", "The form response is completed and cannot change"),
    "form_withdrawn": ("该版本问卷已停用", "This form version is no longer accepted"),
    "customer_not_individual": ("仅适用于个人客户", "This is for individuals, not for organisations"),
    "fact_superseded": ("该信息已被其他记录取代", "Another record has taken the place of this fact"),
    "retry": ("请重试", "Another request was faster; try again"),
    "gone": ("已删除,可恢复", "Deleted; it can be restored"),
    "version_stale": ("内容已被修改,请先刷新", "Somebody changed it meanwhile; read it again"),
    "too_large": ("请求内容过大", "The body is too large"),
    "uri_too_long": ("网址过长", "The address is too long"),
    "media_type_unsupported": ("不支持的内容类型", "Unsupported media type"),
    "invalid": ("内容不符合规则", "A rule is broken"),
    "idempotency_key_reused": (
        "Idempotency-Key 已用于其他请求",
        "The Idempotency-Key was used for another request",
    ),
    "if_match_missing": ("缺少 If-Match", "The If-Match header is required here"),
    "request_timeout": ("请求超时", "The body took too long to arrive"),
    "quota_exceeded": ("请求过于频繁", "Too many requests"),
    "headers_too_large": ("请求头过大", "The headers are too large"),
    "internal": ("服务内部错误", "Internal error"),
    "unavailable": ("服务暂不可用,请稍后再试", "Temporarily unavailable; try again"),
}

# Messages of single fields: code → (zh, en). Unknown codes fall back to "invalid".
MESSAGES: dict[str, tuple[str, str]] = {
    "invalid": ("值无效", "is not valid"),
    "missing": ("必填", "is required"),
    "unknown": ("未知字段", "is not a known member"),
    "repeated": ("不能重复", "may be given only once"),
    "null_not_allowed": ("不能为空", "may not be null"),
    "type": ("类型不正确", "has the wrong type"),
    "too_short": ("太短", "is too short"),
    "too_long": ("太长", "is too long"),
    "out_of_range": ("超出范围", "is out of range"),
    "pattern": ("格式不正确", "has the wrong format"),
    "choice": ("不在可选范围内", "is not one of the choices"),
    "date_invalid": ("日期不存在", "is not a date that exists"),
    "id_number_format": ("身份证号码格式不正确", "is not the form of a resident ID number"),
    "id_number_checksum": ("身份证号码校验位不正确", "has a wrong check digit"),
    "id_number_date": ("身份证号码中的日期不存在", "contains a date that does not exist"),
    "id_number_needs_upgrade": ("15位身份证号码已停用,请录入18位", "is a 15-digit number; enter the 18-digit one"),
    "id_number_century_unknown": ("请核对出生世纪后录入18位号码", "leaves the century open; enter the 18-digit number"),
    "phone_extension": ("请去掉分机号", "carries an extension; leave it out"),
    "date_empty": ("至少填写一项", "has no part at all"),
    "date_day_without_month": ("有日必须有月", "has a day without a month"),
    "date_year_range": ("年份超出范围", "has a year out of range"),
    "date_month_range": ("月份超出范围", "has a month out of range"),
    "date_leap_month": ("该年没有这个闰月", "names a leap month that does not exist"),
    "date_day_range": ("该月没有这一天", "names a day this month does not have"),
    "id_number_taken": ("该证件号码已登记", "is already recorded in this organisation"),
    "uscc_format": ("统一社会信用代码格式不正确", "is not the form of a USCC"),
    "uscc_checksum": ("统一社会信用代码校验位不正确", "has a wrong check digit"),
    "phone_invalid": ("电话号码无效", "is not a phone number that can be called"),
    "name_empty": ("姓名不能为空", "is empty"),
    "name_control": ("含有控制字符", "contains control characters"),
    "name_invisible": ("含有不可见字符", "contains invisible characters"),
    "name_too_long": ("姓名太长", "is too long"),
    "name_private_use": ("含有非标准字(自造字)", "contains private-use characters"),
    "same_customer": ("不能与自己建立关系", "must be another customer"),
    "not_found": ("找不到", "was not found"),
    "until_before_since": ("结束日期早于开始日期", "ends before it begins"),
    "code_wrong": ("验证码错误", "is wrong"),
    "password_unchanged": ("与当前密码相同", "is the present password"),
    "in_future": ("不能晚于今天", "lies in the future"),
    "password_too_short": ("密码至少需要12个字符", "is shorter than 12 characters"),
    "password_too_long": ("密码最多128个字符", "is longer than 128 characters"),
    "password_characters": ("密码含有无法保存的字符", "contains characters that cannot be kept"),
    "password_common": ("密码太常见,容易被猜到", "is, or is built on, one that is guessed first"),
    "password_repeated": ("密码中重复的内容太多", "is mostly repetition"),
    "password_sequence": ("密码中连续的字母或数字太多", "is mostly letters or digits in their order"),
    "password_keyboard": ("密码中键盘上相邻的字符太多", "is mostly neighbours on the keyboard"),
    "password_context": (
        "密码不能包含姓名、用户名、电话或机构名称",
        "contains a name, phone number or word of its owner",
    ),
    "password_classes": (
        "密码须包含大写字母、小写字母、数字、其他符号中的至少三类",
        "needs three of four: capital letters, small letters, digits, other signs",
    ),
    "result_out_of_range": ("计算结果超出范围", "lead to a result too large to be exact"),
}


@dataclass(frozen=True, slots=True)
class Issue:
    """One broken rule: where (exactly one of pointer, parameter, header) and which."""

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
