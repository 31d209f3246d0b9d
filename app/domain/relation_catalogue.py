"""The relation types every organisation begins with.

A type is one fact read from both ends: the right one is `code` of the left one, the left one `inverse_code` of the
right one; a symmetric type has one code. Families follow GB/T 4761-2008 家庭关系代码 (two codes: male/female).
`family_degree` is the number of births between the two (亲等, civil count), through a marriage as if there were none.
Which strength a tie has before anybody says otherwise, and how well it carries an introduction, are the product's own
defaults; an organisation may change them.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

Kind = Literal["individual", "organization"]
P: Final[Kind] = "individual"
C: Final[Kind] = "organization"


@dataclass(frozen=True, slots=True)
class RelationKind:
    """One built-in type. Labels: Chinese, English, and where a person's gender makes another word, male and female."""

    code: str
    inverse_code: str
    direction: str
    label: dict[str, str]
    inverse_label: dict[str, str]
    strength: float
    weight: float
    left: Kind | None = None
    right: Kind | None = None
    degree: int | None = None
    gb: str | None = None
    inverse_gb: str | None = None
    is_sensitive: bool = False


# code, label, [inverse code, inverse label,] strength, weight; labels are zh|en, or zh|en|zh male|zh female|en m|en f.
_FAMILY: Final = (
    ("relative", "亲属|relative", 0.5, 0.9, None, "97"),
    ("spouse", "配偶|spouse|丈夫|妻子|husband|wife", 0.95, 1.0, 0, "11/12"),
    ("betrothed", "未婚夫妻|betrothed|未婚夫|未婚妻|fiancé|fiancée", 0.9, 0.9, 0, "97"),
    ("sibling", "兄弟姐妹|sibling|兄弟|姐妹|brother|sister", 0.8, 0.95, 2, "70"),
    ("sibling_in_law", "兄弟姐妹的配偶或配偶的兄弟姐妹|sibling in law", 0.6, 0.9, 2, "72/76"),
    ("co_parent_in_law", "亲家|child's parent in law|亲家公|亲家母", 0.5, 0.85, 1, "97"),
    ("paternal_cousin", "堂兄弟姐妹|cousin (father's brother's side)|堂兄弟|堂姐妹", 0.5, 0.9, 4, "91"),
    ("maternal_cousin", "表兄弟姐妹|cousin|表兄弟|表姐妹", 0.5, 0.9, 4, "92"),
)
_FAMILY_PAIRS: Final = (
    ("parent", "父母|parent|父亲|母亲|father|mother", "child", "子女|child|儿子|女儿|son|daughter",
     0.95, 1.0, 1, "51/52", "20/30"),
    ("step_parent", "继父母或养父母|step or adoptive parent|继父(养父)|继母(养母)|stepfather|stepmother",
     "step_child", "继子女或养子女|step or adopted child|继子(养子)|继女(养女)|stepson|stepdaughter",
     0.8, 0.95, 1, "57/58", "27/37"),
    ("grandparent", "祖父母|grandparent (father's side)|祖父|祖母|grandfather|grandmother",
     "grandchild", "孙子女|son's child|孙子|孙女|grandson|granddaughter", 0.8, 0.95, 2, "61/62", "41/42"),
    ("maternal_grandparent", "外祖父母|grandparent (mother's side)|外祖父|外祖母|grandfather|grandmother",
     "maternal_grandchild", "外孙子女|daughter's child|外孙子|外孙女|grandson|granddaughter",
     0.8, 0.95, 2, "63/64", "43/44"),
    ("great_grandparent", "曾祖父母|great-grandparent|曾祖父|曾祖母|great-grandfather|great-grandmother",
     "great_grandchild", "曾孙子女|great-grandchild|曾孙子|曾孙女|great-grandson|great-granddaughter",
     0.6, 0.9, 3, "66/67", "47/48"),
    ("elder_sibling", "哥哥姐姐|elder sibling|哥哥|姐姐|elder brother|elder sister",
     "younger_sibling", "弟弟妹妹|younger sibling|弟弟|妹妹|younger brother|younger sister",
     0.8, 0.95, 2, "71/75", "73/77"),
    ("parent_in_law", "配偶的父母|parent in law|公公或岳父|婆婆或岳母|father in law|mother in law",
     "child_in_law", "女婿儿媳|child in law|女婿|儿媳|son in law|daughter in law", 0.7, 0.95, 1, "53-56", "28/38"),
    ("uncle_aunt", "伯叔姑舅姨|uncle or aunt|伯父叔父舅父姑父姨父|伯母婶母舅母姑母姨母|uncle|aunt",
     "nephew_niece", "侄甥|nephew or niece|侄子外甥|侄女外甥女|nephew|niece", 0.6, 0.9, 3, "81-90", "93-96"),
    ("guardian", "监护人|guardian", "ward", "被监护人|ward", 0.8, 0.9, None, None, None),
    ("godparent", "干爹干妈|godparent|干爹|干妈|godfather|godmother",
     "godchild", "干儿女|godchild|干儿子|干女儿|godson|goddaughter", 0.6, 0.9, None, None, None),
)  # fmt: skip
_FRIENDS: Final = (
    ("friend", "朋友|friend", 0.5, 0.9),
    ("close_friend", "挚友|close friend|兄弟|闺蜜", 0.85, 1.0),
    ("schoolmate", "同学|schoolmate", 0.5, 0.95),
    ("alumnus", "校友|fellow alumnus", 0.3, 0.8),
    ("comrade", "战友|comrade in arms", 0.7, 1.0),
    ("townsman", "老乡|fellow townsman", 0.4, 0.85),
    ("neighbour", "邻居|neighbour", 0.4, 0.85),
    ("colleague", "同事|colleague", 0.45, 0.9),
    ("former_colleague", "前同事|former colleague", 0.35, 0.85),
    ("companion", "球友茶友|companion in a pastime", 0.45, 0.9),
    ("class_parent", "孩子同学的家长|parent of a child's classmate", 0.35, 0.85),
    ("online_friend", "网友|online friend", 0.2, 0.6),
    ("acquaintance", "认识(性质不明)|knows, nature unknown", 0.2, 0.5),
)
_FRIEND_PAIRS: Final = (
    ("introducer", "介绍人|introduced by", "introduced", "被介绍人|was introduced", 0.5, 0.9),
    ("mentor", "恩师师傅|mentor", "apprentice", "徒弟|apprentice", 0.6, 0.95),
)
_TRADE: Final = (
    ("client", "客户|client", "supplier", "供应商|supplier", 0.5, 0.8, None, None, False),
    ("patient", "病人|patient", "doctor", "医生|doctor", 0.4, 0.7, None, P, True),
    ("legal_client", "法律服务客户|client at law", "lawyer", "律师|lawyer", 0.5, 0.75, None, None, True),
    ("accounting_client", "财税客户|client", "accountant", "财税顾问|accountant", 0.5, 0.75, None, None, False),
    ("pupil", "学生|pupil", "teacher", "老师|teacher", 0.45, 0.85, None, P, False),
    ("tenant", "租客|tenant", "landlord", "房东|landlord", 0.3, 0.7, None, None, False),
    ("household_employer", "雇主家庭|household employer", "nanny", "保姆家政|nanny", 0.4, 0.7, P, P, False),
    ("bank_client", "银行客户|bank client", "bank_manager", "客户经理|bank manager", 0.4, 0.75, None, None, False),
    ("distributor", "经销商|distributor", "manufacturer", "厂家|manufacturer", 0.5, 0.8, None, None, False),
    ("contracting_client", "发包方|contracting client", "contractor", "承包方|contractor", 0.5, 0.8, None, None, False),
    ("competitor_client", "同业的客户|client of a competitor", "competitor_representative",
     "同业代理人|competitor's representative", 0.4, 0.3, None, None, True),
)  # fmt: skip
_PARTNERS: Final = (
    ("partner", "合作伙伴|partner", "partner", "合作伙伴|partner", 0.5, 0.85, None, None),
    ("co_founder", "联合创始人|co-founder", "co_founder", "联合创始人|co-founder", 0.8, 0.95, P, P),
    ("co_investor", "共同投资人|co-investor", "co_investor", "共同投资人|co-investor", 0.6, 0.9, None, None),
    ("joint_venture", "合资方|joint venture", "joint_venture", "合资方|joint venture", 0.6, 0.85, C, C),
    ("superior", "上级|superior", "subordinate", "下属|subordinate", 0.5, 0.85, P, P),
    ("employee", "员工|employee", "employer", "雇主|employer", 0.6, 0.85, C, P),
    (
        "legal_representative",
        "法定代表人|legal representative",
        "represented_company",
        "任法定代表人的企业|company represented",
        0.95,
        0.95,
        C,
        P,
    ),
    (
        "actual_controller",
        "实际控制人|actual controller",
        "controlled_company",
        "实际控制的企业|company controlled",
        0.95,
        0.95,
        C,
        P,
    ),
    ("founder", "创始人|founder", "founded_company", "创办的企业|company founded", 0.9, 0.95, C, P),
    ("shareholder", "股东|shareholder", "shareholding", "持股企业|company held", 0.7, 0.85, C, None),
    ("director", "董事|director", "board_seat", "任董事的企业|company directed", 0.7, 0.9, C, P),
    ("supervisor", "监事|supervisor", "supervised_company", "任监事的企业|company supervised", 0.6, 0.85, C, P),
    ("executive", "高管|executive", "executive_at", "任高管的企业|company managed", 0.75, 0.9, C, P),
    ("decision_maker", "决策人|decision maker", "decides_for", "由其决策的企业|decides for", 0.8, 0.9, C, P),
    ("decision_influencer", "影响者|influences decisions", "influences", "受其影响的企业|influences", 0.6, 0.85, C, P),
    ("gatekeeper", "把关人|gatekeeper", "screens_for", "由其把关的企业|screens for", 0.5, 0.8, C, P),
    ("parent_company", "母公司|parent company", "subsidiary", "子公司|subsidiary", 0.9, 0.9, C, C),
    ("head_office", "总部|head office", "branch_office", "分支机构|branch", 0.9, 0.9, C, C),
    ("guarantor", "担保人|guarantor", "guaranteed", "被担保人|guaranteed", 0.7, 0.85, None, None),
)
_ALLIES: Final = (
    ("ally", "战略盟友|ally", "ally", "战略盟友|ally", 0.5, 0.9, None, None),
    ("chamber_fellow", "商会协会同仁|fellow member of a chamber", "chamber_fellow",
     "商会协会同仁|fellow member of a chamber", 0.4, 0.85, None, None),
    ("referral_partner", "互相转介绍|sends referrals both ways", "referral_partner",
     "互相转介绍|sends referrals both ways", 0.6, 1.0, None, None),
    ("franchisee", "加盟商|franchisee", "franchisor", "加盟品牌方|franchisor", 0.6, 0.85, None, C),
    ("association_member", "会员|member", "association", "所在商会协会|association", 0.4, 0.8, C, None),
)  # fmt: skip


