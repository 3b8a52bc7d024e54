"""The database file: creating, refusing, migrating it, and telling passing faults from lasting ones.

The file is never opened here but through SQLite: closing any other descriptor of it would drop SQLite's locks.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from aiojobs_lite.errors import StoreError, StoreRefused, StoreRejected, StoreUnavailable
from aiojobs_lite.stores.named_sql import load, migrations
from aiojobs_lite.stores.sqlite.inline import BUSY_STEP

APPLICATION_ID = 0x616A6C31  # "ajl1"
BUSY_TIMEOUT = 5.0  # seconds that a transaction waits for another process's
_OLDEST = (3, 33, 0)  # UPDATE ... FROM
_COARSE_CLOCK = 100_000_000  # nanoseconds; two changes of a file within a tick of the kernel may bear the same time
_WAL_PATIENCE = 5.0  # seconds; the switch to WAL does not wait for locks by itself

_PASSING = tuple(
    f"SQLITE_{name}"
    for name in (
        "BUSY", "LOCKED", "FULL", "IOERR", "READONLY", "CANTOPEN", "NOMEM", "PROTOCOL", "CORRUPT", "NOTADB", "INTERRUPT"
    )
)  # fmt: skip
_BROKEN = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


def translated(error: Exception) -> StoreError:
    """The library's error for one that SQLite or its driver raised."""
    code: str = getattr(error, "sqlite_errorname", None) or type(error).__name__
    if code.startswith(_PASSING):
        return StoreUnavailable(code, str(error))
    return StoreRejected(f"{code}: {error}")


def create(path: Path) -> None:
    """Makes sure that there is a file that only its owner can read; the -wal and -shm files copy its mode.

    Raises:
        StoreRefused: If there cannot be one.
    """
    if sqlite3.sqlite_version_info < _OLDEST:
        advice = f"SQLite {sqlite3.sqlite_version} is too old, {'.'.join(map(str, _OLDEST))} or newer is needed."
        raise StoreRefused(str(path), "old library", advice)
    try:
        if not path.parent.is_dir():
            raise StoreRefused(str(path), "missing directory", f"Create {path.parent} first.")
        if path.exists():
            if not path.is_file():
                raise StoreRefused(str(path), "not a file", "Name a file, such as app.db.")
            if path.stat().st_nlink > 1:
                advice = "It has several names (hard links), and its log would be kept beside each. Leave it one."
                raise StoreRefused(str(path), "several names", advice)
            if path.stat().st_size == 0 and _size(f"{path}-wal"):
                advice = "It was emptied, and SQLite would now delete its log: restore it, or move both away."
                raise StoreRefused(str(path), "corrupt", advice)
            return
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return  # another process was quicker
    except OSError as error:
        raise StoreRefused(str(path), "unreadable", f"It cannot be created: {error.strerror}.") from error


def prepare(connection: sqlite3.Connection, database: str, *, durability: str) -> None:
    """Checks that the database is ours, sets it up and migrates it; changes nothing before it is known to be ours.

    Raises:
        StoreRefused: If it is corrupt, foreign, newer or not writable.
        StoreUnavailable: If it is locked for too long.
    """
    try:
        _check_unrecovered(database)
        version = _checked_version(connection, database)
        _set_wal(connection)
        connection.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys = ON")
        scripts = migrations(__package__)
        for number, script in enumerate(scripts[version:], start=version + 1):
            _migrate(connection, number, script)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA user_version = {len(scripts)}")  # a file that may only be read fails here at last
        connection.execute("ROLLBACK")
        _check_tables(connection, database)
        connection.execute(f"PRAGMA busy_timeout = {BUSY_STEP}")
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorname", "")
        if code.startswith(_BROKEN):
            advice = "Restore it from a backup, or move it away to start empty; it was not changed."
            raise StoreRefused(database, "corrupt", f"SQLite says: {error}. {advice}") from error
        if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
            advice = f"SQLite says: {error}. The file and its directory must be writable by this user."
            raise StoreRefused(database, "unreadable", advice) from error
        raise translated(error) from error


