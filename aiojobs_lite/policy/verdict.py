"""What an exception asks for: one rule for what a handler raises to decide, and for what its job type says of others.

Exceptions come in groups, nested as a task group makes them. Each exception in a group counts:

- The job is abandoned, dead or cancelled if any of them asks for that.
- It is tried again if all of them may be, and after the longest of the waits that they ask for.
- The details kept are those of the first one that decides and has some.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from aiojobs_lite.clock import after, to_micros
from aiojobs_lite.durations import LONGEST_S
from aiojobs_lite.errors import AiojobsError
from aiojobs_lite.policy.outcomes import Abandon, Cancel, Retry, Signal, Snooze

_DEEPEST_GROUP: Final = 100  # nested exception groups that are looked into
_MOST_EXCEPTIONS: Final = 10_000  # of a group that are looked at
Kinds = tuple[type[BaseException], ...]


class Wish(StrEnum):
    """What becomes of a job, as far as an exception decides it."""

    AGAIN = "again"
    NEVER = "never"
    RETRY = "retry"
    SNOOZE = "snooze"
    ABANDON = "abandon"
    CANCEL = "cancel"


class Verdict(NamedTuple):
    """What an exception asks for. Plain data, which comes from another process as it is.

    Attributes:
        wish: What becomes of the job.
        text: Of NEVER what is not tried again, such as the name of the exception's class; else what the handler gave as
            the reason.
        delay: Of RETRY and SNOOZE the wait in seconds, or None.
        at: Of RETRY and SNOOZE the instant in microseconds before which it is not to run, or None.
        details: Of RETRY and ABANDON what is kept with the attempt, as a JSON object, or None.
        is_wanted: Whether all that was raised is a signal, such as `Retry`: then the attempt has no fault.
    """

    wish: Wish
    text: str = ""
    delay: float | None = None
    at: int | None = None
    details: str | None = None
    is_wanted: bool = False

    def instant(self, now: int) -> int | None:
        """The instant that it asks for by a delay, an instant or both, now at the earliest; None: none."""
        asked = [] if self.delay is None else [after(now, _storable(self.delay))]
        asked += [] if self.at is None else [min(max(self.at, now), after(now, LONGEST_S))]
        return max(asked, default=None)


def judge(error: BaseException, retry_on: Kinds | None, abandon_on: Kinds) -> Verdict:
    """What an exception, or a group of them, asks for.

    Args:
        error: What the handler raised.
        retry_on: Only these are tried again; None: all are.
        abandon_on: These are never tried again.
    """
    leaves = list(_leaves(error, retry_on, abandon_on))
    return _judge(leaves)._replace(is_wanted=all(isinstance(leaf, Signal) for leaf, _ in leaves))


def _judge(leaves: list[tuple[BaseException, BaseException | None]]) -> Verdict:
    for leaf, _ in leaves:
        if isinstance(leaf, Abandon):
            return Verdict(Wish.ABANDON, _text(leaf), details=leaf.details_json)
    for leaf, refused in leaves:
        if refused is not None and not isinstance(leaf, Signal):
            return Verdict(Wish.NEVER, _subject(refused))
    for leaf, _ in leaves:
        if isinstance(leaf, Cancel):
            return Verdict(Wish.CANCEL, _text(leaf))
    return _waits([leaf for leaf, _ in leaves])


def _waits(leaves: list[BaseException]) -> Verdict:
    """What exceptions ask for that all may be tried again."""
    asking = [leaf for leaf in leaves if isinstance(leaf, Retry | Snooze)]
    if not asking:
        return Verdict(Wish.AGAIN)
    delays = [leaf.after if isinstance(leaf, Retry) else leaf.delay for leaf in asking]
    longest = max((delay for delay in delays if delay is not None), default=None)
    latest = max((to_micros(leaf.at) for leaf in asking if leaf.at is not None), default=None)
    is_snooze = all(isinstance(leaf, Snooze) for leaf in leaves)
    if is_snooze:
        return Verdict(Wish.SNOOZE, _text(asking[0]), longest, latest)
    given = (leaf.details_json for leaf in asking if isinstance(leaf, Retry))
    details = next((one for one in given if one is not None), None)
    return Verdict(Wish.RETRY, _text(asking[0]), longest, latest, details)


def is_wanted(error: BaseException) -> bool:
    """Whether a handler decided so: an exception, or every one of a group, is a signal such as `Retry`."""
    return all(isinstance(leaf, Signal) for leaf, _ in _leaves(error, None, ()))


def alone(error: BaseException | None) -> BaseException | None:
    """What was raised; of nested groups of one exception, as task groups make them, the one that they hold."""
    for _ in range(_DEEPEST_GROUP):  # a group of the user's making may hold itself
        if not isinstance(error, BaseExceptionGroup) or len(error.exceptions) != 1:
            break
        error = error.exceptions[0]
    return error


def _leaves(
    error: BaseException, retry_on: Kinds | None, abandon_on: Kinds
) -> Iterator[tuple[BaseException, BaseException | None]]:
    """Each exception that is no group, and what forbids to try it again, or None: it, or a group around it that
    `abandon_on` names; it, if each attempt would get it, or `retry_on` names neither it nor a group around it.
    """
    waiting: list[tuple[BaseException, int, bool, BaseException | None]] = [(error, 0, retry_on is None, None)]
    for _ in range(_MOST_EXCEPTIONS):
        if not waiting:
            return
        node, depth, is_allowed, refused = waiting.pop()
        is_allowed = is_allowed or isinstance(node, retry_on or ())
        is_final = isinstance(node, AiojobsError) and node.is_final
        if refused is None and (is_final or isinstance(node, abandon_on)):
            refused = node
        inner = node.exceptions if isinstance(node, BaseExceptionGroup) and depth < _DEEPEST_GROUP else ()
        if inner:
            waiting += [(one, depth + 1, is_allowed, refused) for one in reversed(inner)]
        else:
            yield node, refused if refused is not None or is_allowed else node


def _subject(refused: BaseException) -> str:
    """What is not tried again, for the reason of a dead job: the name of the exception's class."""
    name: str = type.__dict__["__qualname__"].__get__(type(refused))
    return name


def _storable(delay: float) -> float:
    """A delay of a signal in seconds, within a century, which is that of no number too: a subclass may give any."""
    return max(0.0, delay) if delay <= LONGEST_S else LONGEST_S


def _text(signal: BaseException) -> str:
    try:
        return str.__str__(str(signal))  # a plain one
    except BaseException as error:  # noqa: BLE001  # of a subclass: the user's code
        return f"(its __str__ raised {type(error).__name__})"
