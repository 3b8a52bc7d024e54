"""What lies where the database should be: refused at the start with advice, and left as it was."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from aiojobs_lite import JobRunner, RunnerError, Status, StoreUnavailable, job
from aiojobs_lite.errors import StoreRefused
from aiojobs_lite.model.writes import Claim
from aiojobs_lite.stores.open import open_store
from aiojobs_lite.telemetry.facts import StoreDegraded
from tests.helpers.fault_store import FaultStore
from tests.helpers.rings import first_of, slow
from tests.helpers.stores import connected, contents, run_child
from tests.helpers.waiting import PATIENCE, next_fact, until


@job
async def quick(n: int) -> int:
    return n


@job
async def padded(padding: str) -> None: ...


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """Path of a database that no check at the end would find sound; in a folder of its own."""
    folder = tmp_path / "bad"
    folder.mkdir()
    return folder / "app.db"


async def made(database: Path, jobs: int = 1) -> None:
    """Leaves a database of ours with jobs that wait."""
    async with JobRunner(database, jobs=[quick], max_running=0) as runner:
        await runner.enqueue_many([quick.bind(n) for n in range(jobs)])


async def killed(database: Path) -> None:
    """Leaves a database whose program was killed: its log is not yet in it."""
    await made(database)
    run_child(_WRITES_AND_DIES.format(database=str(database)), database.parent)
    assert Path(f"{database}-wal").stat().st_size


_WRITES_AND_DIES = """if True:
    import os, sqlite3
    connection = sqlite3.connect({database!r}, isolation_level=None)
    connection.execute("INSERT INTO aiojobs_pauses (type) VALUES ('x')")
    os.kill(os.getpid(), 9)
"""


async def never_made(_database: Path) -> None:
    """Nothing was there before."""


# What lies there.


def garbage(database: Path) -> None:
    database.write_bytes(random.randbytes(20_000))


def a_picture(database: Path) -> None:
    database.write_bytes(b"\x89PNG\r\n\x1a\n" + random.randbytes(100))


def nearly_sqlite(database: Path) -> None:
    database.write_bytes(b"SQLite format 3\0" + random.randbytes(8176))


def tables_of_our_names(database: Path) -> None:
    """Another application's."""
    with connected(database) as connection:
        connection.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA user_version = 12;"
            "CREATE TABLE aiojobs_jobs (id INTEGER PRIMARY KEY, what TEXT);"
            "INSERT INTO aiojobs_jobs (what) VALUES ('theirs');"
        )


def a_newer_release(database: Path) -> None:
    with connected(database) as connection:
        connection.execute("UPDATE aiojobs_meta SET value = 99 WHERE key = 'schema'")


