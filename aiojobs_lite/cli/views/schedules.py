"""Schedules and their ticks, as the command line shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from aiojobs_lite.cli.screen import Screen, written
from aiojobs_lite.cli.views.plain import as_age, as_instant, as_iso, present
from aiojobs_lite.model.schedule_states import ScheduleState, TickState
from aiojobs_lite.web.schedule_words import in_words, tick_lines


def schedule_as_json(one: ScheduleState) -> dict[str, Any]:
    """A schedule, as JSON."""
    return {
        "name": one.name, "type": one.type, "expression": one.expression, "tz": one.tz,
        "words": in_words(one.expression), "next_tick": as_iso(one.next_tick), "last_tick": as_iso(one.last_tick),
        "latest_job": one.latest_job, "is_declared": one.is_declared, "payload": one.payload, "options": one.options,
        "catch_up": one.catch_up, "overlap": one.overlap, "paused_since": as_iso(one.paused_since),
        "paused_by": one.paused_by, "created_at": as_iso(one.created_at), "updated_at": as_iso(one.updated_at),
        "ticks": [_tick_as_json(tick) for tick in one.ticks],
    }  # fmt: skip


def _tick_as_json(tick: TickState) -> dict[str, Any]:
    status = None if tick.status is None else tick.status.value
    return {"tick": as_iso(tick.tick), "job_id": tick.job_id, "status": status}


def ticks_as_json(expression: str, tz: str, ticks: Sequence[datetime]) -> dict[str, Any]:
    """An expression with its ticks, as JSON."""
    lines = tick_lines(ticks, tz)
    return {
        "expression": expression, "tz": tz, "words": in_words(expression),
        "ticks": [{"at": as_iso(one.at), "local": one.local, "note": one.note} for one in lines],
    }  # fmt: skip


def view_schedules(screen: Screen, found: Sequence[ScheduleState], behind: str | None) -> None:
    """Shows a page of schedules."""
    if not found:
        screen.line("no schedules")
        return
    now = present()
    rows = [
        (one.name, one.type, _state(one), as_age(one.next_tick, now),
         "" if one.last_tick is None else as_age(one.last_tick, now), one.expression, one.tz, in_words(one.expression))
        for one in found
    ]  # fmt: skip
    screen.table(["name", "type", "", "next tick", "last tick", "expression", "zone", "in words"], rows)
    if behind is not None:
        screen.line(f"the next page: --after {behind}", style="dim")


def view_schedule(screen: Screen, one: ScheduleState) -> None:
    """Shows a schedule with its latest ticks."""
    pause = None if one.paused_since is None else f"since {as_instant(one.paused_since)}, by {one.paused_by}"
    screen.pairs([
        ("name", one.name), ("type", one.type), ("expression", one.expression), ("zone", one.tz),
        ("in words", in_words(one.expression)), ("paused", pause), ("next tick", as_instant(one.next_tick)),
        ("last tick", as_instant(one.last_tick)), ("latest job", one.latest_job), ("catch_up", one.catch_up),
        ("overlap", one.overlap), ("payload", None if one.is_declared else written(one.payload)),
        ("made by", "code" if one.is_declared else "put, at run time"),
    ])  # fmt: skip
    if one.ticks:
        screen.heading("latest ticks")
        rows = [(as_instant(tick.tick), tick.job_id or "none", tick.status or "") for tick in one.ticks]
        screen.table(["tick", "job", "status"], [(at, str(job), status) for at, job, status in rows])


def view_ticks(screen: Screen, expression: str, tz: str, ticks: Sequence[datetime]) -> None:
    """Shows an expression in words, with its ticks."""
    screen.line(f"{expression} ({tz}): {in_words(expression)}", style="bold")
    rows = [(one.local, as_instant(one.at), one.note) for one in tick_lines(ticks, tz)]
    screen.table([f"in {tz}", "UTC", ""], rows)


def _state(one: ScheduleState) -> str:
    return "" if one.paused_since is None else "paused"
