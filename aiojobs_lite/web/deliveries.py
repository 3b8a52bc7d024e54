"""The page of deliveries: where each goes, what was answered, when it is tried again."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from aiojobs_lite.errors import UnknownJobType
from aiojobs_lite.handlers.requests import DELIVERY
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.runner.walks import JobPage
from aiojobs_lite.web import shown
from aiojobs_lite.web.asked import Asked
from aiojobs_lite.web.filters import LISTED_STATUSES
from aiojobs_lite.web.jobs import id_in, line_state
from aiojobs_lite.web.site import Site, View

DELIVERIES_A_PAGE: Final = 50


async def show_deliveries(site: Site, asked: Asked) -> Response:
    """A page of deliveries."""
    given = asked.parameters()
    status = given.get("status", "") if given.get("status") in LISTED_STATUSES else ""
    after, wanted = id_in(given.get("after", "")), Status(status) if status else None
    try:
        jobs = await site.runner.jobs.list(type=DELIVERY, after=after, limit=DELIVERIES_A_PAGE, status=wanted)
    except UnknownJobType:  # nothing delivers here
        jobs = JobPage([], None)
    return await site.show(
        asked, "deliveries.html", chosen=status, statuses=LISTED_STATUSES, after=after, type=DELIVERY,
        lines=[_line(site, job) for job in jobs], following=jobs.next,
    )  # fmt: skip


def _line(site: Site, job: Job) -> dict[str, Any]:
    payload = site.redacted("payload", job.type, job.payload)
    url = payload.get("url", "") if isinstance(payload, dict) else payload
    result = site.redacted("result", job.type, job.result)
    answer = result.get("status") if isinstance(result, dict) else None
    latency = result.get("latency") if isinstance(result, dict) else None
    return {
        "job": job, "state": line_state(job, shown.now_utc()), "url": url, "answer": answer, "latency": latency,
        "at": job.completed_at or job.scheduled_at,
    }  # fmt: skip


DELIVERY_VIEWS: Final = (View("GET", "deliveries", show_deliveries),)
