"""The schema: the golden one, migrations, and what may follow what even where no library is in between."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import permutations
from pathlib import Path

import pytest

from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.job import TRANSITIONS, Status
from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.model.queries import GetDatabaseId, ListPaused
from aiojobs_lite.model.runners import ListRunners
from aiojobs_lite.model.writes import PauseType
from aiojobs_lite.stores import named_sql
from aiojobs_lite.stores.sqlite import schema
from aiojobs_lite.stores.sqlite.rows import load_sql
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers import new_file
from tests.helpers.rings import first_of, slow
from tests.helpers.sqlite_store import made, opened
from tests.helpers.stores import GUARD, at, claim, claimed, connected, inserted, new, stored

GOLDEN = new_file.GOLDEN.read_text(encoding="utf-8")
META, TABLES = "aiojobs_meta", "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
SCRIPTS = named_sql.migrations("aiojobs_lite.stores.sqlite")

OLD_INSERT = (
    "INSERT INTO aiojobs_jobs (id, type, payload, priority, scheduled_at, max_attempts, created_at, status) "
    "VALUES (?, ?, '{}', 1, 0, 5, 0, 'pending')"
)


async def test_the_schema_is_the_golden_one(database: Path) -> None:
    """A released migration never changes: what differs here needs a new one."""
    await made(database)
    assert _schema(database) == GOLDEN, "after a new script: `python -m tests.helpers.new_file`"


def test_a_new_file_has_what_all_migrations_lead_to() -> None:
    """If not: `python -m tests.helpers.new_file`."""
    with closing(new_file.migrated()) as connection, closing(sqlite3.connect(":memory:")) as made_at_once:
        assert new_file.new_file(connection, len(SCRIPTS)) == new_file.NEW_FILE.read_text(encoding="utf-8")
        made_at_once.executescript(new_file.NEW_FILE.read_text(encoding="utf-8"))
        assert new_file.schema_of(made_at_once) == new_file.schema_of(connection)
        rows = [
            [one.execute(f"SELECT * FROM {table}").fetchall() for (table,) in one.execute(TABLES) if table != META]
            for one in (connection, made_at_once)
        ]
        assert rows[0] == rows[1]
        (version,) = made_at_once.execute("SELECT value FROM aiojobs_meta WHERE key = 'schema'").fetchone()
    assert version == schema.NEW_FILE_VERSION == len(SCRIPTS)


def _schema(path: Path) -> str:
    with connected(path) as connection:
        return new_file.schema_of(connection)


def _version(path: Path) -> int:
    with connected(path) as connection:
        ((version,),) = connection.execute("SELECT value FROM aiojobs_meta WHERE key = 'schema'").fetchall()
    return int(version)


def test_migrations_are_numbered_from_one_without_a_gap() -> None:
    folder = Path(schema.__file__).parent / "migrations"
    numbers = sorted(int(entry.name[:4]) for entry in folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    assert numbers == list(range(1, len(SCRIPTS) + 1))
    assert {entry.name for entry in folder.iterdir() if not entry.name[0].isdigit()} == {
        "from_0_1_0.sql",
        "new_file.sql",
    }


def test_a_script_is_cut_into_whole_statements() -> None:
    script = "-- a; b\nCREATE TABLE t (a);\nCREATE TRIGGER r AFTER INSERT ON t\nBEGIN\n  SELECT 1;\nEND;\nSELECT 2;\n"
    assert [piece.split()[-1] for piece in schema.statements(script)] == ["(a);", "END;", "2;"]


@pytest.fixture
def second_migration(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Adds a migration, as a later release would."""

    def add(script: str) -> None:
        monkeypatch.setattr("aiojobs_lite.stores.sqlite.schema.migrations", lambda folder: [*SCRIPTS, script])

    return add


async def test_an_older_database_is_migrated_with_its_jobs(
    database: Path, second_migration: Callable[[str], None]
) -> None:
    await made(database)
    second_migration("ALTER TABLE aiojobs_jobs ADD COLUMN later TEXT DEFAULT 'x';\nCREATE TABLE aiojobs_later (a);\n")
    async with opened(database) as store:
        assert (await stored(store, 1)).status is Status.PENDING
    assert _version(database) == len(SCRIPTS) + 1
    with connected(database) as connection:
        assert connection.execute("SELECT later FROM aiojobs_jobs").fetchall() == [("x",)]


