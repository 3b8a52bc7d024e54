"""What waits for a transaction: units, each with what awaits its answer."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from itertools import islice
from typing import Any, ParamSpec, TypeVar

from aiojobs_lite.engine.ports import Done
from aiojobs_lite.errors import AttemptNotOwned, RunnerClosed, StoreError, StoreRejected, StoreUnavailable
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.steps import NewRan, SaveRan, StepRow
from aiojobs_lite.model.writes import Unit

_log = get_log("engine")
E = TypeVar("E", bound=Exception)
P = ParamSpec("P")


class Reply(asyncio.Future[StepRow | None]):
    """The answer to one of many steps, which come together: the event loop has one callback for all of them, in place
    of one for each. None: it is stored as it was given.
    """

    __slots__ = ("context", "goes_on")
    goes_on: Callable[[Any], object] | None
    context: contextvars.Context

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: contextvars.Context | None = None) -> None:
        """Keeps the callback of the task that awaits it."""
        if self.goes_on is None and not self.done():
            self.goes_on = fn
            self.context = contextvars.copy_context() if context is None else context
        else:
            super().add_done_callback(fn, context=context)

    def cancel(self, msg: Any | None = None) -> bool:
        """As each future: the callback is called in a turn of its own."""
        is_cancelled = super().cancel(msg)
        if is_cancelled and self.goes_on is not None:
            goes_on, self.goes_on = self.goes_on, None
            super().add_done_callback(goes_on, context=self.context)
        return is_cancelled


class Cohort:
    """Steps that ran, of many attempts: one write, which grows until it is taken. It stands for the future of that.

    Attributes:
        steps: The steps.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.steps: list[NewRan] = []
        self._replies: list[Reply] = []

    @property
    def entry(self) -> Entry:
        """It, as it waits for a transaction."""
        return (SaveRan(self.steps),), self, None

    def add(self, step: NewRan) -> Reply:
        """Takes one more step; returns the answer to come."""
        reply = Reply(loop=self._loop)
        reply.goes_on = None
        self.steps.append(step)
        self._replies.append(reply)
        return reply

    def apart(self) -> Iterator[Entry]:
        """Each step by itself."""
        for step, reply in zip(self.steps, self._replies, strict=True):
            one = Cohort()
            one.steps.append(step)
            one._replies.append(reply)
            yield one.entry

    def done(self) -> bool:
        """As of a future: whether nothing can be said of it any more."""
        return all(reply.done() for reply in self._replies)

    def set_result(self, answer: Sequence[StepRow | None] | None) -> None:
        """Answers, as `SaveRan` says, and has the tasks go on that await it."""
        self.answer(answer)
        self._loop.call_soon(self._wake, iter(self._replies))

    def answer(self, answer: Sequence[StepRow | None] | None) -> None:
        """Answers what nothing awaits yet."""
        if answer is None:
            for reply in self._replies:
                if not reply.done():
                    reply.set_result(None)
        else:
            for step, reply, row in zip(self.steps, self._replies, answer, strict=True):
                if reply.done():
                    continue
                if row is None:
                    reply.set_exception(AttemptNotOwned(step.id, step.attempt))
                else:
                    reply.set_result(row)

    def set_exception(self, error: Exception) -> None:
        """Lets each fail, with an error object of its own."""
        for reply in self._replies:
            if not reply.done():
                reply.set_exception(own(error))
        self._loop.call_soon(self._wake, iter(self._replies))

    def _wake(self, replies: Iterator[Reply]) -> None:
        try:
            for reply in replies:
                goes_on, reply.goes_on = reply.goes_on, None
                if goes_on is not None:
                    reply.context.run(goes_on, reply)
        except BaseException:  # a signal: the others go on all the same
            self._loop.call_soon(self._wake, replies)
            raise


# One unit that waits: for a caller (the future), or for the engine, which keeps it until it is saved (the callback).
# A plain tuple: two of them are made for each job.
Entry = tuple[Unit, "asyncio.Future[Any] | Cohort | None", Done | None]


def apart(entries: Iterable[Entry]) -> list[Entry]:
    """The same, each step by itself."""
    found: list[Entry] = []
    for entry in entries:
        if isinstance(entry[1], Cohort):
            found += entry[1].apart()
        else:
            found.append(entry)
    return found


def hand_out(entries: Iterable[Entry], answers: Iterable[Any]) -> list[tuple[Done, Unit, Any]]:
    """Gives callers the answers to their units; returns the engine's own units with theirs."""
    left, saved = iter(answers), list[tuple[Done, Unit, Any]]()
    for unit, future, done in entries:
        answer = next(left) if len(unit) == 1 else list(islice(left, len(unit)))
        if done is not None:
            saved.append((done, unit, answer))
        elif future is not None and not future.done():
            future.set_result(answer)
    return saved


def fail(entry: Entry, error: StoreError | RunnerClosed) -> None:
    """Lets a caller fail, or tells the engine of a unit of its own that cannot be saved."""
    unit, future, done = entry
    if done is not None and isinstance(error, StoreError):
        notify(done, unit, None, error)
    elif future is not None and not future.done():
        future.set_exception(own(error))


def leave_in_doubt(entries: Iterable[Entry], code: str, why: str) -> None:
    """Lets callers fail whose units may have been written."""
    for _, future, _ in entries:
        if future is not None and not future.done():
            future.set_exception(StoreUnavailable(code, f"{why}: it may be there or not"))


def rejected(error: Exception) -> StoreError:
    """A fault that only this transaction has; one that the store's contract does not know would be its defect."""
    if isinstance(error, StoreError):
        return error
    found = StoreRejected(f"{type(error).__name__}: {error}")
    found.__cause__ = error
    return found


def own(error: E) -> E:
    """The same error as an object of its own: each caller raises it with another traceback."""
    made = copy(error)
    made.__cause__ = error.__cause__
    return made


def notify(listener: Callable[P, None], /, *args: P.args, **kwargs: P.kwargs) -> None:
    """Calls a listener; one that fails must not keep the others' answers from them."""
    try:
        listener(*args, **kwargs)
    except Exception:  # noqa: BLE001  # logged
        log_failed_listener()


def log_failed_listener() -> None:
    """Logs the exception of a listener."""
    _log.exception("a part of the runner failed when it was notified of a commit; please report it")
