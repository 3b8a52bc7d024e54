"""The first page: what is wrong, how much is done, and what runs it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from starlette.responses import Response

from aiojobs_lite.model.job import Status
from aiojobs_lite.runner.figures import MOST_ERROR_GROUPS, HourFigures
from aiojobs_lite.runner.fullest import read_fullest
from aiojobs_lite.runner.long_running import long_attempts
from aiojobs_lite.web import shown
from aiojobs_lite.web.asked import Asked
from aiojobs_lite.web.charts import bars_of
from aiojobs_lite.web.notices import notice_of
from aiojobs_lite.web.problems import MOST_DEAD_LOOKED_AT, dead_groups, problems_of
from aiojobs_lite.web.site import Site, View

_SCHEDULES: Final = 1000  # that are looked at for pauses
_RUNNERS: Final = 50
_FIGURES: Final = (
    ("waiting", Status.PENDING), ("running", Status.PROCESSING), ("dead", Status.DEAD),
    ("cancelled", Status.CANCELLED), ("completed", Status.COMPLETED),
)  # fmt: skip


async def show_overview(site: Site, asked: Asked) -> Response:
    """The first page."""
    runner, now = site.runner, shown.now_utc()
    standing, hours = await runner.figures.now(), await runner.figures.hours()
    total = [(name, status.value, standing.total(status)) for name, status in _FIGURES]
    dead = await runner.jobs.list(status="dead", limit=MOST_DEAD_LOOKED_AT)
    schedules = await runner.schedules.list(limit=_SCHEDULES)
    errors = await runner.figures.errors(since="1h", limit=MOST_ERROR_GROUPS) if dead else ()
    lately = await runner.figures.types(since="1h") if "lane" in standing.held else ()
    problems = problems_of(
        runner.stats(), standing, await runner.limits.list(), schedules, await read_fullest(runner, standing, lately),
        await long_attempts(runner, standing),
    )  # fmt: skip
    return await site.show(
        asked, "overview.html", figures=total, hours=_hours_view(hours), runners=(await runner.runners())[:_RUNNERS],
        problems=problems, dead=dead_groups(dead, shown.an_hour_before(now), errors), is_sample=dead.next is not None,
        notice=await notice_of(site, asked),
    )  # fmt: skip


def _hours_view(hours: tuple[HourFigures, ...]) -> dict[str, Any]:
    """The chart of the last hours, and what it says in words."""
    found: list[tuple[datetime, int, int]] = [(one.hour, one.completed, one.failed) for one in hours]
    completed, failed = sum(one.completed for one in hours), sum(one.failed for one in hours)
    return {"bars": bars_of(found), "completed": completed, "failed": failed}


OVERVIEW_VIEWS: Final = (View("GET", "", show_overview),)
