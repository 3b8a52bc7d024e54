"""The files of a database: migrating, backing up, restoring, and what is refused."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aiojobs_lite import JobRunner, StoreRefused
from aiojobs_lite.stores.named_sql import migrations
from aiojobs_lite.stores.open import open_store, open_upkeep
from aiojobs_lite.stores.sqlite.schema import statements
from tests.helpers.databases import sound


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with a job."""
    file = tmp_path / "app.db"
    runner = JobRunner(file, max_running=0)

    @runner.job
    async def work() -> None: ...

    async def fill() -> None:
        async with runner:
            await runner.enqueue(work)

    asyncio.run(fill())
    return file


def ignore(_done: int, _whole: int) -> None: ...


def make_older(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements(migrations("aiojobs_lite.stores.sqlite")[0]):
            connection.execute(statement)
        connection.execute("UPDATE aiojobs_meta SET value = 1 WHERE key = 'schema'")


async def test_an_older_file_is_migrated_by_order_alone(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    make_older(path)
    store = open_store(path, "full", "look")
    text = (
        r"older\. Its tables have schema 1, this release works on \d+\. Start the application with this release, or "
        "migrate it: `aiojobs-lite db migrate`"
    )
    with pytest.raises(StoreRefused, match=text):
        await store.open()
    upkeep = open_upkeep(path)
    assert [one.level for one in upkeep.examine(is_thorough=False) if one.name == "schema"] == ["warning"]
    newest = len(migrations("aiojobs_lite.stores.sqlite"))
    assert upkeep.migrate() == (1, newest)
    assert upkeep.migrate() == (newest, newest)
    await store.open()
    await store.close()


def test_a_copy_is_made_beside_a_transaction_that_writes(path: Path, tmp_path: Path) -> None:
    steps = list[tuple[int, int]]()
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM aiojobs_jobs")
        open_upkeep(path).back_up(tmp_path / "copy.db", lambda done, whole: steps.append((done, whole)))
    assert steps[-1][0] == steps[-1][1]
    assert sound(tmp_path / "copy.db")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["app.db", "copy.db"]


def test_what_has_no_jobs_is_neither_copied_nor_migrated(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE users (id)")
    upkeep = open_upkeep(other)
    with pytest.raises(StoreRefused, match=r"no jobs\. It has no tables of aiojobs_lite\."):
        upkeep.back_up(tmp_path / "copy.db", ignore)
    with pytest.raises(StoreRefused, match="there is nothing to migrate"):
        upkeep.migrate()
    assert [one.level for one in upkeep.examine(is_thorough=False) if one.name == "schema"] == ["bad"]
    assert [one.name for one in tmp_path.iterdir()] == ["other.db"]


def test_a_doctor_says_what_it_found_of_a_file_that_cannot_be_read(path: Path) -> None:
    Path(f"{path}-wal").unlink(missing_ok=True)
    Path(f"{path}-wal").mkdir()
    found = open_upkeep(path).examine(is_thorough=False)
    assert [one.name for one in found] == ["file", "place", "library", "log", "space", "runners", "access"]
    text = (
        "SQLITE_CANTOPEN: unable to open database file: its file, its folder and their log must be usable by this user"
    )
    assert (found[-1].level, found[-1].text) == ("bad", text)


def test_a_restore_takes_no_damaged_copy_and_not_the_file_itself(path: Path, tmp_path: Path) -> None:
    upkeep, bad = open_upkeep(path), tmp_path / "bad.db"
    bad.write_bytes(b"no database, but long enough to be looked at" * 100)
    with pytest.raises(StoreRefused, match="corrupt"):
        upkeep.restore(bad, ignore)
    with pytest.raises(StoreRefused, match=r"same file\. Name the copy that is to take its place\."):
        upkeep.restore(path, ignore)
    with pytest.raises(StoreRefused, match="missing file"):
        upkeep.restore(tmp_path / "none.db", ignore)
    assert sound(path)


def test_a_damaged_copy_is_refused_after_a_look_at_all_its_pages(path: Path, tmp_path: Path) -> None:
    upkeep, copy = open_upkeep(path), tmp_path / "copy.db"
    upkeep.back_up(copy, ignore)
    with copy.open("r+b") as file:
        file.seek(-4096, 2)
        file.write(bytes(4096))
    with pytest.raises(StoreRefused, match=r"corrupt\. SQLite says: .*Use another copy\."):
        upkeep.restore(copy, ignore)
    assert sound(path)


def test_a_copy_is_refused_where_none_can_be_made(path: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match=r"It cannot be made in .*/none: No such file or directory"):
        open_upkeep(path).back_up(tmp_path / "none" / "copy.db", ignore)


def test_a_restore_waits_for_no_program_that_has_the_file_open(path: Path, tmp_path: Path) -> None:
    upkeep, copy = open_upkeep(path), tmp_path / "copy.db"
    upkeep.back_up(copy, ignore)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM aiojobs_jobs").fetchall()
        with pytest.raises(StoreRefused, match=r"in use\. A program has it open\."):
            upkeep.restore(copy, ignore)
    former = upkeep.restore(copy, ignore)
    assert former is not None
    assert sound(former)


def test_a_restore_makes_a_file_that_is_not_there(path: Path, tmp_path: Path) -> None:
    assert open_upkeep(tmp_path / "new.db").restore(path, ignore) is None
    assert sound(tmp_path / "new.db")


def test_a_lock_of_another_program_is_found(path: Path) -> None:
    upkeep = open_upkeep(path)
    assert not upkeep.is_locked(0.0)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert upkeep.is_locked(0.0)
