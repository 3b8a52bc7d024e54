"""The operations of one attempt of a durable handler: each is done once in a job's life, and remembered."""

from __future__ import annotations

import asyncio
import inspect
import json
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from aiojobs_lite.clock import Clock, after, to_datetime
from aiojobs_lite.durable.memos import Memos
from aiojobs_lite.durable.results import StepResults
from aiojobs_lite.durable.step import Step
from aiojobs_lite.durable.waits import PendingWait, Waits
from aiojobs_lite.engine.calls import call_in_thread
from aiojobs_lite.engine.failures import describe
from aiojobs_lite.errors import StepFailed, StepNotStored
from aiojobs_lite.model.admission import Candidate, Refused
from aiojobs_lite.model.event_match import EventMatch
from aiojobs_lite.model.events import StepFence
from aiojobs_lite.model.steps import NewStep, StepKind, StepRow, StepState, end_memo
from aiojobs_lite.policy.settle import Policy
from aiojobs_lite.policy.verdict import Verdict, Wish
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import StepCompleted, StepGivenUp, StepRetried

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiojobs_lite.engine.running import Running
    from aiojobs_lite.engine.threads import UnawaitedThread

_NOTHING: Final = "null"
_OF_THE_JOB: Final = frozenset({Wish.SNOOZE, Wish.CANCEL, Wish.ABANDON})  # wishes that are about the job, not the step


