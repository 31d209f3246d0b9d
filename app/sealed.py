"""Which columns are sealed or blind-indexed, and under whose key: pure data for whoever must walk them all.

Rotation seals and indexes them anew, erasing empties them, and tests hold this list against the catalogue of the
database, so that no sealed column can be forgotten. Every step that seals a column adds its line at the end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import orjson


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A `bytea` column that holds what a FieldCipher has sealed.

    Args:
        owner: whose key it lies under: the person's, or the organisation's.
        person_column: the column of the same row with the id of the person; None when the organisation owns it.
        place: the names of table and column given to `seal`; a seal is bound to them for ever, a rename is not.
        row_column: the column whose id the seal is bound to.
        is_text: what is sealed is a text as it is; otherwise JSON.
    """

    table: str
    column: str
    owner: Literal["person", "org"]
    person_column: str | None
    place: tuple[str, str]
    row_column: str = "id"
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class BlindColumn:
    """A column with a blind index beside what it is made from.

    Args:
        version_column: the column of the same row with the version of the key.
        source: the sealed column of the same row whose content is indexed.
        place: the names of table and column given to `vault.blind`; those of the column, without `_bi`, if not given.
        values: what of the opened content is indexed, already normalised: one text, or for a column of type
            `bytea[]` a list of them.
    """

    table: str
    column: str
    version_column: str
    source: str
    place: tuple[str, str] | None = None
    values: Callable[[str], str | list[str]] = str

    @property
    def names(self) -> tuple[str, str]:
        """Table and column as `vault.blind` knows them."""
        return self.place or (self.table, self.column.removesuffix("_bi"))


@dataclass(frozen=True, slots=True)
class WrappedColumn:
    """A column that holds a secret wrapped by the key-encryption key, with `kek_version` in the same row.

    Args:
        layer: `org` and `blind` for the keys of an organisation (by org_id and version), `text` for a padded text.
        key: the columns of the primary key; a text is bound to the first one, which is text.
        prefix: what stands before that, where two tables hold such texts.
    """

    table: str
    column: str
    layer: Literal["org", "blind", "text"]
    key: tuple[str, ...]
    prefix: str = ""


def _phones(opened: str) -> list[str]:
    return sorted({phone["number"] for phone in orjson.loads(opened)["phones"]})


SEALED: tuple[SealedColumn, ...] = (
    SealedColumn("customers", "id_number_enc", "person", "id", ("customers", "id_number"), is_text=True),
    SealedColumn("second_factors", "secret_enc", "org", None, ("second_factors", "secret"), is_text=True),
    SealedColumn("customers", "private_enc", "person", "id", ("customers", "private")),
    SealedColumn("relationships", "note_enc", "org", None, ("relationships", "note"), is_text=True),
    SealedColumn("introductions", "note_enc", "org", None, ("introductions", "note"), is_text=True),
    SealedColumn("form_responses", "answers_enc", "person", "customer_id", ("form_responses", "answers")),
    SealedColumn("form_responses", "retraction_enc", "person", "customer_id", ("form_responses", "retraction")),
    SealedColumn("needs_analyses", "summary_enc", "person", "customer_id", ("needs_analyses", "summary")),
    SealedColumn("needs_analyses", "analysis_enc", "person", "customer_id", ("needs_analyses", "analysis")),
    SealedColumn("needs_analyses", "facts_enc", "person", "customer_id", ("needs_analyses", "facts")),
    SealedColumn(
        "needs_analysis_confirmations",
        "reference_enc",
        "person",
        "customer_id",
        ("needs_analysis_confirmations", "reference"),
    ),
    SealedColumn("tolerance_assessments", "result_enc", "person", "customer_id", ("tolerance_assessments", "result")),
    SealedColumn("proposals", "content_enc", "person", "customer_id", ("proposals", "content")),
    SealedColumn("proposals", "signature_enc", "person", "customer_id", ("proposals", "signature")),
    SealedColumn("consents", "details_enc", "person", "customer_id", ("consents", "details")),
    SealedColumn("dossier_facts", "value_enc", "person", "customer_id", ("dossier_facts", "value")),
    SealedColumn("dossier_facts", "teller_enc", "person", "customer_id", ("dossier_facts", "teller"), is_text=True),
)
BLIND: tuple[BlindColumn, ...] = (
    BlindColumn("customers", "id_number_bi", "id_number_bi_ver", "id_number_enc"),
    BlindColumn("customers", "phones_bi", "phones_bi_ver", "private_enc", ("customers", "phone"), _phones),
)
WRAPPED: tuple[WrappedColumn, ...] = (
    WrappedColumn("org_keys", "wrapped", "org", ("org_id", "version")),
    WrappedColumn("blind_keys", "wrapped", "blind", ("org_id", "version")),
    WrappedColumn("signing_keys", "sealed_pem", "text", ("kid",)),
    WrappedColumn("audit_keys", "sealed_key", "text", ("kid",), "audit-key/"),
)
