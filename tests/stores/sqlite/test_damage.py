"""What others did to the file while it was closed, or beside us: names, missing tables, trashed pages, odd bytes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from aiojobs_lite import JobHandle, JobRunner, Status, job
from aiojobs_lite.errors import StoreRefused
from aiojobs_lite.model.job import Held
from aiojobs_lite.stores.sqlite.writer import Writer
from aiojobs_lite.telemetry.facts import JobHeld
from tests.helpers.engine import faulty
from tests.helpers.fault_store import FaultStore
from tests.helpers.stores import connected, contents
from tests.helpers.waiting import PATIENCE, next_fact, until

TABLES = tuple(f"aiojobs_{name}" for name in ("jobs", "attempts", "counts", "pauses", "schedules", "ticks"))
META = "aiojobs_meta"


@job(name="text")
async def text(what: str) -> str:
    return what


@job(name="other")
async def other() -> str:
    return "other"


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Path of a database that no check at the end would find sound; in a folder of its own."""
    folder = tmp_path / "damaged"
    folder.mkdir()
    return folder / "jobs.db"


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What each look for commits of others found."""
    found: list[bool] = []
    look = Writer.take_change

    async def noted(writer: Writer) -> bool:
        found.append(await look(writer))
        return found[-1]

    monkeypatch.setattr(Writer, "take_change", noted)
    return found


async def made(database: Path) -> None:
    """Leaves a database with a job that waits and one that is done."""
    async with asyncio.timeout(PATIENCE), JobRunner(database, jobs=[text, other]) as runner:
        await runner.enqueue(text.using(delay="1h"), "later")
        await (await runner.enqueue(other)).result()


async def refused(database: Path) -> StoreRefused:
    """How a runner that is started on a database is refused; not a byte of its folder changes."""
    before = contents(database.parent)
    with pytest.raises(StoreRefused) as caught:
        async with asyncio.timeout(PATIENCE), JobRunner(database, jobs=[text, other]):
            raise AssertionError("it was opened")
    assert contents(database.parent) == before
    return caught.value


# Names.


async def test_a_file_with_two_names_is_refused_by_both_of_them(database: Path) -> None:
    await made(database)
    second = database.with_name("second.db")
    os.link(database, second)
    for name in (database, second):
        assert (await refused(name)).why == "several names"
    second.unlink()
    async with JobRunner(database, jobs=[text, other]) as runner:
        assert (runner.stats().pending, runner.stats().completed) == (1, 1)


# Tables.


@pytest.mark.parametrize("table", [META, *TABLES])
async def test_a_database_without_one_of_its_tables_is_refused(damaged: Path, table: str) -> None:
    await made(damaged)
    with connected(damaged) as connection:
        connection.execute(f"DROP TABLE {table}")
    refusal = await refused(damaged)
    assert refusal.why == ("foreign" if table == META else "corrupt")
    if table != META:
        assert "Another program has changed our tables: restore it from a backup." in str(refusal)


@pytest.mark.parametrize("table", [META, *TABLES])
async def test_a_database_with_a_trashed_page_in_place_of_a_table_is_refused(damaged: Path, table: str) -> None:
    await made(damaged)
    with connected(damaged) as connection:
        ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchall()
        ((size,),) = connection.execute("PRAGMA page_size").fetchall()
    content = bytearray(damaged.read_bytes())
    content[(page - 1) * size : page * size] = b"\xa5" * size
    damaged.write_bytes(content)
    assert (await refused(damaged)).why == "corrupt"


# Bytes that are no text.


def spoil(database: Path, handle: JobHandle[str]) -> None:
    """Makes a payload something that is not UTF-8."""
    with connected(database) as connection:
        connection.execute("UPDATE aiojobs_jobs SET payload = CAST(x'ff' AS TEXT) WHERE id = ?", (handle.id,))


async def test_a_payload_spoiled_beside_us_has_its_job_held_and_no_other(database: Path, looks: list[bool]) -> None:
    store = faulty(database)
    async with JobRunner(store, jobs=[text, other]) as runner:
        events = runner.watch()
        await runner.types.pause(text)
        bad, good = await runner.enqueue(text, "bad"), await runner.enqueue(text, "good")
        spoil(database, bad)
        assert await (await runner.enqueue(other)).result() == "other"
        await runner.types.resume(text)
        assert (await next_fact(events, JobHeld)).job_id == bad.id
        assert await good.result() == "good"
        assert await (await runner.enqueue(text, "new")).result() == "new"
        await is_held(runner, bad)
        await runner.run_until_idle()
        await begins_nothing_more(runner, store, looks)


async def test_a_payload_spoiled_while_nothing_ran_has_its_job_held_and_no_other(
    database: Path, looks: list[bool]
) -> None:
    async with JobRunner(database, jobs=[text, other], max_running=0) as runner:
        bad, good, third = [await runner.enqueue(*one) for one in ((text, "bad"), (text, "good"), (other,))]
    spoil(database, bad)
    store = faulty(database)
    runner = JobRunner(store, jobs=[text, other])
    async with runner:
        await runner.run_until_idle()
        done = [await runner.jobs.get(handle.id) for handle in (good, third)]
        assert [one.status for one in done] == [Status.COMPLETED] * 2
        await is_held(runner, bad)
        await begins_nothing_more(runner, store, looks)


async def is_held(runner: JobRunner, handle: JobHandle[str]) -> None:
    """A job waits for a person: its reason can be read, it has cost nothing, and it is no secret that it is there."""
    found = await runner.jobs.get(handle.id)
    assert (found.status, found.attempts, found.payload_json) == (Status.PENDING, 0, "\\xff")
    assert (found.held, found.reason is None) == (Held.PAYLOAD, False)
    assert "the payload no longer fits the handler" in str(found.reason)
    assert handle.id in [one.id for one in await runner.jobs.list(type="text")]
    assert runner.stats().degraded is None


async def begins_nothing_more(runner: JobRunner, store: FaultStore, looks: list[bool]) -> None:
    """An idle runner looks for commits of others, and begins no transaction, once the figures are written."""
    await runner.figures.types()
    begun, before = store.calls["apply"], len(looks)
    await until(lambda: len(looks) >= before + 3, 0.01)
    assert store.calls["apply"] - begun <= 1  # one may have been on its way
