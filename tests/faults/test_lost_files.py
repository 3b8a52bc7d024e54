"""Files deleted, moved, replaced or cut while they are open: the host learns of it, and goes on."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from aiojobs_lite import JobHandle, JobRunner, Status, StoreUnavailable
from aiojobs_lite.telemetry.facts import StoreDegraded, StoreRecovered
from aiojobs_lite.testing.probe import Probe
from tests.helpers.machine import promised
from tests.helpers.pauses import pause
from tests.helpers.programs import worker
from tests.helpers.rings import first_of, slow
from tests.helpers.stores import connected
from tests.helpers.waiting import next_fact, until

pytestmark = slow


@pytest.fixture
def lost(tmp_path: Path) -> Path:
    """Path of a database that may not be found there in the end; in a folder of its own."""
    folder = tmp_path / "lost"
    folder.mkdir()
    return folder / "app.db"


class Application:
    """A runner with a job in flight, and how it ended."""

    def __init__(self, database: Path) -> None:
        self.runner = JobRunner(database, drain_timeout=0.5, cancel_grace=0.5)
        self.entered, self.release = asyncio.Event(), asyncio.Event()
        self.ran: list[int] = []

        @self.runner.job
        async def held() -> int:
            self.entered.set()
            await self.release.wait()
            return 7

        @self.runner.job
        async def quick(n: int) -> int:
            self.ran.append(n)
            return n

        self.held, self.quick = held, quick

    async def begin(self) -> tuple[JobHandle[int], JobHandle[int]]:
        """Starts; one job is in flight, another is to run later."""
        await self.runner.__aenter__()
        in_flight = await self.runner.enqueue(self.held)
        later = await self.runner.enqueue(self.quick.using(delay="1h"), 1)
        await self.entered.wait()
        return in_flight, later

    async def leave(self) -> None:
        """Leaves, in no more time than it may take."""
        with promised(0.5 + 0.5 + 1):
            await self.runner.__aexit__(None, None, None)


# What befalls the file.


def deleted(database: Path) -> None:
    database.unlink()


def log_deleted(database: Path) -> None:
    Path(f"{database}-wal").unlink()


def replaced(database: Path) -> None:
    """A backup is put in its place."""
    backup = database.with_name("backup.db")
    with connected(database) as source, connected(backup) as target:
        source.backup(target)
    backup.replace(database)


def emptied(database: Path) -> None:
    os.truncate(database, 0)


def cut_off(database: Path) -> None:
    os.truncate(database, 8192)


def moved(database: Path) -> None:
    database.rename(database.with_name("away.db"))


def moved_back(database: Path) -> None:
    database.with_name("away.db").rename(database)


def folder_removed(database: Path) -> None:
    shutil.rmtree(database.parent)


def folder_moved(database: Path) -> None:
    database.parent.rename(database.parent.with_name("away"))


def folder_moved_back(database: Path) -> None:
    database.parent.with_name("away").rename(database.parent)


async def enqueues_until_refused(app: Application) -> None:
    """The first call is refused, unless the file was emptied: that is noticed now and then."""
    while True:
        await app.runner.enqueue(app.quick, 2)
        await pause()


async def is_refused(app: Application) -> None:
    """The host learns of it from its own calls and from the statistics, and from nothing else."""
    events = app.runner.watch()
    with pytest.raises(StoreUnavailable, match="Restart the program") as caught:
        await enqueues_until_refused(app)
    assert caught.value.code == "REPLACED"
    assert "REPLACED" in (await next_fact(events, StoreDegraded)).reason
    assert app.runner.stats().degraded == "REPLACED"
    with pytest.raises(StoreUnavailable) as again:
        await app.runner.enqueue(app.quick, 3)
    assert "Restart the program" in str(again.value)
    assert "was deleted, emptied or replaced" in str(again.value)
    assert "Repeat the call" not in str(again.value)


async def rescue(app: Application) -> None:
    """What the runner does each two seconds; now."""
    with suppress(StoreUnavailable):
        await Probe(app.runner).rescue()


@pytest.mark.parametrize(
    "harm",
    first_of(1, [deleted, log_deleted, replaced, emptied, moved, folder_removed, folder_moved]),
    ids=lambda harm: harm.__name__,
)
async def test_the_host_learns_of_it_and_goes_on_whatever_befalls_the_file(
    lost: Path, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    app = Application(lost)
    await app.begin()
    harm(lost)
    await is_refused(app)
    app.release.set()
    await until(lambda: app.runner.stats().running == 0)
    await rescue(app)
    assert len(await app.runner.jobs.list()) >= 2  # reads go on; the one in doubt is there or not
    assert app.runner.stats().degraded == "REPLACED"
    assert app.ran == [] or harm is emptied
    await app.leave()
    assert "report" not in caplog.text


@pytest.mark.parametrize(("harm", "repair"), [(moved, moved_back), (folder_moved, folder_moved_back)])
async def test_a_file_that_comes_back_is_gone_on_with_and_nothing_is_lost(
    lost: Path, harm: Callable[[Path], None], repair: Callable[[Path], None]
) -> None:
    app = Application(lost)
    in_flight, later = await app.begin()
    harm(lost)
    await is_refused(app)
    app.release.set()
    await until(lambda: app.runner.stats().running == 0)
    events = app.runner.watch()
    repair(lost)
    await next_fact(events, StoreRecovered)
    assert await in_flight.result() == 7
    assert await (await app.runner.enqueue(app.quick, 4)).result() == 4
    await rescue(app)  # the job whose commit was in doubt is given back, if it is there
    await app.runner.run_until_idle()
    assert (app.runner.stats().processing, app.runner.stats().dead, app.runner.stats().degraded) == (0, 0, None)
    assert (await later.job()).status is Status.PENDING
    await app.leave()


@pytest.mark.parametrize("harm", first_of(1, [log_deleted, emptied, cut_off]), ids=lambda harm: harm.__name__)
async def test_what_was_acknowledged_is_there_after_a_restart(lost: Path, harm: Callable[[Path], None]) -> None:
    """Leaving moves into the file what it lacks."""
    app, again = Application(lost), Application(lost)
    in_flight, later = await app.begin()
    harm(lost)
    with suppress(StoreUnavailable):
        await app.runner.enqueue(app.quick, 2)
    app.release.set()
    await until(lambda: app.runner.stats().running == 0)
    await app.leave()
    async with again.runner as runner:
        assert (await runner.jobs.get(in_flight.id)).status is Status.COMPLETED
        assert (await runner.jobs.get(later.id)).status is Status.PENDING
        assert await (await runner.enqueue(again.quick, 5)).result() == 5
    with connected(lost) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@slow
@pytest.mark.parametrize("harm", [deleted, folder_removed], ids=lambda harm: harm.__name__)
async def test_after_a_restart_a_deleted_database_begins_anew(lost: Path, harm: Callable[[Path], None]) -> None:
    app, again = Application(lost), Application(lost)
    await app.begin()
    harm(lost)
    await app.leave()
    lost.parent.mkdir(exist_ok=True)
    async with again.runner as runner:
        assert await runner.jobs.list() == []
        assert await (await runner.enqueue(again.quick, 5)).result() == 5


@slow
async def test_one_who_leaves_a_deleted_database_does_no_harm_to_its_successor(lost: Path) -> None:
    """Another program has begun anew at the same place. SQLite deletes a log by its name."""
    app = Application(lost)
    await app.begin()
    for entry in lost.parent.iterdir():
        entry.unlink()
    async with worker(lost) as child:
        await child.line("ready")
        child.order("enqueue endless")
        await child.line("enqueued")
        await app.leave()
        child.order("enqueue endless")
        await child.line("enqueued")
        await child.kill()
    again = Application(lost)
    async with again.runner as runner:
        assert [found.id for found in await runner.jobs.list()] == [2, 1]
