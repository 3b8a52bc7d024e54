"""What becomes of operations, whatever driver says them: stored once, tried again, late, or failed for good."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from aiojobs_lite import Backoff
from aiojobs_lite.durable.ledger import StepLedger, suspension_of
from aiojobs_lite.durable.memos import Memos
from aiojobs_lite.durable.operations import InvokeJob, Recorded, Sleep, StepPlanned, StepRaised, StepRan, WaitForEvent
from aiojobs_lite.errors import AttemptNotOwned
from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.event_match import EventMatch
from aiojobs_lite.model.events import StepFence
from aiojobs_lite.model.job import Claimed, Failure
from aiojobs_lite.model.steps import ListChildren, NewStep, SaveSteps, StartChild, StepKind, StepRow, StepState
from aiojobs_lite.policy.settle import Policy, Suspension
from aiojobs_lite.policy.verdict import Verdict, Wish
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import StepCompleted, StepGivenUp, StepRetried
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.engine import claimed, names, published_on
from tests.helpers.stores import new

REFUSED = Failure("ConnectionError", "refused", "line 1")
AGAIN = Verdict(Wish.AGAIN)
SECOND = 1_000_000


@dataclass
class Store:
    """Keeps the operations of one job, as far as the ledger needs it.

    Attributes:
        rows: The operations by name.
        writes: What was written.
        is_owned: Whether the attempt is still that of its owner.
    """

    rows: dict[str, StepRow] = field(default_factory=dict)
    writes: list[Any] = field(default_factory=list)
    is_owned: bool = True

    async def ask(self, query: Any) -> Any:
        return () if isinstance(query, ListChildren) else tuple(self.rows.values())

    def save_ran(self, step: Any) -> Any:
        raise AssertionError(step)

    async def write(self, write: Any) -> Any:
        self.writes.append(write)
        if not self.is_owned:
            return None
        if isinstance(write, StartChild):
            self.save(NewStep(write.name, StepKind.CHILD, StepState.WAITING, until=write.until))
            return self.rows[write.name], None
        assert isinstance(write, SaveSteps)
        return tuple([self.save(step) for step in write.steps])

    def save(self, step: NewStep) -> StepRow:
        """Stores an operation; returns it as it stands then."""
        ended = None if step.state is StepState.WAITING else 9
        self.rows[step.name] = StepRow(*step[:7], started_at=5, ended_at=ended, place=ended)
        return self.rows[step.name]


@dataclass
class Run:
    """An attempt that has neither a task nor a handler."""

    claimed: Claimed
    restarts: bool = False


class Longer(Backoff):
    """The longest of what may be drawn."""

    def delay(self, attempt: int, _: Any = None) -> float:
        return super().delay(attempt, lambda: 1.0)


class Rig:
    """A ledger, and what is around it."""

    def __init__(self) -> None:
        self.store, self.clock, bus = Store(), FakeClock(), Bus()
        self.run = Run(claimed(1, "mail", attempt=2))  # of five
        self.facts = published_on(bus)
        self.ledger = StepLedger(
            run=self.run,
            policy=Policy(Longer(base=10)),
            memos=Memos(self.run.claimed, self.store),
            clock=self.clock,
            bus=bus,
        )

    def at(self, seconds: float) -> int:
        return self.clock.now() + round(seconds * SECOND)


@pytest.mark.parametrize("memo", ["1.0", "1", "null", '{"b":1,"a":2e0}', "12345678901234567890", '"\\u00e9"'])
async def test_what_a_step_gave_is_kept_word_for_word(memo: str) -> None:
    rig = Rig()
    row = await rig.ledger.record(StepRan("fetch", memo, 0.5))
    assert (row.state, row.memo, row.attempts, rig.store.rows["fetch"].memo) == (StepState.DONE, memo, 1, memo)
    assert await rig.ledger.find("fetch", StepKind.RUN) == row
    assert rig.facts() == [StepCompleted(1, "mail", "fetch", 0.5)]
    assert rig.run.restarts


async def test_nothing_is_published_of_a_step_that_called_nothing() -> None:
    rig = Rig()
    await rig.ledger.record(StepRan("now", "7"))
    assert rig.facts() == []
    assert rig.run.restarts


@pytest.mark.parametrize(
    ("verdict", "seconds"),
    [
        (AGAIN, 10),
        (Verdict(Wish.RETRY, delay=3.0), 3),
        (Verdict(Wish.RETRY, at=-1), 7),
        (Verdict(Wish.RETRY, delay=9.0, at=-1), 9),
        (Verdict(Wish.RETRY, delay=3.0, at=-1), 7),
    ],
)
async def test_a_step_that_failed_is_tried_again_by_itself(verdict: Verdict, seconds: float) -> None:
    rig = Rig()
    verdict = verdict if verdict.at is None else verdict._replace(at=rig.at(7))
    row = await rig.ledger.record(StepRaised("fetch", REFUSED, verdict))
    assert (row.state, row.attempts, row.until, row.memo) == (StepState.WAITING, 1, rig.at(seconds), None)
    assert json.loads(row.error or "") == {"type": "ConnectionError", "message": "refused", "traceback": "line 1"}
    assert names(rig.facts()) == [StepRetried.__name__]
    assert not rig.run.restarts
    assert not rig.ledger.is_due(row)
    rig.clock.advance(seconds)
    assert rig.ledger.is_due(row)


async def test_a_step_has_its_own_attempts_and_its_own_waits_between() -> None:
    rig = Rig()
    waits = []
    for _ in range(2):
        row = await rig.ledger.record(StepRaised("fetch", REFUSED, AGAIN, 3, Longer(base=100)))
        assert row.until is not None
        waits.append(row.until - rig.clock.now())
    assert waits == [100 * SECOND, 200 * SECOND]
    last = await rig.ledger.record(StepRaised("fetch", REFUSED, AGAIN, 3, memo='{"name":"Error"}'))
    assert (last.state, last.attempts, last.until, last.memo) == (StepState.FAILED, 3, None, '{"name":"Error"}')
    assert rig.facts()[-1] == StepGivenUp(1, "mail", "fetch", 3, "ConnectionError: refused")
    assert rig.run.restarts


async def test_a_step_without_attempts_of_its_own_has_those_of_its_job() -> None:
    rig = Rig()
    states = [(await rig.ledger.record(StepRaised("fetch", REFUSED, AGAIN))).state for _ in range(5)]
    assert states == [StepState.WAITING] * 4 + [StepState.FAILED]


async def test_a_step_that_must_not_be_tried_again_failed_for_good() -> None:
    rig = Rig()
    row = await rig.ledger.record(StepRaised("fetch", REFUSED, Verdict(Wish.NEVER)))
    assert (row.state, row.attempts) == (StepState.FAILED, 1)


async def test_a_step_that_runs_at_last_counts_the_times_it_failed() -> None:
    rig = Rig()
    await rig.ledger.record(StepRaised("fetch", REFUSED, AGAIN))
    assert (await rig.ledger.record(StepRan("fetch", "1", 0.1))).attempts == 2


async def test_the_operations_of_one_answer_are_one_write() -> None:
    rig = Rig()
    answer: list[Recorded] = [StepPlanned("a"), Sleep("nap", rig.at(60)), StepRan("fetch", "1", 0.1)]
    rows = await rig.ledger.record_all(answer)
    assert len(rig.store.writes) == 1
    assert [(row.name, row.kind, row.state) for row in rows] == [
        ("a", StepKind.PLANNED, StepState.WAITING),
        ("nap", StepKind.SLEEP, StepState.WAITING),
        ("fetch", StepKind.RUN, StepState.DONE),
    ]
    assert await rig.ledger.all() == list(rows)


async def test_a_planned_step_is_due_at_once_and_stays_planned_until_it_has_ended() -> None:
    rig = Rig()
    planned = await rig.ledger.record(StepPlanned("a"))
    assert rig.ledger.is_due(planned)
    failed = await rig.ledger.record(StepRaised("a", REFUSED, AGAIN))
    assert (failed.kind, failed.attempts, rig.ledger.is_due(failed)) == (StepKind.PLANNED, 1, False)
    ran = await rig.ledger.record(StepRan("a", "1", 0.1))
    assert (ran.kind, ran.attempts) == (StepKind.RUN, 2)


async def test_a_found_step_that_failed_keeps_its_attempts_when_it_is_planned() -> None:
    rig = Rig()
    failed = await rig.ledger.record(StepRaised("a", REFUSED, AGAIN))
    planned = await rig.ledger.record(StepPlanned("a"))
    assert (planned.kind, planned.attempts, planned.error) == (StepKind.PLANNED, 1, failed.error)


async def test_what_follows_an_operation_that_ended_has_its_first_attempt() -> None:
    rig = Rig()
    assert rig.ledger.attempt == 2
    await rig.ledger.record(StepRan("a", "1", 0.1))
    assert rig.ledger.attempt == 1


async def test_what_waits_is_late_when_its_instant_has_come() -> None:
    rig = Rig()
    until, match = rig.at(60), EventMatch("user/replied")
    child = await rig.ledger.start(InvokeJob("child", Candidate(new("child")), until))
    assert isinstance(child, StepRow)
    waiting = [
        await rig.ledger.record(Sleep("nap", until)),
        await rig.ledger.record(WaitForEvent("reply", match, until)),
        child,
    ]
    assert [row.state for row in waiting] == [StepState.WAITING] * 3
    assert not rig.run.restarts
    assert not any(map(rig.ledger.is_due, waiting))
    rig.clock.advance(60)
    assert all(map(rig.ledger.is_due, waiting))
    ended = [await rig.ledger.end_late(row) for row in waiting]
    assert [(row.state, row.memo) for row in ended] == [
        (StepState.DONE, "null"),
        (StepState.DONE, "null"),
        (StepState.FAILED, '{"error": {"status": "timeout", "reason": null, "error": null}}'),
    ]
    assert rig.run.restarts


async def test_a_wait_without_an_instant_is_never_late() -> None:
    rig = Rig()
    row = await rig.ledger.record(WaitForEvent("reply", EventMatch("user/replied")))
    rig.clock.advance(10**9)
    assert not rig.ledger.is_due(row)


async def test_what_has_ended_from_outside_is_found_by_a_reload() -> None:
    rig = Rig()
    await rig.ledger.record(WaitForEvent("reply", EventMatch("user/replied")))
    assert await rig.ledger.reload() == []
    assert not rig.run.restarts
    rig.store.save(NewStep("reply", StepKind.EVENT, StepState.DONE, "{}"))
    assert await rig.ledger.reload() == ["reply"]
    assert rig.run.restarts


async def test_events_are_sent_under_the_fence_of_their_operation() -> None:
    rig = Rig()
    fences: list[StepFence] = []

    async def send(fence: StepFence) -> None:
        fences.append(fence)

    await rig.ledger.send("tell", send)
    assert fences == [StepFence(1, 2, "one", "tell")]
    assert rig.run.restarts


async def test_an_attempt_of_another_owner_records_nothing() -> None:
    rig = Rig()
    rig.store.is_owned = False
    with pytest.raises(AttemptNotOwned):
        await rig.ledger.record(StepRan("fetch", "1", 0.1))
    assert not rig.run.restarts
    assert rig.facts() == []


def test_an_attempt_that_only_waits_is_suspended_until_the_first_of_its_instants() -> None:
    assert suspension_of([("a", 9), ("b", None), ("c", 5), ("a", 9)]) == Suspension(5, ("a", "b", "c"))
    assert suspension_of([("b", None)]) == Suspension(None, ("b",))
