"""Steps that ran, on their way to one write: each gets its own answer, and all of them go on in one callback."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aiojobs_lite.engine.entries import Cohort, Entry, Reply, apart, leave_in_doubt, own, rejected
from aiojobs_lite.errors import AttemptNotOwned, StoreRejected, StoreUnavailable
from aiojobs_lite.model.steps import NewRan, SaveRan
from aiojobs_lite.model.writes import DeleteJob


def step(number: int) -> NewRan:
    return NewRan(number, 1, "one", "s", "1", 1)


class Rig:
    """Steps that tasks await.

    Attributes:
        order: What has gone on, in turn, and what became of it.
    """

    def __init__(self, count: int) -> None:
        self.cohort = Cohort()
        self.replies = [self.cohort.add(step(number)) for number in range(count)]
        self.order: list[tuple[int, Any]] = []

    async def waiting(self) -> list[asyncio.Task[None]]:
        """The tasks, each of which has come to its step."""
        tasks = [asyncio.create_task(self.go_on(number, reply)) for number, reply in enumerate(self.replies)]
        await asyncio.sleep(0)
        return tasks

    async def go_on(self, number: int, reply: Reply) -> None:
        try:
            self.order.append((number, await reply))
        except (asyncio.CancelledError, AttemptNotOwned, StoreUnavailable) as error:
            self.order.append((number, type(error)))


def callbacks_of_a_turn() -> int:
    """How many callbacks the event loop has ready."""
    ready: list[object] = vars(asyncio.get_running_loop())["_ready"]
    return len(ready)


async def test_all_go_on_in_their_order_by_one_callback() -> None:
    rig = Rig(100)
    tasks = await rig.waiting()
    before = callbacks_of_a_turn()
    rig.cohort.set_result(None)
    assert callbacks_of_a_turn() == before + 1
    assert rig.order == []  # not within the transaction
    await asyncio.wait(tasks)
    assert rig.order == [(number, None) for number in range(100)]


async def test_each_gets_its_own_answer() -> None:
    rig = Rig(3)
    tasks = await rig.waiting()
    row = step(2).row(5)
    rig.cohort.set_result([None, step(1).row(4), row])
    await asyncio.wait(tasks)
    assert rig.order == [(0, AttemptNotOwned), (1, step(1).row(4)), (2, row)]


async def test_one_that_is_cancelled_takes_nothing_from_the_others() -> None:
    rig = Rig(3)
    tasks = await rig.waiting()
    tasks[1].cancel()
    await asyncio.wait([tasks[1]])
    assert rig.order == [(1, asyncio.CancelledError)]
    assert not rig.cohort.done()
    rig.cohort.set_result(None)
    tasks[2].cancel()  # its answer is there, and it has not gone on
    await asyncio.wait(tasks)
    assert sorted(rig.order, key=str) == [(0, None), (1, asyncio.CancelledError), (2, asyncio.CancelledError)]


async def test_each_fails_with_an_error_object_of_its_own() -> None:
    rig = Rig(2)
    tasks = await rig.waiting()
    rig.cohort.set_exception(StoreUnavailable("CODE", "why"))
    await asyncio.wait(tasks)
    assert rig.order == [(0, StoreUnavailable), (1, StoreUnavailable)]
    first, second = [reply.exception() for reply in rig.replies]
    assert first is not second
    assert rig.cohort.done()
    rig.cohort.set_exception(StoreUnavailable("CODE", "again"))
    rig.cohort.set_result(None)
    rig.cohort.set_result([None, None])
    assert [reply.exception() for reply in rig.replies] == [first, second]


def test_a_signal_in_one_keeps_none_of_the_others_from_going_on() -> None:
    """It ends the event loop, which may be run again."""

    def raises(_: object) -> None:
        raise KeyboardInterrupt

    rigs: list[Rig] = []

    async def begin() -> None:
        rig = Rig(3)
        rig.replies[0].add_done_callback(raises)
        tasks = [asyncio.create_task(rig.go_on(number, rig.replies[number])) for number in (1, 2)]
        await asyncio.sleep(0)
        rigs.append(rig)
        rig.cohort.set_result(None)
        await asyncio.wait(tasks)

    with asyncio.Runner() as runner:
        with pytest.raises(KeyboardInterrupt):
            runner.run(begin())
        assert rigs[0].order == []
        runner.run(asyncio.sleep(0))
    assert rigs[0].order == [(1, None), (2, None)]


async def test_a_reply_is_a_future_for_whatever_else_awaits_it() -> None:
    called: list[object] = []
    cohort = Cohort()
    reply = cohort.add(step(1))
    reply.add_done_callback(called.append)
    reply.add_done_callback(called.append)
    cohort.set_result(None)
    await asyncio.sleep(0)
    reply.add_done_callback(called.append)
    await asyncio.sleep(0)
    assert called == [reply] * 3


async def test_a_cohort_is_one_write_that_grows_and_is_taken_apart_when_it_is_refused() -> None:
    cohort = Cohort()
    entry = cohort.entry
    replies = [cohort.add(step(number)) for number in (1, 2)]
    assert entry[0] == (SaveRan([step(1), step(2)]),)
    other: Entry = ((DeleteJob(3),), asyncio.get_running_loop().create_future(), None)
    first, second, last = apart([entry, other])
    assert (first[0], second[0], last) == ((SaveRan([step(1)]),), (SaveRan([step(2)]),), other)
    assert isinstance(first[1], Cohort)
    first[1].set_exception(StoreRejected("no"))
    assert [reply.done() for reply in replies] == [True, False]
    assert isinstance(replies[0].exception(), StoreRejected)


async def test_what_may_be_there_is_in_doubt_for_all_that_await_it() -> None:
    cohort = Cohort()
    reply = cohort.add(step(1))
    kept: Entry = ((DeleteJob(3),), None, lambda *_: None)
    leave_in_doubt([cohort.entry, kept], "CODE", "the reason")
    with pytest.raises(StoreUnavailable, match="the reason: it may be there or not"):
        await reply


def test_an_error_of_a_store_stays_what_it_is_and_another_one_is_a_rejection() -> None:
    known = StoreRejected("no")
    assert rejected(known) is known
    cause = KeyError("x")
    made = rejected(cause)
    assert (str(made), made.__cause__) == (str(StoreRejected("KeyError: 'x'")), cause)
    copied = own(made)
    assert (copied is made, copied.__cause__) == (False, cause)
