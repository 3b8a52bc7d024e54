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
from aiojobs_lite.model.progress import NewLine, Report
from aiojobs_lite.model.writes import Insert, Unit
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import EndRefused
from aiojobs_lite.telemetry.meters import Metrics
from aiojobs_lite.telemetry.tracebacks import Raised
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.engine import claimed, names, published_on
from tests.helpers.stores import new
from tests.helpers.waiting import quiet

REJECTED = StoreRejected("it has a surrogate in it")
FAILURE = Failure("ValueError", "no", "a traceback")


async def handler() -> None: ...


class Counted:
    """What was counted for the figures: the end, or the type; and whether its duration is known."""

    def __init__(self) -> None:
        self.ends: list[tuple[End | str, bool]] = []

    def completed(self, job_type: str, duration: float) -> None:
        self.ends.append((job_type, duration >= 0))

    def ended(self, end: End, duration: float | None) -> None:
        self.ends.append((end, duration is not None))


class Rig:
    """A recorder whose committer the test plays."""

    def __init__(self) -> None:
        bus = Bus()
        self.published = published_on(bus)
        self.attempts, self.metrics = AttemptRegister(), Metrics()
        self.kept: list[tuple[Unit, Done]] = []
        self.ended: list[End] = []
        self.open: dict[int, Unit] = {}  # what is reported
        self.enqueued: Unit = ()  # by each death
        self.died_of: list[Close] = []
        self.looks = 0
        self.recorder = Recorder(
            commits=self,  # type: ignore[arg-type]  # no more of commits is needed
            clock=FakeClock(), attempts=self.attempts, bus=bus, metrics=self.metrics, listeners=[self, self],
            refusals=self, deaths=self, reports=self,
        )  # fmt: skip
        self.figures = Counted()
        self.recorder.connect(figures=self.figures)

    def keep(self, unit: Unit, done: Done) -> None:
        self.kept.append((unit, done))

    def attempt_ended(self, end: End) -> None:
        self.ended.append(end)

    def unit(self, end: End, raised: Raised | None) -> Unit:
        return (end, *self.enqueued) if isinstance(end, Close) else (end,)

    def last_of(self, end: End) -> Unit:
        return self.open.pop(end.id, ())

    def died(self, end: Close, raised: object) -> None:
        self.died_of.append(end)

    def look_again(self) -> None:
        self.looks += 1

    def record(self, end: End, raised: Raised | None = None) -> None:
        """The attempt of this runner has just ended."""
        run = Running(claimed(end.id, end.type), JobType(handler))
        self.attempts.add(run)
        self.attempts.ended(run)
        self.recorder.record(end, raised)

    def reject(self) -> Unit:
        """The store rejects what was kept last; returns that."""
        unit, done = self.kept.pop()
        done(unit, None, REJECTED)
        return unit

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
def rig() -> Rig:
    return Rig()


def report() -> Report:
    return Report(1, 3, "me", 1, None, None, None, (NewLine(0, "last"),), goes_with_end=True)


def complete(result: str | None = '"done"') -> Complete:
    return Complete(1, 3, "me", "a", result)


def again(outcome: Outcome = Outcome.FAILED, failure: Failure | None = FAILURE) -> Again:
    return Again(1, 3, "me", "a", outcome, 0, failure=failure)


def test_nothing_learns_of_an_end_before_it_is_durable(rig: Rig) -> None:
    rig.record(complete())
    assert (rig.ended, rig.published(), rig.attempts.watch_owned()) == ([], [], {1})
    assert rig.metrics.meters == {}
    end = rig.answer()
    assert rig.ended == [end, end]  # each listener
    assert names(rig.published()) == ["JobCompleted"]
    assert rig.metrics.meters["a"].success_rate() == 1.0
    assert rig.attempts.watch_owned() == set()