def _check_unrecovered(database: str) -> None:
    """Checks a database whose last user was killed read-only first: a connection that may write, and only looks,
    moves the write-ahead log into it when it closes.
    """
    if _size(f"{database}-wal"):
        address = f"{Path(database).absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT)) as reader:
            _checked_version(reader, database)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _checked_version(connection: sqlite3.Connection, database: str) -> int:
    connection.execute("BEGIN")  # all three of one instant: another process may be making the schema
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchall()[0]
    (application,) = connection.execute("PRAGMA application_id").fetchall()[0]
    (version,) = connection.execute("PRAGMA user_version").fetchall()[0]
    connection.execute("COMMIT")
    if application != APPLICATION_ID and (tables or application or version):
        advice = "It belongs to another program and was not changed. Give the jobs a file of their own."
        raise StoreRefused(database, "foreign", advice)
    newest = len(migrations(__package__))
    if version > newest:
        advice = f"It has schema {version}, this release knows {newest}. Upgrade aiojobs_lite; it was not changed."
        raise StoreRefused(database, "newer", advice)
    return int(version)


def _check_tables(connection: sqlite3.Connection, database: str) -> None:
    """Looks into every table once, so that one that is damaged or missing shows it now, not in the first claim."""
    try:
        connection.execute(load(__package__, "sqlite.sql")["look_at_tables"]).fetchall()
    except sqlite3.OperationalError as error:
        if not str(error).startswith("no such"):
            raise
        advice = f"SQLite says: {error}. Another program has changed it: restore it from a backup."
        raise StoreRefused(database, "corrupt", advice) from error


def _set_wal(connection: sqlite3.Connection) -> None:
    deadline = time.monotonic() + _WAL_PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                raise
            time.sleep(0.01)  # on the connection's own thread
        else:
            return


def _migrate(connection: sqlite3.Connection, number: int, script: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version < number:  # or another process was quicker
            for statement in statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


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


class Guard:
    """Notices that the file was deleted, emptied or replaced under the open connection, which SQLite does not.

    Each commit looks at the folder alone, and at the files only if something has changed in it: a file system with
    fine time stamps would write those of the log for each write after a look, which makes a commit half as slow again.
    """

    def __init__(self, path: Path) -> None:
        self._folder = str(path.parent)
        self._paths = (str(path), f"{path}-wal")
        self._seen: list[tuple[int, int] | None] = [None, None]
        self._settled: tuple[int, int, int] | None = None

    def check(self) -> None:
        """Compares the files with those seen first, after a commit.

        Raises:
            StoreUnavailable: If one was deleted or replaced: what was committed since may be gone.
        """
        folder = self._state_of_folder()
        if folder is None or folder != self._settled:
            self.check_closely()
        self._settled = folder

    def check_closely(self) -> None:
        """The same in any case; now and then, for a file that was emptied."""
        for index, path in enumerate(self._paths):
            try:
                status = os.stat(path)
            except OSError:
                found = None
            else:
                is_emptied = index == 0 and status.st_size == 0
                found = None if is_emptied else (status.st_dev, status.st_ino)
            if self._seen[index] is None:
                self._seen[index] = found
            elif self._seen[index] != found:
                raise StoreUnavailable(
                    "REPLACED", f"{path} was deleted, emptied or replaced while it was open; restart the program"
                )

    def _state_of_folder(self) -> tuple[int, int, int] | None:
        """Something that is another after a change in the folder; None if it would not tell of one that comes now."""
        try:
            status = os.stat(self._folder)
        except OSError:
            return None
        is_settled = status.st_mtime_ns < time.time_ns() - _COARSE_CLOCK
        return (status.st_dev, status.st_ino, status.st_mtime_ns) if is_settled else None
