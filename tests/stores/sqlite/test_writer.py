"""The writer: one call a transaction, inline or on the connection's thread, and what others have committed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from aiojobs_lite.errors import StoreRejected, StoreUnavailable
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.queries import ListPaused
from aiojobs_lite.model.writes import CancelJob, Insert, PauseType, Unit
from aiojobs_lite.stores.sqlite import inline
from aiojobs_lite.stores.sqlite.inline import InlinePolicy
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.sqlite_store import Asked, faulty, leave_open, opened, run_sql, set_policy, watched, writer_of
from tests.helpers.stores import NOW, alone, answers, at, claim, complete, counted, inserted, new, running, shown
from tests.helpers.waiting import PATIENCE

INSERT = alone([Insert((new(),))])


class Elsewhere(InlinePolicy):
    """Nothing is done inline."""

    def admit(self, units: Sequence[Unit], pending: int) -> bool:
        return False


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy must not make what is tested too slow to be done inline."""
    monkeypatch.setattr(inline, "LONG_INLINE_S", PATIENCE)


def places(asked: list[Asked]) -> set[bool]:
    """Whether the statements of transactions were executed inline."""
    return {one.is_inline for one in asked if one.word in {"BEGIN", "INSERT", "COMMIT"}}


@pytest.mark.parametrize("is_inline", [True, False])
async def test_a_transaction_begins_and_commits_in_one_call_inline_or_on_the_thread(
    database: Path, is_inline: bool
) -> None:
    async with watched(database, "normal") as (store, asked):
        if not is_inline:
            set_policy(store, Elsewhere())
        await writer_of(store).apply(INSERT, NOW)
        words = [one.word for one in asked if one.word in {"BEGIN", "COMMIT", "ROLLBACK"}]
        assert (words, places(asked)) == (["BEGIN", "COMMIT"], {is_inline})


async def test_a_commit_that_waits_for_the_disk_is_made_on_the_thread_unless_the_disk_is_quick(database: Path) -> None:
    async with opened(database, "full") as store:
        writer, policy = writer_of(store), InlinePolicy()
        set_policy(store, policy)
        policy.waited_for_disk(1.0)
        assert writer.apply_inline(INSERT, NOW) is None
        assert shown(store) == {}
        assert (await writer.apply(INSERT, NOW)).answers[0][0].id == 1
    async with opened(database) as store:
        applied = writer_of(store).apply_inline(INSERT, NOW)
        assert applied is not None
        assert applied.answers[0][0].id == 2


async def test_a_transaction_that_fails_leaves_no_row_and_no_count(store: SqliteStore) -> None:
    writer = writer_of(store)
    bad = alone([Insert((new(),)), PauseType("\ud800", paused=True)])
    with pytest.raises(StoreRejected):
        await writer.apply(bad, NOW)
    assert shown(store) == {}
    await writer.apply(INSERT, NOW)
    assert shown(store)["a"].pending == 1
    assert await run_sql(store, "SELECT count(*) FROM aiojobs_jobs") == [(1,)]
    with faulty(store) as connection:
        connection.fail_after_commit = True
        with pytest.raises(StoreUnavailable):
            await writer.apply(INSERT, NOW)
    assert await writer.take_change()  # whether it was committed is found by a look
    assert shown(store)["a"].pending == 2


async def test_a_transaction_that_fails_at_any_statement_leaves_nothing_to_the_next(store: SqliteStore) -> None:
    """What it had counted, and what it was to pause, is forgotten, also if it was only not committed."""
    (job_id,) = await inserted(store, new())
    units = alone([CancelJob(job_id, None), PauseType("a", paused=True), Insert((new("b"),))])
    with faulty(store) as connection:
        for statement in itertools.count(1):
            connection.arm(statement)
            try:
                await writer_of(store).apply(units, NOW)
            except StoreUnavailable:
                failed = connection.statements[-2:]
                await inserted(store, new())
                assert shown(store) == await counted(store)
                assert dict(store.counts().paused) == await store.ask(ListPaused()) == {}
            else:
                break
    assert failed == ["COMMIT", "ROLLBACK"]


async def test_what_was_left_open_is_rolled_back_before_the_next_transaction(store: SqliteStore) -> None:
    await leave_open(store, alone([PauseType("a", paused=True), Insert((new(),))]))
    assert await inserted(store, new("b")) == [1]
    assert shown(store) == await counted(store)
    assert dict(store.counts().paused) == await store.ask(ListPaused()) == {}


async def test_an_end_that_is_not_owned_costs_the_others_nothing(store: SqliteStore) -> None:
    jobs = await running(store, *(new() for _ in range(4)))
    ends = [complete(job) for job in (jobs[0], jobs[1]._replace(id=99), jobs[2])]
    with faulty(store) as connection:
        assert await answers(store, *ends) == [Status.COMPLETED, None, Status.COMPLETED]
        assert connection.statements.count("BEGIN IMMEDIATE") == 2  # it is run again, row by row
    assert (shown(store)["a"].processing, shown(store)["a"].completed) == (2, 2)


async def test_a_commit_of_another_connection_is_noticed_by_a_look_and_by_the_next_transaction(
    database: Path, store: SqliteStore
) -> None:
    writer = writer_of(store)
    await writer.take_change()  # it may have noticed how the file was made
    assert not await writer.take_change()
    async with opened(database) as other:
        await inserted(other, new())
        writer.is_in_doubt = False
        assert await writer.take_change()
        assert (shown(store)["a"].pending, writer.is_in_doubt) == (1, True)
        assert not await writer.take_change()
        await inserted(other, new())
        await writer.apply(INSERT, NOW)
        assert shown(store)["a"].pending == 3
        assert await writer.take_change()  # the transaction notices it, and the next look says so
        assert not await writer.take_change()


async def test_it_says_when_the_next_job_is_due_that_it_made_claimable(store: SqliteStore) -> None:
    writer = writer_of(store)
    assert (await writer.apply(alone([Insert((new(due=5), new(due=3)))]), NOW)).due == at(3)
    assert (await writer.apply(alone([PauseType("z", paused=True)]), NOW)).due is None
    assert (await writer.apply(alone([claim()]), NOW)).due == at(3)


async def test_many_jobs_that_come_due_are_counted_on_the_thread(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiojobs_lite.stores.sqlite.writer.MANY_DUE", 3)
    async with watched(database, "normal") as (store, asked):
        await inserted(store, *(new(due=5) for _ in range(5)))
        for seconds, is_inline in ((1, True), (9, False), (9, True)):
            asked.clear()
            await writer_of(store).apply(INSERT, at(seconds))
            assert places(asked) == {is_inline}


async def test_a_log_that_is_short_is_left_alone(database: Path) -> None:
    async with watched(database, "normal") as (store, asked):
        await inserted(store, new())
        asked.clear()
        await writer_of(store).shorten_log()
        assert asked == []
