"""How a database stands: what a person asks first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from aiojobs_lite.model.job import Held
from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.model.runners import RunnerInfo
from aiojobs_lite.model.writes import unanswered

IN_LANES: Final = "lane"
"""The reason under which jobs are counted that wait in lanes."""


PAUSED: Final = "paused"
"""The reason for which jobs of a paused type wait."""

WITHOUT_HANDLER: Final = (Held.PAYLOAD, Held.LISTENER)
"""The reasons for which jobs are held until a runner starts that has a handler for them."""


@dataclass(frozen=True, slots=True)
class BoundedCount:
    """A count that goes no further than a limit.

    Attributes:
        count: How many there are, the limit at most.
        is_more: Whether there are more.
    """

    count: int
    is_more: bool

    def __str__(self) -> str:
        return f"{self.count:,}{'+' if self.is_more else ''}"


class Overview(NamedTuple):
    """How a database stands at an instant, as one transaction sees it.

    Attributes:
        counts: How many jobs of each type are pending, processing, completed, dead and cancelled.
        due: The jobs that could start now if a slot were free: they are due, not held, their type is not paused, and no
            limit by key holds them back; of the jobs of one lane only the first counts.
        oldest_due: Since when the longest waiting one of them has been due, of each type that has any.
        waiting: Since when the longest waiting one of the others has been due that only a person or a limit lets start,
            by reason and type: `PAUSED`; `IN_LANES`, for a full or paused limit or for its turn, where it waits longer
            than what is due of its type; or the reason for which it is held, if a handler is missing (`payload`,
            `listener`): of the first hundred of a type. Only what there is.
        held: The jobs that are held, by reason; and under `IN_LANES` those that wait in lanes, for their turn or for a
            limit by key. Only what there is.
        paused: The types that are paused.
        runners: The runners that are stored; `is_alive` says only that no end is noted.
    """

    counts: Mapping[str, tuple[int, int, int, int, int]]
    due: BoundedCount
    oldest_due: Mapping[str, int]
    waiting: Mapping[str, Mapping[str, int]]
    held: Mapping[str, BoundedCount]
    paused: Mapping[str, Pause]
    runners: Sequence[RunnerInfo]


class GetOverview(NamedTuple):
    """How the database stands. Costs the same however many jobs there are. Answer: its `Overview`.

    Attributes:
        now: The instant.
        most: How far jobs are counted.
    """

    now: int
    most: int

    def answer(self) -> Overview:
        """See `Query`."""
        unanswered()
