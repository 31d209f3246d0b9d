"""The data inventory: what every column of the database holds, of whom, why, for how long and how it is kept.

Declared in `tables/inventory.txt`, one place for everything that walks it: the published inventory
(`renmai inventory`), the package a person is handed, and the function that erases him (`erasing.py`). A test compares
it with the catalogue of a migrated database, both ways.

Sources: PIPL 6 (least data), 19 (shortest term), 51 (classes); JR/T 0171-2020 for C1 to C3.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

# What each word of the declaration means, zh and en.
CLASSES = {
    "none": ("非个人信息", "No personal data: ids, stamps, settings"),
    "C1": ("一般个人信息", "What is known inside the organisation: name, birthday, occupation, stage, ties"),
    "C2": ("可识别主体的信息", "Identifies or describes a person closely: contact data, ID number, notes, money"),
    "C3": ("鉴别信息", "Proves an identity: password, second factor"),
    "sensitive": ("敏感个人信息", "Sensitive personal data (PIPL 28): health, finances, family, minors"),
}
SUBJECTS = {
    "none": ("无", "Nobody"),
    "customer": ("客户", "The person or company an agent knows"),
    "user": ("业务员", "Who works with the service"),
    "third_person": ("第三人", "Two persons at once: the customer and somebody else"),
}
PURPOSES = {
    "operation": ("系统运行", "The service itself"),
    "security": ("安全", "Keeping accounts and data safe"),
    "service": ("客户服务", "Serving the customer"),
    "advice": ("需求分析与建议", "Needs analysis and proposals"),
    "underwriting": ("投保与核保", "Application and underwriting"),
    "introductions": ("人脉与转介绍", "Whom he knows, and introductions"),
    "proactive_contact": ("主动联系", "Contact the customer has not asked for"),
    "rights": ("个人权利", "Keeping the rights of persons"),
    "proof": ("留痕举证", "Proof of what was done"),
}
BASES = {
    "none": ("不适用", "No personal data"),
    "contract": ("订立、履行合同", "A contract with the person, or his wish for one (PIPL 13 I 2)"),
    "consent": ("单独同意", "His separate consent (PIPL 13 I 1, 29)"),
    "law": ("法定义务", "A duty of law (PIPL 13 I 3)"),
}
RETENTIONS = {
    "organisation": ("机构存续期间", "As long as the organisation is here"),
    "person": ("客户删除30日后或本人要求时清除", "Until 30 days after the customer is deleted, or until he asks"),
    "definition": ("按要素定义", "As the definition of the fact says, at most as long as the person"),
    "item": ("按表单题目", "As the item of the form says (visit+1y, policy+10y, …); drafts a year; at most the person"),
    "policy": ("签署后10年(保险法87条、反洗钱法)", "Ten years after a signature; without one as long as the person"),
    "proof": ("办结后3年", "Three years after the matter is closed; proof of an erasure stays"),
    "audit": ("至少3年", "Three years at least; nothing is taken out of the chain"),
    "employment": ("任职期间及其后", "As long as the organisation needs to tell who did what"),
    "invitation": ("失效后90日", "90 days after it was used or expired"),
    "session": ("结束后400日", "400 days after its end"),
    "refresh_token": ("使用后30日", "30 days after its use or the end of the session"),
    "second_factor": ("停用后90日", "90 days after it was taken away"),
    "day": ("24小时", "24 hours"),
    "hour": ("1小时", "An hour after its window"),
    "minutes": ("数分钟", "Some minutes"),
}
STORED = {
    "clear": ("明文(行级隔离)", "Clear, behind row-level security"),
    "masked": ("掩码", "Masked: what lists show"),
    "sealed": ("加密", "Sealed (AES-256-GCM, bound to its place)"),
    "blind": ("盲索引", "Blind index (HMAC), for equality search"),
    "keyed_hash": ("散列", "A hash nobody can turn round"),
    "wrapped": ("封装密钥", "A key, wrapped under another one"),
}
# Why a column is in no package: a person is handed what is his, not the machinery, nor what is of others.
LEFT_OUT = {
    "system": "The service's own bookkeeping: says nothing about the person",
    "derived": "Computed from another column that is in the package",
    "key": "A key of the service",
    "employee": "Tells of an employee, not of the customer",
    "other_person": "Tells of another person as well: an agent reads his part to him, with the other's taken out",
    "access_log": "Who looked and when is answered by the access log",
}
_WORDS: dict[str, Mapping[str, Any]] = {
    "class": CLASSES, "purpose": PURPOSES, "basis": BASES, "retention": RETENTIONS, "stored": STORED,
}  # fmt: skip
_HEAD = re.compile(r"\[([a-z_*]+)\] (\w+)((?: (?:who|via|erase)=\S+)*)")
_ERASING = {"delete", "keep", "no"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column and what is said of it. `erased`: the SQL it becomes where the row stays; None where it does not."""

    name: str
    kind: str
    subject: str
    purpose: str
    basis: str
    retention: str
    stored: str
    left_out: str | None
    erased: str | None

    @property
    def is_in_package(self) -> bool:
        return self.left_out is None


