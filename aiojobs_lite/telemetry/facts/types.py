"""What a runner reports of job types."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from aiojobs_lite.telemetry.fact import Fact
from aiojobs_lite.telemetry.wording import instant


@dataclass(frozen=True, slots=True)
class TypePaused(Fact):
    """The claims of a type were stopped, in every runner of the database; or a runner found them to be, at its start or
    in what another process did. `since` and `by`: when and by whom; None if that is not stored.
    """

    level = logging.WARNING
    part = "engine"
    text = "paused: no runner starts jobs of {type} until it is resumed{since}{by}"
    type: str
    since: datetime | None = None
    by: str | None = None

    def _words(self) -> dict[str, str]:
        since = f"; since {instant(self.since)}" if self.since else ""
        return {"since": since, "by": f", by {self.by}" if self.by else ""}


@dataclass(frozen=True, slots=True)
class TypeResumed(Fact):
    """A paused type is claimed again, in whatever process it was resumed."""

    part = "engine"
    text = "resumed: jobs of {type} start again"
    type: str


@dataclass(frozen=True, slots=True)
class TypesUnclaimed(Fact):
    """Jobs wait whose type is not registered in this runner. `types`: their names, each with how many jobs wait."""

    level = logging.WARNING
    part = "engine"
    text = "unclaimed: jobs wait for a runner that has registered their types, this one has not: {types}"
    types: str