def a_trashed_page(database: Path) -> None:
    """The root of the table of jobs."""
    with connected(database) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'aiojobs_jobs'").fetchall()[0]
    content = bytearray(database.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = random.randbytes(4096)
    database.write_bytes(content)


def cut_off(database: Path) -> None:
    """A copy that ended early."""
    os.truncate(database, 3 * 4096)


def emptied(database: Path) -> None:
    database.write_bytes(b"")


FOREIGN = (
    "It has tables whose names begin with aiojobs_ and that are not this library's. Rename them, or give the jobs a "
    "file of their own; it was not changed"
)


@pytest.mark.parametrize(
    ("before", "spoil", "why", "advice"),
    [
        (never_made, garbage, "corrupt", "Restore it from a backup, or move it away to start empty"),
        (never_made, a_picture, "corrupt", "Restore it from a backup, or move it away to start empty"),
        (never_made, nearly_sqlite, "corrupt", "Restore it from a backup, or move it away to start empty"),
        (
            never_made,
            tables_of_our_names,
            "foreign",
            FOREIGN,
        ),
        (made, a_newer_release, "newer", "Upgrade aiojobs_lite"),
        (made, a_trashed_page, "corrupt", "Restore it from a backup, or move it away to start empty"),
        (made, cut_off, "corrupt", "Restore it from a backup, or move it away to start empty"),
        (
            killed,
            emptied,
            "corrupt",
            "It was emptied, and SQLite would now delete its log: restore it, or move both away",
        ),
    ],
)
async def test_a_bad_file_is_refused_with_advice_and_not_a_byte_of_it_changes(
    bad: Path, before: Callable[[Path], Awaitable[None]], spoil: Callable[[Path], None], why: str, advice: str
) -> None:
    await before(bad)
    spoil(bad)
    found = contents(bad.parent)
    runner = JobRunner(bad, jobs=[quick])
    for _ in range(2):
        with pytest.raises(StoreRefused, match=advice) as caught:
            async with asyncio.timeout(PATIENCE), runner:
                raise AssertionError("it was opened")
        assert (caught.value.database, caught.value.why) == (str(bad), why)
        assert contents(bad.parent) == found
    with pytest.raises(RunnerError):
        await runner.enqueue(quick, 1)
    for entry in list(bad.parent.iterdir()):  # moved away, as advised
        entry.unlink()
    async with runner:
        assert await (await runner.enqueue(quick, 1)).result() == 1


async def test_an_empty_file_is_taken(database: Path) -> None:
    database.touch()
    async with JobRunner(database, jobs=[quick]) as runner:
        assert await (await runner.enqueue(quick, 1)).result() == 1


async def test_tables_of_our_names_that_an_application_uses_are_refused_and_it_goes_on(bad: Path) -> None:
    """It has it open, with a transaction of its own and with what it wrote still in its log."""
    with closing(sqlite3.connect(bad, isolation_level=None)) as theirs:
        theirs.execute("PRAGMA journal_mode = WAL")
        theirs.execute("CREATE TABLE aiojobs_jobs (a)")
        theirs.execute("BEGIN IMMEDIATE")
        theirs.execute("INSERT INTO aiojobs_jobs VALUES (1)")
        with pytest.raises(StoreRefused) as caught:
            async with asyncio.timeout(PATIENCE), JobRunner(bad, jobs=[quick]):
                raise AssertionError("it was opened")
        assert caught.value.why == "foreign"
        theirs.execute("COMMIT")
    with connected(bad) as connection:
        assert connection.execute("SELECT a FROM aiojobs_jobs").fetchall() == [(1,)]
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("aiojobs_jobs",)]
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


# What this user may not write. Root may write everything, unless the program gives that up.


_STARTS = """if True:
    import asyncio
    from aiojobs_lite import JobRunner, job
    from aiojobs_lite.errors import StoreRefused
    from tests.helpers.privileges import obey_permissions

    @job
    async def quick(n: int) -> int:
        return n

    async def main():
        try:
            async with asyncio.timeout(20), JobRunner({database!r}, jobs=[quick]) as runner:
                print("result", await (await runner.enqueue(quick, 7)).result())
        except StoreRefused as error:
            print(error.why, "|", error)
        except BaseException as error:
            print("raised", repr(error))

    obey_permissions()
    asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("leave", "locked", "answer"),
    first_of(
        1,
        [
            (made, "nothing", "result 7"),
            (made, "file", "must be writable by this user"),
            (made, "directory", "must be writable by this user"),
            (killed, "directory", "No file can be made beside it: Permission denied"),
            (never_made, "directory", "It cannot be created: Permission denied"),
        ],
    ),
)
async def test_what_this_user_may_not_write_is_refused_with_advice(
    tmp_path: Path, leave: Callable[[Path], Awaitable[None]], locked: str, answer: str
) -> None:
    database = tmp_path / "app.db"
    await leave(database)
    before = contents(tmp_path)
    if locked == "file":
        database.chmod(0o400)
    elif locked == "directory":
        tmp_path.chmod(0o500)
    output, complaints = run_child(_STARTS.format(database=str(database)), tmp_path)
    tmp_path.chmod(0o700)
    assert answer in output
    assert complaints == ""
    if locked == "nothing":
        return
    assert output.startswith(f"unreadable | {database}: unreadable. ")
    if leave is killed:  # the file itself may be written: what was in its log is in it now
        with connected(database) as connection:
            assert connection.execute("SELECT type FROM aiojobs_pauses").fetchall() == [("x",)]
    else:
        assert contents(tmp_path).get("app.db") == before.get("app.db")


_STARTS_WITH_FEW_DESCRIPTORS = """if True:
    import asyncio, os, resource, sys
    from aiojobs_lite import AiojobsError, JobRunner, job

    @job
    async def quick(n: int) -> int:
        return n

    async def start():
        try:
            async with asyncio.timeout(20), JobRunner({database!r}, jobs=[quick]) as runner:
                return "result", await (await runner.enqueue(quick, 7)).result()
        except AiojobsError as error:
            return "refused", error

    async def main():
        await start()  # imports all that it needs
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        for free in range(14):
            kept = []
            highest = max(int(name) for name in os.listdir("/dev/fd"))
            while not kept or kept[-1] <= highest:
                kept.append(os.open("/dev/null", os.O_RDONLY))
            resource.setrlimit(resource.RLIMIT_NOFILE, (kept[-1] + 1 + free, hard))
            found = await start()
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            print(*found, flush=True)
            for descriptor in kept:
                os.close(descriptor)

    asyncio.run(main())
