"""Chained signal handlers, in the test's own process; `tests/processes/test_term.py` sends signals to others."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from aiojobs_lite import JobRunner, job
from aiojobs_lite.engine.signals import Signals
from aiojobs_lite.telemetry.facts import DrainFinished, DrainStarted
from tests.helpers.rings import slow
from tests.helpers.stores import run_child
from tests.helpers.waiting import PATIENCE, next_fact, quiet, until

SIGTERM, SIGINT = signal.SIGTERM, signal.SIGINT


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Whatever a test leaves, the handlers of the process are the same afterwards."""
    found = {number: signal.getsignal(number) for number in (SIGTERM, SIGINT)}
    yield
    for number, handler in found.items():
        signal.signal(number, handler)


class Rig:
    """Signals, with a handler of the host below."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.calls: list[tuple[str, bool]] = []
        self.host: list[int] = []
        self.error = error
        self.signals = Signals(listener=self)

    def signalled(self, name: str, *, is_impatient: bool) -> None:
        self.calls.append((name, is_impatient))

    def handle(self, number: int, _frame: FrameType | None) -> None:
        self.host.append(number)
        if self.error is not None:
            raise self.error


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    signal.signal(SIGTERM, rig.handle)
    return rig


async def test_the_host_is_called_and_the_runner_is_published_each_time(rig: Rig) -> None:
    rig.signals.install()
    for _ in range(3):
        signal.raise_signal(SIGTERM)
    await until(lambda: len(rig.calls) == 3)
    assert rig.calls == [("SIGTERM", False)] * 3  # sent again by a supervisor: no person is impatient
    assert rig.host == [SIGTERM] * 3
    assert not rig.signals.is_due
    rig.signals.restore()
    assert signal.getsignal(SIGTERM) == rig.handle
    rig.signals.act()  # nothing was put off
    signal.raise_signal(SIGTERM)
    await quiet()
    assert len(rig.calls) == 3


@pytest.mark.parametrize("error", [SystemExit(7), KeyboardInterrupt()])
async def test_an_exception_of_the_host_is_put_off_twice_and_then_not(rig: Rig, error: BaseException) -> None:
    rig.error = error
    rig.signals.install()
    signal.raise_signal(SIGTERM)
    assert rig.signals.is_due
    signal.raise_signal(SIGTERM)
    with pytest.raises(type(error)):
        signal.raise_signal(SIGTERM)
    rig.signals.restore()
    await until(lambda: len(rig.calls) == 3)


async def test_what_was_put_off_is_raised_out_of_the_event_loop_at_the_end(rig: Rig) -> None:
    rig.error = SystemExit(7)
    loop = asyncio.get_running_loop()
    rig.signals.install()
    signal.raise_signal(SIGTERM)
    rig.signals.restore()
    later = loop.call_soon
    calls: list[Any] = []
    loop.call_soon = lambda call, *args, **_: calls.append((call, args))  # type: ignore[method-assign, assignment]  # else it would end the test
    try:
        rig.signals.act()
    finally:
        loop.call_soon = later  # type: ignore[method-assign]
    ((call, args),) = calls
    with pytest.raises(SystemExit) as caught:
        call(*args)
    assert caught.value.code == 7


async def test_the_default_action_is_put_off_and_then_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    acted: list[int] = []
    signal.signal(SIGTERM, signal.SIG_DFL)
    rig = Rig()
    rig.signals.install()
    signal.raise_signal(SIGTERM)
    await until(lambda: rig.calls == [("SIGTERM", False)])
    assert rig.signals.is_due
    rig.signals.restore()
    assert signal.getsignal(SIGTERM) is signal.SIG_DFL
    monkeypatch.setattr(signal, "raise_signal", acted.append)  # else it would end the test
    rig.signals.act()
    assert acted == [SIGTERM]
    monkeypatch.undo()


async def test_the_runner_above_takes_over_what_the_one_below_put_off(rig: Rig) -> None:
    rig.error = SystemExit(7)
    above = Rig()
    rig.signals.install()
    above.signals.install()
    signal.raise_signal(SIGTERM)
    await until(lambda: above.calls == rig.calls == [("SIGTERM", False)])
    assert (above.signals.is_due, rig.signals.is_due) == (False, True)
    rig.signals.restore()  # the one below ends first
    rig.signals.act()
    await until(lambda: above.calls == [("SIGTERM", False), ("SIGTERM", False)])
    assert above.signals.is_due
    signal.raise_signal(SIGTERM)  # passed on by the one that has ended, and put off by the one above
    assert rig.host == [SIGTERM, SIGTERM]
    above.signals.restore()


async def test_one_that_has_ended_passes_signals_on(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.signals.install()
    chained = signal.getsignal(SIGTERM)
    signal.signal(SIGTERM, lambda number, frame: chained(number, frame))  # type: ignore[operator, misc]  # it is a function
    rig.signals.restore()
    signal.raise_signal(SIGTERM)
    await quiet()
    assert (rig.calls, rig.host) == ([], [SIGTERM])


async def test_one_that_has_ended_takes_the_default_action_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    signal.signal(SIGTERM, signal.SIG_DFL)
    rig = Rig()
    rig.signals.install()
    chained: Any = signal.getsignal(SIGTERM)
    signal.signal(SIGTERM, lambda number, frame: chained(number, frame))
    rig.signals.restore()
    acted: list[tuple[int, Any]] = []
    monkeypatch.setattr(signal, "raise_signal", lambda number: acted.append((number, signal.getsignal(number))))
    chained(SIGTERM, None)
    monkeypatch.undo()
    assert acted == [(SIGTERM, signal.SIG_DFL)]


async def test_an_ignored_signal_and_one_handled_in_c_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    signal.signal(SIGTERM, signal.SIG_IGN)
    rig = Rig()
    rig.signals.install()
    assert signal.getsignal(SIGTERM) is signal.SIG_IGN
    rig.signals.restore()
    monkeypatch.setattr(signal, "getsignal", lambda _number: None)
    rig.signals.install()
    monkeypatch.undo()
    assert signal.getsignal(SIGTERM) is signal.SIG_IGN
    rig.signals.restore()


async def test_in_a_thread_nothing_is_chained_and_nothing_restored(rig: Rig) -> None:
    thread = threading.Thread(target=rig.signals.install)
    thread.start()
    thread.join(PATIENCE)
    assert signal.getsignal(SIGTERM) == rig.handle
    assert not rig.signals.is_active
    rig.signals.install()
    ours = signal.getsignal(SIGTERM)
    thread = threading.Thread(target=rig.signals.restore)
    thread.start()
    thread.join(PATIENCE)
    assert signal.getsignal(SIGTERM) is ours
    assert not rig.signals.is_active
    signal.raise_signal(SIGTERM)
    assert (rig.calls, rig.host) == ([], [SIGTERM])  # passed on


# Through a runner.


@job
async def endless() -> None:
    entered.set()
    await asyncio.Event().wait()


entered = threading.Event()


@pytest.mark.parametrize("first", [SIGTERM, SIGINT])
async def test_a_later_sigint_is_impatient_and_a_later_sigterm_is_not(rig: Rig, first: signal.Signals) -> None:
    signal.signal(SIGINT, rig.handle)
    rig.signals.install()
    for number in (first, SIGTERM, SIGINT):
        signal.raise_signal(number)
    await until(lambda: len(rig.calls) == 3)
    assert rig.calls == [(first.name, False), ("SIGTERM", False), ("SIGINT", True)]
    rig.signals.restore()


async def test_a_signal_that_comes_while_one_is_handled_does_not_overtake_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To uvicorn, a SIGINT after a SIGTERM means: at once, without the lifespan."""
    signal.signal(SIGINT, rig.handle)
    rig.signals.install()
    loop = asyncio.get_running_loop()
    tell = loop.call_soon_threadsafe

    def interrupted(*call: Any) -> Any:
        if not rig.host and signal.SIGTERM not in came:
            came.append(SIGTERM)
            signal.raise_signal(SIGTERM)
        return tell(*call)

    came: list[int] = []
    monkeypatch.setattr(loop, "call_soon_threadsafe", interrupted)
    signal.raise_signal(SIGINT)
    monkeypatch.undo()
    await until(lambda: len(rig.calls) == 2)
    assert rig.host == [SIGINT, SIGTERM]
    assert rig.calls == [("SIGINT", False), ("SIGTERM", False)]
    rig.signals.restore()


