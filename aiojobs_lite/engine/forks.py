"""What this process forks: it inherits no signal handler of the library's, and a copy of the application ends where a
handler forked it, should it come back to there.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
from collections.abc import Callable
from typing import Any, Final, NoReturn, ParamSpec, TypeVar

from aiojobs_lite.engine.failures import describe
from aiojobs_lite.origin import Origin
from aiojobs_lite.policy.verdict import alone

P = ParamSpec("P")
T = TypeVar("T")
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
"""The signals by which a process is asked to end."""
_SERVERS: Final = frozenset({"asyncio", "granian", "gunicorn", "hypercorn", "uvicorn", "uvloop"})


class SignalHandling:
    """Handles signals in the process that installed it, and in no process that this one forks."""

    def found(self, number: int) -> Any:
        """The handler that a forked process gets in its place."""
        raise NotImplementedError


def _watch_forks() -> None:
    """Blocks the signals that the library handles while this process forks.

    A signal that comes to a process which is being born would be lost: Python forgets it there. And what a handler says
    to the event loop there would reach the one of the first process: they share the descriptor.
    """
    masks = threading.local()

    def before() -> None:
        masks.found = None
        if any(_handling(signal.getsignal(number)) for number in STOP_SIGNALS):
            masks.found = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)

    def after_in_parent() -> None:
        found, masks.found = getattr(masks, "found", None), None
        if found is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, found)

    def after_in_child() -> None:
        if getattr(masks, "found", None) is None:
            return
        with contextlib.suppress(ValueError):  # a fork of another interpreter's
            signal.set_wakeup_fd(-1)
            for number in STOP_SIGNALS:
                handler = signal.getsignal(number)
                if _handling(handler):
                    signal.signal(number, _inherited(handler, number))
        after_in_parent()

    os.register_at_fork(before=before, after_in_parent=after_in_parent, after_in_child=after_in_child)


def _inherited(handler: Any, number: int) -> Any:
    """What handles a signal in a forked process: what the library's handlers chained. A server's handler has its server
    end, of which there is a copy only that ends nothing: in its place comes what Python begins with.
    """
    while handling := _handling(handler):
        handler = handling.found(number)
    called = handler.func if isinstance(handler, functools.partial) else handler
    if (getattr(called, "__module__", None) or "").partition(".")[0] not in _SERVERS:
        return handler
    return signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL


def _handling(handler: Any) -> SignalHandling | None:
    owner = getattr(handler, "__self__", None)
    return owner if isinstance(owner, SignalHandling) else None


_watch_forks()


def call_in_one_process(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a function that returns or raises in this process only: any other in which it does so ends."""
    origin, error = Origin(), None
    try:
        return call(*args, **kwargs)
    except BaseException as raised:
        error = raised
        raise
    finally:
        if origin.is_left:
            end_process(error)
        del error  # what was raised holds this frame, and with it all that the handler had


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
    code = error.code  # type: ignore[attr-defined]  # a SystemExit has it
    if code is None:
        return 0, ""
    return (int(code) & 0xFF, "") if isinstance(code, int) else (1, f"{code}\n")
