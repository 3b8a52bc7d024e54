"""Who is alive: locks of this process, of other processes, and files that dead owners left."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aiojobs_lite.stores.sqlite.owners import Ownership
from tests.helpers.waiting import unmeasured

DEAD = "0123456789abcdef"
HOLD = """if True:
    import sys
    from aiojobs_lite.stores.sqlite.owners import Ownership
    ownership = Ownership(sys.argv[1])
    ownership.acquire()
    print(ownership.owner, flush=True)
    sys.stdin.read()
"""


@contextmanager
def owner_elsewhere(prefix: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """An owner in a process of its own, which lives for the block."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, prefix],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2], env=unmeasured(),
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    return str(tmp_path / "jobs.db")


def files(prefix: str) -> list[str]:
    return sorted(path.name.removeprefix("jobs.db-owner-") for path in Path(prefix).parent.iterdir())


def test_an_owner_lives_from_its_acquire_to_its_release(prefix: str) -> None:
    one, two = Ownership(prefix), Ownership(prefix)
    assert one.owner != two.owner
    assert two.is_dead(one.owner)
    one.acquire()
    two.acquire()
    assert files(prefix) == sorted((one.owner, two.owner))
    assert not two.is_dead(one.owner)
    assert not one.is_dead(one.owner)
    assert (one.others(), two.others()) == ([], [])  # both live here
    two.bury(one.owner)  # not while it lives
    assert one.owner in files(prefix)
    one.release()
    one.release()
    assert two.is_dead(one.owner)
    assert files(prefix) == [two.owner]
    two.release()
    assert files(prefix) == []


def test_an_owner_of_another_process_is_dead_the_moment_that_process_is(prefix: str) -> None:
    here = Ownership(prefix)
    here.acquire()
    with owner_elsewhere(prefix) as (owner, process):
        assert here.others() == [owner]
        for _ in range(3):  # looking does not free its lock
            assert not here.is_dead(owner)
            here.bury(owner)
        assert owner in files(prefix)
        process.kill()
        process.wait()
        assert here.is_dead(owner)
        assert here.others() == [owner]
        here.bury(owner)
    assert files(prefix) == [here.owner]
    assert here.is_dead(owner)
    here.release()


def test_looking_at_others_does_not_free_the_own_lock(prefix: str) -> None:
    one, two = Ownership(prefix), Ownership(prefix)
    one.acquire()
    two.acquire()
    for looker in (one, two):
        for owner in (one.owner, two.owner, DEAD):
            looker.is_dead(owner)
            looker.bury(owner)
        looker.others()
    probe = f"import fcntl; fcntl.lockf(open({prefix + '-owner-' + one.owner!r}, 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    done = subprocess.run([sys.executable, "-c", probe], check=False, capture_output=True, text=True, env=unmeasured())
    assert "BlockingIOError" in done.stderr
    one.release()
    two.release()


@pytest.mark.parametrize("name", ["", "x", "../../etc/passwd", "0123456789abcdeF", DEAD + "0", "a b"])
def test_a_name_that_no_owner_has_is_dead_and_nothing_is_touched(
    prefix: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came from the database, and must not become a path."""
    odd = Path(f"{prefix}-owner-x")
    odd.touch()
    ownership = Ownership(prefix)
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("a file was opened"))
    assert ownership.is_dead(name)
    ownership.bury(name)
    assert odd.exists()


def test_a_dead_owner_is_found_by_its_file_and_buried(prefix: str) -> None:
    Path(f"{prefix}-owner-{DEAD}").touch()
    Path(f"{prefix}-wal").touch()
    ownership = Ownership(prefix)
    assert ownership.others() == [DEAD]
    assert ownership.is_dead(DEAD)
    ownership.bury(DEAD)
    assert ownership.others() == []
    assert Path(f"{prefix}-wal").exists()


def test_in_memory_nobody_else_can_come() -> None:
    one, two = Ownership(None), Ownership(None)
    one.acquire()
    assert not two.is_dead(one.owner)  # another runner of this process
    assert two.is_dead(DEAD)
    two.bury(DEAD)
    assert two.others() == []
    one.release()
    assert two.is_dead(one.owner)


def test_a_new_file_that_was_taken_for_a_dead_owners_is_made_again(
    prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making and locking it, somebody may find it unlocked and remove it."""
    lock, removed = fcntl.lockf, list[str]()

    def lose_the_race(descriptor: int, how: int) -> None:
        if len(removed) < 2:
            removed.append(files(prefix)[0])
            Path(f"{prefix}-owner-{removed[-1]}").unlink()
            if len(removed) == 2:
                Path(f"{prefix}-owner-{removed[-1]}").touch()  # and there is another one already
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "lockf", lose_the_race)
    ownership = Ownership(prefix)
    ownership.acquire()
    monkeypatch.undo()
    assert removed == [ownership.owner] * 2
    assert files(prefix) == [ownership.owner]
    assert seen_from_elsewhere(prefix, ownership.owner) == "alive"
    ownership.release()


@pytest.mark.parametrize("instead", [None, "another file"])
def test_an_owner_whose_file_was_removed_shows_again_that_it_lives(
    prefix: str, instead: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    ownership = Ownership(prefix)
    ownership.renew()  # before it lives there is nothing to show
    ownership.acquire()
    file = Path(f"{prefix}-owner-{ownership.owner}")
    found = file.stat().st_ino
    ownership.renew()
    assert (file.stat().st_ino, caplog.text) == (found, "")
    file.unlink()
    if instead is not None:
        file.write_text(instead)
    for _ in range(2):
        ownership.renew()
        assert caplog.text.count("was removed") == 1
        assert seen_from_elsewhere(prefix, ownership.owner) == "alive"
    ownership.release()
    assert files(prefix) == []


def seen_from_elsewhere(prefix: str, owner: str) -> str:
    """What another process takes an owner for."""
    script = f"""if True:
        from aiojobs_lite.stores.sqlite.owners import Ownership
        print("dead" if Ownership({prefix!r}).is_dead({owner!r}) else "alive")
    """
    command, root = [sys.executable, "-c", script], Path(__file__).parents[2]
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=root, env=unmeasured())
    return told.stdout.strip()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_does_not_take_its_parents_owners_for_its_own(prefix: str) -> None:
    script = f"""if True:
        import os
        from aiojobs_lite.stores.sqlite.owners import Ownership
        parent = Ownership({prefix!r})
        parent.acquire()
        pid = os.fork()
        if pid == 0:
            alive = not parent.is_dead(parent.owner)  # looks at the lock, which is its parent's
            parent.release()  # not its own: nothing happens
            alive = alive and not parent.is_dead(parent.owner)
            os._exit(7 if alive else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), os.path.exists({prefix!r} + "-owner-" + parent.owner))
    """
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", script]
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=root, env=unmeasured())
    assert told.stdout.split() == ["7", "True"]
