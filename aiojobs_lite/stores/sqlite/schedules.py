"""Cron: the stored schedules and their ticks."""

from __future__ import annotations

from aiojobs_lite.model.schedules import FireTick, SetSchedule, TickAnswer
from aiojobs_lite.stores.sqlite.transaction import Transaction


def set_schedule(transaction: Transaction, write: SetSchedule) -> int:
    """See `SetSchedule`."""
    transaction.run("set_schedule", write)
    stored: int = transaction.one("next_tick", (write.name,))[0]
    return stored


def fire_tick(transaction: Transaction, write: FireTick) -> TickAnswer:
    """See `FireTick`."""
    transaction.run("move_schedule", (write.next_tick, write.schedule, write.expression, write.tz))
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
