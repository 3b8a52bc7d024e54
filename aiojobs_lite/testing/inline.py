"""Durable operations without a runner, for a handler that a test calls itself.

What decides is the code that decides in a runner: how often a step is tried, what it may return, which name is counted.
Only that which is kept in a database there is kept here in memory, and time passes at once.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Mapping
from typing import Any, Final, TypeVar, cast

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.durable.attempt import DurableAttempt
from aiojobs_lite.durable.ledger import JSON_NULL, StepLedger
from aiojobs_lite.durable.memos import Memos
from aiojobs_lite.durable.results import StepResults
from aiojobs_lite.durable.waits import PendingWait, Waits
from aiojobs_lite.engine.running import Running
from aiojobs_lite.handlers.decorators import job
from aiojobs_lite.handlers.event import Event
from aiojobs_lite.handlers.job_type import BoundJob, Enqueueable, JobType
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.events import EventRow, memo_of
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.model.queries import Query
from aiojobs_lite.model.steps import (
    ListSteps,
    NewRan,
    NewStep,
    SaveSteps,
    StartChild,
    StepKind,
    StepRow,
    StepState,
    end_memo,
)
from aiojobs_lite.model.writes import Write
from aiojobs_lite.runner.binding import check_bound, check_enqueueable
from aiojobs_lite.runner.children import Children
from aiojobs_lite.runner.events import EventToSend, new_event
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.errors import NotAnswered
from aiojobs_lite.testing.operations import OperationName, StepCalls, stand_in
from aiojobs_lite.testing.probe import watch_steps_of

A = TypeVar("A")
_TURNS: Final = 8  # of the event loop in which other branches come to what they wait for
_OF_A_JOB: Final = "what the job returns, or an exception that the handler gets"
_OF_AN_EVENT: Final = "the data of the event, or None: it does not come"


class InlineOperations:
    """The durable operations of one handler that a test calls.

    Args:
        claimed: Its attempt.
        job_type: Its job type, or None.
        answers: What the test answers, by the names of operations.

    Attributes:
        attempt: The operations.
        children: Makes the jobs that it starts.
        calls: The steps that ran.
    """

    def __init__(self, claimed: Claimed, job_type: JobType[..., Any] | None, answers: Mapping[str, Any]) -> None:
        clock, run = FakeClock(to_datetime(claimed.scheduled_at)), Running(claimed, job_type or _any_job)
        self.children = InlineChildren(clock)
        self.calls = StepCalls()
        for name, answer in answers.items():
            self.calls.replace(name, answer)
        memos = Memos(claimed, InlineStore(clock, answers, self.children))
        ledger = StepLedger(run=run, policy=run.job_type.policy, memos=memos, clock=clock, bus=Bus())
        self.attempt = DurableAttempt(
            run=run,
            find=lambda _: run,
            ledger=ledger,
            waits=InlineWaits(clock, run, ledger),
            results=StepResults(),
            clock=clock,
        )
        watch_steps_of(self.attempt, claimed, self.calls.call)


class InlineWaits(Waits):
    """Waits that are over soon: the clock moves to their instant, but not while a step runs.

    Args:
        clock: Is moved.
        run: The attempt.
        ledger: Has its operations.
    """

    def __init__(self, clock: FakeClock, run: Running, ledger: StepLedger) -> None:
        super().__init__(clock=clock, run=run, ledger=ledger, host=_NoHost())
        self._moved, self._changed = clock, asyncio.Event()
        self._instants: list[int] = []

    async def wait(self, wait: PendingWait) -> None:
        """See `Waits.wait`. The next instant comes first, when other branches have come so far."""
        until = self._moved.now() if wait.until is None else wait.until
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting[future] = wait
        self._instants.append(until)
        try:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            while self.steps or min(self._instants) < until:
                self._changed.clear()
                await self._changed.wait()
            self._moved.jump_to(to_datetime(max(until, self._moved.now())))
        finally:
            self._instants.remove(until)
            del self.waiting[future]
            self._changed.set()

    def look_soon(self) -> None:
        """See `Waits.look_soon`."""
        self._changed.set()


class InlineChildren(Children):
    """Makes the jobs that a handler starts, of any job type.

    Args:
        clock: Gives the instant of their enqueue.

    Attributes:
        followed: Those that are enqueued with its end.
    """

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._types = Registry()
        self.followed: list[Candidate] = []

    def follow(
        self, claimed: Claimed, job: Enqueueable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        """See `Children.follow`."""
        del claimed
        self.followed.append(self.candidate(job, args, kwargs))

    def candidate(self, job: Enqueueable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Candidate:
        """See `Children.candidate`."""
        check_enqueueable(job)
        return self.candidate_of(job.bind(*args, **kwargs))

    def candidate_of(self, bound: BoundJob[Any]) -> Candidate:
        """See `Children.candidate_of`."""
        if isinstance(bound, BoundJob):
            self._types.add(bound.job_type)
        check_bound([bound], self._types)
        return bound.how.candidate(bound.row(self._clock.now()))

    def arguments(self, child: Candidate) -> tuple[JobType[..., Any], tuple[Any, ...], Mapping[str, Any]]:
        """The type of a job that was made, and its arguments as its handler gets them."""
        job_type = self._types.get(child.row.type)
        return job_type, *job_type.signature.load(child.row.payload)


class InlineStore:
    """Keeps operations in memory, and ends those that wait with what the test answers; implements `StepStore`.

    Args:
        clock: Says when.
        answers: What the test answers, by the names of operations.
        children: Knows the jobs that were made.
    """

    def __init__(self, clock: FakeClock, answers: Mapping[str, Any], children: InlineChildren) -> None:
        self._clock = clock
        self._answers = {name: (OperationName(name), answer) for name, answer in answers.items()}
        self._children = children
        self._rows: dict[str, StepRow] = {}

    async def write(self, write: Write[A]) -> A:
        """See `StepStore.write`."""
        if isinstance(write, StartChild):
            memo = await self._result(write.name, write.child)
            return cast("A", (self._row(NewStep(write.name, StepKind.CHILD, StepState.DONE, memo)), None))
        assert isinstance(write, SaveSteps)  # noqa: S101  # operations write nothing else
        return cast("A", tuple([self._row(await self._ended(step)) for step in write.steps]))

    async def save_ran(self, step: NewRan) -> None:
        """See `StepStore.save_ran`."""
        self._row(NewStep(step.name, StepKind.RUN, StepState.DONE, step.memo, attempts=1))

    async def ask(self, query: Query[A]) -> A:
        """See `StepStore.ask`."""
        return cast("A", tuple(self._rows.values()) if isinstance(query, ListSteps) else ())

    def _row(self, step: NewStep) -> StepRow:
        before, now = self._rows.get(step.name), self._clock.now()
        has_ended = step.state is not StepState.WAITING
        started = now if before is None else before.started_at
        row = StepRow(
            step.name, step.kind, step.state, step.memo, step.error, step.attempts, step.until, started,
            now if has_ended else None, len(self._rows) + 1 if has_ended else None,
        )  # fmt: skip
        self._rows[step.name] = row
        return row

    async def _ended(self, step: NewStep) -> NewStep:
        """An operation, and if it waits for an event that comes, its end."""
        if step.match is None or step.state is not StepState.WAITING:
            return step
        name = step.match.event
        event = await self._answer(step.name, f"it waits for {name!r}", _OF_AN_EVENT)
        if event is None:
            return step if step.until is not None else step._replace(state=StepState.DONE, memo=JSON_NULL)
        if isinstance(event, Event):
            memo = event.model_dump_json()
        else:
            sent, _ = new_event(EventToSend(name, event, id="test"), Registry(), self._clock.now())
            memo = memo_of(EventRow(0, name, sent.data, sent.sent_at, sent.key))
        return step._replace(state=StepState.DONE, memo=memo)

    async def _result(self, name: str, child: Candidate) -> str:
        """What a child returned."""
        job_type, args, kwargs = self._children.arguments(child)
        returned = await self._answer(name, f"it starts {job_type.name!r}", _OF_A_JOB, *args, **kwargs)
        result = job_type.result
        return end_memo("completed", json.dumps(returned) if result is None else result.dump(returned), None, None)

    async def _answer(self, name: str, asks: str, expected: str, /, *args: Any, **kwargs: Any) -> Any:
        for wanted, answer in self._answers.values():
            if wanted.fits(name):
                given = stand_in(answer)(*args, **kwargs)
                return await given if inspect.isawaitable(given) else given
        raise NotAnswered(name, asks, expected)


@job(name="test")
async def _any_job() -> None: ...


class _NoHost:
    def suspend(self, run: object, suspension: object) -> None: ...

    def reload(self, waits: object) -> None: ...