async def test_each_end_that_is_saved_is_counted_once_for_the_figures(rig: Rig) -> None:
    for end in (complete(), again(), complete()._replace(note="its result was not kept")):
        rig.record(end)
        assert not rig.figures.ends
        rig.answer()
        assert rig.figures.ends == [("a" if end == complete() else end, True)]
        rig.figures.ends.clear()
    rig.record(complete())
    rig.answer(is_owned=False)
    assert rig.figures.ends == []
    for is_owned in (True, False):
        lost = asyncio.ensure_future(rig.recorder.record_lost(again(Outcome.LOST, None)))
        await quiet()
        rig.answer(is_owned=is_owned)
        assert await lost is is_owned
    assert rig.figures.ends == [(again(Outcome.LOST, None), False)]


def test_an_attempt_that_did_not_succeed_is_measured_as_such(rig: Rig) -> None:
    rig.record(again())
    rig.answer()
    assert rig.metrics.meters["a"].success_rate() == 0.0
    assert names(rig.published()) == ["AttemptFailed"]


def test_an_end_whose_job_was_asked_to_cancel_before_it_is_published_as_the_store_has_it(rig: Rig) -> None:
    rig.record(again())
    unit, done = rig.kept.pop()
    done(unit, Status.CANCELLED, None)
    assert rig.ended == [again().cancelled()] * 2
    assert names(rig.published()) == ["JobBecameCancelled"]


def test_an_end_that_another_owner_has_written_is_counted_and_published(rig: Rig) -> None:
    rig.record(complete())
    rig.answer(is_owned=False)
    assert (rig.ended, rig.looks, rig.metrics.refused_ends) == ([], 1, 1)
    assert rig.published() == [EndRefused(1, "a", 3)]
    assert rig.attempts.watch_owned() == set()


@pytest.mark.parametrize(
    "end", [complete(), again(), Close(1, 3, "me", "a", Outcome.FAILED, Status.DEAD, "x", FAILURE)]
)
@pytest.mark.parametrize("is_lost", [False, True])
async def test_an_end_that_the_store_rejects_is_saved_without_what_it_cannot_take(
    rig: Rig, end: End, is_lost: bool
) -> None:
    if is_lost:
        saved = asyncio.ensure_future(rig.recorder.record_lost(end))
        await quiet()
    else:
        rig.record(end)
    rig.answer(error=REJECTED)
    assert rig.ended == []
    assert is_lost or rig.attempts.watch_owned() == {1}
    bare = rig.answer()
    why = "its end could not be stored: StoreRejected"
    if isinstance(end, Complete):
        assert bare == end._replace(result=None, note=why)
    else:
        assert bare == end._replace(failure=None, reason=why)
    assert rig.ended == [bare, bare]
    if is_lost:
        assert await saved


