"""`aiojobs-lite status`, `check` and `dead`: how a database stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

import typer

from aiojobs_lite.cli.exits import ExitCode
from aiojobs_lite.cli.opening import DatabaseOption, JsonOption, look
from aiojobs_lite.cli.screen import Screen, emit
from aiojobs_lite.cli.views.figures import errors_as_json, figures_as_json, view_errors, view_types
from aiojobs_lite.cli.views.jobs import job_as_json, view_jobs
from aiojobs_lite.cli.views.status import (
    LOCKED_TEXT,
    HealthFound,
    HealthProblem,
    health_as_json,
    standing_as_json,
    view_health,
    view_standing,
)
from aiojobs_lite.durations import seconds
from aiojobs_lite.runner.figures import DatabaseFigures, TypeFigures
from aiojobs_lite.runner.opened import OpenedDatabase
from aiojobs_lite.runner.opening import database_or_default
from aiojobs_lite.runner.troubles import troubles_of
from aiojobs_lite.stores.open import open_upkeep
from aiojobs_lite.telemetry.wording import by_type, counted, span

LOCK_PATIENCE_S: Final = 1.0  # that `status` and `check` wait for the lock of another program
Since = Annotated[str, typer.Option(metavar="DURATION", help="How far back, in whole hours (UTC).")]


def show_status(*, db: DatabaseOption = None, since: Since = "1h", as_json: JsonOption = False) -> None:
    """Shows how the database stands: what is wrong, counts, runners, pauses, and the figures of the last hours."""
    now, types = look(db, lambda opened: _read(opened, since))
    is_locked = _is_locked(db)
    document = {**standing_as_json(now), "is_locked": is_locked, "types": [figures_as_json(one) for one in types]}

    def view(screen: Screen) -> None:
        view_standing(screen, now, is_locked=is_locked)
        view_types(screen, types, since)

    emit(document, view, as_json=as_json)


def check_health(
    *,
    db: DatabaseOption = None,
    max_age: Annotated[str, typer.Option(metavar="DURATION", help="How long a job may be due.")] = "5m",
    max_dead: Annotated[int, typer.Option(help="How many jobs may have died lately.")] = 0,
    within: Annotated[str, typer.Option(metavar="DURATION", help="How far back deaths count, in whole hours.")] = "1h",
    as_json: JsonOption = False,
) -> int:
    """Says whether all is well, for a monitor. Exits 0 if so; 3: a job is due for too long; 4: jobs died; 5: no runner
    lives that takes what waits; 6: the database is locked; 7: a handler is stuck or an event loop blocked; 1: it cannot
    be read. Of several the one that is named first: 6, 5, 7, 3, 4.
    """
    longest = seconds(max_age, "max_age")
    is_locked = _is_locked(db)
    now, types = look(db, lambda opened: _read(opened, within))
    dead = sum(one.dead for one in types)
    health = HealthFound(
        now.at, now.oldest_due_age, dead, tuple(_problems(now, dead, longest, max_dead, is_locked=is_locked))
    )
    emit(health_as_json(health), lambda screen: view_health(screen, health), as_json=as_json)
    return health.problems[0].code if health.problems else ExitCode.FINE


def list_dead_jobs(
    *,
    db: DatabaseOption = None,
    group: Annotated[bool, typer.Option("--group", help="By type and error, of the time of --since.")] = False,
    job_type: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Only jobs of this type.")] = None,
    since: Since = "1d",
    limit: Annotated[int, typer.Option(help="At most so many.")] = 20,
    after: Annotated[int | None, typer.Option(metavar="ID", help="Those behind this job.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Lists the dead jobs, the newest first; with --group by what error they died of."""
    if group:
        errors = look(db, lambda opened: opened.figures.errors(job_type, since=since, limit=limit))
        emit(errors_as_json(errors), lambda screen: view_errors(screen, errors), as_json=as_json)
        return
    jobs = look(db, lambda opened: opened.jobs.list(status="dead", type=job_type, limit=limit, after=after))
    document = {"jobs": [job_as_json(job) for job in jobs], "next": jobs.next}
    emit(document, lambda screen: view_jobs(screen, jobs, jobs.next), as_json=as_json)


def _is_locked(db: str | None) -> bool:
    return open_upkeep(database_or_default(db)).is_locked(LOCK_PATIENCE_S)


async def _read(opened: OpenedDatabase, since: str) -> tuple[DatabaseFigures, tuple[TypeFigures, ...]]:
    return await opened.figures.now(), await opened.figures.types(since=since)


def _problems(
    now: DatabaseFigures, dead: int, longest: float, most: int, *, is_locked: bool
) -> Iterator[HealthProblem]:
    """What is wrong, the worst first."""
    if is_locked:
        yield HealthProblem(ExitCode.LOCKED, LOCKED_TEXT)
    if not any(one.max_running for one in now.runners):
        yield HealthProblem(ExitCode.NO_RUNNER, "no runner lives that runs jobs: start the application")
    elif now.unclaimed:
        yield HealthProblem(
            ExitCode.NO_RUNNER, f"no living runner has registered the type of jobs: {by_type(now.unclaimed)}"
        )
    for found in troubles_of(now.runners, now.at):
        yield HealthProblem(ExitCode.STUCK, f"{found.what}: {found.advice}")
    if now.oldest_due_age > longest:
        late = sorted(now.oldest_due_by_type, key=lambda name: now.oldest_due_by_type[name])
        yield HealthProblem(
            ExitCode.LATE, f"a job is due since {span(now.oldest_due_age)}, of {late[0]}: `aiojobs-lite status`"
        )
    if dead > most:
        yield HealthProblem(ExitCode.DEAD, f"{counted(dead, 'job')} died lately: `aiojobs-lite dead --group`")
