"""One attempt from the claim to its end, with a recorder that the test plays."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from aiojobs_lite import JobContext, injected, job
from aiojobs_lite.clock import after, to_datetime
from aiojobs_lite.engine.executor import Executor
from aiojobs_lite.engine.identity import Identity
from aiojobs_lite.engine.resources import Resources
from aiojobs_lite.engine.running import AttemptRegister
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.ends import Again, Close, Complete, End
from aiojobs_lite.model.job import Failure, Held, Outcome, Status
from aiojobs_lite.origin import count_forks
from aiojobs_lite.policy.settle import Stop
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import AttemptStuck, Fact
from aiojobs_lite.telemetry.tracebacks import Raised
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.engine import claimed, names, published_on, registry_of
from tests.helpers.waiting import PATIENCE, quiet, until


class Rig:
    """An executor with the list of its attempts, and all that it tells others."""

    def __init__(self, clock: FakeClock, *job_types: JobType[..., Any], deps: dict[Any, Any] | None = None) -> None:
        self.bus = Bus()
        self.published: Callable[[], list[Fact]] = published_on(self.bus)
        self.attempts = AttemptRegister()
        self.ends: list[End] = []
        self.slots: list[str] = []
        self.executor = Executor(
            clock=clock, bus=self.bus, registry=registry_of(*job_types), deps=Resources(deps or {}),
            attempts=self.attempts, slots=self, recorder=self, identity=Identity(5, {}), cancel_grace=5,
        )  # fmt: skip

    def released(self, job_type: str) -> None:
        self.slots.append(job_type)

    def record(self, end: End, raised: Raised | None = None) -> None:
        self.ends.append(end)

    async def record_lost(self, end: End, raised: Raised | None = None) -> bool:
        raise NotImplementedError

    async def end(self) -> End:
        """The next end of an attempt that is to be saved."""
        async with asyncio.timeout(PATIENCE):
            await until(lambda: bool(self.ends))
            return self.ends.pop(0)


@job
async def quick() -> str:
    return "done"


@job(max_attempts=1)
async def fails() -> None:
    raise ValueError("no")


async def test_an_attempt_is_registered_when_start_returns_and_held_until_its_end_is_saved(clock: FakeClock) -> None:
    rig = Rig(clock, quick)
    rig.executor.start([claimed(1, "quick", owner="me")])
    assert (rig.executor.running, rig.attempts.watch_owned()) == (1, {1})
    assert await rig.end() == Complete(1, 1, "me", "quick", '"done"')
    assert (rig.executor.running, rig.attempts.watch_owned()) == (0, {1})
    assert rig.slots == ["quick"]  # the slot is free before the end is saved
    assert names(rig.published()) == ["AttemptStarted"]
    assert rig.attempts.saved(1) > 0
    assert rig.attempts.watch_owned() == set()


async def test_an_attempt_that_was_taken_away_ends_beside_the_next_one_of_its_job(clock: FakeClock) -> None:
    go = [asyncio.Event() for _ in range(2)]

    @job
    async def held(ctx: JobContext = injected) -> None:
        await go[ctx.attempt - 1].wait()

    rig = Rig(clock, held)
    for attempt in (1, 2):  # as when the owner's file was removed: others took the job, and it came back
        rig.executor.start([claimed(1, "held", attempt=attempt)])
    for attempt in (1, 2):
        go[attempt - 1].set()
        end = await rig.end()
        assert isinstance(end, Complete)
        assert end.attempt == attempt
        assert rig.attempts.running == (1 if attempt == 1 else 0)
        rig.attempts.saved(1)
    assert rig.slots == ["held", "held"]


async def test_what_runs_or_starts_after_the_question_stays_among_what_is_held(clock: FakeClock) -> None:
    """A job that ends and is run again by the same attempt, after a snooze say, must not look like a stray."""
    rig = Rig(clock, quick)
    rig.executor.start([claimed(1, "quick")])
    held = rig.attempts.watch_owned()
    for number in (1, 2):
        await rig.end()
        rig.attempts.saved(number)
        if number == 1:
            rig.executor.start([claimed(2, "quick")])
    assert held == {1, 2}
    assert rig.attempts.watch_owned() == set()


async def test_an_attempt_that_is_stopped_before_its_first_line_never_runs(clock: FakeClock) -> None:
    ran: list[int] = []

    @job(name="never")
    async def never() -> None:
        ran.append(1)

    rig = Rig(clock, never)
    rig.executor.start([claimed(1, "never")])
    assert rig.executor.stop(1, Stop.CANCEL)
    assert not rig.executor.stop(2, Stop.CANCEL)  # not here
    end = await rig.end()
    assert isinstance(end, Close)
    assert (end.outcome, end.status, ran) == (Outcome.CANCELLED, Status.CANCELLED, [])
    assert rig.published() == []


async def test_what_is_given_back_never_runs_and_costs_no_attempt(clock: FakeClock) -> None:
    rig = Rig(clock, quick)
    rig.attempts.leave()  # even then
    rig.executor.give_back([claimed(1, "quick")])
    (end,) = rig.ends
    assert isinstance(end, Again)
    assert (end.outcome, end.refund) == (Outcome.INTERRUPTED, True)
    assert (rig.attempts.running, rig.slots, rig.attempts.watch_owned()) == (0, ["quick"], {1})
    await quiet()
    assert rig.published() == []


async def test_a_second_stop_does_not_cancel_again(clock: FakeClock) -> None:
    steps: list[str] = []
    is_clean = asyncio.Event()

    @job(name="cleans_up")
    async def cleans_up() -> None:
        steps.append("begins")
        try:
            await asyncio.Event().wait()
        finally:
            steps.append("cleans up")
            await is_clean.wait()
            steps.append("ends")

    rig = Rig(clock, cleans_up)
    rig.executor.start([claimed(1, "cleans_up")])
    await until(lambda: steps == ["begins"])
    assert rig.executor.stop_all(Stop.SHUTDOWN) == 1
    await until(lambda: steps == ["begins", "cleans up"])
    assert rig.executor.stop_all(Stop.SHUTDOWN) == 0
    assert rig.executor.stop(1, Stop.TIMEOUT)
    await quiet()
    is_clean.set()
    end = await rig.end()
    assert steps == ["begins", "cleans up", "ends"]
    assert isinstance(end, Again)
    assert (end.outcome, end.refund) == (Outcome.INTERRUPTED, True)  # the first reason stands


async def test_a_cancel_counts_although_the_attempt_was_stopped_for_another_reason(clock: FakeClock) -> None:
    entered = asyncio.Event()

    @job(name="waits")
    async def waits() -> None:
        entered.set()
        await asyncio.Event().wait()

    rig = Rig(clock, waits)
    rig.executor.start([claimed(1, "waits")])
    await until(entered.is_set)
    rig.executor.stop_all(Stop.SHUTDOWN)
    rig.executor.stop(1, Stop.CANCEL)
    end = await rig.end()
    assert isinstance(end, Close)
    assert end.status is Status.CANCELLED


async def test_waiting_until_done_returns_when_the_last_one_has_ended(clock: FakeClock) -> None:
    gates = {1: asyncio.Event(), 2: asyncio.Event()}

    @job(name="gated")
    async def gated(n: int) -> None:
        await gates[n].wait()

    rig = Rig(clock, gated)
    for number in gates:
        rig.executor.start([claimed(number, "gated", f'{{"n": {number}}}')])
    waiting = asyncio.get_running_loop().create_task(rig.attempts.wait_until_done())
    for number, gate in gates.items():
        await quiet()
        assert not waiting.done()
        gate.set()
        await rig.end()
        assert rig.attempts.running == 2 - number
    await waiting


async def test_what_is_left_running_is_not_recorded_and_the_last_one_calls_back(clock: FakeClock) -> None:
    release = asyncio.Event()
    empty: list[str] = []

    @job(name="stubborn", timeout="1s")
    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    rig = Rig(clock, stubborn)
    for number in (1, 2):
        rig.executor.start([claimed(number, "stubborn", attempt=number, owner="me")])
    await quiet()
    tasks = [run.task for run in rig.attempts if run.task]
    assert len(tasks) == 2
    rig.attempts.leave()
    assert [(run.claimed.id, run.claimed.attempt) for run in rig.attempts] == [(1, 1), (2, 2)]
    assert not {*tasks} & asyncio.all_tasks()  # asyncio.run does not wait for them
    rig.attempts.when_empty(lambda: empty.append("empty"))
    clock.advance("1m")  # their timers are off
    assert (empty, rig.attempts.stuck) == ([], 0)
    release.set()
    await asyncio.gather(*tasks)
    assert (empty, rig.ends, rig.slots) == (["empty"], [], [])
    rig.attempts.when_empty(lambda: empty.append("at once"))
    assert empty == ["empty", "at once"]


async def test_an_attempt_that_had_no_first_step_before_a_fork_does_not_begin_in_the_copy(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: list[str] = []

    @job
    async def handler() -> None:
        entered.append("copy")

    rig = Rig(clock, handler)
    rig.executor.start([claimed(1, "handler", owner="me")])
    monkeypatch.setattr("aiojobs_lite.origin._Process.forks", count_forks() + 1)
    await quiet()
    assert (entered, rig.ends) == ([], [])


async def test_a_thread_that_is_stuck_shows_where_it_is(clock: FakeClock) -> None:
    entered, release = threading.Event(), threading.Event()

    def sits_here() -> None:
        entered.set()
        release.wait(PATIENCE)

    @job(name="threaded", timeout="1s")
    def threaded(ctx: JobContext = injected) -> None:
        sits_here()

    rig = Rig(clock, threaded)
    rig.executor.start([claimed(1, "threaded")])
    await until(entered.is_set)
    clock.advance("1s")
    clock.advance("5s")
    assert rig.attempts.stuck == 1
    (stuck,) = [event for event in rig.published() if isinstance(event, AttemptStuck)]
    assert stuck.why == "timeout"
    assert "sits_here" in stuck.stack
    release.set()
    end = await rig.end()
    assert isinstance(end, Complete)
    assert rig.attempts.stuck == 0


async def test_a_thread_that_has_not_begun_has_no_stack(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = asyncio.Event()

    async def late(*_: object) -> None:
        await begin.wait()

    monkeypatch.setattr("aiojobs_lite.engine.executor.call_in_thread", late)

    @job(name="threaded")
    def threaded() -> None: ...

    rig = Rig(clock, threaded)
    rig.executor.start([claimed(1, "threaded")])
    await quiet()
    rig.executor.stop(1, Stop.CANCEL)
    clock.advance("5s")
    stopped_at = to_datetime(after(clock.now(), -5))
    assert rig.published()[-1] == AttemptStuck(1, "threaded", 1, "cancel", "(its thread has not started)", stopped_at)
    begin.set()
    await rig.end()


async def test_the_timers_of_an_attempt_that_has_ended_do_nothing(clock: FakeClock) -> None:
    @job(name="timed", timeout="30s")
    async def timed() -> None: ...

    rig = Rig(clock, timed)
    rig.executor.start([claimed(1, "timed")])
    end = await rig.end()
    clock.advance("1h")
    await quiet()
    assert isinstance(end, Complete)
    assert (rig.ends, rig.attempts.stuck, names(rig.published())) == ([], 0, ["AttemptStarted"])


async def test_a_payload_that_no_longer_fits_does_not_start_its_handler(clock: FakeClock) -> None:
    @job(name="typed")
    async def typed(n: int) -> None: ...

    rig = Rig(clock, typed)
    rig.executor.start([claimed(1, "typed", '{"m": 1}')])
    end = await rig.end()
    assert isinstance(end, Again)
    assert (end.held, end.refund, rig.published()) == (Held.PAYLOAD, True, [])
    assert "n: Field required" in (end.reason or "")


async def test_nothing_listens_and_no_event_is_made(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bus, "is_watched", lambda _bus, _kind: False)

    @job(name="swallows", timeout="1s", max_attempts=1)
    async def swallows() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await release.wait()

    release = asyncio.Event()
    rig = Rig(clock, swallows)
    rig.executor.start([claimed(1, "swallows")])
    await quiet()
    clock.advance("1s")
    await quiet()
    clock.advance("5s")
    assert rig.attempts.stuck == 1
    release.set()
    end = await rig.end()
    assert isinstance(end, Again)
    assert (end.outcome, rig.published()) == (Outcome.TIMED_OUT, [])


async def test_an_exception_keeps_its_record_when_it_was_raised_on_the_way_out(clock: FakeClock) -> None:
    @job(name="clumsy", timeout="1s", max_attempts=1)
    async def clumsy() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError("in the cleanup")

    rig = Rig(clock, clumsy)
    rig.executor.start([claimed(1, "clumsy")])
    await quiet()
    clock.advance("1s")
    end = await rig.end()
    assert isinstance(end, Again)
    assert end.outcome is Outcome.TIMED_OUT
    assert isinstance(end.failure, Failure)
    assert (end.failure.error_type, end.failure.message) == ("LookupError", "in the cleanup")


# How attempts begin.


async def test_no_handler_begins_before_those_who_enqueued_went_on(clock: FakeClock) -> None:
    """Nor inside of the one that starts it: an enqueue must not take as long as a handler's first step."""
    order: list[str] = []

    @job
    async def notes() -> None:
        order.append("handler")

    async def caller(answered: asyncio.Future[None]) -> None:
        await answered
        order.append("caller")

    rig = Rig(clock, notes)
    answered = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(caller(answered))
    await quiet()
    answered.set_result(None)
    rig.executor.start([claimed(1, "notes"), claimed(2, "notes")])
    order.append("started")
    await waiting
    await rig.end()
    assert order == ["started", "caller", "handler", "handler"]


