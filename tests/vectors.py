"""Public test vectors that lie beside a checkout; a test that needs them is skipped where they do not."""

import json
import tarfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

_VECTORS = Path(__file__).parents[2] / "shared/vectors"

# Valid JSON that is refused on purpose: two members of one name, and U+0000, which PostgreSQL cannot store.
REFUSED_ON_PURPOSE = {
    "y_object_duplicated_key.json",
    "y_object_duplicated_key_and_value.json",
    "y_object_escaped_null_in_key.json",
    "y_string_null_escape.json",
}


def parsing_suite() -> dict[str, bytes]:
    """The 318 files of JSONTestSuite by name: `y_` is JSON, `n_` is none, `i_` is left to the parser."""
    archive = _VECTORS / "jsontestsuite/test_parsing.tar.gz"
    if not archive.exists():
        pytest.skip("the JSONTestSuite archive is not beside this checkout")
    with tarfile.open(archive) as files:
        found = {}
        for entry in files.getmembers():
            content = files.extractfile(entry) if entry.isfile() else None
            if content is not None:
                found[Path(entry.name).name] = content.read()
    return {name: body for name, body in found.items() if name[:2] in ("y_", "n_", "i_")}


def naughty_strings() -> list[str]:
    """The big list of naughty strings."""
    file = _VECTORS / "blns.json"
    if not file.exists():
        pytest.skip("the big list of naughty strings is not beside this checkout")
    strings: list[str] = json.loads(file.read_bytes())
    return strings


def needs_vectors() -> dict[str, dict[str, Any]]:
    """Published figures of needs analysis by id; their numbers are integers and Decimals."""
    file = _VECTORS / "needs.json"
    if not file.exists():
        pytest.skip("the published figures of needs analysis are not beside this checkout")
    return {vector["id"]: vector for vector in json.loads(file.read_bytes(), parse_float=Decimal)["vectors"]}
