"""Events, as the command line shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aiojobs_lite.cli.screen import Screen
from aiojobs_lite.cli.views.plain import as_age, as_instant, as_iso, present
from aiojobs_lite.runner.events import StoredEvent


class EventShown(NamedTuple):
    """An event, and the jobs that it has started: their types by their ids."""

    event: StoredEvent
    started: Mapping[int, str]


def event_as_json(event: StoredEvent) -> dict[str, Any]:
    """An event, as JSON."""
    return {
        "number": event.number, "id": event.id, "name": event.name, "sent_at": as_iso(event.sent_at),
        "data": json.loads(event.data_json),
    }  # fmt: skip


def view_events(screen: Screen, events: Sequence[StoredEvent]) -> None:
    """Shows a page of events."""
    if not events:
        screen.line("no events")
        return
    now = present()
    rows = [(str(one.number), one.name, as_age(one.sent_at, now), one.id, one.data_json) for one in events]
    screen.table(["number", "name", "sent", "id", "data"], rows)


def view_event(screen: Screen, shown: EventShown) -> None:
    """Shows an event with the jobs that it has started."""
    event = shown.event
    screen.pairs([
        ("number", event.number), ("name", event.name), ("id", event.id), ("sent", as_instant(event.sent_at)),
        ("data", event.data_json),
    ])  # fmt: skip
    if shown.started:
        screen.heading("started")
        screen.table(["job", "type"], [(str(job), of) for job, of in shown.started.items()])
