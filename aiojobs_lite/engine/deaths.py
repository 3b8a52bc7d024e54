"""What a runner does when a job dies: the job types of `on_dead` are enqueued, and its functions are called.

A job type is enqueued in the transaction of the death. A function is called after it: once, and not again after a
crash.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
from collections import deque
from typing import Any, Final

from aiojobs_lite.clock import Clock, to_datetime
from aiojobs_lite.current import DEAD
from aiojobs_lite.dead import DeadJob, OnDead
from aiojobs_lite.engine.calls import call_in_thread
from aiojobs_lite.engine.failures import describe, exc_info_of
from aiojobs_lite.engine.forks import end_process
from aiojobs_lite.engine.ports import Commits
from aiojobs_lite.engine.threads import CallThread
from aiojobs_lite.errors import RecordedError
from aiojobs_lite.handlers.job_type import Enqueueable, qualified_name
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.admission import Admit
from aiojobs_lite.model.ends import Close, End
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.payloads import arguments_of, redacted
from aiojobs_lite.model.writes import Insert, Unit
from aiojobs_lite.origin import Origin
from aiojobs_lite.sizes import MOST_DEATHS_WAITING
from aiojobs_lite.telemetry.tracebacks import Raised

_log = get_log("jobs")
_MOST_AT_ONCE: Final = 10  # calls
_LAST_STEPS_S: Final = 0.1  # that a cancelled call may take
_CRASHED: Final = "its process ended"


class Deaths:
    """Reacts to each dead job as `on_dead` says. Nothing that a reaction raises passes it.

    Args:
        registry: Knows the reactions.
        clock: Gives an enqueued job its instant.
        commits: Is woken after the last call: the runner may be idle.
    """

    def __init__(self, *, registry: Registry, clock: Clock, commits: Commits) -> None:
        self._registry = registry
        self._clock = clock
        self._commits = commits
        self._waiting: deque[tuple[OnDead, DeadJob]] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        self._went_idle = asyncio.Event()
        self._is_open = False
        self._is_closed = False
        self._is_full = False
        self._origin = Origin()

    @property
    def is_idle(self) -> bool:
        """Whether no call runs or waits."""
        return not self._calls and not self._waiting

    def open(self) -> None:
        """Begins to call: the application has entered its runner."""
        self._is_open = True
        self._call_next()

    def unit(self, end: End, raised: Raised | None) -> Unit:
        """The writes of an end: of a death also the jobs that it enqueues."""
        if type(end) is not Close or end.status is not Status.DEAD:
            return (end,)
        wanted = [found for found in self._reactions(end, raised) if isinstance(found, Enqueueable)]
        if not wanted:
            return (end,)
        try:
            now = self._clock.now()
            rows = [(job.how, job.row(now, (end.id,), {})) for job in wanted]
            plain = tuple([row for how, row in rows if not how.has_conditions])
            admitted = [
                Admit((how.candidate(row)._replace(max_pending=None),)) for how, row in rows if how.has_conditions
            ]  # each for itself
            return (end, Insert(plain), *admitted) if plain else (end, *admitted)
        except Exception:  # noqa: BLE001  # a validator of the user's: the job has its end all the same
            _log.exception("on_dead of %s job %s enqueues nothing", end.type, end.id)
            return (end,)

    def died(self, end: Close, raised: Raised | None) -> None:
        """The death of a job is durable: its functions are called, in turns of their own."""
        wanted = [found for found in self._reactions(end, raised) if not isinstance(found, Enqueueable)]
        if not wanted or raised is None or raised.claimed is None or self._is_closed:
            return
        if len(self._waiting) + len(wanted) > MOST_DEATHS_WAITING:
            if not self._is_full:
                self._is_full = True
                _log.error("on_dead is not called for %s job %s, and others: too many wait", end.type, end.id)
            return
        dead = _dead_job(end, raised)
        self._waiting.extend((function, dead) for function in wanted)
        self._call_next()

    async def until_idle(self) -> None:
        """Returns when no call runs or waits."""
        while not self.is_idle:
            self._went_idle.clear()
            await self._went_idle.wait()

    async def end(self) -> None:
        """Cancels the calls that still run, and drops those that wait. What does not end at once is left alone."""
        self.close()
        if self._calls:
            await asyncio.wait(self._calls, timeout=_LAST_STEPS_S)
        for call in self._calls:  # asyncio.run waits for every task that it knows
            asyncio._unregister_task(call)  # noqa: SLF001  # documented, for tasks that end in their own way

    def close(self) -> None:
        """Begins no more calls, and cancels those that run. May be called twice."""
        if not self._is_closed and not self.is_idle:
            text = "on_dead: %s calls did not end before the runner was closed, and %s did not begin"
            _log.error(text, len(self._calls), len(self._waiting))
        self._is_closed = True
        self._waiting.clear()
        for call in self._calls:
            call.cancel("aiojobs_lite: shutdown")

    def _reactions(self, end: Close, raised: Raised | None) -> list[OnDead | Enqueueable[..., Any]]:
        return self._registry.reactions(end.type, None if raised is None else raised.on_dead)

    def _call_next(self) -> None:
        while self._is_open and self._waiting and len(self._calls) < _MOST_AT_ONCE:
            function, dead = self._waiting.popleft()
            context = contextvars.Context()
            context.run(DEAD.set, dead)
            call = asyncio.Task(
                self._call(function, dead), loop=asyncio.get_running_loop(), name=f"on_dead of {dead.type}",
                context=context,
            )  # fmt: skip
            self._calls.add(call)
            call.add_done_callback(self._called)

    async def _call(self, function: OnDead, dead: DeadJob) -> None:
        try:
            if _is_async(function):
                await function(dead)
            else:
                await call_in_thread(function, (dead,), {}, CallThread())
        except BaseException as error:  # noqa: BLE001  # the boundary: nothing passes
            if self._origin.is_left:
                end_process(error)
            if not self._is_closed:
                failure, text = describe(error), "on_dead of %s job %s failed in %s: %s: %s"
                values = dead.type, dead.id, qualified_name(function), failure.error_type, failure.message
                _log.error(text, *values, exc_info=exc_info_of(error))
        if self._origin.is_left:  # it forked: a copy of the application must not live on
            end_process(None)

    def _called(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._call_next()
        if self.is_idle:
            self._is_full = False
            self._went_idle.set()
            self._commits.wake()


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _dead_job(end: Close, raised: Raised) -> DeadJob:
    claimed, failure, error = raised.claimed, end.failure, raised.error
    assert claimed is not None  # noqa: S101  # `died` has looked
    reason = end.reason or ""
    traceback = (failure.traceback if failure else None) or ""
    if error is None:
        kind, message = (failure.error_type, failure.message) if failure else ("", _CRASHED)
        error = RecordedError(end.id, end.attempt, kind, message, traceback)
    return DeadJob(
        id=end.id,
        type=end.type,
        attempt=end.attempt,
        max_attempts=claimed.max_attempts,
        payload=_decoded(claimed.payload),
        label=claimed.label,
        created_at=to_datetime(claimed.created_at),
        reason=reason,
        error=error,
        traceback=traceback,
    )


def _decoded(payload: str) -> dict[str, Any]:
    """The arguments; empty if another program has written no JSON object."""
    try:
        decoded = json.loads(arguments_of(redacted(payload)))
    except (ValueError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}
