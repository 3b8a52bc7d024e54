"""Lanes that another program has left where nothing would wake them go on, and what counts wrong is counted anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite.model.job import Claimed, NewJob
from aiojobs_lite.model.limits import SetLimits, StoredLimit, lane_of, lane_text
from aiojobs_lite.stores.sqlite import lost_lanes
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.sqlite_store import notices_change, opened, writer_of
from tests.helpers.stores import NOW, answers, at, claim, claimed, complete, connected, inserted, new

ONE = StoredLimit("one", 1)


def keyed(key: int, **fields: Any) -> NewJob:
    return new(lane=lane_text("a", 1, [("one", key)], is_ordered=False), **fields)


async def waiting(store: SqliteStore) -> list[Claimed]:
    """Of each of two keys a job runs, and two wait."""
    await answers(store, SetLimits((ONE,)))
    await inserted(store, *[keyed(key, due=-1) for _ in range(3) for key in (7, 8)])
    jobs = await claimed(store)
    assert [job.id for job in jobs] == [1, 2]
    assert await claimed(store) == []
    return jobs


CHANGES = {
    "its row is gone": "DELETE FROM aiojobs_lanes WHERE lane LIKE '%7'",
    "its bound is too late": f"UPDATE aiojobs_lanes SET ready_at = {at(9999)}, line = 'a' WHERE lane LIKE '%7'",
    "its meter is free": "UPDATE aiojobs_limits SET most = 2",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_lane_that_nothing_would_wake_goes_on(
    database: Path, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(database) as store:
        first, _ = await waiting(store)
        await store.maintain(NOW)
        assert not caplog.records
        with connected(database) as other:
            other.execute(change)
        await store.maintain(NOW)
        (record,) = [record for record in caplog.records if "limits by key" in record.getMessage()]
        assert "one, 7" in record.getMessage()
        assert await notices_change(store)
        _, answer = await answers(store, complete(first), claim())
        assert [job.id for job in answer.jobs] == ([3, 4, 5] if "most" in change else [3])


async def test_nothing_is_found_in_lanes_that_are_as_they_should_be(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_lanes, "LANES_A_STEP", 1)
    async with opened(database) as store:
        jobs = await waiting(store)
        assert await writer_of(store).find_lost_lanes(NOW) == []
        await answers(store, *map(complete, jobs), claim(limit=1))
        assert await writer_of(store).find_lost_lanes(NOW) == []


async def test_a_meter_that_counts_wrong_is_counted_anew(database: Path) -> None:
    async with opened(database) as store:
        await waiting(store)
        writer = writer_of(store)
        writer.ledger.limits.meters.end(lane_of(lane_text("a", 1, [("one", 7)], is_ordered=False)))
        writer.ledger.limits.commit()
        assert await writer.find_lost_lanes(NOW) == ["one\n7"]
        assert await claimed(store) == []
        assert await writer.find_lost_lanes(NOW) == []
