"""What a driver is that runs a run by calls: each gives what was done, and answers with what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from aiojobs_lite.durable.operations import Operation, RunEnd
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.model.steps import StepRow

Answer = Sequence[Operation] | RunEnd


class DriverCall(NamedTuple):
    """One call of a driver.

    Attributes:
        run: The attempt; its payload is JSON, word for word as it came.
        ended: The operations that have ended, in the order in which they did, with their memos.
        target: The planned step that is to run, and nothing else; None: find out what is next.
        attempt: How often that has failed before, from 0.
    """

    run: Claimed
    ended: tuple[StepRow, ...]
    target: str | None
    attempt: int


class Driver(Protocol):
    """Runs the code of a run wherever that is, and returns what it says."""

    async def call(self, call: DriverCall) -> Answer:
        """Has the code go on behind what was done.

        Of a call without a target, operations that are known already are ignored. Of one with a target, `RunRaised`
        means that this step failed. What this raises is what a handler raises: the attempt failed.
        """
