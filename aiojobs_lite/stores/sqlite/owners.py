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
import secrets
from glob import escape
from pathlib import Path

from aiojobs_lite.errors import StoreRefused

_log = logging.getLogger("aiojobs_lite.engine")
_OWNER_ID = re.compile(r"[0-9a-f]{16}")
_SUFFIX = "-owner-"
_HERE: dict[tuple[int, str], int | None] = {}  # (pid, owner id) -> descriptor of its lock


class Ownership:
    """The identity of one runner instance, and how it tells whether others live.

    Args:
        shared_path: Prefix of the owners' files; None if nobody outside this process can share the database.
    """

    def __init__(self, shared_path: str | None) -> None:
        self.owner = secrets.token_hex(8)
        self._prefix = None if shared_path is None else shared_path + _SUFFIX

    def acquire(self) -> None:
        """Shows that this owner lives, until it is released or the process ends.

        Raises:
            StoreRefused: If no file can be made beside the database.
        """
        try:
            descriptor = None if self._prefix is None else self._locked(Path(self._prefix + self.owner))
        except OSError as error:
            advice = (
                f"No file can be made beside it: {error.strerror}. "
                "The file and its directory must be writable by this user."
            )
            raise StoreRefused(str(self._prefix).removesuffix(_SUFFIX), "unreadable", advice) from error
        _HERE[os.getpid(), self.owner] = descriptor

    def renew(self) -> None:
        """Makes the lock's file anew if somebody has removed it: without it this owner would be taken for dead."""
        descriptor = _HERE.get((os.getpid(), self.owner))
        if descriptor is not None and not _is_at(descriptor, Path(f"{self._prefix}{self.owner}")):
            told = "the file %s%s was removed; it shows that this runner lives. %s"
            try:
                self.acquire()
            except StoreRefused as error:
                _log.warning(told, self._prefix, self.owner, error)
            else:
                _log.warning(told, self._prefix, self.owner, "Made again")
                os.close(descriptor)

    def release(self) -> None:
        """Gives the identity up; to be called when nothing runs under it any more. May be called twice."""
        descriptor = _HERE.pop((os.getpid(), self.owner), None)
        if descriptor is not None:
            Path(f"{self._prefix}{self.owner}").unlink(missing_ok=True)
            os.close(descriptor)

    def is_dead(self, owner: str) -> bool:
        """Whether no process runs anything under this id any more."""
        if (os.getpid(), owner) in _HERE:
            return False
        if self._prefix is None or not _OWNER_ID.fullmatch(owner):
            return True
        return self._probe(Path(self._prefix + owner))

    def bury(self, owner: str) -> None:
        """Removes the file of an owner that is dead and has no jobs left."""
        if self._prefix is not None and _OWNER_ID.fullmatch(owner) and self.is_dead(owner):
            Path(self._prefix + owner).unlink(missing_ok=True)

    def others(self) -> list[str]:
        """The ids that left a file here, this process's own not among them."""
        if self._prefix is None:
            return []
        prefix = Path(self._prefix)
        found = (entry.name.removeprefix(prefix.name) for entry in prefix.parent.glob(f"{escape(prefix.name)}*"))
        return [owner for owner in found if (os.getpid(), owner) not in _HERE]

    @staticmethod
    def _locked(path: Path) -> int:
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.lockf(descriptor, fcntl.LOCK_EX)
            if _is_at(descriptor, path):
                return descriptor
            os.close(descriptor)  # somebody took the new file for a dead owner's and removed it

    @staticmethod
    def _probe(path: Path) -> bool:
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return True
        except OSError as error:  # another user's, or no file: who is not known to be dead lives
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