def _label(text: str) -> dict[str, str]:
    parts = text.split("|")
    return dict(zip(("zh", "en", "zh_male", "zh_female", "en_male", "en_female"), parts, strict=False))


@cache
def built_in() -> tuple[RelationKind, ...]:
    """All of them, each code once."""
    return (*_family(), *_friends(), *_business())


def _family() -> list[RelationKind]:
    """Of persons; only "a relative, whichever" leaves it open."""
    made: list[RelationKind] = []
    for code, text, strength, weight, degree, gb in _FAMILY:
        kind = None if code == "relative" else P
        label = _label(text)
        made.append(RelationKind(code, code, "relative", label, label, strength, weight, kind, kind, degree, gb, gb))
    former = _label("前配偶|former spouse|前夫|前妻|former husband|former wife")
    made.append(
        RelationKind("former_spouse", "former_spouse", "relative", former, former, 0.3, 0.3, P, P, 0, is_sensitive=True)
    )
    pairs = [
        RelationKind(code, inverse, "relative", _label(text), _label(back), strength, weight, P, P, degree, gb, back_gb)
        for code, text, inverse, back, strength, weight, degree, gb, back_gb in _FAMILY_PAIRS
    ]
    return made + pairs


def _friends() -> list[RelationKind]:
    same = [
        RelationKind(code, code, "friend", _label(text), _label(text), strength, weight)
        for code, text, strength, weight in _FRIENDS
    ]
    pairs = [
        RelationKind(code, inverse, "friend", _label(text), _label(back), strength, weight)
        for code, text, inverse, back, strength, weight in _FRIEND_PAIRS
    ]
    return same + pairs


def _business() -> list[RelationKind]:
    trade = [
        RelationKind(
            code, inverse, "client", _label(text), _label(back), strength, weight, left, right, is_sensitive=sensitive
        )
        for code, text, inverse, back, strength, weight, left, right, sensitive in _TRADE
    ]
    others = [
        RelationKind(code, inverse, direction, _label(text), _label(back), strength, weight, left, right)
        for direction, rows in (("partner", _PARTNERS), ("ally", _ALLIES))
        for code, text, inverse, back, strength, weight, left, right in rows
    ]
    return trade + others


def rows() -> list[dict[str, Any]]:
    """As rows of the table `relation_types`, for `seed_relation_types.sql`."""
    return [
        {
            "code": kind.code,
            "inverse_code": kind.inverse_code,
            "direction": kind.direction,
            "label": kind.label,
            "inverse_label": kind.inverse_label,
            "left_kind": kind.left,
            "right_kind": kind.right,
            "family_degree": kind.degree,
            "gb_code": kind.gb,
            "inverse_gb_code": kind.inverse_gb,
            "default_strength": kind.strength,
            "introduction_weight": kind.weight,
            "sensitivity": "sensitive" if kind.is_sensitive else "normal",
        }
        for kind in built_in()
    ]
