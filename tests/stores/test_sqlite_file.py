"""The database file: its mode, what is refused and left untouched, its schema, migrations, and files that vanish."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from itertools import permutations
from pathlib import Path

import pytest

from aiojobs_lite.errors import StoreRefused, StoreRejected, StoreUnavailable
from aiojobs_lite.model.job import TRANSITIONS, Status
from aiojobs_lite.model.writes import Insert
from aiojobs_lite.stores import named_sql
from aiojobs_lite.stores.open import store_for
from aiojobs_lite.stores.sqlite import file as sqlite_file
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.stores import GUARD, NOW, connected, contents, inserted, mode, new, run_child, running, stored

GOLDEN = Path(__file__).parent / "golden_schema.sql"
SCRIPTS = named_sql.migrations("aiojobs_lite.stores.sqlite")


_OPENED: list[SqliteStore] = []


@pytest.fixture(autouse=True)
async def all_closed() -> AsyncIterator[None]:
    """A test that fails leaves no store open, which would keep the process from ending."""
    yield
    while _OPENED:
        await _OPENED.pop().close()


async def opened(path: Path) -> SqliteStore:
    """A store that is open."""
    store = SqliteStore(path)
    await store.open()
    _OPENED.append(store)
    return store


async def made(path: Path) -> None:
    """Leaves a database of ours with one job."""
    store = await opened(path)
    await inserted(store, new())
    await store.close()


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
        store = await opened(database)
        await inserted(store, new())
        modes = {entry.name: mode(entry) for entry in database.parent.iterdir()}
        await store.close()
    finally:
        os.umask(umask)
    assert modes == {"jobs.db": 0o600, "jobs.db-wal": 0o600, "jobs.db-shm": 0o600}


async def test_the_file_says_whose_it_is(database: Path) -> None:
    await made(database)
    with connected(database) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (int.from_bytes(b"ajl1", "big"),)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(SCRIPTS),)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_an_empty_file_becomes_ours_and_keeps_its_mode(database: Path) -> None:
    database.touch(0o640)
    await made(database)
    assert mode(database) == 0o640
    with connected(database) as connection:
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (1,)


@pytest.mark.parametrize(("durability", "level"), [("full", 2), ("normal", 1)])
async def test_durability_is_how_sqlite_syncs(database: Path, durability: str, level: int) -> None:
    store = store_for(database, "full" if durability == "full" else "normal")
    assert isinstance(store, SqliteStore)
    await store.open()
    pragma = await store._on_writer(lambda connection: connection.execute("PRAGMA synchronous").fetchall())
    await store.close()
    assert pragma == [(level,)]


async def test_a_store_is_found_by_path_or_url(database: Path) -> None:
    assert store_for(str(database), "full").shared_path == str(database)
    assert store_for(f"sqlite:///{database}", "full").shared_path == str(database)
    assert store_for("sqlite:///jobs.db", "full").shared_path == str(Path("jobs.db").absolute())
    assert store_for(":memory:", "full").shared_path is None


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://jobs.db"])
def test_an_unknown_url_is_refused(url: str) -> None:
    with pytest.raises(StoreRefused) as caught:
        store_for(url, "full")
    assert caught.value.why == "unknown url"


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
    "script",
    [
        "CREATE TABLE theirs (a)",
        "CREATE TABLE theirs (a); PRAGMA user_version = 1",
        "PRAGMA user_version = 1",
        "PRAGMA application_id = 77",
        "PRAGMA journal_mode = WAL; CREATE TABLE jobs (a)",
    ],
)
async def test_the_database_of_another_program_is_refused(database: Path, script: str) -> None:
    with connected(database) as connection:
        connection.executescript(script)
    assert (await refused(database)).why == "foreign"
    database.unlink()


@pytest.mark.parametrize(("script", "why"), [("CREATE TABLE t (a)", "foreign"), ("PRAGMA user_version = 99", "newer")])
async def test_a_refused_database_whose_user_was_killed_keeps_its_log(database: Path, script: str, why: str) -> None:
    """Looking at it in the usual way would move the log into the database."""
    if why == "newer":
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


async def test_our_database_whose_user_was_killed_is_opened(database: Path) -> None:
    killed = f"""
import asyncio, os
from aiojobs_lite.stores.open import store_for
from tests.helpers.stores import inserted, new
async def main():
    store = store_for({str(database)!r}, "full")
    await store.open()
    await inserted(store, new())
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    run_child(killed, database.parent)
    assert Path(f"{database}-wal").stat().st_size
    store = await opened(database)
    assert (await stored(store, 1)).status is Status.PENDING
    await store.close()


async def test_a_newer_schema_is_refused(database: Path) -> None:
    await made(database)
    with connected(database) as connection:
        connection.execute(f"PRAGMA user_version = {len(SCRIPTS) + 1}")
    refusal = await refused(database)
    assert refusal.why == "newer"
    assert "Upgrade" in str(refusal)


async def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused) as caught:
        await SqliteStore(tmp_path / "missing" / "jobs.db").open()
    assert caught.value.why == "missing directory"
    assert contents(tmp_path) == {}


