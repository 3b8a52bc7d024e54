"""Events: as a listener is given one, as `runner.events.send_many` takes them, and as `runner.events` gives them."""

from __future__ import annotations

from aiojobs_lite.handlers.cancel_on import On
from aiojobs_lite.handlers.event import Event
from aiojobs_lite.runner.client_events import ClientSentEvent
from aiojobs_lite.runner.events import EventToSend, SentEvent, StoredEvent

__all__ = ["ClientSentEvent", "Event", "EventToSend", "On", "SentEvent", "StoredEvent"]
