"""Cron: the stored schedules and their ticks."""

from __future__ import annotations

from aiojobs_lite.model.schedules import (
    ABANDONED_AFTER_US,
    FireTick,
    MoveTickBack,
    ScheduleAnswer,
    SetSchedule,
    TickAnswer,
)
from aiojobs_lite.stores.sqlite.transaction import Transaction


def set_schedule(transaction: Transaction, write: SetSchedule) -> ScheduleAnswer:
    """See `SetSchedule`."""
    stored = transaction.one("stored_schedule", (write.name,))
    transaction.run("set_schedule", write)
    if stored is None:
        return ScheduleAnswer(write.next_tick)
    if tuple(stored[:2]) != (write.expression, write.tz):
        return ScheduleAnswer(write.next_tick, tuple(stored))
    return ScheduleAnswer(stored[2])


def fire_tick(transaction: Transaction, write: FireTick) -> TickAnswer:
    """See `FireTick`."""
    moved = {
        "name": write.schedule,
        "expression": write.expression,
        "tz": write.tz,
        "next_tick": write.next_tick,
        "abandoned_before": transaction.now - ABANDONED_AFTER_US,
    }
    transaction.run("move_schedule", moved)
    if transaction.run("insert_tick", (write.schedule, write.tick)).rowcount == 0:
        return TickAnswer("duplicate")
    if write.row is None:
        return TickAnswer("skipped")
    if write.skip_overlap and transaction.one("schedule_busy", (write.schedule,))[0]:
        return TickAnswer("overlap")
    job_id = transaction.insert_pending(write.row)
    transaction.run("tick_job", (job_id, write.schedule, write.tick))
    transaction.run("latest_job", (job_id, write.schedule))
    return TickAnswer("fired", job_id)


def move_tick_back(transaction: Transaction, write: MoveTickBack) -> bool:
    """See `MoveTickBack`."""
    return transaction.run("move_tick_back", {**write._asdict(), "now": transaction.now}).rowcount == 1
