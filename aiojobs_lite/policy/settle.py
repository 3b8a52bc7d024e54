"""What follows an attempt: the backoff, what a handler may raise, and `settle`, which alone decides."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from aiojobs_lite.clock import after
from aiojobs_lite.model.job import Claimed, Failure, Outcome, Status
from aiojobs_lite.model.writes import Finish
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.policy.outcomes import Abandon, Cancel, Retry, Signal, Snooze

MOST_CRASHES = 3  # a job that kills its process so often is dead
FREE_INTERRUPTIONS = 20  # a job that is interrupted more often is paying for it
_DEEPEST_GROUP = 100  # groups of exceptions, each alone in the one before
_LARGEST = 2**63 - 1


class Stop(StrEnum):
    """Why a runner stopped an attempt that was still running."""

    TIMEOUT = "timeout"
    CANCEL = "cancel"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a job type says about failures.

    Attributes:
        backoff: The waits between attempts.
        retry_on: Only these exceptions are tried again; None: all are.
        abandon_on: These exceptions are never tried again.
    """

    backoff: Backoff = field(default_factory=Backoff)
    retry_on: tuple[type[BaseException], ...] | None = None
    abandon_on: tuple[type[BaseException], ...] = ()

    def allows_retry(self, error: BaseException | None) -> bool:
        """Whether an attempt that ended with this exception may be tried again."""
        if error is None:
            return True
        if isinstance(error, self.abandon_on):
            return False
        return self.retry_on is None or isinstance(error, self.retry_on)


