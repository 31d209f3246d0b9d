"""What a person is shown before he decides: the notice items of PIPL 17, 23 and 30, and the text made of them.

Every purpose and every group of data has a built-in text in Chinese and English. It names the organisation; one that
hands data on names the recipient and how to reach him, so of those none is built in before it is known who that is.
What is hashed is the whole text, exactly as it is shown.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from app.domain.consents import SEPARATE, FieldGroup, Purpose

TextLanguage = Literal["zh", "en"]
LANGUAGES: Final[tuple[TextLanguage, ...]] = ("zh", "en")
BUILT_IN: Final = 1  # the version of the built-in texts


@dataclass(frozen=True, slots=True)
class Recipient:
    """To whom data are handed on, and how the person reaches him."""

    name: str
    contact: str


@dataclass(frozen=True, slots=True)
class Notice:
    """The items a person must be told, in one language.

    Attributes:
        who: the name of whoever processes the data, and how to reach him.
        necessity, effect: why sensitive data are needed, and what that means for the person; None for general data.
    """

    who: str
    purpose: str
    method: str
    kinds: str
    retention: str
    rights: str
    necessity: str | None = None
    effect: str | None = None


_Words = tuple[str, str]  # zh, en
_PURPOSES: Final[Mapping[Purpose, _Words]] = {
    Purpose.advice: (
        "了解您的保障需求，进行需求分析并制作保险计划书",
        "To learn what protection you need, analyse it and prepare insurance proposals",
    ),
    Purpose.underwriting: (
        "为您的投保申请进行核保并订立保险合同",
        "To have your application for insurance assessed and the contract concluded",
    ),
    Purpose.service: (
        "为您办理保全、理赔等保单服务",
        "To serve your policies: changes, claims and questions",
    ),
    Purpose.proactive_contact: (
        "在生日、保单重要日期及有适合您的服务时主动与您联系",
        "To contact you on birthdays, on important days of your policies and when a service may suit you",
    ),
    Purpose.introductions: (
        "在您认可时，经由您结识您的亲友或经由他人与您结识",
        "To be introduced through you to people you know, or to you through them, where you agree",
    ),
    Purpose.partner_sharing: (
        "向下列接收方提供，由其为您提供服务",
        "To hand the data to the recipient named below, who serves you with them",
    ),
}
_METHODS: Final[_Words] = (
    "由您的保险代理人向您本人收集，加密保存，仅供为您服务的人员按权限查看",
    "Collected from you by your insurance agent, kept encrypted, seen only by those who serve you and may see them",
)
_HANDED_ON: Final[_Words] = (
    "加密保存后以加密方式传送给接收方，每次提供均有记录",
    "Kept encrypted and sent encrypted to the recipient; every time it happens is recorded",
)
_RETENTION: Final[_Words] = (
    "至您撤回同意或服务关系结束；法律规定须保存更久的，仅为此保存",
    "Until you withdraw or the relation ends; where the law asks for longer, kept for that alone",
)
_RIGHTS: Final[_Words] = (
    "您可以不同意，不影响其他服务；可随时一次性撤回同意，并可查阅、复制、更正、删除您的信息，请联系您的代理人",
    "You may refuse, and other services stay as they are. You may withdraw at any time in one step, and see, copy, "
    "correct or erase your data: ask your agent",
)
_CONTACT: Final[_Words] = ("请通过您的保险代理人联系", "to be reached through your insurance agent")
_KINDS: Final[Mapping[FieldGroup, _Words]] = {
    FieldGroup.general: (
        "姓名、性别、生日、职业、联系方式等一般信息",
        "Name, gender, birthday, occupation, contact data",
    ),
    FieldGroup.identity: ("身份证件种类、号码及影像", "Kind, number and image of your identity papers"),
    FieldGroup.health: ("健康状况、既往治疗及医疗支出", "State of health, past treatment, medical expenses"),
    FieldGroup.financial: (
        "收入、支出、资产、负债、保额及账户信息",
        "Income, spending, assets, debts, sums insured, accounts",
    ),
    FieldGroup.whereabouts: ("行程及去向", "Travel plans and whereabouts"),
    FieldGroup.minors: (
        "不满十四周岁子女的姓名、生日、社保及教育安排",
        "Names, birthdays, social insurance and schooling of your children under fourteen",
    ),
    FieldGroup.religion: ("宗教信仰", "Religious belief"),
    FieldGroup.biometrics: ("人脸、指纹、声纹等生物识别信息", "Face, fingerprint, voice and other biometric features"),
    FieldGroup.third_party: (
        "您提供的亲友的姓名及联系方式",
        "Names and contact data of relatives and friends that you give",
    ),
    FieldGroup.other_sensitive: ("问卷中标明为敏感的其他信息", "Other answers marked as sensitive in a form"),
}
_NECESSITY: Final[Mapping[FieldGroup, _Words]] = {
    FieldGroup.identity: (
        "核实您的身份，避免错办",
        "Your identity has to be verified, lest something is done to another",
    ),
    FieldGroup.health: ("不了解健康状况无法判断适合的保障", "Which protection fits cannot be told without it"),
    FieldGroup.financial: (
        "不了解收支和资产无法计算保障缺口和可负担保费",
        "Gaps and what you can afford follow from it",
    ),
    FieldGroup.whereabouts: ("以便选择合适的见面时间", "To meet you at a time that suits you"),
    FieldGroup.minors: (
        "子女的保障与教育金须按其年龄计算",
        "Protection and schooling of a child are reckoned by his age",
    ),
    FieldGroup.religion: ("以尊重您的习惯安排服务", "To respect your customs in how you are served"),
    FieldGroup.biometrics: ("用于线上确认是您本人", "To make sure online that it is you"),
    FieldGroup.third_party: (
        "仅在联系不上您时使用，并已征得其本人同意",
        "Only when you cannot be reached, and they agreed",
    ),
    FieldGroup.other_sensitive: ("仅用于该问卷所述用途", "Only for what the form says"),
}
_EFFECT: Final[_Words] = (
    "此类信息一旦泄露，可能使您的人身、财产安全或人格尊严受到损害；我们加密保存并记录每次查看",
    "If such data leaked, your safety, property or dignity could suffer. We keep them encrypted and record every look",
)
_LABELS: Final[Mapping[TextLanguage, Mapping[str, str]]] = {
    "zh": {
        "title": "个人信息处理同意书",
        "who": "处理者",
        "purpose": "处理目的",
        "method": "处理方式",
        "kinds": "信息种类",
        "retention": "保存期限",
        "recipient": "接收方",
        "contact": "接收方联系方式",
        "necessity": "处理的必要性",
        "effect": "对您权益的影响",
        "rights": "您的权利",
        "asks": "我已阅读并理解以上内容，自愿作出决定。",
        "asks_apart": "我已阅读并理解以上内容，就此类敏感个人信息单独作出决定。",
    },
    "en": {
        "title": "Consent to the processing of personal data",
        "who": "Who",
        "purpose": "What for",
        "method": "How",
        "kinds": "Which data",
        "retention": "How long",
        "recipient": "Recipient",
        "contact": "How to reach the recipient",
        "necessity": "Why they are needed",
        "effect": "What it means for you",
        "rights": "Your rights",
        "asks": "I have read and understood this, and decide of my own will.",
        "asks_apart": "I have read and understood this, and decide about these sensitive data by themselves.",
    },
}


def built_in(
    purpose: Purpose, group: FieldGroup, language: TextLanguage, org_name: str, recipient: Recipient | None = None
) -> Notice:
    """The built-in notice of an organisation. To hand data on it takes a recipient, whom the text then names."""
    n = LANGUAGES.index(language)
    is_apart = group in SEPARATE
    return Notice(
        who=("{}（{}）" if language == "zh" else "{} ({})").format(org_name, _CONTACT[n]),
        purpose=_PURPOSES[purpose][n],
        method=(_METHODS if recipient is None else _HANDED_ON)[n],
        kinds=_KINDS[group][n],
        retention=_RETENTION[n],
        rights=_RIGHTS[n],
        necessity=_NECESSITY[group][n] if is_apart else None,
        effect=_EFFECT[n] if is_apart else None,
    )


def render(notice: Notice, group: FieldGroup, language: TextLanguage, recipient: Recipient | None) -> str:
    """The text as it is shown: a title, every item on a line of its own, and what is asked."""
    labels, colon = _LABELS[language], "：" if language == "zh" else ": "
    told = {
        "who": notice.who,
        "purpose": notice.purpose,
        "method": notice.method,
        "kinds": notice.kinds,
        "retention": notice.retention,
        "recipient": None if recipient is None else recipient.name,
        "contact": None if recipient is None else recipient.contact,
        "necessity": notice.necessity,
        "effect": notice.effect,
        "rights": notice.rights,
    }
    lines = [f"{labels[name]}{colon}{words}" for name, words in told.items() if words is not None]
    asked = labels["asks_apart" if group in SEPARATE else "asks"]
    return "\n".join([labels["title"], *lines, asked])


def text_hash(text: str) -> str:
    """`sha256:` and the hex digest of the text in UTF-8."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
