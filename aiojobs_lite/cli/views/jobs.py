"""Jobs, as the command line shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from aiojobs_lite.cli.screen import Screen, written
from aiojobs_lite.cli.views.plain import as_age, as_instant, as_iso, decoded_value, present
from aiojobs_lite.model.job import Attempt, Job, JobProgress
from aiojobs_lite.model.progress import JobLog
from aiojobs_lite.runner.steps import JobStep, ParentStep
from aiojobs_lite.runner.troubles import JobMark
from aiojobs_lite.telemetry.wording import span
from aiojobs_lite.text import shorten

_LONGEST_VALUE_CHARS: Final = 2_000
_WIDE: Final = 10_000_000  # characters of a value that is shown whole


class JobShown(NamedTuple):
    """All that is shown of a job.

    Attributes:
        job: The job with its history.
        key: Its key, unique over databases.
        explanation: Why it does not run, or how it stands.
        parent: The operation that has started it, or None.
        steps: The operations of a durable handler.
        log: What its handlers logged.
    """

    job: Job
    key: str
    explanation: str
    parent: ParentStep | None
    steps: Sequence[JobStep]
    log: JobLog


def job_as_json(job: Job) -> dict[str, Any]:
    """A job of a list, as JSON."""
    return {
        "id": job.id, "type": job.type, "status": job.status.value, "priority": job.priority, "label": job.label,
        "attempts": job.attempts, "max_attempts": job.max_attempts, "created_at": as_iso(job.created_at),
        "scheduled_at": as_iso(job.scheduled_at), "started_at": as_iso(job.started_at),
        "completed_at": as_iso(job.completed_at), "held": None if job.held is None else job.held.value,
        "error": job.error, "reason": job.reason, "owner": job.owner, "schedule": job.schedule,
        "tick": as_iso(job.tick), "cancel_requested": job.cancel_requested, "payload": decoded_value(job, "payload"),
        "metadata": decoded_value(job, "metadata"),
    }  # fmt: skip


def shown_as_json(shown: JobShown) -> dict[str, Any]:
    """A job with all that there is of it, as JSON."""
    job, parent = shown.job, shown.parent
    return {
        **job_as_json(job), "key": shown.key, "explanation": shown.explanation, "result": decoded_value(job, "result"),
        "idempotency_key": job.idempotency_key, "unique_key": job.unique_key, "lane": job.lane,
        "interruptions": job.interruptions, "snoozes": job.snoozes, "crashes": job.crashes,
        "progress": _progress_as_json(job.progress), "history": [_attempt_as_json(one) for one in job.history],
        "parent": None if parent is None else {"job_id": parent.job_id, "name": parent.name},
        "steps": [_step_as_json(one) for one in shown.steps],
        "log": [
            {"number": one.number, "attempt": one.attempt, "at": as_iso(one.at), "text": one.text}
            for one in shown.log.lines
        ],
        "log_lines_dropped": shown.log.dropped,
    }  # fmt: skip


def _attempt_as_json(one: Attempt) -> dict[str, Any]:
    return {
        "attempt": one.attempt, "outcome": one.outcome.value, "started_at": as_iso(one.started_at),
        "ended_at": as_iso(one.ended_at), "owner": one.owner, "error_type": one.error_type, "message": one.message,
        "traceback": one.traceback, "details": decoded_value(one, "details"),
    }  # fmt: skip


def _step_as_json(one: JobStep) -> dict[str, Any]:
    return {
        "name": one.name, "kind": one.kind, "state": one.state, "attempts": one.attempts,
        "started_at": as_iso(one.started_at), "ended_at": as_iso(one.ended_at), "until": as_iso(one.until),
        "result_json": one.result_json, "error": one.error, "child_id": one.child_id, "event_id": one.event_id,
    }  # fmt: skip


def _progress_as_json(progress: JobProgress | None) -> dict[str, Any] | None:
    if progress is None:
        return None
    return {
        "fraction": progress.fraction, "text": progress.text, "attempt": progress.attempt, "at": as_iso(progress.at)
    }  # fmt: skip


def view_jobs(
    screen: Screen, jobs: Sequence[Job], behind: int | None, marks: Mapping[int, JobMark] = MappingProxyType({})
) -> None:
    """Shows a page of jobs, those that have a mark with it."""
    if not jobs:
        screen.line("no jobs" if behind is None else f"no jobs as far as job {behind}; go on: --after {behind}")
        return
    now = present()
    screen.table(
        ["id", "type", "status", "attempts", "enqueued", "label", "why"],
        [
            (str(job.id), job.type, job.status.value, f"{job.attempts}/{job.max_attempts}",
             as_age(job.created_at, now), job.label or "", _why(job, now, marks.get(job.id)))
            for job in jobs
        ],
    )  # fmt: skip
    if behind is not None:
        screen.line(f"the next page: --after {behind}", style="dim")


def _why(job: Job, now: datetime, mark: JobMark | None) -> str:
    """What there is to say of a job in a list."""
    if mark is not None:
        return f"{mark.state}: {mark.text}"
    if job.status == "processing" and job.started_at is not None:
        return f"runs for {span((now - job.started_at).total_seconds())}"
    if job.held is not None:
        return f"held: {job.held.value}{f' ({job.reason})' if job.reason else ''}"
    if job.error or job.reason:
        return job.error or job.reason or ""
    return f"due {as_age(job.scheduled_at, now)}" if job.status == "pending" else ""


def view_job(screen: Screen, shown: JobShown, *, is_full: bool) -> None:
    """Shows a job with all that there is of it."""
    job, longest = shown.job, _WIDE if is_full else _LONGEST_VALUE_CHARS
    screen.line(shown.explanation, style="bold")
    screen.line()
    parent = shown.parent
    screen.pairs([
        ("id", job.id), ("type", job.type), ("status", job.status.value),
        ("attempts", f"{job.attempts} of {job.max_attempts}"), ("priority", job.priority), ("label", job.label),
        ("enqueued", as_instant(job.created_at)), ("due", as_instant(job.scheduled_at)),
        ("started", as_instant(job.started_at)), ("ended", as_instant(job.completed_at)),
        ("held", None if job.held is None else job.held.value), ("error", job.error), ("reason", job.reason),
        ("owner", job.owner), ("schedule", job.schedule), ("tick", as_instant(job.tick)),
        ("parent", None if parent is None else f"job {parent.job_id}, {parent.name}"), ("key", shown.key),
        ("progress", _progress(job.progress)),
        ("metadata", written(decoded_value(job, "metadata")) if job.metadata_json else None),
        ("payload", _value(decoded_value(job, "payload"), longest)),
        ("result", None if job.result_json is None else _value(decoded_value(job, "result"), longest)),
    ])  # fmt: skip
    _view_parts(screen, shown, longest)


def _view_parts(screen: Screen, shown: JobShown, longest: int) -> None:
    if shown.steps:
        screen.heading("steps")
        rows = [(one.name, one.kind, one.state, one.attempts, _took(one), one.error or "") for one in shown.steps]
        screen.table(["name", "kind", "state", "attempts", "took", "error"], rows)
    if shown.job.history:
        screen.heading("attempts that did not succeed")
        for one in shown.job.history:
            message = f": {one.error_type}: {one.message}" if one.error_type else ""
            took = "" if one.started_at is None else f" after {span((one.ended_at - one.started_at).total_seconds())}"
            screen.line(
                shorten(f"{one.attempt} {one.outcome.value} {as_instant(one.ended_at)}{took}{message}", longest)
            )
            if one.traceback:
                screen.block(one.traceback)
    if shown.log.lines:
        screen.heading("log")
        for line in shown.log.lines:
            screen.line(f"{as_instant(line.at)} attempt {line.attempt}: {line.text}")


def _value(value: object, longest: int) -> str:
    return shorten(written(value), longest)


def _took(step: JobStep) -> str:
    return "" if step.ended_at is None else span((step.ended_at - step.started_at).total_seconds())


def _progress(progress: JobProgress | None) -> str | None:
    if progress is None:
        return None
    share = "" if progress.fraction is None else f"{progress.fraction:.0%} "
    return f"{share}{progress.text or ''}".strip()
