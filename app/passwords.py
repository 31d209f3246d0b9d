"""Passwords: which ones are refused, and how the others are kept.

Stored form: argon2id (RFC 9106; 19 MiB, 2 passes, 1 lane) over HMAC-SHA-256(pepper, NFC password). The pepper lives
outside the database, so a stolen dump cannot be guessed against at all. No composition or expiry rules (NIST
SP 800-63B, OWASP ASVS 6.2): length, a list of well-known passwords, and patterns a guesser tries first.
"""

import hmac
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Literal

import anyio.to_thread
from anyio import CapacityLimiter
from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

MIN_LENGTH = 12
MAX_LENGTH = 128

Weakness = Literal["too_short", "too_long", "characters", "common", "repeated", "sequence", "keyboard", "context"]

# NFC is quadratic on long runs of combining marks, so the raw text is bounded before it is composed.
_MAX_RAW = 4 * MAX_LENGTH
_MIN_UNPREDICTABLE = 6
_MIN_DISTINCT = 5
_MIN_CONTEXT = 4
_ROWS = ("`1234567890-=", "~!@#$%^&*()_+", "qwertyuiop[]\\", "asdfghjkl;'", "zxcvbnm,./", "qwertzuiop", "azertyuiop")
_COLUMNS = (
    "1qaz",
    "2wsx",
    "3edc",
    "4rfv",
    "5tgb",
    "6yhn",
    "7ujm",
    "8ik,",
    "9ol.",
    "0p;/",
    "!qaz",
    "@wsx",
    "#edc",
    "$rfv",
)
_NEIGHBOURS = frozenset(pair for row in (*_ROWS, *_COLUMNS) for a, b in pairwise(row) for pair in (a + b, b + a))
_LOOKALIKES = str.maketrans("@4031!$5", "aaoeiiss")
_NOT_LETTERS = re.compile(r"[\W\d_]+")
_LIST = Path(__file__).parent / "data" / "common_passwords.txt"


class WeakPassword(Exception):
    """A password that may not be chosen; `code` says which rule it breaks, never the password."""

    def __init__(self, code: Weakness) -> None:
        super().__init__(code)
        self.code: Weakness = code


