"""Who is alive: each runner holds a kernel lock on a small file of its own, named by its owner id.

The lock is free the moment its process ends: exact, instant, with no clock, unmoved by a blocked event loop.
POSIX locks belong to a process, and closing any descriptor of a file drops them: a file of an owner that lives in
this process must never be opened again. Hence the one piece of state at module level in this library.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
from collections.abc import Callable, Collection
from glob import escape
from pathlib import Path
from typing import Final

from aiojobs_lite.errors import StoreRefused

_log = logging.getLogger("aiojobs_lite.engine")
_OWNER_ID: Final = re.compile(r"[0-9a-f]{16}")
_SUFFIX: Final = "-owner-"
OWNERS_OF_THIS_PROCESS: dict[tuple[int, str], int | None] = {}  # (pid, owner id) -> descriptor of its lock


class FileOwners:
    """Implements `stores.base.Owners` with a locked file for each owner, beside the database.

    Args:
        database: The path of the database; None if no other process can share it.
    """

    def __init__(self, database: str | None) -> None:
        self._database = database
        self._prefix = None if database is None else database + _SUFFIX
        self._owner: str | None = None

    async def acquire(self, owner: str, *, lost: Callable[[], None], regained: Callable[[], None]) -> None:
        """See `Owners.acquire`; a kernel lock is never lost while its process lives."""
        del lost, regained
        self._owner = owner
        self._lock(owner)

    async def dead(self, owners: Collection[str]) -> set[str]:
        """See `Owners.dead`."""
        self._renew()
        found = {owner for owner in owners if self._is_dead(owner)}
        for owner in self._others().difference(owners):
            if self._is_dead(owner):
                self._remove_file(owner)
        return found

    def release(self) -> None:
        """See `Owners.release`."""
        owner, self._owner = self._owner, None
        if owner is None:
            return
        descriptor = OWNERS_OF_THIS_PROCESS.pop((os.getpid(), owner), None)
        if descriptor is not None:
            self._remove_file(owner)
            os.close(descriptor)

    def _remove_file(self, owner: str) -> None:
        Path(f"{self._prefix}{owner}").unlink(missing_ok=True)

    def _lock(self, owner: str) -> None:
        try:
            descriptor = None if self._prefix is None else _locked(Path(self._prefix + owner))
        except OSError as error:
            advice = (
                f"No file can be made beside it: {error.strerror}. "
                "The file and its directory must be writable by this user."
            )
            raise StoreRefused(str(self._database), "unreadable", advice) from error
        OWNERS_OF_THIS_PROCESS[os.getpid(), owner] = descriptor

    def _renew(self) -> None:
        """Makes the lock's file anew if it was removed: without it this owner would be taken for dead."""
        owner = self._owner
        descriptor = None if owner is None else OWNERS_OF_THIS_PROCESS.get((os.getpid(), owner))
        if owner is None or descriptor is None or _is_at(descriptor, Path(f"{self._prefix}{owner}")):
            return
        text = "the file %s%s was removed; it shows that this runner lives. %s"
        try:
            self._lock(owner)
        except StoreRefused as error:
            _log.warning(text, self._prefix, owner, error)
        else:
            _log.warning(text, self._prefix, owner, "It was made again")
            os.close(descriptor)

    def _is_dead(self, owner: str) -> bool:
        if (os.getpid(), owner) in OWNERS_OF_THIS_PROCESS:
            return False
        if self._prefix is None or not _OWNER_ID.fullmatch(owner):
            return True
        return _is_free(Path(self._prefix + owner))

    def _others(self) -> set[str]:
        """The ids that left a file beside the database, this process's own not among them."""
        if self._prefix is None:
            return set()
        prefix = Path(self._prefix)
        found = {entry.name.removeprefix(prefix.name) for entry in prefix.parent.glob(f"{escape(prefix.name)}*")}
        return {
            owner
            for owner in found
            if _OWNER_ID.fullmatch(owner) and (os.getpid(), owner) not in OWNERS_OF_THIS_PROCESS
        }


def _locked(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.lockf(descriptor, fcntl.LOCK_EX)
        if _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # another process took the new file for a dead owner's and removed it


def _is_free(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    except OSError as error:  # another user's, or no file: an owner that is not known to be dead lives
        _log.warning("%s cannot be looked at: %s", path, error.strerror)
        return False
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        found, held = os.stat(path), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)
