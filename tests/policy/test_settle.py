"""Every row of `settle`: what follows an attempt."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.durations import LONGEST_S
from aiojobs_lite.model.ends import Again, Close, Complete, End
from aiojobs_lite.model.job import TRANSITIONS, Claimed, Failure, Held, Outcome, Status
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.policy.outcomes import Abandon, Cancel, Retry, Snooze
from aiojobs_lite.policy.settle import (
    FREE_INTERRUPTIONS,
    MOST_CRASHES,
    Ending,
    Policy,
    Stop,
    Suspension,
    outlived,
    settle,
)
from aiojobs_lite.policy.verdict import Wish
from tests.helpers.instants import SECOND

NOW = 1_000_000_000
DUE = 900_000_000
FAILURE = Failure("ValueError", "bad", "trace")
BOOM = ValueError("bad")
POLICY = Policy(Backoff(base=2, cap=3600))


def claimed(attempt: int = 1, of: int = 5, *, interruptions: int = 0, snoozes: int = 0, crashes: int = 0) -> Claimed:
    return Claimed(
        id=7, type="email", payload="{}", priority=1, scheduled_at=DUE, attempt=attempt, max_attempts=of,
        created_at=1, started_at=NOW - SECOND, interruptions=interruptions, snoozes=snoozes, crashes=crashes,
        tick=None, owner="me",
    )  # fmt: skip


def longest() -> float:
    """The longest wait that chance gives."""
    return 1.0


def complete(result: str | None = None, note: str | None = None) -> Complete:
    return Complete(7, 0, "me", "email", result, note)


def again(
    outcome: Outcome,
    wait: float = 0.0,
    *,
    refund: bool = False,
    failure: Failure | None = None,
    reason: str | None = None,
) -> Again:
    return Again(7, 0, "me", "email", outcome, NOW + round(wait * SECOND), refund, None, failure, reason)


def dead(outcome: Outcome, reason: str) -> Close:
    return Close(7, 0, "me", "email", outcome, Status.DEAD, reason, FAILURE)


def cancelled(reason: str) -> Close:
    return Close(7, 0, "me", "email", Outcome.CANCELLED, Status.CANCELLED, reason, FAILURE)


class Row(NamedTuple):
    """A row of the table: a job, how its attempt ended, and the end that is written of it, whatever its attempt."""

    name: str
    job: Claimed
    ending: Ending
    expected: End


RAISED = Ending(error=BOOM, failure=FAILURE)
TIMED_OUT = Ending(error=asyncio.CancelledError(), failure=FAILURE, stopped=Stop.TIMEOUT)
SHUT_DOWN = Ending(error=asyncio.CancelledError(), failure=FAILURE, stopped=Stop.SHUTDOWN)
UNBEGUN = Ending(error=BOOM, failure=FAILURE, unbegun=True)
LOST = Ending(lost=True, failure=FAILURE)
ADVANCED = Ending(lost=True, failure=FAILURE, restarts=True)
LEFT = Ending(lost=True, interrupted=True, failure=FAILURE)
STRANGE = Ending(lost=True, is_type_unknown=True)

TABLE = [
    Row("it returns nothing", claimed(), Ending(), complete()),
    Row("it returns something", claimed(3), Ending(result="1"), complete("1")),
    Row("it returns in its last attempt", claimed(5), Ending(result="1"), complete("1")),
    Row("its result is not kept", claimed(), Ending(note="too odd"), complete(note="too odd")),
    Row("it raises", claimed(1), RAISED, again(Outcome.FAILED, 2, failure=FAILURE)),
    Row("it raises again", claimed(3), RAISED, again(Outcome.FAILED, 8, failure=FAILURE)),
    Row("it raises for the last time", claimed(5), RAISED, dead(Outcome.FAILED, "all 5 attempts used up")),
    Row("it raises in its only attempt", claimed(1, 1), RAISED, dead(Outcome.FAILED, "its only attempt used up")),
    Row("more attempts than allowed", claimed(6, 5), RAISED, dead(Outcome.FAILED, "all 5 attempts used up")),
    Row(
        "it raises a cancellation of its own", claimed(), Ending(error=asyncio.CancelledError(), failure=FAILURE),
        again(Outcome.FAILED, 2, failure=FAILURE),
    ),
    Row(
        "Retry with a delay", claimed(2), Ending(error=Retry(after="30s"), failure=FAILURE),
        again(Outcome.FAILED, 30, failure=FAILURE),
    ),
    Row(
        "Retry at once", claimed(2), Ending(error=Retry(after=0), failure=FAILURE),
        again(Outcome.FAILED, 0, failure=FAILURE),
    ),
    Row(
        "Retry after longer than the cap", claimed(2), Ending(error=Retry(after="2d"), failure=FAILURE),
        again(Outcome.FAILED, 172_800, failure=FAILURE),
    ),
    Row(
        "Retry without a delay", claimed(2), Ending(error=Retry("later"), failure=FAILURE),
        again(Outcome.FAILED, 4, failure=FAILURE),
    ),
    Row(
        "Retry for the last time", claimed(5), Ending(error=Retry(after=1), failure=FAILURE),
        dead(Outcome.FAILED, "all 5 attempts used up"),
    ),
    Row(
        "Retry because of a timeout", claimed(2), Ending(error=Retry(after=9), failure=FAILURE, stopped=Stop.TIMEOUT),
        again(Outcome.FAILED, 9, failure=FAILURE),
    ),
    Row(
        "Retry at an instant", claimed(2), Ending(error=Retry(after=to_datetime(NOW + 70 * SECOND)), failure=FAILURE),
        again(Outcome.FAILED, 70, failure=FAILURE),
    ),
    Row(
        "Retry at an instant that is past", claimed(2), Ending(error=Retry(after=to_datetime(DUE)), failure=FAILURE),
        again(Outcome.FAILED, 0, failure=FAILURE),
    ),
    Row(
        "Snooze to an instant beyond a century", claimed(2),
        Ending(error=Snooze("Fri, 31 Dec 9999 00:00:00 GMT"), failure=FAILURE),
        again(Outcome.SNOOZED, LONGEST_S, refund=True),
    ),
    Row(
        "Snooze", claimed(1), Ending(error=Snooze("10m"), failure=FAILURE),
        again(Outcome.SNOOZED, 600, refund=True),
    ),
    Row(
        "Snooze with a reason, in the last attempt", claimed(5, snoozes=3), Ending(error=Snooze(1, "too early")),
        again(Outcome.SNOOZED, 1, refund=True, reason="too early"),
    ),
    Row(
        "Snooze during a shutdown", claimed(2), Ending(error=Snooze(1), stopped=Stop.SHUTDOWN),
        again(Outcome.SNOOZED, 1, refund=True),
    ),
    Row(
        "Abandon", claimed(1), Ending(error=Abandon("bad input"), failure=FAILURE),
        dead(Outcome.FAILED, "abandoned by its handler"),
    ),
    Row("Cancel", claimed(1), Ending(error=Cancel("gone"), failure=FAILURE), cancelled("gone")),
    Row(
        "Cancel without a reason", claimed(1), Ending(error=Cancel(), failure=FAILURE),
        cancelled("cancelled by its handler"),
    ),
    Row("timeout", claimed(2), TIMED_OUT, again(Outcome.TIMED_OUT, 4, failure=FAILURE)),
    Row("the last timeout", claimed(5), TIMED_OUT, dead(Outcome.TIMED_OUT, "all 5 attempts used up")),
    Row(
        "timeout, swallowed", claimed(2), Ending(result="1", stopped=Stop.TIMEOUT),
        again(Outcome.TIMED_OUT, 4),
    ),
    Row(
        "stopped by a cancel", claimed(5), Ending(error=asyncio.CancelledError(), failure=FAILURE, stopped=Stop.CANCEL),
        cancelled("cancel requested"),
    ),
    Row(
        "Retry because of a cancel, in the last attempt", claimed(5),
        Ending(error=Retry(after=1), failure=FAILURE, stopped=Stop.CANCEL), cancelled("cancel requested"),
    ),
    Row(
        "shutdown", claimed(1), SHUT_DOWN,
        again(Outcome.INTERRUPTED, refund=True),
    ),
    Row(
        "shutdown in the last attempt", claimed(5), SHUT_DOWN,
        again(Outcome.INTERRUPTED, refund=True),
    ),
    Row(
        "Retry because of a shutdown", claimed(5),
        Ending(error=Retry(after=60), failure=FAILURE, stopped=Stop.SHUTDOWN),
        again(Outcome.INTERRUPTED, refund=True),
    ),
    Row(
        "any error because of a shutdown", claimed(5), Ending(error=BOOM, failure=FAILURE, stopped=Stop.SHUTDOWN),
        again(Outcome.INTERRUPTED, refund=True),
    ),
    Row(
        "the last free interruption", claimed(2, interruptions=19), SHUT_DOWN,
        again(Outcome.INTERRUPTED, refund=True),
    ),
    Row(
        "the first interruption that costs", claimed(2, interruptions=20), SHUT_DOWN,
        again(Outcome.INTERRUPTED, failure=FAILURE),
    ),
    Row(
        "an interruption that costs the last attempt", claimed(5, interruptions=20), SHUT_DOWN,
        dead(Outcome.INTERRUPTED, "interrupted 21 times"),
    ),
    Row(
        "it could not begin", claimed(5), UNBEGUN,
        again(Outcome.INTERRUPTED, 2, refund=True, failure=FAILURE),
    ),
    Row(
        "it could not begin again", claimed(5, interruptions=3), UNBEGUN,
        again(Outcome.INTERRUPTED, 16, refund=True, failure=FAILURE),
    ),
    Row(
        "it could not begin too often", claimed(5, interruptions=20), UNBEGUN,
        dead(Outcome.INTERRUPTED, "interrupted 21 times"),
    ),
    Row("lost", claimed(1), LOST, again(Outcome.LOST, failure=FAILURE)),
    Row("lost again", claimed(2, crashes=1), LOST, again(Outcome.LOST, failure=FAILURE)),
    Row("lost for the third time", claimed(3, crashes=2), LOST, dead(Outcome.LOST, "crashed")),
    Row("lost once too often", claimed(4, crashes=3), LOST, dead(Outcome.LOST, "crashed")),
    Row("lost in the last attempt", claimed(5), LOST, dead(Outcome.LOST, "all 5 attempts used up")),
    Row(
        "lost after an operation ended in it", claimed(5, crashes=2), ADVANCED,
        again(Outcome.LOST, failure=FAILURE)._replace(restarts=True),
    ),
    Row(
        "lost after an operation ended in its only attempt", claimed(1, 1), ADVANCED,
        dead(Outcome.LOST, "its only attempt used up"),
    ),
    Row("crashed in the last attempt", claimed(3, 3, crashes=2), LOST, dead(Outcome.LOST, "crashed")),
    Row(
        "left running by a drain", claimed(5, crashes=2), LEFT,
        again(Outcome.INTERRUPTED, refund=True),
    ),
    Row(
        "left running too often", claimed(2, interruptions=20), LEFT,
        again(Outcome.INTERRUPTED, failure=FAILURE),
    ),
    Row(
        "unreadable", claimed(5), Ending(unreadable="user: Field required"),
        Again(
            7, 0, "me", "email", Outcome.SNOOZED, DUE, refund=True, held=Held.PAYLOAD, reason="user: Field required"
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_settle_writes_what_its_table_says(row: Row) -> None:
    assert settle(row.job, row.ending, POLICY, NOW, chance=longest) == row.expected._replace(attempt=row.job.attempt)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_job_that_was_to_be_cancelled_does_not_run_again(row: Row) -> None:
    expected = row.expected
    if isinstance(expected, Again):
        outcome, failure, refund = expected.outcome, expected.failure, expected.refund
        expected = Close(7, 0, "me", "email", outcome, Status.CANCELLED, "not needed", failure, refund)
    elif isinstance(expected, Close) and expected.reason == "cancel requested":
        expected = expected._replace(reason="not needed")
    end = settle(row.job, row.ending, POLICY, NOW, cancel="not needed", chance=longest)
    assert end == expected._replace(attempt=row.job.attempt)


def test_a_group_that_holds_itself_is_a_failure_as_any_other() -> None:
    class Selfish(ExceptionGroup[Exception]):
        exceptions = property(lambda self: (self,))  # it can be done

    end = settle(claimed(), Ending(error=Selfish("group", [BOOM])), POLICY, NOW)
    assert isinstance(end, Again)
    assert end.outcome is Outcome.FAILED


def test_the_limits_are_those_of_the_specification() -> None:
    assert (MOST_CRASHES, FREE_INTERRUPTIONS) == (3, 20)


# What a type says of exceptions.


class Problem(Exception): ...


class SmallProblem(Problem): ...


@pytest.mark.parametrize(
    ("retry_on", "abandon_on", "error", "is_dead"),
    [
        (None, (), SmallProblem(), False),
        (None, (Problem,), SmallProblem(), True),
        (None, (SmallProblem,), Problem(), False),
        ((Problem,), (), SmallProblem(), False),
        ((SmallProblem,), (), Problem(), True),
        ((), (), Problem(), True),
        ((Problem,), (SmallProblem,), SmallProblem(), True),
        (None, (BaseException,), KeyboardInterrupt(), True),
    ],
)
def test_exceptions_are_tried_again_or_not_as_the_type_says(
    retry_on: tuple[type[BaseException], ...] | None,
    abandon_on: tuple[type[BaseException], ...],
    error: BaseException,
    is_dead: bool,
) -> None:
    end = settle(claimed(1), Ending(error=error, failure=FAILURE), Policy(Backoff(), retry_on, abandon_on), NOW)
    assert not isinstance(end, Complete)
    assert (end.outcome, end.failure) == (Outcome.FAILED, FAILURE)
    assert (isinstance(end, Close) and end.status is Status.DEAD) == is_dead
    assert end.reason == (f"{type(error).__name__} is not to be tried again" if is_dead else None)


@pytest.mark.parametrize(
    "ending",
    [
        Ending(error=Retry(after=1)),
        Ending(error=Snooze(1)),
        TIMED_OUT,
        SHUT_DOWN,
        LOST,
        LEFT,
    ],
    ids=["Retry", "Snooze", "timeout", "shutdown", "lost", "left"],
)
def test_what_is_no_failure_of_the_handler_is_tried_again_whatever_the_type_says(ending: Ending) -> None:
    strict = Policy(Backoff(), retry_on=(), abandon_on=(BaseException,))
    assert isinstance(settle(claimed(1), ending, strict, NOW), Again)


def test_an_ended_attempt_without_an_exception_may_be_tried_again() -> None:
    assert Policy(retry_on=()).judge(None).wish is Wish.AGAIN


# Total and legal, whatever comes.

errors: list[BaseException | None] = [
    None, BOOM, SystemExit(1), asyncio.CancelledError(), Retry(), Retry(after=0), Retry(after="1d"), Snooze(0),
    Retry(after=to_datetime(0)), Snooze(to_datetime(2 * NOW)),
    Snooze("1h", "why"), Abandon("x"), Cancel(), Cancel("y"),
]  # fmt: skip
jobs = st.builds(
    claimed,
    st.integers(1, 60),
    st.integers(1, 60),
    interruptions=st.integers(0, 25),
    snoozes=st.integers(0, 5),
    crashes=st.integers(0, 5),
)
ends = st.builds(
    Ending,
    result=st.none() | st.just("1"),
    note=st.none() | st.just("note"),
    error=st.sampled_from(errors),
    failure=st.none() | st.just(FAILURE),
    stopped=st.none() | st.sampled_from(Stop),
    lost=st.booleans(),
    interrupted=st.booleans(),
    is_outlived=st.booleans(),
    unreadable=st.none() | st.just("odd"),
    restarts=st.booleans(),
    # An attempt waits for nothing that was over before its job was due.
    suspension=st.none() | st.builds(Suspension, st.none() | st.integers(DUE, 2 * NOW), st.just(("nap",))),
)
policies = st.builds(
    Policy,
    st.builds(Backoff, st.floats(0.001, 10), st.floats(10, 1e6)),
    st.none() | st.just(()) | st.just((ValueError,)),
    st.just(()) | st.just((BaseException,)),
    st.booleans(),
)


@given(jobs, ends, policies, st.none() | st.just("not needed"), st.floats(0, 1))
def test_settle_is_total_and_what_it_says_is_legal(
    job: Claimed, ending: Ending, policy: Policy, cancel: str | None, chance: float
) -> None:
    def settled() -> End:
        return settle(job, ending, policy, NOW, cancel=cancel, chance=lambda: chance)

    end = settled()
    assert end == settled()  # it has no memory
    assert (end.id, end.type, end.attempt, end.owner) == (job.id, job.type, job.attempt, job.owner)
    assert (Status.PROCESSING, status_after(end)) in TRANSITIONS
    if isinstance(end, Complete):
        assert ending.succeeded
    elif isinstance(end, Close):
        assert end.status is not Status.COMPLETED
        assert end.outcome is not Outcome.SUCCEEDED
        assert end.reason
    else:
        assert cancel is None
        assert end.scheduled_at >= DUE
        assert end.outcome not in {Outcome.SUCCEEDED, Outcome.CANCELLED}
        attempts = 1 if end.restarts else job.attempt
        assert end.refund or attempts < job.max_attempts  # it may be claimed once more
        free = {Outcome.SNOOZED, Outcome.INTERRUPTED, Outcome.SUSPENDED}
        assert not end.refund or end.outcome in (free | {Outcome.LOST} if policy.outlives_crashes else free)
        assert end.held is None or end.reason or end.outcome is Outcome.SUSPENDED


def status_after(end: End) -> Status:
    if isinstance(end, Close):
        return end.status
    return Status.COMPLETED if isinstance(end, Complete) else Status.PENDING


@pytest.mark.parametrize(
    ("job", "delay", "refund"),
    [
        (claimed(1), 0, False), (claimed(2, crashes=1), 0, False), (claimed(3, crashes=2), 2, False),
        (claimed(4, crashes=3), 4, False), (claimed(5, crashes=4), 8, True), (claimed(1, 1), 0, True),
    ],
)  # fmt: skip
def test_a_job_whose_code_runs_elsewhere_dies_of_no_crash_and_waits_ever_longer(
    job: Claimed, delay: int, refund: bool
) -> None:
    policy = Policy(POLICY.backoff, outlives_crashes=True)
    expected = again(Outcome.LOST, delay, refund=refund, failure=FAILURE)._replace(attempt=job.attempt)
    assert settle(job, LOST, policy, NOW, chance=longest) == expected
    advanced = again(Outcome.LOST, failure=FAILURE)._replace(
        attempt=job.attempt, restarts=True, refund=job.max_attempts == 1
    )
    assert settle(job, ADVANCED, policy, NOW, chance=longest) == advanced


@pytest.mark.parametrize("job", [claimed(1), claimed(1, 1), claimed(5), claimed(3, crashes=2)])
def test_no_job_dies_of_a_crash_where_its_type_is_not_known(job: Claimed) -> None:
    assert settle(job, STRANGE, POLICY, NOW) == again(Outcome.LOST)._replace(attempt=job.attempt)
    left = settle(job._replace(interruptions=FREE_INTERRUPTIONS), STRANGE._replace(interrupted=True), POLICY, NOW)
    assert left == again(Outcome.INTERRUPTED, refund=True)._replace(attempt=job.attempt)
    assert settle(job, STRANGE, POLICY, NOW, cancel="not needed") == Close(
        7, job.attempt, "me", "email", Outcome.LOST, Status.CANCELLED, "not needed"
    )


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (claimed(1), None), (claimed(6, 5), None), (claimed(3, crashes=2), None), (claimed(5, crashes=2), None),
        (claimed(4, crashes=3), "crashed"), (claimed(6, crashes=3), "crashed"),
        (claimed(2, 1, crashes=1), "its only attempt used up"), (claimed(6, crashes=2), "all 5 attempts used up"),
    ],
)  # fmt: skip
def test_it_dies_of_them_where_its_type_is_known_when_it_is_claimed(job: Claimed, reason: str | None) -> None:
    assert outlived(job, POLICY, has_restarted=False) == (reason is not None)
    assert not outlived(job, Policy(outlives_crashes=True), has_restarted=False)
    if reason is not None:
        failure = Failure("AttemptLost", f"deaths of its process: {job.crashes}. Its handler was not called again", "")
        expected = Close(7, job.attempt, "me", "email", Outcome.FAILED, Status.DEAD, reason, failure, refund=True)
        assert settle(job, Ending(lost=True, is_outlived=True), POLICY, NOW) == expected


@pytest.mark.parametrize(
    ("job", "is_at_its_end"),
    [
        (claimed(1, 1), False), (claimed(2, 1), False), (claimed(2, 1, crashes=1), True),
        (claimed(3, 1, crashes=1), True), (claimed(3, 2, crashes=1), False), (claimed(4, 2, crashes=1), True),
        (claimed(6, crashes=2), False), (claimed(7, crashes=2), True), (claimed(2, crashes=3), True),
    ],
)  # fmt: skip
def test_once_an_operation_has_ended_an_attempt_may_have_the_number_of_the_next(
    job: Claimed, is_at_its_end: bool
) -> None:
    assert outlived(job, POLICY, has_restarted=True) == is_at_its_end
    assert not outlived(job, Policy(outlives_crashes=True), has_restarted=True)


def test_settle_draws_its_jitter_unless_it_is_given_one() -> None:
    ends = [settle(claimed(1), RAISED, POLICY, NOW) for _ in range(50)]
    waits = {end.scheduled_at - NOW for end in ends if isinstance(end, Again)}
    assert len(waits) > 10
    assert all(SECOND <= wait <= 2 * SECOND for wait in waits)
