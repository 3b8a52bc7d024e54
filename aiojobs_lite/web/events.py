"""The pages of events: the log, what an event has started, replays, and a test event."""

from __future__ import annotations

import json
from typing import Any, Final

from starlette.responses import Response

from aiojobs_lite.errors import EventNotFound
from aiojobs_lite.http.serving import ApiError
from aiojobs_lite.runner.events import StoredEvent
from aiojobs_lite.telemetry.wording import counted
from aiojobs_lite.web import shown
from aiojobs_lite.web.asked import Asked
from aiojobs_lite.web.job import shown_as
from aiojobs_lite.web.notices import done, notice_of
from aiojobs_lite.web.site import Site, View

EVENTS_A_PAGE: Final = 50
_LONGEST_READ_CHARS: Final = 4_000  # of the data of an event, for one line of a table


async def show_events(site: Site, asked: Asked) -> Response:
    """A page of events, the newest first."""
    given = asked.parameters()
    name, before = given.get("name", "").strip() or None, await _event_before(site, given.get("before", ""))
    found = await site.runner.events.list(name=name, before=before, limit=EVENTS_A_PAGE + 1)
    return await site.show(
        asked, "events.html", name=name or "", lines=[_line(site, one) for one in found[:EVENTS_A_PAGE]], before=before,
        following=found[EVENTS_A_PAGE - 1].number if len(found) > EVENTS_A_PAGE else None,
        notice=await notice_of(site, asked),
    )  # fmt: skip


async def show_event(site: Site, asked: Asked) -> Response:
    """One event, and what it has started."""
    (number,) = asked.numbers
    event, started = await site.runner.events.get(number), await site.runner.events.started(number)
    return await site.show(
        asked, "event.html", event=event, started=started, types=sorted(set(started.values())),
        data=shown_as("event", site, event.name, event.data_json, "Data"),
        notice=await notice_of(site, asked),
    )  # fmt: skip


async def answer_send(site: Site, asked: Asked) -> Response:
    """Sends an event."""
    form = await asked.form()
    try:
        data = json.loads(form.one("data") or "null")
    except (ValueError, RecursionError):
        raise ApiError(400, 'the data of an event is JSON, such as {"user_id": 1}') from None
    sent = await site.runner.send(form.one("name"), data, id=form.one("id") or None)
    text = f"Sent: it started {counted(len(sent.handles), 'job')}." if sent.is_new else "This id was sent before."
    return await done(site, asked, f"events/{sent.number}", text)


async def answer_replay(site: Site, asked: Asked) -> Response:
    """Starts one listener again with an event."""
    (number,) = asked.numbers
    name = (await asked.form()).one("type")
    handle = await site.runner.events.replay(number, name)
    return await done(site, asked, f"jobs/{handle.id}", f"{name} was started again with event {number}.")


async def _event_before(site: Site, text: str) -> StoredEvent | None:
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 19 and int(text)):
        return None
    try:
        return await site.runner.events.get(int(text))
    except EventNotFound:  # it is pruned: the list begins anew
        return None


def _line(site: Site, event: StoredEvent) -> dict[str, Any]:
    if len(event.data_json) > _LONGEST_READ_CHARS:
        return {"event": event, "data": f"{len(event.data_json):,} characters"}
    data = site.redacted("event", event.name, json.loads(event.data_json))
    return {"event": event, "data": shown.compact(data)}


EVENT_VIEWS: Final = (
    View("GET", "events", show_events), View("GET", "events/{}", show_event), View("POST", "events/send", answer_send),
    View("POST", "events/{}/replay", answer_replay),
)  # fmt: skip
