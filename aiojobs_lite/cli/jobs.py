"""`aiojobs-lite list`, `show` and `explain`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from aiojobs_lite.cli.choosing import with_filters
from aiojobs_lite.cli.opening import DatabaseOption, JsonOption, look
from aiojobs_lite.cli.screen import emit
from aiojobs_lite.cli.views.jobs import JobShown, job_as_json, shown_as_json, view_job, view_jobs
from aiojobs_lite.runner.opened import OpenedDatabase
from aiojobs_lite.runner.troubles import JobMark
from aiojobs_lite.runner.walks import JobPage

JobId = Annotated[int, typer.Argument(metavar="ID", help="The id of a job.")]


@with_filters
def list_jobs(
    *,
    wanted: dict[str, Any],
    db: DatabaseOption = None,
    limit: Annotated[int, typer.Option(help="At most so many, up to 1,000.")] = 20,
    after: Annotated[int | None, typer.Option(metavar="ID", help="Those behind this job.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Lists jobs, the newest first."""

    async def read(opened: OpenedDatabase) -> tuple[JobPage, Mapping[int, JobMark]]:
        jobs = await opened.jobs.list(**wanted, limit=limit, after=after)
        return jobs, await opened.jobs.marks(jobs)

    jobs, marks = look(db, read)
    document = {"jobs": [job_as_json(job) for job in jobs], "next": jobs.next}
    emit(document, lambda screen: view_jobs(screen, jobs, jobs.next, marks), as_json=as_json)


def show_one_job(
    job_id: JobId,
    *,
    db: DatabaseOption = None,
    full: Annotated[bool, typer.Option("--full", help="Show the whole payload, result and tracebacks.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Shows a job: how it stands and why, its payload, attempts, steps, log and result."""
    shown = look(db, lambda opened: _read(opened, job_id))
    emit(shown_as_json(shown), lambda screen: view_job(screen, shown, is_full=full), as_json=as_json)


def explain_job(job_id: JobId, *, db: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Says in one sentence why a job does not run, or how it stands."""
    sentence = look(db, lambda opened: opened.jobs.explain(job_id))
    emit({"id": job_id, "explanation": sentence}, lambda screen: screen.line(sentence), as_json=as_json)


async def _read(opened: OpenedDatabase, job_id: int) -> JobShown:
    job = await opened.jobs.get(job_id)
    return JobShown(
        job, opened.jobs.key_of(job_id), await opened.jobs.explain(job_id), await opened.jobs.parent(job_id),
        await opened.jobs.steps(job_id), await opened.jobs.log(job_id),
    )  # fmt: skip
