"""What a runner reports of job types."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from aiojobs_lite.telemetry.fact import Fact
from aiojobs_lite.telemetry.wording import counted, instant


@dataclass(frozen=True, slots=True)
class TypePaused(Fact):
    """A type was paused in every runner of the database; or this runner noticed the pause, at its start or after a
    commit of another process. `since`, `by`: the time and the author of the pause; None if they are not stored.
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
    """A paused type was resumed, in this or in another process."""

    part = "engine"
    text = "resumed: jobs of {type} start again"
    type: str


@dataclass(frozen=True, slots=True)
class PayloadsUnfit(Fact):
    """At the start of this runner, of `sampled` jobs of a type that wait, the first and the last ones, `unfit` have a
    payload that its handler does not take. No attempt is used: each is held when it is claimed. But for `raising` of
    them a validator raises an error of another kind than `ValueError`: that fails each of their attempts. `job_id` and
    `reason`: the first of them.
    """

    level = logging.WARNING
    part = "engine"
    text = (
        "unfit payloads: {unfit} of {sampled} of {type} looked at, which wait. This handler does not take them: "
        "{raising}. Deploy an upgrade= for them, or a version that takes them, which runs them. The "
        "first is job {job_id}: {reason}"
    )
    type: str
    sampled: int
    unfit: int
    job_id: int
    reason: str
    raising: int = 0

    def _words(self) -> dict[str, str]:
        fails = f"the attempts of {self.raising:,} will fail, by an error of a validator that is no ValueError"
        becomes = f"they will be held, none is lost, but {fails}" if self.raising else "they will be held, none is lost"
        return {"sampled": counted(self.sampled, "job"), "raising": fails if self.raising == self.unfit else becomes}


@dataclass(frozen=True, slots=True)
class TypesUnclaimed(Fact):
    """Jobs wait for a runner that has registered their type; neither this runner nor another live one that runs jobs
    has. `types`: the names, each with the number of jobs.
    """

    level = logging.WARNING
    part = "engine"
    text = "unclaimed: jobs wait for a runner that has registered their types, no live one has: {types}"
    types: str
