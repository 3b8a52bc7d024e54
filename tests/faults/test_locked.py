"""A write lock that another program holds for ten seconds: no job fails for it, and all goes on when it ends."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path

import pytest

from aiojobs_lite import JobHandle, JobRunner, RunnerStats, Status, StoreUnavailable
from aiojobs_lite.telemetry.facts import StoreDegraded, StoreRecovered
from tests.helpers.pauses import let_fault_last
from tests.helpers.programs import program
from tests.helpers.rings import slow
from tests.helpers.waiting import next_fact, until

pytestmark = slow

HELD = 10.0  # seconds; real ones, as the promise says
GOES_ON_WITHIN = 1.0  # second, the promise itself

Lock = Callable[[Path], AbstractAsyncContextManager[None]]

_OTHER = """if True:
    import sqlite3, sys
    connection = sqlite3.connect(sys.argv[1], isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    print("locked", flush=True)
    sys.stdin.readline()
    connection.execute("ROLLBACK")
    print("released", flush=True)
"""


@asynccontextmanager
async def own_connection(database: Path) -> AsyncIterator[None]:
    """Another connection of the user's own program holds the lock."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@asynccontextmanager
async def other_process(database: Path) -> AsyncIterator[None]:
    """Another program holds the lock."""
    async with program("-c", _OTHER, database) as child:
        await child.line("locked")
        yield
        child.order("release")
        await child.line("released")


class Application:
    """A runner with jobs that the test holds up, and with ticks."""

    def __init__(self, database: Path) -> None:
        self.runner = JobRunner(database)
        self.entered = [asyncio.Event(), asyncio.Event()]
        self.release = [asyncio.Event(), asyncio.Event()]
        self.ticks = 0

        @self.runner.job
        async def held(n: int) -> int:
            self.entered[n].set()
            await self.release[n].wait()
            return n

        @self.runner.job
        async def quick(n: int) -> int:
            return n

        @self.runner.cron("* * * * * *")
        async def each_second() -> None:
            self.ticks += 1

        self.held, self.quick = held, quick


async def lives_through(database: Path, lock: Lock) -> RunnerStats:
    """What a runner does beside a lock, and after it; its stats in the end."""
    app = Application(database)
    clock = asyncio.get_running_loop()
    async with app.runner as runner:
        events = runner.watch()
        ends, goes_on = [await runner.enqueue(app.held, n) for n in range(2)]
        soon = await runner.enqueue(app.quick.using(delay="2s"), 2)
        for entered in app.entered:
            await entered.wait()
        async with lock(database):
            locked_at = clock.time()
            app.release[0].set()  # its end cannot be saved now
            await waits_and_is_refused(runner)
            await next_fact(events, StoreDegraded)
            await looks_and_is_refused_at_once(runner, ends)
            ticks = app.ticks
            await let_fault_last(locked_at + HELD - clock.time())
            assert runner.stats().degraded == "SQLITE_BUSY"
            assert (await soon.job()).status is Status.PENDING
        async with asyncio.timeout(GOES_ON_WITHIN):
            await next_fact(events, StoreRecovered)
            assert await ends.result() == 0
            assert await soon.result() == 2
            assert await (await runner.enqueue_named("quick", n=3)).result() == 3
            await until(lambda: app.ticks > ticks)
        app.release[1].set()
        assert await goes_on.result() == 1
        for handle in (ends, goes_on, soon):
            found = await handle.job()
            assert (found.status, found.attempts, found.history) == (Status.COMPLETED, 1, ())
        return runner.stats()


async def waits_and_is_refused(runner: JobRunner) -> None:
    """A caller waits for the lock as long as it may, five seconds, and then learns what to do."""
    called_at = asyncio.get_running_loop().time()
    with pytest.raises(StoreUnavailable, match="Repeat the call later") as caught:
        await runner.enqueue_named("quick", n=9)
    assert caught.value.code == "SQLITE_BUSY"
    assert 4 < asyncio.get_running_loop().time() - called_at < HELD


async def looks_and_is_refused_at_once(runner: JobRunner, ends: JobHandle[int]) -> None:
    """Beside the lock reads go on, and nothing waits in vain."""
    assert runner.stats().degraded == "SQLITE_BUSY"
    assert (runner.stats().running, runner.stats().processing) == (1, 2)
    assert (await runner.jobs.get(ends.id)).status is Status.PROCESSING
    async with asyncio.timeout(1):
        with pytest.raises(StoreUnavailable, match=r"\(SQLITE_\w+: .+\)\. "):
            await runner.enqueue_named("quick", n=9)


async def test_ten_seconds_of_a_foreign_lock_cost_no_job_and_all_goes_on_at_its_end(tmp_path: Path) -> None:
    """Two runners at once, that the ten seconds are waited for only once."""
    both = await asyncio.gather(
        lives_through(tmp_path / "own.db", own_connection), lives_through(tmp_path / "other.db", other_process)
    )
    assert [(stats.dead, stats.retrying, stats.refused_ends) for stats in both] == [(0, 0, 0)] * 2
