"""One runner of an application, with what a test gives it in place of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from aiojobs_lite.engine.running import Running
from aiojobs_lite.errors import RecordedError
from aiojobs_lite.model.ends import Again, Close, End
from aiojobs_lite.model.job import Claimed, Outcome
from aiojobs_lite.policy.outcomes import Retry
from aiojobs_lite.policy.settle import Ending
from aiojobs_lite.runner.runner import JobRunner
from aiojobs_lite.stores.open import Database
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.errors import NotReplaced
from aiojobs_lite.testing.operations import StepCalls
from aiojobs_lite.testing.probe import Probe
from aiojobs_lite.testing.store import KitStore, Notes

T = TypeVar("T")
_LEAST: Final = 1e-6  # a microsecond, in seconds
DRAIN_S: Final = (
    1.0  # of real time, at most: what still runs then is stopped, as it may wait for a clock that stands still
)


class Replacement:
    """A runner in a test, from its replacement on.

    Args:
        runner: The application's runner.
        clock: Its clock.
        deps: Replaces resources of the same type.
        database: Where its jobs are.
        run: Whether jobs are run.
        raise_errors: Whether the first exception of a handler is kept, to be raised in the test.
        folder: Makes the folder of what a crash leaves.
        notes: Called with what is written.
        calls: Runs the functions of steps.

    Attributes:
        runner: As given.
        probe: Looks into it.
    """

    def __init__(
        self, runner: JobRunner, *, clock: FakeClock, deps: Mapping[Any, Any], database: Database, run: bool,
        raise_errors: bool, folder: Callable[[], str], notes: Notes, calls: StepCalls,
    ) -> None:  # fmt: skip
        self.runner = runner
        self.probe = Probe(runner)
        self._clock, self._deps, self._runs = clock, deps, run
        self._raises = raise_errors
        self._first: BaseException | None = None
        self._calls = calls
        self._store = KitStore(database, folder=folder, opened=self._opened, notes=notes)

    @property
    def database(self) -> Database:
        """Where its jobs are now: after a crash what is left of them."""
        return self._store.database

    @property
    def has_crashed(self) -> bool:
        """Whether the kit let it crash since it was started."""
        return self._store.has_vanished

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Replaces, for each start in the block."""
        with self.runner.replaced(
            database=self._store, clock=self._clock, deps=self._deps, longest_drain=DRAIN_S, runs=self._runs
        ):
            yield

    def raise_first(self) -> None:
        """Raises the first exception of a handler that was not raised yet."""
        error, self._first = self._first, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback holds this frame

    async def crash(self) -> None:
        """Ends the engine as the end of its process would."""
        self._store.vanish()
        self._clock.advance(_LEAST)  # no attempt after it starts at an instant at which an operation before it ended
        await self.on_loop(self.probe.vanish())

    async def on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        """Awaits a coroutine on the event loop of the runner, which may be that of another thread."""
        if self.probe.is_on_loop:
            return await work
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.probe.loop))

    def _opened(self) -> None:
        self.probe.watch_steps(self._calls.call, self._begun)
        if self._raises:
            self.probe.watch_ends(self._ended)

    def _begun(self, claimed: Claimed, name: str) -> None:
        """An operation that is no step begins: it cannot be replaced."""
        try:
            self._calls.check_not_replaced(claimed, name)
        except NotReplaced as error:
            self._first = self._first or error
            raise

    def _ended(self, run: Running, ending: Ending, end: End) -> None:
        if self._first is not None or not isinstance(end, Again | Close):
            return
        if end.outcome not in {Outcome.FAILED, Outcome.TIMED_OUT}:
            return
        failure, verdict = end.failure, ending.verdict
        raised = ending.error if verdict is None else None  # else it stayed in the worker process
        if isinstance(end, Again) and (isinstance(raised, Retry) or (verdict is not None and verdict.is_wanted)):
            return  # it is what the handler wants
        if end.outcome is Outcome.TIMED_OUT and failure is not None:
            error: BaseException = TimeoutError(failure.message)
            error.__cause__ = raised
        elif raised is None and failure is not None:
            kind, message, traceback = failure.error_type, failure.message, failure.traceback or ""
            error = RecordedError(end.id, end.attempt, kind, message, traceback)
        else:
            error = raised or RuntimeError("no error")
        error.add_note(f"raised by {end.type} job {end.id}, attempt {end.attempt} of {run.claimed.max_attempts}")
        self._first = error
