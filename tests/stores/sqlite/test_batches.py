"""Which jobs are in a batch is kept as ranges of ids, and what ends is looked up only while a batch waits for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.batches import Callback, CloseBatch, GetBatch, InsertInBatch, OpenBatch
from aiojobs_lite.model.writes import Insert, Prune, RedriveJob
from aiojobs_lite.stores.sqlite import prune
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.sqlite_store import faulty, opened
from tests.helpers.stores import NOW, answers, at, claimed, close, complete, connected, everything, new, one

LOOKUP = "aiojobs_batch_ranges"


def ranges(path: Path) -> list[tuple[int, int, int]]:
    with connected(path) as connection:
        return connection.execute("SELECT * FROM aiojobs_batch_ranges ORDER BY first_id").fetchall()


async def lookups(store: SqliteStore, *writes: object) -> int:
    """How many statements of a transaction look for batches."""
    with faulty(store) as connection:
        await answers(store, *writes)  # type: ignore[arg-type]  # writes
        return sum(LOOKUP in statement for statement in connection.statements)


async def test_jobs_that_follow_each_other_take_one_row(store: SqliteStore, database: Path) -> None:
    first, second = await answers(store, OpenBatch("one", None, False), OpenBatch("one", None, False))
    for _ in range(3):
        await one(store, InsertInBatch(first, False, (new(), new())))
    await answers(
        store, InsertInBatch(second, False, (new(),)), InsertInBatch(first, False, (new(),)),
        InsertInBatch(second, False, (new(), new(idempotency_key="k"))), Insert((new(),)),
        InsertInBatch(second, False, (new(idempotency_key="k"), new())),
    )  # fmt: skip
    assert ranges(database) == [(1, 6, first), (8, 11, second), (12, 12, first)]


async def test_no_end_looks_for_batches_before_the_first_and_after_the_last(store: SqliteStore, database: Path) -> None:
    await one(store, Insert(tuple(new() for _ in range(9))))
    jobs = await claimed(store)
    assert await lookups(store, complete(jobs[0]), close(jobs[1])) == 0
    (batch,) = await answers(store, OpenBatch("one", None, False))
    await one(store, InsertInBatch(batch, False, (new(due=60),)))
    assert await lookups(store, complete(jobs[2]), complete(jobs[3])) == 1
    await one(store, CloseBatch(batch, (), False))
    (of_batch,) = await claimed(store, now=60)
    async with opened(database) as other:
        assert await lookups(other, complete(jobs[4])) == 1
        await one(other, close(of_batch))
        assert await lookups(store, complete(jobs[5])) == await lookups(other, complete(jobs[6])) == 0
        assert await lookups(store, RedriveJob(of_batch.id)) == 1
        assert await lookups(other, complete(jobs[7])) == 1


async def test_jobs_that_end_together_are_found_whether_few_or_many_ranges_lie_between_them(store: SqliteStore) -> None:
    batches = await answers(store, *[OpenBatch("one", None, False)] * 2)
    for n in range(12):
        await answers(store, InsertInBatch(batches[n % 2], False, (new(),)))
    await answers(store, Insert((new(),)))
    jobs = await claimed(store)
    assert await lookups(store, complete(jobs[0]), complete(jobs[10]), complete(jobs[11])) == 2
    assert await lookups(store, *map(complete, jobs[1:10])) == await lookups(store, complete(jobs[12])) == 1
    found = [await store.ask(GetBatch(batch)) for batch in batches]
    assert [stats and (stats.total, stats.completed, stats.unfinished) for stats in found] == [(6, 6, 0)] * 2


async def test_a_transaction_that_fails_leaves_the_batch_awaited(store: SqliteStore) -> None:
    (batch,) = await answers(store, OpenBatch("one", None, False))
    await one(store, InsertInBatch(batch, False, (new(),)))
    await one(store, CloseBatch(batch, (Callback("complete", new("done")),), False))
    (job,) = await claimed(store)
    with pytest.raises(StoreRejected):
        await answers(store, complete(job), Insert((new(max_attempts=0),)))
    await one(store, complete(job))
    assert [found.type for found in await everything(store)] == ["a", "done"]


async def test_callbacks_that_another_program_has_written_are_logged_and_left_out(
    store: SqliteStore, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for text in ("no JSON", "[1]", '[["complete", {"no": "job"}]]'):
        (batch,) = await answers(store, OpenBatch("one", None, False))
        await one(store, InsertInBatch(batch, False, (new(),)))
        await one(store, CloseBatch(batch, (), False))
        with connected(database) as program:
            program.execute("UPDATE aiojobs_batches SET callbacks = ? WHERE id = ?", (text, batch))
        (job,) = await claimed(store)
        await one(store, complete(job))
        found = await store.ask(GetBatch(batch))
        assert found is not None
        assert found.is_complete
        assert f"the callbacks of batch {batch} cannot be read, and are not enqueued" in caplog.text
    assert len(await everything(store)) == 3


@pytest.mark.parametrize("row", [new(priority=3), new(max_attempts=0)])
async def test_a_callback_that_could_not_be_inserted_is_rejected(store: SqliteStore, row: object) -> None:
    (batch,) = await answers(store, OpenBatch("one", None, False))
    with pytest.raises(StoreRejected, match="a callback cannot be inserted: NewJob"):
        await one(store, CloseBatch(batch, (Callback("complete", row),), False))  # type: ignore[arg-type]  # a row


async def test_a_batch_of_many_ranges_is_pruned_in_more_than_one_call(
    store: SqliteStore, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "MOST_RANGES", 2)
    (batch, _) = await answers(store, OpenBatch("one", None, False), OpenBatch("one", None, False))
    for _ in range(5):
        await answers(store, InsertInBatch(batch, False, (new(),)), Insert((new(),)))
    await one(store, CloseBatch(batch, (), False))
    await answers(store, *map(complete, await claimed(store)))
    write = Prune(NOW, at(9), at(0), 50)
    assert await one(store, Prune(at(9), at(9), at(0), 10), 9) == 10  # the jobs
    assert [await one(store, write._replace(completed_before=at(9)), 9) for _ in range(3)] == [50, 50, 1]
    assert ranges(database) == []
