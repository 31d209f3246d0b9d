"""What may not be asked, and where answers may come from and go to: checks of a single item. Pure.

Article 27 of the rules on insurance sales conduct (保险销售行为管理办法, 2023): a customer discloses what he is
asked, and he is not asked catch-all questions (兜底性条款), such as whether there is anything else he has not told.
"""

import re

from app.domain.form_shapes import Item, require

_ASKING = ("boolean", "text")  # and whatever is required
_OTHER = "(?:其他|其它|其余|另外|别的|任何|额外)"
_TELL = "(?:说明|告知|告诉|披露|申报|声明|陈述|补充|提及|交代|注意|列明|列出)"
_ZH = (
    rf"{_OTHER}.{{0,12}}(?:需|应|须|要|值得|想|未|没有|尚未|不曾|可能影响).{{0,8}}{_TELL}",
    rf"(?:其他|其它){_TELL}(?:的)?(?:事项|情况|内容|信息)?\W*$",
    rf"(?:还有|有无|有没有|是否有|是否存在).{{0,8}}(?:未|没有|尚未|不曾|遗漏).{{0,6}}{_TELL}",
    rf"(?:还有|有无|有没有).{{0,8}}(?:要|需要|想|应|须).{{0,4}}{_TELL}",
    rf"(?:是否|有无|有没有|还有).{{0,6}}{_OTHER}.{{0,6}}(?:情况|事项|问题|异常|信息|内容)\W*$",
    r"(?:上述|以上|前述|前面|上面).{0,10}(?:之外|以外|外|未).{0,12}(?:情况|事项|疾病|异常|问题|症状|信息|提及|列)",
    r"(?:一切|所有|任何).{0,8}可能影响.{0,12}(?:承保|投保|核保|决定)",
    r"(?:是否|有无|有没有|还有).{0,6}影响.{0,8}(?:承保|投保|核保).{0,6}(?:情形|情况|事实|因素|事项)",
    rf"(?:是否|有无|有没有|还有|还患有|患过).{{0,6}}{_OTHER}.{{0,6}}(?:疾病|病症|病史|症状)",
    rf"(?:补充|填写|列出|说明).{{0,4}}{_OTHER}.{{0,6}}(?:情况|事项|问题|信息|疾病)\W*$",
)
_ZH_WHOLE = rf"^\W*(?:{_OTHER}|未尽)(?:的|重要|特殊|相关)*(?:情况|事项|信息|内容|问题)(?:说明|补充)?\W*$"
_WHAT = r"(?:relevant |important |material |special )?(?:matter|circumstance|fact|information|thing|situation)s?\b"
_TOLD = r"(?:disclosed?|declared?|mentioned?|told|tell|stated?|listed?|covered)\b"
# In small letters; every one begins where a word does.
_EN = (
    r"anything (?:else|further|more|other)\b",
    r"something (?:else|further|more|other)\b",
    r"anything (?:that )?(?:we|you|i) (?:should|must|need|want|would like|ought)\b",
    r"any (?:other|further|additional) (?:medical |health |known )?"
    r"(?:illness(?:es)?|diseases?|conditions?|symptoms?|problems?|complaints?)\b",
    r"(?:withheld|omitted|concealed|left out) anything\b",
    rf"any(?:thing)?\b.{{0,40}}(?:\bnot|\bnever|n't) (?:yet )?(?:been )?(?:already )?{_TOLD}",
    rf"(?:any|all|every) (?:other|further|additional) (?:{_WHAT}|issues?\b|details?\b|remarks?\b)",
    rf"other (?:{_WHAT}|conditions?\b).{{0,40}}"
    r"\b(?:disclos|declar|tell|told|mention|report|stat[ei]|explain|add|know|aware)",
    rf"^other {_WHAT}\W*$",
    r"(?:besides|apart from|other than|beyond) the (?:above|foregoing)\b",
    r"(?:anything|any fact|all facts).{0,20}(?:may|might|could|would) (?:affect|influence)\b",
)
# The signs they begin with come first: nothing else is tried at any other place.
_CATCH_ALL_ZH = re.compile(rf"{_ZH_WHOLE}|(?=[其另别任额还有是上以前一所患补填列说])(?:{'|'.join(_ZH)})")
_CATCH_ALL_EN = re.compile(rf"\b(?=[aseoblwc])(?:{'|'.join(_EN)})")

_PREFILL: dict[str, tuple[str, ...]] = {
    "customer.name": ("text",),
    "customer.gender": ("choice", "text"),
    "customer.birthday": ("date",),
    "customer.age": ("integer", "decimal"),
    "customer.occupation": ("text", "choice", "open_choice"),
    "customer.party_type": ("choice", "text"),
    "customer.phone": ("phone", "text"),
    "customer.address": ("address", "text"),
    "customer.id_type": ("choice", "text"),
    "household.children": ("group",),
    "household.spouse": ("text", "boolean", "reference", "group"),
}
_EXTRACT = {key: _PREFILL[key] for key in ("customer.occupation", "customer.birthday", "customer.gender")}
_FACT = re.compile(r"dossier\.[a-z][a-z0-9_]{0,63}\.(org\.)?[a-z][a-z0-9_]{0,63}")
_NO_FACT = ("group", "display", "attachment")


def check_wording(item: Item, at: str) -> None:
    """FormError `catch_all_question` for a question that asks for everything not asked: yes/no, text or required."""
    if item.type in ("group", "display") or not (item.required or item.type in _ASKING):
        return
    for name, text in (("label", item.label), ("help", item.help)):
        if text is not None:
            require(not _CATCH_ALL_ZH.search(text.zh), "catch_all_question", f"{at}/{name}/zh")
            require(not _CATCH_ALL_EN.search(text.en.lower()), "catch_all_question", f"{at}/{name}/en")


def check_sources(item: Item, scope: str | None, at: str) -> None:
    """FormError for a prefill source or an extract target that does not exist or does not fit the item's type."""
    for name, known in (("prefill", _PREFILL), ("extract", _EXTRACT)):
        path = getattr(item, name)
        if path is None:
            continue
        if path in known:
            fits = item.type in known[path] and (item.type != "group" or item.repeats == (path == "household.children"))
        else:
            require(_FACT.fullmatch(path), f"{name}_unknown", f"{at}/{name}")
            fits = item.type not in _NO_FACT
        # What is extracted is one value of one person: rows have many.
        require(fits and (name == "prefill" or scope is None), f"{name}_type", f"{at}/{name}")
