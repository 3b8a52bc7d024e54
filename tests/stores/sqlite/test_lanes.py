"""Lanes: where a job waits, from which bound on, and in which line its lane stands, as one connection has them."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aiojobs_lite.model.job import NewJob, Status
from aiojobs_lite.model.limits import LimitedLane, StoredLimit, lane_of, lane_text
from aiojobs_lite.stores.sqlite.due import NEVER, Due
from aiojobs_lite.stores.sqlite.lanes import ORDERED_PLACE, Limits
from aiojobs_lite.stores.sqlite.lines import Woken
from aiojobs_lite.stores.sqlite.rows import load_sql
from tests.helpers.sqlite_store import opened
from tests.helpers.stores import NOW, at, connected, new

TWO = StoredLimit("two", 2)


def text_of(key: int, *, is_ordered: bool = False) -> str:
    return lane_text("a", 1, [("two", key)], is_ordered=is_ordered)


def job(key: int, due: float = 0) -> NewJob:
    return new(lane=text_of(key), due=due)


SEVEN, EIGHT, ORDERED = text_of(7), text_of(8), text_of(9, is_ordered=True)
METER, OF_TYPE = "two\n7", "a"
IN_LINE_OF_METER = f"{METER}\n{OF_TYPE}"


@pytest.fixture
async def connection(database: Path) -> AsyncIterator[sqlite3.Connection]:
    """A connection to a new database."""
    async with opened(database):
        pass
    with connected(database) as made:
        yield made


@pytest.fixture
def due() -> Due:
    return Due()


@pytest.fixture
def limits(connection: sqlite3.Connection, due: Due) -> Limits:
    """Two at once a key."""
    made = Limits(load_sql(), due)
    made.begin(connection, NOW)
    made.reload(connection)
    made.set(TWO)
    return made


def lines(connection: sqlite3.Connection) -> dict[str, str]:
    """The line in which each lane stands."""
    return dict(connection.execute("SELECT lane, line FROM aiojobs_lanes").fetchall())


def bound_of(connection: sqlite3.Connection, text: str) -> tuple[int, int]:
    """From which instant and job on a lane may be claimed."""
    ((at_, job_id),) = connection.execute("SELECT ready_at, first_id FROM aiojobs_lanes WHERE lane = ?", (text,))
    return at_, job_id


def exhaust(limits: Limits) -> None:
    """Two attempts of a key run, of which a job waits in the line of the meter."""
    for job_id in (1, 2):
        limits.start(SEVEN, lane_of(SEVEN), job_id)
    limits.add(SEVEN, 1, (NOW, 3), METER)


def test_a_new_job_is_an_ordinary_one_while_its_meters_have_capacity(
    limits: Limits, connection: sqlite3.Connection
) -> None:
    assert [limits.place(job(7), number) for number in (1, 2)] == [None, None]
    assert lines(connection) == {}
    assert limits.place(job(7), 3) == NOW
    assert lines(connection) == {SEVEN: OF_TYPE}
    assert limits.place(job(8), 4) is None
    assert limits.place(job(7, due=5), 5) is None  # whether it is over the limit shows when it is due


def test_a_new_job_of_a_meter_that_is_exhausted_waits_in_its_line(
    limits: Limits, connection: sqlite3.Connection, due: Due
) -> None:
    for job_id in (1, 2):
        limits.start(SEVEN, lane_of(SEVEN), job_id)
    assert limits.place(job(7), 3) == NOW
    assert lines(connection) == {SEVEN: IN_LINE_OF_METER}
    assert due.earliest_by_type() == {}  # no claim looks at it


def test_an_ordered_lane_stands_by_its_first_job(limits: Limits, connection: sqlite3.Connection) -> None:
    row = new(lane=ORDERED, due=5)
    assert [limits.place(row, number) for number in (4, 5)] == [ORDERED_PLACE] * 2
    assert bound_of(connection, ORDERED) == (at(5), 4)
    assert limits.place_claimed(ORDERED, 6) == ORDERED_PLACE
    assert limits.place_claimed(SEVEN, 7) is None


def test_what_makes_a_job_of_a_lane_claimable_sooner_lowers_its_bound_and_nothing_raises_it(
    limits: Limits, connection: sqlite3.Connection, due: Due
) -> None:
    limits.add(SEVEN, 1, (at(5), 5), None)
    limits.add(SEVEN, 1, (at(9), 1), None)
    assert bound_of(connection, SEVEN) == (at(5), 5)
    limits.add(SEVEN, 1, (at(3), 9), None)
    assert bound_of(connection, SEVEN) == (at(3), 9)
    limits.add(SEVEN, 1, (at(3), 4), None)  # one that was there before, and is pending again
    assert bound_of(connection, SEVEN) == (at(3), 4)
    assert due.earliest_by_type() == {"a": at(3)}
    limits.set_bound(SEVEN, (at(7), 2))  # a claim has looked
    assert bound_of(connection, SEVEN) == (at(7), 2)


def test_a_lane_without_jobs_is_deleted_and_the_others_go_on(limits: Limits, connection: sqlite3.Connection) -> None:
    limits.add(SEVEN, 1, (NOW, 1), None)
    limits.add(EIGHT, 1, (NOW, 2), None)
    limits.delete(SEVEN)
    assert (lines(connection), limits.has_lane(SEVEN), limits.lines.has_lanes) == ({EIGHT: OF_TYPE}, False, True)
    limits.delete(EIGHT)
    assert (lines(connection), limits.lines.has_lanes) == ({}, False)


def test_a_lane_waits_in_the_line_of_its_meter_until_an_attempt_ends(
    limits: Limits, connection: sqlite3.Connection, due: Due
) -> None:
    exhaust(limits)
    assert lines(connection) == {SEVEN: IN_LINE_OF_METER}
    limits.lines.free(METER)
    assert limits.lines.wake() == []
    assert due.earliest(lambda job_type: True) == NEVER
    limits.ended([(1, Status.COMPLETED)])
    assert limits.lines.wake() == [Woken(SEVEN, "a", 1, (NOW, 3))]
    assert lines(connection) == {SEVEN: OF_TYPE}
    assert (due.earliest_by_type(), limits.lines.types_due) == ({"a": NOW}, {"a"})
    assert (limits.has_running("a"), limits.lines.wake()) == (True, [])


def test_a_lane_that_leaves_the_line_of_its_type_sets_free_what_it_does_not_use(
    limits: Limits, connection: sqlite3.Connection
) -> None:
    """Else the lanes behind it would wait for the end of an attempt that never starts."""
    shared = [lane_text("a", priority, [("two", 7)], is_ordered=False) for priority in (0, 1)]
    limits.set(StoredLimit("two", 1))
    limits.add(shared[0], 0, (NOW, 1), None)
    limits.add(shared[1], 1, (NOW, 2), METER)
    limits.move(shared[0], 0, (at(60), 1), None)  # its job was put off
    assert [woken.text for woken in limits.lines.wake()] == [shared[1]]
    assert lines(connection) == dict.fromkeys(shared, OF_TYPE)


def test_a_higher_limit_lets_lanes_go_on(limits: Limits, connection: sqlite3.Connection) -> None:
    exhaust(limits)
    limits.set(StoredLimit("two", 3))
    limits.lines.wake()
    assert lines(connection) == {SEVEN: OF_TYPE}


def test_a_lane_brings_the_limits_of_its_keys(limits: Limits) -> None:
    text = LimitedLane(SEVEN, (StoredLimit("two", 5, None, "7"),))
    limits.note(text, lane_of(SEVEN))
    assert limits.meters.most(lane_of(SEVEN)) == 5
    assert limits.meters.most(lane_of(EIGHT)) == 2
    assert set(limits.types) == {"a"}


def test_what_a_transaction_has_changed_is_read_anew_after_it_failed(
    limits: Limits, connection: sqlite3.Connection
) -> None:
    limits.commit()
    connection.execute("BEGIN")
    limits.begin(connection, NOW)
    exhaust(limits)
    connection.execute("ROLLBACK")
    limits.discard()
    limits.begin(connection, NOW)
    assert (limits.meters.most(lane_of(SEVEN)), limits.has_lane(SEVEN), limits.has_running("a")) == (2, False, False)
