"""What is mounted where: a database file that is a mount point by itself, and file systems over a network.

- A file that is mounted alone (`-v ./app.db:/app/app.db`) has its log beside the mount point, not beside the file: each
  container has another one, and loses what another has written.
- Over a network neither locks nor the shared memory of the log are what they are on one machine.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

MOUNT_TABLE: Final = "/proc/self/mountinfo"  # of Linux; see proc_pid_mountinfo(5)
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")  # blanks and the like in a path
_NETWORK: Final = frozenset(
    {
        "9p", "afp", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs2", "glusterfs", "gpfs", "lustre",
        "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "smb3", "smbfs", "virtiofs", "webdav",
    }
)  # fmt: skip
_NETWORK_FUSE: Final = re.compile(
    r"fuse\.(?:.*(?:sshfs|ceph|gluster|rclone|s3|gcs|goofys|davfs|nfs|smb|juicefs|seaweed|moose|lizard|alluxio|blob).*"
    r"|grpcfuse|osxfs)"
)


class Mount(NamedTuple):
    """A mount point, and what is mounted there.

    Attributes:
        point: The path.
        kind: The type of the file system, such as `ext4`.
        id: Its number.
        parent: The number of the mount that the point lies in.
    """

    point: str
    kind: str
    id: str = ""
    parent: str = ""

    @property
    def is_network(self) -> bool:
        """Whether other machines, or the host of a virtual one, may change its files."""
        return self.kind in _NETWORK or _NETWORK_FUSE.fullmatch(self.kind) is not None


def mount_of(path: Path) -> Mount | None:
    """The mount that an absolute path lies in, found as Linux finds it; None if it cannot be known."""
    by_point: dict[str, list[Mount]] = {}
    for mount in _mounts():
        by_point.setdefault(mount.point, []).append(mount)
    found: Mount | None = None
    for folder in (*reversed(path.parents), path):
        on_it = by_point.get(str(folder), [])
        while inner := next((one for one in on_it if found is None or one.parent == found.id), None):
            on_it = [one for one in on_it if one is not inner]
            found = inner
    return found


def is_mount_point(file: Path) -> bool:
    """Whether a file is mounted by itself, not the folder that it lies in."""
    mount = mount_of(file)
    if mount is not None:
        return mount.point == str(file)
    try:  # no table: a mount of another file system shows at least
        return os.stat(file).st_dev != os.stat(file.parent).st_dev
    except OSError:
        return False


def _mounts() -> list[Mount]:
    try:
        with open(MOUNT_TABLE, encoding="utf-8", errors="surrogateescape") as table:  # paths as Python has them
            lines = table.read().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if len(fields) > 4 and rest[0]:
            found.append(Mount(_ESCAPED.sub(_unescaped, fields[4]), rest[0], fields[0], fields[1]))
    return found


def _unescaped(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 8))