class DurableAttempt:
    """What a handler asks its context for: steps, sleeps, and what is to be the same in each attempt.

    Args:
        run: The attempt.
        memos: What was done before.
        waits: What it waits for.
        results: Know what functions return.
        clock: Says how long it is to an instant.
        bus: Gets the facts about steps.

    Attributes:
        clock: As given.
    """

    def __init__(
        self, *, run: Running, memos: Memos, waits: Waits, results: StepResults, clock: Clock, bus: Bus
    ) -> None:
        self._run = run
        self._memos = memos
        self._waits = waits
        self._results = results
        self.clock = clock
        self._bus = bus

    async def step(
        self, step: Step, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """Calls a function, once in the life of the job: what it returned is stored before this returns.

        Raises:
            StepFailed: If it failed for good.
            StepNotStored: If what it returned cannot be stored.
            StepMismatch: If its name stands for another kind of operation.
            TooManySteps: If the job may have no more operations.
        """
        self._waits.check()
        result = self._results.of(function)
        name = self._memos.next_name(step.name)
        row = await self._memos.find(name, StepKind.RUN)
        while row is None or row.state is StepState.WAITING:
            if row is not None and row.until is not None and row.until > self.clock.now():
                await self._waits.wait(PendingWait(name, row.until))
            row = await self._try(step, name, row, lambda: self._called(step, function, args, kwargs), result.dump)
        if row.state is StepState.FAILED or row.memo is None:
            raise self._failed(row)
        return result.load(row.memo)

    async def event(self, name: str, match: EventMatch, until: Callable[[], int | None]) -> str | None:
        """Waits for an event that matches, sent since the job was enqueued; returns it as JSON.

        Args:
            name: The name of the operation.
            match: Which event it is.
            until: Gives the instant at which the wait is over, once in the life of the job; None: it never is.

        Returns:
            The event; None: it did not come in time.
        """
        self._waits.check()
        name = self._memos.next_name(name)
        row = await self._memos.find(name, StepKind.EVENT)
        if row is None:
            row = await self._save(NewStep(name, StepKind.EVENT, StepState.WAITING, until=until(), match=match))
        if row.state is StepState.WAITING:
            late = NewStep(name, StepKind.EVENT, StepState.DONE, _NOTHING, until=row.until, match=match)
            row = await self._come(row, late)
        return None if row.memo == _NOTHING else row.memo

    async def child(
        self, name: str, child: Callable[[], Candidate], until: Callable[[], int | None]
    ) -> StepRow | Refused:
        """Starts a job, once in the life of this one, and waits for its end.

        Args:
            name: The name of the operation.
            child: Makes the job.
            until: As for `event`.

        Returns:
            The operation, which has ended; or why the job was refused.
        """
        self._waits.check()
        name = self._memos.next_name(name)
        row = await self._memos.find(name, StepKind.CHILD)
        if row is None:
            started = await self._memos.start_child(name, child(), is_awaited=True, until=until())
            if isinstance(started, Refused):
                return started
            row = started
        if row.state is StepState.WAITING:
            late = end_memo("timeout", None, None, None)
            row = await self._come(row, NewStep(name, StepKind.CHILD, StepState.FAILED, late, until=row.until))
        return row

    async def started(self, name: str, child: Callable[[], Candidate]) -> StepRow | Refused:
        """Starts a job, once in the life of this one, and does not wait for it; its id is in the memo."""
        self._waits.check()
        name = self._memos.next_name(name)
        row = await self._memos.find(name, StepKind.RUN)
        return row or await self._memos.start_child(name, child(), is_awaited=False, until=None)

    async def sent(self, name: str, send: Callable[[StepFence], Awaitable[object]]) -> None:
        """Sends events, once in the life of the job."""
        self._waits.check()
        name = self._memos.next_name(name)
        if await self._memos.find(name, StepKind.RUN) is None:
            await send(self._memos.fence(name))

    async def child_id(self, name: str) -> int:
        """The job that an operation started; 0 if there is none."""
        return (await self._memos.children()).get(name, 0)

    async def _come(self, row: StepRow, late: NewStep) -> StepRow:
        """Waits until an operation has ended from outside, or ends it as one that is late."""
        while row.state is StepState.WAITING:
            if row.until is not None and row.until <= self.clock.now():
                row = await self._save(late)
                continue
            await self._waits.wait(PendingWait(row.name, row.until))
            row = await self._memos.find(row.name, row.kind) or row
        self._run.restarts = True
        return row

    async def sleep(self, name: str, until: Callable[[], int]) -> None:
        """Returns when an instant has come, which is asked for once in the life of the job."""
        self._waits.check()
        name = self._memos.next_name(name)
        row = await self._memos.find(name, StepKind.SLEEP)
        if row is None:
            row = await self._save(NewStep(name, StepKind.SLEEP, StepState.WAITING, until=until()))
        while row.state is StepState.WAITING and row.until is not None:
            if row.until > self.clock.now():
                await self._waits.wait(PendingWait(name, row.until))
                continue
            row = await self._save(NewStep(name, StepKind.SLEEP, StepState.DONE, _NOTHING, until=row.until))

    async def remembered(self, name: str, make: Callable[[], Any]) -> Any:
        """A JSON value that is made once in the life of the job."""
        self._waits.check()
        name = self._memos.next_name(name)
        row = await self._memos.find(name, StepKind.RUN)
        if row is None:
            row = await self._save(NewStep(name, StepKind.RUN, StepState.DONE, json.dumps(make()), attempts=1))
        return json.loads(row.memo or _NOTHING)

    async def now(self) -> datetime:
        """The instant at which this was asked for first, UTC."""
        return to_datetime(await self.remembered("now", self.clock.now))

    async def uuid(self) -> uuid.UUID:
        """A random UUID, the same in each attempt."""
        return uuid.UUID(await self.remembered("uuid", lambda: str(uuid.uuid4())))

    async def random(self) -> float:
        """A random number from 0 to 1, the same in each attempt."""
        number: float = await self.remembered("random", random.random)
        return number

    async def _try(
        self, step: Step, name: str, row: StepRow | None, call: Callable[[], Any], dump: Callable[[Any], str]
    ) -> StepRow:
        """Runs a step once, and makes durable what came of it."""
        attempt = (0 if row is None else row.attempts) + 1
        began = time.perf_counter()
        try:
            value = await call()
        except Exception as error:
            verdict = self._policy(step).judge(error)
            if verdict.wish in _OF_THE_JOB:
                raise
            return await self._note_failure(step, name, attempt, error, verdict)
        try:
            memo = dump(value)
        except ValueError as error:
            refused = StepNotStored(self._run.claimed.id, name, str(error))
            await self._note_failure(step, name, attempt, refused, Verdict(Wish.NEVER))
            raise refused from None
        saved = await self._save(NewStep(name, StepKind.RUN, StepState.DONE, memo, attempts=attempt))
        if self._bus.is_watched(StepCompleted):
            claimed = self._run.claimed
            self._bus.publish(StepCompleted(claimed.id, claimed.type, name, time.perf_counter() - began))
        return saved

    async def _note_failure(self, step: Step, name: str, attempt: int, error: Exception, verdict: Verdict) -> StepRow:
        """Makes durable that a step failed: for good, or until it is tried again."""
        claimed, failure = self._run.claimed, describe(error)
        most = claimed.max_attempts if step.max_attempts is None else step.max_attempts
        text = json.dumps({"type": failure.error_type, "message": failure.message, "traceback": failure.traceback})
        if attempt >= most or verdict.wish is Wish.NEVER:
            self._bus.publish(StepGivenUp(claimed.id, claimed.type, name, attempt, failure.summary))
            return await self._save(NewStep(name, StepKind.RUN, StepState.FAILED, error=text, attempts=attempt))
        now, backoff = self.clock.now(), step.backoff or self._run.job_type.policy.backoff
        until = after(now, backoff.delay(attempt) if verdict.delay is None else verdict.delay)
        until = until if verdict.at is None else max(verdict.at, until if verdict.delay is not None else now)
        self._bus.publish(
            StepRetried(claimed.id, claimed.type, name, attempt, most, failure.summary, to_datetime(until))
        )
        return await self._save(
            NewStep(name, StepKind.RUN, StepState.WAITING, error=text, attempts=attempt, until=until)
        )

    async def _called(
        self, step: Step, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """Calls the function of a step: one that is no coroutine function in a thread."""
        self._waits.busy += 1
        try:
            async with self._limited(step.timeout):
                if inspect.iscoroutinefunction(_inner(function)):
                    return await function(*args, **kwargs)
                return await call_in_thread(function, args, kwargs, _Thread())
        finally:
            self._waits.busy -= 1
            self._waits.look_soon()

    @asynccontextmanager
    async def _limited(self, limit: float | None) -> AsyncIterator[None]:
        """Stops what takes longer, by the clock of the runner."""
        if limit is None:
            yield
            return
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as scope:
                timer = self.clock.call_later(limit, lambda: scope.reschedule(loop.time()))
                try:
                    yield
                finally:
                    timer.cancel()
        except TimeoutError:
            if not scope.expired():
                raise
            raise TimeoutError(f"the step took longer than {limit:g} s") from None

    def _policy(self, step: Step) -> Policy:
        policy = self._run.job_type.policy
        return policy if step.backoff is None else Policy(step.backoff, policy.retry_on, policy.abandon_on)

    async def _save(self, step: NewStep) -> StepRow:
        row = await self._memos.save(step)
        if row.ended_at is not None:
            self._run.restarts = True
        return row

    def _failed(self, row: StepRow) -> StepFailed:
        error = json.loads(row.error or "{}")
        return StepFailed(self._run.claimed.id, row.name, row.attempts, error.get("type", ""), error.get("message", ""))


class _Thread:
    """The thread of a step."""

    def __init__(self) -> None:
        self.thread: UnawaitedThread | None = None
        self.thread_id: int | None = None


def _inner(function: Callable[..., Any]) -> Callable[..., Any]:
    """What is called in the end: of a callable object its `__call__`."""
    if inspect.isroutine(function) or isinstance(function, type):
        return function
    inner: Callable[..., Any] = getattr(function, "func", None) or type(function).__call__
    return inner
