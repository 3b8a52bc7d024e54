"""Jobs of open transactions of callers: reported when they are committed, and only then."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from aiojobs_lite.engine.joining import Joined, JoinedJobs
from aiojobs_lite.errors import TransactionRefused
from aiojobs_lite.model.admission import Refused
from aiojobs_lite.model.writes import Insert
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import Fact, JobEnqueued
from tests.helpers.engine import published_on
from tests.helpers.memory_joining import MemoryCaller
from tests.helpers.memory_store import MemoryStore
from tests.helpers.stores import NOW, inserted, new


class Rig:
    """Joined jobs over a store of plain Python, and a caller."""

    def __init__(self) -> None:
        self.store, bus = MemoryStore(), Bus()
        self.published: Callable[[], list[Fact]] = published_on(bus)
        self.jobs = JoinedJobs(store=self.store, bus=bus)
        self.caller = MemoryCaller(self.store.database)

    async def insert(self, *keys: str | None, now: int = NOW) -> list[Joined]:
        rows = [new(idempotency_key=key)._replace(created_at=now) for key in keys]
        joined = await self.jobs.insert(self.caller, Insert(tuple(rows)), now)
        assert not isinstance(joined, Refused)
        return joined

    async def rechecked(self) -> list[Fact]:
        await self.jobs.recheck(self.store)
        return self.published()


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    await rig.store.open()
    yield rig
    await rig.store.close()


async def test_a_job_is_reported_once_after_the_commit(rig: Rig) -> None:
    rig.caller.begin()
    first, again = await rig.insert("k", "k")
    assert again == first._replace(is_new=False)
    assert rig.jobs.are_awaited
    assert await rig.rechecked() == []
    rig.caller.commit()
    assert await rig.rechecked() == [JobEnqueued(first.id, "a")]
    assert await rig.rechecked() == []
    assert not rig.jobs.are_awaited


async def test_another_job_that_got_the_id_after_a_rollback_is_not_reported(rig: Rig) -> None:
    rig.caller.begin()
    (lost,) = await rig.insert(None)
    rig.caller.roll_back()
    (kept,) = await inserted(rig.store, new()._replace(created_at=NOW + 1))
    assert kept == lost.id
    assert await rig.rechecked() == []
    assert not rig.jobs.are_awaited


async def test_another_job_of_the_same_instant_is_not_reported_either(rig: Rig) -> None:
    rig.caller.begin()
    (lost,) = await rig.insert(None)
    rig.caller.roll_back()
    assert await inserted(rig.store, new()._replace(payload='{"n":2}')) == [lost.id]
    assert await rig.rechecked() == []


@pytest.mark.parametrize(
    ("unique_key", "payload", "is_same"),
    [("[1]", '{"n":2}', True), (None, '{"n":2}', True), ("[2]", "{}", False)],
    ids=["given another payload", "gave its key up", "another job"],
)
async def test_a_job_with_a_unique_key_may_be_given_another_payload(
    rig: Rig, unique_key: str | None, payload: str, is_same: bool
) -> None:
    rig.caller.begin()
    row = new()._replace(payload="{}", unique_key="[1]", unique_scope="pending")
    joined = await rig.jobs.insert(rig.caller, Insert((row,)), NOW)
    assert not isinstance(joined, Refused)
    rig.caller.roll_back()
    stored = row._replace(payload=payload, unique_key=unique_key, unique_scope=unique_key and "pending")
    assert await inserted(rig.store, stored) == [joined[0].id]
    assert await rig.rechecked() == [JobEnqueued(joined[0].id, "a")] * is_same


async def test_an_id_that_is_given_again_counts_for_the_second_job(rig: Rig) -> None:
    for now in (NOW, NOW + 1):
        rig.caller.begin()
        (joined,) = await rig.insert(None, now=now)
        if now == NOW:
            rig.caller.roll_back()
        else:
            rig.caller.commit()
    assert await rig.rechecked() == [JobEnqueued(joined.id, "a")]


async def test_a_job_that_was_there_has_its_own_instant(rig: Rig) -> None:
    (known,) = await inserted(rig.store, new(idempotency_key="k"))
    rig.caller.begin()
    (joined,) = await rig.insert("k", now=NOW + 5)
    assert (joined.id, joined.is_new, joined.identity.created_at) == (known, False, NOW)
    assert not rig.jobs.are_awaited


async def test_few_are_awaited_and_not_for_ever(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiojobs_lite.engine.joining.MOST_AWAITED", 2)
    rig.caller.begin()
    joined = await rig.insert(None, None, None)
    monkeypatch.setattr("aiojobs_lite.engine.joining.LONGEST_AWAITED_S", -1.0)
    await rig.insert(None)
    rig.caller.roll_back()
    assert await rig.rechecked() == []
    assert rig.jobs.are_awaited  # of the first ones one is left, whose time is not over
    assert len(joined) == 3


async def test_a_store_that_cannot_be_joined_is_named(rig: Rig) -> None:
    rig.store.joining = None  # type: ignore[assignment]
    with pytest.raises(TransactionRefused, match="No other connection reaches the jobs of") as refused:
        await rig.insert(None)
    assert refused.value.why == "in memory"
