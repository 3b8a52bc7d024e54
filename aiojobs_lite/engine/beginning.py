"""How attempts begin: each as a task of its own, whatever makes the tasks of the application."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sys
import weakref
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from typing import Any, Final

from aiojobs_lite.engine.running import AttemptRegister, Running
from aiojobs_lite.origin import Origin

HAS_EAGER_TASKS: Final = sys.version_info >= (3, 12)


class Beginning:
    """Makes the tasks of attempts.

    Args:
        attempt: Makes the coroutine of an attempt.
        refused: Is called with an attempt that cannot begin, and the error.
        attempts: The list of what runs.
        origin: The process in which they begin.
    """

    def __init__(
        self,
        *,
        attempt: Callable[[Running], Coroutine[Any, Any, None]],
        refused: Callable[[Running, BaseException], None],
        attempts: AttemptRegister,
        origin: Origin,
    ) -> None:
        self._attempt = attempt
        self._refused = refused
        self._attempts = attempts
        self._origin = origin

    def start(self, runs: Sequence[Running]) -> None:
        """Lets attempts begin, in a turn of their own: the callers that enqueued the jobs go on first, and are not
        inside of a handler.
        """
        loop = asyncio.get_running_loop()
        if not HAS_EAGER_TASKS:  # a task has its first step in the next turn, as it is
            self._begin(loop, iter(runs))
            return
        try:
            loop.call_soon(self._begin, loop, iter(runs))
        except Exception as error:  # noqa: BLE001  # no memory, say
            for run in runs:
                self._refused(run, error)

    def _begin(self, loop: asyncio.AbstractEventLoop, runs: Iterator[Running]) -> None:
        """Does the first step of each attempt, if it can be done at once; most need no other."""
        if self._origin.is_left:
            return  # in a copy of the application: they begin in the application itself
        is_own = loop.get_task_factory() is None
        try:
            for run in runs:
                if not (is_own and HAS_EAGER_TASKS):
                    self._begin_later(loop, run, is_own=is_own)
                    continue
                attempt, context = self._attempt(run), contextvars.Context()
                try:
                    asyncio.Task(  # type: ignore[call-arg]  # Python 3.11 knows no eager start
                        attempt, loop=loop, name=run.job_type.name, context=context, eager_start=True
                    )
                except BaseException as error:  # a class of tasks that knows no eager start either, no memory, a signal
                    if not run.is_entered:
                        attempt.close()  # it cannot begin any more, even if it was scheduled
                        self._begin_later(loop, run, is_own=is_own)
                    if not isinstance(error, Exception):
                        raise
        except BaseException:  # a signal: the others begin all the same
            loop.call_soon(self._begin, loop, runs)
            raise

    def _begin_later(self, loop: asyncio.AbstractEventLoop, run: Running, *, is_own: bool) -> None:
        """Has the event loop make the task of an attempt: its own, or by a task factory of the application's. Those
        of the classic form take the coroutine alone, hence the context around it. What they make is looked at when it
        has ended, which would cost a twentieth of the rate if it were done for every task.
        """
        attempt, context, name = self._attempt(run), contextvars.Context(), run.job_type.name
        try:
            if is_own:
                task = loop.create_task(attempt, name=name, context=context)
            else:
                task = context.run(loop.create_task, attempt)
        except BaseException as error:
            if not run.is_entered:
                attempt.close()
                self._refused(run, error)
            if not isinstance(error, Exception):
                raise
            return
        if run.task is None:
            run.task = task
        if is_own:
            return  # it begins, as the event loop's tasks do; one that is cancelled before is found by the monitor
        run.made = weakref.ref(attempt)
        with contextlib.suppress(Exception):  # what the application makes may be no task of asyncio's
            task.add_done_callback(partial(self._check_begun, run))
            task.set_name(name)

    def _check_begun(self, run: Running, _: object) -> None:
        if not run.is_entered and not run.is_given_up and self._attempts.find(run.claimed.id) is run:
            self._refused(run, RuntimeError("its task was cancelled before its first step"))
