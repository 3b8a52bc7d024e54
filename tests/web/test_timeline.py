"""The life of a job as bars."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from aiojobs_lite.model.job import Attempt, Job, Outcome, Status
from aiojobs_lite.runner.steps import JobStep
from aiojobs_lite.web.timeline import WIDTH, Bar, timeline_of

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
JOB = Job(
    id=1, type="a", payload_json="{}", status=Status.PENDING, priority="medium", attempts=0, max_attempts=3,
    scheduled_at=START, created_at=START, started_at=None, completed_at=None, owner=None, idempotency_key=None,
    error=None, reason=None, result_json=None, interruptions=0, snoozes=0, crashes=0, cancel_requested=False,
    interrupted=False, held=None, schedule=None, tick=None,
)  # fmt: skip


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def attempt(number: int, start: float, end: float) -> Attempt:
    return Attempt(number, Outcome.FAILED, after(start), after(end), "me", "E", "m", None)


def drawn(bars: list[Bar]) -> list[tuple[str, str, float, float]]:
    return [(bar.name, bar.tone, bar.x, bar.width) for bar in bars]


def test_a_job_that_was_never_begun_waits() -> None:
    assert drawn(timeline_of(JOB, [], after(10))) == [("waits", "wait", 0, WIDTH)]


def test_a_job_that_was_cancelled_before_has_waited() -> None:
    job = replace(JOB, status=Status.CANCELLED, completed_at=after(5))
    assert drawn(timeline_of(job, [], after(10))) == [("waited", "wait", 0, WIDTH)]


def test_attempts_that_failed_and_the_one_that_runs_stand_in_their_order() -> None:
    job = replace(JOB, status=Status.PROCESSING, attempts=2, started_at=after(6), history=(attempt(1, 2, 4),))
    assert drawn(timeline_of(job, [], after(10))) == [
        ("waited", "wait", 0, 200), ("attempt 1", "bad", 200, 200), ("attempt 2", "busy", 600, 400),
    ]  # fmt: skip


def test_the_attempt_that_succeeded_is_in_no_history() -> None:
    job = replace(JOB, status=Status.COMPLETED, attempts=1, started_at=after(0), completed_at=after(10))
    assert drawn(timeline_of(job, [], after(20))) == [("attempt 1", "good", 0, WIDTH)]


def test_the_last_attempt_of_a_dead_job_is_drawn_once() -> None:
    job = replace(
        JOB, status=Status.DEAD, attempts=1, started_at=after(0), completed_at=after(10), history=(attempt(1, 0, 10),)
    )
    assert drawn(timeline_of(job, [], after(20))) == [("attempt 1", "bad", 0, WIDTH)]


def test_a_job_that_waits_for_its_next_attempt_says_so() -> None:
    job = replace(JOB, attempts=1, started_at=after(0), history=(attempt(1, 0, 5),))
    assert drawn(timeline_of(job, [], after(10)))[-1] == ("waits", "wait", 500, 500)


def test_steps_stand_behind_the_attempt_in_which_they_began_and_a_moment_can_be_seen() -> None:
    job = replace(JOB, status=Status.PROCESSING, attempts=1, started_at=after(0))
    done = JobStep("pack", "run", "done", 2, after(0), after(0), None, "1", None, None, None, None)
    child = JobStep("pay", "child", "waiting", 0, after(5), None, None, None, None, None, 7, None)
    sleep = JobStep("rest", "sleep", "done", 0, after(9), after(10), None, None, None, None, None, None)
    lost = JobStep("fail", "run", "failed", 1, after(10), after(10), None, None, "E: m", None, None, None)
    bars = timeline_of(job, [done, child, sleep, lost], after(10))
    assert drawn(bars) == [
        ("attempt 1", "busy", 0, WIDTH), ("step pack", "good", 0, 4), ("child job pay", "busy", 500, 500),
        ("sleep rest", "idle", 900, 100), ("step fail", "bad", 996, 4),
    ]  # fmt: skip
    assert [(bar.child, bar.note) for bar in bars[1:]] == [(None, "2 attempts"), (7, ""), (None, ""), (None, "E: m")]