async def test_each_attempt_is_a_task_of_its_own_from_its_first_line_on(clock: FakeClock) -> None:
    seen: list[tuple[asyncio.Task[Any] | None, str]] = []

    @job
    async def looks() -> None:
        task = asyncio.current_task()
        assert task is not None
        seen.append((task, task.get_name()))
        await asyncio.sleep(0)
        assert asyncio.current_task() is task

    rig = Rig(clock, looks)
    rig.executor.start([claimed(1, "looks"), claimed(2, "looks")])
    for _ in range(2):
        end = await rig.end()
        assert isinstance(end, Complete)
    assert len({task for task, _ in seen}) == 2
    assert [name for _, name in seen] == ["looks", "looks"]


async def test_an_attempt_that_is_stopped_in_its_first_step_ends_at_its_next_await(clock: FakeClock) -> None:
    reached: list[str] = []

    @job
    async def stops_itself(n: int) -> None:
        assert rig.executor.stop(n, Stop.CANCEL)
        reached.append("first")
        await asyncio.sleep(0)
        reached.append("never")

    rig = Rig(clock, stops_itself)
    rig.executor.start([claimed(1, "stops_itself", '{"n": 1}')])
    end = await rig.end()
    assert isinstance(end, Close)
    assert (end.outcome, end.status, reached) == (Outcome.CANCELLED, Status.CANCELLED, ["first"])


