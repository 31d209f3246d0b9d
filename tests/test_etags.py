"""Entity tags as clients and proxies write them."""

import pytest

from app import etags
from app.errors import Malformed, PreconditionFailed, PreconditionRequired

LONGEST = '"' + "x" * (etags.MAX_ONE - 2) + '"'


@pytest.mark.parametrize(
    ("header", "version"),
    [
        ('"7"', 7),
        ('W/"7"', 7),
        ('"7.0123abcd"', 7),
        ('W/"7.0123abcd"', 7),
        ('"7.0123ABCD"', 0),
        ('"7.012"', 0),
        ('"2147483647"', 2147483647),
        ('""', 0),
        ('"07"', 0),
        ('"-1"', 0),
        ('"a,b"', 0),
    ],
)
def test_wanted_version_is_the_number_in_the_tag_or_none_of_ours(header: str, version: int) -> None:
    assert etags.wanted_version(header) == version


@pytest.mark.parametrize("header", [None, "*"])
def test_wanted_version_without_a_version_is_428(header: str | None) -> None:
    with pytest.raises(PreconditionRequired):
        etags.wanted_version(header)


@pytest.mark.parametrize("header", ["", "7", '"7', '7"', 'w/"7"', '"7" ', '"7", "8"', '"a b"', '"é"', LONGEST + "x"])
def test_wanted_version_refuses_what_is_no_tag(header: str) -> None:
    with pytest.raises(Malformed) as refused:
        etags.wanted_version(header)
    assert [issue.header for issue in refused.value.issues] == ["If-Match"]


def test_longest_tag_is_read_and_one_more_refused() -> None:
    assert etags.wanted_version(LONGEST) == 0
    with pytest.raises(Malformed):
        etags.wanted_version(LONGEST[:-1] + 'x"')


@pytest.mark.parametrize("header", ['"7"', 'W/"7"', "*", '"6","7"', '"6" , W/"7"', '"a,b", "7"'])
def test_version_held_is_unchanged(header: str) -> None:
    assert etags.is_unchanged(header, "7")


@pytest.mark.parametrize("header", [None, '"6"', '"77"', '"6,7"', '""'])
def test_version_not_held_is_changed(header: str | None) -> None:
    assert not etags.is_unchanged(header, "7")


@pytest.mark.parametrize("header", ["", "7", '"7",', ', "7"', '"6" "7"', '*, "7"', '"7"' + ', "7"' * 400])
def test_is_unchanged_refuses_what_is_no_list_of_tags(header: str) -> None:
    with pytest.raises(Malformed):
        etags.is_unchanged(header, "7")


def test_tag_with_a_body_changes_with_it_and_names_the_version() -> None:
    one, other = etags.tag_with(7, b"one"), etags.tag_with(7, b"other")
    assert one == etags.tag_with(7, b"one") != other != etags.tag_with(8, b"other")
    assert etags.wanted_version(one) == etags.wanted_version(other) == 7
    assert etags.is_unchanged(one, one.strip('"'))
    assert not etags.is_unchanged('"7"', one.strip('"'))


def test_check_tells_the_stored_version() -> None:
    etags.check(3, 3)
    with pytest.raises(PreconditionFailed) as refused:
        etags.check(3, 2)
    assert (refused.value.extra, refused.value.headers) == ({"current_version": 3}, {"ETag": '"3"'})
