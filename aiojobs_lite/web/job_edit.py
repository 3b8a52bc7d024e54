"""The page on which the arguments of one job are changed."""

from __future__ import annotations

import json
from typing import Any, Final

from starlette.responses import Response

from aiojobs_lite.errors import InvalidPayload, PayloadTooLarge
from aiojobs_lite.http.serving import ApiError
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.web import shown
from aiojobs_lite.web.asked import Asked
from aiojobs_lite.web.notices import done
from aiojobs_lite.web.site import Site, View

EDITABLE: Final = frozenset({Status.PENDING, Status.DEAD})
"""The statuses of jobs whose arguments can be changed."""

_NO_OBJECT: Final = "the arguments are a JSON object, such as {}"
_LEFT_OUT: Final = "an argument cannot be left out: {}. Give it the value that it is to have"


async def show_edit(site: Site, asked: Asked) -> Response:
    """The form."""
    job = await _job_to_edit(site, asked)
    return await _form(site, asked, job, shown.pretty(_visible(site, job)))


async def answer_edit(site: Site, asked: Asked) -> Response:
    """Changes the arguments that the form has otherwise than the page had them; what is hidden stays."""
    form, job = await asked.form(), await _job_to_edit(site, asked)
    text, before = form.one("payload"), _visible(site, job)
    try:
        given = _read(text, before)
        changed = {name: value for name, value in given.items() if name not in before or before[name] != value}
        if changed:
            await site.runner.jobs.edit(job.id, **changed)
    except (InvalidPayload, PayloadTooLarge, ValueError) as error:
        return await _form(site, asked, job, text, str(error))
    again = bool(form.one("retry")) and job.status is Status.DEAD
    if again:
        await site.runner.jobs.redrive(job.id)
    said = f"Job {job.id} has other arguments{', and is pending again' if again else ''}."
    old = {name: job.payload[name] for name in changed if name in job.payload}
    can_undo = bool(changed) and not again and len(old) == len(changed) and before == job.payload
    undo: dict[str, Any] = {"undo": "edit", "how": {"id": job.id, "arguments": old}} if can_undo else {}
    return await done(site, asked, f"jobs/{job.id}", said if changed or again else "Nothing was changed.", **undo)


async def _job_to_edit(site: Site, asked: Asked) -> Job:
    if not asked.may_act:
        raise ApiError(403, "this user may look, and change nothing")
    job = await site.runner.jobs.get(asked.numbers[0])
    if job.status not in EDITABLE:
        raise ApiError(409, f"job {job.id} is {job.status}: the arguments of a pending or dead job can be changed")
    return job


def _visible(site: Site, job: Job) -> dict[str, Any]:
    """The arguments as the hook lets them be shown."""
    visible = site.redacted("payload", job.type, job.payload)
    if not isinstance(visible, dict) or len(json.dumps(visible)) > shown.LONGEST_SHOWN_CHARS:
        raise ApiError(409, "these arguments are hidden or too long for this page: use runner.jobs.edit")
    return visible


def _read(text: str, before: dict[str, Any]) -> dict[str, Any]:
    """The arguments that were written.

    Raises:
        ValueError: If they are none.
    """
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{_NO_OBJECT}: {error}") from None
    if not isinstance(given, dict):
        raise ValueError(_NO_OBJECT)  # noqa: TRY004  # of the text
    if missing := sorted(before.keys() - given.keys()):
        raise ValueError(_LEFT_OUT.format(", ".join(missing)))
    return given


async def _form(site: Site, asked: Asked, job: Job, text: str, problem: str = "") -> Response:
    status = 400 if problem else 200
    return await site.show(asked, "edit.html", status, job=job, text=text, problem=problem)


JOB_EDIT_VIEWS: Final = (View("GET", "jobs/{}/edit", show_edit), View("POST", "jobs/{}/edit", answer_edit))
