"""The sentences an analysis is explained with, each in Chinese and English."""

from collections.abc import Mapping

Both = tuple[str, str]  # zh, en

PERIL: Mapping[str, Both] = {
    "life": ("万一不在了", "If the worst happens"),
    "critical_illness": ("得了大病", "A serious illness"),
    "medical": ("看病住院", "Hospital bills"),
    "accident": ("意外伤害", "An accident"),
    "education": ("上学的钱", "Money for education"),
    "pension": ("养老的钱", "Money for old age"),
}
SUMMARY: Mapping[str, Both] = {
    "title": ("全家一览", "The family at a glance"),
    "day": ("所有数字按 {day} 的情况、今天的钱来算。", "All figures are as of {day}, in today's money."),
    "count": (
        "一共看了 {all} 件事,其中 {gaps} 件保障还不够。",
        "We looked at {all} matters; in {gaps} of them cover is missing.",
    ),
    "first": (
        "最先要考虑的是{who}的「{peril}」,还差约 {gap}。",
        "To be looked at first: “{peril}” ({who}), where about {gap} is missing.",
    ),
    "premium": (
        "现在一年交保费 {paid},按家里的收支,每年还可以再拿出约 {room}。",
        "You pay {paid} in premiums a year; the family budget leaves about {room} a year for more.",
    ),
}
FOLLOWS: Mapping[str, Both] = {
    "life": (
        "如果{who}不在了,要让家里照常过日子、孩子读完书、把该还的钱还上,扣掉家里自己的钱和还会有的收入,"
        "一共需要约 {need}。",
        "If {who} were no longer there, the family would need about {need} to go on living, to let the children finish "
        "school and to pay what is owed. Its own money and the income that goes on are already taken off.",
    ),
    "critical_illness": (
        "如果{who}得了大病,治疗、休养,加上不能工作时少掉的收入,一共需要约 {need}。",
        "If {who} fell seriously ill, treatment, recovery and the income lost meanwhile would take about {need}.",
    ),
    "life_no_child": (
        "如果{who}不在了,家人的生活、该还的钱和身后的花费,扣掉家里自己的钱和还会有的收入,一共需要约 {need}。",
        "If {who} were no longer there, the family's living, what is owed and the last expenses would take about "
        "{need}. Its own money and the income that goes on are already taken off.",
    ),
    "illness_only": (  # where no income is lost
        "如果{who}得了大病,治疗和休养一共需要约 {need}。",
        "If {who} fell seriously ill, treatment and recovery would take about {need}.",
    ),
    "medical": (
        "如果{who}遇到花费很大的一年,医保报销之后、自己能承担的部分以外,还要付约 {need}。",
        "In a year with very high bills for {who}, about {need} would remain to be paid after social insurance and "
        "after what one can carry oneself.",
    ),
    "accident": (
        "如果{who}遭遇严重意外,需要约 {need}。",
        "If {who} had a severe accident, about {need} would be needed.",
    ),
    "education": (
        "{who}的教育,除去已经存下的,按今天的钱还要准备约 {need}。",
        "For the education of {who}, about {need} in today's money is needed beyond what is put aside already.",
    ),
    "pension": (
        "想过上希望的退休生活,扣掉能领的养老金和已经存下的钱,按今天的钱还要准备约 {need}。",
        "To live in retirement as wished, about {need} in today's money is needed beyond the pensions to be paid and "
        "what is saved already.",
    ),
    "minor": (
        "{who}还没成年。按规定,所有公司加起来,身故保额最多 {need}。",
        "{who} is a minor. By law the death cover of all insurers together is at most {need}.",
    ),
}
FOLLOWS_ENOUGH: Mapping[str, Both] = {
    "life": (
        "如果{who}不在了,家里自己的钱和还会有的收入已经够用。",
        "If {who} were no longer there, the family's own money and the income that goes on would be enough.",
    ),
    "critical_illness": (
        "如果{who}得了大病,没有算出额外的花费。",
        "A serious illness of {who} would cost nothing more.",
    ),
    "medical": (
        "{who}看病的花费,医保和自己能承担的部分已经够了。",
        "Social insurance, and what one can carry oneself, is enough for the hospital bills of {who}.",
    ),
    "accident": ("{who}的意外没有算出需要的钱。", "No need was found for an accident of {who}."),
    "education": ("{who}的教育金已经存够。", "What is put aside is enough for the education of {who}."),
    "pension": (
        "能领的养老金和已经存下的钱,够过希望的退休生活。",
        "The pensions that will be paid, and what is saved, are enough for retirement as wished.",
    ),
}
THERE: Both = ("已有的保险能给 {existing}。", "Insurance that is there already gives {existing}.")
NO_COVER: Both = ("目前没有这方面的保险。", "There is no insurance for this at present.")
STILL: Mapping[str, Both] = {
    "gap": ("所以还差约 {gap}。", "So about {gap} is missing."),
    "enough": ("所以不差。", "So nothing is missing."),
    "over": ("所以不差,还多出约 {over}。", "So nothing is missing; there is about {over} more than needed."),
    "minor_over": ("已经超出 {over}。", "That is {over} too much."),
    "minor_fine": ("没有超出。", "That is within the limit."),
    "saving": ("如果靠存钱,每月约要存 {saving}。", "Saved up, that would be about {saving} a month."),
}
SOURCE: Mapping[str, Both] = {
    "customer": ("(您告诉我们的)", " (as you told us)"),
    "agent": ("(由您的代理人设定)", " (set by your agent)"),
    "form_default": ("(问卷里的常用值,您没有改)", " (the usual value of the form, which you left)"),
    "method_default": ("(按通常的做法,没有人改过)", " (customary; nobody set it)"),
    "organization": ("(按公司的规定)", " (set by the company)"),
}
UNITS: Mapping[str, Both] = {
    "years": ("{n}", "{n}"),
    "months": ("{n} 个月", "{n} months"),
    "times": ("{n} 倍", "{n} times"),
}
RELEVANT: Mapping[str, tuple[str, ...]] = {
    "life": (
        "survivor_share", "support_years", "final_expenses_fen", "emergency_months", "inflation", "expense_growth",
        "income_growth", "discount_rate",
    ),
    "critical_illness": ("treatment_fen", "rehabilitation_share", "recovery_years"),
    "medical": ("medical_bill_fen", "social_reimbursement", "deductible_fen"),
    "accident": ("accident_multiple", "accident_base_fen"),
    "education": ("education_growth", "discount_rate"),
    "pension": (
        "pension_start_age", "pension_until_age", "pension_monthly_fen", "social_pension_monthly_fen", "inflation",
        "discount_rate",
    ),
    "minor": (),
}  # fmt: skip
ASSUMED: Mapping[str, Both] = {
    "survivor_share": (
        "家里少了一个人以后,基本开支还要原来的 {v}",
        "With one person less, the family spends {v} of what it spends now",
    ),
    "support_years": ("家人还需要照顾 {v} 年", "The family has to be looked after for {v} more years"),
    "final_expenses_fen": ("身后的花费约 {v}", "Last expenses are about {v}"),
    "emergency_months": ("家里留 {v}的开支应急", "{v} of spending are kept for emergencies"),
    "inflation": ("东西每年涨价 {v}", "Prices rise by {v} a year"),
    "expense_growth": ("开支每年增加 {v}", "Spending rises by {v} a year"),
    "income_growth": ("收入每年增加 {v}", "Income rises by {v} a year"),
    "discount_rate": ("存下的钱每年增值 {v}", "Money that is put aside earns {v} a year"),
    "treatment_fen": ("治一场大病自己要付 {v}", "One pays {v} oneself for the treatment of a serious illness"),
    "rehabilitation_share": ("休养康复的花费是治疗的 {v}", "Recovery costs {v} of the treatment"),
    "working_years": (
        "离退休还有 {v} 年,生病时只算这几年少掉的收入",
        "Retirement is {v} years away; no more years of income can be lost",
    ),
    "recovery_years": ("要休养 {v} 年不能工作", "One cannot work for {v} years"),
    "medical_bill_fen": ("花费很大的一年,医疗费约 {v}", "A year with very high bills costs about {v}"),
    "social_reimbursement": ("医保能报销 {v}", "Social insurance pays {v} of it"),
    "deductible_fen": ("自己能承担其中 {v}", "One can carry {v} of it oneself"),
    "accident_multiple": ("按年收入的 {v}准备", "Cover is {v} the yearly income"),
    "accident_base_fen": (
        "没有收入的人按 {v} 准备(未成年人不超过规定)",
        "Without an income, {v} (minors within the limit)",
    ),
    "education_growth": ("上学的花费每年涨 {v}", "Education becomes dearer by {v} a year"),
    "pension_start_age": ("{v} 岁开始过退休生活", "Retirement begins at {v}"),
    "pension_until_age": ("养老的钱要用到 {v} 岁", "The money lasts until {v}"),
    "pension_monthly_fen": ("退休后每月花 {v}(按今天的物价)", "{v} a month is spent in retirement, at today's prices"),
    "social_pension_monthly_fen": (
        "每月能领社会养老金 {v}(按今天的物价)",
        "The social pension is {v} a month, at today's prices",
    ),
}
MISSING: Mapping[str, Both] = {
    "liquid_assets_unknown": (
        "没有说家里有多少随时能用的钱,按没有来算;说了以后,需要的钱可能会少。",
        "Nobody said how much money is at hand, so none was counted; the need may be lower.",
    ),
    "final_expenses_unknown": (
        "没有说身后的花费,按六个月的基本开支估算。",
        "Nobody named the last expenses; six months of basic spending were taken.",
    ),
    "treatment_unknown": (
        "没有说治大病自己要付多少,按通常的数估算。",
        "Nobody said what a serious illness would cost; the usual amount was taken.",
    ),
    "pension_wish_unknown": (
        "没有说退休后想花多少,按现在开支的一部分估算。",
        "Nobody said what will be spent in retirement; a part of today's spending was taken.",
    ),
    "retirement_age_unknown": (
        "没有说打算工作到多少岁,按法定退休年龄(不知道性别时按 60 岁)来算。",
        "Nobody said until when you will work; the statutory age was taken (60 where the sex is not known).",
    ),
    "social_pension_unknown": (
        "不知道每月能领多少社会养老金,按没有来算;查到以后,要准备的钱会少。",
        "The social pension is not known, so none was counted; once it is, less will be needed.",
    ),
    "social_pension_estimated": (
        "社会养老金是按缴费情况估算的,以社保部门的数为准。",
        "The social pension is an estimate from the contributions; the office's own figure decides.",
    ),
    "pension_time_past": (
        "已经过了打算用到的年龄,没有算养老的钱。",
        "The age the money should last until is past; nothing was calculated for old age.",
    ),
    "social_medical_unknown": (
        "不清楚{who}参加哪种医保,按没有医保来算。",
        "It is not known which social medical insurance covers {who}; none was counted.",
    ),
    "life_not_judged": (
        "没有算{who}不在了需要多少钱:没有收入,或者没有说收入。",
        "What would be needed without {who} was not calculated: there is no income, or none was named.",
    ),
    "policy_ended": ("第 {row} 份保单已经到期,没有算进去。", "Policy {row} has ended and does not count."),
    "policy_insured_not_judged": (
        "第 {row} 份保单保的人不在这次分析里,没有算进去。",
        "Policy {row} insures somebody this analysis is not about; it does not count.",
    ),
    "policy_peril_not_judged": (
        "第 {row} 份保单保的是别的事情,没有算进去。",
        "Policy {row} covers something this analysis does not look at; it does not count.",
    ),
}
