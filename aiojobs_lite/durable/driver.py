"""What a driver is that runs a run by calls: each gives what was done, and answers with what comes next."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from aiojobs_lite.durable.operations import Operation, RunEnd
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.model.steps import StepRow


class Round(NamedTuple):
    """The operations of an answer, and what is to be known of them beyond.

    Attributes:
        operations: The operations. None at all: the path of the code that was called for ends, others go on.
        raced: The names of operations in race: as soon as one of them has ended, the driver is called without a target,
            while the others go on.
        calls_each: Whether, in a run that once had several operations side by side, all operations are in race, and
            each call plans: so it is from this answer on.
        has_stored: Whether another task or process may have stored operations of the run while this was answered
            (`save_checkpoint`): then they are read anew.
    """

    operations: Sequence[Operation]
    raced: Collection[str] = ()
    calls_each: bool = False
    has_stored: bool = False


Answer = Sequence[Operation] | Round | RunEnd


class DriverCall(NamedTuple):
    """One call of a driver.

    Attributes:
        run: The attempt; its payload is JSON, word for word as it came.
        ended: The operations that have ended, in the order in which they did, with their memos.
        target: The planned step that is to run, and nothing else; None: find out what is next.
        attempt: How often that has failed before, from 0. It counts anew as soon as an operation has ended.
        waiting: The operations that have not ended, in the order in which they were stored: planned, sleeping, waiting,
            or failed and to be tried again.
        is_planning: Whether the code is to run no step but the target, and to answer which steps it would run: there
            are several side by side.
        notes: The memos that the driver stored for itself, by their names, which begin with `~`.
    """

    run: Claimed
    ended: tuple[StepRow, ...]
    target: str | None
    attempt: int
    waiting: tuple[StepRow, ...] = ()
    is_planning: bool = False
    notes: Mapping[str, str] = {}  # is not changed

    @property
    def max_attempts(self) -> int:
        """How often what is called for is tried at most: the last one has the attempt `max_attempts - 1`."""
        return self.run.max_attempts


class Driver(Protocol):
    """Runs the code of a run wherever that is, and returns what it says."""

    async def call(self, call: DriverCall) -> Answer:
        """Has the code go on behind what was done.

        Of a call without a target, operations that are known already are ignored. Whatever is called for, `RunRaised`
        means that this is tried again as long as it has attempts, and is the end of the run then. What this raises is
        what a handler raises: the attempt failed.

        A `StepRan` whose name begins with `~` is a note of the driver's own: it is stored with the operations, given
        back in `notes`, and is none of the operations of the run.
        """
