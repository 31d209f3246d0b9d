"""Passwords: which ones are refused, and how the others are kept.

Stored form: argon2id (RFC 9106; 19 MiB, 2 passes, 1 lane) over HMAC-SHA-256(pepper, NFC password). The pepper lives
outside the database, so a stolen dump cannot be guessed against at all. No composition or expiry rules (NIST
SP 800-63B, OWASP ASVS 6.2): length, lists of well-known passwords, and patterns a guesser tries first. Organisations
under 等保 (GB/T 22239) may add its rule of composition: the form `mlps`.
"""

import hmac
import importlib.util
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

Weakness = Literal[
    "too_short", "too_long", "characters", "common", "repeated", "sequence", "keyboard", "context", "classes"
]
PasswordForm = Literal["length", "mlps"]

# NFC is quadratic on long runs of combining marks, so the raw text is bounded before it is composed.
_MAX_RAW = 4 * MAX_LENGTH
_MIN_UNPREDICTABLE = 6
_MIN_DISTINCT = 5
_MIN_CONTEXT = 4
_MIN_KINDS = 3
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
# Two readings, because 1 and ! stand for i as often as for l.
_LOOKALIKES = (str.maketrans("@4031!$57+8", "aaoeiissttb"), str.maketrans("@4031!|$57+8", "aaoelllssttb"))
_LIST = Path(__file__).parent / "data" / "common_passwords.txt"
# The leaked list holds any four letters somebody once typed. Shorter texts than these say nothing about a password
# that has eight digits and signs besides; neither do fewer letters with digits between them.
_MIN_LEAKED = {True: 5, False: 6}  # letters only, others
_MIN_SCATTERED = 6
_MAX_AROUND = 10  # digits beside the letters that may belong to a listed password: 1234567890qwerty
_MAX_CORE = 40
_MANY_SIGNS = 6


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


def check_strength(password: str, context: Iterable[str] = (), form: PasswordForm = "length") -> None:
    """Refuses passwords a guesser would try early. Any Unicode is welcome; length counts code points after NFC.

    Args:
        password: what the person typed.
        context: words about the person and the organisation (username, org code, phone, e-mail); ASCII words under
            four characters are ignored, they are in everything.
        form: what the organisation asks for: `length` alone, or `mlps`, three of four kinds of characters besides.

    Raises:
        WeakPassword: `too_short` under 12, `too_long` over 128, `characters` (NUL, lone surrogates), `context`
            (contains such a word), `common` (listed, or a listed one repeated or with digits and signs), `repeated`,
            `sequence` or `keyboard` (fewer than six characters that do not follow from the ones before), `classes`
            (form `mlps`: fewer than three of upper case, lower case, digits, others).
    """
    if len(password) > _MAX_RAW:
        raise WeakPassword("too_long")
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in password):  # JSON carries neither
        raise WeakPassword("characters")
    length = len(unicodedata.normalize("NFC", password))
    if length < MIN_LENGTH:
        raise WeakPassword("too_short")
    if length > MAX_LENGTH:
        raise WeakPassword("too_long")
    folded = _folded(password)
    if any(word in folded for word in _context_words(context)):
        raise WeakPassword("context")
    if _is_common(folded):
        raise WeakPassword("common")
    weakness = _pattern(folded)
    if weakness is not None:
        raise WeakPassword(weakness)
    if form == "mlps" and len({_kind(character) for character in password}) < _MIN_KINDS:
        raise WeakPassword("classes")


def _kind(character: str) -> str:
    """One of the four kinds of GB/T 22239; a Chinese character has no case and is none of the first three."""
    if character.isupper():
        return "upper"
    if character.islower():
        return "lower"
    return "digit" if character.isdecimal() else "other"


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
def _known() -> frozenset[str]:
    """Both lists, folded, the look-alikes also as letters: 45,000 texts, 6 MB and 50 ms when first needed."""
    lines = (line.strip() for line in _LIST.read_text("utf-8").splitlines())
    forms = {_folded(line) for line in lines if line and not line.startswith("# ")}
    forms |= {form for form in _leaked() if len(form) >= _MIN_LEAKED[form.isalpha()]}
    mixed = [form for form in forms if not form.isalpha() and not form.isdecimal()]
    return frozenset(forms.union(form.translate(table) for table in _LOOKALIKES for form in mixed))


def load_list() -> None:
    """Read the lists now: the first password somebody chooses should not wait for them, nor everybody else."""
    _known()


def _leaked() -> list[str]:
    """The 30,000 passwords found most in leaks, as the zxcvbn library ranks them: lower-case ASCII, commonest first.

    The one file is run, not the package imported: that would build the tables of an estimator we do not use, at five
    times the cost (45 ms and 14 MB against 9 ms and 6 MB).

    Raises:
        RuntimeError: the library is not there.
    """
    package = importlib.util.find_spec("zxcvbn")
    folder = package.submodule_search_locations if package is not None else None
    spec = importlib.util.spec_from_file_location("_leaked", Path(folder[0]) / "frequency_lists.py") if folder else None
    if spec is None or spec.loader is None:
        raise RuntimeError("the list of leaked passwords is not installed")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    passwords: list[str] = module.FREQUENCY_LISTS["passwords"]
    return passwords


def _is_common(form: str) -> bool:
    known = _known()
    if form in known:
        return True
    # Six different emoji around a listed word are a free choice. Signs of a keyboard are not.
    if len({character for character in form if not character.isascii() and not character.isalnum()}) >= _MANY_SIGNS:
        return False
    return any(unit in known for core in _cores(form) for unit in _units(core))


def _cores(form: str) -> Iterator[str]:
    """What a password may come down to once the digits and signs around and between its letters are taken off."""
    letters = "".join(filter(str.isalpha, form))
    if len(letters) >= _MIN_SCATTERED:
        yield letters
    for text in (form, *(form.translate(table) for table in _LOOKALIKES)):
        # Where the letters are is asked of the password as written: the year behind "p@ssw0rd2026" spells nothing.
        kept = [(read, written.isalpha()) for read, written in zip(text, form, strict=True) if read.isalnum()]
        word = "".join(read for read, _ in kept)
        yield word
        places = [place for place, (_, is_letter) in enumerate(kept) if is_letter]
        if not places or places[-1] - places[0] >= _MAX_CORE:
            continue
        for start in range(max(0, places[0] - _MAX_AROUND), places[0] + 1):
            for end in range(places[-1] + 1, min(len(word), places[-1] + 1 + _MAX_AROUND) + 1):
                yield word[start:end]


def _units(text: str) -> Iterator[str]:
    """`text` and everything that gives it when repeated."""
    shortest = (text + text).find(text, 1) if text else 1
    for length in range(shortest, len(text) + 1, shortest):
        if len(text) % length == 0:
            yield text[:length]


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
