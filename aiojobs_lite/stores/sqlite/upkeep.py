"""Looks after the file of a database: what is wrong with it, its migration, its backup and its restore.

All by SQLite itself, on connections of its own: closing any other descriptor of the file would drop SQLite's locks.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from aiojobs_lite.clock import SystemClock, to_datetime
from aiojobs_lite.errors import StoreRefused, StoreUnavailable
from aiojobs_lite.stores.named_sql import migrations
from aiojobs_lite.stores.sqlite import schema
from aiojobs_lite.stores.sqlite.examination import examine_database, examine_files
from aiojobs_lite.stores.sqlite.file import BUSY_TIMEOUT_S, check_existing, size_of, translated
from aiojobs_lite.stores.sqlite.lock_holder import lock_holder
from aiojobs_lite.stores.sqlite.owners import FileOwners
from aiojobs_lite.stores.sqlite.rows import load_sql
from aiojobs_lite.stores.upkeep import CopyProgress, FileFacts, Finding

_PAGES_A_STEP: Final = 2_000  # of a copy: 8 MB
_PART: Final = "-part"  # the end of the name of a file that is being written


class SqliteUpkeep:
    """Implements `stores.upkeep.Upkeep`.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sql = load_sql()

    def facts(self) -> FileFacts:
        """See `Upkeep.facts`."""
        check_existing(self._path)
        with self._reading(self._path) as connection:
            version = schema.checked_version(connection, str(self._path), self._sql)
            ((page_size,),) = connection.execute("PRAGMA page_size").fetchall()
            ((unused,),) = connection.execute("PRAGMA freelist_count").fetchall()
        disk = os.statvfs(self._path.parent)
        return FileFacts(
            self._path, size_of(str(self._path)), size_of(f"{self._path}-wal"), page_size * unused,
            disk.f_bavail * disk.f_frsize, version, len(migrations("aiojobs_lite.stores.sqlite")),
            len(FileOwners(str(self._path)).living()),
        )  # fmt: skip

    def examine(self, *, is_thorough: bool) -> list[Finding]:
        """See `Upkeep.examine`."""
        check_existing(self._path)
        found = examine_files(self._path, FileOwners(str(self._path)).living())
        try:
            with self._reading(self._path) as connection:
                version = schema.checked_version(connection, str(self._path), self._sql)
                found += examine_database(connection, version, is_thorough=is_thorough)
            is_locked = self.is_locked(1.0)
        except StoreRefused as error:
            return [*found, Finding("schema", "bad", str(error))]
        except StoreUnavailable as error:
            advice = "its file, its folder and their log must be usable by this user"
            return [*found, Finding("access", "bad", f"{error.code}: {error.detail}: {advice}")]
        locked = f"{self.lock_holder() or 'another program'} has kept it locked for a second; end that transaction"
        return [*found, Finding("lock", "bad", locked) if is_locked else Finding("lock", "ok", "it can be written")]

    def is_locked(self, patience: float) -> bool:
        """See `Upkeep.is_locked`."""
        check_existing(self._path)
        with self._connected(self._path, "rw", patience) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_READONLY")):
                    raise
                return True
            connection.execute("ROLLBACK")
        return False

    def lock_holder(self) -> str:
        """See `Upkeep.lock_holder`."""
        return lock_holder(self._path)

    def migrate(self) -> tuple[int, int]:
        """See `Upkeep.migrate`."""
        before = self.facts().schema
        if before == 0:
            advice = (
                "It has no tables of aiojobs_lite: there is nothing to migrate. The start of an application makes them."
            )
            raise StoreRefused(str(self._path), "no jobs", advice)
        with self._connected(self._path, "rw") as connection:
            schema.prepare(connection, str(self._path), self._sql, durability="full")
        return before, self.facts().schema

    def back_up(self, target: Path, progress: CopyProgress) -> None:
        """See `Upkeep.back_up`."""
        check_existing(self._path)
        if os.path.lexists(target):
            raise StoreRefused(str(target), "file exists", "Name a file that is not there.")
        part = target.with_name(target.name + _PART)
        with self._copy(self._path, part, progress):
            os.replace(part, target)

    def restore(self, source: Path, progress: CopyProgress) -> Path | None:
        """See `Upkeep.restore`."""
        check_existing(source)
        if source.resolve() == self._path:
            raise StoreRefused(str(source), "same file", "Name the copy that is to take its place.")
        if living := FileOwners(str(self._path)).living():
            advice = f"Runners that live: {len(living)}. Stop every program that uses it, then restore."
            raise StoreRefused(str(self._path), "in use", advice)
        self._check_unused()
        part = self._path.with_name(self._path.name + _PART)
        with self._copy(source, part, progress):
            former = self._put_aside()
            os.replace(part, self._path)
        return former

    def _put_aside(self) -> Path | None:
        """Renames the database with its log; a log that stayed would be applied to the next file of its name."""
        stamp = to_datetime(SystemClock().now()).strftime("%Y%m%dT%H%M%S")
        former = self._path.with_name(f"{self._path.name}-before-{stamp}")
        Path(f"{self._path}-shm").unlink(missing_ok=True)
        for suffix in ("-wal", ""):
            with suppress(FileNotFoundError):
                os.rename(f"{self._path}{suffix}", f"{former}{suffix}")
        return former if former.exists() else None

    def _check_unused(self) -> None:
        """Checks that no other connection has the file open. A file that is no database is in use nowhere."""
        if not self._path.exists():
            return
        with closing(sqlite3.connect(self._path, isolation_level=None, timeout=0)) as connection:
            try:
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                connection.execute("BEGIN EXCLUSIVE")
                connection.execute("ROLLBACK")
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorname.startswith("SQLITE_BUSY"):
                    advice = "A program has it open. Stop every program that uses it, then restore."
                    raise StoreRefused(str(self._path), "in use", advice) from error

    @contextmanager
    def _copy(self, source: Path, part: Path, progress: CopyProgress) -> Iterator[None]:
        """Copies a database of ours into a new file, and checks the copy; removes it if the block does not take it."""
        part.unlink(missing_ok=True)
        try:
            os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            advice = f"It cannot be made in {part.absolute().parent}: {error.strerror}."
            raise StoreRefused(str(part), "unreadable", advice) from error
        try:
            with self._reading(source) as reader, self._connected(part, "rw") as writer:
                if schema.checked_version(reader, str(source), self._sql) == 0:
                    raise StoreRefused(str(source), "no jobs", "It has no tables of aiojobs_lite.")
                reader.execute("BEGIN")  # all of one moment, so that no writer makes it begin anew
                reader.execute(self._sql["names_of_ours"]).fetchall()
                reader.backup(writer, pages=_PAGES_A_STEP, progress=lambda _, left, all_: progress(all_ - left, all_))
                if damage := _damage_of(writer):
                    raise StoreRefused(str(source), "corrupt", f"SQLite says: {damage}. Use another copy.")
            yield
        finally:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{part}{suffix}").unlink(missing_ok=True)

    @contextmanager
    def _reading(self, path: Path) -> Iterator[sqlite3.Connection]:
        """A connection that reads. One that may write removes its log when it closes; but it would also move one that
        a dead process has left into the file.
        """
        mode = "ro" if size_of(f"{path}-wal") else "rw"
        with self._connected(path, mode) as connection:
            connection.execute("PRAGMA query_only = ON")
            yield connection

    @contextmanager
    def _connected(self, path: Path, mode: str, patience: float = BUSY_TIMEOUT_S) -> Iterator[sqlite3.Connection]:
        """A connection to a file that is there; its faults are those of a store."""
        try:
            address = f"{path.absolute().as_uri()}?mode={mode}"
            connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=patience)
            with closing(connection):
                yield connection
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
                advice = f"SQLite says: {error}. Restore it from a backup; it was not changed."
                raise StoreRefused(str(path), "corrupt", advice) from error
            raise translated(error) from error


def _damage_of(connection: sqlite3.Connection) -> str | None:
    """What SQLite finds wrong with a database first, or None."""
    try:
        ((found, *_), *_) = connection.execute("PRAGMA quick_check").fetchall()
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if found == "ok" else str(found)
