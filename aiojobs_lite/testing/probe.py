"""A look into a running runner, for the testing kit and for the tests of the library itself."""

from __future__ import annotations

import asyncio
import inspect
import threading
import weakref
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar

from aiojobs_lite.clock import Clock, Timer
from aiojobs_lite.durable.attempt import DurableAttempt
from aiojobs_lite.durable.durable import Durable
from aiojobs_lite.durable.results import StepResult
from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.engine.parts import Parts
from aiojobs_lite.engine.phase import Phase
from aiojobs_lite.engine.running import Running
from aiojobs_lite.model.ends import End
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.model.queries import Query
from aiojobs_lite.model.steps import StepKind, StepRow
from aiojobs_lite.model.writes import Write
from aiojobs_lite.policy.settle import Ending, Stop
from aiojobs_lite.runner.access import EngineAccess
from aiojobs_lite.runner.children import DurableAccess
from aiojobs_lite.runner.context import JobContext
from aiojobs_lite.runner.runner import JobRunner
from aiojobs_lite.stores.base import Store
from aiojobs_lite.testing.clock import FakeTimer

A = TypeVar("A")
CallsStep: TypeAlias = Callable[
    [
        Claimed,
        str,
        Callable[..., Any],
        Sequence[Any],
        Mapping[str, Any],
        Callable[[Callable[..., Any]], Awaitable[Any]],
    ],
    Awaitable[Any],
]
"""Calls the function of a step, or another: given the attempt, the step's name, its function and arguments, and what
calls a function as one of this step.
"""
_HANDLERS_END_S: Final = 1.0  # that handlers may take which a crash stopped


