"""Whose tables are in a file, and of which version: refusing, creating and migrating them.

All that the library keeps bears the prefix `aiojobs_`, and the file says in `aiojobs_meta` that it is the library's;
other tables are the application's, and are never touched.

`migrations/` has a numbered script for each version, `0001_initial.sql` the first. A change of the tables is the script
of the next number, `<number>_<noun>.sql`, and a released script never changes again:

- Each is one transaction, which also counts the version up. Of several processes that open a file at once one migrates
  it.
- Processes of the release before go on only if their statements do: a script adds, and takes away what no release uses
  any more.
- A new file is made at once, by `new_file.sql`, which has what all of them lead to; a test holds that it does, and
  `python -m tests.helpers.new_file` writes it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from aiojobs_lite.errors import StoreRefused
from aiojobs_lite.stores.base import Opening
from aiojobs_lite.stores.named_sql import migration, migrations
from aiojobs_lite.stores.sqlite.file import BUSY_TIMEOUT_S, LARGEST_LOG, prove_writable, size_of, translated
from aiojobs_lite.stores.sqlite.forks import check_lock
from aiojobs_lite.stores.sqlite.inline import BUSY_STEP_MS
from aiojobs_lite.stores.sqlite.rows import Sql

_APPLICATION: Final = "aiojobs_lite"
_OLD_APPLICATION_ID: Final = (
    0x616A6C31  # of an earlier state of 0.1.0, which had a file of its own and tables without the prefix
)
_OLD_VERSION: Final = 1
NEW_FILE_VERSION: Final = 15  # of `new_file.sql`
WAL_PATIENCE_S: Final = 5.0  # the switch to WAL does not wait for locks by itself
_BROKEN: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_FORBIDDEN: Final = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")


def prepare(
    connection: sqlite3.Connection, database: str, sql: Sql, *, durability: str, opening: Opening = "own"
) -> None:
    """Checks that the tables of our names are ours, or makes or migrates them; changes nothing before.

    Raises:
        StoreRefused: If the file is corrupt or not writable, or its tables are foreign or newer; or not made or older,
            and the opening allows to make and migrate none.
        StoreUnavailable: If it is locked for too long.
    """
    try:
        _check_unrecovered(database, sql)
        version = checked_version(connection, database, sql)
        if opening != "own":
            _check_current(database, version)
        if opening == "look":
            connection.execute("PRAGMA query_only = ON")
            return
        _set_wal(connection)
        connection.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_size_limit = {LARGEST_LOG}")
        if opening == "own":
            _bring_up(connection, sql, version)
        _prove_writable(connection)
        _check_tables(connection, database, sql)
        # Else a statement of many rows writes what it may have to take back to a file of /var/tmp, which may be full.
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA busy_timeout = {BUSY_STEP_MS}")
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorname", "")
        if code.startswith(_BROKEN):
            advice = "Restore it from a backup, or move it away to start empty; it was not changed."
            raise StoreRefused(database, "corrupt", f"SQLite says: {error}. {advice}") from error
        if code.startswith(_FORBIDDEN):
            limit = " (and the limit of open files not reached, `ulimit -n`)" if "CANTOPEN" in code else ""
            advice = f"SQLite says: {error}. The file and its directory must be writable by this user{limit}."
            raise StoreRefused(database, "unreadable", advice) from error
        raise translated(error) from error


def _check_current(database: str, version: int) -> None:
    """Checks that the tables are those of this release."""
    newest = len(migrations(__package__))
    if version == 0:
        advice = (
            "It has no tables of aiojobs_lite. Name the file that the application uses; its first start makes them."
        )
        raise StoreRefused(database, "no jobs", advice)
    if version < newest:
        advice = f"Its tables have schema {version}, this release works on {newest}. Start the application with this "
        raise StoreRefused(database, "older", f"{advice}release, or migrate it: `aiojobs-lite db migrate`.")


def _bring_up(connection: sqlite3.Connection, sql: Sql, version: int) -> None:
    """Makes the tables, or migrates them to this release."""
    scripts = migrations(__package__)
    if version == 0 and len(scripts) >= NEW_FILE_VERSION and not _is_old(connection):
        version = _make(connection, sql)
    for number, script in enumerate(scripts, start=1):
        if number > version:
            _migrate(connection, sql, number, script)


def _prove_writable(connection: sqlite3.Connection) -> None:
    """Proves at last that the file may be written, unless another connection is writing it.

    That one may be of the caller's own, whose transaction is open: it may read the jobs all the same. SQLite looks at
    the rights before the lock.
    """
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if not error.sqlite_errorname.startswith("SQLITE_BUSY"):
            raise
        return
    prove_writable(connection)
    connection.execute("ROLLBACK")


def _check_unrecovered(database: str, sql: Sql) -> None:
    """Checks a database whose last user was killed read-only first: a connection that may write, and only looks,
    moves the write-ahead log into it when it closes.
    """
    if size_of(f"{database}-wal"):
        address = f"{Path(database).absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S)) as reader:
            checked_version(reader, database, sql)


def checked_version(connection: sqlite3.Connection, database: str, sql: Sql) -> int:
    """The version of our tables in the file; 0 without any."""
    connection.execute("BEGIN")  # all of one instant: another process may be making the schema
    try:
        is_new = not connection.execute(sql["names_of_ours"]).fetchall()
        check_lock(database)
        if is_new:
            _check_old(connection, database)
            return 0
        version = stored_version(connection, sql)
        if version is None:
            raise _refused_as_foreign(database)
        newest = len(migrations(__package__))
        if version > newest:
            advice = f"Its tables have schema {version}, this release knows {newest}. Upgrade aiojobs_lite."
            raise StoreRefused(database, "newer", f"{advice} It was not changed.")
        if version == newest:
            _check_tables(connection, database, sql)
        return version
    finally:
        connection.execute("COMMIT")


def _refused_as_foreign(database: str) -> StoreRefused:
    advice = (
        "It has tables whose names begin with aiojobs_ and that are not this library's. Rename them, or give the jobs"
    )
    return StoreRefused(database, "foreign", f"{advice} a file of their own; it was not changed.")


def stored_version(connection: sqlite3.Connection, sql: Sql) -> int | None:
    """The version that the file names; None if it does not say that the tables are ours."""
    try:
        meta = dict(connection.execute(sql["meta"]).fetchall())
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_ERROR":  # no such table, no such column
            raise
        return None
    version = meta.get("schema")
    return version if meta.get("application") == _APPLICATION and isinstance(version, int) and version > 0 else None


def _check_old(connection: sqlite3.Connection, database: str) -> None:
    if _application_id(connection) == _OLD_APPLICATION_ID and _user_version(connection) > _OLD_VERSION:
        advice = (
            "Its tables, of an earlier state, were moved, and are gone. Restore it from a backup; it was not changed."
        )
        raise StoreRefused(database, "corrupt", advice)


def _is_old(connection: sqlite3.Connection) -> bool:
    """Whether it is a file of an earlier state of 0.1.0."""
    return _application_id(connection) == _OLD_APPLICATION_ID and _user_version(connection) == _OLD_VERSION


def _application_id(connection: sqlite3.Connection) -> int:
    ((application,),) = connection.execute("PRAGMA application_id").fetchall()
    return int(application)


def _user_version(connection: sqlite3.Connection) -> int:
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    return int(version)


def _check_tables(connection: sqlite3.Connection, database: str, sql: Sql) -> None:
    """Looks into every table once, so that one that is damaged or missing shows it now, not in the first claim."""
    try:
        for query in ("look_at_tables", "look_at_columns"):
            connection.execute(sql[query]).fetchall()
    except sqlite3.OperationalError as error:
        if not str(error).startswith("no such"):
            raise
        advice = f"SQLite says: {error}. Another program has changed our tables: restore it from a backup."
        raise StoreRefused(database, "corrupt", advice) from error


def _set_wal(connection: sqlite3.Connection) -> None:
    deadline = time.monotonic() + WAL_PATIENCE_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                raise
            time.sleep(0.01)  # on the connection's own thread
        else:
            return


def _make(connection: sqlite3.Connection, sql: Sql) -> int:
    """Makes all tables of a new file, in one transaction, if no other process was quicker; returns their version."""
    with _transaction(connection):
        version = stored_version(connection, sql)
        if version is None:
            for statement in _statements_of_new_file():
                connection.execute(statement)
            version = NEW_FILE_VERSION
    return version


def _migrate(connection: sqlite3.Connection, sql: Sql, number: int, script: str) -> None:
    """Brings the tables to one version, in one transaction; an earlier state of 0.1.0 is moved with the first."""
    with _transaction(connection):
        version = stored_version(connection, sql) or 0
        if version < number:  # else another process was quicker
            scripts = [script]
            if number == 1 and _is_old(connection):
                scripts.append(migration(__package__, "from_0_1_0.sql"))
            for statement in (statement for text in scripts for statement in statements(text)):
                connection.execute(statement)
            connection.execute(sql["set_version"], {"version": number})


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commits at the end of the block, and rolls back if that or the block fails."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@cache
def _statements_of_new_file() -> list[str]:
    return statements(migration(__package__, "new_file.sql"))


def statements(script: str) -> list[str]:
    """Cuts a script into statements; triggers stay whole."""
    found: list[str] = []
    pending = ""
    for line in script.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found