"""


@slow
async def test_a_start_without_descriptors_is_refused_with_advice_and_leaves_nothing_open(tmp_path: Path) -> None:
    said, complaints = run_child(_STARTS_WITH_FEW_DESCRIPTORS.format(database=str(tmp_path / "app.db")), tmp_path)
    lines = said.splitlines()
    assert len(lines) == 14, complaints
    assert lines[0].startswith("refused")
    assert lines[-1] == "result 7"
    refusals = [line for line in lines if line.startswith("refused")]
    assert [line for line in refusals if "ulimit" not in line and "later" not in line] == []


# What no look at the start can find.


def trash_a_page_of_jobs(database: Path) -> None:
    """One of many pages, not the first: to look at all of them would take as long as the database is big."""
    content = bytearray(database.read_bytes())
    pages = range(0, len(content), 4096)
    leaves = [at for at in pages if content[at] == 0x0D and b"xxxxxxxx" in content[at : at + 4096]]
    middle = leaves[len(leaves) // 2]
    content[middle : middle + 4096] = b"\xa5" * 4096
    database.write_bytes(content)


async def test_a_page_that_shows_its_damage_late_degrades_the_runner_once_and_for_good(
    bad: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with JobRunner(bad, jobs=[padded], max_running=0) as runner:
        await runner.enqueue_many([padded.bind("x" * 1000) for _ in range(100)])
    trash_a_page_of_jobs(bad)
    store = FaultStore(open_store(bad, "full"), has_inline=True)  # no fault but the file's

    def claims() -> int:
        return sum(any(isinstance(write, Claim) for write in writes) for writes in store.tried)

    runner = JobRunner(store, jobs=[padded, quick])
    events = runner.watch()
    async with runner:
        assert "SQLITE_CORRUPT" in (await next_fact(events, StoreDegraded)).reason
        tried = caplog.text.count("degraded:")
        await until(lambda: claims() >= 3, 0.01)  # it tries again and again, and says so once
        assert runner.stats().degraded == "SQLITE_CORRUPT"
        with pytest.raises(StoreUnavailable, match="SQLITE_CORRUPT"):
            await runner.enqueue(quick, 1)
        assert caplog.text.count("degraded:") == tried
        assert "recovered" not in caplog.text
        assert runner.stats().processing == runner.stats().running == 0


async def test_what_lies_in_place_of_an_owners_file_holds_up_no_rescue(database: Path) -> None:
    await made(database, 2)
    with connected(database) as connection:
        connection.execute("UPDATE aiojobs_jobs SET status = 'processing', attempts = 1, owner = printf('%016d', id)")
        connection.execute("UPDATE aiojobs_counts SET pending = 0, processing = 2")
    strange = Path(f"{database}-owner-{1:016d}")
    strange.mkdir()
    runner = JobRunner(database, jobs=[quick])
    async with runner:
        await until(lambda: runner.stats().completed == 1)
        assert (await runner.jobs.get(1)).status is Status.PROCESSING  # who is not known to be dead lives
    strange.rmdir()
    async with runner:
        await until(lambda: runner.stats().completed == 2)
