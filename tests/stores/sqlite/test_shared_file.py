"""The job tables in the application's own database: its tables, its numbers and its connections are left alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite.errors import StoreRefused
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.writes import Insert
from aiojobs_lite.stores.open import open_store
from tests.helpers.stores import NOW

APPLICATION = """
    CREATE TABLE jobs (id INTEGER PRIMARY KEY, title TEXT);
    CREATE TABLE aiojobs (id INTEGER PRIMARY KEY);
    CREATE INDEX titles ON jobs (title);
    CREATE TRIGGER shouting AFTER INSERT ON jobs BEGIN UPDATE jobs SET title = upper(title) WHERE id = NEW.id; END;
    CREATE VIEW counts AS SELECT count(*) FROM jobs;
    INSERT INTO jobs (title) VALUES ('gardener'), ('cook');
    PRAGMA application_id = 77;
    PRAGMA user_version = 12;
"""
FOREIGN = [
    "CREATE TABLE aiojobs_jobs (id INTEGER PRIMARY KEY, title TEXT)",
    "CREATE TABLE aiojobs_meta (key TEXT PRIMARY KEY, value TEXT)",
    "CREATE TABLE aiojobs_meta (name TEXT)",
    "CREATE VIEW aiojobs_jobs AS SELECT 1",
    "CREATE TABLE aiojobs_meta (key, value); INSERT INTO aiojobs_meta VALUES ('application', 'other'), ('schema', 1)",
    "CREATE TABLE aiojobs_meta (key, value); INSERT INTO aiojobs_meta VALUES ('application', 'aiojobs_lite')",
]


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """The path of an application's database, which uses the older kind of journal."""
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(APPLICATION)
    return path


def of_the_application(connection: sqlite3.Connection) -> list[Any]:
    """All that the application made."""
    made = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'aiojobs\\_%' ESCAPE '\\' ORDER BY name"
    found = connection.execute(made).fetchall()
    rows = connection.execute("SELECT * FROM jobs ORDER BY id").fetchall()
    numbers = [connection.execute(f"PRAGMA {name}").fetchall() for name in ("application_id", "user_version")]
    return [found, rows, numbers]


async def used(path: Path) -> int:
    """Opens the store, inserts a job, closes it; returns how many jobs there are."""
    store = open_store(path, "full")
    await store.open()
    try:
        await store.apply([(Insert((NewJob("a", "{}", 1, NOW, 5, NOW),)),)], NOW)
        await store.maintain(NOW)
        return len(await store.ask(FindJobs()))
    finally:
        await store.close()


async def test_what_the_application_made_is_left_alone(shared: Path) -> None:
    with closing(sqlite3.connect(shared, isolation_level=None)) as application:
        before = of_the_application(application)
        assert [await used(shared) for _ in range(2)] == [1, 2]
        assert of_the_application(application) == before
        application.execute("INSERT INTO jobs (title) VALUES ('smith')")
        assert await used(shared) == 3
        assert application.execute("SELECT title FROM jobs WHERE id = 3").fetchall() == [("SMITH",)]


async def test_all_that_the_library_makes_bears_its_prefix(shared: Path) -> None:
    with closing(sqlite3.connect(shared)) as application:
        before = set(application.execute("SELECT name FROM sqlite_master"))
        await used(shared)
        made = {name for (name,) in set(application.execute("SELECT name FROM sqlite_master")) - before}
    automatic = {name for name in made if name.startswith("sqlite_autoindex_aiojobs_")}
    assert made - automatic
    assert all(name.startswith("aiojobs_") for name in made - automatic)


@pytest.mark.parametrize("foreign", FOREIGN)
async def test_tables_of_our_names_that_are_not_ours_are_refused_untouched(tmp_path: Path, foreign: str) -> None:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(foreign)
    before = path.read_bytes()
    with pytest.raises(StoreRefused, match="foreign") as refused:
        await used(path)
    assert refused.value.why == "foreign"
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["app.db"]


async def test_tables_of_ours_that_lack_a_column_are_refused_untouched(shared: Path) -> None:
    await used(shared)
    with closing(sqlite3.connect(shared, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        connection.executescript("DROP INDEX aiojobs_jobs_held; ALTER TABLE aiojobs_jobs RENAME COLUMN held TO parked")
    before = shared.read_bytes()
    with pytest.raises(StoreRefused, match="no such column"):
        await used(shared)
    assert shared.read_bytes() == before


async def test_a_transaction_of_the_application_is_waited_for(shared: Path) -> None:
    await used(shared)
    store = open_store(shared, "full")
    await store.open()
    with closing(sqlite3.connect(shared, isolation_level=None)) as application:
        application.execute("BEGIN IMMEDIATE")
        application.execute("INSERT INTO jobs (title) VALUES ('smith')")
        units = [(Insert((NewJob("a", "{}", 1, NOW, 5, NOW),)),)]
        assert store.inline is not None
        assert store.inline.apply(units, NOW) is None  # nothing that would wait is done inline
        application.execute("COMMIT")
    try:
        await store.apply(units, NOW)
        assert len(await store.ask(FindJobs())) == 2
    finally:
        await store.close()
