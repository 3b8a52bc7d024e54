"""Mounts: a database file that is mounted alone is refused, a network file system is warned of."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aiojobs_lite.errors import StoreRefused
from aiojobs_lite.stores.sqlite import mounts
from aiojobs_lite.stores.sqlite.mounts import Mount, is_mount_point, mount_of
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.rings import slow
from tests.helpers.root import ROOT
from tests.helpers.sqlite_store import opened
from tests.helpers.stores import contents
from tests.helpers.waiting import unmeasured

TABLE = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /proc rw,nosuid - proc proc rw
41 22 0:40 / /srv/jobs rw,relatime shared:20 master:2 - {kind} server:/export rw,vers=4.2
42 41 254:0 /a /srv/jobs/local rw - ext4 /dev/vda rw
43 22 254:0 /b /srv/two\\040words/app.db rw - ext4 /dev/vda rw
44 22 254:0 /c /srv/hidden/app.db rw - ext4 /dev/vda rw
45 22 0:50 / /srv/hidden rw - tmpfs tmpfs rw
46 99 0:51 / /over rw - nfs nfs rw
broken
"""


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The table of mounts, as Linux shows it."""
    path = tmp_path / "mountinfo"
    path.write_text(TABLE.format(kind="nfs4"))
    monkeypatch.setattr(mounts, "MOUNT_TABLE", str(path))
    return path


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("/app.db", Mount("/", "ext4")),
        ("/srv/jobs/app.db", Mount("/srv/jobs", "nfs4")),
        ("/srv/jobs2/app.db", Mount("/", "ext4")),
        ("/srv/jobs/local/app.db", Mount("/srv/jobs/local", "ext4")),
        ("/srv/two words/app.db", Mount("/srv/two words/app.db", "ext4")),
        ("/srv/hidden/app.db", Mount("/srv/hidden", "tmpfs")),
        ("/over", Mount("/", "ext4")),
        ("/over/app.db", Mount("/", "ext4")),
    ],
)
def test_a_path_lies_in_the_innermost_mount_that_is_not_hidden(path: str, mount: Mount) -> None:
    found = mount_of(Path(path))
    assert found is not None
    assert found[:2] == mount[:2]
    assert is_mount_point(Path(path)) is (mount.point == path)


@pytest.mark.parametrize(
    ("kind", "is_network"),
    [
        ("ext4", False), ("overlay", False), ("tmpfs", False), ("fuse", False), ("fuse.gvfsd-fuse", False),
        ("fuseblk", False), ("nfs", True), ("nfs4", True), ("cifs", True), ("smb3", True), ("9p", True),
        ("virtiofs", True), ("fuse.sshfs", True), ("fuse.s3fs", True), ("fuse.glusterfs", True), ("fuse.rclone", True),
        ("fuse.grpcfuse", True),
    ],
)  # fmt: skip
def test_which_file_systems_are_over_a_network(kind: str, is_network: bool) -> None:
    assert Mount("/", kind).is_network is is_network


async def test_without_a_table_nothing_is_refused_or_warned_of(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mounts, "MOUNT_TABLE", str(tmp_path / "missing"))
    for _ in range(2):
        async with opened(database):
            pass
    assert not is_mount_point(tmp_path / "no file")
    assert caplog.text == ""


@pytest.mark.parametrize(("kind", "is_warned_of"), [("nfs4", True), ("ext4", False)])
async def test_a_network_file_system_is_warned_of_at_each_start(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str,
    is_warned_of: bool,
) -> None:  # fmt: skip
    table = tmp_path / "mountinfo"
    table.write_text(f"1 0 254:0 / / rw - ext4 /dev/vda rw\n41 1 0:40 / {database.parent} rw - {kind} server:/x rw\n")
    monkeypatch.setattr(mounts, "MOUNT_TABLE", str(table))
    async with opened(database):
        pass
    assert caplog.text.count("network file system") == int(is_warned_of)


async def test_a_file_that_is_a_mount_point_is_refused_and_left_alone(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(database):
        pass
    table = tmp_path / "mountinfo"
    table.write_text(f"1 0 254:0 / / rw - ext4 /dev/vda rw\n41 1 254:0 / {database} rw - ext4 /dev/vda rw\n")
    monkeypatch.setattr(mounts, "MOUNT_TABLE", str(table))
    before = contents(database.parent)
    with pytest.raises(StoreRefused, match="Mount the folder instead") as caught:
        await SqliteStore(database).open()
    assert caught.value.why == "mount point"
    assert contents(database.parent) == before


# With real mounts, in a mount namespace of their own.

UNSHARES = """if True:
    import ctypes, os, subprocess, sys
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x00020000) != 0:  # CLONE_NEWNS
        sys.exit(f"cannot: {os.strerror(ctypes.get_errno())}")
    if libc.mount(b"none", b"/", None, 0x40000 | 0x4000, None) != 0:  # MS_PRIVATE | MS_REC
        sys.exit(f"cannot: {os.strerror(ctypes.get_errno())}")
    for source, target in zip(sys.argv[1::2], sys.argv[2::2]):
        if libc.mount(source.encode(), target.encode(), None, 0x1000, None) != 0:  # MS_BIND
            sys.exit(f"cannot: {os.strerror(ctypes.get_errno())}")
    import asyncio
    from aiojobs_lite import JobRunner, job
    from aiojobs_lite.errors import StoreRefused

    @job
    async def quick() -> int:
        return 7

    async def main():
        for target in sys.argv[2::2]:
            database = target if os.path.isfile(target) else target + "/app.db"
            try:
                async with asyncio.timeout(20), JobRunner(database, jobs=[quick]) as runner:
                    print("result", await (await runner.enqueue(quick)).result())
            except StoreRefused as error:
                print(error.why)

    asyncio.run(main())
"""


def mounted(*pairs: Path) -> list[str]:
    """What a runner says on each second path, on which the one before it is mounted."""
    command = [sys.executable, "-c", UNSHARES, *map(str, pairs)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=unmeasured(), check=False)
    if "cannot: Operation not permitted" in done.stderr:
        pytest.skip(f"this process may not mount anything: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@slow
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "unshare"), reason="mount namespaces are of Linux alone")
async def test_a_file_that_is_bind_mounted_alone_is_refused_and_a_folder_is_not(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in side", tmp_path / "outside"
    for folder in (inside, outside, tmp_path / "folder"):
        folder.mkdir()
    async with opened(outside / "app.db"):
        pass
    (inside / "app.db").touch()
    before = contents(outside)
    assert mounted(outside / "app.db", inside / "app.db") == ["mount point"]
    assert contents(outside) == before
    assert sorted(contents(inside)) == ["app.db"]
    assert mounted(outside, tmp_path / "folder") == ["result 7"]
    (inside / "empty.db").touch()
    (inside / "other.db").touch()
    assert mounted(inside / "empty.db", inside / "other.db") == ["mount point"]
    shutil.rmtree(inside)
    assert os.listdir(tmp_path / "folder") == []