async def test_an_end_that_cannot_be_saved_at_all_is_left_to_the_rescue(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.record(complete())
    for _ in range(3):
        rig.answer(error=REJECTED)
    assert (rig.kept, rig.ended, rig.looks, rig.published()) == ([], [], 0, [])
    assert rig.attempts.watch_owned() == set()  # so that the janitor takes it back
    assert "the end of a job 1 attempt 3 cannot be saved" in caplog.text
    lost = asyncio.ensure_future(rig.recorder.record_lost(again(Outcome.LOST, None)))
    await quiet()
    for _ in range(3):
        rig.answer(error=REJECTED)
    assert await lost is False


@pytest.mark.parametrize("end", [complete(), again(), again(Outcome.SNOOZED, None)])
async def test_of_an_end_that_is_rejected_without_its_details_too_the_job_is_dead(rig: Rig, end: End) -> None:
    """Else it would run again, and be rejected again, for ever."""
    rig.record(end)
    for _ in range(2):
        rig.answer(error=REJECTED)
    dead = rig.answer()
    outcome = end.outcome if isinstance(end, Again) else Outcome.FAILED
    why = "its end could not be stored: StoreRejected"
    assert dead == Close(1, 3, "me", "a", outcome, Status.DEAD, why)
    assert rig.ended == [dead, dead]


@pytest.mark.parametrize("is_owned", [True, False])
async def test_a_lost_attempt_is_no_measurement_and_that_another_owner_rescued_it_first_is_no_fault(
    rig: Rig, is_owned: bool
) -> None:
    end = again(Outcome.LOST, None)
    lost = asyncio.ensure_future(rig.recorder.record_lost(end))
    await quiet()
    rig.answer(is_owned=is_owned)
    assert await lost is is_owned
    assert rig.ended == [end] * 2 * is_owned
    assert names(rig.published()) == ["AttemptFailed"] * is_owned
    assert (rig.metrics.meters, rig.metrics.refused_ends, rig.looks) == ({}, 0, 0)


async def test_a_rescue_that_is_given_up_leaves_the_end_to_be_saved(rig: Rig) -> None:
    end = again(Outcome.LOST, None)
    lost = asyncio.ensure_future(rig.recorder.record_lost(end))
    await quiet()
    lost.cancel()
    await asyncio.gather(lost, return_exceptions=True)
    rig.answer()
    assert rig.ended == [end, end]


async def test_a_rescue_after_one_that_was_given_up_awaits_the_same_end(rig: Rig) -> None:
    end = again(Outcome.LOST, None)
    first = asyncio.ensure_future(rig.recorder.record_lost(end))
    await quiet()
    first.cancel()
    second = asyncio.ensure_future(rig.recorder.record_lost(end))
    await quiet()
    rig.answer()
    assert await second is True
    assert (rig.kept, rig.ended, rig.metrics.refused_ends) == ([], [end, end], 0)
    assert names(rig.published()) == ["AttemptFailed"]
    third = asyncio.ensure_future(rig.recorder.record_lost(end))
    await quiet()
    rig.answer(is_owned=False)
    assert await third is False  # a later one looks anew
    assert rig.published() == []


def test_what_an_attempt_reported_last_goes_with_its_end_and_with_a_simpler_one() -> None:
    rig = Rig()
    report = Report(7, 1, "one", 1, None, None, None, (NewLine(0, "last"),), goes_with_end=True)
    end = Complete(7, 1, "one", "a", '"result"')
    rig.open[7] = (report,)
    rig.record(end)
    unit, done = rig.kept.pop()
    assert unit == (end, report)
    done(unit, None, StoreRejected("it does not fit"))
    unit, done = rig.kept.pop()
    assert unit[1:] == (report,)
    done(unit, [Status.COMPLETED, True], None)
    assert [ended.id for ended in rig.ended] == [7, 7]
    rig.record(end)
    assert rig.answer() == end  # nothing more is reported


async def test_a_death_is_saved_alone_if_the_store_rejects_the_jobs_that_it_enqueues(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    """Else it would be given back, run again, and its death be rejected again, for ever."""
    rig.enqueued = (Insert((new("refund"), new("tell"))),)
    death = Close(1, 3, "me", "a", Outcome.FAILED, Status.DEAD, "x", FAILURE)
    rig.record(death, Raised(5))
    assert rig.reject() == (death, *rig.enqueued)
    bare = death._replace(failure=None, reason="its end could not be stored: StoreRejected")
    assert rig.reject() == (bare, *rig.enqueued)
    assert rig.answer() == bare
    assert rig.ended == [bare, bare]
    why = "is saved without what goes with it (the jobs that it enqueues: 'refund', 'tell'): "
    assert f"the end of a job 1 attempt 3 {why}{REJECTED}" in caplog.text


async def test_a_report_that_the_store_rejects_makes_no_job_dead(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.open[1] = (report(),)
    rig.record(complete())
    assert rig.reject() == (complete(), report())
    bare = complete()._replace(result=None, note="its end could not be stored: StoreRejected")
    assert rig.reject() == (bare, report())
    assert rig.answer() == bare
    assert rig.ended == [bare, bare]
    assert "without what goes with it (what the attempt reported last)" in caplog.text


async def test_a_job_that_is_dead_because_of_its_end_dies_alone_at_last(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.open[1], rig.enqueued = (report(),), (Insert((new("refund"),)),)
    rig.record(again())
    assert [len(rig.reject()) for _ in range(4)] == [2, 2, 1, 2]
    why = "its end could not be stored: StoreRejected"
    assert rig.answer(error=REJECTED) == Close(1, 3, "me", "a", Outcome.FAILED, Status.DEAD, why)
    assert rig.kept == []
    assert "the end of a job 1 attempt 3 cannot be saved" in caplog.text
