"""The stepped clock of a chaos run, and the journal: each reading and each record stands for one instant."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from aiojobs_lite.clock import MICROSECONDS, SystemClock
from tests.chaos.clocks import SteppedClock, Steps, eras_of, instant_of
from tests.chaos.journal import Journal, Record, read


def test_each_reading_of_a_stepped_clock_is_of_one_instant() -> None:
    steps, now = Steps(random.Random(7)), time.monotonic()
    tried = [(at, steps.next(at, 16.0)) for at in (now + 10.0 * number for number in range(1, 150))]
    chosen = [(at, offset) for at, offset in tried if offset is not None] + [(now + 1500, steps.last(now + 1500))]
    assert len(chosen) > 100
    assert min(offset for _, offset in chosen) < 0 < max(offset for _, offset in chosen)
    records = [Record("forked", now, 0, {"ahead": 5.0})]
    records += [Record("stepped", at, 0, {"offset": offset}) for at, offset in chosen]
    eras = eras_of([*records, Record("last", now + 1510, 0, {})])
    assert eras[-1].is_latest
    for era in eras:
        for at in (era.start + 0.2, era.end - 0.2):
            assert instant_of(eras, at + era.ahead) == pytest.approx(at)
            assert sum(other.instant(at + era.ahead) is not None for other in eras) == 1
    assert instant_of(eras, now - 10**9) is None


def test_all_processes_see_the_clock_stepped() -> None:
    clock = SteppedClock()
    pid = os.fork()
    if pid == 0:
        clock.step_to(3600)
        os._exit(0)
    os.waitpid(pid, 0)
    assert clock.offset == 3600
    assert clock.now() - SystemClock().now() > 3500 * MICROSECONDS


def test_what_a_handler_forks_notes_nothing_but_that_it_is_there(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.become(3)
    pid = os.fork()
    if pid == 0:
        journal.note("begun", job=1)
        os._exit(0)
    os.waitpid(pid, 0)
    journal.note("up")
    journal.close()
    found = [(record.what, record.writer, record.facts) for record in read(tmp_path / "journal")]
    assert found == [("astray", 3, {"noted": "begun"}), ("up", 3, {})]


def test_the_journal_is_read_in_the_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journals = [Journal(path), Journal(path)]
    journals[1].become(7)
    for number in range(6):
        journals[number % 2].note("said", number=number)
    for journal in journals:
        journal.close()
    assert [(record.what, record.writer, record.facts["number"]) for record in read(path)] == [
        ("said", 7 * (number % 2), number) for number in range(6)
    ]
