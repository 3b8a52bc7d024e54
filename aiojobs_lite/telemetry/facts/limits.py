"""What a runner reports of limits by key."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from aiojobs_lite.clock import MICROSECONDS
from aiojobs_lite.model.limits import StoredLimit
from aiojobs_lite.telemetry.fact import Fact
from aiojobs_lite.telemetry.wording import instant, span


@dataclass(frozen=True, slots=True)
class LimitChanged(Fact):
    """What a limit by key allows was changed for all runners of the database: by this runner's code at its start, or by
    a call of it. `key`: as JSON; None: each that has no value of its own. `most`: how many; None: it was reset. `per`:
    the period of a rate in seconds; None: as it was, or it is no rate. `before`: how many before, at a start.
    """

    part = "engine"
    text = "limit changed: {limit} {most}{per} for {key}{before}"
    limit: str
    key: str | None
    most: int | None
    per: float | None = None
    before: int | None = None

    def _words(self) -> dict[str, str]:
        most = "is reset" if self.most is None else f"allows {self.most:,}"
        per = "" if self.per is None else f" per {span(self.per)}"
        before = "" if self.before is None else f"; it was {self.before:,}, and the code says otherwise"
        return {"most": most, "per": per, "key": _key(self.key), "before": before}


def limits_changed(limits: Iterable[StoredLimit], changed: Iterable[StoredLimit]) -> Iterator[LimitChanged]:
    """What is reported of limits that code has stored.

    Args:
        limits: What is stored.
        changed: Those that had other values, as they were: the answer to `SetLimits`.
    """
    by_name = {one.name: one for one in limits}
    for before in changed:
        limit = by_name[before.name]
        per = None if limit.per is None else limit.per / MICROSECONDS
        yield LimitChanged(limit.name, None, limit.most, per, before.most)


@dataclass(frozen=True, slots=True)
class LimitPaused(Fact):
    """This runner paused a limit by key, for all runners of the database. `key`: as JSON; None: every key. `until`: the
    end of the pause, which comes by itself; None: it has none.
    """

    level = logging.WARNING
    part = "engine"
    text = "limit paused: no runner starts jobs that {limit} counts for {key} until {until}, by {by}"
    limit: str
    key: str | None
    by: str
    until: datetime | None = None

    def _words(self) -> dict[str, str]:
        until = "it is resumed" if self.until is None else instant(self.until)
        return {"key": _key(self.key), "until": until}


@dataclass(frozen=True, slots=True)
class LimitResumed(Fact):
    """This runner resumed a paused limit by key. `key`: as JSON; None: every key that is not paused of its own."""

    part = "engine"
    text = "limit resumed: jobs that {limit} counts for {key} start again"
    limit: str
    key: str | None

    def _words(self) -> dict[str, str]:
        return {"key": _key(self.key)}


@dataclass(frozen=True, slots=True)
class RateRestarted(Fact):
    """This runner began the count of a rate anew, for one key. `key`: as JSON."""

    part = "engine"
    text = "rate restarted: what has started counts no more for {limit} and the key {key}"
    limit: str
    key: str


def _key(key: str | None) -> str:
    return "every key" if key is None else f"the key {key}"
