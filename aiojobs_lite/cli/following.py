"""`aiojobs-lite top` and `tail`: what goes on, until Ctrl-C or for a time."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer
from rich.live import Live

from aiojobs_lite.cli.opening import DatabaseOption, JsonOption, look
from aiojobs_lite.cli.screen import Screen, write_json
from aiojobs_lite.cli.views.following import Sight, happening_as_json, picture_of, view_happening
from aiojobs_lite.cli.views.plain import present
from aiojobs_lite.cli.views.status import standing_as_json
from aiojobs_lite.durations import seconds
from aiojobs_lite.model.job import Job
from aiojobs_lite.runner.long_running import long_attempts
from aiojobs_lite.runner.opened import OpenedDatabase

Interval = Annotated[str, typer.Option(metavar="DURATION", help="Between two looks.")]
For = Annotated[str | None, typer.Option("--for", metavar="DURATION", help="Stop after this time; else by Ctrl-C.")]
_MOST_AT_ONCE = 1_000  # jobs of a look
_MOST_RUNNING_SHOWN = 20  # those with the lowest ids: one that hangs is soon among them
_OVERLAP = timedelta(seconds=2)  # ends that are stored a little later than they happened


def watch_top(
    *, interval: Interval = "1s", last: For = None, db: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """Shows how the database stands, again and again; where the output is no terminal, once."""
    look(db, lambda opened: _show_again(opened, seconds(interval, "interval", least=0.1), last, as_json=as_json))


def tail_jobs(
    job_id: Annotated[int | None, typer.Argument(metavar="[ID]", help="One job, until it is finished.")] = None,
    *,
    job_type: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Only jobs of this type.")] = None,
    interval: Interval = "1s",
    last: For = None,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follows what happens to jobs: which are enqueued and which end; of one job the lines of its log."""
    pause = seconds(interval, "interval", least=0.1)
    look(db, lambda opened: _follow(opened, job_id, job_type, pause, last, as_json=as_json))


async def _show_again(opened: OpenedDatabase, pause: float, last: str | None, *, as_json: bool) -> None:
    screen = Screen()
    if as_json:
        async for _ in _rounds(pause, last):
            write_json(standing_as_json(await opened.figures.now()), is_line=True)
    elif not screen.console.is_terminal:
        screen.console.print(picture_of(await _sight(opened)))
    else:
        with Live(console=screen.console, screen=True, auto_refresh=False) as live:
            async for _ in _rounds(pause, last):
                live.update(picture_of(await _sight(opened)), refresh=True)


async def _sight(opened: OpenedDatabase) -> Sight:
    running = await opened.jobs.list(status="processing", order="oldest", limit=_MOST_RUNNING_SHOWN)
    now, types = await opened.figures.now(), await opened.figures.types(since="1h")
    return Sight(now, types, running, await long_attempts(opened, now))


async def _follow(
    opened: OpenedDatabase, job_id: int | None, job_type: str | None, pause: float, last: str | None, *, as_json: bool
) -> None:
    screen = Screen()
    happenings = _of_job(opened, job_id, pause, last) if job_id is not None else _of_all(opened, job_type, pause, last)
    async for what, at, job, text in happenings:
        if as_json:
            write_json(happening_as_json(what, at, job, text), is_line=True)
        else:
            view_happening(screen, what, at, job, text)


Happening = tuple[str, datetime, Job, str]


async def _of_job(opened: OpenedDatabase, job_id: int, pause: float, last: str | None) -> AsyncIterator[Happening]:
    number, stood = 0, ""
    async for _ in _rounds(pause, last):
        job, log = await opened.jobs.get(job_id), await opened.jobs.log(job_id)
        for line in log.lines:
            if line.number > number:
                number = line.number
                yield "log", line.at, job, line.text
        stands = f"{job.status.value} {job.attempts}"
        if stands != stood:
            stood = stands
            yield job.status.value, job.completed_at or job.started_at or job.created_at, job, _why(job)
        if job.is_finished:
            return


async def _of_all(
    opened: OpenedDatabase, job_type: str | None, pause: float, last: str | None
) -> AsyncIterator[Happening]:
    wanted: dict[str, Any] = {} if job_type is None else {"type": job_type}
    newest = next((job.id for job in await opened.jobs.list(limit=1)), 0)
    since, known = present(), set[tuple[int, datetime]]()
    async for _ in _rounds(pause, last):
        now = present()
        made = [job for job in await opened.jobs.list(**wanted, limit=_MOST_AT_ONCE) if job.id > newest]
        ended = await opened.jobs.list(**wanted, completed_from=since - _OVERLAP, limit=_MOST_AT_ONCE)
        happenings: list[Happening] = [("enqueued", job.created_at, job, "") for job in made]
        happenings += [
            (job.status.value, job.completed_at, job, _why(job))
            for job in ended
            if job.completed_at is not None and (job.id, job.completed_at) not in known
        ]
        known = {(job.id, job.completed_at) for job in ended if job.completed_at is not None}
        newest = max([newest, *(job.id for job in made)])
        since = now
        for happening in sorted(happenings, key=lambda one: one[1]):
            yield happening


def _why(job: Job) -> str:
    return job.error or job.reason or ""


async def _rounds(pause: float, last: str | None) -> AsyncIterator[None]:
    """One look after the other, until the time is over."""
    ends = math.inf if last is None else time.monotonic() + seconds(last, "for")
    while True:
        yield
        if time.monotonic() + pause > ends:
            return
        await asyncio.sleep(pause)