class Probe:
    """Reads and steers the inside of a runner, from the event loop on which it was started.

    It is the only module of the package that reaches into private parts of its other modules. Applications have no use
    for it, and no promise holds for it.

    Args:
        runner: The runner; it may be started later, and again.
    """

    def __init__(self, runner: JobRunner) -> None:
        self._runner = runner
        self._durable_timers: list[Timer] = []

    @property
    def is_started(self) -> bool:
        """Whether the runner is started and not yet closed."""
        return self._access.is_started

    @property
    def owner(self) -> str:
        """The id under which it claims."""
        return self.engine.identity.owner

    @property
    def store(self) -> Store:
        """Its store."""
        return self.engine._store

    @property
    def is_draining(self) -> bool:
        """Whether it drains, or is closed."""
        return self.engine.is_draining

    @property
    def is_saved(self) -> bool:
        """Whether nothing is left to be written: no write waits, and no transaction is in flight."""
        return self.parts.committer.is_idle

    @property
    def waiting_writes(self) -> list[Write[Any]]:
        """The writes that wait for the transaction that is in flight."""
        queue = self.parts.committer._queue
        return [write for unit, _, _ in (*queue.kept, *queue.waiting) for write in unit]

    @property
    def limited_types(self) -> frozenset[str]:
        """The types that a limit over all owners, or a pause, keeps it from claiming."""
        return frozenset(self.parts.dispatcher._limited_types)

    @property
    def callers(self) -> int:
        """How many callers await jobs."""
        return len(self.engine.waiters)

    def callers_that_wait_to_enqueue(self, job_type: str) -> int:
        """How many callers wait until fewer jobs of a type are pending, by `on_full="wait"`."""
        turn = self._runner._admission._turn(job_type)
        return turn.locked() + len(turn._waiters or ())

    @property
    def next_ticks(self) -> Mapping[str, int]:
        """The next instant of each declared schedule, and of the first one of the others, in microseconds."""
        first = self.parts.ticker.first_stored
        return {**self.parts.ticker.next_ticks, **({} if first is None else {"": first})}

    @property
    def next_claim(self) -> int | None:
        """When it claims next, as far as is known now, in microseconds; None: not before something else happens.

        It is what a job waits for that is due and that a rate keeps from running.
        """
        return None if self.is_claiming else self.parts.dispatcher._next

    @property
    def is_claiming(self) -> bool:
        """Whether a claim is in flight."""
        return self.parts.dispatcher._is_claim_in_flight

    @property
    def main_task(self) -> asyncio.Task[None]:
        """The task that the runner lives in."""
        task = self.engine._lifecycle._task
        assert task is not None, "the runner was never started"  # noqa: S101  # for tests only
        return task

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop on which it was started."""
        loop = self._access._loop
        assert loop is not None, "the runner was never started"  # noqa: S101  # for tests only
        return loop

    @property
    def next_timers(self) -> list[int]:
        """When the timers of the running attempts ring, in microseconds, under a fake clock."""
        timers = [timer for run in self.parts.attempts for timer in run.timers or ()] + self._durable_timers
        return [timer.due for timer in timers if isinstance(timer, FakeTimer) and not timer.has_ended]

    @property
    def only_waits(self) -> bool:
        """Whether each of the running attempts does nothing but wait for the end of another job."""
        waiting = {id(future) for futures in self.engine.waiters._futures.values() for future in futures}
        waiting |= {id(future) for attempt in self._durable._known.values() for future in attempt.waits.waiting}
        return all(run.task is not None and _waits_for(run.task, waiting) for run in self.parts.attempts)

    @property
    def is_on_loop(self) -> bool:
        """Whether the caller is on that event loop."""
        try:
            return asyncio.get_running_loop() is self.loop
        except RuntimeError:
            return False

    def wait_for(self, work: Coroutine[Any, Any, A]) -> A:
        """Runs a coroutine on its event loop and waits for it on this thread."""
        return self._access.wait_for(work)

    def watch_ends(self, ended: Callable[[Running, Ending, End], None]) -> None:
        """Calls back with how each attempt ended, before that is saved; until the runner is left."""
        executor = self.parts.executor
        settled = executor.settled

        def noted(run: Running, ending: Ending, now: int) -> End:
            end = settled(run, ending, now)
            ended(run, ending, end)
            return end

        executor.settled = noted  # of this runner alone

    def watch_steps(self, around: CallsStep, others: Callable[[Claimed, str], None]) -> None:
        """Has the functions of steps called by another, and calls back at each other operation, with its name; until
        the runner is left.
        """
        durable, clock = self._durable, _NotedTimers(self._durable.clock)
        of, durable.clock, self._durable_timers = durable.of, clock, clock.timers

        def watched(claimed: Claimed, own: Mapping[str, object] | None = None) -> DurableAttempt:
            known = len(durable._known)
            attempt = of(claimed, own)
            if len(durable._known) > known:  # it was asked for the first time
                watch_steps_of(attempt, claimed, around)
                _watch_others(attempt, claimed, others)
            return attempt

        durable.of = watched  # type: ignore[method-assign]  # of this runner alone

    async def vanish(self) -> None:
        """Ends the engine as the end of its process would: no drain, and nothing more is written. Handlers are stopped
        where they are, but for those in threads, which cannot be.
        """
        attempts, stopped = self.parts.attempts, list[asyncio.Task[None]]()
        attempts.leave()
        for run in attempts:
            if run.stopping is not None:
                run.stopping.set()
            if run.task is not None and run.job_type.mode != "thread":
                run.task.cancel("aiojobs_lite: crash")
                stopped.append(run.task)
        self.engine._lifecycle._progress.go_on_to(Phase.CLOSING)
        self.main_task.cancel()
        await asyncio.wait([self.main_task])
        if stopped:
            await asyncio.wait(stopped, timeout=_HANDLERS_END_S)

    def attempt(self, job_id: int) -> Running | None:
        """The attempt of a job that runs in this runner, or None."""
        return self.parts.attempts.find(job_id)

    def stop(self, job_id: int, why: Stop) -> bool:
        """Stops the attempt of a job; returns whether one ran."""
        return self.parts.executor.stop(job_id, why)

    def drain(self, why: str = "test") -> None:
        """Begins the drain, as a signal does."""
        self.engine.drain(why)

    async def rescue(self) -> None:
        """Gives back the jobs of dead owners now, as is done every two seconds."""
        await self.parts.janitor.rescue()

    async def prune(self) -> None:
        """Deletes old finished jobs now, as is done once a minute."""
        await self.engine._maintenance.prune()

    async def note_dead_runners(self) -> None:
        """Notes which runners have ended, and forgets those that did so long ago, as is done once a minute."""
        await self.engine._maintenance.note_dead_runners()

    async def write(self, write: Write[A]) -> A:
        """Makes a write durable, past the runner's own methods."""
        return await self.engine.write(write)

    async def ask(self, query: Query[A]) -> A:
        """Asks the store."""
        return await self.engine.ask(query)

    @property
    def engine(self) -> Engine:
        """Its engine, also when the runner is closed."""
        return self._access.latest_engine

    @property
    def parts(self) -> Parts:
        """The parts of its engine."""
        return self.engine._lifecycle._parts

    @property
    def durables(self) -> DurableAccess:
        """What its durable handlers need of it."""
        return self._runner.durables

    @property
    def _access(self) -> EngineAccess:
        return self._runner._access

    @property
    def _durable(self) -> Durable:
        durable = self._runner.durables.durable
        assert durable is not None, "the runner was never started"  # noqa: S101  # for tests only
        return durable


