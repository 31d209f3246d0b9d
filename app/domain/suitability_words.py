"""The reasons of a match opinion in words: (zh, en, the rule it comes from). Spoken to the customer."""

from collections.abc import Mapping
from typing import Final

_FIT: Final = "金融机构产品适当性管理办法（令2025年第7号）"
_SALE: Final = "保险销售行为管理办法（令2023年第2号）"
_OWN: Final = "机构设定的提示"

REASONS: Final[Mapping[str, tuple[str, str, str]]] = {
    "answered_for_customer": (
        "评估须由客户本人独立完成，不能代填或提示答案。",
        "The customer has to answer himself; nobody may answer for him or prompt.",
        f"{_FIT}第十三条",
    ),
    "policyholder_age_missing": (
        "投保人年龄未知，无法形成匹配意见。",
        "The policyholder's age is not known.",
        f"{_FIT}第十九条",
    ),
    "no_capacity": (
        "投保人为无民事行为能力人，不得向其销售。",
        "The policyholder has no legal capacity; nothing may be sold to him.",
        f"{_FIT}第十九条",
    ),
    "limited_capacity": (
        "投保人为限制民事行为能力人，只能购买低风险产品。",
        "The policyholder has limited capacity: low-risk products only.",
        f"{_FIT}第十九条",
    ),
    "representative_consent_missing": (
        "投保人为限制民事行为能力人，须由其法定代理人同意。",
        "The policyholder has limited capacity; his legal representative has to consent.",
        f"{_FIT}第十九条",
    ),
    "elderly_care": (
        "投保人年满65周岁：请更充分地提示风险、给予更长的考虑时间，并做好回访。",
        "The policyholder is 65 or older: warn more fully, leave more time to consider, and follow up.",
        _FIT,
    ),
    "assessment_missing": (
        "尚未完成需求与财务支付水平评估，不能推介产品。",
        "Needs and ability to pay were not assessed yet; nothing may be recommended.",
        f"{_FIT}第十三条",
    ),
    "assessment_expired": (
        "需求分析已超过12个月，请重新测算。",
        "The needs analysis is older than 12 months; reckon it again.",
        f"{_FIT}第二十九条",
    ),
    "assessed_too_late": (
        "评估晚于推介。须先评估，后推介。",
        "Assessed after recommending. The assessment has to come first.",
        f"{_FIT}第十三条",
    ),
    "signed_too_early": (
        "签署早于推介。须先告知匹配意见，后签署。",
        "Signed before recommending. The opinion has to be told first.",
        f"{_FIT}第十三条",
    ),
    "opinion_not_told": (
        "签署前须向客户告知匹配意见。",
        "The customer has to be told the opinion before he signs.",
        f"{_FIT}第十二条",
    ),
    "opinion_not_told_online": (
        "线上销售须把匹配意见嵌入流程，签署前展示。",
        "Online, the opinion has to be shown in the flow before signing.",
        f"{_FIT}第十四条",
    ),
    "affordability_missing": (
        "财务支付水平未评估。",
        "The ability to pay was not assessed.",
        f"{_SALE}第二十一条",
    ),
    "premium_unaffordable": (
        "保费支出明显超出财务支付水平，建议终止投保。",
        "The premiums clearly exceed what the household can pay; we advise you to stop.",
        f"{_FIT}第十二条；{_SALE}第二十八条",
    ),
    "premium_high": (
        "保费占收入比例偏高，请谨慎考虑长期缴费能力。",
        "The premiums take a high share of the income; consider whether you can go on paying.",
        f"{_SALE}第二十一条",
    ),
    "premium_open": (
        "部分建议尚无保费估算，支付能力未计入该部分。",
        "Some of what is recommended has no premium yet and is not counted.",
        f"{_SALE}第二十一条",
    ),
    "surplus_exceeded": (
        "现有与建议保费合计超过家庭收支结余，持续缴费能力明显不足，建议终止投保。",
        "Existing and proposed premiums exceed what is left of the income; we advise you to stop.",
        f"{_FIT}第十二条；{_SALE}第二十八条",
    ),
    "room_exceeded": (
        "建议保费超过可新增保费。",
        "The proposed premiums exceed what can be added.",
        f"{_SALE}第二十一条",
    ),
    "policies_unknown": (
        "尚未了解客户已投保的同类保险。",
        "What the customer holds already was not asked.",
        f"{_SALE}第二十一条",
    ),
    "repeat_held": (
        "已有多份费用补偿型保险，不能重复得到补偿。",
        "Several indemnity covers are held already; they do not pay twice.",
        f"{_SALE}第二十八条",
    ),
    "over_held": (
        "已有保障超过测算需求，不建议再增加。",
        "What is held exceeds the need; we advise against more.",
        f"{_SALE}第二十八条",
    ),
    "agent_not_graded": (
        "销售人员在该类别下尚无授权等级。",
        "The agent has no authorisation level for this category.",
        f"{_SALE}第十六条、第二十一条",
    ),
    "agent_not_authorised": (
        "产品等级超出销售人员的授权等级。",
        "The product is above the level the agent may sell.",
        f"{_SALE}第十六条、第二十一条",
    ),
    "insured_age_missing": (
        "被保险人年龄未知。",
        "The age of the insured is not known.",
        f"{_SALE}第二十一条",
    ),
    "minor_death_limit": (
        "未成年人身故保险金合计超过限额（不满10周岁20万元，10至不满18周岁50万元）。",
        "Death cover of a minor exceeds the limit (CNY 200,000 below 10, CNY 500,000 from 10 to below 18).",
        "保监发〔2015〕90号",
    ),
    "category_mismatched": (
        "建议的类别不对应该项风险，与需求明显不符，建议终止投保。",
        "The category does not answer this peril; we advise you to stop.",
        f"{_SALE}第二十八条",
    ),
    "repeat_cover": (
        "已有同类费用补偿型保险，属重复投保，建议终止投保。",
        "Indemnity cover of this kind is held already; we advise you to stop.",
        f"{_SALE}第二十八条",
    ),
    "indemnity_beside": (
        "已有一份费用补偿型保险，但还不够；两份合计不会赔得比花的多，请核对免赔额和续保条件。",
        "Some indemnity cover is held, and it is not enough. Together they never pay more than was spent: compare what "
        "each leaves to the insured, and whether it is renewed.",
        f"{_SALE}第二十八条",
    ),
    "need_unknown": (
        "该被保险人的这项风险没有测算需求。",
        "No need was calculated for this insured and peril.",
        f"{_SALE}第二十一条",
    ),
    "no_need": (
        "测算结果没有这项需求，建议终止投保。",
        "The calculation shows no such need; we advise you to stop.",
        f"{_SALE}第二十八条",
    ),
    "covered_already": (
        "已有保障已满足这项需求，属过度投保，建议终止投保。",
        "What is held meets this need already; we advise you to stop.",
        f"{_SALE}第二十八条",
    ),
    "over_cover": (
        "建议保额超过保障缺口，属过度投保，建议终止投保。",
        "The sum insured exceeds the gap; we advise you to stop.",
        f"{_SALE}第二十八条",
    ),
    "tolerance_missing": (
        "该产品须先做风险承受能力评估。",
        "This product wants a risk tolerance assessment first.",
        f"{_FIT}第二十九条；{_SALE}第二十二条",
    ),
    "tolerance_expired": (
        "风险承受能力评估已过有效期（12个月），请重新评估。",
        "The risk tolerance assessment is older than 12 months; assess again.",
        f"{_FIT}第二十九条",
    ),
    "tolerance_exceeded": (
        "产品等级高于客户的风险承受能力，不得主动推介。",
        "The product is above the customer's risk tolerance and may not be recommended.",
        f"{_FIT}第十二条、第十三条",
    ),
    "benefits_uncertain": (
        "产品利益不确定，其等级高于客户的风险承受能力，请充分说明。",
        "The benefits are not certain and the level is above the customer's tolerance; explain it fully.",
        f"{_FIT}第十二条",
    ),
    "single_premium_high": (
        "趸交保费与家庭年收入相比过高，请客户确认。",
        "The single premium is high against the yearly income; have it confirmed.",
        _OWN,
    ),
    "yearly_premium_high": (
        "年缴保费占家庭年收入的比例过高，请客户确认。",
        "The yearly premiums are high against the yearly income; have it confirmed.",
        _OWN,
    ),
    "budget_exceeded": (
        "保费明显超过客户的保费预算，请客户确认。",
        "The premiums clearly exceed the customer's budget; have it confirmed.",
        _OWN,
    ),
    "paid_late": (
        "缴费年限与投保人年龄之和偏高，请客户确认。",
        "Payment years and the policyholder's age add up high; have it confirmed.",
        _OWN,
    ),
    "age_high": (
        "投保人年龄偏高，请客户确认。",
        "The policyholder is of an age at which this is to be confirmed.",
        _OWN,
    ),
    "regular_pay_age_high": (
        "期交投保人年龄偏高，请客户确认。",
        "The policyholder pays regularly at an age at which this is to be confirmed.",
        _OWN,
    ),
}
