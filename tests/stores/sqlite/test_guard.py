"""The guard of the open files: it notices each change, and does not look at the files without cause."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.stores.sqlite.file import Guard

LONG_AGO = 1_700_000_000


def _delete(path: Path) -> None:
    path.unlink()


def _replace(path: Path) -> None:
    path.with_name("other").write_bytes(b"x")
    path.with_name("other").replace(path)


def _move_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


CHANGES = [_delete, _replace, _move_folder]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database and its log in a folder of their own."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("jobs.db", "jobs.db-wal"):
        (folder / name).write_bytes(b"x")
    return folder / "jobs.db"


def settled(path: Path) -> Guard:
    """A guard that has seen the files in a folder that was not changed lately."""
    os.utime(path.parent, (LONG_AGO, LONG_AGO))
    guard = Guard(path)
    guard.check()
    return guard


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["jobs.db", "jobs.db-wal"])
def test_a_change_is_noticed_each_time(path: Path, change: Callable[[Path], None], name: str) -> None:
    guard = settled(path)
    change(path.with_name(name))
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="was deleted, emptied or replaced"):
            guard.check()


@pytest.mark.parametrize("change", [_delete, _replace])
def test_a_change_within_a_tick_of_the_clock_is_noticed(path: Path, change: Callable[[Path], None]) -> None:
    guard = Guard(path)
    before = os.stat(path.parent)
    guard.check()
    change(path)
    os.utime(path.parent, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a coarse clock would leave it
    with pytest.raises(StoreUnavailable, match="was deleted, emptied or replaced"):
        guard.check()


def test_no_file_is_looked_at_while_nothing_changes_beside_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = settled(path)
    looked_at: list[str] = []
    stat = os.stat

    def noted(name: str) -> os.stat_result:
        looked_at.append(name)
        return stat(name)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", noted)
        guard.check()
    assert looked_at == [str(path.parent)]
    path.with_name("neighbour").touch()
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", noted)
        guard.check()
    assert looked_at[1:] == [str(path.parent), str(path), f"{path}-wal"]


def test_a_file_that_was_emptied_is_noticed_by_the_closer_look(path: Path) -> None:
    guard = settled(path)
    path.write_bytes(b"")
    guard.check()
    with pytest.raises(StoreUnavailable, match="was deleted, emptied or replaced"):
        guard.check_closely()
