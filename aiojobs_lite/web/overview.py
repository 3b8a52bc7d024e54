"""The first page: what is wrong, how much is done, and what runs it."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from aiojobs_lite.web import shown
from aiojobs_lite.web.asked import Asked
from aiojobs_lite.web.notices import notice_of
from aiojobs_lite.web.problems import MOST_DEAD_LOOKED_AT, dead_groups, problems_of
from aiojobs_lite.web.site import Site, View

_SCHEDULES: Final = 1000  # that are looked at for pauses
_MISFITS: Final = 1000
_RUNNERS: Final = 50


async def show_overview(site: Site, asked: Asked) -> Response:
    """The first page."""
    runner, now = site.runner, shown.now_utc()
    stats, runners = runner.stats(), await runner.runners()
    dead = await runner.jobs.list(status="dead", limit=MOST_DEAD_LOOKED_AT) if stats.dead else []
    misfits = len(await runner.jobs.list(held="payload", limit=_MISFITS)) if stats.held else 0
    schedules = await runner.schedules.list(limit=_SCHEDULES)
    problems = problems_of(stats, runners, await runner.limits.list(), schedules, misfits, now)
    return await site.show(
        asked, "overview.html", stats=stats, problems=problems, runners=runners[:_RUNNERS],
        dead=dead_groups(dead, shown.an_hour_before(now)), notice=await notice_of(site, asked),
    )  # fmt: skip


OVERVIEW_VIEWS: Final = (View("GET", "", show_overview),)
