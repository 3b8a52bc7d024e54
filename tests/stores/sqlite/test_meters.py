"""What each limit allows for a key: its value, less the attempts that run, or those that started within the period."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aiojobs_lite.model.limits import ChangeLimit, PauseLimit, StoredLimit, lane_of, lane_text
from aiojobs_lite.stores.sqlite.due import NEVER, Due
from aiojobs_lite.stores.sqlite.limit_rows import LimitRows
from aiojobs_lite.stores.sqlite.meters import Meters
from aiojobs_lite.stores.sqlite.rows import load_sql
from tests.helpers.sqlite_store import opened
from tests.helpers.stores import NOW, at, connected, new, running

TEXT = lane_text("a", 1, [("two", 7), ("rate", 7)], is_ordered=False)
LANE, ONLY_TWO = lane_of(TEXT), lane_of(lane_text("a", 1, [("two", 7)], is_ordered=False))
TWO, RATE = LANE.meters
PERIOD = at(10) - NOW


def rows_on(connection: sqlite3.Connection) -> LimitRows:
    """The rows as a transaction has them that begins at `NOW`."""
    made = LimitRows(load_sql())
    made.connection, made.now = connection, NOW
    return made


def meters_on(rows: LimitRows, due: Due) -> Meters:
    """The meters as a connection finds them that has just been opened."""
    made = Meters(rows, due)
    made.reload()
    made.count_running()
    return made


@pytest.fixture
async def connection(database: Path) -> AsyncIterator[sqlite3.Connection]:
    """A connection to a database in which two attempts of a lane run that no limit of it knows of."""
    async with opened(database) as store:
        await running(store, *(new("b", lane=lane_text("b", 1, [("two", 9)], is_ordered=False)) for _ in range(2)))
    with connected(database) as made:
        yield made


@pytest.fixture
def rows(connection: sqlite3.Connection) -> LimitRows:
    return rows_on(connection)


@pytest.fixture
def due() -> Due:
    return Due()


@pytest.fixture
def meters(rows: LimitRows, due: Due) -> Meters:
    """Two at once a key, and three within 10 s."""
    made = meters_on(rows, due)
    made.limits.set(StoredLimit("two", 2))
    made.limits.set(StoredLimit("rate", 3, PERIOD))
    return made


def test_an_attempt_takes_from_each_meter_of_its_lane_and_its_end_gives_back_what_runs(meters: Meters) -> None:
    assert [meters.most(LANE), meters.full(LANE)] == [2, None]
    meters.start(LANE)
    meters.start(LANE)
    assert (meters.capacity(TWO), meters.capacity(RATE)) == (0, 1)
    assert [meters.most(LANE), meters.full(LANE)] == [0, TWO]
    meters.end(LANE)
    assert (meters.capacity(TWO), meters.capacity(RATE)) == (1, 1)  # a start counts for its period, ended or not


def test_what_runs_is_counted_from_the_rows_and_what_differs_is_named(
    connection: sqlite3.Connection, meters: Meters
) -> None:
    assert meters.capacity("two\n9") == 0
    meters.start(ONLY_TWO)
    assert meters.count_again() == ({"b": 2}, [TWO])
    connection.execute("UPDATE aiojobs_jobs SET status = 'pending', owner = NULL WHERE id = 1")
    assert meters.capacity("two\n9") == 0
    meters.reload()  # another owner has committed
    assert meters.count_running() == {"b": 1}
    assert meters.capacity("two\n9") == 1
    connection.execute("UPDATE aiojobs_jobs SET status = 'processing', owner = 'one' WHERE id = 1")


def test_a_limit_that_is_paused_allows_none_for_all_keys_or_for_one(meters: Meters) -> None:
    assert meters.limits.pause(PauseLimit("two", None, paused=True))
    assert [meters.capacity(TWO), meters.capacity("two\n8"), meters.full(LANE)] == [0, 0, TWO]
    assert meters.limits.pause(PauseLimit("two", None, paused=False))
    assert meters.limits.pause(PauseLimit("rate", "7", paused=True))
    assert [meters.capacity(TWO), meters.capacity(RATE), meters.capacity("rate\n8")] == [2, 0, 3]
    assert meters.limits.pause(PauseLimit("rate", "7", paused=False))
    assert meters.capacity(RATE) == 3
    assert not meters.limits.pause(PauseLimit("unknown", None, paused=True))


def test_a_key_has_a_value_of_its_own_and_code_changes_none_that_is_pinned(meters: Meters) -> None:
    assert meters.limits.change(ChangeLimit("two", "7", 5, None, is_pinned=True))
    assert [meters.capacity(TWO), meters.capacity("two\n8")] == [5, 2]
    assert meters.limits.set(StoredLimit("two", 1, None, "7")) is None
    assert meters.capacity(TWO) == 5
    assert meters.limits.change(ChangeLimit("two", "7", None, None, is_pinned=False))
    assert meters.capacity(TWO) == 2
    assert meters.limits.of("unknown\n7", "unknown") is None


def test_of_a_rate_it_is_noted_when_one_more_may_start_if_lanes_wait_for_that(
    rows: LimitRows, meters: Meters, due: Due
) -> None:
    for second in range(3):
        rows.now = at(second)
        meters.start(LANE)
    assert (meters.next_free, due.made) == (NEVER, NEVER)  # no lane waits
    meters.set_time(RATE, may_have_more=True)
    assert (meters.next_free, due.made) == (at(10), at(10))
    meters.flush()
    rows.now = at(10) - 1
    assert (meters.freed_by_time(lambda *_: None), meters.capacity(RATE)) == ([], 0)
    rows.now = at(10)
    assert (meters.freed_by_time(lambda *_: None), meters.capacity(RATE)) == ([RATE], 1)


def test_starts_and_times_are_found_again_by_another_connection_once_they_are_stored(
    connection: sqlite3.Connection, meters: Meters
) -> None:
    for _ in range(3):
        meters.start(LANE)
    meters.set_time(RATE, may_have_more=True)
    assert meters_on(rows_on(connection), Due()).capacity(RATE) == 3
    meters.flush()
    other = meters_on(rows_on(connection), Due())
    assert (other.capacity(RATE), other.next_free) == (0, at(10))


def test_what_started_while_the_clock_was_ahead_started_now(rows: LimitRows, meters: Meters) -> None:
    rows.now = at(500)
    meters.start(LANE)
    rows.now = at(0)
    meters.move_back(0)
    rows.now = at(10) - 1
    assert meters.capacity(RATE) == 2
    rows.now = at(10)
    assert meters.capacity(RATE) == 3
