"""The trail of one person in words he understands: what was done, with what kind of data, what for (zh, en)."""

from collections.abc import Iterable, Mapping
from typing import Final

Words = tuple[str, str]

KINDS: Final[Mapping[str, Words]] = {
    "viewed": ("查看", "Looked at"),
    "revealed": ("查看未脱敏信息", "Seen in clear"),
    "exported": ("导出", "Taken out as a file"),
    "created": ("录入", "Recorded"),
    "changed": ("修改", "Changed"),
    "deleted": ("删除", "Deleted"),
    "transferred": ("转交其他代理人", "Handed over to another agent"),
    "consented": ("个人信息同意", "Consent"),
    "requested": ("个人信息权利请求", "Request about personal data"),
}
DATA: Final[Mapping[str, Words]] = {
    "profile": ("基本资料", "Profile"),
    "contact": ("联系方式", "Contact details"),
    "identity": ("身份证件", "Identity document"),
    "note": ("备注", "Notes"),
    "dossier": ("客户档案", "Dossier"),
    "answers": ("问卷回答", "Answers to a form"),
    "analysis": ("需求分析", "Needs analysis"),
    "proposal": ("方案建议书", "Proposal"),
    "tolerance": ("风险承受能力", "Risk tolerance"),
    "coverage": ("保障情况", "Cover"),
    "family": ("家庭关系", "Family"),
    "relationships": ("人脉关系", "Relationships"),
    "introductions": ("转介绍", "Introductions"),
    "tasks": ("待办事项", "Tasks"),
    "consents": ("授权同意", "Consents"),
    "rights": ("权利请求", "Requests about personal data"),
    "other": ("其他", "Other"),
}
PURPOSES: Final[Mapping[str, Words]] = {
    "application": ("投保申请", "Application for cover"),
    "underwriting": ("核保", "Underwriting"),
    "servicing": ("保单服务", "Servicing a policy"),
    "service": ("客户服务", "Service"),
    "claim": ("理赔", "Claim"),
    "identity_check": ("身份核验", "Identity check"),
    "correction": ("更正信息", "Correction"),
    "advice": ("需求分析与建议", "Advice"),
    "proactive_contact": ("主动联系", "Being contacted"),
    "introductions": ("转介绍", "Introductions"),
    "partner_sharing": ("向合作机构提供", "Sharing with a partner"),
}
ROLES: Final[Mapping[str, Words]] = {
    "agent": ("代理人", "Agent"),
    "manager": ("主管", "Manager"),
    "admin": ("管理员", "Administrator"),
    "auditor": ("审计员", "Auditor"),
    "partner": ("合作机构", "Partner"),
    "service": ("系统", "The service"),
}

_VERBS: Final[Mapping[str, str]] = {
    "viewed": "viewed", "listed": "viewed", "explained": "viewed", "recalculated": "viewed", "drafted_from": "viewed",
    "revealed": "revealed", "exported": "exported", "created": "created", "deleted": "deleted", "erased": "deleted",
    "contents_erased": "deleted", "transferred": "transferred",
}  # fmt: skip
_NOUNS: Final[Mapping[str, str]] = {
    "customer": "profile", "company": "profile", "shadow_contact": "profile", "dossier": "dossier",
    "dossier_fact": "dossier", "fact": "dossier", "form_response": "answers", "prefill": "answers",
    "needs_analysis": "analysis", "proposal": "proposal", "tolerance_assessment": "tolerance",
    "coverage": "coverage", "coverage_answer": "coverage", "kin": "family", "network": "relationships",
    "relationship": "relationships", "relationship_interaction": "relationships", "introduction": "introductions",
    "recommendation": "introductions", "task": "tasks", "consent": "consents", "rights_request": "rights",
    "legal_hold": "rights",
}  # fmt: skip
_FIELDS: Final[Mapping[str, str]] = {
    "phones": "contact", "emails": "contact", "addresses": "contact", "contact_masked": "contact",
    "id_number": "identity", "id_type": "identity", "id_number_masked": "identity", "note": "note",
}  # fmt: skip
_NAMED = ("customer", "shadow_contact", "company")  # whose fields say more than their noun


def kind_of(action: str) -> str:
    """The key of KINDS for an action `noun.verb`."""
    noun, _, verb = action.partition(".")
    if _VERBS.get(verb) == "viewed":
        return "viewed"
    if noun == "consent":
        return "consented"
    if noun in ("rights_request", "legal_hold"):
        return "requested"
    return _VERBS.get(verb, "changed")


def data_of(action: str, fields: Iterable[str]) -> list[str]:
    """The keys of DATA an event touched, in the order of DATA: by the names of the fields, or by its noun."""
    noun = action.partition(".")[0]
    usual = _NOUNS.get(noun, "other")
    if noun not in _NAMED:
        return [usual]
    named = {"dossier" if name.startswith("dossier") else _FIELDS.get(name, usual) for name in fields}
    return [key for key in DATA if key in (named or {usual})]
