"""Looks at the database all the time for due jobs that wait although their keys are free, and judges how long."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from aiojobs_lite.clock import Clock
from aiojobs_lite.model.limits import StoredLimit, capacity_in, lane_of, within
from tests.chaos.flow import debounced
from tests.chaos.journal import Journal
from tests.chaos.story import Story, longest_chance
from tests.helpers.pauses import hold_thread_for

STARTS_WITHIN: Final = 3.0  # seconds
SETTLES: Final = 5.0  # seconds after a step of the clock, which makes jobs due, and puts others off until it is noticed
_LOOK_EVERY: Final = 0.1  # seconds
_LONGEST_GAP: Final = 0.5  # seconds between two looks; after a longer one nothing is known of the time between
_NOTED_AFTER: Final = 0.5  # seconds
_NOTE_EVERY: Final = 10  # looks
_RUNNING: Final = "SELECT owner, lane FROM aiojobs_jobs WHERE status = 'processing'"
_PENDING: Final = """
    SELECT id, coalesce(lane, type || ' ' || id), scheduled_at, attempts FROM aiojobs_jobs
    WHERE status = 'pending' AND held IS NULL AND place IS NOT NULL
    UNION ALL
    SELECT id, coalesce(lane, type || ' ' || id), scheduled_at, attempts FROM aiojobs_jobs
    WHERE status = 'pending' AND held IS NULL AND place IS NULL AND (lane IS NOT NULL OR type = ?)
"""
_RATES: Final = """
    SELECT meter, starts, most, per FROM aiojobs_meters
    JOIN aiojobs_limits ON name = substr(meter, 1, instr(meter, char(10)) - 1) AND key = '' AND per IS NOT NULL
"""


class Waiting(NamedTuple):
    """A due job that is the next of its lane, and before which attempt. One that may be put off is a lane by itself."""

    lane: str
    job: int
    attempts: int


def free(connection: sqlite3.Connection, now: int, slots: int) -> set[Waiting]:
    """The due jobs that could start: no job of their key runs, its rate has capacity, each owner has a free slot.

    Args:
        connection: To the database.
        now: What the clock of the runners shows.
        slots: Of each runner.
    """
    connection.execute("BEGIN")
    running = connection.execute(_RUNNING).fetchall()
    pending = connection.execute(_PENDING, (debounced.name,)).fetchall()
    rates = connection.execute(_RATES).fetchall()
    connection.execute("ROLLBACK")
    if max(Counter(owner for owner, _ in running).values(), default=0) >= slots:
        return set()
    taken = {lane for _, lane in running}
    exhausted = {meter for meter, *rate in rates if not _has_capacity(now, *rate)}
    first: dict[str, tuple[int, int, int, int]] = {}
    for job_id, lane, due, attempts in pending:
        if lane not in taken and exhausted.isdisjoint(lane_of(lane).meters):
            entry = (0 if lane_of(lane).is_ordered else due, job_id, due, attempts)
            first[lane] = min(first.get(lane, entry), entry)
    return {Waiting(lane, job_id, attempts) for lane, (_, job_id, due, attempts) in first.items() if due <= now}


def _has_capacity(now: int, starts: str, most: int, per: int) -> bool:
    limit = StoredLimit("", most, per)
    return capacity_in(within(json.loads(starts), limit, now), limit) > 0


def watch(database: Path, journal: Journal, clock: Clock, slots: int) -> int:
    """Looks until the process that started it ends it, or has ended; notes each job that waits for long."""
    since: dict[Waiting, float] = {}
    parent, last, looks = os.getppid(), time.monotonic(), 0
    while os.getppid() == parent:
        hold_thread_for(_LOOK_EVERY)
        now = time.monotonic()
        found = _look(database, clock, slots)
        is_known = now - last <= _LONGEST_GAP
        last, looks = now, looks + 1
        since = {one: since.get(one, now) if is_known else now for one in found}
        for one, at in since.items():
            if now - at >= _NOTED_AFTER:
                journal.note("waits", since=at, **one._asdict())
        if looks % _NOTE_EVERY == 0:
            journal.note("looked", times=_NOTE_EVERY)
    return 0


def _look(database: Path, clock: Clock, slots: int) -> set[Waiting]:
    """None, if the database cannot be read just now."""
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)) as connection:
            return free(connection, clock.now(), slots)
    except sqlite3.OperationalError:  # it is not there yet, or is to be recovered by a runner first
        return set()


def waits(story: Story) -> Iterator[tuple[float, str]]:
    """How long the jobs of free keys waited while a process could have started them, and which ones.

    A process is not counted on while its owner's file is not there, nor if another file was ever in place of it.
    """
    hindered = story.held_up + [(era.start, era.start + SETTLES) for era in story.eras[1:]]
    latest = {(record.facts["job"], record.facts["since"]): record for record in story.said("waits")}
    for (job, since), record in latest.items():
        until = record.time
        out = [span for span in hindered if span[0] < until and span[1] > since]
        lives = [life for life in story.lives.values() if life.up < until and life.ended > since and not life.planted]
        chances = [longest_chance(life, since, min(until, life.robbed), out) for life in lives]
        yield max(chances, default=0.0), f"job {job} of the lane {record.facts['lane']!r}"


def free_keys(story: Story) -> Iterator[str]:
    """No due job of a free key waits while a process lives that has a free slot, and goes on, and can write."""
    for chance, job in waits(story):
        if chance > STARTS_WITHIN:
            yield f"{job} waited for {chance:.1f} s, and no job of its key ran"
