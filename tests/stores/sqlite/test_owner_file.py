"""The file of one owner: what is taken for it, opened, locked and removed, and what is left alone."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite.errors import StoreRefused
from aiojobs_lite.stores.sqlite import owner_file
from aiojobs_lite.stores.sqlite.owners import FileOwners
from tests.helpers.owners import (
    DEAD,
    ELSEWHERE,
    NO_FILES,
    ONE,
    TWO,
    Make,
    acquired,
    dead_for_another_process,
    files,
    owner_elsewhere,
)
from tests.helpers.rings import slow
from tests.helpers.waiting import unmeasured


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "jobs[1].db")  # a name that is no pattern


STRANGE: dict[str, Make] = {
    **NO_FILES,
    "a file with text": lambda file, other: file.write_text("text"),
}


def remove(file: Path) -> None:
    """Removes what a test has made."""
    file.rmdir() if file.is_dir() else file.unlink()


def is_locked(path: str) -> bool:
    """Whether a process other than this one, which holds it, could not lock a file."""
    script = f"""if True:
        import fcntl
        with open({path!r}, "r+b") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                print("locked")
    """
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=unmeasured())
    return done.stdout.strip() == "locked"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are opened."""
    found, really = list[str](), os.open

    def noted(file: str | os.PathLike[str], *rest: Any, **more: Any) -> int:
        found.append(os.fspath(file))
        return really(file, *rest, **more)

    monkeypatch.setattr(os, "open", noted)
    return found


