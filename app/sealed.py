"""Which columns are sealed or blind-indexed, and under whose key: pure data for whoever must walk them all.

Rotation seals and indexes them anew, erasing empties them, and tests hold this list against the catalogue of the
database, so that no sealed column can be forgotten. Every step that seals a column adds its line at the end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A `bytea` column that holds what a FieldCipher has sealed.

    Args:
        owner: whose key it lies under: the person's, or the organisation's.
        person_column: the column of the same row with the id of the person; None when the organisation owns it.
        place: the names of table and column given to `seal`; a seal is bound to them for ever, a rename is not.
        row_column: the column whose id the seal is bound to.
    """

    table: str
    column: str
    owner: Literal["person", "org"]
    person_column: str | None
    place: tuple[str, str]
    row_column: str = "id"


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
    """

    table: str
    column: str
    layer: Literal["org", "blind", "text"]
    key: tuple[str, ...]


SEALED: tuple[SealedColumn, ...] = (
    SealedColumn("customers", "id_number_enc", "org", None, ("customers", "id_number")),
    SealedColumn("second_factors", "secret_enc", "org", None, ("second_factors", "secret")),
)
BLIND: tuple[BlindColumn, ...] = (BlindColumn("customers", "id_number_bi", "id_number_bi_ver", "id_number_enc"),)
WRAPPED: tuple[WrappedColumn, ...] = (
    WrappedColumn("org_keys", "wrapped", "org", ("org_id", "version")),
    WrappedColumn("blind_keys", "wrapped", "blind", ("org_id", "version")),
    WrappedColumn("signing_keys", "sealed_pem", "text", ("kid",)),
)
