"""The life of a job as bars over time: it waited, attempts ran, steps ran, it waited again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from aiojobs_lite.model.job import Attempt, Job, Outcome, Status
from aiojobs_lite.runner.steps import JobStep

WIDTH: Final = 1000
"""Of the whole time, in the units of the drawing."""

_LEAST_WIDTH: Final = 4  # of a bar: a moment can be seen
_MOST_ROWS: Final = 200
_TONES: Final = {
    Outcome.SUCCEEDED: "good", Outcome.FAILED: "bad", Outcome.TIMED_OUT: "bad", Outcome.LOST: "bad",
    Outcome.CANCELLED: "idle", Outcome.INTERRUPTED: "warn", Outcome.SNOOZED: "idle", Outcome.SUSPENDED: "idle",
}  # fmt: skip
_ENDS: Final = {
    Status.COMPLETED: ("succeeded", "good"), Status.DEAD: ("dead", "bad"), Status.CANCELLED: ("cancelled", "idle"),
}  # fmt: skip
_KINDS: Final = {"run": "step", "sleep": "sleep", "event": "wait for event", "child": "child job", "planned": "step"}


class Bar(NamedTuple):
    """One row.

    Attributes:
        name: What it is.
        state: How it ended, or that it has not.
        tone: `good`, `bad`, `warn`, `idle`, `busy` or `wait`.
        start: When it began.
        end: When it ended; None: it has not.
        x: Where its bar begins, from 0 to `WIDTH`.
        width: How wide that is.
        is_step: Whether it is an operation within the attempts.
        child: The job that it has started, or None.
        note: What else is known of it.
    """

    name: str
    state: str
    tone: str
    start: datetime
    end: datetime | None
    x: float = 0.0
    width: float = 0.0
    is_step: bool = False
    child: int | None = None
    note: str = ""


def timeline_of(job: Job, steps: Sequence[JobStep], now: datetime) -> list[Bar]:
    """The rows of a job, in the order in which they began; no more of them than a page can have."""
    attempts = [_attempt_bar(attempt) for attempt in job.history]
    last = _latest(job, attempts)
    bars = sorted([*attempts, *last, *map(_step_bar, steps)], key=lambda bar: (bar.start, bar.is_step))
    if not bars or bars[0].start > job.created_at:
        first = bars[0].start if bars else job.completed_at
        bars.insert(0, Bar("waited" if first else "waits", "", "wait", job.created_at, first))
    elif job.status is Status.PENDING:
        bars.append(Bar("waits", "", "wait", max(bar.end or bar.start for bar in bars), None))
    return _placed(bars[-_MOST_ROWS:], now)


def _attempt_bar(attempt: Attempt) -> Bar:
    state, tone = attempt.outcome.value.replace("_", " "), _TONES[attempt.outcome]
    name = f"attempt {attempt.attempt}"
    return Bar(name, state, tone, attempt.started_at or attempt.ended_at, attempt.ended_at, note=attempt.message or "")


def _latest(job: Job, before: Sequence[Bar]) -> list[Bar]:
    """The attempt that is in no history: it runs, or it succeeded, or it was cancelled before."""
    if job.started_at is None or any(bar.start == job.started_at for bar in before):
        return []
    if job.status is Status.PROCESSING:
        return [Bar(f"attempt {job.attempts}", "running", "busy", job.started_at, None)]
    if job.status in _ENDS and job.completed_at is not None:
        state, tone = _ENDS[job.status]
        return [Bar(f"attempt {job.attempts}", state, tone, job.started_at, job.completed_at)]
    return []


def _step_bar(step: JobStep) -> Bar:
    tones = {"done": "good", "failed": "bad"}
    tone = "idle" if step.kind in {"sleep", "event"} and step.state == "done" else tones.get(step.state, "busy")
    name, attempts = f"{_KINDS[step.kind]} {step.name}", f"{step.attempts} attempts" if step.attempts > 1 else ""
    note = step.error or attempts
    return Bar(name, step.state, tone, step.started_at, step.ended_at, is_step=True, child=step.child_id, note=note)


def _placed(bars: Iterable[Bar], now: datetime) -> list[Bar]:
    """The same with their places in the drawing."""
    found = list(bars)
    start = min(bar.start for bar in found)
    whole = max((max(bar.end or now for bar in found) - start).total_seconds(), 0.001)
    placed = []
    for bar in found:
        x = (bar.start - start).total_seconds() / whole * WIDTH
        width = max(((bar.end or now) - bar.start).total_seconds() / whole * WIDTH, _LEAST_WIDTH)
        placed.append(bar._replace(x=round(min(max(x, 0), WIDTH - _LEAST_WIDTH), 1), width=round(width, 1)))
    return placed