@dataclass(frozen=True, slots=True)
class Table:
    """A table, whose its rows are (`who`, `via`: column and the table it points into), and what erasing does to it."""

    name: str
    subject: str
    who: tuple[str, ...]
    via: tuple[tuple[str, str], ...]
    erase: str
    columns: Mapping[str, Column]

    @property
    def is_of_persons(self) -> bool:
        return bool(self.who or self.via)

    @property
    def package(self) -> list[Column]:
        """What of a row is handed to the person."""
        return [column for column in self.columns.values() if column.is_in_package] if self.is_of_persons else []


class InventoryError(ValueError):
    """The declaration cannot be read; the text says where."""


@cache
def tables() -> dict[str, Table]:
    """The whole inventory by table, in the order it is written.

    Raises:
        InventoryError: a line is not as it must be.
    """
    text = resources.files("app.domain").joinpath("tables", "inventory.txt").read_text(encoding="utf-8")
    return parse(text)


def parse(text: str) -> dict[str, Table]:
    """The inventory a text declares.

    Raises:
        InventoryError: as `tables`.
    """
    found: dict[str, Table] = {}
    columns: dict[str, Column] = {}
    subject = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("["):
            columns = {}
            table = _head(number, line, columns)
            if table.name in found:
                raise InventoryError(f"line {number}: {table.name} stands twice")
            found[table.name], subject = table, table.subject
            continue
        for column in _columns(number, line, subject):
            if column.name in columns:
                raise InventoryError(f"line {number}: {column.name} stands twice")
            columns[column.name] = column
    return found


def _head(number: int, line: str, columns: Mapping[str, Column]) -> Table:
    match = _HEAD.fullmatch(line.strip())
    if match is None or match[2] not in SUBJECTS:
        raise InventoryError(f"line {number}: not the head of a table")
    said = dict(part.split("=", 1) for part in match[3].split())
    who = tuple(said["who"].split(",")) if "who" in said else ()
    via = tuple((a, b) for a, b in (pair.split(">") for pair in said.get("via", "").split(",") if pair))
    erase = said.get("erase", "")
    if erase not in _ERASING or (erase != "no" and not (who or via)):
        raise InventoryError(f"line {number}: what becomes of the rows of an erased person?")
    return Table(match[1], match[2], who, via, erase, columns)


def _columns(number: int, line: str, subject: str) -> Iterator[Column]:
    names, *words = line.split()
    said = dict(word.split("=", 1) for word in words if "=" in word)
    plain = [word for word in words if "=" not in word]
    if len(plain) != len(_WORDS) + 1 or not said.keys() <= {"subject", "erased"}:
        raise InventoryError(f"line {number}: class, purpose, basis, retention, stored, package are wanted")
    for (what, known), word in zip(_WORDS.items(), plain, strict=False):
        if word not in known:
            raise InventoryError(f"line {number}: no {what} {word}")
    package, _, why = plain[-1].partition(":")
    if package not in ("yes", "no") or (why not in LEFT_OUT if package == "no" else why):
        raise InventoryError(f"line {number}: in the package yes, or no:reason?")
    whose = said.get("subject", subject if plain[0] != "none" else "none")
    if whose not in SUBJECTS:
        raise InventoryError(f"line {number}: no subject {whose}")
    for name in names.split(","):
        yield Column(
            name, plain[0], whose, plain[1], plain[2], plain[3], plain[4], why or None, said.get("erased")
        )  # fmt: skip


