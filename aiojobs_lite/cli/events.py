"""`aiojobs-lite events`: those that were sent, and what each started."""

from __future__ import annotations

from typing import Annotated

import typer

from aiojobs_lite.cli.opening import DatabaseOption, JsonOption, look
from aiojobs_lite.cli.screen import emit
from aiojobs_lite.cli.views.events import EventShown, event_as_json, view_event, view_events
from aiojobs_lite.runner.opened import OpenedDatabase


def list_sent_events(
    number: Annotated[int | None, typer.Argument(metavar="NUMBER", help="One event, with the jobs it started.")] = None,
    *,
    name: Annotated[str | None, typer.Option(help="Only events of this name.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many, up to 1,000.")] = 20,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lists the events that were sent, the newest first; or shows one."""
    if number is not None:
        shown = look(db, lambda opened: _read(opened, number))
        document = {**event_as_json(shown.event), "started": {str(job): of for job, of in shown.started.items()}}
        emit(document, lambda screen: view_event(screen, shown), as_json=as_json)
        return
    events = look(db, lambda opened: opened.events.list(name=name, limit=limit))
    document = {"events": [event_as_json(one) for one in events]}
    emit(document, lambda screen: view_events(screen, events), as_json=as_json)


async def _read(opened: OpenedDatabase, number: int) -> EventShown:
    return EventShown(await opened.events.get(number), await opened.events.started(number))
