"""`JobKit`: runs the application's own runner in a test, in memory, on a clock that the test moves."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, Final, TypeVar

from aiojobs_lite.clock import after, to_datetime
from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidOption, RunnerError, RunnerNotStarted, WrongEventLoop
from aiojobs_lite.handlers.checks import check_flag, check_whole
from aiojobs_lite.handlers.event import Event
from aiojobs_lite.handlers.group import JobSource
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.runner.client import JobClient
from aiojobs_lite.runner.runner import JobRunner
from aiojobs_lite.stores.open import Database
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.enqueued import enqueued_job
from aiojobs_lite.testing.moves import Moves
from aiojobs_lite.testing.operations import Crashes
from aiojobs_lite.testing.records import Records
from aiojobs_lite.testing.replacement import Replacement
from aiojobs_lite.testing.store import KitStore, Notes

T = TypeVar("T")
_MEMORY: Final = ":memory:"
_MOST_MOVES: Final = 1_000  # of the clock, in one `run_to_end`


class JobKit(Records):
    """Starts runners in memory, on a clock that the test moves.

    The pytest fixture `job_kit` is a `JobKit`. Without pytest make one for each test: `with JobKit() as job_kit:`.

    Attributes:
        clock: The clock of every runner that it starts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self._crashes = Crashes()
        self._crashing: set[asyncio.Task[None]] = set()
        self._replacements: list[Replacement] = []
        self._crashed: dict[JobRunner, Replacement] = {}  # the next start goes on with what they left
        self._closing = ExitStack()
        self._folder: str | None = None

    # Runners.

    @asynccontextmanager
    async def __call__(
        self,
        runner: JobRunner | None = None,
        *,
        jobs: Iterable[JobSource] = (),
        deps: Mapping[Any, Any] | None = None,
        database: Database = _MEMORY,
        run: bool = True,
        raise_errors: bool = False,
    ) -> AsyncIterator[JobRunner]:
        """Starts the application's own runner for the block, but in memory and with the fake clock.

        A handler that still runs at the end of the block has a second of real time to end by itself, or the runner's
        own `drain_timeout`, if that is shorter. Then it is stopped.

        Args:
            runner: The application's runner; None: a new one.
            jobs: What a new runner runs, as `JobRunner(jobs=)` takes it.
            deps: Replaces resources of the same type.
            database: Where the jobs are; a file for a test of what is left there.
            run: Whether jobs are run. If not, the test looks at what was enqueued.
            raise_errors: Whether the first exception of a handler is raised in the test: by the next method of the kit
                that runs jobs, at the latest at the end of the block.

        Yields:
            The started runner.

        Raises:
            InvalidOption: If `deps` has a type that neither those of the runner nor a handler of it have.
        """
        if runner is None:
            runner = JobRunner(_MEMORY, jobs=jobs, deps=deps)
        replacement = self._replacement(runner, deps, database, run=run, raise_errors=raise_errors)
        with replacement.applied():
            self._replacements.append(replacement)
            try:
                async with runner:
                    yield runner
                    replacement.raise_first()
            except BaseException:
                replacement.raise_first()  # it explains why the test failed
                raise
            finally:
                self._replacements.remove(replacement)
                await asyncio.gather(*self._crashing)

    def replace(
        self,
        runner: JobRunner | JobClient,
        *,
        deps: Mapping[Any, Any] | None = None,
        database: Database = _MEMORY,
        run: bool = True,
        raise_errors: bool = False,
    ) -> None:
        """Starts a runner in memory and with the fake clock whenever it is started, until the end of the test.

        It is for an application whose lifespan starts the runner, in any thread. Each start begins without jobs.

        For a `JobClient` only `database` is used: the client enqueues into a database of its own.

        The arguments are those of `job_kit(...)`. With `raise_errors` the exception of a handler is raised in the test,
        at its end at the latest.

        Raises:
            InvalidOption: As by `job_kit(...)`; the handlers are declared before.
            RunnerAlreadyStarted: If the runner is started.
        """
        if isinstance(runner, JobClient):
            store = KitStore(database, folder=self._own_folder, opened=_nothing, notes=self._notes)
            self._closing.enter_context(runner.replaced(database=store, clock=self.clock))
            return
        replacement = self._replacement(runner, deps, database, run=run, raise_errors=raise_errors)
        self._closing.enter_context(replacement.applied())
        self._replacements.append(replacement)

    def close(self) -> None:
        """Gives back what was replaced. The fixture does it at the end of the test.

        Raises:
            Exception: What a handler raised, with `raise_errors=True`.
            AssertionError: If a crash of `crash_after` did not come about.
        """
        replacements, self._replacements = self._replacements, []
        self._closing.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        for replacement in replacements:
            replacement.raise_first()
        self._crashes.check_made(self._calls)

    def __enter__(self) -> JobKit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._crashes = Crashes()  # the error says why one did not come about
        self.close()

    # Running.

    async def advance(self, by: Duration, *, patience: Duration = 1.0) -> None:
        """Moves the clock on, and runs all that comes due on the way: each job, tick and timeout at its own time.

        Args:
            by: How far the clock moves.
            patience: Seconds of real time that handlers may run at one instant of the clock. When they take longer, the
                clock moves on while they run: a handler that waits for its own timeout gets it so. A handler that still
                runs at the end runs on when the call has returned.

        Raises:
            Exception: What a handler raised, with `raise_errors=True`.
            RunnerNotStarted: If no runner of this kit is started.
        """
        until = after(self.clock.now(), seconds(by, "by"))
        moves = Moves(self.clock, self._started())
        wait = seconds(patience, "patience")
        await moves.settle(wait)
        while (instant := await moves.next_instant()) is not None and instant <= until:
            self.clock.jump_to(to_datetime(instant))
            await moves.settle(wait)
        self.clock.jump_to(to_datetime(until))
        await moves.settle(wait)
        await moves.prune()  # the runner does it as well, a moment later perhaps
        self._raise_first()

    async def run_to_end(self, *, timeout: Duration = 10.0, most_moves: int = _MOST_MOVES) -> None:
        """Runs until every job is finished, and moves the clock over delays, rates and the waits between attempts.

        Args:
            timeout: The longest time, in real time, that handlers may take between two moves of the clock.
            most_moves: How often the clock is moved before `JobsNotFinished` is raised.

        Raises:
            JobsNotFinished: If a job does not end, or cannot run: its type is paused, say, or it waits for an event.
            RunnerNotStarted: If no runner of this kit is started.
        """
        check_whole("most_moves", most_moves, 1_000_000)
        moves = Moves(self.clock, self._started())
        await moves.to_end(seconds(timeout, "timeout"), most_moves, self._raise_first)

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the event loop of the started runner, and returns its result.

        For a test that is a plain function, while the application runs in another thread:
        `job_kit.wait_for(job_kit.advance("1h"))`.

        Raises:
            InvalidOption: If it is no coroutine.
            RunnerNotStarted: If no runner of this kit is started.
            WrongEventLoop: If it is called on the event loop of the runner, which it would block for ever.
        """
        if not asyncio.iscoroutine(work):
            raise InvalidOption("work", work, "a coroutine, which the call of an `async def` gives, such as advance(1)")
        try:
            probe = self._started()[-1].probe
            if probe.is_on_loop:
                raise WrongEventLoop("job_kit.wait_for would block the runner's own event loop. Use await.")
        except RunnerError:
            work.close()
            raise
        return probe.wait_for(work)

    async def crash(self) -> None:
        """Ends the started runners like a crash of their process: there is no drain, and no end of a handler is stored.
        The clock moves on by a microsecond.

        The next start of the same runner finds the database as it was then, also one in memory, and rescues the jobs
        that ran. A handler in a thread cannot be ended; it is asked to stop, `ctx.stopping`.

        Raises:
            RunnerNotStarted: If no runner of this kit is started.
        """
        started = self._started()
        self._crashed.update({one.runner: one for one in started})
        crashes = [asyncio.ensure_future(one.crash()) for one in started]
        await asyncio.shield(asyncio.gather(*crashes))  # a handler that calls it is stopped by it

    # Durable handlers.

    def replace_step(self, name: str, answer: object, *, times: int | None = None) -> None:
        """Puts something in place of the function of a step (`ctx.step`), in every runner of this kit. Another
        operation of that name, such as a sleep, raises `NotReplaced` in its handler and in the test.

        Args:
            name: The name of the step: `fetch` is each use of it, `fetch#2` the second one.
            answer: An exception is raised, a function is called with the same arguments, anything else is returned.
            times: For how many runs; None: for all. What was put there before, or the function itself, comes after.

        Raises:
            InvalidOption: If no step can have the name.
        """
        self._calls.replace(name, answer, times)

    def crash_after(self, name: str) -> None:
        """Lets the runners crash, as `crash` does, once an operation of that name has ended: what it gave is stored,
        and the handler does not go on. That is once; the next start goes on behind it. A test in which no operation of
        that name ends fails at its end.

        Args:
            name: The name of the operation: `fetch` is the first that ends of that name, `fetch#2` its second use.

        Raises:
            InvalidOption: If no operation can have the name.
        """
        self._crashes.add(name)

    def _replacement(
        self, runner: JobRunner, deps: Mapping[Any, Any] | None, database: Database, *, run: bool, raise_errors: bool
    ) -> Replacement:
        if not isinstance(runner, JobRunner):
            raise InvalidOption("runner", runner, "a JobRunner")
        check_flag("run", run)
        check_flag("raise_errors", raise_errors)
        crashed = self._crashed.pop(runner, None)
        return Replacement(
            runner, clock=self.clock, deps={} if deps is None else deps, run=run, raise_errors=raise_errors,
            database=crashed.database if crashed and database == _MEMORY else database, folder=self._own_folder,
            notes=self._notes, calls=self._calls,
        )  # fmt: skip

    @property
    def _notes(self) -> Notes:
        return Notes(enqueued=self._note_enqueued, sent=self._note_sent, ended=self._note_ended)

    def _note_enqueued(self, job_id: int, row: NewJob) -> None:
        self.enqueued.append(enqueued_job(job_id, row))

    def _note_sent(self, event: str) -> None:
        self.sent.append(Event[Any].model_validate_json(event))

    def _note_ended(self, names: Sequence[str]) -> bool:
        if not self._crashes.is_due(names):
            return False
        task = asyncio.get_running_loop().create_task(self.crash())
        self._crashing.add(task)
        task.add_done_callback(self._crashing.discard)
        return True

    def _own_folder(self) -> str:
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="aiojobs_lite-")
        return self._folder

    def _started(self) -> list[Replacement]:
        started = [one for one in self._replacements if one.probe.is_started]
        if not started:
            raise RunnerNotStarted
        return list({id(one.runner): one for one in started}.values())  # of one that was replaced twice, the last

    def _raise_first(self) -> None:
        for replacement in self._replacements:
            replacement.raise_first()


def _nothing() -> None:
    """A client has nothing to be looked into."""
