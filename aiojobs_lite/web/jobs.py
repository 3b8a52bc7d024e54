"""The page of jobs: tabs by status, filters in the URL, pages by the id of their last job."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from starlette.responses import Response

from aiojobs_lite.errors import UnknownJobType
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.model.overview import BoundedCount
from aiojobs_lite.runner.troubles import JobMark
from aiojobs_lite.runner.walks import JobPage
from aiojobs_lite.telemetry.stats import RunnerStats
from aiojobs_lite.web import shown
from aiojobs_lite.web.asked import Asked
from aiojobs_lite.web.bulk import bulk_actions_of
from aiojobs_lite.web.filters import LISTED_STATUSES, SEARCH_FIELDS, JobSearch, search_of
from aiojobs_lite.web.notices import notice_of
from aiojobs_lite.web.site import Site, View, go_to

JOBS_A_PAGE: Final = 50

COUNTED_WITHIN: Final = "10ms"
"""A count of jobs that filters look for ends then: it reads as `1,200+`."""

_PARSED_CHARS: Final = 4_000  # a longer payload is not read for one line of a table


class JobLine(NamedTuple):
    """A job as one line of a table.

    Attributes:
        job: It.
        state: Its status, or more precisely why it waits.
        at: The instant that matters most: when it ended, began, or is due.
        says: Its error or its reason, or its payload.
        why: What its state comes of, or empty.
    """

    job: Job
    state: str
    at: datetime
    says: str
    why: str


async def show_jobs(site: Site, asked: Asked) -> Response:
    """A page of jobs."""
    search = search_of(asked.parameters())
    jobs, problem, count = JobPage([], None), None, ""
    after = asked.parameters().get("after", "")
    if not search.problems:
        try:
            jobs = await site.runner.jobs.list(**search.options, limit=JOBS_A_PAGE, after=id_in(after))
            count = await _count(site, search, jobs, after) if search.filters else ""
        except UnknownJobType as error:
            problem = str(error)
    stats, marks = site.runner.stats(), await site.runner.jobs.marks(jobs)
    return await site.show(
        asked, "jobs.html", search=search, problem=problem, fields=SEARCH_FIELDS, tabs=_tabs(search, stats),
        lines=[line_of(site, job, stats, marks.get(job.id)) for job in jobs], types=list(stats.by_type),
        after=after, following=jobs.next, count=count,
        actions=bulk_actions_of(search.status), notice=await notice_of(site, asked),
    )  # fmt: skip


async def _count(site: Site, search: JobSearch, jobs: JobPage, after: str) -> str:
    """How many jobs match. A first page that is short says it: it is all there are, or its time was up."""
    if after or len(jobs) == JOBS_A_PAGE:
        return str(await site.runner.jobs.count(**search.options, within=COUNTED_WITHIN))
    return str(BoundedCount(len(jobs), is_more=jobs.next is not None))


async def find_job(site: Site, asked: Asked) -> Response:
    """Leads to the job of an id or a key."""
    text = asked.parameters().get("q", "").strip()
    job_id = id_in(text) or site.runner.jobs.id_of(text)
    return go_to(asked, "jobs", type=text) if job_id is None else go_to(asked, f"jobs/{job_id}")


def line_of(site: Site, job: Job, stats: RunnerStats, mark: JobMark | None) -> JobLine:
    """A job as one line."""
    at = job.completed_at or (job.started_at if job.status is Status.PROCESSING else None) or job.scheduled_at
    of_type = stats.by_type.get(job.type)
    is_paused = of_type is not None and of_type.paused is not None
    state = line_state(job, shown.now_utc(), is_paused=is_paused, mark=mark)
    return JobLine(
        job,
        state,
        at,
        job.error or job.reason or _payload_line(site, job),
        mark.text if mark is not None and mark.state == state else "",
    )


def line_state(job: Job, now: datetime, *, is_paused: bool = False, mark: JobMark | None = None) -> str:
    """The status of a job, or why it is pending."""
    if mark is not None and (mark.limit is None or not is_paused):
        return mark.state
    if job.status is not Status.PENDING:
        return "stopping" if job.cancel_requested and job.status is Status.PROCESSING else job.status.value
    if job.held is not None:
        return f"held: {job.held}"
    if job.scheduled_at > now:
        return "retrying" if job.attempts else "scheduled"
    return "paused" if is_paused else "due"


def _payload_line(site: Site, job: Job) -> str:
    if len(job.payload_json) > _PARSED_CHARS:
        return f"{len(job.payload_json):,} characters"
    shown_payload = site.redacted("payload", job.type, job.payload)
    if isinstance(shown_payload, dict):
        return shown.line(", ".join(f"{name}={shown.compact(value)}" for name, value in shown_payload.items()))
    return shown.compact(shown_payload)


def _tabs(search: JobSearch, stats: RunnerStats) -> list[dict[str, Any]]:
    """The tabs: each with its status and, if the filters say no more than a type, how many jobs it has."""
    counts: Mapping[str, int] | None = None
    if not search.filters:
        counts = {status: getattr(stats, status) for status in LISTED_STATUSES}
    elif search.filters.keys() == {"type"}:
        of_type = stats.by_type.get(search.filters["type"])
        counts = {status: getattr(of_type, status, 0) for status in LISTED_STATUSES}
    return [
        {"status": "", "name": "All", "count": None if counts is None else sum(counts.values())},
        *({"status": one, "name": one.capitalize(), "count": None if counts is None else counts[one]}
          for one in LISTED_STATUSES),
    ]  # fmt: skip


def id_in(text: str) -> int | None:
    """The id that a text is, or None."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 and int(text) else None


JOBS_VIEWS: Final = (View("GET", "jobs", show_jobs), View("GET", "find", find_job))