@pytest.mark.parametrize("shape", [shape for shape in STRANGE if shape != "another name"])
async def test_what_is_no_owners_file_is_not_opened_not_removed_and_named_once(
    path: str, shape: str, opened: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    other, strange = Path(f"{path}-other"), Path(f"{path}-owner-{DEAD}")
    other.touch()
    owners = await acquired(path, ONE)
    STRANGE[shape](strange, other)
    opened.clear()
    for _ in range(3):
        assert await owners.dead({DEAD}) == set()  # an owner that is not known to be dead lives
        assert await owners.dead(()) == set()
    assert opened == []
    assert os.path.lexists(strange)
    assert caplog.text.count("no owner's file") == 1
    remove(strange)
    assert await owners.dead({DEAD}) == {DEAD}
    strange.symlink_to(other)
    await owners.dead(())
    assert caplog.text.count("no owner's file") == 2  # it is another one
    owners.release()
    remove(strange)


@slow
@pytest.mark.parametrize("how", [os.symlink, os.link, os.rename])
async def test_looking_at_another_name_of_an_own_file_does_not_free_its_lock(
    path: str, how: Callable[..., None]
) -> None:
    """As a link to the database would free SQLite's."""
    owners, neighbour = await acquired(path, ONE), await acquired(path, TWO)
    linked = f"{path}-owner-{DEAD}"
    how(f"{path}-owner-{TWO}", linked)
    assert await owners.dead({DEAD}) == set()
    assert await owners.dead(()) == set()
    assert is_locked(linked)
    for released in (owners, neighbour):
        released.release()
    Path(linked).unlink()


@pytest.mark.parametrize("shape", STRANGE)
async def test_an_owner_whose_file_was_replaced_by_another_shape_leaves_that_alone(
    path: str, shape: str, opened: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    other, file = Path(f"{path}-other"), Path(f"{path}-owner-{ONE}")
    other.touch()
    owners, neighbour = await acquired(path, ONE), FileOwners(path)
    file.unlink()
    STRANGE[shape](file, other)
    opened.clear()
    for _ in range(3):
        assert await owners.dead(()) == set()
    assert opened == []
    assert caplog.text.count("was removed") == 1
    owners.release()
    assert os.path.lexists(file)
    if shape != "another name":  # then its lock is looked at, and it is free
        assert await neighbour.dead({ONE}) == set()
        assert opened == []
    remove(file)


@pytest.mark.parametrize("shape", ["a link", "a file with text"])
async def test_what_comes_between_the_look_and_the_opening_is_not_closed(
    path: str, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing it might free a lock."""
    other, file = Path(f"{path}-other"), Path(f"{path}-owner-{DEAD}")
    other.touch()
    file.touch()
    really, left, closed = os.open, list[int](), list[int]()

    def raced(name: str | os.PathLike[str], *rest: int) -> int:
        file.unlink()
        STRANGE[shape](file, other)
        left.append(really(name, *rest))
        return left[0]

    monkeypatch.setattr(os, "open", raced)
    monkeypatch.setattr(os, "close", closed.append)
    assert await FileOwners(path).dead({DEAD}) == set()
    monkeypatch.undo()
    assert closed == []
    remove(file)
    for descriptor in left:
        os.close(descriptor)


# Hard links: a backup that makes them must not hold up a rescue, and no lock of this process may be dropped.


@pytest.mark.parametrize("note", ["", "x"])
async def test_a_dead_owners_file_that_has_another_name_is_found_dead_and_removed(path: str, note: str) -> None:
    file, copy = Path(f"{path}-owner-{DEAD}"), Path(path).with_name("backup")
    file.write_text(note)
    copy.hardlink_to(file)
    owners = await acquired(path, ONE)
    assert (await owners.dead({DEAD}), owners.was_interrupted(DEAD)) == ({DEAD}, bool(note))
    assert await owners.dead(()) == set()
    assert files(path) == sorted([ONE, "backup"])
    owners.release()
    assert copy.read_text() == note


@slow
async def test_a_living_owners_file_that_has_another_name_is_locked_all_the_same(path: str) -> None:
    owners = await acquired(path, ONE)
    with owner_elsewhere(path) as process:
        Path(path).with_name("backup").hardlink_to(f"{path}-owner-{ELSEWHERE}")
        assert await owners.dead({ELSEWHERE}) == set()
        assert is_locked(f"{path}-owner-{ELSEWHERE}")
        process.kill()
        process.wait()
        assert await owners.dead({ELSEWHERE}) == {ELSEWHERE}
    owners.release()


@slow
async def test_another_name_of_a_file_that_the_application_has_locked_is_not_opened(path: str) -> None:
    """Closing it would drop the application's lock, of which the library knows nothing."""
    theirs = Path(path).with_name("application.lock")
    with theirs.open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        Path(f"{path}-owner-{DEAD}").hardlink_to(theirs)
        owners = FileOwners(path)
        assert await owners.dead({DEAD}) == set()
        assert is_locked(str(theirs))
    assert await owners.dead({DEAD}) == {DEAD}


async def test_a_file_that_the_application_opens_at_that_moment_is_not_closed(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, really, left, closed = Path(f"{path}-owner-{DEAD}"), os.open, list[int](), list[int]()
    file.touch()
    Path(path).with_name("other").hardlink_to(file)

    def raced(name: str | os.PathLike[str], *rest: int) -> int:
        left.extend([really(name, *rest), really(name, *rest)])
        return left[0]

    monkeypatch.setattr(os, "open", raced)
    monkeypatch.setattr(os, "close", closed.append)
    assert await FileOwners(path).dead({DEAD}) == set()
    monkeypatch.undo()
    assert closed == []
    for descriptor in left:
        os.close(descriptor)
    remove(file)


# Nothing waits for a lock.

STOPPED = """if True:
    import fcntl, os, sys
    descriptor = os.open(sys.argv[1], os.O_RDWR)
    fcntl.lockf(descriptor, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


@slow
async def test_a_start_does_not_wait_for_a_process_that_holds_the_lock_of_the_new_file(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was stopped (SIGSTOP, a debugger) while it looked whether the owner is dead."""
    holders: list[subprocess.Popen[str]] = []
    lock = fcntl.lockf

    def is_too_late(descriptor: int, how: int) -> None:
        if not holders:
            holder = subprocess.Popen(
                [sys.executable, "-c", STOPPED, f"{path}-owner-{ONE}"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=unmeasured(),
            )  # fmt: skip
            holders.append(holder)
            assert holder.stdout is not None
            assert holder.stdout.readline().strip() == "held"
        assert how & fcntl.LOCK_NB
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "lockf", is_too_late)
    owners = await acquired(path, ONE)
    monkeypatch.undo()
    (holder,) = holders
    with holder:
        assert not dead_for_another_process(path, ONE)
        holder.kill()
    owners.release()
    assert files(path) == []


async def test_a_new_file_whose_lock_is_never_to_be_had_is_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_descriptor: int, _how: int) -> None:
        raise BlockingIOError(errno.EAGAIN, "locked")

    monkeypatch.setattr(fcntl, "lockf", refuses)
    with pytest.raises(StoreRefused, match="again and again"):
        await acquired(path, ONE)
    assert files(path) == []


async def test_a_look_at_many_owners_looks_at_the_own_files_once(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owners, looks = await acquired(path, ONE), list[None]()
    really = owner_file.file_ids

    def counted(*files: Any) -> set[owner_file.FileId]:
        looks.append(None)
        return really(*files)

    monkeypatch.setattr(owner_file, "file_ids", counted)
    many = {f"{number:016x}" for number in range(50)}
    for owner in many:
        Path(f"{path}-owner-{owner}").touch()
    assert await owners.dead(many) == many
    assert len(looks) == 1
    await owners.dead(())
    assert (len(looks), files(path)) == (2, [ONE])
    owners.release()


async def test_what_is_no_owners_file_is_no_note(path: str) -> None:
    file = Path(f"{path}-owner-{DEAD}")
    Path(f"{path}-other").write_text("x")
    owners = FileOwners(path)
    for name, shape in STRANGE.items():
        if name == "another name":
            continue  # its note is read: see below
        shape(file, Path(f"{path}-other"))
        assert not owners.was_interrupted(DEAD)
        remove(file)
    assert not owners.was_interrupted(DEAD)
    assert not owners.was_interrupted("other/../other")
    in_memory = await acquired(None, ONE)
    in_memory.note_interrupted()
    assert not in_memory.was_interrupted(ONE)
    in_memory.release()
