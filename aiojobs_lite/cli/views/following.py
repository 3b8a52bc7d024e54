"""What goes on, as the command line shows it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from aiojobs_lite.cli.screen import Screen, table_of
from aiojobs_lite.cli.views.plain import as_age, as_instant, as_iso, as_seconds
from aiojobs_lite.cli.views.status import what_is_wrong
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.runner.figures import DatabaseFigures, TypeFigures
from aiojobs_lite.runner.long_running import LongRunning
from aiojobs_lite.telemetry.wording import instant, span
from aiojobs_lite.text import escape


class Sight(NamedTuple):
    """What `top` shows: how the database stands, the ends of the last hour, what runs, and what of it runs for long."""

    now: DatabaseFigures
    types: Sequence[TypeFigures]
    running: Sequence[Job]
    long: Sequence[LongRunning] = ()


def happening_as_json(what: str, at: datetime, job: Job, text: str) -> dict[str, Any]:
    """Something that happened to a job, as JSON."""
    return {"what": what, "at": as_iso(at), "id": job.id, "type": job.type, "attempts": job.attempts, "text": text}


def view_happening(screen: Screen, what: str, at: datetime, job: Job, text: str) -> None:
    """Shows something that happened to a job, as one line."""
    screen.line(f"{as_instant(at)} {what:<10} {job.type} job {job.id}{f': {text}' if text else ''}")


def picture_of(sight: Sight) -> RenderableType:
    """How the database stands, on one screen."""
    now = sight.now
    counts = "  ".join(f"{status.value} {now.total(status):,}" for status in Status)
    oldest = f", the oldest for {span(now.oldest_due_age)}" if now.oldest_due_at else ""
    wrong = [f"{one.what}: {one.advice}" for one in sight.long]
    figures = {one.type: one for one in sight.types}
    rows = [_row(name, now, figures.get(name)) for name in sorted({*now.counts, *figures})]
    runners = [
        (one.id, one.pid, one.host, f"{one.running}/{one.max_running}", as_age(one.started_at, now.at))
        for one in now.runners
    ]
    running = [
        (str(job.id), job.type, f"{job.attempts}/{job.max_attempts}",
         "" if job.started_at is None else as_age(job.started_at, now.at), job.owner or "")
        for job in sight.running
    ]  # fmt: skip
    heads = ["type", "pending", "processing", "dead", "completed 1h", "failed 1h", "p95", ""]
    return Group(
        Text(f"{instant(now.at)}   due {now.due}{oldest}   {counts}"),
        *(Text(escape(text), style="yellow") for text in what_is_wrong(now, wrong)), Text(),
        table_of(heads, rows), Text(),
        table_of(["runner", "pid", "host", "running", "started"], runners), Text(),
        table_of(["job", "type", "attempts", "began", "runner"], running),
    )  # fmt: skip


def _row(name: str, now: DatabaseFigures, figures: TypeFigures | None) -> tuple[object, ...]:
    counts = now.counts.get(name, {})
    completed, failed, p95 = (0, 0, None) if figures is None else (
        figures.completed, figures.failed, figures.durations.p95
    )  # fmt: skip
    return (
        name, counts.get(Status.PENDING, 0), counts.get(Status.PROCESSING, 0), counts.get(Status.DEAD, 0), completed,
        failed, as_seconds(p95), "paused" if name in now.paused else "",
    )  # fmt: skip
