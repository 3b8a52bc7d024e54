"""A disk that is full, at the start or later: what can wait waits, callers are answered, and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal, Protocol

import pytest

from aiojobs_lite import JobHandle, JobRunner, Status, StoreUnavailable
from aiojobs_lite.stores.open import open_store
from aiojobs_lite.telemetry.facts import StoreDegraded, StoreRecovered
from aiojobs_lite.testing.probe import Probe
from tests.helpers.databases import sound
from tests.helpers.fault_store import FaultStore
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE, next_fact, until

SIZE = 4 * 2**20  # bytes of the small disk
FAULTS = ("SQLITE_FULL", "SQLITE_IOERR")


class Disk(Protocol):
    """Where a database lies, and what can be done to its disk."""

    database: Path

    def fill(self) -> None: ...

    def give_back(self, size: int | None = None) -> None: ...


class SmallDisk:
    """A file system in memory that another file fills to the last byte."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "app.db"
        self._filler = folder / "filler"

    def fill(self) -> None:
        descriptor = os.open(self._filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for size in (65536, 1):
            with suppress(OSError):
                while True:
                    os.write(descriptor, b"x" * size)
        os.close(descriptor)

    def give_back(self, size: int | None = None) -> None:
        filled = self._filler.stat().st_size
        os.truncate(self._filler, 0 if size is None else filled - size)


class LimitedFiles:
    """No file of this process may grow: the closest to a full disk where nothing may be mounted, and it needs no right.

    SQLite then fails as at a full disk, by another name: it is the write that fails, in the same places.
    """

    def __init__(self, folder: Path) -> None:
        self.database = folder / "app.db"
        self._log = folder / "app.db-wal"
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self) -> None:
        self._limit(self._log.stat().st_size if self._log.exists() else 4096)

    def give_back(self, size: int | None = None) -> None:
        self._limit(self._before[0] if size is None else self._log.stat().st_size + size)

    def _limit(self, size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, self._before[1]))


@contextmanager
def mounted(folder: Path) -> Iterator[bool]:
    """Mounts a small file system, where that is permitted."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        is_mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        is_mounted = False
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(params=[pytest.param(SmallDisk, marks=slow), LimitedFiles], ids=["small disk", "limited files"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """A disk that can be filled. Where none may be mounted the other way, which every system has, stands for it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with ExitStack() as stack:
        can_mount = request.param is SmallDisk and stack.enter_context(mounted(folder))
        made: Disk = SmallDisk(folder) if can_mount else LimitedFiles(folder)
        try:
            yield made
        finally:
            if not can_mount or (folder / "filler").exists():
                made.give_back()
        assert sound(made.database)


class Application:
    """A runner with a job in flight."""

    def __init__(self, database: Path, durability: Literal["full", "normal"] = "full") -> None:
        self.store = FaultStore(open_store(database, durability), has_inline=True)  # no fault but the disk's
        self.runner = JobRunner(self.store, keep_completed=0)
        self.entered, self.release = asyncio.Event(), asyncio.Event()

        @self.runner.job
        async def held() -> int:
            self.entered.set()
            await self.release.wait()
            return 7

        @self.runner.job
        async def quick(n: int, padding: str = "") -> int:
            return n

        self.held, self.quick = held, quick

    async def prune(self) -> None:
        """What the runner does each minute; now."""
        await Probe(self.runner).prune()

    async def in_flight_on_a_full_disk(self, disk: Disk) -> JobHandle[int]:
        """Begins a job, fills the disk, and lets the job end: that cannot be saved."""
        events = self.runner.watch()
        handle = await self.runner.enqueue(self.held)
        await self.entered.wait()
        disk.fill()
        await self.is_refused()
        assert (await next_fact(events, StoreDegraded)).reason
        self.release.set()
        await until(lambda: self.runner.stats().running == 0)
        return handle

    async def is_refused(self) -> None:
        """A caller learns what to do."""
        with pytest.raises(StoreUnavailable, match="Repeat the call later") as caught:
            await self.runner.enqueue(self.quick, 9, "x" * 10_000)
        assert caught.value.code.startswith(FAULTS)
        assert (self.runner.stats().degraded or "").startswith(FAULTS)


@slow
@pytest.mark.parametrize("durability", ["full", "normal"])
async def test_what_ends_on_a_full_disk_is_saved_when_there_is_space_and_all_goes_on(
    disk: Disk, durability: Literal["full", "normal"]
) -> None:
    app = Application(disk.database, durability)
    async with app.runner as runner:
        later = await runner.enqueue_many([app.quick.using(delay="1h").bind(n, "x" * 10_000) for n in range(50)])
        handle = await app.in_flight_on_a_full_disk(disk)
        begun = app.store.calls["apply"]
        for tried in range(1, 4):
            await until(lambda: app.store.calls["apply"] >= begun + tried, 0.01)  # noqa: B023  # awaited in its turn
            await app.is_refused()
            assert (await handle.job()).status is Status.PROCESSING  # reads go on
        events = runner.watch()
        disk.give_back()
        await next_fact(events, StoreRecovered)
        assert await handle.result() == 7
        assert ((await handle.job()).attempts, (await handle.job()).history) == (1, ())
        assert await (await runner.enqueue(app.quick, 8)).result() == 8
        kept = {one.id for one in await runner.jobs.list(status="pending")}
        assert kept == {one.id for one in later}
        assert (runner.stats().degraded, runner.stats().processing, runner.stats().dead) == (None, 0, 0)


async def test_a_little_space_is_used_for_what_ended_and_not_for_a_prune(disk: Disk) -> None:
    """To delete takes space as well, at first."""
    app = Application(disk.database)
    async with app.runner as runner:
        await runner.enqueue_many([app.quick.bind(n, "x" * 1000) for n in range(500)])
        await runner.run_until_idle()
        handle = await app.in_flight_on_a_full_disk(disk)
        events = runner.watch()
        pruning = asyncio.ensure_future(app.prune())
        await asyncio.sleep(0)
        disk.give_back(100_000)
        await next_fact(events, StoreRecovered)
        assert await handle.result() == 7
        with suppress(StoreUnavailable):
            await pruning
        disk.give_back()
        await app.prune()
        await until(lambda: runner.stats().completed == 0)


@pytest.mark.parametrize("is_new", [True, False])
async def test_a_start_on_a_full_disk_says_so_and_succeeds_when_there_is_space(disk: Disk, is_new: bool) -> None:
    app = Application(disk.database)
    if not is_new:
        async with JobRunner(disk.database, jobs=[app.quick], max_running=0) as before:
            await before.enqueue(app.quick, 1)
    disk.fill()
    with pytest.raises(StoreUnavailable, match="Repeat the call later") as caught:
        async with asyncio.timeout(PATIENCE), app.runner:
            raise AssertionError("it was opened")
    assert caught.value.code.startswith(FAULTS)
    disk.give_back()
    async with app.runner as runner:
        await runner.run_until_idle()
        assert runner.stats().completed == (0 if is_new else 1)
        assert await (await runner.enqueue(app.quick, 2)).result() == 2