def column(table: str, name: str) -> Column | None:
    """What is said of a column: in its table, or of its name everywhere; None when nothing is."""
    own = tables()[table].columns if table in tables() else {}
    return own.get(name) or (tables()["*"].columns.get(name) if table in tables() else None)


def of_person(table: Table) -> str:
    """The condition that finds the rows of persons `p_ids` in `p_org`; names come from the declaration only."""
    ways = [f"{name} = ANY(p_ids)" for name in table.who]
    for name, other in table.via:
        inner = of_person(tables()[other])
        # No input reaches this text: every name in it is one of our own file.
        ways.append(name + " IN (SELECT o.id FROM " + other + " o WHERE o.org_id = p_org AND (" + inner + "))")  # noqa: S608
    return " OR ".join(ways)


def in_order(points_at: Collection[tuple[str, str]]) -> list[Table]:
    """The tables whose rows are deleted, every one before those its rows point at.

    Args:
        points_at: foreign keys, as (table, table it points at).

    Raises:
        InventoryError: they point at each other in a circle.
    """
    left = {name: table for name, table in tables().items() if table.erase == "delete"}
    # Rows found through another table must be found before that one is emptied.
    before = {(a, b) for a, b in points_at if a != b} | {(t.name, other) for t in left.values() for _, other in t.via}
    done: list[Table] = []
    while left:
        free = [table for name, table in left.items() if not any(b == name and a in left for a, b in before)]
        if not free:
            raise InventoryError(f"these point at each other: {', '.join(sorted(left))}")
        done += free
        for table in free:
            del left[table.name]
    return done


def document() -> dict[str, Any]:
    """The inventory as it is published: the words with their meaning, then every table and column."""
    words = {
        "classes": CLASSES, "subjects": SUBJECTS, "purposes": PURPOSES, "legal_bases": BASES,
        "retentions": RETENTIONS, "stored": STORED,
    }  # fmt: skip
    meant = {what: {word: {"zh": zh, "en": en} for word, (zh, en) in known.items()} for what, known in words.items()}
    return {
        **meant,
        "left_out": LEFT_OUT,
        "tables": {name: _published(table) for name, table in tables().items()},
    }


def _published(table: Table) -> dict[str, Any]:
    return {
        "subject": table.subject,
        "rows_of_the_person": [*table.who, *(f"{name} → {other}" for name, other in table.via)],
        "when_erased": {"delete": "rows are deleted", "keep": "the row stays without its contents", "no": "stays"}[
            table.erase
        ],
        "columns": {
            name: {
                "class": one.kind,
                "subject": one.subject,
                "purpose": one.purpose,
                "legal_basis": one.basis,
                "retention": one.retention,
                "stored": one.stored,
                "in_package": one.is_in_package,
                "why_not": one.left_out,
            }
            for name, one in table.columns.items()
        },
    }


def readable() -> str:
    """The same for people: one table of Markdown for each of the database."""
    lines = ["# Data inventory", "", "Written by `renmai inventory` from `app/domain/tables/inventory.txt`.", ""]
    for title, known in (("Classes", CLASSES), ("Retention", RETENTIONS), ("Stored", STORED)):
        lines += [f"**{title}**", "", *(f"- `{word}` {zh}: {en}" for word, (zh, en) in known.items()), ""]
    lines += ["**Not in a package because**", "", *(f"- `{word}`: {why}" for word, why in LEFT_OUT.items()), ""]
    for table in tables().values():
        name = "Every table, unless it says otherwise" if table.name == "*" else f"`{table.name}`"
        lines += [f"## {name}", "", "| column | class | of | purpose | basis | retention | stored | package |"]
        lines += ["|---|---|---|---|---|---|---|---|"]
        for one in table.columns.values():
            package = "yes" if one.left_out is None else f"no: {one.left_out}"
            cells = (one.name, one.kind, one.subject, one.purpose, one.basis, one.retention, one.stored, package)
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)
