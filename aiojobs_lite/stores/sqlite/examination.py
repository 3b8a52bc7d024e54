"""What may be wrong with the file of a database: where it lies, who may use it, its log, its tables, its pages."""

from __future__ import annotations

import os
import pwd
import sqlite3
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Final

from aiojobs_lite.stores.named_sql import migrations
from aiojobs_lite.stores.sqlite.file import LARGEST_LOG, size_of
from aiojobs_lite.stores.sqlite.mounts import mount_of
from aiojobs_lite.stores.upkeep import Finding
from aiojobs_lite.telemetry.wording import counted

_LEAST_FREE: Final = 256 * 2**20  # bytes on its disk
_SHARE_FREE: Final = 0.1  # of its size
_MOST_DAMAGE_SHOWN: Final = 3


def examine_files(path: Path, living: Collection[str]) -> list[Finding]:
    """What the file system says of a database."""
    return [_file(path), _place(path), _library(), _log(path), _space(path), _runners(living)]


def examine_database(connection: sqlite3.Connection, version: int, *, is_thorough: bool) -> list[Finding]:
    """What SQLite says of a database."""
    return [_schema(version), _journal(connection), _integrity(connection, is_thorough=is_thorough)]


def _file(path: Path) -> Finding:
    status = os.stat(path)
    mode = stat.S_IMODE(status.st_mode)
    text = f"{path}, {status.st_size:,} bytes, mode {mode:04o}, of {_user(status.st_uid)}"
    if not (os.access(path, os.R_OK | os.W_OK) and os.access(path.parent, os.W_OK)):
        return Finding("file", "bad", f"{text}; this user may not write it and its folder: run as that user")
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        return Finding("file", "warning", f"{text}; other users may write it: `chmod go-w`")
    return Finding("file", "ok", text)


def _place(path: Path) -> Finding:
    mount = mount_of(path)
    if mount is None:
        return Finding("place", "ok", "what is mounted there is not known")
    if mount.is_network:
        text = f"{mount.point} is a network file system ({mount.kind}), on which locks do not hold"
        return Finding("place", "bad", f"{text}: move it to a local disk")
    return Finding("place", "ok", f"{mount.kind} at {mount.point}")


def _library() -> Finding:
    return Finding("library", "ok", f"SQLite {sqlite3.sqlite_version}")


def _log(path: Path) -> Finding:
    size = size_of(f"{path}-wal")
    if size > 2 * LARGEST_LOG:
        text = f"its log has {size:,} bytes: a program reads in one long transaction; end that"
        return Finding("log", "warning", text)
    return Finding("log", "ok", f"{size:,} bytes")


def _space(path: Path) -> Finding:
    disk = os.statvfs(path.parent)
    free, least = disk.f_bavail * disk.f_frsize, max(_LEAST_FREE, int(size_of(str(path)) * _SHARE_FREE))
    text = f"{free:,} bytes are free on its disk"
    return Finding("space", "ok", text) if free >= least else Finding("space", "warning", f"{text}: free some")


def _runners(living: Collection[str]) -> Finding:
    return Finding(
        "runners", "ok", f"{counted(len(living), 'runner')} that live: {', '.join(sorted(living)) or 'none'}"
    )


def _schema(version: int) -> Finding:
    newest = len(migrations("aiojobs_lite.stores.sqlite"))
    if version == 0:
        return Finding("schema", "bad", "it has no tables of aiojobs_lite: name the file that the application uses")
    if version < newest:
        text = f"schema {version}, this release works on {newest}: start the application, or `aiojobs-lite db migrate`"
        return Finding("schema", "warning", text)
    return Finding("schema", "ok", f"schema {version}, that of this release")


def _journal(connection: sqlite3.Connection) -> Finding:
    ((mode,),) = connection.execute("PRAGMA journal_mode").fetchall()
    if mode != "wal":
        text = f"journal mode {mode}: the next start of an application switches it to wal"
        return Finding("journal", "warning", text)
    return Finding("journal", "ok", "journal mode wal")


def _integrity(connection: sqlite3.Connection, *, is_thorough: bool) -> Finding:
    check = "integrity_check" if is_thorough else "quick_check"
    found = [str(text) for (text,) in connection.execute(f"PRAGMA {check}").fetchall()]
    if found == ["ok"]:
        return Finding("integrity", "ok", f"{check} found nothing")
    text = f"{'; '.join(found[:_MOST_DAMAGE_SHOWN])}: stop its programs, and restore a backup"
    return Finding("integrity", "bad", text)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