async def test_what_was_not_begun_when_the_runner_was_left_never_begins(clock: FakeClock) -> None:
    ran: list[int] = []

    @job
    async def counts() -> None:
        ran.append(1)

    rig = Rig(clock, counts)
    rig.executor.start([claimed(1, "counts", owner="me")])
    rig.attempts.leave()  # its rescue gives the attempt back
    empty: list[str] = []
    rig.attempts.when_empty(lambda: empty.append("empty"))
    await until(lambda: bool(empty))
    assert (rig.ends, ran) == ([], [])


async def test_a_task_factory_of_the_application_makes_the_tasks_of_attempts_too(clock: FakeClock) -> None:
    made: list[asyncio.Task[Any]] = []

    def factory(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        made.append(asyncio.Task(coro, loop=loop, **options))
        return made[-1]

    rig = Rig(clock, quick)
    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory)
    try:
        rig.executor.start([claimed(1, "quick")])
        await rig.end()
    finally:
        loop.set_task_factory(None)
    assert "quick" in [task.get_name() for task in made]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.11 begins no attempt eagerly")
async def test_a_signal_while_one_attempt_begins_leaves_all_to_begin(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fails(asyncio.Task[Any]):
        def __init__(self, *_: object, **__: object) -> None:
            monkeypatch.undo()
            raise KeyboardInterrupt

    rig = Rig(clock, quick)
    loop = asyncio.get_running_loop()
    begun: list[Callable[[], object]] = []
    monkeypatch.setattr(loop, "call_soon", lambda call, *args, **_: begun.append(lambda: call(*args)))
    rig.executor.start([claimed(number, "quick") for number in range(3)])
    monkeypatch.undo()
    monkeypatch.setattr(asyncio, "Task", Fails)
    with pytest.raises(KeyboardInterrupt):  # which ends the event loop, as it is meant to
        begun[0]()
    assert {(await rig.end()).id for _ in range(3)} == {0, 1, 2}
    assert (rig.attempts.running, rig.slots) == (0, ["quick"] * 3)


async def test_a_signal_while_a_task_is_made_leaves_the_others_to_begin(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(loop: asyncio.AbstractEventLoop, coro: Any, **_: object) -> asyncio.Task[Any]:
        loop.set_task_factory(None)
        raise KeyboardInterrupt

    monkeypatch.setattr("aiojobs_lite.engine.beginning.HAS_EAGER_TASKS", False)
    rig = Rig(clock, quick)
    asyncio.get_running_loop().set_task_factory(fails)
    with pytest.raises(KeyboardInterrupt):
        rig.executor.start([claimed(number, "quick") for number in range(3)])
    assert {(await rig.end()).id for _ in range(3)} == {0, 1, 2}
    assert (rig.attempts.running, rig.slots) == (0, ["quick"] * 3)


async def test_an_attempt_begins_as_it_was_claimed_whatever_its_type_is_by_then(clock: FakeClock) -> None:
    @job(name="t")
    async def old(text: str = injected) -> str:
        return text

    @job(name="t")
    async def new(number: int = injected) -> int:
        return number

    rig = Rig(clock, old, deps={str: "old", int: 7})
    rig.executor.start([claimed(1, "t")])
    rig.executor.set_types([new], {})
    end = await rig.end()
    assert isinstance(end, Complete)
    assert end.result == '"old"'
    rig.executor.set_types([], {})
    kept = rig.executor._injected, rig.executor._own, rig.executor._plain, rig.executor._around  # noqa: SLF001  # caches
    assert not any(kept)  # nothing is kept of a type that has left
