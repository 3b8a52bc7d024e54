"""The facts: their table and their log lines."""

from __future__ import annotations

import dataclasses
import logging
import re
import string
from datetime import UTC, datetime

import pytest

from aiojobs_lite.telemetry import facts
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.fact import PARTS
from aiojobs_lite.telemetry.facts import (
    AttemptFailed,
    AttemptStuck,
    DeadRedriven,
    DefectFound,
    DrainFinished,
    DrainStarted,
    DrainWaits,
    Fact,
    JobBecameCancelled,
    JobBecameDead,
    JobCompleted,
    JobEnqueued,
    JobSnoozed,
    LoopBlocked,
    OwnerRescued,
    ProcessSuspended,
    ResultNotStored,
    RetryRequested,
    RunnerStarted,
    StoreDegraded,
    StoreRecovered,
    TickFired,
    TickSkipped,
)

KINDS: list[type[Fact]] = [
    kind for kind in vars(facts).values() if isinstance(kind, type) and issubclass(kind, Fact) and kind is not Fact
]
NOON = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
EXAMPLES = {"int": 7, "str": "text", "float": 1.23456, "datetime": NOON, "tuple[int, ...]": (7, 8)}
EXAMPLES |= {f"{kind} | None": value for kind, value in EXAMPLES.items()}


def example(kind: type[Fact]) -> Fact:
    """A fact of a kind, with a value of the right type in each field."""
    return kind(*(EXAMPLES[str(field.type)] for field in dataclasses.fields(kind)))


def test_the_table_names_exactly_the_facts_with_their_levels() -> None:
    assert facts.__doc__ is not None
    rows = re.findall(r"^\| (`.*?) \| (\w+) \| (.+) \|$", facts.__doc__, re.MULTILINE)
    named = {name: level for names, level, _ in rows for name in re.findall(r"`(\w+)`", names)}
    assert named == {kind.__name__: logging.getLevelName(kind.level).lower() for kind in KINDS}
    assert len(KINDS) == len(set(named)) >= 20
    assert all(when for _, _, when in rows)


@pytest.mark.parametrize("kind", KINDS)
def test_each_fact_says_something_of_its_own_with_all_it_needs(kind: type[Fact]) -> None:
    named = {name for _, name, _, _ in string.Formatter().parse(kind.text) if name} | ({kind.block} - {""})
    assert named
    assert named == {field.name for field in dataclasses.fields(kind)} - {"wait"}  # in the words of `next_at`
    assert kind.part in PARTS
    assert [other for other in KINDS if other.text == kind.text] == [kind]
    assert kind.__doc__
    assert "(" not in kind.__doc__.splitlines()[0]  # not the one that dataclass makes up


