"""One attempt, from the claim to its end: arguments, handler, timeout, stop, and how it ended.

Nothing a handler does passes the boundary around it: every exception ends there (SystemExit and KeyboardInterrupt too,
which would stop the event loop), each attempt has a context of its own, and one that ignores its cancellation is left
alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from aiojobs_lite.clock import Clock, after
from aiojobs_lite.current import CURRENT
from aiojobs_lite.engine.around import Around, call_around, call_process_around
from aiojobs_lite.engine.beginning import Beginning
from aiojobs_lite.engine.calls import call_in_thread, call_with_own
from aiojobs_lite.engine.endings import ending_of, raised_of, settled, with_timeout
from aiojobs_lite.engine.failures import describe
from aiojobs_lite.engine.forks import end_process
from aiojobs_lite.engine.identity import Identity
from aiojobs_lite.engine.outlived import call_unless_outlived
from aiojobs_lite.engine.ports import EndRecorder, Slots
from aiojobs_lite.engine.process_calls import ProcessCalls
from aiojobs_lite.engine.resources import AttemptResources, Resources
from aiojobs_lite.engine.running import AttemptRegister, Running, trouble_of
from aiojobs_lite.engine.workers import Worker
from aiojobs_lite.errors import InvalidPayload
from aiojobs_lite.handlers.context import AttemptContext
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.progress import Reporter
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.ends import CANCEL_REQUESTED, Complete
from aiojobs_lite.model.job import Claimed, Failure
from aiojobs_lite.origin import Origin
from aiojobs_lite.policy.settle import Ending, Stop, Suspension
from aiojobs_lite.stores.base import Store
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import AttemptStarted, AttemptStuck

_log = get_log("engine")
_NO_OWNER: Final = ""  # of an end that the store is to refuse


class Executor:
    """Runs attempts, each as a task of its own.

    Args:
        clock: Timeouts and instants.
        bus: Gets the facts that are no ends.
        registry: Has the claimed types.
        deps: Fills injected parameters.
        attempts: The list of what runs.
        slots: Gets back the slot of each attempt that ended.
        recorder: Saves the ends.
        identity: Of this runner.
        cancel_grace: Seconds that a stopped attempt may take to end before it is reported as stuck.

    Attributes:
        processes: Calls the handlers that run in worker processes.
        settled: Says what is saved of each attempt. The testing kit replaces it, to see the ends before they are saved.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        bus: Bus,
        registry: Registry,
        deps: Resources,
        attempts: AttemptRegister,
        slots: Slots,
        recorder: EndRecorder,
        identity: Identity,
        cancel_grace: float,
    ) -> None:
        self._clock = clock
        self._bus = bus
        self._registry = registry
        self._deps = deps
        self._attempts = attempts
        self._slots = slots
        self._recorder = recorder
        self._identity = identity
        self._cancel_grace = cancel_grace
        self.processes = ProcessCalls()
        self.settled = settled
        self._origin = Origin()
        self._beginning = Beginning(
            attempt=self._attempt, refused=self._could_not_begin, attempts=attempts, origin=self._origin
        )
        self._store: Store
        self._reporter: Reporter | None = None
        self._around: Mapping[JobType[..., Any], Around] = {}
        self._injected: dict[JobType[..., Any], dict[str, Any]] = {}
        self._own: dict[JobType[..., Any], dict[str, Any]] = {}
        self._plain: set[JobType[..., Any]] = set()  # called with nothing but their arguments
        self.set_types(registry, {})

    def connect(self, *, store: Store, reporter: Reporter, around: Mapping[str, Around]) -> None:
        """Sets what knows the operations of jobs, what takes the reports of attempts, and what is around those of some
        job types.
        """
        self._store, self._reporter = store, reporter
        self.set_types(self._registry, around)

    def set_types(self, job_types: Iterable[JobType[..., Any]], around: Mapping[str, Around]) -> None:
        """Prepares the calls of these types, and keeps what is prepared for attempts of others that run.

        Args:
            job_types: The types.
            around: What is around the attempts of some of them, by name.
        """
        types = {*job_types}
        left = {run.job_type for run in self._attempts} - types
        self.processes.set_types(types, left)
        self._around = {
            **{one: self._around[one] for one in left if one in self._around},
            **{one: around[one.name] for one in types if one.name in around},
        }
        self._injected, self._own, self._plain = {}, {}, set()
        for one in types | left:
            self._injected[one] = self._deps.shared(one.signature.injected)
            if own := self._deps.own(one.signature.injected):
                self._own[one] = own
            if _is_plain(one) and one not in self._around:
                self._plain.add(one)

    @property
    def running(self) -> int:
        """How many attempts run."""
        return self._attempts.running

    def start(self, jobs: Sequence[Claimed]) -> None:
        """Starts attempts; they are registered when this returns. One that cannot begin is given back."""
        self._beginning.start(self._registered(jobs))

    def give_back(self, jobs: Sequence[Claimed]) -> None:
        """Ends attempts as interrupted that nothing was done for."""
        for run in self._registered(jobs):
            self._record(run, Ending(stopped=Stop.SHUTDOWN))

    def stop(self, job_id: int, why: Stop, reason: str | None = None) -> bool:
        """Asks one attempt to end; returns whether it runs in this runner. The reason is that of a cancel."""
        run = self._attempts.find(job_id)
        if run is None:
            return False
        if why is Stop.CANCEL:
            run.cancel_reason = reason or CANCEL_REQUESTED
        self._stop(run, why)
        return True

    def suspend(self, run: Running, suspension: Suspension) -> None:
        """Ends an attempt that waits: its job goes on when what it waits for has come."""
        if run.stopped is None:
            run.suspension = suspension
            self._stop(run, Stop.SUSPEND)

    def stop_all(self, why: Stop) -> int:
        """Asks all attempts to end; returns how many were not stopped before."""
        going = [run for run in self._attempts if run.stopped is None]
        for run in going:
            self._stop(run, why)
        return len(going)

    def _registered(self, jobs: Sequence[Claimed]) -> list[Running]:
        runs = []
        for claimed in jobs:
            try:
                run = Running(claimed, self._registry.get(claimed.type))
                self._attempts.add(run)
            except Exception:  # noqa: BLE001  # what this owner holds and is not on the list the janitor gives back
                _log.exception("%s job %s did not begin and is given back; please report it", claimed.type, claimed.id)
                self._slots.released(claimed.type)
            else:
                runs.append(run)
        return runs

    def _could_not_begin(self, run: Running, error: BaseException) -> None:
        """Gives an attempt back that did not come to its first step."""
        if self._attempts.is_left:
            self._attempts.forget(run)
            return
        claimed, failure = run.claimed, describe(error)
        text = "%s job %s attempt %s could not begin and is given back: %s: %s"
        _log.error(text, claimed.type, claimed.id, claimed.attempt, failure.error_type, failure.message)
        self._record(run, Ending(error=error, failure=failure, unbegun=True))

    def give_up(self, run: Running, why: str) -> bool:
        """Ends an attempt that can never end by itself: as lost, or given back if its handler was not called.

        Returns:
            False if its end may still come.
        """
        is_begun = run.is_entered
        if run.thread is not None and not run.thread.has_begun:
            if not run.thread.call_off():  # it begins at this moment
                return False
            is_begun = False
        run.is_given_up = True
        run.call_off_timers()
        failure = Failure("AttemptLost", why, "")
        if is_begun:
            self._record(run, Ending(lost=True, failure=failure))
        else:
            self._record(run, Ending(error=RuntimeError(why), failure=failure, unbegun=True))
        with contextlib.suppress(Exception):  # what a task factory of the application made may be no task
            if run.task is not None and not run.task.done():
                run.task.cancel("aiojobs_lite: lost")
        return True

    async def _attempt(self, run: Running) -> None:
        if run.is_given_up or self._origin.is_left:  # in a copy of the application it begins no more, either
            return
        if self._attempts.is_left:
            self._attempts.forget(run)
            return
        run.is_entered = True
        if run.task is None or run.made is not None:  # it may be done within its making, by a factory of any kind
            run.task = asyncio.current_task() or run.task
        try:
            called = self._call(run) if not run.claimed.crashes else call_unless_outlived(self._store, run, self._call)
            ending = called if isinstance(called, Ending) else ending_of(run, await called)
        except BaseException as error:  # noqa: BLE001  # the boundary around a job: nothing passes
            if self._origin.is_left:
                end_process(error)
            ending = Ending(error=error, failure=describe(error), stopped=run.stopped)
        if self._origin.is_left:  # a handler forked: a copy of the application must not live on
            end_process(None)
        if run.timers:
            run.call_off_timers()
            if run.stopped is Stop.TIMEOUT:
                ending = with_timeout(run, ending)
        if run.when_ended is not None:
            run.when_ended(run, ending)
        if run.is_given_up:
            return
        if not self._attempts.is_left:
            self._record(run, ending)
        elif run.thread_id is None:  # else the loop was closed over it, and its thread goes on
            self._attempts.forget(run)
        del ending  # what was raised holds this frame, and with it all that the handler had

    def _call(self, run: Running) -> Ending | Awaitable[Any]:
        """Calls the handler. What it returns is to be awaited; or how the attempt ended, if it was not called."""
        claimed, job_type = run.claimed, run.job_type
        if run.stopped is not None:
            return Ending(stopped=run.stopped)
        try:
            args, kwargs = job_type.signature.load(claimed.payload)
        except InvalidPayload as error:
            return Ending(unreadable=f"the payload no longer fits the handler: {error.summary}")
        if self._bus.is_watched(AttemptStarted):
            self._bus.publish(AttemptStarted(claimed.id, claimed.type, claimed.attempt))
        if job_type in self._plain:
            CURRENT.set((claimed, self._deps, None, self._identity.database, self._reporter))
            self._enter(run)
            called: Awaitable[Any] = job_type.handler(*args, **kwargs)  # nothing of it has begun
            return called
        if job_type.mode == "process":
            return self._call_process(run)
        return self._call_with_more(run, args, kwargs)

    def _call_with_more(self, run: Running, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Awaitable[Any]:
        """Calls a handler that is given more than its arguments, runs in a thread, or has something around it."""
        claimed, job_type = run.claimed, run.job_type
        signature = job_type.signature
        deps: Mapping[Any, Any] = self._deps
        own: AttemptResources | None = None
        if signature.injected:
            kwargs.update(self._injected[job_type])
            if job_type in self._own:
                deps = own = AttemptResources(self._deps, self._own[job_type])
        job: Claimed | AttemptContext = claimed
        database, reporter = self._identity.database, self._reporter
        if signature.context is not None:
            job = kwargs[signature.context] = signature.context_class(claimed, deps, run.stopping, database, reporter)
        CURRENT.set((job, deps, run.stopping, database, reporter))
        self._enter(run)
        called: Awaitable[Any]
        if own is not None:
            called = call_with_own(job_type.handler, args, kwargs, run, own)
        elif job_type.mode == "thread":
            called = call_in_thread(job_type.handler, args, kwargs, run)
        else:
            called = job_type.handler(*args, **kwargs)
        around = self._around.get(job_type)
        return called if around is None else call_around(around, run, called)

    def _call_process(self, run: Running) -> Awaitable[Ending]:
        database, reporter = self._identity.database, self._reporter
        called = self.processes.call(run, database, partial(self._enter_process, run), reporter)
        around = self._around.get(run.job_type)
        if around is None:
            return called
        CURRENT.set((run.claimed, self._deps, run.stopping, database, reporter))
        return call_process_around(around, run, called)

    def _enter_process(self, run: Running, worker: Worker) -> None:
        run.worker = worker
        self._enter(run)

    def _enter(self, run: Running) -> None:
        """The handler's first line is next: from here its time counts."""
        if run.job_type.timeout is not None:
            run.add_timer(self._clock.call_later(run.job_type.timeout, partial(self._stop, run, Stop.TIMEOUT)))
        run.started = time.perf_counter()

    def _record(self, run: Running, ending: Ending) -> None:
        end = self.settled(run, ending, self._clock.now())
        if not self._attempts.ended(run):  # it was taken from this runner, which has claimed the job again: after a
            end = end._replace(owner=_NO_OWNER)  # redrive with the same number, so the owner would not tell them apart
        self._slots.released(run.claimed.type)
        if type(end) is Complete:  # nearly always
            self._recorder.record(end)
        else:
            self._recorder.record(
                end, raised_of(run, ending)._replace(claimed=run.claimed, on_dead=run.job_type.on_dead)
            )

    def _stop(self, run: Running, why: Stop) -> None:
        if run.stopped is not None:
            return
        run.stopped = why
        if run.stopping is not None:
            run.stopping.set()
        is_in_thread = run.job_type.mode == "thread" and run.thread is not None
        if run.is_entered and run.task and not is_in_thread:  # not entered: it would skip the boundary
            run.task.cancel(f"aiojobs_lite: {why.value}")
        run.add_timer(self._clock.call_later(self._cancel_grace, partial(self._report_stuck, run)))

    def _report_stuck(self, run: Running) -> None:
        trouble = trouble_of(run, after(self._clock.now(), -self._cancel_grace))
        self._attempts.found_stuck(run, trouble)
        if run.job_type.mode == "thread" and run.is_entered and run.thread is None and run.task:
            run.task.cancel("aiojobs_lite: its thread has ended")  # what is around its handler goes on
        if self._bus.is_watched(AttemptStuck):
            claimed, why = run.claimed, run.stopped.value if run.stopped else "?"
            self._bus.publish(AttemptStuck(claimed.id, claimed.type, claimed.attempt, why, run.stack(), trouble.since))


def _is_plain(job_type: JobType[..., Any]) -> bool:
    """Whether a handler is a coroutine that is given nothing but its arguments."""
    signature = job_type.signature
    return job_type.mode == "async" and not signature.injected and signature.context is None
