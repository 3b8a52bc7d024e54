"""What is done to one job: run now, retry, cancel, delete, edit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, NamedTuple

from starlette.responses import Response

from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.web.asked import Asked
from aiojobs_lite.web.notices import done
from aiojobs_lite.web.site import Site, View

_UNFINISHED: Final = frozenset({Status.PENDING, Status.PROCESSING})
_ENDED: Final = frozenset({Status.DEAD, Status.CANCELLED})


class JobAction(NamedTuple):
    """Something that is done to one job.

    Attributes:
        name: The end of its path.
        label: What stands on its button.
        fits: Whether it makes sense for a job at an instant.
        question: What is asked before it is done; empty: nothing, for it can be undone.
    """

    name: str
    label: str
    fits: Callable[[Job, datetime], bool]
    question: str = ""


JOB_ACTIONS: Final = (
    JobAction("run", "Run now", lambda job, now: job.status is Status.PENDING and not job.held
              and job.scheduled_at > now),
    JobAction("retry", "Retry", lambda job, _: job.status in _ENDED),
    JobAction("cancel", "Cancel", lambda job, _: job.status in _UNFINISHED and not job.cancel_requested,
              "A job that runs is asked to stop, and is cancelled when its handler has ended."),
    JobAction("delete", "Delete", lambda job, _: job.status is not Status.PROCESSING,
              "The job is deleted with its history. This cannot be undone."),
)  # fmt: skip
"""All but the edit, which has a page."""

_BY_NAME: Final = {action.name: action for action in JOB_ACTIONS}


def actions_on(job: Job, now: datetime) -> list[JobAction]:
    """What can be done to a job."""
    return [action for action in JOB_ACTIONS if action.fits(job, now)]


async def answer_run(site: Site, asked: Asked) -> Response:
    """Makes a job due."""
    (job_id,) = asked.numbers
    await asked.form()
    before = await site.runner.jobs.get(job_id)
    await site.runner.jobs.run_now(job_id)
    how = {"id": job_id, "at": before.scheduled_at.isoformat()}
    return await done(site, asked, f"jobs/{job_id}", f"Job {job_id} is due now.", undo="reschedule", how=how)


async def answer_retry(site: Site, asked: Asked) -> Response:
    """Sends a job back to pending."""
    (job_id,) = asked.numbers
    await asked.form()
    await site.runner.jobs.redrive(job_id)
    return await done(site, asked, f"jobs/{job_id}", f"Job {job_id} is pending again, with all its attempts.")


async def answer_cancel(site: Site, asked: Asked) -> Response:
    """Cancels a job, or asks it to stop; that of a job that runs is confirmed first."""
    (job_id,) = asked.numbers
    form, job = await asked.form(), await site.runner.jobs.get(job_id)
    if job.status is Status.PROCESSING and not form.one("confirmed"):
        return await _ask_first(site, asked, job, "cancel")
    status = await site.runner.jobs.cancel(job_id, f"cancelled by {asked.user}")
    if status is Status.PROCESSING:
        return await done(site, asked, f"jobs/{job_id}", f"Job {job_id} was asked to stop.")
    how = {"jobs": [(job_id, job.scheduled_at.isoformat())]}
    return await done(site, asked, f"jobs/{job_id}", f"Job {job_id} is cancelled.", undo="redrive", how=how)


async def answer_delete(site: Site, asked: Asked) -> Response:
    """Deletes a job; that is confirmed first."""
    (job_id,) = asked.numbers
    form, job = await asked.form(), await site.runner.jobs.get(job_id)
    if not form.one("confirmed"):
        return await _ask_first(site, asked, job, "delete")
    await site.runner.jobs.delete(job_id)
    return await done(site, asked, "jobs", f"Job {job_id} is deleted.")


async def _ask_first(site: Site, asked: Asked, job: Job, name: str) -> Response:
    return await site.show(asked, "confirm_job.html", job=job, action=_BY_NAME[name])


def _action(name: str, endpoint: Callable[[Site, Asked], Awaitable[Response]]) -> View:
    return View("POST", f"jobs/{{}}/{name}", endpoint)


JOB_ACTION_VIEWS: Final = (
    _action("run", answer_run), _action("retry", answer_retry), _action("cancel", answer_cancel),
    _action("delete", answer_delete),
)  # fmt: skip
