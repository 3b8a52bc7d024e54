"""`settle`: what is written after an attempt; steps (`settle_step`) and ends that a store rejects are outside of it.

Of these `simplified` says what is written instead. Of a cancel that is committed meanwhile, or of an operation that has
ended, the store alone knows: it writes what `Again.cancelled` and `Again.resumed` say. Nothing else decides.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from aiojobs_lite.clock import after
from aiojobs_lite.model.ends import CANCEL_REQUESTED, Again, Close, Complete, least_number
from aiojobs_lite.model.job import Claimed, Failure, Held, Outcome, Status
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.policy.verdict import Verdict, Wish, judge
from aiojobs_lite.sizes import LONGEST_REASON_CHARS
from aiojobs_lite.text import make_storable

MOST_CRASHES = 3  # a job whose owners died so often since its latest operation ended is dead
ABANDONED = "abandoned by its handler"  # the reason of a job that `Abandon` made dead
FREE_INTERRUPTIONS = 20  # each further interruption of a job costs an attempt


class Stop(StrEnum):
    """Why a runner stopped an attempt that was still running."""

    TIMEOUT = "timeout"
    CANCEL = "cancel"
    SHUTDOWN = "shutdown"
    SUSPEND = "suspend"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a job type says about failures.

    Attributes:
        backoff: The waits between attempts.
        retry_on: Only these exceptions are tried again; None: all are.
        abandon_on: These exceptions are never tried again.
        outlives_crashes: Whether no job dies of the deaths of its owners: its code runs elsewhere, and is not what
            kills them. After as many as another job dies of, each further one has a wait, as between attempts.
    """

    backoff: Backoff = field(default_factory=Backoff)
    retry_on: tuple[type[BaseException], ...] | None = None
    abandon_on: tuple[type[BaseException], ...] = ()
    outlives_crashes: bool = False

    def judge(self, error: BaseException | None) -> Verdict:
        """What becomes of the job of an attempt that ended with this exception."""
        return Verdict(Wish.AGAIN) if error is None else judge(error, self.retry_on, self.abandon_on)


class Suspension(NamedTuple):
    """Why an attempt is suspended: all its branches wait.

    Attributes:
        until: The first instant that ends one of the waits, in microseconds; None: no instant does.
        waits_for: The names of the operations that they wait for.
    """

    until: int | None
    waits_for: tuple[str, ...]


