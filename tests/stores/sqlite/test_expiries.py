"""Jobs that expire in a SQLite file: a fault at any statement, and what a file without them is spared."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.model.admission import Admit, Candidate
from aiojobs_lite.model.ahead import MoveBack
from aiojobs_lite.model.expiries import GetExpiry
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.writes import DeleteJob, Insert, Prune, RedriveDead, RedriveJob, Reschedule, Unit
from aiojobs_lite.stores.sqlite import inline
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.sqlite_store import faulty, opened, watched
from tests.helpers.stores import (
    again,
    alone,
    answers,
    at,
    claim,
    claimed,
    close,
    complete,
    counted,
    everything,
    finished,
    inserted,
    new,
    one,
    shown,
)
from tests.helpers.waiting import PATIENCE

KEYED = Candidate(new("a", unique_key="[1]", unique_scope="unfinished"), "replace", expires=5_000_000)


async def test_an_io_error_at_any_statement_leaves_nothing_half_written(store: SqliteStore) -> None:
    expiring = Candidate(new(), expires=10_000_000)
    await one(store, Admit((expiring,) * 2))
    runs, comes_back = await claimed(store)
    await one(store, Admit((expiring, expiring, KEYED, KEYED._replace(row=new("b"), expires=99_000_000))))
    dead = await finished(store, new("c"), Status.DEAD)
    units = alone(
        [
            again(comes_back, scheduled_at=at(11)),
            Admit((KEYED._replace(row=KEYED.row._replace(created_at=at(20))), expiring)),
            Reschedule(6, at(30)),
            RedriveJob(dead),
            claim("two", slots={"a": 9, "b": 9}),
        ]
    )
    before, counts = await everything(store), shown(store)
    with faulty(store) as connection:
        failed_at = 0
        while True:
            failed_at += 1
            connection.arm(failed_at)
            try:
                applied = await store.apply(units, at(20))
            except StoreUnavailable:
                assert await everything(store) == before
                assert shown(store) == counts
                assert await store.ask(GetExpiry(6)) == at(99)
            else:
                break
    assert failed_at > 20
    assert {found.id for found in applied.expired} == {comes_back.id, 3, 4, 5, 9}
    assert [job.id for job in applied.answers[-1].jobs] == [8]
    assert await store.ask(GetExpiry(6)) == at(129)
    assert shown(store) == await counted(store, 20)
    assert (await one(store, complete(runs), 21)) is Status.COMPLETED


async def test_a_file_without_expiries_is_not_asked_for_them(store: SqliteStore) -> None:
    await inserted(store, *(new() for _ in range(3)))
    done, failed, dead = await claimed(store)
    with faulty(store) as connection:
        await answers(store, complete(done), again(failed), close(dead), Insert((new(),)), claim(), now=1)
        await answers(store, RedriveJob(dead.id), RedriveDead((done.id,)), Reschedule(dead.id, at(5)), now=2)
        await answers(store, MoveBack((dead.id,)), DeleteJob(dead.id), Prune(at(9), at(9), 0, 9), claim(), now=9)
    assert len(connection.statements) > 20
    assert [sql for sql in connection.statements if "expir" in sql] == []


async def test_another_process_knows_when_jobs_expire(store: SqliteStore, database: Path) -> None:
    async with opened(database) as other:
        unit: Unit = (Admit((Candidate(new(), expires=10_000_000),)),)
        await store.apply([unit], at(0))
        applied = await other.apply([(claim(limit=0),)], at(1))
        assert (applied.expires_at, applied.expired) == (at(10), ())
        applied = await other.apply([(claim(limit=0),)], at(10))
        assert [found.id for found in applied.expired] == [1]
        applied = await store.apply([(claim(),)], at(11))
        assert (applied.answers[0].jobs, applied.expires_at, applied.expired) == ([], None, ())


async def test_what_may_have_expired_is_looked_at_on_the_thread(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "LONG_INLINE_S", PATIENCE)  # a busy machine is not too slow
    async with watched(database, "normal") as (store, asked):
        await one(store, Admit((Candidate(new(), expires=10_000_000),)))
        for now, is_inline in ((9, True), (10, False), (11, True)):
            asked.clear()
            await store.apply([(claim(limit=0),)], at(now))
            assert ("BEGIN", is_inline) in asked
