"""The operations of one attempt: when they are read, how many there may be, and whose they are."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from aiojobs_lite.durable.memos import MOST_STEPS, Memos
from aiojobs_lite.errors import AttemptNotOwned, StepMismatch, TooManySteps
from aiojobs_lite.model.steps import NewStep, StepKind, StepRow, StepState
from tests.helpers.engine import claimed

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

    def save_ran(self, step: Any) -> Any:
        raise AssertionError(step)

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
