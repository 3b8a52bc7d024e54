"""Opening and locking the file of an owner, in a folder in which others may put something else under its name.

Closing any descriptor of a file drops all locks that this process has on it: those of SQLite, and those of its owners.
So what may be another name of such a file is never opened; and what came under the name between the look and the
opening stays open. A file with several names is opened only while no descriptor of this process leads to it. An owner's
file is empty, or longer by a byte: that is the note that its attempts were interrupted.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

_DESCRIPTORS: Final = "/dev/fd"  # of this process
FileId = tuple[int, int]
"""Device and inode."""

_MOST_TRIES: Final = 100  # to lock a new file that others remove, or hold for a moment
_INTERRUPTED_SIZE: Final = 1  # bytes of a file with the note, else it is empty
_FLAGS: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # never through a link, never waits for a pipe


def locked(path: Path, own: Collection[FileId]) -> int:
    """The descriptor of a locked file, which is made if there is none. It waits for no other process.

    Args:
        path: The file.
        own: The files of this process, which must not be opened.

    Raises:
        OSError: If there cannot be one, or if something else has its name.
    """
    for _ in range(_MOST_TRIES):
        try:
            descriptor = opened(path, own)
        except FileNotFoundError:
            try:
                descriptor = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                continue
        if not _lock(descriptor):
            path.unlink(missing_ok=True)  # another process looks whether its owner is dead, and may have been stopped
        elif is_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # another process took the new file for a dead owner's and removed it, or holds its lock
    raise OSError(errno.EAGAIN, "other processes lock it or remove it again and again", str(path))


def is_free(path: Path, own: Collection[FileId]) -> bool:
    """Whether no process holds the lock of a file; also if there is none.

    The file may have other names (hard links, as some backups make them), unless this process has it open.

    Raises:
        OSError: If it cannot be opened, or if something else has its name.
    """
    try:
        descriptor = opened(path, own, may_be_linked=True)
    except FileNotFoundError:
        return True
    is_locked = _lock(descriptor)
    os.close(descriptor)
    return is_locked


def silence_of(path: Path) -> float | None:
    """For how many seconds a file was not touched; None if there is none."""
    try:
        touched = os.lstat(path).st_mtime
    except OSError:
        return None
    return max(0.0, time.time() - touched)


def note_interrupted(descriptor: int) -> None:
    """Notes in an owner's file that its attempts were interrupted: it gets longer. That takes no space on the disk,
    which may be full.

    Raises:
        OSError: If it cannot be noted.
    """
    os.ftruncate(descriptor, _INTERRUPTED_SIZE)


def is_interrupted(path: Path) -> bool:
    """Whether an owner's file has this note."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return _is_plain(found, _INTERRUPTED_SIZE, may_be_linked=True) and found.st_size == _INTERRUPTED_SIZE


def is_at(descriptor: int, path: Path) -> bool:
    """Whether a path leads to an open file, and not through a link."""
    try:
        return _id(os.lstat(path)) == _id(os.fstat(descriptor))
    except OSError:
        return False


def file_ids(paths: Collection[str], descriptors: Collection[int]) -> set[FileId]:
    """The files at these paths, as far as there are any, and those that are open."""
    found = {_id(os.fstat(descriptor)) for descriptor in descriptors}
    for path in paths:
        try:
            found.add(_id(os.stat(path)))
        except OSError:
            continue
    return found


def opened(
    path: Path,
    own: Collection[FileId],
    *,
    may_be_linked: bool = False,
    flags: int = _FLAGS,
    longest: int = _INTERRUPTED_SIZE,
) -> int:
    """The descriptor of a plain file of at most so many bytes.

    Args:
        path: The file.
        own: The files of this process, which must not be opened.
        may_be_linked: Whether it may have other names.
        flags: How it is opened.
        longest: Most bytes that it has.

    Raises:
        OSError: If it cannot be opened, or if something else has its name.
    """
    found = os.lstat(path)
    if not _is_plain(found, longest, may_be_linked=may_be_linked) or _id(found) in own:
        raise _strange(path, longest)
    if found.st_nlink > 1 and descriptors_of(_id(found)):
        raise _strange(path, longest)
    descriptor = os.open(path, flags)
    status = os.fstat(descriptor)
    if _id(status) != _id(found) or not _is_plain(status, longest, may_be_linked=may_be_linked):
        raise _strange(path, longest)  # the descriptor stays open
    if status.st_nlink > 1 and descriptors_of(_id(status)) != {descriptor}:
        raise _strange(path, longest)  # the same
    return descriptor


def _lock(descriptor: int) -> bool:
    """Locks a file; returns whether no other process has."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def descriptors_of(file: FileId) -> set[int]:
    """The descriptors of a file that this process has open: without any, it has no lock on it that could be dropped.

    Raises:
        OSError: If that cannot be known.
    """
    found = set()
    for name in os.listdir(_DESCRIPTORS):
        try:
            if _id(os.fstat(int(name))) == file:
                found.add(int(name))
        except OSError:
            continue  # it was closed meanwhile
    return found


def _is_plain(status: os.stat_result, longest: int, *, may_be_linked: bool) -> bool:
    """Whether it is a plain file of at most so many bytes, and with one name, or none: it may be removed any moment."""
    is_named_once = status.st_nlink <= 1 or may_be_linked
    return stat.S_ISREG(status.st_mode) and status.st_size <= longest and is_named_once


def _id(status: os.stat_result) -> FileId:
    return status.st_dev, status.st_ino


def _strange(path: Path, longest: int) -> OSError:
    size = "one byte" if longest == _INTERRUPTED_SIZE else f"{longest:,} bytes"
    text = f"it is no owner's file, which is plain, of at most {size}, and has one name; remove it"
    return OSError(errno.EINVAL, text, str(path))
