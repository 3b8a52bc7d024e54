"""What was done, said once on the next page; and how it is undone. Kept in the database, so that any process knows it.

A page names its notice by a random token: a link of another site cannot make the dashboard say anything.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final

from starlette.responses import Response

from aiojobs_lite.errors import JobNotAllowed, JobNotFound
from aiojobs_lite.http.serving import ApiError
from aiojobs_lite.runner.documents import StoredDocument
from aiojobs_lite.runner.runner import JobRunner
from aiojobs_lite.telemetry.wording import counted
from aiojobs_lite.web.asked import Asked
from aiojobs_lite.web.site import Site, View, go_to

NOTICES_KEPT: Final = "15m"
"""For so long an action can be undone."""

MOST_UNDONE: Final = 200
"""Jobs of one action that can be undone."""

_KIND: Final = "aiojobs_lite.web.notice"


async def leave(site: Site, text: str, *, undo: str | None = None, how: Mapping[str, Any] | None = None) -> str:
    """Keeps a notice; returns its token.

    Args:
        site: What the page works with.
        text: What was done.
        undo: The name of what undoes it, or None.
        how: What that needs to know.
    """
    token = secrets.token_urlsafe(12)
    body = {"text": text, "undo": undo, "how": how}
    await site.runner.documents.put(_KIND, token, body, expires=NOTICES_KEPT)
    return token


async def done(site: Site, asked: Asked, path: str, text: str, **more: Any) -> Response:
    """Leads to a page, which says what was done."""
    parameters = more.pop("parameters", {})
    return go_to(asked, path, **parameters, notice=await leave(site, text, **more))


async def notice_of(site: Site, asked: Asked) -> Mapping[str, Any] | None:
    """The notice that a page is to show, or None."""
    token = asked.parameters().get("notice", "")
    found = await _find(site, token) if token else None
    return None if found is None else {"token": token, "text": found.body["text"], "can_undo": bool(found.body["undo"])}


async def undo(site: Site, asked: Asked) -> Response:
    """Undoes what a notice says."""
    form = await asked.form()
    found = await _find(site, form.one("token"))
    way = None if found is None else UNDOING.get(found.body["undo"])
    if found is None or way is None or not await site.runner.documents.delete(_KIND, found.name):
        raise ApiError(409, "this was undone already, or is too long ago")
    path, text = await way(site.runner, found.body["how"])
    return await done(site, asked, path, text)


async def _find(site: Site, token: str) -> StoredDocument | None:
    if not token or len(token) > 40 or not token.isascii() or not token.isprintable():
        return None
    return await site.runner.documents.get(_KIND, token)


async def _reschedule(runner: JobRunner, how: Mapping[str, Any]) -> tuple[str, str]:
    await runner.jobs.reschedule(how["id"], at=datetime.fromisoformat(how["at"]))
    return f"jobs/{how['id']}", "The job waits for its time again."


async def _redrive(runner: JobRunner, how: Mapping[str, Any]) -> tuple[str, str]:
    """Sends cancelled jobs back, each to its time; those that have moved on stay."""
    back = 0
    for job_id, at in how["jobs"]:
        try:
            await runner.jobs.redrive(job_id)
            await runner.jobs.reschedule(job_id, at=datetime.fromisoformat(at))
        except (JobNotAllowed, JobNotFound):
            continue
        back += 1
    path = f"jobs/{how['jobs'][0][0]}" if len(how["jobs"]) == 1 else "jobs"
    return path, f"{counted(back, 'job')} back to pending."


async def _resume_type(runner: JobRunner, how: Mapping[str, Any]) -> tuple[str, str]:
    await runner.types.resume(how["name"])
    return "types", f"{how['name']} runs again."


async def _pause_type(runner: JobRunner, how: Mapping[str, Any]) -> tuple[str, str]:
    await runner.types.pause(how["name"], by=how["by"])
    return "types", f"{how['name']} is paused again."


async def _resume_schedule(runner: JobRunner, how: Mapping[str, Any]) -> tuple[str, str]:
    await runner.schedules.resume(how["name"])
    return "schedules", f"{how['name']} goes on."


async def _edit(runner: JobRunner, how: Mapping[str, Any]) -> tuple[str, str]:
    await runner.jobs.edit(how["id"], **how["arguments"])
    return f"jobs/{how['id']}", "The job has the arguments that it had."


UNDOING: Final[Mapping[str, Callable[[JobRunner, Mapping[str, Any]], Awaitable[tuple[str, str]]]]] = {
    "edit": _edit, "reschedule": _reschedule, "redrive": _redrive, "resume_type": _resume_type,
    "pause_type": _pause_type, "resume_schedule": _resume_schedule,
}  # fmt: skip
"""What undoes an action, by name. Each returns the page to go to, and what it says there."""

NOTICE_VIEWS: Final = (View("POST", "undo", undo),)
