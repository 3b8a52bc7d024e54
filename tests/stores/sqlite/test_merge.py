"""The due jobs of one priority in their order: what is read for a claim, and what stays to be found by the next."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from aiojobs_lite.stores.sqlite.due import ANY_ID, Due
from aiojobs_lite.stores.sqlite.merge import DueJobs
from aiojobs_lite.stores.sqlite.rows import load_sql

NOW, ALWAYS = 100, 10**9
Rows = list[tuple[str, int, int]]  # type, scheduled_at, id


class Reading:
    """Stands for an open transaction, over a table of the columns that the query needs. Counts what it reads."""

    def __init__(self, connection: sqlite3.Connection, rows: Rows) -> None:
        connection.execute("CREATE TABLE aiojobs_jobs (id, type, scheduled_at, priority, status, held, place)")
        connection.executemany("INSERT INTO aiojobs_jobs VALUES (?2, ?1, ?3, 1, 'pending', NULL, NULL)",
                               [(name, job_id, instant) for name, instant, job_id in rows])  # fmt: skip
        self._connection = connection
        self.now = NOW
        self.due = Due()
        self.read: Counter[str] = Counter()  # by type: rows
        for name, instant, job_id in rows:
            self.due.add(name, 1, instant, job_id)

    def run(self, query: str, parameters: Any) -> Any:
        assert query == "due_jobs"
        found = self._connection.execute(load_sql()[query], parameters).fetchall()
        self.read[parameters[0]] += len(found)
        return Found(found)


class Found:
    """Stands for a cursor."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def fetchall(self) -> list[Any]:
        return self._rows


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as made:
        yield made


class Taking:
    """The jobs as a claim takes them: with a number of slots in all, and of single types."""

    def __init__(self, reading: Reading, wanted: int = 1000, **slots: int) -> None:
        self.left = slots
        self.jobs = DueJobs(reading, 1, wanted, lambda name: self.left.get(name, 1000))  # type: ignore[arg-type]

    def all(self, until: int = ALWAYS, most: int = 1000) -> list[int]:
        """The ids of all that can be taken, in their order."""
        found: list[int] = []
        while most > len(found) and (taken := self.jobs.take(until, most - len(found))):
            name, jobs = taken
            assert jobs
            if name in self.left:
                self.left[name] -= len(jobs)
            found += [job_id for _, job_id in jobs]
        return found


def ordered(rows: Rows) -> list[int]:
    return [job_id for _, instant, job_id in sorted(rows, key=lambda row: row[1:]) if instant <= NOW]


MIXED: Rows = [("abc"[n % 3], 40 + (n * 7) % 13, n) for n in range(1, 61)]


def test_types_are_merged_by_instant_and_id(connection: sqlite3.Connection) -> None:
    taking = Taking(Reading(connection, MIXED))
    assert taking.all() == ordered(MIXED)
    assert sorted(taking.jobs.emptied) == ["a", "b", "c"]
    assert taking.jobs.take(ALWAYS, 1) is None


def test_jobs_at_one_instant_come_by_id_over_all_types(connection: sqlite3.Connection) -> None:
    rows: Rows = [("ab"[n % 2], 50, n) for n in range(1, 9)]
    assert Taking(Reading(connection, rows)).all() == list(range(1, 9))


def test_the_last_instant_that_is_asked_for_is_taken_and_no_later_one(connection: sqlite3.Connection) -> None:
    rows: Rows = [("a", 50, 1), ("b", 60, 2), ("a", 60, 3), ("a", 61, 4), ("b", NOW, 5), ("b", NOW + 1, 6)]
    taking = Taking(Reading(connection, rows))
    assert taking.all(until=49) == []
    assert taking.all(until=60) == [1, 2, 3]
    assert taking.all(until=60) == []
    assert taking.all() == [4, 5]


@pytest.mark.parametrize("most", [1, 2, 7, 59, 60, 61])
def test_no_more_are_taken_than_are_asked_for_and_the_rest_is_left_to_be_found(
    connection: sqlite3.Connection, most: int
) -> None:
    reading = Reading(connection, MIXED)
    first = Taking(reading, most)
    taken = first.all(most=most)
    assert taken == ordered(MIXED)[:most]
    first.jobs.close()
    for name in first.jobs.emptied:
        assert all(job_id in taken for of, _, job_id in MIXED if of == name)
    connection.execute(f"DELETE FROM aiojobs_jobs WHERE id IN ({', '.join(map(str, taken))})")
    assert Taking(reading).all() == ordered(MIXED)[most:]


def test_a_type_without_a_slot_is_passed_over_and_stays_to_be_found(connection: sqlite3.Connection) -> None:
    reading = Reading(connection, MIXED)
    taking = Taking(reading, a=0, b=3)
    of = {job_id: name for name, _, job_id in MIXED}
    in_order = ordered(MIXED)
    taken = taking.all()
    assert [n for n in taken if of[n] == "b"] == [n for n in in_order if of[n] == "b"][:3]
    assert [n for n in taken if of[n] == "c"] == [n for n in in_order if of[n] == "c"]
    assert not any(of[n] == "a" for n in taken)
    assert reading.read["a"] == 0  # it was not even looked at
    taking.jobs.close()
    assert taking.jobs.emptied == ["c"]
    connection.execute(f"DELETE FROM aiojobs_jobs WHERE id IN ({', '.join(map(str, taken))})")
    assert Taking(reading).all() == [n for n in in_order if n not in taken]


def test_of_a_type_no_more_is_read_than_its_share_until_it_is_needed(connection: sqlite3.Connection) -> None:
    rows: Rows = [(f"type {n % 10}", 50, n) for n in range(1, 2001)]
    reading = Reading(connection, rows)
    assert Taking(reading, 20).all(most=20) == list(range(1, 21))
    assert reading.read.total() <= 10 * (20 // 11 + 2) * 5
    assert max(reading.read.values()) <= 20


def test_no_more_is_read_of_a_type_than_it_has_slots(connection: sqlite3.Connection) -> None:
    rows: Rows = [("a", 50, n) for n in range(1, 500)]
    reading = Reading(connection, rows)
    assert Taking(reading, 400, a=2).all() == [1, 2]
    assert reading.read["a"] == 3  # one more, to know when it is next


def test_a_bound_that_was_too_early_is_put_right(connection: sqlite3.Connection) -> None:
    reading = Reading(connection, [("a", 80, 2)])
    reading.due.add("a", 1, 10, 1)
    reading.due.add("gone", 1, 10, ANY_ID)
    taking = Taking(reading)
    assert taking.all() == [2]
    assert sorted(taking.jobs.emptied) == ["a", "gone"]
