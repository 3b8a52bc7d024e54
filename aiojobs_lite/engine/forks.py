"""The end of a process that a handler forked, should it come back to where its handler was called.

It is a copy of the whole application, with a copy of the runner in it: that must not live on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NoReturn, ParamSpec, TypeVar

from aiojobs_lite.engine.failures import describe
from aiojobs_lite.policy.verdict import alone

P = ParamSpec("P")
T = TypeVar("T")


def call_in_one_process(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a function that returns or raises in this process only: any other in which it does so ends."""
    pid, error = os.getpid(), None
    try:
        return call(*args, **kwargs)
    except BaseException as raised:
        error = raised
        raise
    finally:
        if os.getpid() != pid:
            end_process(error)


def end_process(error: BaseException | None) -> NoReturn:
    """Ends this process as Python would have ended it, but at once: no buffer is flushed and nothing is closed, for all
    that is there belongs to the process that was forked.

    Args:
        error: What the handler raised, or None.
    """
    code = 1
    try:
        code, text = _exit_of(error)
        os.write(2, text.encode("utf-8", "backslashreplace"))
    finally:
        os._exit(code)


def _exit_of(error: BaseException | None) -> tuple[int, str]:
    """The exit code, and what is to be said."""
    error = alone(error)
    if error is None:
        return 0, ""
    if not issubclass(type(error), SystemExit):
        failure = describe(error)
        return 1, failure.traceback or failure.message
    code = error.code  # type: ignore[attr-defined]
    if code is None:
        return 0, ""
    return (int(code) & 0xFF, "") if isinstance(code, int) else (1, f"{code}\n")
