"""Stored schedules, as writes."""

from __future__ import annotations

from typing import Any

from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.schedules import FireTick, PutSchedule
from tests.helpers.stores import NOW, at, new

EACH_MINUTE = "* * * * *"


def put(name: str = "r", revision: int = 1, *, due: float = 0, **fields: Any) -> PutSchedule:
    """A stored schedule of type `a` that fires each minute, next so many seconds after `NOW`."""
    made = PutSchedule(name, EACH_MINUTE, "UTC", at(due), "a", '{"x": 1}', None, "latest", "skip", revision, NOW)
    return made._replace(**fields)


def tick(
    name: str = "r", revision: int | None = 1, *, due: float = 0, then: float = 60, makes: bool = True,
    skips: bool = False, **conditions: Any,
) -> FireTick:  # fmt: skip
    """A tick of a stored schedule."""
    job = Candidate(new(schedule=name, tick=at(due)), **conditions) if makes else None
    return FireTick(name, EACH_MINUTE, "UTC", at(due), at(then), job, skips, revision, NOW)