async def test_a_sigint_hurries_the_drain(rig: Rig, database: Path) -> None:
    signal.signal(SIGINT, rig.handle)
    entered.clear()
    runner = JobRunner(database, jobs=[endless], drain_timeout=2 * PATIENCE)
    async with runner:
        events = runner.watch()
        handle = await runner.enqueue(endless)
        await until(entered.is_set)
        signal.raise_signal(SIGTERM)
        assert (await next_fact(events, DrainStarted)).why == "SIGTERM"
        await quiet()
        assert runner.stats().running == 1  # it is waited for
        signal.raise_signal(SIGINT)
        finished = await next_fact(events, DrainFinished)
        assert (finished.interrupted, finished.left) == ((handle.id,), ())
        await runner.enqueue(endless)  # the host has not left: it may still enqueue
        assert (await handle.job()).interruptions == 1
    assert rig.host == [SIGTERM, SIGINT]


@pytest.mark.parametrize("leaves", [True, False])
async def test_a_signal_that_nothing_handles_ends_the_runner_and_is_raised_after_all_is_closed(
    database: Path, monkeypatch: pytest.MonkeyPatch, owner_files: Callable[[], list[str]], leaves: bool
) -> None:
    """Also if its caller knows nothing of the signal and would stay."""
    signal.signal(SIGTERM, signal.SIG_DFL)
    raised: list[tuple[int, Any, list[str]]] = []
    runner, stay = JobRunner(database), asyncio.Event()

    async def entered_and_held() -> None:
        async with runner:
            await stay.wait()

    running = asyncio.ensure_future(runner.run_forever() if leaves else entered_and_held())
    await until(lambda: bool(owner_files()) and signal.getsignal(SIGTERM) is not signal.SIG_DFL)
    signal.raise_signal(SIGTERM)
    monkeypatch.setattr(
        signal, "raise_signal", lambda number: raised.append((number, signal.getsignal(number), owner_files()))
    )
    await until(lambda: bool(raised))
    stay.set()
    await running
    monkeypatch.undo()
    assert raised == [(SIGTERM, signal.SIG_DFL, [])]


@slow
async def test_a_forked_process_ends_by_a_signal_as_if_there_were_no_runner(tmp_path: Path) -> None:
    script = """if True:
        import asyncio, multiprocessing, signal
        from aiojobs_lite import JobRunner

        fork = multiprocessing.get_context("fork")
        up = fork.Event()  # until then Python itself forgets the signals that come: its clean-up after a fork does

        def work():
            up.set()
            signal.pause()

        async def main():
            async with JobRunner("jobs.db"):
                child = fork.Process(target=work)
                child.start()
                await asyncio.to_thread(up.wait, 20)
                child.terminate()
                await asyncio.to_thread(child.join, 20)
                print(child.exitcode)
                child.kill()

        asyncio.run(main())
    """
    said, _warnings = await asyncio.to_thread(run_child, script, tmp_path)
    assert said == "-15\n"
