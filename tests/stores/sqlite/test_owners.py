"""Which owners live: locks of this process, of other processes, and files that dead owners left."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aiojobs_lite.stores.sqlite.owners import FileOwners
from tests.helpers.owners import (
    DEAD,
    ELSEWHERE,
    ONE,
    TWO,
    acquired,
    dead_for_another_process,
    files,
    never,
    owner_elsewhere,
)
from tests.helpers.rings import slow
from tests.helpers.root import ROOT
from tests.helpers.waiting import unmeasured


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "jobs[1].db")  # a name that is no pattern


async def test_an_owner_lives_from_its_acquire_to_its_release(path: str) -> None:
    one = await acquired(path, ONE)
    assert await one.dead({ONE, TWO}) == {TWO}
    two = await acquired(path, TWO)
    assert files(path) == [ONE, TWO]
    for owners in (one, two):
        assert await owners.dead({ONE, TWO, DEAD}) == {DEAD}
        assert await owners.dead(()) == set()  # nor is the file of a living one removed
    assert files(path) == [ONE, TWO]
    one.release()
    one.release()
    assert await two.dead({ONE, TWO}) == {ONE}
    assert files(path) == [TWO]
    two.release()
    assert files(path) == []


@slow
async def test_an_owner_of_another_process_is_dead_the_moment_that_process_is(path: str) -> None:
    owners = await acquired(path, ONE)
    with owner_elsewhere(path) as process:
        for _ in range(3):  # looking does not free its lock
            assert await owners.dead({ELSEWHERE}) == set()
            assert await owners.dead(()) == set()
        assert ELSEWHERE in files(path)
        process.kill()
        process.wait()
        assert await owners.dead({ELSEWHERE}) == {ELSEWHERE}
        assert ELSEWHERE in files(path)  # while it has jobs
        await owners.dead(())
    assert files(path) == [ONE]
    assert await owners.dead({ELSEWHERE}) == {ELSEWHERE}
    owners.release()


@slow
async def test_looking_at_others_does_not_free_the_own_lock(path: str) -> None:
    one, two = await acquired(path, ONE), await acquired(path, TWO)
    for owners in (one, two):
        await owners.dead({ONE, TWO, DEAD})
        await owners.dead(())
    for owner in (ONE, TWO):
        assert not dead_for_another_process(path, owner)
    one.release()
    two.release()


@pytest.mark.parametrize("name", ["", "x", "../../etc/passwd", "0123456789abcdeF", DEAD + "0", "a b"])
async def test_a_name_that_no_owner_has_is_dead_and_nothing_is_touched(
    path: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came from the database, and must not become a path."""
    odd = Path(f"{path}-owner-x")
    odd.touch()
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", lambda *_: pytest.fail("a file was opened"))
        assert await FileOwners(path).dead({name}) == {name}
    assert odd.exists()


async def test_the_file_of_a_dead_owner_without_jobs_is_removed_and_no_other(path: str) -> None:
    Path(f"{path}-owner-{DEAD}").touch()
    Path(f"{path}-wal").touch()
    owners = FileOwners(path)
    assert await owners.dead({DEAD}) == {DEAD}
    assert DEAD in files(path)
    assert await owners.dead({TWO}) == {TWO}
    assert files(path) == ["jobs[1].db-wal"]


async def test_in_memory_no_other_process_can_come() -> None:
    one, two = await acquired(None, ONE), FileOwners(None)
    assert await two.dead({ONE, DEAD}) == {DEAD}  # another runner of this process lives
    one.release()
    assert await two.dead({ONE}) == {ONE}


@slow
async def test_a_new_file_that_was_taken_for_a_dead_owners_is_made_again(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making and locking it, another process may find it unlocked and remove it."""
    lock, removed = fcntl.lockf, list[str]()

    def lose_the_race(descriptor: int, how: int) -> None:
        if len(removed) < 2:
            removed.append(files(path)[0])
            Path(f"{path}-owner-{removed[-1]}").unlink()
            if len(removed) == 2:
                Path(f"{path}-owner-{removed[-1]}").touch()  # and there is another one already
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "lockf", lose_the_race)
    owners = await acquired(path, ONE)
    monkeypatch.undo()
    assert removed == [ONE] * 2
    assert files(path) == [ONE]
    assert not dead_for_another_process(path, ONE)
    owners.release()


@slow
@pytest.mark.parametrize("instead", [False, True])
async def test_an_owner_whose_file_was_removed_shows_again_that_it_lives(
    path: str, instead: bool, caplog: pytest.LogCaptureFixture
) -> None:
    owners = FileOwners(path)
    await owners.dead(())  # before it lives there is nothing to show
    await owners.acquire(ONE, lost=never, regained=never)
    file = Path(f"{path}-owner-{ONE}")
    found = file.stat().st_ino
    await owners.dead(())
    assert (file.stat().st_ino, caplog.text) == (found, "")
    file.unlink()
    if instead:
        file.touch()
    for _ in range(2):
        await owners.dead(())
        assert caplog.text.count("was removed") == 1
        assert not dead_for_another_process(path, ONE)
    owners.release()
    assert files(path) == []


@slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_does_not_take_its_parents_owners_for_its_own(path: str) -> None:
    script = f"""if True:
        import asyncio, os
        from aiojobs_lite.stores.sqlite.owners import FileOwners
        owners = FileOwners({path!r})
        asyncio.run(owners.acquire({ONE!r}, lost=print, regained=print))
        pid = os.fork()
        if pid == 0:
            alive = not asyncio.run(FileOwners({path!r}).dead({{{ONE!r}}}))  # looks at the lock, which is its parent's
            owners.release()  # not its own: nothing happens
            alive = alive and not asyncio.run(FileOwners({path!r}).dead({{{ONE!r}}}))
            os._exit(7 if alive else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), os.path.exists({path!r} + "-owner-" + {ONE!r}))
    """
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=unmeasured())
    assert done.stdout.split() == ["7", "True"]


async def test_a_note_that_an_owner_was_interrupted_outlives_it_until_its_jobs_are_rescued(path: str) -> None:
    one, two = await acquired(path, ONE), await acquired(path, TWO)
    assert not two.was_interrupted(ONE)
    one.note_interrupted()
    assert two.was_interrupted(ONE)
    assert not two.was_interrupted(TWO)
    assert await two.dead({ONE}) == set()  # it still lives
    one.release()
    one.note_interrupted()  # too late, and in vain
    for _ in range(2):
        assert await two.dead({ONE}) == {ONE}
        assert two.was_interrupted(ONE)
    await two.dead(())
    assert not two.was_interrupted(ONE)
    two.release()
    assert files(path) == []


async def test_a_note_is_found_by_the_owners_name_though_the_file_was_removed_before(path: str) -> None:
    one = await acquired(path, ONE)
    Path(f"{path}-owner-{ONE}").unlink()
    one.note_interrupted()
    one.release()
    two = FileOwners(path)
    assert (await two.dead({ONE}), two.was_interrupted(ONE)) == ({ONE}, True)
    await two.dead(())
    assert files(path) == []


async def test_a_note_that_cannot_be_made_is_logged(
    path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(_descriptor: int, _size: int) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "ftruncate", refused)
    owners = await acquired(path, ONE)
    owners.note_interrupted()
    assert "cannot be written: Read-only file system" in caplog.text
    owners.release()
    assert files(path) == []
