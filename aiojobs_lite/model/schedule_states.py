"""Cron schedules as `runner.schedules` gives them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.payloads import arguments_of, redacted
from aiojobs_lite.model.schedule_rows import ScheduleRow, TickRow


@dataclass(frozen=True, slots=True)
class TickState:
    """A tick that was dealt with.

    Attributes:
        tick: The instant, UTC.
        job_id: The job that it made; None: none, or the tick was skipped.
        status: Where that job stands now; None: there is none, or it was deleted or pruned.
    """

    tick: datetime
    job_id: int | None
    status: Status | None


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """A schedule as it stood when it was read; see `runner.schedules`.

    Attributes:
        name: Its name.
        type: The type of its jobs.
        expression: The cron expression, as it was put.
        tz: The time zone in which it is read.
        next_tick: When it fires next, UTC; of one that is paused or has left the code, the first tick that it has not
            dealt with.
        last_tick: The latest tick that made a job, UTC; None: none has.
        latest_job: The id of the job that it made last, by a tick or by `run_now`, or None.
        is_declared: Whether code declares it; all but the times, the latest job and the pause is there then. Code that
            does not run now counts, until `left_at` says otherwise.
        payload_json: The arguments of its jobs as a JSON object, their version, and the names of those that are secret,
            with `REDACTED` in place of their values; None: of a declared one.
        options: The options of their enqueues, as plain JSON values.
        catch_up: What becomes of ticks that were missed: `latest`, `skip` or `all`; None: of a declared one.
        overlap: What becomes of a tick while the job before is not finished: `skip` or `queue`; None: likewise.
        paused_since: Since when it is paused, UTC, or None.
        paused_by: The person or program that paused it, or None.
        created_at: When it was made, UTC; None: of a declared one.
        updated_at: When it was put last, UTC; None: of a declared one.
        left_at: When a runner saw that no code of a live runner declares it any more, UTC: it makes no jobs, until code
            declares it again. None: code declares it, or it was made at run time.
        ticks: The latest ticks that were dealt with in the last two days, the latest first; filled by `get` only.
    """

    name: str
    type: str
    expression: str
    tz: str
    next_tick: datetime
    last_tick: datetime | None
    latest_job: int | None
    is_declared: bool
    payload_json: str | None
    options: dict[str, Any]
    catch_up: str | None
    overlap: str | None
    paused_since: datetime | None
    paused_by: str | None
    created_at: datetime | None
    updated_at: datetime | None
    left_at: datetime | None = None
    ticks: tuple[TickState, ...] = field(default=(), compare=False)

    @property
    def payload(self) -> dict[str, Any]:
        """The arguments of its jobs by name, as plain JSON values; `REDACTED` in place of those that are secret, and
        empty of a declared one.
        """
        decoded: dict[str, Any] = {} if self.payload_json is None else json.loads(arguments_of(self.payload_json))
        return decoded


def state_of_schedule(row: ScheduleRow, ticks: Sequence[TickRow] = ()) -> ScheduleState:
    """A schedule as its row and its latest ticks have it."""
    return ScheduleState(
        name=row.name,
        type=row.name if row.job_type is None else row.job_type,
        expression=row.expression,
        tz=row.tz,
        next_tick=to_datetime(row.next_tick),
        last_tick=_instant(row.last_tick),
        latest_job=row.latest_job,
        is_declared=row.job_type is None and row.updated_at is None,
        payload_json=None if row.payload is None else str(redacted(row.payload)),
        options=_shown(row.options),
        catch_up=row.catch_up,
        overlap=row.overlap,
        paused_since=_instant(row.paused_since),
        paused_by=row.paused_by,
        created_at=_instant(row.created_at),
        updated_at=None if row.job_type is None else _instant(row.updated_at),
        left_at=_instant(row.updated_at) if row.job_type is None else None,
        ticks=tuple([TickState(to_datetime(one.tick), one.job_id, one.status) for one in ticks]),
    )


def _instant(at: int | None) -> datetime | None:
    return None if at is None else to_datetime(at)


def _shown(options: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {} if options is None else json.loads(options)
    return found