class Ending(NamedTuple):
    """How an attempt ended, as the runner observed it from outside.

    Attributes:
        result: What the handler returned, as JSON; None for nothing.
        note: What is to be known about a success, such as that its result was not kept.
        error: What the handler raised; None if it returned.
        failure: The record of `error`.
        verdict: What `error` asks for, where it is not the original; None: the policy is asked.
        stopped: Why the runner stopped it; None if it did not, or if stopping it had no effect on it.
        lost: Its owner died; `interrupted` says whether a drain had left it running.
        interrupted: A drain had left it running when its owner died.
        is_type_unknown: It is lost, and the runner that noticed it has not registered its type. A runner that has
            decides whether the job is at its end, when it claims it.
        is_outlived: Attempts before it were lost in that way, and the job is at its end (`outlived`): it was claimed,
            and its handler was not called. `lost` is set as well.
        unreadable: Why the payload does not fit the handler, which was not called.
        unbegun: The runner could not begin it, because of `error`: no task could be made, say.
        suspension: What it waits for, if it was stopped for that.
        restarts: Whether an operation ended in it, such as a step: it counts as the first attempt of what follows.
    """

    result: str | None = None
    note: str | None = None
    error: BaseException | None = None
    failure: Failure | None = None
    verdict: Verdict | None = None
    stopped: Stop | None = None
    lost: bool = False
    interrupted: bool = False
    is_type_unknown: bool = False
    is_outlived: bool = False
    unreadable: str | None = None
    unbegun: bool = False
    suspension: Suspension | None = None
    restarts: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether the handler returned, and what it returned counts."""
        return self.error is None and self.stopped is None and not self.lost and self.unreadable is None


RETURNED: Final = Ending()
"""The handler returned nothing, as nearly all do."""


def outlived(job: Claimed, policy: Policy, *, has_restarted: bool) -> bool:
    """Whether a job that was just claimed is at its end: by deaths of its owners, which a runner noticed that has not
    registered its type.

    Args:
        job: The job.
        policy: That of its type.
        has_restarted: Whether an operation of it has ended: then its attempts began anew, and one may have the number
            of the next.
    """
    number = least_number(job.attempt) if has_restarted else job.attempt
    are_used_up = job.crashes > 0 and number > job.max_attempts
    return (job.crashes >= MOST_CRASHES or are_used_up) and not policy.outlives_crashes


def settle(
    job: Claimed,
    ending: Ending,
    policy: Policy,
    now: int,
    *,
    cancel: str | None = None,
    chance: Callable[[], float] = random.random,
) -> Complete | Again | Close:
    """Decides what is written after an attempt. Pure and total.

    Args:
        job: The attempt that ended.
        ending: How it ended.
        policy: What its type says about failures.
        now: The instant, in microseconds.
        cancel: Why a cancel of the job was requested, or None if none was; after one it does not run again.
        chance: The backoff's randomness, 0 to 1.

    Returns:
        The write that ends the attempt.
    """
    if ending is RETURNED or ending.succeeded:  # nearly always; even a cancel that was requested does not matter then
        return Complete(job.id, job.attempt, job.owner, job.type, ending.result, ending.note)
    end = _Settlement(job, policy, now, chance, cancel, restarts=ending.restarts).of(ending)
    return end if cancel is None or isinstance(end, Close) else end.cancelled(cancel)


class _Settlement:
    """The rules of `settle` for an attempt that did not succeed, one a method."""

    def __init__(
        self, job: Claimed, policy: Policy, now: int, chance: Callable[[], float], cancel: str | None, *, restarts: bool
    ) -> None:
        self._job = job
        # Of what follows the last operation that ended:
        self._attempt, self._crashes = (1, 0) if restarts else (job.attempt, job.crashes)
        self._restarts = restarts
        self._policy = policy
        self._now = now
        self._chance = chance
        self._cancel = cancel

    def of(self, ending: Ending) -> Again | Close:
        if ending.unreadable is not None:
            return self._held(ending.unreadable)
        if ending.lost:
            return self._ownerless(ending)
        if ending.unbegun:
            return self._unbegun(ending.failure)
        if ending.stopped is Stop.SUSPEND and ending.suspension is not None:
            return self._suspended(ending.suspension)
        verdict = ending.verdict or self._policy.judge(ending.error)
        wish, text, ending = verdict.wish, verdict.text, _detailed(ending, verdict)
        if wish is Wish.SNOOZE:
            return self._snoozed(verdict.instant(self._now), text)
        if wish is Wish.CANCEL:
            return self._cancelled(text or "cancelled by its handler", ending.failure)
        if wish is Wish.ABANDON:
            return self._dead(Outcome.FAILED, ABANDONED, ending.failure)
        if ending.stopped is Stop.SHUTDOWN:  # before Retry: a handler may raise that because it was stopped
            return self._interrupted(ending.failure)
        if ending.stopped is Stop.CANCEL:
            return self._cancelled(self._cancel or CANCEL_REQUESTED, ending.failure)
        if wish is Wish.RETRY:
            return self._failed(Outcome.FAILED, ending.failure, verdict.instant(self._now))
        if ending.stopped is Stop.TIMEOUT:
            return self._failed(Outcome.TIMED_OUT, ending.failure)
        if wish is Wish.NEVER:
            return self._dead(Outcome.FAILED, f"{text} is not to be tried again", ending.failure)
        return self._failed(Outcome.FAILED, ending.failure)

    def _failed(self, outcome: Outcome, failure: Failure | None, at: int | None = None) -> Again | Close:
        if self._is_last_attempt:
            return self._dead(outcome, self._used_up, failure)
        if at is None:
            at = after(self._now, self._policy.backoff.delay(self._attempt, self._chance))
        return self._again(outcome, at, failure)

    def _suspended(self, suspension: Suspension) -> Again:
        """Whatever its handler raised meanwhile: it goes on at its next attempt."""
        end = self._again(Outcome.SUSPENDED, self._now if suspension.until is None else suspension.until)
        held = Held.EVENT if suspension.until is None else None
        return end._replace(refund=True, held=held, waits_for=suspension.waits_for)

    def _snoozed(self, at: int | None, reason: str) -> Again:
        end = self._again(Outcome.SNOOZED, self._now if at is None else at)
        return end._replace(refund=True, reason=make_storable(reason, LONGEST_REASON_CHARS) or None)

    def _interrupted(self, failure: Failure | None) -> Again | Close:
        if self._job.interruptions < FREE_INTERRUPTIONS:
            return self._again(Outcome.INTERRUPTED, self._now)._replace(refund=True)
        if self._is_last_attempt:
            return self._dead(Outcome.INTERRUPTED, f"interrupted {self._job.interruptions + 1} times", failure)
        return self._again(Outcome.INTERRUPTED, self._now, failure)

    def _unbegun(self, failure: Failure | None) -> Again | Close:
        """As an interruption, but not again at once: what kept it from its first step may last."""
        end = self._interrupted(failure)
        if isinstance(end, Again):
            delay = self._policy.backoff.delay(self._job.interruptions + 1, self._chance)
            end = end._replace(scheduled_at=after(self._now, delay), failure=failure)
        return end

    def _ownerless(self, ending: Ending) -> Again | Close:
        if ending.is_outlived:
            return self._outlived()
        if ending.is_type_unknown:
            outcome = Outcome.INTERRUPTED if ending.interrupted else Outcome.LOST
            return self._again(outcome, self._now)._replace(refund=ending.interrupted)
        return self._interrupted(ending.failure) if ending.interrupted else self._lost(ending.failure)

    def _lost(self, failure: Failure | None) -> Again | Close:
        if self._policy.outlives_crashes:
            waits = self._crashes + 2 - MOST_CRASHES
            delay = self._policy.backoff.delay(waits, self._chance) if waits > 0 else 0.0
            again = self._again(Outcome.LOST, after(self._now, delay), failure)
            return again._replace(refund=self._is_last_attempt)
        if self._crashes + 1 >= MOST_CRASHES:
            return self._dead(Outcome.LOST, "crashed", failure)
        if self._is_last_attempt:
            return self._dead(Outcome.LOST, self._used_up, failure)
        return self._again(Outcome.LOST, self._now, failure)

    def _outlived(self) -> Close:
        text = f"deaths of its process: {self._crashes}. Its handler was not called again"
        reason = "crashed" if self._crashes >= MOST_CRASHES else self._used_up
        return self._dead(Outcome.FAILED, reason, Failure("AttemptLost", text, ""))._replace(refund=True)

    def _held(self, problem: str) -> Again:
        """The handler was not called. Nothing is recorded of the attempt, and no counter moves, because the job is
        held; the outcome only says that the attempt does not count, should a cancel make a `Close` of it.
        """
        end = self._again(Outcome.SNOOZED, self._job.scheduled_at)
        return end._replace(refund=True, held=Held.PAYLOAD, reason=make_storable(problem, LONGEST_REASON_CHARS))

    def _cancelled(self, reason: str, failure: Failure | None) -> Close:
        return self._close(Outcome.CANCELLED, Status.CANCELLED, reason, failure)

    def _dead(self, outcome: Outcome, reason: str, failure: Failure | None) -> Close:
        return self._close(outcome, Status.DEAD, reason, failure)

    def _close(self, outcome: Outcome, status: Status, reason: str, failure: Failure | None) -> Close:
        job = self._job
        shortened = make_storable(reason, LONGEST_REASON_CHARS)
        return Close(job.id, job.attempt, job.owner, job.type, outcome, status, shortened, failure)

    def _again(self, outcome: Outcome, scheduled_at: int, failure: Failure | None = None) -> Again:
        job = self._job
        return Again(
            job.id, job.attempt, job.owner, job.type, outcome, scheduled_at, failure=failure, restarts=self._restarts
        )

    @property
    def _is_last_attempt(self) -> bool:
        return self._attempt >= self._job.max_attempts

    @property
    def _used_up(self) -> str:
        most = self._job.max_attempts
        return "its only attempt used up" if most == 1 else f"all {most} attempts used up"


def _detailed(ending: Ending, verdict: Verdict) -> Ending:
    """The same with the details that the handler gave, in the record of what it raised."""
    if verdict.details is None or ending.failure is None:
        return ending
    return ending._replace(failure=ending.failure._replace(details=verdict.details))
