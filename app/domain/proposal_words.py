"""The fixed words of a proposal, (zh, en). What the law asks to be said is said here, and nowhere softened."""

from collections.abc import Mapping
from typing import Final

WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "title": ("家庭保障需求分析计划书", "Household protection proposal"),
    "prepared_for": ("呈送", "Prepared for"),
    "number": ("编号", "Number"),
    "prepared_on": ("日期", "Date"),
    "agent": ("保险销售人员", "Agent"),
    "licence_no": ("执业证编号", "Licence no."),
    "phone": ("联系电话", "Telephone"),
    "summary": ("结论摘要", "In short"),
    "open_gaps": ("尚有缺口的保障", "Needs with a gap"),
    "open_gaps_value": ("{} 项（共测算 {} 项）", "{} of {}"),
    "proposed_premium": ("建议新增年保费（估算）", "New premium a year (est.)"),
    "priorities": ("优先解决的缺口", "Gaps to close first"),
    "no_gap": ("按现有资料测算，目前没有需要补充的保障缺口。", "On what we know today there is no gap to close."),
    "household": ("家庭成员", "The household"),
    "name": ("姓名", "Name"),
    "role": ("家庭角色", "Role"),
    "age": ("年龄", "Age"),
    "occupation": ("职业", "Occupation"),
    "yearly_income": ("年收入", "Yearly income"),
    "age_value": ("{} 岁", "{}"),
    "empty": ("暂无资料。", "Nothing is recorded here."),
    "needs": ("保障需求与已有保障", "What is needed, what is there"),
    "elders": ("长辈", "Elders"),
    "couple": ("同辈", "Own generation"),
    "children": ("晚辈", "Children"),
    "insured": ("被保险人", "Insured"),
    "peril": ("风险类别", "Peril"),
    "need": ("需求", "Need"),
    "existing": ("已有", "Existing"),
    "gap": ("缺口", "Gap"),
    "over": ("超额", "Over"),
    "ratio": ("充足度", "Covered"),
    "rank": ("顺位", "Rank"),
    "method": ("测算方法", "Method"),
    "legend_existing": ("已有保障", "existing cover"),
    "legend_gap": ("保障缺口", "gap"),
    "legend_over": ("超出需求", "beyond the need"),
    "unit": ("需求（万元）", "Need (CNY)"),
    "needs_note": (
        "需求按每位被保险人、每类风险分别测算：各项需求有重叠，某一类的超额也不能抵补另一类的缺口，因此不作合计。"
        "金额四舍五入，精确到分的计算见附录。",
        "Needs are reckoned per insured and peril: they overlap, and too much of one cover does not fill the gap of "
        "another; so no sum is given. Amounts are rounded; the appendix has them to the fen.",
    ),
    "cash_flow": ("家庭年度收支", "The household year by year"),
    "income": ("收入", "Income"),
    "living": ("生活支出", "Living"),
    "debt": ("还贷", "Debt service"),
    "education": ("教育", "Education"),
    "premium": ("现有保费", "Existing premiums"),
    "balance": ("结余", "Surplus"),
    "year": ("年份", "Year"),
    "axis_unit": ("单位：万元", "CNY a year"),
    "flow_note": (
        "按附列假设推算，不是对未来收入或支出的承诺。",
        "Projected from the assumptions listed; no promise of future income or expense.",
    ),
    "affordability": ("保费承受能力", "What the household can afford"),
    "rigid_expense": ("年刚性支出", "Rigid expense a year"),
    "existing_premium": ("现有年保费", "Premiums paid a year"),
    "premium_cap": ("年保费上限（含现有）", "Premium cap a year, in all"),
    "load": ("评估", "Verdict"),
    "load_green": ("可承受", "affordable"),
    "load_amber": ("偏高，请谨慎", "high: take care"),
    "load_red": ("超出承受能力", "beyond what can be carried"),
    "tolerance": ("风险承受能力", "Risk tolerance"),
    "tolerance_value": (
        "{level} {label}　{assessed} 评估，有效期至 {until}",
        "{level} {label}, assessed {assessed}, valid until {until}",
    ),
    "suitability": ("适当性匹配意见", "Match opinion"),
    "verdict_suitable": ("匹配：建议的保障类别适合您", "Suitable: the recommended categories fit you"),
    "verdict_caution": ("需谨慎：请先阅读下列提示", "Take care: please read the following first"),
    "verdict_unsuitable": ("不匹配：建议终止投保", "Not suitable: we advise you not to apply"),
    "recommended": ("建议保障", "Recommended cover"),
    "category": ("产品类别", "Product category"),
    "sum_insured": ("建议保额", "Sum insured"),
    "term": ("期间", "Term"),
    "premium_band": ("年保费估算", "Premium a year (est.)"),
    "total": ("合计", "Total"),
    "reason": ("理由", "Why"),
    "recommended_note": (
        "只列产品类别，不涉及具体产品。保费为市场区间估算，不是报价；以保险公司核保及正式报价为准。",
        "Categories only, no product. Premiums are estimates of a market range and no quotation: the insurer's "
        "underwriting and its quotation decide.",
    ),
    "alternatives": ("备选方案", "Alternatives"),
    "alternative": ("方案", "Alternative"),
    "description": ("说明", "Description"),
    "remaining_gap": ("剩余缺口", "Gap left"),
    "alternatives_note": (
        "剩余缺口为各项缺口之和，只用于方案之间的比较。",
        "The gap left is the sum of all gaps, good for comparing alternatives only.",
    ),
    "assumptions": ("测算假设及来源", "Assumptions and where they come from"),
    "assumption": ("假设", "Assumption"),
    "value": ("取值", "Value"),
    "source": ("来源", "Source"),
    "source_customer": ("客户提供", "customer"),
    "source_agent": ("销售人员设定", "agent"),
    "source_form_default": ("问卷默认值", "default of the form"),
    "source_method_default": ("方法默认值", "default of the method"),
    "source_organization": ("机构设定", "organisation"),
    "source_public": ("公开资料", "public source"),
    "notices": ("重要提示", "What you have to know"),
    "signatures": ("签署确认", "Signatures"),
    "customer_confirms": (
        "本人已阅读本计划书，确认所提供的资料真实，并知悉以上提示。",
        "I have read this proposal, confirm that what I stated is true, and know the notices above.",
    ),
    "sign_customer": ("客户签名", "Customer"),
    "sign_agent": ("销售人员签名", "Agent"),
    "sign_date": ("日期", "Date"),
    "appendix": ("附录　计算步骤", "Appendix: how the figures came about"),
    "step": ("步骤", "Step"),
    "formula": ("算式", "Formula"),
    "amount": ("金额（元）", "Amount (CNY)"),
    "result": ("结果", "Result"),
    "version": ("版本", "version"),
    "steps_note": (
        "每步先列公式，再列代入的数。金额单位为元，利率与比例为小数；"
        "年金现值系数是各期金额折算到今天的系数，括号内依次为年数、利率、增长率、收付时点等。",
        "Each step has its formula, then the numbers put in. Amounts are in yuan; rates and shares are decimal "
        "fractions; the annuity factor turns yearly amounts into today's value by what stands in its brackets.",
    ),
    "footer": ("本计划书不是保险合同", "This proposal is no insurance contract"),
    "page": ("第 {} 页，共 {} 页", "Page {} of {}"),
    "years_value": ("{} 年", "{} years"),
    "months_value": ("{} 个月", "{} months"),
    "per_year_value": ("{}／年", "{} a year"),
    "separator": ("、", ", "),
}

