"""`aiojobs-lite schedules ...`: cron schedules, and expressions in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Final

import typer

from aiojobs_lite.cli.choosing import time_of_option
from aiojobs_lite.cli.opening import DatabaseOption, JsonOption, act, look
from aiojobs_lite.cli.screen import emit
from aiojobs_lite.cli.views.plain import present
from aiojobs_lite.cli.views.schedules import (
    schedule_as_json,
    ticks_as_json,
    view_schedule,
    view_schedules,
    view_ticks,
)
from aiojobs_lite.intervals import read_schedule

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of a schedule.")]
_Count = Annotated[int, typer.Option("--count", "-n", help="How many ticks, up to 1,000.")]


def list_all_schedules(
    *,
    db: DatabaseOption = None,
    prefix: Annotated[str, typer.Option(help="Only those whose names begin so.")] = "",
    after: Annotated[str | None, typer.Option(metavar="NAME", help="Those behind this one.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many, up to 1,000.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Lists the schedules by name, those that code declares as well."""
    found = look(db, lambda opened: opened.schedules.list(prefix=prefix, after=after, limit=limit))
    behind = found[-1].name if len(found) == limit else None
    document = {"schedules": [schedule_as_json(one) for one in found], "next": behind}
    emit(document, lambda screen: view_schedules(screen, found, behind), as_json=as_json)


def show_one_schedule(name: _Name, *, db: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Shows a schedule with its latest ticks."""
    found = look(db, lambda opened: opened.schedules.get(name))
    emit(schedule_as_json(found), lambda screen: view_schedule(screen, found), as_json=as_json)


def preview_schedule(name: _Name, *, count: _Count = 5, db: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Lists the next ticks of a schedule, by the clock of its zone, with the changes of that clock."""
    found = look(db, lambda opened: opened.schedules.get(name))
    ticks = look(db, lambda opened: opened.schedules.upcoming(name, count))
    document = {"name": name, **ticks_as_json(found.expression, found.tz, ticks)}
    emit(document, lambda screen: view_ticks(screen, found.expression, found.tz, ticks), as_json=as_json)


def explain_expression(
    expression: Annotated[str, typer.Argument(metavar="EXPRESSION", help="A cron expression, in quotes.")],
    *,
    tz: Annotated[str, typer.Option(help="The time zone in which it is read.")] = "UTC",
    count: _Count = 5,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="From when on; else now. An ISO time.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Says a cron expression in words, with its next ticks and the changes of the clock; needs no database."""
    cron = read_schedule(expression, tz, "")
    start = present() if since is None else time_of_option("since", since)
    ticks = cron.upcoming(start, count)
    document = ticks_as_json(expression, tz, ticks)
    emit(document, lambda screen: view_ticks(screen, expression, tz, ticks), as_json=as_json)


def pause_one_schedule(
    name: _Name,
    *,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who pauses; else this user and host.")] = None,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Has a schedule make no jobs at its ticks, in every runner, until `resume`."""
    act(db, lambda opened: opened.schedules.pause(name, by=by))
    emit({"paused": name}, lambda screen: screen.line(f"paused: {name}"), as_json=as_json)


def resume_schedule(name: _Name, *, db: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Has a paused schedule go on."""
    act(db, lambda opened: opened.schedules.resume(name))
    emit({"resumed": name}, lambda screen: screen.line(f"resumed: {name}"), as_json=as_json)


SCHEDULE_COMMANDS: Final[Mapping[str, Callable[..., object]]] = {
    "list": list_all_schedules,
    "show": show_one_schedule,
    "next": preview_schedule,
    "explain": explain_expression,
    "pause": pause_one_schedule,
    "resume": resume_schedule,
}
