"""Limits and rates by key, as a job type declares them: `@job(limits=[Limit(2, key="org_id")])`; and how they stand in
the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar, Final, Literal, get_args

from aiojobs_lite.callables import check_plain
from aiojobs_lite.durations import Duration
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.limit_values import (
    ORDERED,
    check_most,
    is_name_of_ordered,
    is_name_of_starts,
    period_of,
)
from aiojobs_lite.sizes import LONGEST_LIMIT_NAME_CHARS
from aiojobs_lite.words import WORDS_OF_LIMITS, WORDS_OF_RATES, answers

__all__ = [
    "DECLARED", "EVERY_KEY", "Declared", "EveryKey", "Fixed", "Key", "Limit", "LimitKey", "LimitState", "LimitUse",
    "Plain", "Rate",
]  # fmt: skip

RateCounts = Literal["attempts", "jobs"]
"""What a rate counts: each attempt, or the first one of each job."""

Plain = str | int | bool | None
"""One value of a key, as JSON has it."""

LimitKey = Plain | Sequence[Plain]
"""A key, as jobs have it: one value, or several together."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """The key itself, for `using(limits=...)`: jobs without an argument for it are counted together, as those of one
    queue are: `Limit(2, key=Fixed("queue", "letters"))`.

    Args:
        by: What it is a key of; stands in the name of the limit, if that has no other.
        value: The key.

    Raises:
        InvalidOption: If `by` is no name.
    """

    by: str
    value: LimitKey

    def __post_init__(self) -> None:
        if not isinstance(self.by, str) or not self.by.isidentifier():
            raise InvalidOption("by", self.by, 'what the key is one of, as a name, such as "queue"')
        if isinstance(self.value, list):
            object.__setattr__(self, "value", tuple(self.value))


Key = str | Sequence[str] | Callable[[Mapping[str, Any]], LimitKey] | Fixed
"""What a limit counts by: an argument of the handler, dotted for a part of it; several of them; a function that is
given the arguments by name, as plain JSON values; or the key itself."""

_KEY: Final = (
    'the name of an argument, such as "org_id" or "order.customer", several names, a function of them, or a Fixed(...)'
)


@answers(WORDS_OF_LIMITS)
@dataclass(frozen=True, slots=True)
class Limit:
    """Most jobs with one key that are processing at once, over all runners of the database.

    Args:
        most: How many.
        key: Gives each job the key under which it is counted: the name of an argument of the handler (dotted: a part of
            it), several names as a list, a function of the arguments, or the key itself, a `Fixed`. Jobs of different
            keys do not wait for each other.
        name: The name by which several job types share it; default: it is this job type's own.
        ordered: Whether the jobs of a key run one after the other in the order of their enqueue: each ends, its retries
            included, before the next begins. With `most=1` only.

    Attributes:
        kind: `limit`.
        counts: `attempts`.

    Raises:
        InvalidOption: If an argument has a value that cannot work.
    """

    most: int
    _: KW_ONLY
    key: Key
    name: str | None = None
    ordered: bool = False
    kind: ClassVar[str] = "limit"
    counts: ClassVar[RateCounts] = "attempts"

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", _checked(self.most, self.key, self.name))
        if not isinstance(self.ordered, bool):
            raise InvalidOption("ordered", self.ordered, "True or False")
        if self.ordered and self.most != 1:
            raise InvalidOption("most", self.most, "1 with ordered=True: the jobs of a key run one after the other")
        if self.ordered and self.name is not None:
            raise InvalidOption("name", self.name, "none with ordered=True: the order is that of one job type")


@answers(WORDS_OF_RATES)
@dataclass(frozen=True, slots=True)
class Rate:
    """Most attempts of jobs with one key that start within a period, wherever it begins, over all runners of the
    database.

    Args:
        most: How many attempts.
        per: The period, from a millisecond.
        key: Gives each job the key under which it is counted: the name of an argument of the handler (dotted: a part of
            it), several names as a list, a function of the arguments, or the key itself, a `Fixed`. Jobs of different
            keys do not wait for each other.
        name: The name by which several job types share it; default: it is this job type's own.
        counts: `attempts` (the default): each attempt counts, and one that goes on after a wait of its handler as well.
            `jobs`: only the first attempt of each job counts, and no later one waits; without `name`.

    Attributes:
        period: The period in microseconds.
        kind: `rate`.
        ordered: False.

    Raises:
        InvalidOption: If an argument has a value that cannot work.
    """

    most: int
    _: KW_ONLY
    per: Duration
    key: Key
    name: str | None = None
    counts: RateCounts = field(default="attempts", repr=False)
    period: int = field(init=False, repr=False, compare=False)
    kind: ClassVar[str] = "rate"
    ordered: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", _checked(self.most, self.key, self.name))
        object.__setattr__(self, "period", period_of(self.per))
        if self.counts not in get_args(RateCounts):
            raise InvalidOption("counts", self.counts, " or ".join(map(repr, get_args(RateCounts))))
        if self.counts == "jobs" and self.name is not None:
            raise InvalidOption("name", self.name, 'none with counts="jobs": the rate is that of one job type')


class Declared(Enum):
    """Stands for the limits that a job type declares, in the limits of one job."""

    DECLARED = "those of the type"


DECLARED: Final = Declared.DECLARED
"""In `using(limits=[DECLARED, ...])`: those of the job type as well, with the values that are stored."""


class EveryKey(Enum):
    """Stands for all keys that have no value of their own."""

    EVERY_KEY = "every key"


EVERY_KEY: Final = EveryKey.EVERY_KEY
"""All keys that have no value of their own."""


@dataclass(frozen=True, slots=True)
class LimitState:
    """A limit or a rate as it is stored, for one key or for all; see `runner.limits`.

    Attributes:
        name: Its name.
        key: The key for which it counts, or `EVERY_KEY`.
        most: Most jobs or attempts; None: the key has no value of its own, it is paused only.
        per: The period of a rate in seconds; None: it is a limit.
        is_pinned: Whether it stays whatever code says.
        is_paused: Whether nothing starts that it counts.
        paused_since: Since when, UTC; or None.
        paused_by: The person or program that paused it, or None.
        paused_until: When the pause ends by itself, UTC; or None.
    """

    name: str
    key: LimitKey | EveryKey
    most: int | None
    per: float | None = None
    is_pinned: bool = False
    is_paused: bool = False
    paused_since: datetime | None = None
    paused_by: str | None = None
    paused_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class LimitUse:
    """Where a limit or a rate stands for one key; see `runner.limits.get`.

    Attributes:
        state: What counts for the key: its own value, or that of all keys; with its pause, or that of all keys.
        taken: How many jobs run, or how many attempts started within the period.
        waiting: How many jobs wait that are due and not held.
        pending: How many are pending and not held, those that are due later as well.
        began_at: When the first of the attempts started that a rate counts now, UTC; or None.
        free_at: When an exhausted rate allows one more, UTC; or None.
    """

    state: LimitState
    taken: int
    waiting: int
    pending: int
    began_at: datetime | None = None
    free_at: datetime | None = None


def _checked(most: object, key: object, name: object) -> Key:
    """The key as it is kept: hashable, and never changed."""
    check_most(most)
    if name is not None:
        is_text = isinstance(name, str) and name.isprintable()
        if not (is_text and 1 <= len(str(name)) <= LONGEST_LIMIT_NAME_CHARS):
            raise InvalidOption("name", name, f"1 to {LONGEST_LIMIT_NAME_CHARS:,} printable characters")
        if is_name_of_ordered(str(name)):
            raise InvalidOption("name", name, f"another name: such a name is for a limit with {ORDERED}=True")
        if is_name_of_starts(str(name)):
            raise InvalidOption("name", name, 'another name: such a name is for a rate with counts="jobs"')
    if isinstance(key, str):
        return _field(key)
    if isinstance(key, Fixed):
        return key
    if callable(key):
        check_plain("key", key, "the key")
        if name is None and not getattr(key, "__name__", "<").isidentifier():
            raise InvalidOption("name", name, "a name for the limit, because the function of its key has no name")
        return key
    if not isinstance(key, Sequence) or not key:
        raise InvalidOption("key", key, _KEY)
    return tuple([_field(one) for one in key])


def _field(name: object) -> str:
    if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
        raise InvalidOption("key", name, _KEY)
    return name
