"""Schedules: `every`, an interval in place of a cron expression, and what `runner.schedules` gives."""

from __future__ import annotations

from aiojobs_lite.intervals import every
from aiojobs_lite.model.schedule_states import ScheduleState, TickState
from aiojobs_lite.runner.client_schedules import ClientSchedules
from aiojobs_lite.runner.schedules import SchedulePut, Schedules

__all__ = ["ClientSchedules", "SchedulePut", "ScheduleState", "Schedules", "TickState", "every"]
