"""The page of lanes: which keys of a limit are taken, and what waits behind them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from aiojobs_lite.limits import EveryKey, LimitKey, LimitState
from aiojobs_lite.model.job import Job
from aiojobs_lite.model.limits import key_text
from aiojobs_lite.web.asked import Asked
from aiojobs_lite.web.notices import notice_of
from aiojobs_lite.web.site import Site, View

JOBS_LOOKED_AT: Final = 500
"""Pending jobs, and as many that run, of which the page tells."""

_MOST_LANES: Final = 200
_BEFORE_THE_LIMITS: Final = 2  # lines of a lane: type and priority


@dataclass(slots=True)
class LaneLine:
    """A key of a limit.

    Attributes:
        limit: The name of the limit.
        key: The key, as JSON.
        running: Jobs of it that run.
        waiting: Jobs of it that wait.
        first: The job that waits longest, or None.
        state: What the limit allows; None: it is not stored any more.
    """

    limit: str
    key: str
    running: int = 0
    waiting: int = 0
    first: int | None = None
    state: LimitState | None = None

    @property
    def is_full(self) -> bool:
        """Whether as many run as the limit allows."""
        return self.state is not None and self.state.per is None and self.running >= (self.state.most or 0)


async def show_lanes(site: Site, asked: Asked) -> Response:
    """The page of lanes."""
    jobs, wanted = site.runner.jobs, asked.parameters().get("limit", "")
    waiting = await jobs.list(status="pending", limit=JOBS_LOOKED_AT)
    running = await jobs.list(status="processing", limit=JOBS_LOOKED_AT)
    limits = await site.runner.limits.list()
    lines = [line for line in lanes_of(waiting, running, limits) if wanted in {"", line.limit}]
    return await site.show(
        asked, "lanes.html", lines=lines[:_MOST_LANES], limits=sorted({one.name for one in limits}), wanted=wanted,
        is_sample=waiting.next is not None, looked_at=JOBS_LOOKED_AT, notice=await notice_of(site, asked),
    )  # fmt: skip


def lanes_of(waiting: Iterable[Job], running: Iterable[Job], limits: Iterable[LimitState]) -> list[LaneLine]:
    """The keys of all limits that some of these jobs have, those with the most that waits first."""
    stored = {(one.name, _as_json(one.key)): one for one in limits}
    lines: dict[tuple[str, str], LaneLine] = {}
    for job in running:
        for meter in _meters(job):
            lines.setdefault(meter, LaneLine(*meter)).running += 1
    for job in waiting:
        for meter in _meters(job):
            line = lines.setdefault(meter, LaneLine(*meter))
            line.waiting, line.first = line.waiting + 1, min(job.id, line.first or job.id)
    for meter, line in lines.items():
        line.state = _in_force(stored.get(meter), stored.get((meter[0], "")))
    return sorted(lines.values(), key=lambda line: (-line.waiting, -line.running, line.limit, line.key))


def _meters(job: Job) -> Iterator[tuple[str, str]]:
    """The limits that count a job, each with its key."""
    parts = (job.lane or "").split("\n")[_BEFORE_THE_LIMITS:]
    return zip(parts[::2], parts[1::2], strict=False)


def _in_force(own: LimitState | None, of_all: LimitState | None) -> LimitState | None:
    """What counts for a key: its own value, or that of all keys."""
    return own if own is not None and own.most is not None else of_all


def _as_json(key: LimitKey | EveryKey) -> str:
    return "" if isinstance(key, EveryKey) else key_text(key)


LANE_VIEWS: Final = (View("GET", "lanes", show_lanes),)
