"""The page of schedules: in words, their last and next ticks; they are paused, resumed, run now."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from starlette.responses import Response

from aiojobs_lite.cron import CronSchedule
from aiojobs_lite.errors import AiojobsError
from aiojobs_lite.intervals import IntervalSchedule, read_schedule
from aiojobs_lite.model.schedule_states import ScheduleState
from aiojobs_lite.web import shown
from aiojobs_lite.web.asked import Asked
from aiojobs_lite.web.notices import done, notice_of
from aiojobs_lite.web.schedule_words import in_words, tick_lines
from aiojobs_lite.web.site import Site, View

SCHEDULES_A_PAGE: Final = 50
TICKS_AHEAD: Final = 5
_READ_KEPT: Final = 1000


async def list_of_schedules(site: Site, asked: Asked) -> Response:
    """A page of schedules."""
    after = asked.parameters().get("after") or None
    found = await site.runner.schedules.list(after=after, limit=SCHEDULES_A_PAGE + 1)
    now = shown.now_utc()
    return await site.show(
        asked, "schedules.html", lines=[schedule_line(one, now) for one in found[:SCHEDULES_A_PAGE]], after=after,
        following=found[SCHEDULES_A_PAGE - 1].name if len(found) > SCHEDULES_A_PAGE else None,
        notice=await notice_of(site, asked),
    )  # fmt: skip


def schedule_line(schedule: ScheduleState, now: datetime) -> dict[str, Any]:
    """A schedule with its words and its next ticks."""
    try:
        cron = _read(schedule.expression, schedule.tz, schedule.name)
        ticks = [] if schedule.left_at else tick_lines(cron.upcoming(now, TICKS_AHEAD), schedule.tz)
    except AiojobsError:  # another release may read expressions that this one does not
        ticks = []
    return {"schedule": schedule, "words": in_words(schedule.expression), "ticks": ticks}


@lru_cache(_READ_KEPT)
def _read(expression: str, tz: str, name: str) -> CronSchedule | IntervalSchedule:
    """A schedule, as it was read for the page before."""
    return read_schedule(expression, tz, name)


async def answer_schedule_pause(site: Site, asked: Asked) -> Response:
    """Has a schedule make no jobs."""
    name = (await asked.form()).one("name")
    await site.runner.schedules.pause(name, by=asked.user)
    how = {"name": name}
    return await done(site, asked, "schedules", f"{name} is paused.", undo="resume_schedule", how=how)


async def answer_schedule_resume(site: Site, asked: Asked) -> Response:
    """Has a schedule go on."""
    name = (await asked.form()).one("name")
    await site.runner.schedules.resume(name)
    return await done(site, asked, "schedules", f"{name} goes on.")


async def answer_schedule_run(site: Site, asked: Asked) -> Response:
    """Enqueues the job of a schedule at once."""
    name = (await asked.form()).one("name")
    handle = await site.runner.schedules.run_now(name)
    return await done(site, asked, f"jobs/{handle.id}", f"{name} was enqueued between its ticks.")


SCHEDULE_VIEWS: Final = (
    View("GET", "schedules", list_of_schedules), View("POST", "schedules/pause", answer_schedule_pause),
    View("POST", "schedules/resume", answer_schedule_resume), View("POST", "schedules/run", answer_schedule_run),
)  # fmt: skip
