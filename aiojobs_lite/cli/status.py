"""`aiojobs-lite status` and `dead`: how a database stands."""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple

import typer

from aiojobs_lite.cli.opening import DatabaseOption, JsonOption, look
from aiojobs_lite.cli.screen import Screen, emit
from aiojobs_lite.cli.views.figures import errors_as_json, figures_as_json, view_errors, view_types
from aiojobs_lite.cli.views.jobs import job_as_json, view_jobs
from aiojobs_lite.cli.views.status import (
    died_in_words,
    long_as_json,
    standing_as_json,
    view_standing,
)
from aiojobs_lite.runner.figures import MOST_ERROR_GROUPS, DatabaseFigures, ErrorFigures, TypeFigures
from aiojobs_lite.runner.fullest import FullestLane, read_fullest
from aiojobs_lite.runner.long_running import LongRunning, long_attempts
from aiojobs_lite.runner.opened import OpenedDatabase
from aiojobs_lite.runner.opening import database_or_default
from aiojobs_lite.stores.open import open_upkeep

LOCK_PATIENCE_S: Final = 1.0  # that `status` and `check` wait for the lock of another program
Since = Annotated[str, typer.Option(metavar="DURATION", help="How far back, in whole hours (UTC).")]


def show_status(*, db: DatabaseOption = None, since: Since = "1h", as_json: JsonOption = False) -> None:
    """Shows how the database stands: what is wrong, counts, runners, pauses, and the figures of the last hours."""

    async def read(opened: OpenedDatabase) -> tuple[DatabaseStanding, FullestLane | None]:
        found = await read_standing(opened, since)
        return found, await read_fullest(opened, found.now, found.types)

    (now, types, died, long), fullest = look(db, read)
    locked = lock_text(db)
    document = {
        **standing_as_json(now), "is_locked": locked is not None, "types": [figures_as_json(one) for one in types],
        "fullest_lane": None if fullest is None else str(fullest), "died": errors_as_json(died)["groups"],
        "long_attempts": [long_as_json(one) for one in long],
    }  # fmt: skip

    def view(screen: Screen) -> None:
        more = [f"dead in the last {since}: {died_in_words(died, now.at)}"] if died else []
        more += [f"{one.what}: {one.advice}" for one in long]
        view_standing(screen, now, more, fullest, locked=locked)
        view_types(screen, types, since)

    emit(document, view, as_json=as_json)


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


def lock_text(db: str | None) -> str | None:
    """That another program keeps the database locked, and which; None: none does."""
    upkeep = open_upkeep(database_or_default(db))
    if not upkeep.is_locked(LOCK_PATIENCE_S):
        return None
    return f"{upkeep.lock_holder() or 'another program'} keeps the database locked: `aiojobs-lite db doctor`"


class DatabaseStanding(NamedTuple):
    """How a database stands.

    Attributes:
        now: At this moment.
        types: What ended lately, by type.
        died: Of what jobs died lately, those of which most died first.
        long: The attempts that run far longer than any did.
    """

    now: DatabaseFigures
    types: tuple[TypeFigures, ...]
    died: tuple[ErrorFigures, ...]
    long: tuple[LongRunning, ...]


async def read_standing(opened: OpenedDatabase, since: str) -> DatabaseStanding:
    """How the database stands, and what ended lately."""
    now, types = await opened.figures.now(), await opened.figures.types(since=since)
    errors = await opened.figures.errors(since=since, limit=MOST_ERROR_GROUPS) if any(one.dead for one in types) else ()
    died = sorted([one for one in errors if one.dead], key=lambda one: (-one.dead, one.type, one.error_type))
    return DatabaseStanding(now, types, tuple(died), tuple(await long_attempts(opened, now)))
