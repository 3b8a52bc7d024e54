"""Which owners live: locks of this process, of other processes, and files that dead owners left."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aiojobs_lite.errors import StoreRefused
from aiojobs_lite.stores.sqlite.owners import FileOwners
from tests.helpers.rings import slow
from tests.helpers.waiting import unmeasured

ROOT = Path(__file__).parents[3]
ONE, TWO, DEAD, ELSEWHERE = "1" * 16, "2" * 16, "0123456789abcdef", "e" * 16
HOLD = f"""if True:
    import asyncio, sys
    from aiojobs_lite.stores.sqlite.owners import FileOwners
    owners = FileOwners(sys.argv[1])
    asyncio.run(owners.acquire({ELSEWHERE!r}, lost=print, regained=print))
    print("alive", flush=True)
    sys.stdin.read()
"""


@contextmanager
def owner_elsewhere(database: str) -> Iterator[subprocess.Popen[str]]:
    """The owner ELSEWHERE in a process of its own, which lives for the block."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, database],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=unmeasured(),
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "alive"
            yield process
        finally:
            process.kill()


def dead_for_another_process(database: str, owner: str) -> bool:
    """What another process takes an owner for."""
    script = f"""if True:
        import asyncio
        from aiojobs_lite.stores.sqlite.owners import FileOwners
        print(asyncio.run(FileOwners({database!r}).dead({{{owner!r}}})))
    """
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=unmeasured())
    return owner in done.stdout


def never() -> None:
    raise AssertionError("a kernel lock is not lost")


async def acquired(database: str | None, owner: str) -> FileOwners:
    owners = FileOwners(database)
    await owners.acquire(owner, lost=never, regained=never)
    return owners


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "jobs[1].db")  # a name that is no pattern


def files(path: str) -> list[str]:
    return sorted(entry.name.removeprefix("jobs[1].db-owner-") for entry in Path(path).parent.iterdir())


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
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("a file was opened"))
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


async def test_a_note_that_cannot_be_made_is_told(
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


Make = Callable[[Path, Path], object]  # (the file to be made, a file that is there)
STRANGE: dict[str, Make] = {
    "a link": lambda file, other: file.symlink_to(other),
    "a link to nothing": lambda file, other: file.symlink_to(other.with_name("nothing")),
    "another name": lambda file, other: file.hardlink_to(other),
    "a folder": lambda file, other: file.mkdir(),
    "a pipe": lambda file, other: os.mkfifo(file),
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

    def noted(file: str | os.PathLike[str], *rest: int) -> int:
        found.append(os.fspath(file))
        return really(file, *rest)

    monkeypatch.setattr(os, "open", noted)
    return found


@pytest.mark.parametrize("shape", [shape for shape in STRANGE if shape != "another name"])
async def test_what_is_no_owners_file_is_not_opened_not_removed_and_told_once(
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
    really = owners._own_files

    def counted() -> set[tuple[int, int]]:
        looks.append(None)
        return really()

    monkeypatch.setattr(owners, "_own_files", counted)
    many = {f"{number:016x}" for number in range(50)}
    for owner in many:
        Path(f"{path}-owner-{owner}").touch()
    assert await owners.dead(many) == many
    assert len(looks) == 1
    await owners.dead(())
    assert (len(looks), files(path)) == (2, [ONE])
    owners.release()
