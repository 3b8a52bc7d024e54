"""What a handler returned, as it is stored."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from functools import lru_cache
from typing import Any, Final

from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.policy.outcomes import Signal
from aiojobs_lite.policy.settle import Ending
from aiojobs_lite.sizes import LONGEST_REASON_CHARS
from aiojobs_lite.text import make_storable

NOT_KEPT: Final = "the result was not kept: "
PLAIN: Final = frozenset({str, int, dict, list, bool, float, type(None)})
"""Of what is no unfinished work, the kinds that nearly all results are."""

_MOST_KINDS: Final = 256  # of which is known that no value of them is unfinished work


def refuse_unfinished(value: Any) -> Any:
    """What a handler returned, or a function that is called as a step.

    Raises:
        TypeError: If it is a coroutine, another awaitable or a generator: that is a job that was not done. Or if it is
            a signal such as `Retry`, which is to be raised.
    """
    if type(value) in PLAIN or _is_harmless(type(value)):
        return value
    if isinstance(value, Signal) or (isinstance(value, type) and issubclass(value, Signal)):
        kind = value if isinstance(value, type) else type(value)
        raise TypeError(
            f"the function returned {kind.__qualname__}, which decides nothing. Raise it, do not return it."
        )
    if inspect.isgenerator(value) or inspect.isasyncgen(value):
        raise TypeError("the function returned a generator, whose code has not run. Return a list.")
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()
        raise TypeError(
            f"the function returned a {type(value).__qualname__} that nothing awaits. Await it there; if a "
            "decorator hides its `async def`, make the decorator's function an `async def` too."
        )
    return value


def _has_no_work(kind: type) -> bool:
    """Whether no value of a kind is unfinished work or a signal."""
    return not issubclass(kind, (Signal, type, Generator, AsyncGenerator, Awaitable))


_is_harmless: Final[Callable[[type], bool]] = lru_cache(maxsize=_MOST_KINDS)(_has_no_work)


def limit_result(job_type: JobType[..., Any], ending: Ending) -> Ending:
    """An attempt that ended elsewhere, with no larger a result than its type allows."""
    if ending.result is None or job_type.result is None:
        return ending
    try:
        job_type.result.check_size(len(ending.result))
    except ValueError as error:
        return Ending(note=f"{NOT_KEPT}{error}")
    return ending


def dump_result(job_type: JobType[..., Any], value: object) -> tuple[str | None, str | None]:
    """The JSON of a result to be stored, and why it was not kept."""
    if value is None or job_type.result is None:
        return None, None
    try:
        return job_type.result.dump(value), None
    except ValueError as error:
        return None, make_storable(f"{NOT_KEPT}{error}", LONGEST_REASON_CHARS)
