"""What becomes of events."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from aiojobs_lite.telemetry.fact import Fact


@dataclass(frozen=True, slots=True)
class EventSent(Fact):
    """An event is durable, with what it did: jobs that it started, jobs that waited for it, jobs that it cancelled."""

    level = logging.DEBUG
    text = "event: {event} {event_id} started {started}, woke {woken} and cancelled {cancelled}"
    event: str
    event_id: str
    started: int
    woken: int
    cancelled: int
