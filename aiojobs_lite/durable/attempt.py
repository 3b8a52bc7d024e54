"""The driver of a coroutine of this process: what one attempt of a durable handler asks for by name."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from aiojobs_lite.clock import Clock, to_datetime
from aiojobs_lite.durable.ledger import JSON_NULL, StepLedger
from aiojobs_lite.durable.operations import InvokeJob, Sleep, StartJob, StepRaised, StepRan, WaitForEvent
from aiojobs_lite.durable.results import StepResult, StepResults
from aiojobs_lite.durable.step import Step
from aiojobs_lite.durable.waits import Waits, until_due, until_ended
from aiojobs_lite.engine.calls import call_in_thread
from aiojobs_lite.engine.failures import describe
from aiojobs_lite.engine.results import refuse_unfinished
from aiojobs_lite.engine.running import Running
from aiojobs_lite.engine.threads import CallThread
from aiojobs_lite.errors import RecordedError, StepFailed, StepNotStored, StepUnfit
from aiojobs_lite.model.admission import Candidate, Refused
from aiojobs_lite.model.event_match import EventMatch
from aiojobs_lite.model.events import StepFence
from aiojobs_lite.model.steps import StepKind, StepRow, StepState
from aiojobs_lite.policy.outcomes import Cancel
from aiojobs_lite.policy.verdict import Verdict, Wish
from aiojobs_lite.telemetry.facts import StepCompleted
from aiojobs_lite.text import show_duration

AroundStep = Callable[[str, Awaitable[Any]], Awaitable[Any]]
"""Is given the name of a step and the call of its function, and returns what becomes the result of the step."""


class DurableAttempt:
    """What a handler asks its context for: steps, sleeps, and what is to be the same in each attempt.

    It is the driver of a coroutine of this process: it calls functions, and waits beside other branches. What becomes
    of an operation is decided by the ledger.

    Args:
        run: The attempt.
        find: Gives the attempt of a job that runs now, or None.
        ledger: Knows and stores its operations.
        waits: What it waits for.
        results: Know what functions return.
        clock: Says how long it is to an instant.

    Attributes:
        run: As given.
        find: As given.
        waits: As given.
        clock: As given.
        is_direct: Whether it calls coroutine functions itself, and nothing is around them, as in a test.
    """

    def __init__(
        self, run: Running, find: Callable[[int], object], ledger: StepLedger, waits: Waits, results: StepResults,
        clock: Clock,
    ) -> None:  # fmt: skip
        self.run = run
        self.find = find
        self.is_direct = True
        self._around: AroundStep | None = None
        self._ledger = ledger
        self.waits = waits
        self._results = results
        self.clock = clock

    @property
    def attempt(self) -> int:
        """See `StepLedger.attempt`."""
        return self._ledger.attempt

    def surround(self, around: AroundStep) -> None:
        """Has each call of the function of a step awaited by another."""
        self._around, self.is_direct = around, False

    async def step(
        self, step: Step, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """Calls a function, once in the life of the job: what it returned is stored before this returns.

        Raises:
            StepFailed: If it failed for good.
            StepNotStored: If what it returned cannot be stored.
            StepUnfit: If what an attempt before has stored does not fit its annotation any more.
            StepMismatch: If its name stands for another kind of operation.
            TooManySteps: If the job may have no more operations.
        """
        waits, memos = self.waits, self._ledger.memos
        result = self._results.known.get(id(function)) or self._results.of(function)
        if waits.is_closed or not (memos.is_first and result.is_coroutine and self.is_direct) or step.timeout:
            return await self._begun(step, result, function, args, kwargs)
        name = memos.next_new(step.name)
        began, raised = time.perf_counter(), None
        waits.steps += 1
        try:  # as `_tried`, without coroutines of its own: it is nearly every step
            value = await function(*args, **kwargs)
            plain = result.dump_plain(value)
            if plain is None:
                refuse_unfinished(value)
        except Exception as error:  # noqa: BLE001  # as there
            raised = self._raised(step, name, error)
        else:
            try:
                memo = plain or result.dump(value)
            except ValueError as error:
                raised = self._not_stored(name, error)
        finally:
            waits.steps -= 1
            if waits.waiting:
                waits.look_soon()
        if raised is not None:
            row = await self._ledger.record(raised)
            return await self._stepped(step, name, row, result, function, args, kwargs)
        seconds = time.perf_counter() - began
        saving = memos.save_ran(name, memo)
        if saving is None:
            return self._value(await self._ledger.record(StepRan(name, memo, seconds)), result)
        stored = await saving
        self.run.restarts = True
        if self._ledger.bus.is_watched(StepCompleted):
            self._ledger.publish_ran(name, seconds)
        if stored is not None:
            return self._value(stored, result)
        return value if plain or type(value) in result.plain else result.load(memo)

    async def sleep(self, name: str, until: Callable[[], int]) -> None:
        """Returns when an instant has come, which is asked for once in the life of the job."""
        name, row = await self._begin(name, StepKind.SLEEP)
        await self._ended(row or await self._ledger.record(Sleep(name, until())))

    async def event(self, name: str, match: EventMatch, until: Callable[[], int | None]) -> str | None:
        """Waits for an event that matches, sent since the job was enqueued; returns it as JSON.

        Args:
            name: The name of the operation.
            match: Which event it is.
            until: Gives the instant at which the wait is over, once in the life of the job; None: it never is.

        Returns:
            The event; None: it did not come in time.
        """
        name, row = await self._begin(name, StepKind.EVENT)
        row = await self._ended(row or await self._ledger.record(WaitForEvent(name, match, until())))
        return None if row.memo == JSON_NULL else row.memo

    async def child(
        self, name: str, child: Callable[[], Candidate], until: Callable[[], int | None], join: object = None
    ) -> StepRow | Refused:
        """Starts a job, once in the life of this one, and waits for its end.

        Args:
            name: The name of the operation.
            child: Makes the job.
            until: As for `event`.
            join: As in `PendingWait`.

        Returns:
            The operation, which has ended; or why the job was refused.
        """
        name, row = await self._begin(name, StepKind.CHILD)
        started = row or await self._ledger.start(InvokeJob(name, child(), until()))
        return started if isinstance(started, Refused) else await self._ended(started, join)

    async def started(self, name: str, child: Callable[[], Candidate]) -> StepRow | Refused:
        """Starts a job, once in the life of this one, and does not wait for it; its id is in the memo."""
        name, row = await self._begin(name, StepKind.RUN)
        return row or await self._ledger.start(StartJob(name, child()))

    async def sent(self, name: str, send: Callable[[StepFence], Awaitable[object]]) -> None:
        """Sends events, once in the life of the job."""
        name, row = await self._begin(name, StepKind.RUN)
        if row is None:
            await self._ledger.send(name, send)

    async def child_id(self, name: str) -> int:
        """The job that an operation started; 0 if there is none."""
        return (await self._ledger.children()).get(name, 0)

    async def remembered(self, name: str, make: Callable[[], Any]) -> Any:
        """A JSON value that is made once in the life of the job."""
        name, row = await self._begin(name, StepKind.RUN)
        row = row or await self._ledger.record(StepRan(name, json.dumps(make())))
        return json.loads(row.memo or JSON_NULL)

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

    async def _begin(self, name: str, kind: StepKind) -> tuple[str, StepRow | None]:
        """The name of the next operation of a name, but for steps, and what is known of it, if the attempt goes on."""
        await self.waits.check()
        return await self._ledger.begin(name, kind)

    async def _ended(self, row: StepRow, join: object = None) -> StepRow:
        return await until_ended(self.waits, self._ledger, row, join)

    async def _begun(
        self,
        step: Step,
        result: StepResult,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """A step, whatever is known of it, and however it is called."""
        await self.waits.check()
        name, row = await self._ledger.begin(step.name, StepKind.RUN)
        return await self._stepped(step, name, row, result, function, args, kwargs)

    async def _stepped(
        self, step: Step, name: str, row: StepRow | None, result: StepResult, function: Callable[..., Any],
        args: Sequence[Any], kwargs: Mapping[str, Any],
    ) -> Any:  # fmt: skip
        """Runs a step until it has ended, of which this row is known."""
        while row is None or row.state is StepState.WAITING:
            if row is not None:
                await until_due(self.waits, self._ledger, row)
            row = await self._ledger.record(await self._tried(step, name, result, function, args, kwargs))
        return self._value(row, result)

    def _value(self, row: StepRow, result: StepResult) -> Any:
        """What a step returned that has ended."""
        if row.state is StepState.FAILED or row.memo is None:
            raise self._failed(row)
        try:
            return result.load(row.memo)
        except ValueError as error:
            raise StepUnfit(self.run.claimed.id, row.name, str(error)) from None

    async def _tried(
        self, step: Step, name: str, result: StepResult, function: Callable[..., Any], args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> StepRan | StepRaised:  # fmt: skip
        """Runs a step once; returns what came of it."""
        began = time.perf_counter()
        try:
            with self.waits:
                called = self._called(name, result, function, args, kwargs)
                if self._around is not None:
                    called = self._around(name, called)
                value = refuse_unfinished(
                    await (called if step.timeout is None else self._limited(name, step.timeout, called))
                )
        except Exception as error:  # noqa: BLE001  # whatever its function raises
            return self._raised(step, name, error)
        try:
            return StepRan(name, result.dump(value), time.perf_counter() - began)
        except ValueError as error:
            return self._not_stored(name, error)

    def _raised(self, step: Step, name: str, error: Exception) -> StepRaised:
        """What came of a step that raised this."""
        verdict = self.run.job_type.policy.judge(error)
        return StepRaised(name, describe(error), verdict, step.max_attempts, step.backoff)

    def _not_stored(self, name: str, error: ValueError) -> StepRaised:
        """What came of a step that returned what cannot be stored."""
        problem = str(error)
        refused = StepNotStored(self.run.claimed.id, name, problem)
        record = describe(refused)._replace(traceback=None)  # it was not raised anywhere
        return StepRaised(name, record, Verdict(Wish.NEVER), memo=json.dumps(problem))

    def _called(
        self, name: str, result: StepResult, function: Callable[..., Any], args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Awaitable[Any]:  # fmt: skip
        """Calls the function of a step: one that is no coroutine function in a thread, such as a `lambda`."""
        called: Awaitable[Any] = (
            function(*args, **kwargs) if result.is_coroutine else self._in_thread(name, function, args, kwargs)
        )
        return called

    async def _in_thread(
        self, name: str, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """Calls a function in a thread, and awaits what that returned if need be. A cancellation waits for it."""
        thread = CallThread()
        call = asyncio.ensure_future(call_in_thread(_boxed(name, function), args, kwargs, thread))
        try:
            (value,) = await asyncio.shield(call)
        except asyncio.CancelledError:
            await self._until_left(call, thread)
            raise
        return await value if inspect.isawaitable(value) else value

    async def _until_left(self, call: asyncio.Future[Any], thread: CallThread) -> None:
        """Returns when the thread of a call does nothing more: else the next attempt might run beside it.

        A thread that has not begun is called off. One whose attempt is stuck is left alone, as that of a handler is.
        """
        if thread.thread is None or thread.thread.call_off():
            call.cancel()
        while not call.done() and not (self.run.is_stuck or thread.thread is None):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([call])

    async def _limited(self, name: str, limit: float, called: Awaitable[Any]) -> Any:
        """Stops what takes longer, by the clock of the runner."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as scope:
                timer = self.clock.call_later(limit, lambda: scope.reschedule(loop.time()))
                try:
                    return await called
                finally:
                    timer.cancel()
        except TimeoutError:
            if not scope.expired():
                raise
            raise TimeoutError(f"step {name!r} took longer than {show_duration(limit)}") from None

    def _failed(self, row: StepRow) -> StepFailed | StepNotStored | Cancel:
        """What a step raises that failed for good: the same in each attempt."""
        if row.memo is not None:  # it returned, and this says why that could not be stored
            return StepNotStored(self.run.claimed.id, row.name, json.loads(row.memo))
        error, job_id = json.loads(row.error or "{}"), self.run.claimed.id
        if "cancel" in error:
            return Cancel(error["cancel"])
        kind, message, trace = [error.get(part) or "" for part in ("type", "message", "traceback")]
        failed = StepFailed(job_id, row.name, row.attempts, kind, message)
        failed.__cause__ = RecordedError(job_id, row.attempts, kind, message, trace, row.name)
        return failed


def _boxed(name: str, function: Callable[..., Any]) -> Callable[..., tuple[Any]]:
    """The same function, but what it returns is in a tuple: a thread gives back no awaitable."""

    def call(*args: Any, **kwargs: Any) -> tuple[Any]:
        return (function(*args, **kwargs),)

    call.__name__ = name  # of the thread
    return call
