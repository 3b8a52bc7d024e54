"""What handlers start in worker processes: it ends as it would elsewhere, and does not outlive the worker."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from aiojobs_lite import JobDead, JobRunner, Outcome
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers import starting
from tests.helpers.calls import has_workers, in_process, outside, pid_in, started
from tests.helpers.engine import engine_of
from tests.helpers.programs import alive, program
from tests.helpers.rings import drawn, slow
from tests.helpers.starting import HOWS
from tests.helpers.waiting import PATIENCE

pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"), drawn(2)]
STARTS = pytest.mark.parametrize("how", HOWS)


# Handlers, which the other process finds here by name.


def ends_what_it_starts(how: str, note: str) -> list[int]:
    return [starting.terminated(how, note), *starting.pooled(how)]


def leaves(how: str, note: str) -> int:
    starting.start(how, note)
    return os.getpid()


def starts_and_hangs(how: str, note: str) -> None:
    starting.start(how, note)
    threading.Event().wait()


def starts_and_dies(note: str) -> None:
    starting.forks_what_stays(note)
    starting.dies()


def double(n: int) -> int:
    return 2 * n


@slow
@STARTS
async def test_what_a_worker_starts_obeys_terminate_and_a_pool_ends(clock: FakeClock, tmp_path: Path, how: str) -> None:
    starts = in_process(ends_what_it_starts, max_attempts=1)
    async with started(clock, starts) as runner:
        handle = await runner.enqueue(starts, how, str(tmp_path / "note"))
        assert await handle.result(3 * PATIENCE) == [-signal.SIGTERM, 0, 2, 4, 6]


@slow
@STARTS
@pytest.mark.parametrize("why", ["timeout", "cancel", "drain"])
async def test_what_a_worker_started_ends_with_an_attempt_that_is_stopped(
    clock: FakeClock, tmp_path: Path, why: str, how: str
) -> None:
    hangs = in_process(starts_and_hangs, max_attempts=1, timeout="30s")
    note = tmp_path / "note"
    runner = JobRunner(":memory:", jobs=[hangs], clock=clock, drain_timeout=0)
    async with runner:
        handle = await runner.enqueue(hangs, how, str(note))
        pid = await pid_in(note)
        if why == "drain":
            pass
        elif why == "cancel":
            await handle.cancel()
        else:
            clock.advance("30s")
        if why != "drain":
            await outside(lambda: engine_of(runner).attempts.running == 0)
            assert not alive(pid)
    assert not alive(pid)


@slow
async def test_a_worker_that_dies_ends_its_attempt_at_once_although_a_copy_of_it_lives(
    clock: FakeClock, tmp_path: Path
) -> None:
    """The copy holds every descriptor of the worker."""
    note = tmp_path / "note"
    dies = in_process(starts_and_dies, max_attempts=1)
    async with started(clock, dies) as runner:
        handle = await runner.enqueue(dies, str(note))
        with pytest.raises(JobDead, match=r"the worker process died \(signal 9, SIGKILL: out of memory\?\)"):
            await handle.result(PATIENCE)
        assert (await handle.job()).history[0].outcome is Outcome.FAILED
        assert not alive(await pid_in(note))


@slow
@STARTS
async def test_what_outlives_its_handler_lives_as_long_as_the_worker(
    clock: FakeClock, tmp_path: Path, how: str
) -> None:
    note, doubles = tmp_path / "note", in_process(double)
    outlives = in_process(leaves, max_attempts=1)
    async with started(clock, outlives, doubles) as runner:
        await (await runner.enqueue(outlives, how, str(note))).result(3 * PATIENCE)
        assert await (await runner.enqueue(doubles, 4)).result(PATIENCE) == 8
        pid = await pid_in(note)
        assert alive(pid)
    assert not alive(pid)


@slow
async def test_a_worker_that_died_while_it_idled_costs_no_attempt(clock: FakeClock, tmp_path: Path) -> None:
    outlives, doubles = in_process(leaves, max_attempts=1), in_process(double, max_attempts=1)
    async with started(clock, outlives, doubles) as runner:
        note = tmp_path / "note"
        worker = await (await runner.enqueue(outlives, "subprocess", str(note))).result(3 * PATIENCE)
        pid = await pid_in(note)
        os.kill(worker, signal.SIGKILL)
        assert await (await runner.enqueue(doubles, 4)).result(PATIENCE) == 8
        await outside(lambda: not alive(pid))


@slow
async def test_a_worker_that_idles_for_long_ends(
    clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiojobs_lite.engine.workers.LONGEST_IDLE_S", 0.05)
    note, outlives = tmp_path / "note", in_process(leaves)
    async with started(clock, outlives) as runner:
        worker = await (await runner.enqueue(outlives, "fork", str(note))).result(3 * PATIENCE)
        pid = await pid_in(note)
        await outside(lambda: not alive(worker) and not alive(pid))
        await outside(lambda: not has_workers(runner))
    assert not alive(worker)


@pytest.mark.parametrize("missing", ["first", "second", "process"])
async def test_a_worker_that_cannot_be_started_fails_its_attempt_and_leaves_nothing_open(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    pair, pairs = socket.socketpair, list[object]()

    def scarce(*_: object, **__: object) -> object:
        pairs.append(missing)
        if missing == "process" or len(pairs) < (1 if missing == "first" else 2):
            return pair()
        raise OSError("too many open files")

    def none(*_: object, **__: object) -> object:
        raise OSError("too many processes")

    doubles = in_process(double, max_attempts=1)
    async with started(clock, doubles) as runner:
        with monkeypatch.context() as patched:
            patched.setattr(socket, "socketpair", scarce)
            patched.setattr(subprocess, "Popen", none)
            with pytest.raises(JobDead, match="OSError: too many"):
                await (await runner.enqueue(doubles, 1)).result(PATIENCE)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()


@slow
async def test_a_worker_is_known_to_have_ended_where_the_system_does_not_say_it(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its channel, and by asking."""
    monkeypatch.delattr(os, "pidfd_open")
    doubles = in_process(double)
    async with started(clock, doubles) as runner:
        assert await (await runner.enqueue(doubles, 2)).result(3 * PATIENCE) == 4
    assert not has_workers(runner)


@slow
@STARTS
async def test_nothing_that_a_worker_started_outlives_a_killed_runner(tmp_path: Path, how: str) -> None:
    note = tmp_path / "note"
    script = f"""if True:
        import asyncio
        from aiojobs_lite import JobRunner
        from tests.engine.test_supervisor import starts_and_hangs
        from tests.helpers.calls import in_process
        async def main():
            hangs = in_process(starts_and_hangs)
            async with JobRunner(":memory:", jobs=[hangs]) as runner:
                await (await runner.enqueue(hangs, {how!r}, {str(note)!r})).result()
        asyncio.run(main())
    """
    async with program("-c", script) as parent:
        pid = await pid_in(note)
        parent.signal(signal.SIGKILL)
        await outside(lambda: not alive(pid))
        assert await parent.kill() == -signal.SIGKILL
