"""What follows an attempt: the backoff, what a handler may raise, and every row of `settle`."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_lite.errors import AiojobsError, InvalidOption
from aiojobs_lite.model.job import TRANSITIONS, Claimed, Failure, Outcome, Status
from aiojobs_lite.model.writes import Finish
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.policy.outcomes import Abandon, Cancel, Retry, Signal, Snooze
from aiojobs_lite.policy.settle import FREE_INTERRUPTIONS, MOST_CRASHES, Ended, Policy, Stop, settle

NOW = 1_000_000_000
DUE = 900_000_000
SECOND = 1_000_000
FAILURE = Failure("ValueError", "bad", "trace")
BOOM = ValueError("bad")
POLICY = Policy(Backoff(base=2, cap=3600))


def claimed(attempt: int = 1, of: int = 5, *, interruptions: int = 0, snoozes: int = 0, crashes: int = 0) -> Claimed:
    return Claimed(
        id=7, type="email", payload="{}", priority=1, scheduled_at=DUE, attempt=attempt, max_attempts=of,
        created_at=1, started_at=NOW - SECOND, interruptions=interruptions, snoozes=snoozes, crashes=crashes,
        tick=None, owner="me",
    )  # fmt: skip


def unlucky() -> float:
    """The longest wait that chance gives."""
    return 1.0


class Row(NamedTuple):
    """A row of the table: a job, how its attempt ended, and what of the result is told apart from the defaults."""

    name: str
    job: Claimed
    ended: Ended
    expected: dict[str, Any]
    cancelled: dict[str, Any] | None = None  # with a cancel requested: what differs, None if nothing


def again(outcome: Outcome, wait: float = 0.0, **more: Any) -> dict[str, Any]:
    return {"outcome": outcome, "status": Status.PENDING, "scheduled_at": NOW + round(wait * SECOND), **more}


def dead(outcome: Outcome, reason: str, **more: Any) -> dict[str, Any]:
    return {"outcome": outcome, "status": Status.DEAD, "reason": reason, "failure": FAILURE, **more}


STOPPED_BY_CANCEL = {"status": Status.CANCELLED, "reason": "cancel requested"}
GAVE_UP = {"outcome": Outcome.CANCELLED, "status": Status.CANCELLED, "failure": FAILURE}
RAISED = Ended(error=BOOM, failure=FAILURE)
TIMED_OUT = Ended(error=asyncio.CancelledError(), failure=FAILURE, stopped=Stop.TIMEOUT)
SHUT_DOWN = Ended(error=asyncio.CancelledError(), failure=FAILURE, stopped=Stop.SHUTDOWN)
LOST = Ended(lost=True, failure=FAILURE)
LEFT = Ended(lost=True, interrupted=True, failure=FAILURE)

TABLE = [
    Row("it returns nothing", claimed(), Ended(), {}),
    Row("it returns something", claimed(3), Ended(result="1"), {"result": "1"}),
    Row("it returns in its last attempt", claimed(5), Ended(result="1"), {"result": "1"}),
    Row("its result is not kept", claimed(), Ended(note="too odd"), {"reason": "too odd"}),
    Row("it raises", claimed(1), RAISED, again(Outcome.FAILED, 2, failure=FAILURE), STOPPED_BY_CANCEL),
    Row("it raises again", claimed(3), RAISED, again(Outcome.FAILED, 8, failure=FAILURE), STOPPED_BY_CANCEL),
    Row("it raises for the last time", claimed(5), RAISED, dead(Outcome.FAILED, "all 5 attempts used up")),
    Row("it raises in its only attempt", claimed(1, 1), RAISED, dead(Outcome.FAILED, "all 1 attempts used up")),
    Row("more attempts than allowed", claimed(6, 5), RAISED, dead(Outcome.FAILED, "all 5 attempts used up")),
    Row(
        "it raises a cancellation of its own", claimed(), Ended(error=asyncio.CancelledError(), failure=FAILURE),
        again(Outcome.FAILED, 2, failure=FAILURE), STOPPED_BY_CANCEL,
    ),
    Row(
        "Retry with a delay", claimed(2), Ended(error=Retry(after="30s"), failure=FAILURE),
        again(Outcome.FAILED, 30, failure=FAILURE), STOPPED_BY_CANCEL,
    ),
    Row(
        "Retry at once", claimed(2), Ended(error=Retry(after=0), failure=FAILURE),
        again(Outcome.FAILED, 0, failure=FAILURE), STOPPED_BY_CANCEL,
    ),
    Row(
        "Retry after longer than the cap", claimed(2), Ended(error=Retry(after="2d"), failure=FAILURE),
        again(Outcome.FAILED, 172_800, failure=FAILURE), STOPPED_BY_CANCEL,
    ),
    Row(
        "Retry without a delay", claimed(2), Ended(error=Retry("later"), failure=FAILURE),
        again(Outcome.FAILED, 4, failure=FAILURE), STOPPED_BY_CANCEL,
    ),
    Row(
        "Retry for the last time", claimed(5), Ended(error=Retry(after=1), failure=FAILURE),
        dead(Outcome.FAILED, "all 5 attempts used up"),
    ),
    Row(
        "Retry because of a timeout", claimed(2), Ended(error=Retry(after=9), failure=FAILURE, stopped=Stop.TIMEOUT),
        again(Outcome.FAILED, 9, failure=FAILURE), STOPPED_BY_CANCEL,
    ),
    Row(
        "Snooze", claimed(1), Ended(error=Snooze("10m"), failure=FAILURE),
        again(Outcome.SNOOZED, 600, attempts=0, snoozes=1), STOPPED_BY_CANCEL,
    ),
    Row(
        "Snooze with a reason, in the last attempt", claimed(5, snoozes=3), Ended(error=Snooze(1, "too early")),
        again(Outcome.SNOOZED, 1, attempts=4, snoozes=4, reason="too early"), STOPPED_BY_CANCEL,
    ),
    Row(
        "Snooze during a shutdown", claimed(2), Ended(error=Snooze(1), stopped=Stop.SHUTDOWN),
        again(Outcome.SNOOZED, 1, attempts=1, snoozes=1), STOPPED_BY_CANCEL,
    ),
    Row(
        "Abandon", claimed(1), Ended(error=Abandon("bad input"), failure=FAILURE),
        dead(Outcome.FAILED, "abandoned by its handler"),
    ),
    Row("Cancel", claimed(1), Ended(error=Cancel("gone"), failure=FAILURE), {**GAVE_UP, "reason": "gone"}),
    Row(
        "Cancel without a reason", claimed(1), Ended(error=Cancel(), failure=FAILURE),
        {**GAVE_UP, "reason": "cancelled by its handler"},
    ),
    Row("timeout", claimed(2), TIMED_OUT, again(Outcome.TIMED_OUT, 4, failure=FAILURE), STOPPED_BY_CANCEL),
    Row("the last timeout", claimed(5), TIMED_OUT, dead(Outcome.TIMED_OUT, "all 5 attempts used up")),
    Row(
        "timeout, swallowed", claimed(2), Ended(result="1", stopped=Stop.TIMEOUT),
        again(Outcome.TIMED_OUT, 4), STOPPED_BY_CANCEL,
    ),
    Row(
        "stopped by a cancel", claimed(5), Ended(error=asyncio.CancelledError(), failure=FAILURE, stopped=Stop.CANCEL),
        {**GAVE_UP, "reason": "cancel requested"},
    ),
    Row(
        "Retry because of a cancel, in the last attempt", claimed(5),
        Ended(error=Retry(after=1), failure=FAILURE, stopped=Stop.CANCEL), {**GAVE_UP, "reason": "cancel requested"},
    ),
    Row(
        "shutdown", claimed(1), SHUT_DOWN,
        again(Outcome.INTERRUPTED, attempts=0, interruptions=1), STOPPED_BY_CANCEL,
    ),
    Row(
        "shutdown in the last attempt", claimed(5), SHUT_DOWN,
        again(Outcome.INTERRUPTED, attempts=4, interruptions=1), STOPPED_BY_CANCEL,
    ),
    Row(
        "Retry because of a shutdown", claimed(5), Ended(error=Retry(after=60), failure=FAILURE, stopped=Stop.SHUTDOWN),
        again(Outcome.INTERRUPTED, attempts=4, interruptions=1), STOPPED_BY_CANCEL,
    ),
    Row(
        "any error because of a shutdown", claimed(5), Ended(error=BOOM, failure=FAILURE, stopped=Stop.SHUTDOWN),
        again(Outcome.INTERRUPTED, attempts=4, interruptions=1), STOPPED_BY_CANCEL,
    ),
    Row(
        "the last free interruption", claimed(2, interruptions=19), SHUT_DOWN,
        again(Outcome.INTERRUPTED, attempts=1, interruptions=20), STOPPED_BY_CANCEL,
    ),
    Row(
        "the first interruption that costs", claimed(2, interruptions=20), SHUT_DOWN,
        again(Outcome.INTERRUPTED, attempts=2, interruptions=21, failure=FAILURE), STOPPED_BY_CANCEL,
    ),
    Row(
        "an interruption that costs the last attempt", claimed(5, interruptions=20), SHUT_DOWN,
        dead(Outcome.INTERRUPTED, "interrupted 21 times", interruptions=21),
    ),
    Row("lost", claimed(1), LOST, again(Outcome.LOST, crashes=1, failure=FAILURE), STOPPED_BY_CANCEL),
    Row("lost again", claimed(2, crashes=1), LOST, again(Outcome.LOST, crashes=2, failure=FAILURE), STOPPED_BY_CANCEL),
    Row("lost for the third time", claimed(3, crashes=2), LOST, dead(Outcome.LOST, "crashed", crashes=3)),
    Row("lost once too often", claimed(4, crashes=3), LOST, dead(Outcome.LOST, "crashed", crashes=4)),
    Row("lost in the last attempt", claimed(5), LOST, dead(Outcome.LOST, "all 5 attempts used up", crashes=1)),
    Row("crashed in the last attempt", claimed(3, 3, crashes=2), LOST, dead(Outcome.LOST, "crashed", crashes=3)),
    Row(
        "left running by a drain", claimed(5, crashes=2), LEFT,
        again(Outcome.INTERRUPTED, attempts=4, interruptions=1), STOPPED_BY_CANCEL,
    ),
    Row(
        "left running too often", claimed(2, interruptions=20), LEFT,
        again(Outcome.INTERRUPTED, attempts=2, interruptions=21, failure=FAILURE), STOPPED_BY_CANCEL,
    ),
    Row(
        "unreadable", claimed(5), Ended(unreadable="user: Field required"),
        {
            "outcome": Outcome.SNOOZED, "status": Status.PENDING, "attempts": 4, "parked": "user: Field required",
        },
        {**STOPPED_BY_CANCEL, "parked": None},
    ),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_settle_writes_what_its_table_says(row: Row) -> None:
    spent = Finish(
        7, "email", row.job.attempt, "me", Outcome.SUCCEEDED, Status.COMPLETED, row.job.attempt, DUE, NOW - SECOND,
        row.job.interruptions, row.job.snoozes, row.job.crashes,
    )  # fmt: skip
    expected = spent._replace(**row.expected)
    assert settle(row.job, row.ended, POLICY, NOW, chance=unlucky) == expected
    after_cancel = expected._replace(**(row.cancelled or {}))
    assert settle(row.job, row.ended, POLICY, NOW, cancel_requested=True, chance=unlucky) == after_cancel


def test_a_group_that_holds_itself_is_a_failure_as_any_other() -> None:
    class Selfish(ExceptionGroup[Exception]):
        exceptions = property(lambda self: (self,))  # it can be done

    end = settle(claimed(), Ended(error=Selfish("group", [BOOM])), POLICY, NOW)
    assert (end.outcome, end.status) == (Outcome.FAILED, Status.PENDING)


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
    end = settle(claimed(1), Ended(error=error, failure=FAILURE), Policy(Backoff(), retry_on, abandon_on), NOW)
    assert end.status is (Status.DEAD if is_dead else Status.PENDING)
    assert end.outcome is Outcome.FAILED
    assert end.failure is FAILURE
    assert end.reason == (f"{type(error).__name__} is not to be tried again" if is_dead else None)


@pytest.mark.parametrize(
    "ended",
    [
        Ended(error=Retry(after=1)),
        Ended(error=Snooze(1)),
        TIMED_OUT,
        SHUT_DOWN,
        LOST,
        LEFT,
    ],
    ids=["Retry", "Snooze", "timeout", "shutdown", "lost", "left"],
)
def test_what_is_no_failure_of_the_handler_is_tried_again_whatever_the_type_says(ended: Ended) -> None:
    strict = Policy(Backoff(), retry_on=(), abandon_on=(BaseException,))
    assert settle(claimed(1), ended, strict, NOW).status is Status.PENDING


def test_an_ended_attempt_without_an_exception_may_be_tried_again() -> None:
    assert Policy(retry_on=()).allows_retry(None)


# Total and legal, whatever comes.

errors: list[BaseException | None] = [
    None, BOOM, SystemExit(1), asyncio.CancelledError(), Retry(), Retry(after=0), Retry(after="1d"), Snooze(0),
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
    Ended,
    result=st.none() | st.just("1"),
    note=st.none() | st.just("note"),
    error=st.sampled_from(errors),
    failure=st.none() | st.just(FAILURE),
    stopped=st.none() | st.sampled_from(Stop),
    lost=st.booleans(),
    interrupted=st.booleans(),
    unreadable=st.none() | st.just("odd"),
)
policies = st.builds(
    Policy,
    st.builds(Backoff, st.floats(0.001, 10), st.floats(10, 1e6)),
    st.none() | st.just(()) | st.just((ValueError,)),
    st.just(()) | st.just((BaseException,)),
)


@given(jobs, ends, policies, st.booleans(), st.floats(0, 1))
def test_settle_is_total_and_what_it_says_is_legal(
    job: Claimed, ended: Ended, policy: Policy, cancel_requested: bool, chance: float
) -> None:
    def settled() -> Finish:
        return settle(job, ended, policy, NOW, cancel_requested=cancel_requested, chance=lambda: chance)

    end = settled()
    assert end == settled()  # it has no memory
    assert (Status.PROCESSING, end.status) in TRANSITIONS
    assert (end.id, end.type, end.attempt, end.owner) == (job.id, job.type, job.attempt, job.owner)
    assert end.started_at == job.started_at
    assert end.attempts in {job.attempt, job.attempt - 1}  # so it is never below 0, never above the attempt
    if end.attempts < job.attempt:
        assert end.outcome in {Outcome.SNOOZED, Outcome.INTERRUPTED}
        assert end.status in {Status.PENDING, Status.CANCELLED}
    assert end.scheduled_at >= DUE
    moved = (end.interruptions - job.interruptions, end.snoozes - job.snoozes, end.crashes - job.crashes)
    assert moved in {(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)}
    if end.status is Status.PENDING:
        assert not cancel_requested
        assert end.attempts < job.max_attempts or end.outcome in {Outcome.SNOOZED, Outcome.INTERRUPTED}
    else:
        assert end.parked is None
    if end.status in {Status.DEAD, Status.CANCELLED}:
        assert end.reason
    assert (end.status is Status.COMPLETED) == (end.outcome is Outcome.SUCCEEDED)
    assert end.result is None or end.status is Status.COMPLETED


# The backoff.


def lucky() -> float:
    return 0.0


@pytest.mark.parametrize(
    ("attempt", "chance", "expected"),
    [
        (1, unlucky, 2.0),
        (1, lucky, 1.0),
        (2, unlucky, 4.0),
        (3, lucky, 4.0),
        (11, unlucky, 2048.0),
        (12, unlucky, 3600.0),
        (12, lucky, 1800.0),
        (1_000_000, unlucky, 3600.0),
    ],
)
def test_the_backoff_doubles_up_to_its_cap(attempt: int, chance: Callable[[], float], expected: float) -> None:
    assert Backoff().delay(attempt, chance) == expected


@given(st.floats(0.001, 1e6), st.floats(0, 1e9), st.integers(1, 10_000))
def test_the_backoff_stays_within_half_and_whole_of_its_formula(base: float, more: float, attempt: int) -> None:
    cap = base + more
    full = min(cap, base * 2.0 ** min(attempt - 1, 200))
    assert full * 0.5 <= Backoff(base, cap).delay(attempt) <= full


def test_the_jitter_differs_from_one_wait_to_the_next() -> None:
    assert len({Backoff().delay(1) for _ in range(50)}) > 10


def test_settle_draws_its_jitter_unless_it_is_given_one() -> None:
    waits = {settle(claimed(1), RAISED, POLICY, NOW).scheduled_at - NOW for _ in range(50)}
    assert len(waits) > 10
    assert all(SECOND <= wait <= 2 * SECOND for wait in waits)


def test_a_backoff_takes_durations_and_shows_seconds() -> None:
    backoff = Backoff(base="500ms", cap=timedelta(minutes=2))
    assert (backoff.base, backoff.cap) == (0.5, 120.0)
    assert repr(backoff) == "Backoff(base=0.5, cap=120)"
    assert repr(Backoff()) == "Backoff(base=2, cap=3600)"


def test_backoffs_are_equal_by_their_values() -> None:
    assert Backoff("2s", "1h") == Backoff()
    assert hash(Backoff("2s", "1h")) == hash(Backoff())
    assert Backoff(1) != Backoff()
    assert Backoff(2, 60) != Backoff()
    assert Backoff() != (2.0, 3600.0)


@pytest.mark.parametrize(
    ("base", "cap", "option", "expected"),
    [
        (0, 10, "base", "from 0.001 s to a century"),
        (-1, 10, "base", "from 0.001 s to a century"),
        ("soon", 10, "base", "expected seconds"),
        (1, "late", "cap", "expected seconds"),
        (10, 9, "cap", r"expected at least base \(10 s\)"),
        ("2h", "1h", "cap", r"cap='1h': expected at least base \(7200 s\)"),
    ],
)
def test_a_backoff_that_cannot_work_is_refused(base: Any, cap: Any, option: str, expected: str) -> None:
    with pytest.raises(InvalidOption, match=expected) as caught:
        Backoff(base, cap)
    assert caught.value.option == option


# What a handler raises.


def test_signals_keep_their_delay_in_seconds_and_their_reason() -> None:
    assert Retry("busy", after="30s").after == 30.0
    assert str(Retry("busy")) == "busy"
    assert Retry().after is None
    assert Snooze("10m", "early").delay == 600.0
    assert str(Snooze(1, "early")) == "early"
    assert str(Abandon("bad input")) == "bad input"
    assert str(Cancel("gone")) == "gone"


@pytest.mark.parametrize(
    ("make", "option"),
    [(lambda: Retry(after=-1), "after"), (lambda: Snooze("soon"), "delay"), (lambda: Snooze(float("nan")), "delay")],
)
def test_a_signal_with_an_impossible_delay_is_refused(make: Callable[[], Signal], option: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        make()
    assert caught.value.option == option


@pytest.mark.parametrize("signal", [Retry("busy", after=3), Retry(), Snooze("10m", "early"), Abandon("x"), Cancel()])
def test_signals_survive_the_way_from_another_process(signal: Signal) -> None:
    found = pickle.loads(pickle.dumps(signal))
    assert type(found) is type(signal)
    assert (found.args, vars(found)) == (signal.args, vars(signal))


def test_signals_are_no_errors_of_the_library() -> None:
    assert Signal.__subclasses__() == [Retry, Snooze, Abandon, Cancel]
    assert not issubclass(Signal, AiojobsError)
