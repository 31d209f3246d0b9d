"""What the agents of the demo world know of companies, competitors and projects: invented, like everything there."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from app.domain.demo_families import Party
from app.domain.demo_papers import Dossier, Fact
from app.domain.demo_source import AS_OF, Source

COMPANIES: Final = 12
PERSONS: Final = 8
_WAN: Final = 1_000_000  # 万元 in fen

_CORPORATE: Final[dict[str, tuple[str, ...]]] = {
    "organization": ("总部加三家门店,行政、财务、采购各一人", "生产部、销售部、综合部,另有一个仓库"),
    "production": ("做建材批发,装卸岗位有风险", "加工五金件,两条生产线,有夜班", "餐饮连锁,后厨二十来人"),
    "address": ("厂区在郊外工业园,门店在市中心", "办公室和仓库同在一处"),
    "contact": ("行政部接待,上午打座机最方便", "先联系综合部,再约负责人"),
    "managers": ("行政主管经办员工福利,总经理拍板", "财务负责人管保险和社保"),
    "business": ("去年营收略降,今年订单回升", "扩了一条线,资金较紧"),
    "industry": ("行业平稳,竞争在价格", "旺季在下半年,人手流动大"),
    "reputation": ("公示系统无异常记录", "付款准时,合作方评价好"),
    "key_clients": ("两家装修公司和一家学校", "本地几家商超"),
}
_COMPETITOR: Final[dict[str, tuple[str, ...]]] = {
    "company": ("一家本地网点多的同业公司", "一家以银行网点销售为主的公司"),
    "product_use": ("有一份年金,交了三年", "给员工买了一年期意外险"),
    "satisfaction": ("理赔快,但续期提醒少", "价格合适,讲解不清楚"),
    "company_relation": ("通过银行经理介绍认识", "每年续保时联系一次"),
}
_PROJECT: Final[dict[str, tuple[str, ...]]] = {
    "purchase_plan": ("想给骨干员工补充医疗", "打算年后给全家配置重疾"),
    "problem": ("留住老员工", "担心家里顶梁柱生病没有收入"),
    "timetable": ("春节前定方案,三月起保", "等年终奖到账再定"),
    "process": ("行政比价,总经理签字", "夫妻商量后再定"),
}
_STAGES: Final = ("idea", "collecting", "comparing", "deciding")


def business_dossiers(source: Source, parties: Sequence[Party]) -> tuple[Dossier, ...]:
    """Facts of the three other dossiers: companies with all of them, some persons with competitor and project."""
    companies = source.random.sample([one for one in parties if not one.gender], COMPANIES)
    persons = source.random.sample(
        [one for one in parties if one.gender and 28 <= one.age <= 60 and one.body["stage"] != "contact"], PERSONS
    )
    found = []
    for n, party in enumerate((*companies, *persons)):
        facts = _some(source, _CORPORATE, 0.75) if party in companies else []
        if n % 2 == 0:
            facts += _some(source, _COMPETITOR, 0.8) + _policies(source)
        if n % 3 != 1:
            facts += _some(source, _PROJECT, 0.85) + _opportunity(source, n)
        found.append(Dossier(party, tuple(facts)))
    return tuple(found)


def _some(source: Source, sayings: dict[str, tuple[str, ...]], share: float) -> list[Fact]:
    told = {"contact": "told_by_customer", "managers": "told_by_customer"}
    return [
        _fact(source, key, source.pick(texts), basis=told.get(key))
        for key, texts in sayings.items()
        if source.chance(share)
    ]


def _policies(source: Source) -> list[Fact]:
    """What is held elsewhere, how content one is, and in every second case who sold it."""
    draw = source.random.randint
    policy = {
        "insurer": source.pick(("江畔人寿", "九省寿险", "楚原保险")),
        "category": source.pick(("life", "annuity", "critical_illness", "medical", "group")),
        "sum_insured": draw(5, 80) * _WAN,
        "yearly_premium": draw(3, 40) * _WAN // 10,
        "expires_on": {"year": AS_OF.year + draw(0, 12), "month": draw(1, 12)},
    }
    facts = [_fact(source, "policies", [policy]), _fact(source, "satisfaction_score", draw(2, 5))]
    if source.chance(0.5):
        rep = source.pick(("同业的小林,常带小礼物上门", "一位女经理,讲解细致,不催单"))
        facts.append(_fact(source, "rep", rep, basis="agreed_or_public"))
    return facts


def _opportunity(source: Source, n: int) -> list[Fact]:
    """A project on its way; one in four says two different things about the timetable."""
    draw = source.random.randint
    facts = [_fact(source, "budget_yearly", draw(5, 60) * _WAN // 10)]
    for step, name in enumerate(_STAGES[: 1 + n % len(_STAGES)]):
        facts.append(_fact(source, "stage", {"stage": name}, days=(120 - 20 * step,)))
    facts.append(_fact(source, "milestones", [{"what": "体检", "on": {"year": AS_OF.year + 1, "month": 1 + n % 6}}]))
    if n % 4 == 0:
        facts.append(_fact(source, "timetable", "听说要拖到下半年", source_of="third_party", teller="同行", days=(30,)))
    return facts


def _fact(
    source: Source,
    key: str,
    value: Any,
    *,
    basis: str | None = None,
    source_of: str = "customer",
    teller: str | None = None,
    days: tuple[int, ...] = (),
) -> Fact:
    """One fact, observed on a day of the last year, or so many days ago."""
    on = AS_OF - timedelta(days=days[0]) if days else source.day(AS_OF - timedelta(days=300), AS_OF)
    return Fact(source.uid(), key, value, source_of, on, basis=basis, teller=teller)
