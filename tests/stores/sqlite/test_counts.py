"""Ids are never given twice, although the table forgets its highest: by a delete, a rollback, a new start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.writes import Delete, Insert
from aiojobs_lite.stores.base import TypeCounts
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.stores import NOW, connected, inserted, new, one, shown


@pytest.fixture
async def store(database: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(database, "normal")
    await store.open()
    yield store
    await store.close()


async def test_a_new_start_remembers_the_highest_id_of_every_type(store: SqliteStore) -> None:
    ids = await inserted(store, new("a"), new("b"), new("a"), new("b"))
    assert ids == [1, 2, 3, 4]
    for job_id in ids:
        await one(store, Delete(job_id))
    await store.close()
    await store.open()
    assert await inserted(store, new("c")) == [5]


async def test_what_another_process_gave_and_took_away_is_not_given_again(store: SqliteStore, database: Path) -> None:
    assert await inserted(store, new()) == [1]
    other = SqliteStore(database, "normal")
    await other.open()
    assert await inserted(other, new(), new()) == [2, 3]
    await one(other, Delete(3))
    await other.close()
    assert await inserted(store, new()) == [4]


async def test_rows_that_a_program_of_the_users_added_are_not_run_over(store: SqliteStore, database: Path) -> None:
    assert await inserted(store, new()) == [1]
    with connected(database) as program:
        program.execute("UPDATE jobs SET id = 70")
    assert await inserted(store, new()) == [71]
    with connected(database) as program:  # the counts of the two are right still
        assert program.execute("SELECT id FROM jobs").fetchall() == [(70,), (71,)]


async def test_a_transaction_that_was_rolled_back_uses_up_no_id(store: SqliteStore) -> None:
    with pytest.raises(StoreRejected):
        await store.apply([Insert((new(), new()._replace(max_attempts=0)))], NOW)
    assert await inserted(store, new()) == [1]


async def test_counting_anew_forgets_no_id(store: SqliteStore, database: Path) -> None:
    assert await inserted(store, new("a"), new("b")) == [1, 2]
    with connected(database) as program:
        program.execute("DELETE FROM jobs")
    await store.changed()
    await store.recount(NOW)
    assert shown(store) == {"a": TypeCounts(pending=1), "b": TypeCounts(pending=1)}  # until it looks again
    await store.changed()
    assert shown(store) == {}
    await store.close()
    await store.open()
    assert await inserted(store, new("c")) == [3]