class Ended(NamedTuple):
    """How an attempt ended, as it was seen from outside.

    Attributes:
        result: What the handler returned, as JSON; None for nothing.
        note: What is to be known about a success, such as that its result was not kept.
        error: What the handler raised; None if it returned.
        failure: The record of `error`.
        may_retry: Whether its policy tries it again, where `error` is not the original; None: the policy is asked.
        stopped: Why the runner stopped it; None if it did not, or if stopping it had no effect on it.
        lost: Its owner died; `interrupted` says whether a drain had left it running.
        unreadable: Why the payload does not fit the handler, which was not called.
    """

    result: str | None = None
    note: str | None = None
    error: BaseException | None = None
    failure: Failure | None = None
    may_retry: bool | None = None
    stopped: Stop | None = None
    lost: bool = False
    interrupted: bool = False
    unreadable: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the handler returned, and what it returned counts."""
        return self.error is None and self.stopped is None and not self.lost and self.unreadable is None


def settle(
    job: Claimed,
    ended: Ended,
    policy: Policy,
    now: int,
    *,
    cancel_requested: bool = False,
    chance: Callable[[], float] = random.random,
) -> Finish:
    """Decides what is written after an attempt. Pure and total: nothing else decides.

    Args:
        job: The attempt that ended.
        ended: How.
        policy: What its type says about failures.
        now: The instant, in microseconds.
        cancel_requested: Somebody asked to cancel it; then it does not run again.
        chance: The backoff's randomness, 0 to 1.

    Returns:
        The write that ends the attempt.
    """
    if ended.succeeded:  # nearly always; not even a cancel that was asked for matters then
        return _spent(job, ended.result, ended.note)
    end = _Settlement(job, policy, now, chance).of(ended)
    return end.cancelled() if cancel_requested else end


def _spent(job: Claimed, result: str | None = None, reason: str | None = None) -> Finish:
    """The end of an attempt that succeeded, from which all others differ in some fields."""
    return Finish(
        job.id, job.type, job.attempt, job.owner, Outcome.SUCCEEDED, Status.COMPLETED, job.attempt,
        job.scheduled_at, job.started_at, job.interruptions, job.snoozes, job.crashes, result, reason,
    )  # fmt: skip


class _Settlement:
    """The rules of `settle` for an attempt that did not succeed, one a method."""

    def __init__(self, job: Claimed, policy: Policy, now: int, chance: Callable[[], float]) -> None:
        self._job = job
        self._policy = policy
        self._now = now
        self._chance = chance
        self._spent = _spent(job)

    def of(self, ended: Ended) -> Finish:
        if ended.unreadable is not None:
            return self._parked(ended.unreadable)
        if ended.lost:
            return self._interrupted(ended.failure) if ended.interrupted else self._lost(ended.failure)
        error = _said(ended.error)
        if isinstance(error, Snooze):
            return self._snoozed(error)
        if isinstance(error, Cancel):
            return self._cancelled(_text(error) or "cancelled by its handler", ended.failure)
        if isinstance(error, Abandon):
            return self._dead(Outcome.FAILED, "abandoned by its handler", ended.failure)
        if ended.stopped is Stop.SHUTDOWN:  # before Retry: a handler may raise that because it was stopped
            return self._interrupted(ended.failure)
        if ended.stopped is Stop.CANCEL:
            return self._cancelled("cancel requested", ended.failure)
        if isinstance(error, Retry):
            return self._failed(Outcome.FAILED, ended.failure, error.after)
        if ended.stopped is Stop.TIMEOUT:
            return self._failed(Outcome.TIMED_OUT, ended.failure)
        if ended.may_retry is None and not self._policy.allows_retry(error):
            return self._dead(Outcome.FAILED, f"{type(error).__name__} is not to be tried again", ended.failure)
        if ended.may_retry is False:
            return self._dead(Outcome.FAILED, f"{error} is not to be tried again", ended.failure)
        return self._failed(Outcome.FAILED, ended.failure)

    def _failed(self, outcome: Outcome, failure: Failure | None, delay: float | None = None) -> Finish:
        if self._job.attempt >= self._job.max_attempts:
            return self._dead(outcome, f"all {self._job.max_attempts} attempts used up", failure)
        if delay is None:
            delay = self._policy.backoff.delay(self._job.attempt, self._chance)
        return self._again(outcome, failure, after(self._now, delay))

    def _dead(self, outcome: Outcome, reason: str, failure: Failure | None) -> Finish:
        return self._spent._replace(outcome=outcome, status=Status.DEAD, reason=reason, failure=failure)

    def _again(self, outcome: Outcome, failure: Failure | None, scheduled_at: int) -> Finish:
        return self._spent._replace(outcome=outcome, status=Status.PENDING, failure=failure, scheduled_at=scheduled_at)

    def _cancelled(self, reason: str, failure: Failure | None) -> Finish:
        return self._spent._replace(outcome=Outcome.CANCELLED, status=Status.CANCELLED, reason=reason, failure=failure)

    def _snoozed(self, snooze: Snooze) -> Finish:
        end = self._again(Outcome.SNOOZED, None, after(self._now, snooze.delay))
        return end._replace(
            attempts=self._job.attempt - 1, snoozes=_one_more(self._job.snoozes), reason=_text(snooze) or None
        )

    def _interrupted(self, failure: Failure | None) -> Finish:
        interruptions = _one_more(self._job.interruptions)
        if interruptions <= FREE_INTERRUPTIONS:
            refunded = max(0, self._job.attempt - 1)
            end = self._again(Outcome.INTERRUPTED, None, self._now)._replace(attempts=refunded)
        elif self._job.attempt >= self._job.max_attempts:
            end = self._dead(Outcome.INTERRUPTED, f"interrupted {interruptions} times", failure)
        else:
            end = self._again(Outcome.INTERRUPTED, failure, self._now)
        return end._replace(interruptions=interruptions)

    def _lost(self, failure: Failure | None) -> Finish:
        crashes = _one_more(self._job.crashes)
        if crashes >= MOST_CRASHES:
            end = self._dead(Outcome.LOST, "crashed", failure)
        elif self._job.attempt >= self._job.max_attempts:
            end = self._dead(Outcome.LOST, f"all {self._job.max_attempts} attempts used up", failure)
        else:
            end = self._again(Outcome.LOST, failure, self._now)
        return end._replace(crashes=crashes)

    def _parked(self, why: str) -> Finish:
        end = self._again(Outcome.SNOOZED, None, self._job.scheduled_at)
        return end._replace(attempts=self._job.attempt - 1, parked=why)


def _one_more(count: int) -> int:
    """The next whole number, as far as a store can hold it: a row may have been written by anybody."""
    return min(count + 1, _LARGEST)


def _said(error: BaseException | None) -> BaseException | None:
    """What was raised; of a group of one, as task groups make it of all that is raised in them, a signal counts."""
    alone = error
    for _ in range(_DEEPEST_GROUP):  # one of the user's making may hold itself
        if not isinstance(alone, BaseExceptionGroup) or len(alone.exceptions) != 1:
            break
        alone = alone.exceptions[0]
    return alone if isinstance(alone, Signal) else error


def _text(signal: Signal) -> str:
    try:
        return str(signal)
    except BaseException as error:  # noqa: BLE001  # of a subclass: the user's code
        return f"(its __str__ raised {type(error).__name__})"
