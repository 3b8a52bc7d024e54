"""How much a run may store that a driver runs by calls, and how long it may take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from aiojobs_lite.durable.memos import MOST_STEPS
from aiojobs_lite.durable.notes import is_note
from aiojobs_lite.durable.operations import Operation, StepRaised, StepRan
from aiojobs_lite.errors import RunTooLarge, TooManySteps
from aiojobs_lite.model.steps import StepRow
from aiojobs_lite.sizes import LARGEST_DRIVEN_RESULT_BYTES, LARGEST_DRIVEN_STATE_BYTES


class RunLimits(NamedTuple):
    """The most that a run may store, beyond which it has failed for good, and how long it may take.

    Attributes:
        result: Bytes of what a step gave, or the run returned.
        state: Bytes of what all operations gave, the notes of the driver among them.
        steps: Operations; the notes do not count.
        seconds: From the beginning of its first attempt until it is cancelled, also while it sleeps or waits; None:
            there is no such limit.
    """

    result: int = LARGEST_DRIVEN_RESULT_BYTES
    state: int = LARGEST_DRIVEN_STATE_BYTES
    steps: int = MOST_STEPS
    seconds: float | None = None


class RunSize:
    """How much a run has stored.

    Args:
        job_id: The job of the run.
        limits: How much it may store.

    Attributes:
        limits: As given.
    """

    def __init__(self, job_id: int, limits: RunLimits) -> None:
        self._job_id = job_id
        self.limits = limits
        self._sizes: dict[str, int] = {}  # of what has ended, which never changes

    def check(self, stored: Iterable[StepRow], new: Mapping[str, Operation]) -> None:
        """Refuses operations that are new, or change, by their names, if the run would be too large with them.

        Raises:
            RunTooLarge: If what one of them gave is too large, or what all of the run gave.
            TooManySteps: If they are too many.
        """
        count, total = 0, 0
        for row in stored:
            if row.name in new:
                continue
            count += not is_note(row.name)
            total += self._size_of(row)
        for operation in new.values():
            memo = operation.memo if isinstance(operation, StepRan | StepRaised) else None
            self.check_result(f"what {operation.name!r} gave", memo)
            count += not is_note(operation.name)
            total += _bytes_of(memo)
            if count > self.limits.steps:
                raise TooManySteps(self._job_id, operation.name, self.limits.steps)
            if total > self.limits.state:
                raise RunTooLarge(self._job_id, "what all of its operations gave", total, self.limits.state)

    def check_result(self, what: str, text: str | None) -> None:
        """Refuses one result that is too large.

        Raises:
            RunTooLarge: If it is.
        """
        size = _bytes_of(text)
        if size > self.limits.result:
            raise RunTooLarge(self._job_id, what, size, self.limits.result)

    def _size_of(self, row: StepRow) -> int:
        known = self._sizes.get(row.name)
        if known is None:
            known = _bytes_of(row.memo)
            if row.ended_at is not None:
                self._sizes[row.name] = known
        return known


def _bytes_of(text: str | None) -> int:
    """Bytes of a text in UTF-8."""
    if text is None:
        return 0
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