@pytest.mark.parametrize("kind", KINDS)
def test_a_fact_cannot_be_changed_and_is_equal_by_its_fields(kind: type[Fact]) -> None:
    fact = example(kind)
    assert fact == example(kind)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(fact, dataclasses.fields(kind)[0].name, None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fact_makes_one_record_with_its_text_and_its_fields(
    kind: type[Fact], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "aiojobs_lite")
    fact = example(kind)
    Bus().publish(fact)
    (record,) = caplog.records
    assert record.name == f"aiojobs_lite.{kind.part}"
    assert record.levelno == kind.level
    assert record.getMessage() == str(fact)
    assert record.getMessage().strip() == record.getMessage() != ""
    assert "  " not in record.getMessage().partition("\n")[0]
    assert not re.search(r"[{}]", record.getMessage())
    extra = vars(record)
    assert extra["fact"] == kind.__name__
    for field in dataclasses.fields(kind):
        name = f"job_{field.name}" if field.name in {"type", "reason"} else field.name
        assert extra[name] == ("  text" if field.name == kind.block else getattr(fact, field.name))
    ours = {
        f"job_{field.name}" if field.name in {"type", "reason"} else field.name for field in dataclasses.fields(kind)
    }
    assert not ours & set(vars(logging.makeLogRecord({})))  # logging keeps these names to itself


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        (JobEnqueued(7, "email"), "enqueued: email job 7"),
        (JobCompleted(7, "email", 2, 0.12345), "completed: email job 7 attempt 2 in 0.123 s"),
        (
            AttemptFailed(7, "email", 2, 3, "timed_out", "ValueError: {x}.", NOON, 2520.0),
            "timed out: email job 7 attempt 2 of 3: ValueError: {x}; again in 42 min (12:30:15 UTC)",
        ),
        (
            RetryRequested(7, "email", 2, 3, "failed", "Retry: 429 too many requests", NOON, 30.0),
            "retry: email job 7 attempt 2 of 3 failed: Retry: 429 too many requests; again in 30 s",
        ),
        (JobBecameCancelled(7, "a{b}c", "100%s"), "cancelled: a{b}c job 7 (100%s)"),
        (JobBecameCancelled(7, "email", ""), "cancelled: email job 7"),
        (
            JobSnoozed(7, "email", NOON, 3 * 86_400.0),
            "snoozed: email job 7, to run again in 3 days (2026-03-01 12:30:15 UTC)",
        ),
        (
            JobBecameDead(7, "email", 5, "all 5 attempts used up", "ValueError: no."),
            "dead: email job 7 after attempt 5 (all 5 attempts used up): ValueError: no; "
            "it runs again only if redriven",
        ),
        (DeadRedriven(1, "every type"), "redriven: 1 dead job of every type"),
        (OwnerRescued("0123", 1), "rescued: 1 job of the dead owner 0123"),
        (OwnerRescued("0123", 2_000), "rescued: 2,000 jobs of the dead owner 0123"),
        (
            TickSkipped("daily", NOON, "overlap"),
            "skipped: 1 tick of daily at 2026-03-01 12:30:15 UTC: the job of an earlier tick is not finished",
        ),
        (
            TickSkipped("daily", NOON, "catch_up", 3),
            "skipped: 3 ticks of daily from 2026-03-01 12:30:15 UTC on: missed while nothing ran or it was paused, and "
            "a later tick stands for all",
        ),
        (
            TickSkipped("daily", NOON, "refused"),
            "skipped: 1 tick of daily at 2026-03-01 12:30:15 UTC: the options of its type refuse the job, or another "
            "job stands for it",
        ),
        (
            StoreDegraded("SQLITE_FULL: disk full"),
            "degraded: the database cannot be written (SQLITE_FULL: disk full): no job starts until it can, tried "
            "again and again",
        ),
        (
            DefectFound("a task is gone", 7, "email", 2, 1.5, "RUNNING"),
            "a defect of aiojobs_lite, please report this line: a task is gone; email job 7 attempt 2, "
            "for 1.5 s; RUNNING",
        ),
        (
            DefectFound("a transaction hangs", 0, "?", 0, 1.5, "RUNNING"),
            "a defect of aiojobs_lite, please report this line: a transaction hangs, for 1.5 s; RUNNING",
        ),
        (
            ProcessSuspended(1.75),
            "suspended: the process did not run for 1.8 s (stopped, or no processor time); no job is the cause",
        ),
        (StoreRecovered(90.0), "recovered: the database can be written again, after 1 min 30 s"),
        (
            LoopBlocked(1.5, "email", "  File x"),
            "blocked: the event loop stood still for 1.5 s in a handler of email\n  File x",
        ),
        (
            LoopBlocked(1.5, "?", "  File x"),
            "blocked: the event loop stood still for 1.5 s in code that is no handler's own task\n  File x",
        ),
        (TickFired("daily", NOON, 7), "tick: daily at 2026-03-01 12:30:15 UTC made job 7"),
        (
            AttemptStuck(7, "email", 1, "timeout", "  File x\n", NOON),
            "stuck: email job 7 attempt 1 was stopped (timeout) at 2026-03-01 12:30:15 UTC, and runs on, in its slot "
            "until it ends\n  File x",
        ),
        (
            AttemptStuck(7, "email", 1, "timeout", "  File x\nERROR forged\r\n\n\x1b[2J", NOON),
            "stuck: email job 7 attempt 1 was stopped (timeout) at 2026-03-01 12:30:15 UTC, and runs on, in its slot "
            "until it ends\n"
            "  File x\n  ERROR forged\\r\n  \n  \\x1b[2J",
        ),
        (
            AttemptFailed(
                7, "email", 2, 0, "failed", "ValueError: x\nERROR dead: pay job 1\x1b[2J\u2028\u202e", NOON, 0
            ),
            "failed: email job 7 attempt 2: ValueError: x\\nERROR dead: pay job 1\\x1b[2J\\u2028\\u202e; again at once",
        ),
        (
            ResultNotStored(7, "email", 2, "the result was not kept: too large"),
            "completed without its result: email job 7 attempt 2: the result was not kept: too large",
        ),
        (DrainStarted("close", 0, "", 20.0), "drain started (close): 0 attempts running"),
        (
            DrainStarted("close", 1, "email (1)", 20.0),
            "drain started (close): 1 attempt running: email (1); after 20 s they are interrupted",
        ),
        (
            DrainStarted("SIGTERM", 3, "email (2), report (1)", 90.0),
            "drain started (SIGTERM): 3 attempts running: email (2), report (1); after 1 min 30 s they are interrupted"
            "; a SIGINT (Ctrl-C) interrupts them now",
        ),
        (
            DrainWaits("SIGINT", 2, "email 7 for 3.2 s, report 8 for 1.1 s", 19.0),
            "waiting up to 19 s for 2 jobs (email 7 for 3.2 s, report 8 for 1.1 s), then they are interrupted; "
            "press Ctrl-C again to interrupt them now",
        ),
        (
            DrainWaits("close", 1, "email 7 for 3.2 s", 0.5),
            "waiting up to 0.5 s for 1 job (email 7 for 3.2 s), then they are interrupted",
        ),
        (
            RunnerStarted("/srv/app.db", "2 job types (a, b)", "no schedules", 1, 0, 4711, "0123"),
            "runner started: /srv/app.db; 2 job types (a, b); no schedules; 1 pending, 0 dead; pid 4711, owner 0123",
        ),
        (DrainFinished(0.01), "drain finished in 0.0 s: no job was interrupted"),
        (
            DrainFinished(20.5, tuple(range(1, 13))),
            "drain finished in 20 s: 12 interrupted (jobs 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more), to run again",
        ),
        (
            DrainFinished(1.0, (), (7,), (8, 9)),
            "drain finished in 1.0 s: no job was interrupted; 1 left running (job 7), given back when no longer running"
            "; 2 not stored (jobs 8, 9), given back by the next runner",
        ),
        (JobBecameCancelled(7, "email", "caf\xe9\u3000\r\x85"), "cancelled: email job 7 (caf\xe9\u3000\\r\\x85)"),
    ],
)
def test_the_text_of_a_fact_is_for_people(fact: Fact, text: str) -> None:
    assert str(fact) == text