class Passwords:
    """Hashes and verifies passwords in worker threads, two at a time: each takes 19 MiB and about 35 ms of a core.

    Args:
        pepper: 32 secret bytes that are not in the database.

    Raises:
        ValueError: a pepper under 32 bytes.
    """

    def __init__(self, pepper: bytes) -> None:
        if len(pepper) < 32:
            raise ValueError("the pepper needs 32 bytes")
        self._pepper = pepper
        self._argon = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
        self._limiter = CapacityLimiter(2)
        # Made now and not on first use, or the first unknown account would be told by its slowness.
        self._dummy = self._argon.hash(bytes(32))

    async def hash(self, password: str) -> str:
        """The text to store, with its parameters and salt (about 97 characters).

        Raises:
            WeakPassword: more than 512 code points, or lone surrogates; `check_strength` refuses both earlier.
        """
        secret = self._peppered(password)
        if secret is None:
            raise WeakPassword("characters" if len(password) <= _MAX_RAW else "too_long")
        return await anyio.to_thread.run_sync(self._argon.hash, secret, limiter=self._limiter)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` is the stored one. Never raises for what a client can send.

        An unknown account (`None`), a damaged hash and an impossible password cost one hash like any other guess, so
        that the time tells nobody which accounts exist.
        """
        return await anyio.to_thread.run_sync(self._verify, stored, password, limiter=self._limiter)

    def needs_rehash(self, stored: str) -> bool:
        """Whether `stored` was made with other parameters than today's; ask after a successful login."""
        try:
            return self._argon.check_needs_rehash(stored)
        except InvalidHashError:
            return True

    def _verify(self, stored: str | None, password: str) -> bool:
        secret = self._peppered(password)
        if stored is not None and secret is not None:
            try:
                return self._argon.verify(stored, secret)
            except VerifyMismatchError:
                return False
            except (InvalidHashError, VerificationError):
                pass  # unreadable, so nothing was computed yet: fall through to the dummy
        with suppress(VerificationError):
            self._argon.verify(self._dummy, secret or b"\x01")
        return False

    def _peppered(self, password: str) -> bytes | None:
        if len(password) > _MAX_RAW:
            return None
        try:
            raw = unicodedata.normalize("NFC", password).encode("utf-8")
        except UnicodeEncodeError:
            return None
        return hmac.digest(self._pepper, b"renmai/password/1\0" + raw, "sha256")


def check_strength(password: str, context: Iterable[str] = ()) -> None:
    """Refuses passwords a guesser would try early. Any Unicode is welcome; length counts code points after NFC.

    Args:
        password: what the person typed.
        context: words about the person and the organisation (username, org code, phone, e-mail); ASCII words under
            four characters are ignored, they are in everything.

    Raises:
        WeakPassword: `too_short` under 12, `too_long` over 128, `characters` (lone surrogates), `context` (contains
            such a word), `common` (listed, or a listed word plus digits and signs), `repeated`, `sequence` or
            `keyboard` (fewer than six characters that do not follow from the ones before).
    """
    if len(password) > _MAX_RAW:
        raise WeakPassword("too_long")
    if any("\ud800" <= character <= "\udfff" for character in password):
        raise WeakPassword("characters")
    length = len(unicodedata.normalize("NFC", password))
    if length < MIN_LENGTH:
        raise WeakPassword("too_short")
    if length > MAX_LENGTH:
        raise WeakPassword("too_long")
    form = _folded(password)
    if any(word in form for word in _context_words(context)):
        raise WeakPassword("context")
    if _is_common(form):
        raise WeakPassword("common")
    weakness = _pattern(form)
    if weakness is not None:
        raise WeakPassword(weakness)


def _folded(text: str) -> str:
    """Full-width, upper-case and composed spellings are the same guess."""
    return unicodedata.normalize("NFKC", text).casefold()


def _context_words(context: Iterable[str]) -> Iterator[str]:
    for text in context:
        folded = _folded(text)
        for word in {folded, folded.partition("@")[0]}:
            if len(word) >= (_MIN_CONTEXT if word.isascii() else 2):  # a Chinese name is two or three characters
                yield word


@lru_cache(maxsize=1)
def _known() -> tuple[frozenset[str], frozenset[str]]:
    """The list: whole passwords, and the short words that are no better with digits and signs around them."""
    lines = (line.strip() for line in _LIST.read_text("utf-8").splitlines())
    forms = {_folded(line) for line in lines if line and not line.startswith("# ")}
    forms |= {form.translate(_LOOKALIKES) for form in forms}
    words = {_period(form) for form in forms if len(form) < MIN_LENGTH}
    return frozenset(form for form in forms if len(form) >= MIN_LENGTH), frozenset(words)


def _is_common(form: str) -> bool:
    passwords, words = _known()
    # Digits around a word are not look-alikes of letters: "p@ssw0rd2026" is password, not passwordo.
    trimmed = form[: max((i + 1 for i, character in enumerate(form) if character.isalpha()), default=0)]
    for text in (form, form.translate(_LOOKALIKES), trimmed.translate(_LOOKALIKES)):
        letters = _NOT_LETTERS.sub("", text)
        if text in passwords or _period(letters) in words:
            return True
    return False


def _period(text: str) -> str:
    """The shortest text that gives `text` when repeated."""
    return text[: (text + text).find(text, 1)] if text else ""


def _pattern(form: str) -> Weakness | None:
    """What most of the text follows from, when too little of it is free choice."""
    if len(set(form)) < _MIN_DISTINCT or _is_repetition(form):
        return "repeated"
    followed = Counter(_relation(form, i) for i in range(len(form)))
    if followed.pop(None, 0) >= _MIN_UNPREDICTABLE:
        return None
    return followed.most_common(1)[0][0]


def _is_repetition(form: str) -> bool:
    return any(form[period:] == form[:-period] for period in range(1, len(form) // 2 + 1))


def _relation(form: str, i: int) -> Weakness | None:
    """How character `i` follows from one of the two before it (two, for interleaved rows such as 1q2w3e)."""
    for before in form[max(0, i - 2) : i][::-1]:
        here = form[i]
        if before == here:
            return "repeated"
        if before.isalnum() and here.isalnum() and abs(ord(before) - ord(here)) == 1:
            return "sequence"
        if before + here in _NEIGHBOURS:
            return "keyboard"
    return None
