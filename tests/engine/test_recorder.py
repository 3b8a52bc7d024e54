"""Ends are saved, then listeners, telemetry and metrics learn of them; own and lost ones alike."""

from __future__ import annotations

import asyncio

import pytest

from aiojobs_lite.engine.ports import Done
from aiojobs_lite.engine.recorder import Recorder
from aiojobs_lite.engine.running import AttemptRegister, Running
from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.ends import Again, Close, Complete, End
from aiojobs_lite.model.job import Failure, Outcome, Status
from aiojobs_lite.model.writes import Unit
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import EndRefused
from aiojobs_lite.telemetry.meters import Metrics
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.engine import claimed, heard, names, turns

REJECTED = StoreRejected("it has a surrogate in it")
FAILURE = Failure("ValueError", "no", "a traceback")


async def handler() -> None: ...


class Desk:
    """A recorder whose committer the test plays."""

    def __init__(self) -> None:
        bus = Bus()
        self.told = heard(bus)
        self.attempts, self.metrics = AttemptRegister(), Metrics()
        self.kept: list[tuple[Unit, Done]] = []
        self.ended: list[End] = []
        self.looks = 0
        self.recorder = Recorder(
            commits=self,  # type: ignore[arg-type]  # no more of commits is needed
            clock=FakeClock(), attempts=self.attempts, bus=bus, metrics=self.metrics, listeners=[self, self],
            refusals=self,
        )  # fmt: skip

    def keep(self, unit: Unit, done: Done) -> None:
        self.kept.append((unit, done))

    def attempt_ended(self, end: End) -> None:
        self.ended.append(end)

    def look_again(self) -> None:
        self.looks += 1

    def record(self, end: End) -> None:
        """The attempt of this runner has just ended."""
        run = Running(claimed(end.id, end.type), JobType(handler))
        self.attempts.add(run)
        self.attempts.ended(run)
        self.recorder.record(end)

    def answer(self, *, is_owned: bool = True, error: StoreRejected | None = None) -> End:
        """The store's answer to the end that was kept last."""
        unit, done = self.kept.pop()
        (end,) = unit
        assert isinstance(end, Complete | Again | Close)
        done(unit, status_after(end) if is_owned and error is None else None, error)
        return end


def status_after(end: End) -> Status:
    """The status of a job after this end."""
    if isinstance(end, Close):
        return end.status
    return Status.COMPLETED if isinstance(end, Complete) else Status.PENDING


@pytest.fixture
def desk() -> Desk:
    return Desk()


def complete(result: str | None = '"done"') -> Complete:
    return Complete(1, 3, "me", "a", result)


def again(outcome: Outcome = Outcome.FAILED, failure: Failure | None = FAILURE) -> Again:
    return Again(1, 3, "me", "a", outcome, 0, failure=failure)


def test_nobody_learns_of_an_end_before_it_is_durable(desk: Desk) -> None:
    desk.record(complete())
    assert (desk.ended, desk.told(), desk.attempts.watch_owned()) == ([], [], {1})
    assert desk.metrics.meters == {}
    end = desk.answer()
    assert desk.ended == [end, end]  # each listener
    assert names(desk.told()) == ["JobCompleted"]
    assert desk.metrics.meters["a"].success_rate() == 1.0
    assert desk.attempts.watch_owned() == set()


def test_an_attempt_that_did_not_succeed_is_measured_as_such(desk: Desk) -> None:
    desk.record(again())
    desk.answer()
    assert desk.metrics.meters["a"].success_rate() == 0.0
    assert names(desk.told()) == ["AttemptFailed"]


def test_an_end_whose_job_was_asked_to_cancel_before_it_is_told_as_the_store_has_it(desk: Desk) -> None:
    desk.record(again())
    unit, done = desk.kept.pop()
    done(unit, Status.CANCELLED, None)
    assert desk.ended == [again().cancelled()] * 2
    assert names(desk.told()) == ["JobBecameCancelled"]


def test_an_end_that_another_owner_has_written_is_counted_and_published(desk: Desk) -> None:
    desk.record(complete())
    desk.answer(is_owned=False)
    assert (desk.ended, desk.looks, desk.metrics.refused_ends) == ([], 1, 1)
    assert desk.told() == [EndRefused(1, "a", 3)]
    assert desk.attempts.watch_owned() == set()


@pytest.mark.parametrize(
    "end", [complete(), again(), Close(1, 3, "me", "a", Outcome.FAILED, Status.DEAD, "x", FAILURE)]
)
@pytest.mark.parametrize("is_lost", [False, True])
async def test_an_end_that_the_store_rejects_is_saved_without_what_it_cannot_take(
    desk: Desk, end: End, is_lost: bool
) -> None:
    if is_lost:
        saved = asyncio.ensure_future(desk.recorder.record_lost(end))
        await turns()
    else:
        desk.record(end)
    desk.answer(error=REJECTED)
    assert desk.ended == []
    assert is_lost or desk.attempts.watch_owned() == {1}
    bare = desk.answer()
    why = "its end could not be stored: StoreRejected"
    if isinstance(end, Complete):
        assert bare == end._replace(result=None, note=why)
    else:
        assert bare == end._replace(failure=None, reason=why)
    assert desk.ended == [bare, bare]
    if is_lost:
        assert await saved


async def test_an_end_that_cannot_be_saved_at_all_is_left_to_the_rescue(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.record(complete())
    for _ in range(3):
        desk.answer(error=REJECTED)
    assert (desk.kept, desk.ended, desk.looks, desk.told()) == ([], [], 0, [])
    assert desk.attempts.watch_owned() == set()  # so that the janitor takes it back
    assert "the end of a job 1 attempt 3 cannot be saved" in caplog.text
    lost = asyncio.ensure_future(desk.recorder.record_lost(again(Outcome.LOST, None)))
    await turns()
    for _ in range(3):
        desk.answer(error=REJECTED)
    assert await lost is False


@pytest.mark.parametrize("end", [complete(), again(), again(Outcome.SNOOZED, None)])
async def test_of_an_end_that_is_rejected_without_its_details_too_the_job_is_dead(desk: Desk, end: End) -> None:
    """Else it would run again, and be rejected again, for ever."""
    desk.record(end)
    for _ in range(2):
        desk.answer(error=REJECTED)
    dead = desk.answer()
    outcome = end.outcome if isinstance(end, Again) else Outcome.FAILED
    why = "its end could not be stored: StoreRejected"
    assert dead == Close(1, 3, "me", "a", outcome, Status.DEAD, why)
    assert desk.ended == [dead, dead]


@pytest.mark.parametrize("is_owned", [True, False])
async def test_a_lost_attempt_is_no_measurement_and_that_another_owner_rescued_it_first_is_no_fault(
    desk: Desk, is_owned: bool
) -> None:
    end = again(Outcome.LOST, None)
    lost = asyncio.ensure_future(desk.recorder.record_lost(end))
    await turns()
    desk.answer(is_owned=is_owned)
    assert await lost is is_owned
    assert desk.ended == [end] * 2 * is_owned
    assert names(desk.told()) == ["AttemptFailed"] * is_owned
    assert (desk.metrics.meters, desk.metrics.refused_ends, desk.looks) == ({}, 0, 0)


async def test_a_rescue_that_is_given_up_leaves_the_end_to_be_saved(desk: Desk) -> None:
    end = again(Outcome.LOST, None)
    lost = asyncio.ensure_future(desk.recorder.record_lost(end))
    await turns()
    lost.cancel()
    await asyncio.gather(lost, return_exceptions=True)
    desk.answer()
    assert desk.ended == [end, end]
