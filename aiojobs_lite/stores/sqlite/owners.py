"""Who is alive: each runner holds a kernel lock on a small file of its own, named by its owner id.

The lock is free the moment its process ends: exact, instant, with no clock, unmoved by a blocked event loop.
POSIX locks belong to a process, and closing any descriptor of a file drops them: a file of an owner that lives in
this process must never be opened again. Hence state at module level.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Collection, Mapping
from glob import escape
from pathlib import Path
from typing import Final

from aiojobs_lite.errors import StoreRefused
from aiojobs_lite.logs import get_log
from aiojobs_lite.stores.base import OwnerReport
from aiojobs_lite.stores.sqlite import owner_file, owner_report
from aiojobs_lite.stores.sqlite.file import remedy

_log = get_log("engine")
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
        self._is_noted = False  # then the file is left to the rescue
        self._report = ""  # the latest, of a database that no other process shares
        self._is_report_lost = False  # as was logged
        self._strange: set[str] = set()  # the owners in place of whose files something else was found, as was logged

    async def acquire(self, owner: str, *, lost: Callable[[], None], regained: Callable[[], None]) -> None:
        """See `Owners.acquire`; a kernel lock is never lost while its process lives."""
        del lost, regained
        self._owner, self._is_noted = owner, False
        self._lock(owner)

    async def dead(self, owners: Collection[str]) -> set[str]:
        """See `Owners.dead`."""
        strange = set[str]()
        self._renew(strange)
        own = self._own_files()
        found = {owner for owner in owners if self._is_dead(owner, own, strange)}
        for owner in self._others().difference(owners):
            if self._is_dead(owner, own, strange):
                self._remove_file(owner)
        self._strange = strange
        return found

    def living(self) -> set[str]:
        """The ids of all owners of the database that live, in whatever process; nothing is removed."""
        if self._prefix is None:
            return set()
        of_this_process = {owner for pid, owner in OWNERS_OF_THIS_PROCESS if pid == os.getpid()}
        own, strange = self._own_files(), set[str]()
        ours = {owner for owner in of_this_process if self._path(owner).exists()}
        return ours | {owner for owner in self._others() if not self._is_dead(owner, own, strange)}

    def note_interrupted(self) -> None:
        """See `Owners.note_interrupted`."""
        owner = self._owner
        self._renew(set())
        descriptor = None if owner is None else OWNERS_OF_THIS_PROCESS.get((os.getpid(), owner))
        if owner is None or descriptor is None:
            return
        try:
            owner_file.note_interrupted(descriptor)
        except OSError as error:
            text = "%s cannot be written: %s. The jobs that this runner leaves unfinished lose an attempt"
            _log.warning(text, self._path(owner), error.strerror)
        else:
            self._is_noted = True

    def was_interrupted(self, owner: str) -> bool:
        """See `Owners.was_interrupted`."""
        is_name = self._prefix is not None and _OWNER_ID.fullmatch(owner)
        return bool(is_name) and owner_file.is_interrupted(self._path(owner))

    def beat(self) -> None:
        """See `Owners.beat`: the file of the lock is touched. It is made anew elsewhere if it was removed."""
        if self._owner is not None and self._prefix is not None:
            with contextlib.suppress(FileNotFoundError):
                os.utime(self._path(self._owner), follow_symlinks=False)

    def report(self, text: str) -> None:
        """See `Owners.report`."""
        owner = self._owner
        if owner is None or self._prefix is None:
            self._report = text
            return
        try:
            owner_report.write_report(self._path(owner), text)
        except OSError as error:
            if not self._is_report_lost:
                _log.warning(
                    "%s%s cannot be written: %s. Other processes do not see that a handler is stuck or the event loop "
                    "is blocked",
                    self._path(owner), owner_report.REPORT, error.strerror,
                )  # fmt: skip
            self._is_report_lost = True
        else:
            self._is_report_lost = False

    async def reports(self, owners: Collection[str]) -> Mapping[str, OwnerReport]:
        """See `Owners.reports`."""
        if self._prefix is None:
            return {owner: OwnerReport(self._report) for owner in owners if owner == self._owner}
        own = self._own_files()
        return {owner: self._report_of(self._path(owner), own) for owner in owners if _OWNER_ID.fullmatch(owner)}

    def release(self) -> None:
        """See `Owners.release`."""
        owner, self._owner = self._owner, None
        self._report = ""
        if owner is None:
            return
        descriptor = OWNERS_OF_THIS_PROCESS.pop((os.getpid(), owner), None)
        if descriptor is not None:
            owner_report.remove_report(self._path(owner))
            if not self._is_noted and owner_file.is_at(descriptor, self._path(owner)):
                self._path(owner).unlink(missing_ok=True)
            os.close(descriptor)

    def _path(self, owner: str) -> Path:
        return Path(f"{self._prefix}{owner}")

    def _remove_file(self, owner: str) -> None:
        self._path(owner).unlink(missing_ok=True)
        owner_report.remove_report(self._path(owner))

    @staticmethod
    def _report_of(path: Path, own: Collection[owner_file.FileId]) -> OwnerReport:
        try:
            text = owner_report.read_report(path, own)
        except (OSError, UnicodeDecodeError) as error:  # another user's, or no report: there is nothing to be known
            _log.debug("%s%s cannot be read: %s", path, owner_report.REPORT, error)
            text = ""
        return OwnerReport(text, owner_file.silence_of(path))

    def _own_files(self) -> set[owner_file.FileId]:
        """The files that this process has locked: closing any other descriptor of one would drop its lock."""
        opened = [descriptor for descriptor in OWNERS_OF_THIS_PROCESS.values() if descriptor is not None]
        return owner_file.file_ids([f"{self._database}{suffix}" for suffix in ("", "-wal", "-shm")], opened)

    def _lock(self, owner: str) -> None:
        try:
            descriptor = None if self._prefix is None else owner_file.locked(self._path(owner), self._own_files())
        except OSError as error:
            advice = f"No file can be made beside it: {error.strerror}. {remedy(error)}"
            raise StoreRefused(str(self._database), "unreadable", advice) from error
        OWNERS_OF_THIS_PROCESS[os.getpid(), owner] = descriptor

    def _renew(self, strange: set[str]) -> None:
        """Makes the lock's file anew if it was removed: without it this owner would be taken for dead."""
        owner = self._owner
        descriptor = None if owner is None else OWNERS_OF_THIS_PROCESS.get((os.getpid(), owner))
        if owner is None or descriptor is None or owner_file.is_at(descriptor, self._path(owner)):
            return
        text = "the file %s%s was removed; it shows that this runner lives. %s"
        try:
            self._lock(owner)
        except StoreRefused as error:
            if self._is_new(owner, strange):
                _log.warning(text, self._prefix, owner, error)
        else:
            _log.warning(text, self._prefix, owner, "It was made again")
            os.close(descriptor)

    def _is_dead(self, owner: str, own: Collection[owner_file.FileId], strange: set[str]) -> bool:
        if (os.getpid(), owner) in OWNERS_OF_THIS_PROCESS:
            return False
        if self._prefix is None or not _OWNER_ID.fullmatch(owner):
            return True
        path = self._path(owner)
        try:
            return owner_file.is_free(path, own)
        except OSError as error:  # another user's, or no owner's file: an owner that is not known to be dead lives
            if self._is_new(owner, strange):
                _log.warning("%s cannot be looked at: %s. Its owner is taken for alive", path, error.strerror)
            return False

    def _is_new(self, owner: str, strange: set[str]) -> bool:
        """Adds an owner to those that something strange was found for; returns whether that is to be logged."""
        is_new = owner not in self._strange and owner not in strange
        strange.add(owner)
        return is_new

    def _others(self) -> set[str]:
        """The ids that left a file beside the database, this process's own not among them."""
        if self._prefix is None:
            return set()
        prefix = Path(self._prefix)
        try:
            names = [entry.name.removeprefix(prefix.name) for entry in prefix.parent.glob(f"{escape(prefix.name)}*")]
        except OSError as error:  # too many open files, say; the next look may find what is to be removed
            _log.debug("%s cannot be listed: %s", prefix.parent, error.strerror)
            return set()
        return {
            owner
            for owner in {name.partition(".")[0] for name in names}  # a report may be all that is left
            if _OWNER_ID.fullmatch(owner) and (os.getpid(), owner) not in OWNERS_OF_THIS_PROCESS
        }
