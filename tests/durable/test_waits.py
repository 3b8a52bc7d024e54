"""The waits of one attempt: over by the clock, ended from outside, or the reason to suspend it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from aiojobs_lite.durable.waits import PendingWait, Waits
from aiojobs_lite.policy.settle import Suspension
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.waiting import quiet, until


class Rig:
    """An attempt that waits.

    Attributes:
        suspended: Each suspension that was asked for.
        reloads: How often it was asked to look for what has come.
    """

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.suspended: list[Suspension] = []
        self.reloads = 0
        self.task: asyncio.Task[object] | None = None
        ledger: Any = None  # is not asked for anything
        self.waits = Waits(clock=self.clock, run=self, ledger=ledger, host=self)

    def suspend(self, run: Rig, suspension: Suspension) -> None:
        assert run is self
        self.suspended.append(suspension)

    def reload(self, waits: Waits) -> None:
        assert waits is self.waits
        self.reloads += 1

    def start(self, handler: Callable[[], Awaitable[object]]) -> asyncio.Task[object]:
        async def run() -> object:
            return await handler()

        self.task = asyncio.create_task(run())
        return self.task

    async def end(self) -> None:
        """Ends the attempt as its executor does."""
        self.waits.close()
        assert self.task is not None
        self.task.cancel()
        await asyncio.wait([self.task])

    def at(self, seconds: int) -> int:
        return self.clock.now() + seconds * 1_000_000


async def test_an_attempt_that_only_waits_is_suspended_until_the_first_of_its_instants() -> None:
    rig = Rig()
    late, soon = rig.at(9), rig.at(5)
    rig.start(
        lambda: asyncio.gather(
            *[rig.waits.wait(PendingWait(*one)) for one in (("a", late), ("b", None), ("c", soon), ("a", late))]
        )
    )
    await quiet()
    assert rig.suspended == [Suspension(soon, ("a", "b", "c"))]
    assert rig.waits.is_closed
    with pytest.raises(asyncio.CancelledError, match="suspended"):
        await rig.waits.check()
    await rig.end()
    assert len(rig.suspended) == 1


async def gather(rig: Rig, waits: list[PendingWait]) -> None:
    await asyncio.gather(*map(rig.waits.wait, waits))


async def test_an_attempt_is_suspended_for_one_wait_of_those_that_are_over_together() -> None:
    rig, chosen = Rig(), set[str]()
    for _ in range(100):
        rig.waits.is_closed = False
        joined = [PendingWait(f"{join}{number}", None, join) for join in "ab" for number in range(3)]
        alone = [PendingWait("c", None), PendingWait("a", rig.at(5), "a")]
        task = rig.start(partial(gather, rig, [*joined, *alone]))
        await quiet()
        suspension = rig.suspended.pop()
        assert [name[0] for name in suspension.waits_for] == ["a", "b", "c", "a"]
        assert (suspension.until, suspension.waits_for[3]) == (rig.at(5), "a")
        chosen.update(suspension.waits_for)
        task.cancel()
        await asyncio.wait([task])
    assert chosen == {"a0", "a1", "a2", "b0", "b1", "b2", "c", "a"}
    await rig.end()


async def test_a_wait_beside_a_busy_branch_ends_by_the_clock_or_from_outside() -> None:
    rig = Rig()
    busy, ended = asyncio.Event(), list[str]()

    async def branch(name: str, instant: int | None) -> None:
        await rig.waits.wait(PendingWait(name, instant))
        ended.append(name)

    rig.start(lambda: asyncio.gather(busy.wait(), branch("sleep", rig.at(5)), branch("event", None)))
    await until(lambda: rig.reloads > 0, 0.01)
    assert ended == []
    rig.clock.advance(5)
    await until(lambda: ended == ["sleep"])
    rig.waits.end("event")
    await until(lambda: ended == ["sleep", "event"])
    assert rig.suspended == []
    await rig.end()


async def test_no_attempt_is_suspended_while_a_step_runs() -> None:
    rig = Rig()
    with rig.waits:
        rig.start(lambda: rig.waits.wait(PendingWait("a", None)))
        await quiet()
        assert rig.suspended == []
    await quiet()
    assert rig.suspended == [Suspension(None, ("a",))]
    await rig.end()


async def test_an_attempt_is_not_suspended_when_a_branch_has_failed_and_its_gathers_are_about_to_say_so() -> None:
    """All seems to wait for some turns after the end of the branch; each shows something else."""
    rig = Rig()
    end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    caught = list[str]()

    async def failing() -> None:
        await end
        rig.waits.look_soon()
        raise ValueError("the branch")

    def waiting(name: str) -> Awaitable[None]:
        return rig.waits.wait(PendingWait(name, None))

    async def handler() -> None:
        try:
            await asyncio.gather(waiting("a"), asyncio.gather(waiting("b"), asyncio.gather(waiting("c"), failing())))
        except ValueError as error:
            caught.append(str(error))
            await asyncio.Event().wait()  # it goes on with something else

    rig.start(handler)
    await quiet()
    end.set_result(None)
    await quiet()
    assert (caught, rig.suspended) == (["the branch"], [])
    await rig.end()
