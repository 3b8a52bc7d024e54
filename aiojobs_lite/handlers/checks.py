"""Checks of what users give as options: each returns the value to work with, or raises `InvalidOption`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import partial
from types import NoneType
from typing import Any, Final, cast
from uuid import UUID

from aiojobs_lite.clock import Clock, after, to_micros
from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.resources import recipe_of
from aiojobs_lite.model.job import PRIORITIES
from aiojobs_lite.model.json_object import dump_object
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.policy.outcomes import Signal
from aiojobs_lite.sizes import (
    LARGEST_METADATA_BYTES,
    LARGEST_PAYLOAD_BYTES,
    LARGEST_RESULT_BYTES,
    LARGEST_VALUE_BYTES,
    LARGEST_VERSION,
)
from aiojobs_lite.text import show

_MOST_ATTEMPTS: Final = 1_000_000
_NO_ANNOTATIONS: Final = (str, bytes, int, float, tuple, NoneType)


def check_whole(option: str, value: object, most: int) -> int:
    """A whole number from 1 to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InvalidOption(option, value, f"a whole number from 1 to {most:,}")
    return value


def check_attempts(option: str, value: object) -> int:
    """How many attempts a job may have."""
    return check_whole(option, value, _MOST_ATTEMPTS)


def check_flag(option: str, value: object) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise InvalidOption(option, value, "True or False")
    return value


def check_text(option: str, value: object, longest: int) -> str:
    """Text of 1 to `longest` printable characters."""
    if not isinstance(value, str):
        is_number = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10 ** min(longest, 40)
        instead = f", such as {str(value)!r}" if is_number or isinstance(value, UUID) else ""
        raise InvalidOption(option, value, f"text of 1 to {longest:,} printable characters{instead}")
    if not 1 <= len(value) <= longest or not value.isprintable():
        raise InvalidOption(option, value, f"1 to {longest:,} printable characters")
    return value


def check_storable(option: str, value: object) -> str | None:
    """Text that a database can store, or None: not empty, and without a lone surrogate."""
    if value is None:
        return None
    try:
        if isinstance(value, str) and value.encode():
            return value
    except UnicodeEncodeError:
        pass
    raise InvalidOption(option, value, "text that is not empty")


def check_choice(option: str, value: object, choices: Collection[str]) -> str:
    """One of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise InvalidOption(option, value, " or ".join(map(repr, choices)))
    return value


def check_priority(option: str, value: object) -> int:
    """A priority by its name; returns what is stored of it."""
    return PRIORITIES[check_choice(option, value, PRIORITIES)]


def check_aware(option: str, value: object) -> datetime:
    """An aware datetime, within the calendar of UTC."""
    try:
        if isinstance(value, datetime) and value.utcoffset() is not None:
            value.astimezone(UTC)
            return value
    except OverflowError:  # in UTC it would lie outside of the calendar
        pass
    raise InvalidOption(option, value, "an aware datetime, such as datetime.now(UTC)")


def check_instant(option: str, value: object, now: int) -> int:
    """An instant, given as an aware datetime or as a duration from now, in microseconds."""
    if isinstance(value, datetime):
        return to_micros(check_aware(option, value))
    try:
        return after(now, seconds(cast("Duration", value), option))
    except InvalidOption as error:
        raise InvalidOption(option, value, f"{error.expected}, or an aware datetime") from None


def check_each(option: str, value: object, what: str) -> list[Any]:
    """A list of what a list, or anything else that is iterable, gives; text is none."""
    if isinstance(value, str | bytes):
        raise InvalidOption(option, value, f"a list of {what}, not text")
    try:
        each = iter(value)  # type: ignore[call-overload]  # that is the question
    except TypeError:
        raise InvalidOption(option, value, f"a list of {what}") from None
    return list(each)  # a TypeError of it is the user's


def check_resources(option: str, value: object) -> dict[Any, Any]:
    """Resources by type, as `recipe_of` takes them, or None for none; returns a dict of its own."""
    if value is not None and not isinstance(value, Mapping):
        raise InvalidOption(option, value, "a dict, type -> resource")
    for key, one in (value or {}).items():
        if isinstance(key, _NO_ANNOTATIONS):
            expected = "types as the keys, as the annotations of handlers have them, such as deps={Session: ...}"
            raise InvalidOption(option, value, f"{expected}, not {show(key)}")
        recipe_of(key, one)
    return dict(value or {})


def check_clock(option: str, value: object) -> Clock:
    """A clock."""
    if isinstance(value, type) or not all(callable(getattr(value, name, None)) for name in ("now", "call_later")):
        raise InvalidOption(option, value, "a clock, such as SystemClock() or a FakeClock() in tests")
    return cast("Clock", value)


def check_exceptions(option: str, value: object) -> tuple[type[BaseException], ...]:
    """An exception class, or a list or tuple of them; returns a tuple."""
    kinds = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
        raise InvalidOption(option, value, "an exception class, or a list of them")
    signal = next((kind.__qualname__ for kind in kinds if issubclass(kind, Signal)), None)
    if signal is not None:
        problem = f"{signal} is what a handler raises to decide by itself, whatever this option says: leave it out"
        raise InvalidOption(option, value, f"classes of faults; {problem}")
    return kinds


def check_backoff(option: str, value: object) -> Backoff:
    """A backoff."""
    if not isinstance(value, Backoff):
        raise InvalidOption(option, value, 'a Backoff, such as Backoff(base="2s", cap="1h")')
    return value


def check_metadata(option: str, value: object) -> str | None:
    """A small object of plain JSON values; returns it as JSON, or None if it is empty."""
    text = dump_object(option, value, LARGEST_METADATA_BYTES)
    return text if value else None


_MOST_AT_ONCE: Final = 1_000_000  # jobs of a type with a concurrency

_OF_A_TYPE: Final[Mapping[str, tuple[object, Callable[[str, Any], Any]]]] = {
    "process": (False, check_flag),
    "max_attempts": (5, check_attempts),
    "backoff": (None, check_backoff),
    "retry_on": (None, check_exceptions),
    "abandon_on": ((), check_exceptions),
    "timeout": (None, lambda option, value: seconds(value, option, least=0.001)),
    "concurrency": (None, partial(check_whole, most=_MOST_AT_ONCE)),
    "keep_result": (True, check_flag),
    "largest_payload": (LARGEST_PAYLOAD_BYTES, partial(check_whole, most=LARGEST_VALUE_BYTES)),
    "largest_result": (LARGEST_RESULT_BYTES, partial(check_whole, most=LARGEST_VALUE_BYTES)),
    "version": (1, partial(check_whole, most=LARGEST_VERSION)),
}
"""Default and check of each option of a job type that depends neither on its handler nor on another option."""


def check_values(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a job type that can be checked one by one; each that is not given has its default."""
    values: dict[str, Any] = {}
    for option, (default, check) in _OF_A_TYPE.items():
        value = options.get(option, default)
        values[option] = None if value is None and default is None else check(option, value)
    return values


def missing_extra(option: str, value: object, extra: str) -> InvalidOption:
    """The error where an extra of the package is not installed."""
    return InvalidOption(option, value, f'the extra to be installed: pip install "aiojobs_lite[{extra}]"')
