"""What becomes of each operation of a run: stored once, tried again, late, or failed for good.

It is the same whatever runs the run. Nothing in this module knows a task, a future or a coroutine of the handler.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Protocol

from aiojobs_lite.clock import MICROSECONDS, Clock, after, to_datetime
from aiojobs_lite.durable.memos import Memos
from aiojobs_lite.durable.operations import (
    InvokeJob,
    Operation,
    Recorded,
    RunRaised,
    Sleep,
    StartJob,
    StepPlanned,
    StepRaised,
    StepRan,
    WaitForEvent,
)
from aiojobs_lite.errors import EnqueueError, EventError
from aiojobs_lite.model.admission import Refused
from aiojobs_lite.model.events import StepFence, mark_of
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.model.steps import NewStep, StepKind, StepRow, StepState, end_memo
from aiojobs_lite.policy.settle import Policy, Suspension
from aiojobs_lite.policy.settle_step import is_last, settle_step
from aiojobs_lite.policy.verdict import Verdict, Wish
from aiojobs_lite.sizes import LONGEST_REASON_CHARS
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import StepCompleted, StepGivenUp, StepRetried, StepSnoozed
from aiojobs_lite.telemetry.tracebacks import Trace
from aiojobs_lite.text import make_storable

JSON_NULL: Final = "null"
"""The memo of a sleep, and of an event that did not come."""


class DurableRun(Protocol):
    """An attempt, as far as its operations know it.

    Attributes:
        claimed: What was claimed.
        restarts: Whether an operation ended in it: it counts as the first attempt of what follows.
    """

    claimed: Claimed
    restarts: bool


class StepLedger:
    """The operations of one attempt, by whatever driver.

    Args:
        run: The attempt.
        policy: What its job type says about failures.
        memos: What was done before.
        clock: Says what is late.
        bus: Gets the facts about steps.

    Attributes:
        bus: As given.
        memos: As given.
    """

    __slots__ = ("_clock", "_policy", "_run", "bus", "memos")

    def __init__(self, run: DurableRun, policy: Policy, memos: Memos, clock: Clock, bus: Bus) -> None:
        self._run = run
        self._policy = policy
        self.memos = memos
        self._clock = clock
        self.bus = bus

    @property
    def attempt(self) -> int:
        """The number of the attempt, of what follows the last operation that ended."""
        return 1 if self._run.restarts else self._run.claimed.attempt

    async def all(self) -> list[StepRow]:
        """All operations, in the order in which they were stored first."""
        return await self.memos.all()

    async def find(self, name: str, kind: StepKind) -> StepRow | None:
        """What is known of an operation; None: nothing, and now it counts as begun.

        Raises:
            StepMismatch: If the name stands for another kind of operation.
            TooManySteps: If it is new, and the job may have no more.
        """
        return await self.memos.find(name, kind)

    async def begin(self, name: str, kind: StepKind) -> tuple[str, StepRow | None]:
        """The name of the next operation of a name, and what is known of it; raises as `find` does."""
        memos = self.memos
        unique = memos.next_name(name)
        return unique, memos.known(unique, kind) if memos.is_read else await memos.find(unique, kind)

    @property
    def skipped(self) -> list[str]:
        """See `Memos.skipped`."""
        return self.memos.skipped

    async def record(self, operation: Recorded) -> StepRow:
        """Makes durable what a driver says; returns the operation as it stands then.

        Raises:
            AttemptNotOwned: If the attempt is another runner's by now.
        """
        memos, new = self.memos, self._new(operation)
        (row,) = memos.saved(await memos.store.write(memos.write_of((new,))))
        return self._recorded(operation, row)

    async def record_all(self, operations: Sequence[Recorded]) -> tuple[StepRow, ...]:
        """The same of several, all or none; each name at most once."""
        rows = await self.memos.save([self._new(operation) for operation in operations])
        return tuple(map(self._recorded, operations, rows))

    def is_news(self, operation: Operation) -> bool:
        """Whether an operation that a driver answers says more than is known; what has ended never changes.

        Raises:
            StepMismatch: If the name stands for another kind of operation.
        """
        known = self.memos.latest(operation.name)
        if known is None:
            return True
        self.memos.known(operation.name, operation.kind)
        is_open = known.state is StepState.WAITING and known.kind.bound is StepKind.RUN
        return is_open and StepKind.RUN in {known.kind, operation.kind}

    def is_last(self, raised: RunRaised, attempts: int) -> bool:
        """Whether what a driver was called for is not tried again; it had failed so often before."""
        return is_last(raised.verdict, attempts, self._run.claimed.max_attempts)

    async def start(self, operation: InvokeJob | StartJob) -> StepRow | Refused:
        """Starts the job of an operation, once; returns the operation as it stands then, or why it was refused.

        Raises:
            AttemptNotOwned: If the attempt is another runner's by now.
        """
        is_awaited = isinstance(operation, InvokeJob)
        until = operation.until if isinstance(operation, InvokeJob) else None
        row = await self.memos.start_child(operation.name, operation.child, is_awaited=is_awaited, until=until)
        return row if isinstance(row, Refused) else self._noted(row)

    def next_attempt(self, verdict: Verdict) -> int:
        """When an attempt that failed is followed by the next one, in microseconds."""
        now = self._clock.now()
        at = verdict.instant(now)
        return after(now, self._policy.backoff.delay(self.attempt)) if at is None else at

    def is_due(self, row: StepRow) -> bool:
        """Whether the instant of an operation has come: it is late, or is to be tried again."""
        return row.until is not None and row.until <= self._clock.now()

    async def end_late(self, row: StepRow) -> StepRow:
        """Ends an operation whose instant has come: a sleep is done, an event did not come, a job did not end in time.

        Returns:
            The operation as it stands then: it may have ended otherwise before.
        """
        done = NewStep(row.name, row.kind, StepState.DONE, JSON_NULL, until=row.until)
        if row.kind is StepKind.CHILD:
            done = done._replace(state=StepState.FAILED, memo=end_memo("timeout", None, None, None))
        (ended,) = await self.memos.save([done])
        return self._noted(ended)

    async def reload(self) -> list[str]:
        """Reads all operations; returns the names of those that have ended since."""
        names = await self.memos.reload()
        self._run.restarts |= bool(names)
        return names

    async def send(self, name: str, send: Callable[[StepFence], Awaitable[object]]) -> None:
        """Has events sent for an operation; what sends them makes it durable too."""
        try:
            await send(self.memos.fence(name))
        except (EnqueueError, EventError):
            self.memos.give_back(name)
            raise
        self._run.restarts = True

    async def children(self) -> dict[str, int]:
        """The jobs that operations of the job have started, by the names of these."""
        return await self.memos.children()

    def _new(self, operation: Recorded) -> NewStep:
        """An operation as it is to be stored."""
        name = operation.name
        known = self.memos.latest(name)
        attempts, error = (0, None) if known is None else (known.attempts, known.error)
        if isinstance(operation, StepRan):
            return NewStep(name, StepKind.RUN, StepState.DONE, operation.memo, None, attempts + 1)
        match operation:
            case StepRaised():
                return self._raised(operation, StepKind.RUN if known is None else known.kind, attempts, error)
            case StepPlanned():
                return NewStep(name, StepKind.PLANNED, StepState.WAITING, None, error, attempts, self._clock.now())
            case Sleep():
                return NewStep(name, StepKind.SLEEP, StepState.WAITING, until=operation.until)
            case WaitForEvent():
                until, behind = operation.until, None if operation.after is None else mark_of(operation.after)
                return NewStep(
                    name, StepKind.EVENT, StepState.WAITING, until=until, match=operation.match, after=behind
                )  # fmt: skip

    def _raised(self, raised: StepRaised, kind: StepKind, attempts: int, before: str | None) -> NewStep:
        """A step that failed, as often before and at last by this; what failed for good is planned no more."""
        backoff, attempts = raised.backoff or self._policy.backoff, max(attempts, raised.attempts)
        end = settle_step(raised.verdict, attempts, self._most(raised), backoff, self._clock.now())
        error = before if raised.verdict.wish is Wish.SNOOZE else _error_of(raised)
        kind, memo = (StepKind.RUN, raised.memo) if end.state is StepState.FAILED else (kind, None)
        return NewStep(raised.name, kind, end.state, memo, error, end.attempts, end.until)

    def _most(self, raised: StepRaised) -> int:
        return self._run.claimed.max_attempts if raised.max_attempts is None else raised.max_attempts

    def _recorded(self, operation: Recorded, row: StepRow) -> StepRow:
        """Notes and publishes what became of an operation."""
        if isinstance(operation, StepRan):
            if operation.seconds is not None and self.bus.is_watched(StepCompleted):
                self.publish_ran(row.name, operation.seconds)
        elif isinstance(operation, StepRaised):
            self._publish_failure(operation, row)
        return self._noted(row)

    def publish_ran(self, name: str, seconds: float) -> None:
        """Publishes that a step ran, and is durable."""
        claimed = self._run.claimed
        self.bus.publish(StepCompleted(claimed.id, claimed.type, name, seconds))

    def _publish_failure(self, raised: StepRaised, row: StepRow) -> None:
        about, why = (self._run.claimed.id, self._run.claimed.type, row.name), raised.failure.summary
        if row.state is StepState.FAILED:
            if raised.verdict.wish is not Wish.CANCEL:
                self.bus.publish(StepGivenUp(*about, row.attempts, why), _trace_of(raised))
        elif row.until is not None:
            when = to_datetime(row.until), max(0.0, (row.until - self._clock.now()) / MICROSECONDS)
            if raised.verdict.wish is Wish.SNOOZE:
                self.bus.publish(StepSnoozed(*about, *when))
            else:
                self.bus.publish(StepRetried(*about, row.attempts, self._most(raised), why, *when), _trace_of(raised))

    def _noted(self, row: StepRow) -> StepRow:
        if row.ended_at is not None:
            self._run.restarts = True
        return row


def _error_of(raised: StepRaised) -> str:
    """What made a step fail, as it is stored."""
    failure, verdict = raised.failure, raised.verdict
    error = {"type": failure.error_type, "message": failure.message, "traceback": failure.traceback}
    if verdict.wish is Wish.CANCEL:
        error["cancel"] = make_storable(verdict.text, LONGEST_REASON_CHARS)
    return json.dumps(error)


def _trace_of(raised: StepRaised) -> Trace | None:
    """The traceback of a step that failed, for the log; None if it asked for that, or has none."""
    failure, verdict = raised.failure, raised.verdict
    return None if verdict.is_wanted or not failure.traceback else Trace(failure.error_type, failure.traceback)


def suspension_of(waits: Iterable[tuple[str, int | None]]) -> Suspension:
    """The suspension of an attempt that waits for these operations alone: their names, and when each is over."""
    found = list(waits)
    until = min((until for _, until in found if until is not None), default=None)
    return Suspension(until, tuple(dict.fromkeys(name for name, _ in found)))