# Every proposal carries these. 保险法 (arts. 16, 47), 保险销售行为管理办法 (令2023-2, arts. 24-28), 金融机构产品
# 适当性管理办法 (令2025-7, arts. 12-13), 健康保险管理办法 (令2019-3, art. 15).
NOTICES: Final[tuple[tuple[str, str], ...]] = (
    (
        "本计划书是根据您提供的资料所作的保障需求分析，不是保险合同、要约或承保承诺。保险责任、责任免除、费率及给付均以"
        "保险合同条款和保险公司核保结论为准。",
        "This is an analysis of needs from what you told us: no insurance contract, offer or promise of cover. The "
        "terms of the contract and the insurer's underwriting decide on benefits, exclusions, premiums and payments.",
    ),
    (
        "测算结果建立在所列假设之上，假设改变结果随之改变，不代表未来实际情况。家庭、收入、负债或保单变动时，请重新测算。",
        "The figures rest on the assumptions listed and change with them; they do not tell the future. Have them "
        "reckoned again when your family, income, debts or policies change.",
    ),
    (
        "保险不是存款，也不是银行理财产品；分红、万能、投资连结型产品的收益不确定，投资连结型产品可能损失本金。",
        "Insurance is neither a deposit nor a wealth product of a bank. What participating, universal and unit-linked "
        "products yield is uncertain; with unit-linked ones the principal may be lost.",
    ),
    (
        "投保时，保险公司就被保险人有关情况提出询问的，您应当如实告知。"
        "未如实告知可能导致合同被解除、不予赔付，甚至不退还保费。",
        "Answer the insurer's questions about the insured truthfully. Otherwise the contract may be rescinded and "
        "nothing be paid; even the premium may be lost.",
    ),
    (
        "产品风险超出您的风险承受能力，或所需资金与您的支付能力明显不符的，我们建议终止投保。"
        "是否投保由您自主决定，须由您本人签名。",
        "Where a product's risk exceeds your tolerance, or its price plainly exceeds what you can pay, we advise you "
        "not to apply. The decision is yours, and nobody may sign for you.",
    ),
    (
        "销售人员应当出示执业证件，不得代您保管或经手现金保费。"
        "咨询、投诉可联系本机构，或拨打银行保险消费者投诉维权热线 12378。",
        "The agent has to show the licence and may not handle your money. For questions and complaints turn to this "
        "organisation, or to the regulator's consumer hotline 12378.",
    ),
)
COOLING_OFF: Final = (
    "人身保险合同设有犹豫期，自您签收保险合同之日起算，{}犹豫期内解除合同，保险公司按约定退还保费；犹豫期后退保只退还现金"
    "价值，可能有较大损失。",
    "Life contracts have a cooling-off period, which begins when you receive the contract: {} If you cancel within it, "
    "the premium is returned as agreed; later only the cash value is, and the loss may be great.",
)
COOLING_OFF_KNOWN: Final = ("不少于 {} 日，以合同约定为准。", "at least {} days, as the contract says.")
COOLING_OFF_OPEN: Final = (
    "长期健康保险不少于 15 日，其他以合同约定为准。",
    "at least 15 days for long-term health insurance, otherwise as the contract says.",
)
# 保监发〔2015〕90号: over all insurers together.
MINORS: Final = (
    "未成年人以死亡为给付条件的保险金额合计，各家保险公司累计"
    "不满 10 周岁不得超过 20 万元，已满 10 周岁不满 18 周岁不得超过 50 万元。",
    "Death cover of a minor over all insurers together may not exceed CNY 200,000 below the age of 10, CNY 500,000 "
    "below 18.",
)
