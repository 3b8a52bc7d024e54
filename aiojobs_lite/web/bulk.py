"""What is done to many jobs: to those that are selected, or to all that match; first a page says how many they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from starlette.responses import Response

from aiojobs_lite.durations import Duration
from aiojobs_lite.http.serving import ApiError
from aiojobs_lite.model.job import Job
from aiojobs_lite.model.overview import BoundedCount
from aiojobs_lite.runner.filters import JobSelection
from aiojobs_lite.runner.runner import JobRunner
from aiojobs_lite.telemetry.wording import counted
from aiojobs_lite.web import shown
from aiojobs_lite.web.asked import Asked, Form
from aiojobs_lite.web.filters import JobSearch, search_of
from aiojobs_lite.web.notices import MOST_UNDONE, done
from aiojobs_lite.web.site import Site, View

MOST_MOVED_AT_ONCE: Final = 10_000
"""Jobs that one press of a button moves; another press moves the next ones."""

COUNTED_AT_ONCE: Final = "20ms"
"""A count of all that match that takes longer is made when it is asked for."""

_SHOWN: Final = 5  # of the jobs that are meant


class BulkAction(NamedTuple):
    """Something that is done to many jobs.

    Attributes:
        name: Its name in forms.
        label: What stands on its button.
        statuses: Of which jobs it makes sense.
        move: Does it to the jobs that are meant, at most so many; returns how many it has moved.
        says: What was done, after the number of jobs.
        is_final: Whether it cannot be undone.
    """

    name: str
    label: str
    statuses: frozenset[str]
    move: Callable[[JobRunner, JobSelection | list[int], int | None], Awaitable[int]]
    says: str
    is_final: bool = False


async def _redrive(runner: JobRunner, meant: JobSelection | list[int], limit: int | None) -> int:
    return await runner.jobs.redrive_many(meant, limit=limit)


async def _cancel(runner: JobRunner, meant: JobSelection | list[int], limit: int | None) -> int:
    return await runner.jobs.cancel_many(meant, limit=limit)


async def _delete(runner: JobRunner, meant: JobSelection | list[int], limit: int | None) -> int:
    return await runner.jobs.delete_many(meant, limit=limit)


BULK_ACTIONS: Final = (
    BulkAction("retry", "Retry", frozenset({"dead"}), _redrive, "sent back to pending"),
    BulkAction("cancel", "Cancel", frozenset({"pending", "processing"}), _cancel, "cancelled, or asked to stop"),
    BulkAction(
        "delete", "Delete", frozenset({"pending", "completed", "dead", "cancelled"}), _delete, "deleted", is_final=True
    ),
)
"""All of them."""

_BY_NAME: Final = {action.name: action for action in BULK_ACTIONS}


def bulk_actions_of(status: str) -> list[BulkAction]:
    """What can be done to the jobs of a tab; without a status, to some of the jobs of each."""
    return [action for action in BULK_ACTIONS if not status or status in action.statuses]


async def move_many(site: Site, asked: Asked) -> Response:
    """Says how many jobs are meant; if that is confirmed, moves them."""
    form = await asked.form()
    action = _BY_NAME.get(form.one("action"))
    search, ids = search_of(form.fields()), form.ids()
    if action is None or search.problems:
        raise ApiError(400, "the form does not say what is to be done")
    if form.one("all"):
        ids = []
    elif not ids:
        raise ApiError(400, "no job is selected: select some, or all that match")
    if form.one("confirmed"):
        return await _move(site, asked, action, ids, search)
    return await _ask_first(site, asked, form, action, ids, search)


async def _ask_first(
    site: Site, asked: Asked, form: Form, action: BulkAction, ids: list[int], search: JobSearch
) -> Response:
    if ids:
        found = await site.runner.jobs.get_many(ids)
        meant = [job for job in found.values() if job.status in action.statuses]
        count, sample = BoundedCount(len(meant), is_more=False), meant[:_SHOWN]
    else:
        search = _until_now(search)
        within = None if form.one("count") else COUNTED_AT_ONCE
        count, sample = await _look(site, search, action, within)
    return await site.show(
        asked, "confirm_many.html", action=action, ids=ids, search=search, count=count, sample=sample,
        left_out=len(ids) - count.count if ids else 0, most=MOST_MOVED_AT_ONCE, is_all=bool(form.one("all")),
    )  # fmt: skip


async def _look(
    site: Site, search: JobSearch, action: BulkAction, within: Duration | None
) -> tuple[BoundedCount, list[Job]]:
    """How many jobs match of which the action makes sense, as many as are moved at once, and some of them."""
    count, is_more, sample = 0, False, list[Job]()
    for status in sorted(one for one in action.statuses if search.status in ("", one)):
        options = {**search.options, "status": status}
        found = await site.runner.jobs.count(**options, most=max(MOST_MOVED_AT_ONCE - count, 1), within=within)
        is_more = found.is_more or count + found.count > MOST_MOVED_AT_ONCE
        count = min(count + found.count, MOST_MOVED_AT_ONCE)
        if len(sample) < _SHOWN:
            sample += await site.runner.jobs.list(**options, limit=_SHOWN - len(sample))
        if is_more:
            break
    return BoundedCount(count, is_more), sample


async def _move(site: Site, asked: Asked, action: BulkAction, ids: list[int], search: JobSearch) -> Response:
    before = await _cancellable(site, ids) if action.name == "cancel" and ids else []
    limit = None if ids else MOST_MOVED_AT_ONCE
    moved = await action.move(site.runner, ids or JobSelection(**search.options), limit)
    text = f"{counted(moved, 'job')} {action.says}."
    undo = {"undo": "redrive", "how": {"jobs": before}} if before else {}
    parameters = {name: value for name, value in search.given.items() if name != "until" or ids}
    return await done(site, asked, "jobs", text, parameters=parameters, **undo)


async def _cancellable(site: Site, ids: list[int]) -> list[tuple[int, str]]:
    """The pending ones of some jobs, each with its time: a cancel of these can be undone."""
    found: Mapping[int, Job] = await site.runner.jobs.get_many(ids)
    pending = [(job.id, job.scheduled_at.isoformat()) for job in found.values() if job.status == "pending"]
    return pending if len(pending) == len(found) <= MOST_UNDONE else []


def _until_now(search: JobSearch) -> JobSearch:
    """The same without the jobs that come later, so that the number that is named stays true."""
    if "until" in search.given:
        return search
    return search_of({**search.given, "until": shown.now_utc().isoformat(timespec="microseconds")})


BULK_VIEWS: Final = (View("POST", "jobs/many", move_many),)
