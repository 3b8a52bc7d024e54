"""The page of job types: how many jobs of each stand where, how fast and how often they fail, pauses and limits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.responses import Response

from aiojobs_lite.http.serving import ApiError
from aiojobs_lite.limits import EVERY_KEY, EveryKey, LimitKey, LimitState
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.runner.figures import DatabaseFigures, TypeFigures
from aiojobs_lite.web.asked import Asked, Form
from aiojobs_lite.web.notices import done, notice_of
from aiojobs_lite.web.site import Site, View

TYPES_A_PAGE: Final = 100
LIMITS_SHOWN: Final = 100
"""Of the limits, the first ones."""

_DAY_HOURS: Final = 24.0
_COUNTED: Final = (Status.PENDING, Status.PROCESSING, Status.DEAD)


@dataclass(frozen=True, slots=True)
class TypeLine:
    """A job type as one line.

    Attributes:
        name: Its name.
        pending: Jobs that wait.
        processing: Jobs that run, in all processes.
        dead: Dead jobs that are kept.
        concurrency: Most that run at once, over all processes; None: no limit, or no runner lives that has it.
        figures: Those of the last day, or None.
        oldest_due: Since when its longest waiting job has been due, or None.
        paused: Its pause, or None.
        is_known: Whether a runner lives that has registered it.
        hours: The hours that its figures are of.
    """

    name: str
    pending: int
    processing: int
    dead: int
    concurrency: int | None
    figures: TypeFigures | None
    oldest_due: datetime | None
    paused: Pause | None
    is_known: bool
    hours: float

    @property
    def an_hour(self) -> float | None:
        """How many jobs were completed in an hour, on the average of the last day, or of what there is of it."""
        return None if self.figures is None else round(self.figures.completed / self.hours, 1)


async def show_types(site: Site, asked: Asked) -> Response:
    """A page of types, and the limits."""
    runner, after = site.runner, asked.parameters().get("after", "")
    standing, limits = await runner.figures.now(), await runner.limits.list()
    names = [name for name in type_names(standing) if name > after]
    page = names[:TYPES_A_PAGE]
    ends = (page[0], page[-1]) if page else ("", "")
    figures, totals = await runner.figures.types(names=ends), await runner.figures.totals(names=ends)
    return await site.show(
        asked, "types.html", lines=type_lines(page, standing, figures, _hours_of(standing.at, totals)), after=after,
        following=page[-1] if len(names) > len(page) else None,
        limits=[_limit_line(one) for one in limits[:LIMITS_SHOWN]], left_out=max(len(limits) - LIMITS_SHOWN, 0),
        notice=await notice_of(site, asked),
    )  # fmt: skip


def type_names(standing: DatabaseFigures) -> list[str]:
    """The types that have, or had, jobs, a pause or a runner."""
    return sorted({*standing.counts, *standing.paused, *(name for one in standing.runners for name in one.types)})


def type_lines(
    names: list[str], standing: DatabaseFigures, figures: tuple[TypeFigures, ...], hours: float
) -> list[TypeLine]:
    """Types as lines; the figures are of so many hours."""
    by_name = {one.type: one for one in figures}
    registered: dict[str, int | None] = {}
    for runner in standing.runners:
        registered |= runner.types
    return [_type_line(name, standing, by_name.get(name), registered, hours) for name in names]


def _hours_of(now: datetime, totals: Iterable[TypeFigures]) -> float:
    """The hours that the figures of a day are of: 24, or those since the first end ever if the service is younger; at
    least one, so that no minute is taken for an hour.
    """
    first = min((one.first_at for one in totals), default=now)
    return min(max((now - first) / timedelta(hours=1), 1.0), _DAY_HOURS)


def _type_line(
    name: str,
    standing: DatabaseFigures,
    figures: TypeFigures | None,
    registered: Mapping[str, int | None],
    hours: float,
) -> TypeLine:
    counts = standing.counts.get(name, {})
    pending, processing, dead = (counts.get(status, 0) for status in _COUNTED)
    oldest, paused = standing.oldest_due_by_type.get(name), standing.paused.get(name)
    is_known = name in registered
    return TypeLine(name, pending, processing, dead, registered.get(name), figures, oldest, paused, is_known, hours)


def _limit_line(limit: LimitState) -> dict[str, Any]:
    return {"state": limit, "key": "" if isinstance(limit.key, EveryKey) else json.dumps(limit.key)}


async def answer_type_pause(site: Site, asked: Asked) -> Response:
    """Stops the claims of a type."""
    name = (await asked.form()).one("name")
    await site.runner.types.pause(name, by=asked.user)
    return await done(
        site, asked, "types", f"{name} is paused: what runs goes on.", undo="resume_type", how={"name": name}
    )


async def answer_type_resume(site: Site, asked: Asked) -> Response:
    """Lets the jobs of a type run again."""
    name = (await asked.form()).one("name")
    await site.runner.types.resume(name)
    how = {"name": name, "by": asked.user}
    return await done(site, asked, "types", f"{name} runs again.", undo="pause_type", how=how)


async def answer_limit_change(site: Site, asked: Asked) -> Response:
    """Sets how many a limit allows."""
    form = await asked.form()
    name, key, text = form.one("limit"), limit_key_of(form), form.one("most")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ApiError(400, "a limit is a whole number, such as 5")
    await site.runner.limits.change(name, int(text), key=key)
    return await done(site, asked, "types", f"{name} allows {int(text):,} from now on, in every process.")


async def answer_limit_reset(site: Site, asked: Asked) -> Response:
    """Takes a change of a limit back."""
    form = await asked.form()
    await site.runner.limits.reset(form.one("limit"), key=limit_key_of(form))
    return await done(site, asked, "types", f"{form.one('limit')} allows what the code says.")


async def answer_limit_pause(site: Site, asked: Asked) -> Response:
    """Starts no job that a limit counts."""
    form = await asked.form()
    await site.runner.limits.pause(form.one("limit"), key=limit_key_of(form), by=asked.user)
    return await done(site, asked, "types", f"{form.one('limit')} is paused: what runs goes on.")


async def answer_limit_resume(site: Site, asked: Asked) -> Response:
    """Lets the jobs start again that a limit counts."""
    form = await asked.form()
    await site.runner.limits.resume(form.one("limit"), key=limit_key_of(form))
    return await done(site, asked, "types", f"The jobs of {form.one('limit')} start again.")


def limit_key_of(form: Form) -> LimitKey | EveryKey:
    """The key that a form is about, as JSON in its field; without one every key.

    Raises:
        ApiError: 400 if it is none.
    """
    text = form.one("key")
    if not text:
        return EVERY_KEY
    try:
        key: LimitKey = json.loads(text)
    except (ValueError, RecursionError):
        raise ApiError(400, "the form names no key of a limit") from None
    return key


TYPE_VIEWS: Final = (
    View("GET", "types", show_types), View("POST", "types/pause", answer_type_pause),
    View("POST", "types/resume", answer_type_resume), View("POST", "limits/change", answer_limit_change),
    View("POST", "limits/reset", answer_limit_reset), View("POST", "limits/pause", answer_limit_pause),
    View("POST", "limits/resume", answer_limit_resume),
)  # fmt: skip
