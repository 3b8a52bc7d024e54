"""The ends of attempts: how one leaves `processing`. Each is fenced by `(id, attempt, owner)`.

The answer to each is the status that the job has after it; None if the attempt was not owned any more. Then nothing
changed, in its whole unit. A store whose owners may come back after they were lost also answers None if the attempt is
another owner's that lives.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from aiojobs_lite.model.job import Failure, Held, Outcome, Status
from aiojobs_lite.model.writes import unanswered

CANCEL_REQUESTED = "cancel requested"  # the reason of a job that was asked to cancel while processing, without another

Counter = Literal["interruptions", "snoozes", "crashes"]
COUNTERS: Final[Mapping[Outcome, Counter]] = MappingProxyType(
    {
        Outcome.INTERRUPTED: "interruptions",
        Outcome.SNOOZED: "snoozes",
        Outcome.SUSPENDED: "snoozes",
        Outcome.LOST: "crashes",
    }
)
"""The counter of a job that an outcome moves; of any other outcome none."""


class Complete(NamedTuple):
    """The attempt succeeded: the job is completed.

    Attributes:
        id: The job.
        attempt: Its number.
        owner: The owner that ran it.
        type: The job's type.
        result: What the handler returned, as JSON, or None.
        note: Why the result was not kept, or None; stored as the job's reason.
    """

    id: int
    attempt: int
    owner: str
    type: str
    result: str | None = None
    note: str | None = None

    def answer(self) -> Status | None:
        """See `Write`."""
        unanswered()


class Close(NamedTuple):
    """The job is dead or cancelled. The attempt is recorded, and counted as `Again` says.

    Attributes:
        id: The job.
        attempt: Its number.
        owner: The owner that ran it.
        type: The job's type.
        outcome: How the attempt ended.
        status: `dead` or `cancelled`.
        reason: Why, or None.
        failure: What was raised, or None.
        refund: Whether the attempt does not count, as that of a job that snoozed and was asked to cancel.
    """

    id: int
    attempt: int
    owner: str
    type: str
    outcome: Outcome
    status: Status
    reason: str | None
    failure: Failure | None = None
    refund: bool = False

    def answer(self) -> Status | None:
        """See `Write`."""
        unanswered()

    @property
    def counter(self) -> Counter | None:
        """Which counter of the job moves by one."""
        return COUNTERS.get(self.outcome)


class Again(NamedTuple):
    """The job is pending again. A store decides nothing of it: it has this class decide.

    - If a cancel was asked for meanwhile, it is `cancelled()` instead, and the answer says so.
    - Else it is as `resumed()` returns it. Then `counted`, `counter` and `is_recorded` hold.
    - Of each outcome a job's history has the newest `MOST_ATTEMPTS_KEPT`.
    - A job that is suspended does not expire any more: it has begun.

    Attributes:
        id: The job.
        attempt: Its number.
        owner: The owner that ran it.
        type: The job's type.
        outcome: How the attempt ended.
        scheduled_at: When it may run again, in microseconds; of a job that is held, now at the latest.
        refund: Whether the attempt does not count.
        held: Why it is not to be claimed then, or None.
        failure: What was raised, or None.
        reason: Why it snoozed or is held, or None.
        waits_for: The operations (`model/steps.py`) for which it is suspended: if one of them has ended meanwhile, it
            is due now at the latest, not held, and `restarts`. So it is as soon as one of them ends, unless it was
            claimed before.
        restarts: Whether an operation ended in this attempt: attempts count from it, as `counted` says, and crashes
            before it count no more.
    """

    id: int
    attempt: int
    owner: str
    type: str
    outcome: Outcome
    scheduled_at: int
    refund: bool = False
    held: Held | None = None
    failure: Failure | None = None
    reason: str | None = None
    waits_for: tuple[str, ...] = ()
    restarts: bool = False

    def answer(self) -> Status | None:
        """See `Write`."""
        unanswered()

    def resumed(self, now: int, *, has_ended_step: bool) -> Again:
        """What it is at the instant at which it is stored.

        Args:
            now: That instant, in microseconds.
            has_ended_step: Whether an operation of `waits_for` has ended meanwhile.
        """
        if has_ended_step:
            return self._replace(restarts=True, held=None, scheduled_at=min(self.scheduled_at, now))
        return self if self.held is None else self._replace(scheduled_at=min(self.scheduled_at, now))

    @property
    def is_suspended(self) -> bool:
        """Whether the handler waits for operations: the attempt goes on, as another one."""
        return self.outcome is Outcome.SUSPENDED

    @property
    def is_recorded(self) -> bool:
        """Whether the job's history has the attempt: not if no handler ran, or if it goes on."""
        return self.held is None and not self.is_suspended

    @property
    def counter(self) -> Counter | None:
        """Which counter of the job moves by one; none of a job that is held for its payload."""
        return COUNTERS.get(self.outcome) if self.is_recorded or self.is_suspended else None

    @property
    def counted(self) -> int:
        """How many attempts of the job count after it."""
        is_lost = self.outcome is Outcome.LOST
        attempts = count_restarted(self.attempt, is_lost=is_lost) if self.restarts else self.attempt
        return max(attempts - self.refund, 0)

    def cancelled(self, reason: str | None = None) -> Close:
        """The end of a job that was asked to cancel, and why if that is known: it does not run again."""
        outcome = Outcome.CANCELLED if self.is_suspended else self.outcome
        return Close(
            self.id, self.attempt, self.owner, self.type, outcome, Status.CANCELLED, reason or CANCEL_REQUESTED,
            self.failure, self.refund,
        )  # fmt: skip


def count_restarted(attempts: int, *, is_lost: bool) -> int:
    """How many attempts of a job count when an operation of it has ended: one; two if the latest had the number 2, and
    was lost. Its owner may live, and claim the job again: what it still writes for the lost attempt, or another runner
    about that, must not be taken for something of the next one, which has another number so.
    """
    return 2 if is_lost and attempts == 2 else min(attempts, 1)  # the number that follows 1


def least_number(attempt: int) -> int:
    """Which attempt it is at least since an operation of its job has ended: `count_restarted` may have left out 2."""
    return attempt - 1 if attempt > 2 else attempt


End = Complete | Again | Close
"""How an attempt leaves `processing`."""

ENDS = (Complete, Again, Close)
