"""What a runner reports of cron schedules."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from aiojobs_lite.telemetry.fact import Fact
from aiojobs_lite.telemetry.wording import instant, skipped_words


@dataclass(frozen=True, slots=True)
class TickFired(Fact):
    """A cron schedule made a job."""

    level = logging.DEBUG
    part = "cron"
    text = "tick: {schedule} at {tick} made job {job_id}"
    schedule: str
    tick: datetime
    job_id: int

    def _words(self) -> dict[str, str]:
        return {"tick": instant(self.tick)}


@dataclass(frozen=True, slots=True)
class TickSkipped(Fact):
    """A cron schedule made no job at `ticks` instants from `tick` on. `reason`: `overlap`, `too late`, `catch_up` for
    those that a later one stands for, `changed` for those that were due when the expression was replaced, `refused` for
    one whose job the options of its type refuse, or for which another job stands, or `rejected` for one that the
    database refuses to store.
    """

    level = logging.WARNING
    part = "cron"
    text = "skipped: {ticks} of {schedule} {tick}: {reason}"
    schedule: str
    tick: datetime
    reason: str
    ticks: int = 1

    def _words(self) -> dict[str, str]:
        return skipped_words(self.tick, self.reason, self.ticks)


@dataclass(frozen=True, slots=True)
class SchedulesLeft(Fact):
    """Schedules that code declared make no jobs any more: no code of a live runner declares them. Reported once,
    by the runner that finds it at its start, or when another one has ended. `schedules`: the names.
    """

    level = logging.WARNING
    part = "cron"
    text = (
        "left: no code of a live runner declares these schedules any more, and they make no jobs until it does: "
        "{schedules}. Take out of the database what is not to come back, by `runner.schedules.delete(name)`"
    )
    schedules: str
