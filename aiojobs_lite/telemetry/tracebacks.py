"""Which tracebacks the log already has: each distinct one stands there once a job type."""

from __future__ import annotations

from collections import OrderedDict
from types import TracebackType
from typing import Final, NamedTuple

from aiojobs_lite.model.job import Claimed
from aiojobs_lite.sizes import MOST_TRACEBACKS_KNOWN

_PLACE: Final = 'File "'  # how a line begins that names a line of code
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


class Raised(NamedTuple):
    """What is known of an attempt that did not succeed, besides what is stored of it.

    Attributes:
        max_attempts: All attempts that its job may have.
        error: What was raised, if that was in this process.
        is_wanted: Whether the handler asked for this end, by `Retry` or `Abandon`: then it is no fault.
        claimed: The attempt.
        on_dead: What its job type says of jobs that die, as the attempt began with it.
    """

    max_attempts: int
    error: BaseException | None = None
    is_wanted: bool = False
    claimed: Claimed | None = None
    on_dead: object = None


class Trace(NamedTuple):
    """The traceback of a log line.

    Attributes:
        kind: The class of the exception.
        text: As it is stored.
        exc_info: The exception itself, for handlers that look into it; None if it was raised in another process.
        is_repeated: Whether it stands in the log again, if it is there already.
    """

    kind: str
    text: str
    exc_info: ExcInfo | None = None
    is_repeated: bool = False


class KnownTracebacks:
    """The tracebacks that were logged, the latest ones. Two of the same lines of code and class are one."""

    def __init__(self) -> None:
        self._first: OrderedDict[tuple[str, int], str] = OrderedDict()

    def find(self, job_type: str, trace: Trace, place: str) -> str | None:
        """The place of the first one like this, such as `job 7 attempt 1`; None if this is the first."""
        key = job_type, hash((trace.kind, *_code_of(trace.text)))
        first = self._first.get(key)
        if first is not None:
            self._first.move_to_end(key)
            return first
        self._first[key] = place
        if len(self._first) > MOST_TRACEBACKS_KNOWN:
            self._first.popitem(last=False)
        return None


def _code_of(traceback: str) -> list[str]:
    """The lines of code in it; not the text of the exception, which may name a user or a time."""
    return [line for line in traceback.splitlines() if line.lstrip(" |+-").startswith(_PLACE)]
