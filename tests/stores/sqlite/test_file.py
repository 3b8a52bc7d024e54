"""The database file: its mode, what is refused and left untouched, and files that vanish."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aiojobs_lite.errors import StoreRefused, StoreRejected, StoreUnavailable
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.writes import Insert
from aiojobs_lite.stores.base import Durability
from aiojobs_lite.stores.named_sql import migrations
from aiojobs_lite.stores.sqlite.file import create, translated
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.rings import first_of, slow
from tests.helpers.sqlite_store import made, opened, run_sql
from tests.helpers.stores import GUARD, connected, contents, inserted, mode, new, one, run_child, running, stored

NEWEST = "UPDATE aiojobs_meta SET value = 99 WHERE key = 'schema'"
LOST_TABLE = "DROP TABLE aiojobs_ticks"


async def refused(path: Path) -> StoreRefused:
    """The refusal of a file; nothing of its folder may change."""
    before = contents(path.parent)
    store = SqliteStore(path)
    with pytest.raises(StoreRefused) as caught:
        await store.open()
    await store.close()
    after = contents(path.parent)
    shared_memory = f"{path.name}-shm"  # an index that SQLite makes anew
    assert {**after, shared_memory: b""} == {**before, shared_memory: b""}
    assert caught.value.database == str(path)
    return caught.value


# Made.


async def test_only_its_owner_can_read_the_files(database: Path) -> None:
    umask = os.umask(0)
    try:
        async with opened(database) as store:
            await inserted(store, new())
            modes = {entry.name: mode(entry) for entry in database.parent.iterdir()}
    finally:
        os.umask(umask)
    assert modes == {"jobs.db": 0o600, "jobs.db-wal": 0o600, "jobs.db-shm": 0o600}


async def test_the_file_says_whose_it_is(database: Path) -> None:
    await made(database)
    with connected(database) as connection:
        meta = dict(connection.execute("SELECT key, value FROM aiojobs_meta").fetchall())
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert (meta["application"], meta["schema"]) == ("aiojobs_lite", len(migrations("aiojobs_lite.stores.sqlite")))
    assert len(meta["database"]) == 16
    await made(database)
    with connected(database) as connection:
        assert dict(connection.execute("SELECT key, value FROM aiojobs_meta").fetchall()) == meta


async def test_an_empty_file_becomes_ours_and_keeps_its_mode(database: Path) -> None:
    database.touch(0o640)
    await made(database)
    assert mode(database) == 0o640
    with connected(database) as connection:
        assert connection.execute("SELECT count(*) FROM aiojobs_jobs").fetchone() == (1,)


@pytest.mark.parametrize(("durability", "level"), [("full", 2), ("normal", 1)])
async def test_durability_is_how_sqlite_syncs(database: Path, durability: Durability, level: int) -> None:
    async with opened(database, durability) as store:
        assert await run_sql(store, "PRAGMA synchronous") == [(level,)]


# Refused.


async def test_garbage_is_refused(database: Path) -> None:
    database.write_bytes(b"no database, " * 1000)
    assert (await refused(database)).why == "corrupt"
    database.unlink()


async def test_a_database_with_a_broken_schema_is_refused(database: Path) -> None:
    await made(database)
    content = bytearray(database.read_bytes())
    content[100:200] = b"\xff" * 100
    database.write_bytes(content)
    assert (await refused(database)).why == "corrupt"
    database.unlink()


@pytest.mark.parametrize(
    ("script", "why"), [("CREATE TABLE aiojobs_jobs (a)", "foreign"), (NEWEST, "newer"), (LOST_TABLE, "corrupt")]
)
async def test_a_refused_database_whose_user_was_killed_keeps_its_log(database: Path, script: str, why: str) -> None:
    """Looking at it in the usual way would move the log into the database."""
    if why != "foreign":
        await made(database)
    killed = f"""
import os, sqlite3
connection = sqlite3.connect({str(database)!r}, isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute({script!r})
os.kill(os.getpid(), 9)
"""
    run_child(killed, database.parent)
    assert Path(f"{database}-wal").stat().st_size
    assert (await refused(database)).why == why
    for entry in list(database.parent.iterdir()):
        entry.unlink()


@slow
async def test_our_database_whose_user_was_killed_is_opened(database: Path) -> None:
    killed = f"""
import asyncio, os
from aiojobs_lite.stores.open import open_store
from tests.helpers.stores import inserted, new
async def main():
    store = open_store({str(database)!r}, "full")
    await store.open()
    await inserted(store, new())
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    run_child(killed, database.parent)
    assert Path(f"{database}-wal").stat().st_size
    async with opened(database) as store:
        assert (await stored(store, 1)).status is Status.PENDING


async def test_a_newer_schema_is_refused(database: Path) -> None:
    await made(database)
    with connected(database) as connection:
        connection.execute(NEWEST)
    refusal = await refused(database)
    assert refusal.why == "newer"
    assert re.search(r"Its tables have schema \d+, this release knows \d+\. Upgrade aiojobs_lite\.", str(refusal))
    assert str(refusal).endswith("It was not changed.")


async def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused) as caught:
        await SqliteStore(tmp_path / "missing" / "jobs.db").open()
    assert caught.value.why == "missing directory"
    assert contents(tmp_path) == {}


async def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused) as caught:
        await SqliteStore(tmp_path).open()
    assert caught.value.why == "not a file"
    assert str(caught.value).endswith("Name a file, such as app.db.")