async def test_a_file_of_schema_1_keeps_its_jobs_its_pauses_and_its_id(database: Path) -> None:
    """And a process of that release goes on beside one of this release."""
    with connected(database) as connection:
        connection.executescript(SCRIPTS[0])
        connection.execute("INSERT INTO aiojobs_pauses (type) VALUES ('paused')")
        connection.execute(OLD_INSERT, (7, "a"))
        connection.execute("INSERT INTO aiojobs_counts VALUES ('a', 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0)")
        ((before,),) = connection.execute("SELECT value FROM aiojobs_meta WHERE key = 'database'").fetchall()
        connection.commit()
    async with opened(database) as store:
        assert (await stored(store, 7)).metadata == {}
        assert await store.ask(ListPaused()) == dict(store.counts().paused) == {"paused": Pause(None, None)}
        assert await store.ask(GetDatabaseId()) == before
        assert await store.ask(ListRunners()) == []
        assert [job.id for job in await claimed(store)] == [7]
        await inserted(store, new("b", metadata='{"a": 1}'))
        with connected(database) as old:
            old.execute("INSERT OR IGNORE INTO aiojobs_pauses (type) VALUES ('b')")
            old.execute(OLD_INSERT, (9, "b"))
            old.execute("UPDATE aiojobs_counts SET pending = pending + 1, last_id = 9, due_medium = 0 WHERE type = 'b'")
            old.commit()
        assert (await store.ask(ListPaused())).keys() == {"b", "paused"}
        assert await claimed(store, claim(types="b")) == []
        await store.apply([(PauseType("b", paused=False),)], at(0))
        assert [job.id for job in await claimed(store, claim(types="b"))] == [9, 8]
    assert _version(database) == len(SCRIPTS)
    assert _schema(database) == GOLDEN