class _NotedTimers:
    """A clock that keeps the timers that are arranged by it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.timers: list[Timer] = []

    def now(self) -> int:
        return self._clock.now()

    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        self.timers[:] = [timer for timer in self.timers if isinstance(timer, FakeTimer) and not timer.has_ended]
        timer = self._clock.call_later(delay, callback)
        self.timers.append(timer)
        return timer


def _waits_for(awaited: Any, waiting: Collection[int]) -> bool:
    """Whether a task waits for one of these futures, or for others that all do."""
    if isinstance(awaited, asyncio.Task):
        return awaited.done() or _waits_for(getattr(awaited, "_fut_waiter", None), waiting)
    parts = getattr(awaited, "_children", ())  # those of asyncio.gather
    return id(awaited) in waiting or (bool(parts) and all(_waits_for(part, waiting) for part in parts))


def watch_steps_of(attempt: DurableAttempt, claimed: Claimed, around: CallsStep) -> None:
    """Has the functions of the steps of one attempt called by another."""
    called = weakref.WeakMethod(attempt._called)  # a cycle would leave it to the garbage collector

    async def watched(
        name: str, result: StepResult, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        def call(other: Callable[..., Any]) -> Awaitable[Any]:
            real = called()
            assert real is not None, "it is called by its attempt"  # noqa: S101  # for tests only
            return real(name, result, _awaited(other) if result.is_coroutine else other, args, kwargs)

        return await around(claimed, name, function, args, kwargs, call)

    attempt.is_direct = False
    attempt._called = watched  # type: ignore[method-assign]  # of this attempt alone


def _watch_others(attempt: DurableAttempt, claimed: Claimed, others: Callable[[Claimed, str], None]) -> None:
    """Calls back at each operation of one attempt that is no step."""
    begin = weakref.WeakMethod(attempt._begin)

    async def watched(name: str, kind: StepKind) -> tuple[str, StepRow | None]:
        real = begin()
        assert real is not None, "it is called by its attempt"  # noqa: S101  # for tests only
        unique, row = await real(name, kind)
        others(claimed, unique)
        return unique, row

    attempt._begin = watched  # type: ignore[method-assign]  # of this attempt alone


def _awaited(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """A function in place of a coroutine function."""

    async def call(*args: Any, **kwargs: Any) -> Any:
        returned = function(*args, **kwargs)
        return await returned if inspect.isawaitable(returned) else returned

    return call


def claimed_of(ctx: JobContext) -> Claimed:
    """What was claimed for the attempt of a context, with its owner and counters."""
    return ctx._claimed


def stopping_of(ctx: JobContext) -> threading.Event:
    """The event that is set when an attempt in a thread is to stop, to wait for instead of reading `ctx.stopping`."""
    assert ctx._stopping is not None, "only the attempt of a plain `def` handler has one"  # noqa: S101  # for tests only
    return ctx._stopping
