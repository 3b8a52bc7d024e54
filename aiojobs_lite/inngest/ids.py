"""Ids of runs, events, calls and steps: what an SDK sees, and what it stands for in the database.

An id of a run or of an event is a ULID of an instant and a number, and can be read back; a part of it is a check, so
that a ULID of another origin is not taken for it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
import zlib
from functools import lru_cache
from typing import Final, NamedTuple

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.text import shorten

LONGEST_STEP_HASH_CHARS: Final = 80
"""Of the id that an SDK gives a step; all of today give 40, of SHA-1."""

BOOKKEEPING: Final = "~"
"""Begins the names of operations that are the driver's own: no SDK is given them."""

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's
_PAIRS: Final = tuple([first + second for first in _ALPHABET for second in _ALPHABET])
_SHIFTS: Final = range(120, -1, -10)
_ULID: Final = re.compile(f"[0-7][{_ALPHABET}]{{25}}")
_BITS: Final = 5
_NUMBER_BITS: Final = 64
_CHECK_BITS: Final = 16
_RANDOM_BITS: Final = 80
_MICROS: Final = 1_000  # in a millisecond
_OF_RUNS: Final = b"run"
_OF_EVENTS: Final = b"event"
_HASH: Final = re.compile(rf"[0-9A-Za-z_:.-]{{1,{LONGEST_STEP_HASH_CHARS}}}")
_SEED: Final = re.compile(r"([0-9]{1,15}),([A-Za-z0-9+/=]{16})")
_SEED_BYTES: Final = 10
_SHOWN_CHARS: Final = 100  # of a display name, in the name of an operation
_AGAIN: Final = "~"  # and a count, behind the name of a wait that was opened again
_REPEATED: Final = "#"  # which counts names elsewhere


def ulid(millis: int, rest: int) -> str:
    """A ULID of an instant in milliseconds and 80 further bits."""
    number = ((millis & (1 << 48) - 1) << _RANDOM_BITS) | (rest & (1 << _RANDOM_BITS) - 1)
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


def fresh(millis: int) -> str:
    """A ULID that was never given before."""
    return ulid(millis, secrets.randbits(_RANDOM_BITS))


@lru_cache(maxsize=4096)
def run_id(created_at: int, job: int) -> str:
    """The id of a run.

    Args:
        created_at: When its job was stored, in microseconds.
        job: The id of its job.
    """
    return _made(_OF_RUNS, created_at // _MICROS, job)


def job_of_run(run: str) -> int | None:
    """The job of a run; None: this is no id of one."""
    return _read(_OF_RUNS, run)


def event_id(sent_at: int, number: int) -> str:
    """The id of an event that is stored.

    Args:
        sent_at: When it was sent, in microseconds.
        number: Its number in the database.
    """
    return _made(_OF_EVENTS, sent_at // _MICROS, number)


def number_of(event: str) -> int | None:
    """The number of an event; None: this is no id of one."""
    return _read(_OF_EVENTS, event)


def seeded_id(seed: str, place: int) -> str:
    """The id of the n-th event of a request, from 1, by the header `x-inngest-event-id-seed`: a sender that repeats the
    request gives its events the same ids.

    Raises:
        InvalidOption: If the header is none.
    """
    found = _SEED.fullmatch(seed.strip())
    try:
        given = base64.b64decode(found[2], validate=True) if found else b""
    except binascii.Error:
        given = b""
    if found is None or len(given) != _SEED_BYTES:
        expected = "milliseconds since 1970, a comma and ten bytes in base64"
        raise InvalidOption("x-inngest-event-id-seed", seed, expected)
    last = int.from_bytes(given[-4:], "big") + place & 0xFFFFFFFF
    return ulid(int(found[1]), int.from_bytes(given[:-4], "big") << 32 | last)


class Item(NamedTuple):
    """The attempt that a call belongs to: the fence of what an SDK stores while the call is open.

    Attributes:
        id: The job.
        attempt: The number of the attempt.
        owner: The owner that runs it.
    """

    id: int
    attempt: int
    owner: str


def item_id(claimed: Claimed) -> str:
    """The attempt as opaque text, which SDKs give back."""
    text = f"[{claimed.id},{claimed.attempt},{json.dumps(claimed.owner)}]"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def item_of_text(text: str) -> Item | None:
    """The attempt of such a text; None: it is none."""
    try:
        found = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        job, attempt, owner = found
    except (ValueError, TypeError, RecursionError):
        return None
    is_item = type(job) is type(attempt) is int and isinstance(owner, str)
    return Item(job, attempt, owner) if is_item and max(job, attempt) <= LARGEST_INTEGER else None


def is_hash(text: object) -> bool:
    """Whether this can be the id that an SDK gives a step."""
    return isinstance(text, str) and _HASH.fullmatch(text) is not None


def step_name(hashed: str, shown: str) -> str:
    """The name of an operation: the id that the SDK gives it, and behind it the words for people."""
    printable = "".join([char if char.isprintable() else " " for char in shown[: 2 * _SHOWN_CHARS]])
    words = shorten(" ".join(printable.replace(_REPEATED, " ").split()), _SHOWN_CHARS)
    return f"{hashed} {words}" if words else hashed


def step_hash_of(name: str) -> str:
    """The id that an SDK gives an operation of a name: it alone tells operations apart."""
    return name.partition(" ")[0].partition(_AGAIN)[0]


def shown_name(name: str) -> str:
    """The words for people in the name of an operation; its id, if there are none."""
    _, _, words = name.partition(" ")
    return words or name


def name_again(name: str, count: int) -> str:
    """The name of a wait that is opened again, for the n-th time, from 2."""
    return f"{name}{_AGAIN}{count}"


def own_name(what: str, hashed: str = "") -> str:
    """The name of an operation of the driver's own, about a step of the SDK or about the run."""
    return f"{BOOKKEEPING}{what} {hashed}" if hashed else f"{BOOKKEEPING}{what}"


def _made(kind: bytes, millis: int, number: int) -> str:
    return ulid(millis, _check(kind, millis, number) << _NUMBER_BITS | number)


def _read(kind: bytes, text: str) -> int | None:
    if not isinstance(text, str) or not _ULID.fullmatch(text):
        return None
    whole = 0
    for char in text:
        whole = whole << _BITS | _ALPHABET.index(char)
    millis, check = whole >> _RANDOM_BITS, whole >> _NUMBER_BITS & (1 << _CHECK_BITS) - 1
    number = whole & (1 << _NUMBER_BITS) - 1
    is_own = number <= LARGEST_INTEGER and check == _check(kind, millis, number)
    return number if is_own else None


def _check(kind: bytes, millis: int, number: int) -> int:
    return zlib.crc32(b"%s %d %d" % (kind, millis, number)) & (1 << _CHECK_BITS) - 1