async def test_limits_by_key_come_to_a_file_with_jobs_whole_or_not_at_all(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script fails before each of its statements in turn; then every job goes on as before."""
    script = SCRIPTS[2]
    with connected(database) as connection:
        connection.executescript("".join(SCRIPTS[:2]) + "UPDATE aiojobs_meta SET value = 2 WHERE key = 'schema';")
        for number, status in enumerate(Status, start=1):
            owner, completed = _columns_of(status)
            connection.execute(OLD_INSERT, (number, "a"))
            connection.execute(
                "UPDATE aiojobs_jobs SET owner = ?, completed_at = ?, status = 'processing' WHERE id = ?",
                ("one", None, number),
            ) if status is not Status.PENDING else None
            connection.execute(
                "UPDATE aiojobs_jobs SET owner = ?, completed_at = ?, status = ? WHERE id = ?",
                (owner, completed, status.value, number),
            )
        connection.execute("INSERT INTO aiojobs_counts VALUES ('a', 1, 0, 0, 0, 1, 1, 1, 1, 5, 0, 0, 0, 0)")
        connection.commit()
    before, statements = _schema(database), schema.statements(script)
    for kept in range(len(statements)):
        broken = [*SCRIPTS[:2], "".join(statements[:kept]) + "INSERT INTO nowhere VALUES (1);\n"]
        with monkeypatch.context() as patched:
            patched.setattr("aiojobs_lite.stores.sqlite.schema.migrations", lambda folder, found=broken: found)
            with pytest.raises(StoreRejected, match="nowhere"):
                await SqliteStore(database).open()
        assert (_version(database), _schema(database)) == (2, before)
    async with opened(database) as store:
        assert [(await stored(store, number)).status for number in range(1, 6)] == list(Status)
        assert (await stored(store, 1)).lane is None
        assert [job.id for job in await claimed(store)] == [1]
    assert _version(database) == len(SCRIPTS)
    assert _schema(database) == GOLDEN


async def test_a_migration_that_fails_half_way_leaves_the_old_version(
    database: Path, second_migration: Callable[[str], None]
) -> None:
    await made(database)
    before = _schema(database)
    second_migration("CREATE TABLE aiojobs_later (a);\nDELETE FROM aiojobs_jobs;\nINSERT INTO nowhere VALUES (1);\n")
    store = SqliteStore(database)
    with pytest.raises(StoreRejected, match="nowhere"):
        await store.open()
    await store.close()
    assert _version(database) == len(SCRIPTS)
    with connected(database) as connection:
        assert connection.execute("SELECT count(*) FROM aiojobs_jobs").fetchone() == (1,)
    assert _schema(database) == before


async def test_a_database_whose_first_migration_failed_is_still_empty(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        broken = [SCRIPTS[0] + "INSERT INTO nowhere VALUES (1);\n"]
        patched.setattr("aiojobs_lite.stores.sqlite.schema.migrations", lambda folder: broken)
        with pytest.raises(StoreRejected):
            await SqliteStore(database).open()
    assert _schema(database) == ""
    await made(database)
    assert _schema(database) == GOLDEN


@slow
def test_processes_that_open_a_new_database_at_once_all_succeed(tmp_path: Path) -> None:
    script = """
import asyncio, sys
from aiojobs_lite.stores.open import open_store
from tests.helpers.stores import inserted, new
async def main(path):
    store = open_store(path, "normal")
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
            assert _schema(path) == GOLDEN
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
            if "sqlite_master" in sql or "aiojobs_meta" in sql:
                with connected(source) as full, connected(target) as empty:
                    full.backup(empty)
            return cursor

    with closing(sqlite3.connect(target, isolation_level=None, factory=Slow)) as slow:
        assert schema.checked_version(slow, str(target), load_sql()) == 0
    with closing(sqlite3.connect(target, isolation_level=None)) as quick:
        assert schema.checked_version(quick, str(target), load_sql()) == len(SCRIPTS)
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
    connection.execute("DELETE FROM aiojobs_jobs")
    owner, ended = _columns_of(status)
    sql = (
        "INSERT INTO aiojobs_jobs "
        "(type, payload, priority, scheduled_at, max_attempts, created_at, status, owner, completed_at) "
        "VALUES ('a', '{}', 1, 0, 5, 0, ?, ?, ?)"
    )
    connection.execute(sql, (status.value, owner, ended))


def _columns_of(status: Status) -> tuple[str | None, int | None]:
    ended = None if status in (Status.PENDING, Status.PROCESSING) else 5
    return "one" if status is Status.PROCESSING else None, ended


@pytest.mark.parametrize(("first", "later"), list(permutations(Status, 2)))
def test_sql_allows_the_transitions_of_the_model_alone(bare: sqlite3.Connection, first: Status, later: Status) -> None:
    _job_in(bare, first)
    update = "UPDATE aiojobs_jobs SET status = ?, owner = ?, completed_at = ?"
    if (first, later) in TRANSITIONS:
        bare.execute(update, (later.value, *_columns_of(later)))
    else:
        with pytest.raises(sqlite3.IntegrityError, match="transition of a job is not allowed"):
            bare.execute(update, (later.value, *_columns_of(later)))
    expected = later if (first, later) in TRANSITIONS else first
    assert bare.execute("SELECT status FROM aiojobs_jobs").fetchall() == [(expected.value,)]


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
        (Status.PROCESSING, "held = 'x'"),
        (Status.COMPLETED, "completed_at = NULL"),
        (Status.DEAD, "owner = 'x'"),
    ],
)
def test_sql_refuses_a_row_that_contradicts_itself(bare: sqlite3.Connection, status: Status, change: str) -> None:
    _job_in(bare, status)
    with pytest.raises(sqlite3.IntegrityError):
        bare.execute(f"UPDATE aiojobs_jobs SET {change}")


TEXTS = ("type", "payload", "owner", "idempotency_key", "error", "reason", "result", "held", "schedule")
TIMES = ("scheduled_at", "created_at", "started_at", "completed_at", "tick")
COUNTS = ("attempts", "max_attempts", "interruptions", "snoozes", "crashes")


@pytest.mark.parametrize(
    ("column", "value"),
    first_of(
        22,
        [
            *((column, value) for column in TEXTS for value in (b"", b"text")),
            *((column, value) for column in TIMES for value in ("soon", b"5", -(10**17), 10**18)),
            *((column, value) for column in COUNTS for value in ("many", b"5", -1, 9.3e18)),
            *(("priority", value) for value in ("high", b"1", 3, 0.5)),
            *(("status", value) for value in ("", "lost", b"pending")),
        ],
    ),
)
def test_sql_refuses_a_value_of_another_kind(bare: sqlite3.Connection, column: str, value: object) -> None:
    standing = {"owner": Status.PROCESSING, "completed_at": Status.DEAD}.get(column, Status.PENDING)
    _job_in(bare, standing)
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        bare.execute(f"UPDATE aiojobs_jobs SET {column} = ?", (value,))


def test_two_queries_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "of_one_name"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "a.sql").write_text("-- name: one\nSELECT 1;\n-- name: one\nSELECT 2;\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="two queries or two fragments are named one"):
        named_sql.load("of_one_name", {})
