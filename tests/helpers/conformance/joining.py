"""Writes within transactions that callers have begun: there with the commit, gone with the rollback."""

from __future__ import annotations

import pytest

from aiojobs_lite.errors import StoreRejected, TransactionRefused
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.queries import FindJobs, GetDatabaseId
from aiojobs_lite.model.writes import Insert, Inserted
from aiojobs_lite.stores.base import Joining, Store
from tests.helpers.callers import Caller
from tests.helpers.conformance.sharing import until_reported, watched
from tests.helpers.stores import NOW, claim, claimed, complete, counted, everything, inserted, new, one, shown

KEYED = new(idempotency_key="k")


def joining_of(store: Store) -> Joining:
    """What a store that can be joined has; for others there is nothing to ask."""
    if store.joining is None:
        pytest.skip("no connection of a caller can reach this database")
    return store.joining


async def joined(store: Store, caller: Caller, *rows: object) -> list[Inserted]:
    """Inserts jobs in the transaction of a caller."""
    answers = await joining_of(store).apply(caller.connection, [(Insert(rows),)], NOW)  # type: ignore[arg-type]
    inserted_there: list[Inserted] = answers[0]
    return inserted_there


class Joins:
    async def test_jobs_are_there_with_the_commit(self, store: Store, caller: Caller) -> None:
        joining_of(store)
        before = await inserted(store, new())
        caller.begin()
        async with watched(store) as reported:
            first, second = await joined(store, caller, new(due=5), new("b", priority=0))
            assert first.is_new
            assert [job.id for job in await everything(store)] == before
            assert shown(store) == await counted(store)
            caller.commit()
            await until_reported(reported, "b")
        assert [job.id for job in await everything(store)] == [*before, first.id, second.id]
        assert shown(store) == await counted(store)
        (job,) = await claimed(store, claim(types="b"))
        assert job.id == second.id
        assert await one(store, complete(job)) is Status.COMPLETED

    async def test_a_rollback_leaves_nothing(self, store: Store, caller: Caller) -> None:
        joining_of(store)
        caller.begin()
        assert all(made.is_new for made in await joined(store, caller, new(), KEYED))
        caller.roll_back()
        assert await everything(store) == []
        (made,) = await one(store, Insert((KEYED,)))
        assert made.is_new
        assert shown(store) == await counted(store)

    async def test_a_rollback_to_a_savepoint_leaves_what_was_before_it(self, store: Store, caller: Caller) -> None:
        joining_of(store)
        caller.begin()
        (first,) = await joined(store, caller, new())
        caller.set_savepoint()
        await joined(store, caller, new("b"), new("c"))
        caller.roll_back_to_savepoint()
        (second,) = await joined(store, caller, new("d"))
        caller.commit()
        assert [(job.id, job.type) for job in await everything(store)] == [(first.id, "a"), (second.id, "d")]
        await inserted(store, new())
        assert shown(store) == await counted(store)

    async def test_a_transaction_sees_what_was_enqueued_in_it(self, store: Store, caller: Caller) -> None:
        joining = joining_of(store)
        (known,) = await one(store, Insert((new(idempotency_key="known"),)))
        caller.begin()
        (first,) = await joined(store, caller, KEYED)
        answers = await joined(store, caller, KEYED, new(idempotency_key="known"), new())
        assert answers[:2] == [(first.id, False), (known.id, False)]
        assert answers[2].id > first.id
        query = FindJobs(ids=[first.id, known.id])
        assert [job.id for job in await joining.ask(caller.connection, query)] == [first.id, known.id]
        assert [job.id for job in await store.ask(query)] == [known.id]
        caller.commit()
        assert [job.id for job in await store.ask(query)] == [first.id, known.id]

    async def test_what_is_rejected_leaves_the_transaction_as_it_was(self, store: Store, caller: Caller) -> None:
        joining_of(store)
        caller.begin()
        (first,) = await joined(store, caller, new())
        with pytest.raises(StoreRejected):
            await joined(store, caller, new("b"), new("c", priority=9))
        (second,) = await joined(store, caller, new("d"))
        caller.commit()
        assert [job.id for job in await everything(store)] == [first.id, second.id]
        await inserted(store, new())
        assert shown(store) == await counted(store)

    async def test_without_an_event_loop_it_does_the_same(self, store: Store, caller: Caller) -> None:
        joining = joining_of(store)
        caller.begin()
        ((made,),) = joining.apply_blocking(caller.connection, [(Insert((new(),)),)], NOW)
        assert joining.ask_blocking(caller.connection, GetDatabaseId()) == await store.ask(GetDatabaseId())
        caller.commit()
        assert [job.id for job in await everything(store)] == [made.id]

    async def test_what_is_no_connection_to_it_is_refused(self, store: Store, caller: Caller) -> None:
        joining = joining_of(store)
        for call in (joining.apply_blocking, joining.apply):
            with pytest.raises(TransactionRefused) as refused:
                await call("a connection", [(Insert((new(),)),)], NOW)  # type: ignore[misc]
            assert refused.value.why == "not a connection"
