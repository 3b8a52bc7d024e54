"""The operations of one attempt: when they are read, how many there may be, and whose they are."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from aiojobs_lite.durable.memos import MOST_STEPS, Memos
from aiojobs_lite.errors import AttemptNotOwned, StepMismatch, TooManySteps
from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.steps import NewStep, StepKind, StepRow, StepState
from tests.helpers.engine import claimed
from tests.helpers.stores import new

ROW = StepRow("fetch", StepKind.RUN, StepState.DONE, "1", None, 1, None, 5, 5, 1)


@dataclass
class Store:
    """Answers as the test says.

    Attributes:
        rows: The operations of the job.
        saved: The answer of the next write.
        reads: How often operations were read.
    """

    rows: tuple[StepRow, ...] = ()
    saved: Any = None
    reads: int = 0
    writes: list[Any] = field(default_factory=list)

    async def ask(self, _: Any) -> Any:
        self.reads += 1
        await asyncio.sleep(0)
        return self.rows

    async def save_ran(self, step: Any) -> None:
        self.writes.append(step)

    async def write(self, write: Any) -> Any:
        self.writes.append(write)
        return self.saved


async def test_a_first_attempt_reads_nothing_and_a_later_one_once() -> None:
    store = Store()
    assert await Memos(claimed(1, "a"), store).find("fetch", StepKind.RUN) is None
    assert store.reads == 0
    store.rows = (ROW,)
    for job in (claimed(1, "a", attempt=2), claimed(1, "a")._replace(snoozes=1)):
        store.reads, memos = 0, Memos(job, store)
        assert await memos.find("fetch", StepKind.RUN) == ROW
        assert await memos.find("other", StepKind.RUN) is None
        assert store.reads == 1


async def test_what_is_handed_out_whole_counts_as_asked_for_and_is_read_once() -> None:
    store = Store((ROW, ROW._replace(name="other")))
    assert await Memos(claimed(1, "a"), store).all() == []
    assert store.reads == 0
    memos = Memos(claimed(1, "a", attempt=2), store)
    assert [await memos.all(), await memos.all()] == [list(store.rows)] * 2
    assert (store.reads, memos.skipped) == (1, [])
    assert memos.latest("other") == store.rows[1]


async def test_a_step_that_is_planned_stands_for_one_that_runs() -> None:
    planned = ROW._replace(kind=StepKind.PLANNED, state=StepState.WAITING, memo=None, ended_at=None, place=None)
    memos = Memos(claimed(1, "a", attempt=2), Store((planned,)))
    assert await memos.find("fetch", StepKind.RUN) == planned
    with pytest.raises(StepMismatch, match="stored as a step"):
        await memos.find("fetch", StepKind.EVENT)


async def test_branches_that_ask_at_once_read_once_together() -> None:
    store = Store((ROW,))
    memos = Memos(claimed(1, "a", attempt=2), store)
    found = await asyncio.gather(*[memos.find("fetch", StepKind.RUN) for _ in range(9)])
    assert found == [ROW] * 9
    assert store.reads == 1


async def test_a_first_attempt_says_what_is_new_and_reads_nothing_to_know_it() -> None:
    store, step = Store(saved=(ROW,)), NewStep("fetch", StepKind.RUN, StepState.DONE, "1", attempts=1)
    memos = Memos(claimed(1, "a"), store)
    await memos.save([step])
    await memos.save([step._replace(name="other")])
    await memos.save([step])
    assert [write[-2:] for write in store.writes] == [(True, True), (True, False), (False, False)]
    assert store.reads == 0


async def test_an_operation_that_another_write_stores_is_the_first_of_its_job() -> None:
    store, step = Store(saved=(ROW,)), NewStep("fetch", StepKind.RUN, StepState.DONE, "1", attempts=1)
    memos = Memos(claimed(1, "a"), store)
    memos.fence("sent")
    await memos.save([step])
    assert store.writes[-1][-2:] == (True, False)


async def test_an_operation_of_another_kind_and_one_too_many_are_refused() -> None:
    rows = tuple(ROW._replace(name=f"fetch{number}") for number in range(MOST_STEPS))
    memos = Memos(claimed(1, "a", attempt=2), Store(rows))
    with pytest.raises(
        StepMismatch,
        match=r"'fetch7' of job 1 is stored as a step \(done\), and the handler asks for a sleep of that name\. Give",
    ):
        await memos.find("fetch7", StepKind.SLEEP)
    with pytest.raises(TooManySteps, match="operation 1,001"):
        await memos.find("more", StepKind.RUN)
    assert await memos.find("fetch7", StepKind.RUN) == rows[7]


async def test_what_is_begun_counts_until_it_is_refused() -> None:
    store, names = Store((ROW,)), [f"more{number}" for number in range(MOST_STEPS - 1)]
    memos = Memos(claimed(1, "a", attempt=2), store)
    for name in names:
        assert await memos.find(name, StepKind.RUN) is None
    with pytest.raises(TooManySteps):
        await memos.find("last", StepKind.RUN)
    memos.give_back("more7")
    assert await memos.find("last", StepKind.RUN) is None
    with pytest.raises(TooManySteps):
        await memos.find("more7", StepKind.RUN)


async def test_what_is_begun_counts_once_when_it_is_stored() -> None:
    store = Store((ROW,))
    memos = Memos(claimed(1, "a", attempt=2), store)
    for number in range(MOST_STEPS - 1):
        name = f"more{number}"
        assert await memos.find(name, StepKind.RUN) is None
        if number % 2:
            store.saved = (ROW._replace(name=name),)
            await memos.save([NewStep(name, StepKind.RUN, StepState.DONE, "1")])
    store.rows = tuple(ROW._replace(name=f"more{number}") for number in range(0, MOST_STEPS - 1, 2))
    await memos.reload()
    with pytest.raises(TooManySteps):
        await memos.find("last", StepKind.RUN)


async def test_what_was_not_asked_for_was_skipped() -> None:
    memos = Memos(claimed(1, "a", attempt=2), Store((ROW, ROW._replace(name="fetch#2"), ROW._replace(name="old"))))
    assert [memos.next_name("fetch"), memos.next_name("fetch")] == ["fetch", "fetch#2"]
    await memos.reload()
    assert memos.skipped == ["old"]


async def test_a_reload_names_what_has_ended_since() -> None:
    waiting = ROW._replace(kind=StepKind.EVENT, state=StepState.WAITING, memo=None, ended_at=None)
    store = Store((waiting, waiting._replace(name="other")))
    memos = Memos(claimed(1, "a", attempt=2), store)
    assert await memos.reload() == []
    store.rows = (ROW._replace(kind=StepKind.EVENT), store.rows[1])
    assert await memos.reload() == ["fetch"]


async def test_an_attempt_of_another_owner_stores_nothing() -> None:
    memos = Memos(claimed(1, "a"), Store(saved=None))
    with pytest.raises(AttemptNotOwned):
        await memos.save([NewStep("fetch", StepKind.RUN, StepState.DONE, "1")])
    assert memos.skipped == []


async def test_steps_that_ran_in_a_first_attempt_come_with_their_places_until_anything_else_is_stored() -> None:
    store = Store(saved=(ROW,))
    memos = Memos(claimed(1, "a"), store)
    assert [memos.next_new(name) for name in ("a", "b", "a", "a")] == ["a", "b", "a#2", "a#3"]
    for name in ("a", "b"):
        saving = memos.save_ran(name, "1")
        assert saving is not None
        await saving
    assert [(step.name, step.place) for step in store.writes] == [("a", 1), ("b", 2)]
    assert memos.is_first
    await memos.save([NewStep("fetch", StepKind.RUN, StepState.DONE, "1")])
    (*_, write) = store.writes
    assert (write.are_new, write.are_first, memos.is_first, memos.save_ran("a#2", "1")) == (True, False, False, None)
    assert memos.next_name("a") == "a#4"
    assert memos.skipped == ["fetch"]


async def test_steps_that_ran_count_among_the_operations_of_a_job() -> None:
    store = Store()
    memos = Memos(claimed(1, "a"), store)
    for number in range(MOST_STEPS):
        saving = memos.save_ran(memos.next_new(f"step {number}"), "1")
        assert saving is not None
        await saving
    with pytest.raises(TooManySteps, match="operation 1,001"):
        memos.next_new("more")
    with pytest.raises(TooManySteps):
        memos.known("sleep", StepKind.SLEEP)
    store.rows = tuple([ROW._replace(name=f"step {number}") for number in range(MOST_STEPS)])
    await memos.reload()
    with pytest.raises(TooManySteps):
        memos.known("sleep", StepKind.SLEEP)


@pytest.mark.parametrize("how", ["a later attempt", "a suspension", "a child", "an event"])
async def test_of_other_attempts_nothing_is_taken_for_granted(how: str) -> None:
    job = claimed(1, "a", attempt=2) if how == "a later attempt" else claimed(1, "a")
    memos = Memos(job._replace(snoozes=1) if how == "a suspension" else job, Store(saved=(ROW, None)))
    if how == "a child":
        await memos.start_child("c", Candidate(new()), is_awaited=True, until=None)
    if how == "an event":
        memos.fence("e")
    assert not memos.is_first
    assert memos.save_ran("a", "1") is None
