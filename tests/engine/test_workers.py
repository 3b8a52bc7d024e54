"""Worker processes: whose time counts, what handlers write, what they raise, and that they die with their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from aiojobs_lite import JobDead, Status, job
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.job import Outcome
from aiojobs_lite.telemetry.facts import AttemptFailed
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.calls import in_process, outside, pid_in, started
from tests.helpers.pauses import poll
from tests.helpers.programs import alive, program
from tests.helpers.rings import first_of, slow
from tests.helpers.waiting import PATIENCE, next_fact

MUCH = 300_000  # bytes; a pipe holds 65,536

# Handlers, which the other process finds here by name.


def counts_for_long(note: str) -> None:
    Path(note).write_text(str(os.getpid()))
    sum(range(10**11))  # one call of C, which does not let go of the interpreter


def waits_for(note: str, release: str) -> None:
    Path(note).write_text(str(os.getpid()))
    poll(Path(release).exists, PATIENCE)


def where() -> int:
    return os.getpid()


def runs_a_program() -> int:
    subprocess.run(["echo", "x"], check=True)
    return os.getpid()


def writes_to_one() -> int:
    os.write(1, b"x\n")
    return os.getpid()


def has_children_that_write_much() -> int:
    for descriptor in (1, 2):
        script = f"import os; [os.write({descriptor}, b'x' * 10_000) for _ in range({MUCH // 10_000})]"
        subprocess.run([sys.executable, "-c", script], check=True)
    return os.getpid()


def writes_much() -> int:
    for descriptor in (1, 2):
        for _ in range(MUCH // 10_000):
            os.write(descriptor, b"x" * 10_000)
    return os.getpid()


class Hopeless(Exception):
    pass


def raises_what_cannot_be_pickled() -> None:
    class Local(Hopeless):
        def __init__(self) -> None:
            super().__init__("no \N{SNOWMAN} for it")
            self.cannot = lambda: None

    raise Local


def raises_a_fault_that_passes() -> None:
    raise TimeoutError("busy")


# How many jobs a runner takes.


@slow
async def test_a_runner_takes_no_more_jobs_than_it_has_worker_processes(
    clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for one is pending: other runners may take it, it expires, and no kill costs it an attempt."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    waits = in_process(waits_for, timeout="30s", max_attempts=1)

    @job
    async def other() -> str:
        return "done"

    async with started(clock, waits, other) as runner:
        handles = [await runner.enqueue(waits, str(tmp_path / f"pid{n}"), str(tmp_path / f"go{n}")) for n in range(3)]
        for n, handle in enumerate(handles):
            await outside((tmp_path / f"pid{n}").exists)
            stats = runner.stats()
            assert (stats.running, stats.processing, stats.pending) == (1, 1, 2 - n)
            assert await (await runner.enqueue(other)).result(PATIENCE) == "done"
            for later in handles[n + 1 :]:
                assert "all slots are taken: 1 of 1 worker processes of" in await runner.jobs.explain(later.id)
            clock.advance("29s")  # nor does it use up the time of the next
            (tmp_path / f"go{n}").touch()
            await handle.result(PATIENCE)


# Whose time counts.


@slow
async def test_the_start_of_a_process_is_not_its_handlers_time(
    clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_to_import.py").write_text(
        "import pathlib\n"
        "from tests.helpers.pauses import poll\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "(folder / 'importing').touch()\n"
        f"poll((folder / 'go').exists, {PATIENCE})\n"
        "def where():\n"
        "    return 42\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    handler = FunctionType(where.__code__, {}, "where")  # as it would be here, had it been imported here
    handler.__module__, handler.__annotations__ = "slow_to_import", {"return": int}
    slow: JobType[..., Any] = in_process(handler, timeout="30s", max_attempts=1)
    async with started(clock, slow) as runner:
        handle = await runner.enqueue(slow)
        await outside((tmp_path / "importing").exists)
        clock.advance("31s")
        (tmp_path / "go").touch()
        assert await handle.result(PATIENCE) == 42


# What they write.


@slow
@pytest.mark.parametrize(
    "handler", first_of(1, [writes_much, runs_a_program, writes_to_one, has_children_that_write_much])
)
async def test_what_a_handler_or_its_children_write_goes_where_the_parent_writes_and_hinders_nothing(
    clock: FakeClock, capfd: pytest.CaptureFixture[str], handler: Callable[[], int]
) -> None:
    writes, next_one = in_process(handler, max_attempts=1), in_process(where)
    async with started(clock, writes, next_one) as runner:
        pid = await (await runner.enqueue(writes)).result(PATIENCE)
        assert await (await runner.enqueue(next_one)).result(PATIENCE) == pid
    said = capfd.readouterr()
    assert said.out.count("x") == (1 if handler in {runs_a_program, writes_to_one} else MUCH)
    assert said.err.count("x") >= (0 if handler in {runs_a_program, writes_to_one} else MUCH)


# What they raise.


@slow
async def test_an_exception_that_cannot_be_pickled_is_recorded_as_it_was(clock: FakeClock) -> None:
    raises = in_process(raises_what_cannot_be_pickled, max_attempts=1)
    async with started(clock, raises) as runner:
        handle = await runner.enqueue(raises)
        with pytest.raises(JobDead, match="no \N{SNOWMAN} for it"):
            await handle.result(PATIENCE)
        (attempt,) = (await handle.job()).history
    assert attempt.outcome is Outcome.FAILED
    assert attempt.error_type == "raises_what_cannot_be_pickled.<locals>.Local"
    assert attempt.message == "no \N{SNOWMAN} for it"
    assert "in raises_what_cannot_be_pickled\n    raise Local\n" in (attempt.traceback or "")


@slow
async def test_what_was_raised_in_another_process_is_tried_again_or_not_as_its_type_says(clock: FakeClock) -> None:
    types = {
        "abandoned": in_process(raises_what_cannot_be_pickled, name="abandoned", abandon_on=Hopeless),
        "again": in_process(raises_what_cannot_be_pickled, name="again", retry_on=Hopeless),
        "not again": in_process(raises_a_fault_that_passes, name="not again", retry_on=Hopeless),
        "as ever": in_process(raises_a_fault_that_passes, name="as ever", abandon_on=Hopeless),
    }
    async with started(clock, *types.values()) as runner:
        found = {}
        for name in types:
            events = runner.watch()
            handle = await runner.enqueue_named(name)
            if name in {"again", "as ever"}:
                await next_fact(events, AttemptFailed)
            else:
                with pytest.raises(JobDead, match="is not to be tried again"):
                    await handle.result(PATIENCE)
            found[name] = await handle.job()
        assert {name: one.status for name, one in found.items()} == {
            "abandoned": Status.DEAD, "again": Status.PENDING, "not again": Status.DEAD, "as ever": Status.PENDING
        }  # fmt: skip
        assert {one.attempts for one in found.values()} == {1}


# When the parent is gone.


@slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread looks for the parent, when it may")
async def test_a_worker_process_that_holds_its_interpreter_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"""if True:
        import asyncio
        from aiojobs_lite import JobRunner
        from tests.engine.test_workers import counts_for_long
        from tests.helpers.calls import in_process
        async def main():
            counts = in_process(counts_for_long)
            async with JobRunner(":memory:", jobs=[counts]) as runner:
                await (await runner.enqueue(counts, {str(note)!r})).result()
        asyncio.run(main())
    """
    async with program("-c", script) as parent:
        pid = await pid_in(note)
        try:
            assert await parent.kill() == -signal.SIGKILL
            await outside(lambda: not alive(pid))
        finally:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