def test_a_file_with_several_names_and_an_old_library_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "jobs.db"
    path.touch()
    path.with_name("other.db").hardlink_to(path)
    with pytest.raises(StoreRefused, match="It has several names") as caught:
        create(path)
    assert str(caught.value).endswith("(hard links), and its log would be kept beside each. Leave it one.")
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 32, 0))
    with pytest.raises(StoreRefused, match=r"is too old, 3\.33\.0 or newer is needed\.$") as caught:
        create(path)
    assert caught.value.why == "old library"


async def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused) as caught:
        await SqliteStore(tmp_path / ("x" * 300)).open()
    assert caught.value.why == "unreadable"


@slow
@pytest.mark.parametrize(
    ("locked", "answer"),
    first_of(
        1, [("file", "unreadable"), ("nothing", "opened"), ("directory", "unreadable"), ("new file", "unreadable")]
    ),
)
async def test_what_this_user_may_not_write_is_refused(tmp_path: Path, locked: str, answer: str) -> None:
    """In a process of its own, which gives up what root has over others."""
    folder = tmp_path
    if locked != "new file":
        await made(folder / "jobs.db")
    before = contents(folder).get("jobs.db")
    if locked == "file":
        (folder / "jobs.db").chmod(0o400)
    elif locked != "nothing":
        folder.chmod(0o500)
    assert run_child(_OPENS, folder) == (f"{answer}\n", "")
    folder.chmod(0o700)
    assert contents(folder).get("jobs.db") == before


_OPENS = """
import asyncio
from pathlib import Path
from aiojobs_lite.errors import StoreRefused
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.privileges import obey_permissions

async def main():
    store = SqliteStore(Path("jobs.db"))
    try:
        await store.open()
        print("opened")
        await store.close()
    except StoreRefused as error:
        print(error.why)

obey_permissions()
asyncio.run(main())
"""


# Files that vanish under us.


@pytest.mark.parametrize("suffix", ["", "-wal"])
async def test_a_file_deleted_under_us_makes_the_store_unavailable(database: Path, suffix: str) -> None:
    async with opened(database, "full") as store:
        await inserted(store, new())
        Path(f"{database}{suffix}").unlink()
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="REPLACED"):
                await inserted(store, new())
    database.unlink(missing_ok=True)


async def test_a_file_replaced_under_us_makes_the_store_unavailable(database: Path) -> None:
    async with opened(database, "full") as store:
        await inserted(store, new())
        copy = database.with_name("copy.db")
        with connected(database) as source, connected(copy) as target:
            source.backup(target)
        os.replace(copy, database)
        with pytest.raises(StoreUnavailable, match="REPLACED"):
            await one(store, Insert((new(),)))
    for entry in list(database.parent.iterdir()):
        entry.unlink()


async def test_a_store_closed_and_opened_again_takes_the_files_as_they_are(database: Path) -> None:
    async with opened(database) as store:
        await inserted(store, new())
        await store.close()
        shutil.copyfile(database, database.with_name("copy.db"))
        os.replace(database.with_name("copy.db"), database)
        async with asyncio.timeout(GUARD):
            await store.open()
        assert len(await running(store, new("b"))) == 1


# What is rejected, and what the error advises.


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE aiojobs_jobs RENAME TO aiojobs_work",
        "ALTER TABLE aiojobs_jobs RENAME COLUMN label TO mark",
        "DROP INDEX aiojobs_jobs_processing",
    ],
)
async def test_a_store_whose_tables_are_migrated_meanwhile_names_the_cause(tmp_path: Path, change: str) -> None:
    path = tmp_path / "migrated.db"
    async with opened(path) as store:
        await inserted(store, new())
        with connected(path) as newer:
            newer.execute(change)
        with pytest.raises(StoreRejected, match=r"no such|no column") as caught:
            await store.ask(FindJobs(status=Status.PROCESSING))
        assert str(caught.value).endswith(
            "Another release of aiojobs_lite has migrated its tables meanwhile, or another program has changed them. "
            "Restart this program with the release that the others use."
        )
        assert "defect" not in str(caught.value)


@pytest.mark.parametrize(
    ("sql", "parameters", "advice"),
    [
        ("SELECT * FROM nowhere", (), "with the release that the others use."),
        ("SELECT missing FROM t", (), "with the release that the others use."),
        ("INSERT INTO t (missing) VALUES (1)", (), "with the release that the others use."),
        ("SELECT * FROM t INDEXED BY missing", (), "with the release that the others use."),
        (
            "INSERT INTO t VALUES (?)",
            ("x" * 5000,),
            "It is larger than this SQLite stores: keep the data elsewhere, and give the job its path or key.",
        ),
        (
            "INSERT INTO t VALUES (?)",
            ("\ud800",),
            "A text has half a surrogate pair in it, which no database stores: take it out.",
        ),
        ("INSERT INTO t VALUES (NULL)", (), "please report it."),
        ("INSERT INTO t VALUES (?)", (2**64,), "please report it."),
        ("SELEKT", (), "please report it."),
    ],
)
def test_what_sqlite_rejects_is_a_defect_only_if_it_has_no_other_cause(
    sql: str, parameters: tuple[object, ...], advice: str
) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (a NOT NULL)")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1000)
        with pytest.raises((sqlite3.Error, OverflowError, UnicodeError)) as caught:
            connection.execute(sql, parameters)
    error = translated(caught.value)
    assert type(error) is StoreRejected
    assert str(error).endswith(advice)