async def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused) as caught:
        await SqliteStore(tmp_path).open()
    assert caught.value.why == "not a file"


async def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused) as caught:
        await SqliteStore(tmp_path / ("x" * 300)).open()
    assert caught.value.why == "unreadable"


@pytest.mark.parametrize(
    ("locked", "answer"),
    [("nothing", "opened"), ("file", "unreadable"), ("directory", "unreadable"), ("new file", "unreadable")],
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


# The schema.


async def test_the_schema_is_the_golden_one(database: Path) -> None:
    """A released migration never changes: what differs here needs a new one, and a new golden file."""
    await made(database)
    assert _schema(database) == GOLDEN.read_text(encoding="utf-8")


def _schema(path: Path) -> str:
    with connected(path) as connection:
        rows = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    return "".join(f"-- {kind} {name}\n{sql};\n\n" if sql else f"-- {kind} {name}\n\n" for kind, name, sql in rows)


def test_migrations_are_numbered_from_one_without_a_gap() -> None:
    folder = Path(sqlite_file.__file__).parent / "migrations"
    numbers = sorted(int(entry.name[:4]) for entry in folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    assert numbers == list(range(1, len(SCRIPTS) + 1))
    assert len(list(folder.iterdir())) == len(SCRIPTS)


def test_a_script_is_cut_into_whole_statements() -> None:
    script = "-- a; b\nCREATE TABLE t (a);\nCREATE TRIGGER r AFTER INSERT ON t\nBEGIN\n  SELECT 1;\nEND;\nSELECT 2;\n"
    assert [piece.split()[-1] for piece in sqlite_file.statements(script)] == ["(a);", "END;", "2;"]


@pytest.fixture
def second_migration(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Adds a migration, as a later release would."""

    def add(script: str) -> None:
        monkeypatch.setattr("aiojobs_lite.stores.sqlite.file.migrations", lambda folder: [*SCRIPTS, script])

    return add


async def test_an_older_database_is_migrated_with_its_jobs(
    database: Path, second_migration: Callable[[str], None]
) -> None:
    await made(database)
    second_migration("ALTER TABLE jobs ADD COLUMN later TEXT DEFAULT 'x';\nCREATE TABLE later (a);\n")
    store = await opened(database)
    assert (await stored(store, 1)).status is Status.PENDING
    await store.close()
    with connected(database) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        assert connection.execute("SELECT later FROM jobs").fetchall() == [("x",)]


async def test_a_migration_that_fails_half_way_leaves_the_old_version(
    database: Path, second_migration: Callable[[str], None]
) -> None:
    await made(database)
    before = _schema(database)
    second_migration("CREATE TABLE later (a);\nDELETE FROM jobs;\nINSERT INTO nowhere VALUES (1);\n")
    store = SqliteStore(database)
    with pytest.raises(StoreRejected, match="nowhere"):
        await store.open()
    await store.close()
    with connected(database) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (1,)
    assert _schema(database) == before


async def test_a_database_whose_first_migration_failed_is_still_empty(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        broken = [SCRIPTS[0] + "INSERT INTO nowhere VALUES (1);\n"]
        patched.setattr("aiojobs_lite.stores.sqlite.file.migrations", lambda folder: broken)
        with pytest.raises(StoreRejected):
            await SqliteStore(database).open()
    assert _schema(database) == ""
    await made(database)
    assert _schema(database) == GOLDEN.read_text(encoding="utf-8")


def test_processes_that_open_a_new_database_at_once_all_succeed(tmp_path: Path) -> None:
    script = """
import asyncio, sys
from aiojobs_lite.stores.open import store_for
from tests.helpers.stores import inserted, new
async def main(path):
    store = store_for(path, "normal")
    await store.open()
    await inserted(store, new())
    await store.close()
print("ready", flush=True)
for line in sys.stdin:
    try:
        asyncio.run(main(line.strip()))
        print("done", flush=True)
    except Exception as error:
        print(repr(error), flush=True)
"""
    children = [
        subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    try:
        assert [_line(child) for child in children] == ["ready"] * 3
        for n in range(12):
            path = tmp_path / f"{n}.db"
            for child in children:
                assert child.stdin is not None
                child.stdin.write(f"{path}\n")
                child.stdin.flush()
            assert [_line(child) for child in children] == ["done"] * 3
            assert _schema(path) == GOLDEN.read_text(encoding="utf-8")
    finally:
        for child in children:
            child.communicate(timeout=GUARD)


def _line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


async def test_a_schema_that_appears_between_two_looks_is_not_foreign(database: Path) -> None:
    """Another process commits the schema while this one asks whose database it is."""
    await made(database)
    ready = database.read_bytes()
    database.unlink()
    with connected(database) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    target, source = database, database.with_name("ready.db")
    source.write_bytes(ready)

    class Slow(sqlite3.Connection):
        def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
            cursor = super().execute(sql, *parameters)  # type: ignore[arg-type]
            if "application_id" in sql or "sqlite_master" in sql:
                with connected(source) as full, connected(target) as empty:
                    full.backup(empty)
            return cursor

    with closing(sqlite3.connect(target, isolation_level=None, factory=Slow)) as slow:
        assert sqlite_file._checked_version(slow, str(target)) == 0
    with closing(sqlite3.connect(target, isolation_level=None)) as quick:
        assert sqlite_file._checked_version(quick, str(target)) == 1
    source.unlink()


# What may follow what.


@pytest.fixture
def bare() -> Iterator[sqlite3.Connection]:
    """A database in memory with the schema alone."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for script in SCRIPTS:
            connection.executescript(script)
        yield connection


def _job_in(connection: sqlite3.Connection, status: Status) -> None:
    connection.execute("DELETE FROM jobs")
    owner, ended = _columns_of(status)
    sql = (
        "INSERT INTO jobs "
        "(type, payload, priority, scheduled_at, max_attempts, created_at, status, owner, completed_at) "
        "VALUES ('a', '{}', 1, 0, 5, 0, ?, ?, ?)"
    )
    connection.execute(sql, (status.value, owner, ended))


def _columns_of(status: Status) -> tuple[str | None, int | None]:
    ended = None if status in (Status.PENDING, Status.PROCESSING) else 5
    return "one" if status is Status.PROCESSING else None, ended


@pytest.mark.parametrize(("first", "later"), list(permutations(Status, 2)))
def test_sql_allows_a_transition_just_when_job_py_does(bare: sqlite3.Connection, first: Status, later: Status) -> None:
    _job_in(bare, first)
    update = "UPDATE jobs SET status = ?, owner = ?, completed_at = ?"
    if (first, later) in TRANSITIONS:
        bare.execute(update, (later.value, *_columns_of(later)))
    else:
        with pytest.raises(sqlite3.IntegrityError, match="transition of a job is not allowed"):
            bare.execute(update, (later.value, *_columns_of(later)))
    expected = later if (first, later) in TRANSITIONS else first
    assert bare.execute("SELECT status FROM jobs").fetchall() == [(expected.value,)]


@pytest.mark.parametrize(
    ("status", "change"),
    [
        (Status.PENDING, "owner = 'x'"),
        (Status.PENDING, "completed_at = 5"),
        (Status.PENDING, "status = 'lost'"),
        (Status.PENDING, "priority = 3"),
        (Status.PENDING, "attempts = -1"),
        (Status.PENDING, "max_attempts = 0"),
        (Status.PROCESSING, "owner = NULL"),
        (Status.PROCESSING, "parked = 'x'"),
        (Status.COMPLETED, "completed_at = NULL"),
        (Status.DEAD, "owner = 'x'"),
    ],
)
def test_sql_refuses_a_row_that_contradicts_itself(bare: sqlite3.Connection, status: Status, change: str) -> None:
    _job_in(bare, status)
    with pytest.raises(sqlite3.IntegrityError):
        bare.execute(f"UPDATE jobs SET {change}")


TEXTS = ("type", "payload", "owner", "idempotency_key", "error", "reason", "result", "parked", "schedule")
TIMES = ("scheduled_at", "created_at", "started_at", "completed_at", "tick")
COUNTS = ("attempts", "max_attempts", "interruptions", "snoozes", "crashes")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *((column, value) for column in TEXTS for value in (b"", b"text")),
        *((column, value) for column in TIMES for value in ("soon", b"5", -(10**17), 10**18)),
        *((column, value) for column in COUNTS for value in ("many", b"5", -1, 9.3e18)),
        *(("priority", value) for value in ("high", b"1", 3, 0.5)),
        *(("status", value) for value in ("", "lost", b"pending")),
    ],
)
def test_sql_refuses_a_value_of_another_kind(bare: sqlite3.Connection, column: str, value: object) -> None:
    standing = {"owner": Status.PROCESSING, "completed_at": Status.DEAD}.get(column, Status.PENDING)
    _job_in(bare, standing)
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        bare.execute(f"UPDATE jobs SET {column} = ?", (value,))


# Files that vanish under us.


@pytest.mark.parametrize("suffix", ["", "-wal"])
async def test_a_file_deleted_under_us_makes_the_store_unavailable(database: Path, suffix: str) -> None:
    store = await opened(database)
    await inserted(store, new())
    Path(f"{database}{suffix}").unlink()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="REPLACED"):
            await inserted(store, new())
    await store.close()
    database.unlink(missing_ok=True)


async def test_a_file_replaced_under_us_makes_the_store_unavailable(database: Path) -> None:
    store = await opened(database)
    await inserted(store, new())
    copy = database.with_name("copy.db")
    with connected(database) as source, connected(copy) as target:
        source.backup(target)
    os.replace(copy, database)
    with pytest.raises(StoreUnavailable, match="REPLACED"):
        await store.apply([Insert((new(),))], NOW)
    await store.close()
    for entry in list(database.parent.iterdir()):
        entry.unlink()


async def test_a_store_closed_and_opened_again_takes_the_files_as_they_are(database: Path) -> None:
    store = await opened(database)
    await inserted(store, new())
    await store.close()
    shutil.copyfile(database, database.with_name("copy.db"))
    os.replace(database.with_name("copy.db"), database)
    async with asyncio.timeout(GUARD):
        await store.open()
    assert len(await running(store, new("b"))) == 1
    await store.close()
