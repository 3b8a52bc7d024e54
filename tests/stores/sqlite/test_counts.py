"""The ledger: ids are never given twice although the table forgets its highest, and counts made wrong are put right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.counts import TypeCounts
from aiojobs_lite.model.writes import DeleteJob, Insert
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.sqlite_store import notices_change, opened, recounts_at_once
from tests.helpers.stores import NOW, claimed, complete, connected, counted, inserted, new, one, running, shown

# Ids.


async def test_a_new_start_remembers_the_highest_id_of_every_type(store: SqliteStore) -> None:
    ids = await inserted(store, new("a"), new("b"), new("a"), new("b"))
    assert ids == [1, 2, 3, 4]
    for job_id in ids:
        await one(store, DeleteJob(job_id))
    await store.close()
    await store.open()
    assert await inserted(store, new("c")) == [5]


async def test_what_another_process_gave_and_took_away_is_not_given_again(store: SqliteStore, database: Path) -> None:
    assert await inserted(store, new()) == [1]
    async with opened(database) as other:
        assert await inserted(other, new(), new()) == [2, 3]
        await one(other, DeleteJob(3))
    assert await inserted(store, new()) == [4]


async def test_rows_that_a_program_of_the_users_added_are_not_run_over(store: SqliteStore, database: Path) -> None:
    assert await inserted(store, new()) == [1]
    with connected(database) as program:
        program.execute("UPDATE aiojobs_jobs SET id = 70")
    assert await inserted(store, new()) == [71]
    with connected(database) as program:  # the counts of the two are right still
        assert program.execute("SELECT id FROM aiojobs_jobs").fetchall() == [(70,), (71,)]


async def test_a_transaction_that_was_rolled_back_uses_up_no_id(store: SqliteStore) -> None:
    with pytest.raises(StoreRejected):
        await one(store, Insert((new(), new(max_attempts=0))))
    assert await inserted(store, new()) == [1]


# Counts.


async def test_counting_anew_forgets_no_id(store: SqliteStore, database: Path) -> None:
    assert await inserted(store, new("a"), new("b")) == [1, 2]
    with connected(database) as program:
        program.execute("DELETE FROM aiojobs_jobs")
    assert await notices_change(store)
    assert shown(store) == {"a": TypeCounts(pending=1), "b": TypeCounts(pending=1)}
    await store.maintain(NOW)
    assert await notices_change(store)
    assert shown(store) == {}
    await store.close()
    await store.open()
    assert await inserted(store, new("c")) == [3]


async def test_jobs_written_past_the_library_are_counted_and_found(store: SqliteStore, database: Path) -> None:
    """Not by the claim before `maintain`: the ledger does not know when they are due."""
    (known,) = await inserted(store, new())
    with connected(database) as program:
        program.execute(
            "INSERT INTO aiojobs_jobs (type, payload, status, priority, scheduled_at, max_attempts, created_at) "
            f"VALUES ('a', '{{}}', 'pending', 0, {NOW}, 5, {NOW}), ('b', '{{}}', 'pending', 2, {NOW + 9}, 5, {NOW})"
        )
    assert await notices_change(store)
    await store.maintain(NOW)
    assert await notices_change(store)
    assert shown(store) == await counted(store)
    assert store.counts().total == TypeCounts(pending=3, scheduled=1)
    assert store.counts().due == {"a": NOW, "b": NOW + 9}
    assert [job.id for job in await claimed(store)] == [known + 1, known]


async def test_counts_that_are_right_are_not_written(store: SqliteStore, database: Path) -> None:
    await inserted(store, new())
    with connected(database) as program:
        program.execute("UPDATE aiojobs_jobs SET payload = '{}'")
        assert await notices_change(store)
        before = program.execute("PRAGMA data_version").fetchone()
        await store.maintain(NOW)
        assert program.execute("PRAGMA data_version").fetchone() == before


async def test_looking_for_wrong_counts_takes_a_small_share_of_the_time(
    store: SqliteStore, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await inserted(store, new())
    with connected(database) as program:
        program.execute("UPDATE aiojobs_jobs SET payload = '{}'")
    await notices_change(store)
    with monkeypatch.context() as patch:
        patch.setattr("aiojobs_lite.stores.sqlite.store.RECOUNT_SHARE", 1e-9)
        await store.maintain(NOW)  # so the next look is far away
    for is_due, pending in ((False, 9), (True, 1)):
        with connected(database) as program:
            program.execute("UPDATE aiojobs_counts SET pending = 9")
        await notices_change(store)
        if is_due:
            recounts_at_once(store)
        await store.maintain(NOW)
        await notices_change(store)
        assert store.counts().by_type["a"].pending == pending


async def test_a_scheduled_job_is_scheduled_until_a_transaction_of_its_type_sees_that_it_is_due(
    store: SqliteStore,
) -> None:
    await inserted(store, new(due=1), new(due=2), new("b", due=1))
    (job,) = await running(store, new(due=-9))
    await one(store, complete(job), 1)
    assert (shown(store)["a"].scheduled, shown(store)["b"].scheduled) == (1, 1)
    await inserted(store, new("a"), now=-5)  # a clock that went back schedules nothing again
    assert shown(store)["a"].scheduled == 1


class SpiedLock:
    """A lock that sees whether something was changed by one who does not hold it."""

    def __init__(self, state: Callable[[], object]) -> None:
        self._state = state
        self._left = state()
        self.was_passed_by = False

    def __enter__(self) -> None:
        self.was_passed_by |= self._state() is not self._left

    def __exit__(self, *_: object) -> None:
        self._left = self._state()


async def test_counts_are_read_anew_under_the_lock_that_readers_take(store: SqliteStore, database: Path) -> None:
    """A reader on the event loop adds up what has moved, while the connection's thread reads everything again."""
    await inserted(store, new())
    assert store._ledger is not None
    lock = SpiedLock(lambda: store._ledger and store._ledger._total)
    store._ledger._lock = lock  # type: ignore[assignment]  # no more of it is used
    async with opened(database) as other:
        await inserted(other, new(), new())
    await store.apply([], NOW)
    assert store.counts().total.pending == 3
    assert not lock.was_passed_by
