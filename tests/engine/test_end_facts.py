"""What is published of an attempt's end."""

from __future__ import annotations

import pytest

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.engine.end_facts import publish_end
from aiojobs_lite.engine.results import NOT_KEPT
from aiojobs_lite.model.ends import Again, Close, Complete, End
from aiojobs_lite.model.job import Failure, Held, Outcome, Status
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import (
    AttemptFailed,
    Fact,
    JobBecameCancelled,
    JobBecameDead,
    JobCompleted,
    JobHeld,
    JobInterrupted,
    JobSnoozed,
    ResultNotStored,
)
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.engine import published_on

TOKEN = (7, 2, "me", "a")
CLOCK = FakeClock()
DUE = CLOCK.now() + 42_000_000
FAILURE = Failure("ValueError", "no", None)


@pytest.mark.parametrize(
    ("end", "fact"),
    [
        (Complete(*TOKEN), JobCompleted(7, "a", 2, 1.5)),
        (Complete(*TOKEN, note="not kept"), JobCompleted(7, "a", 2, 1.5)),
        (
            Again(*TOKEN, Outcome.FAILED, DUE, failure=FAILURE),
            AttemptFailed(7, "a", 2, 0, "failed", "ValueError: no", to_datetime(DUE), 42.0),
        ),
        (
            Again(*TOKEN, Outcome.TIMED_OUT, DUE),
            AttemptFailed(7, "a", 2, 0, "timed_out", "no error", to_datetime(DUE), 42.0),
        ),
        (
            Again(*TOKEN, Outcome.LOST, DUE),
            AttemptFailed(7, "a", 2, 0, "lost", "its process ended", to_datetime(DUE), 42.0),
        ),
        (Again(*TOKEN, Outcome.SNOOZED, DUE, refund=True), JobSnoozed(7, "a", to_datetime(DUE), 42.0)),
        (Again(*TOKEN, Outcome.INTERRUPTED, DUE, refund=True), JobInterrupted(7, "a", 2)),
        (Again(*TOKEN, Outcome.SNOOZED, DUE, held=Held.PAYLOAD, reason="why"), JobHeld(7, "a", "why")),
        (
            Close(*TOKEN, Outcome.FAILED, Status.DEAD, "all used up", FAILURE),
            JobBecameDead(7, "a", 2, "all used up", "ValueError: no"),
        ),
        (Close(*TOKEN, Outcome.LOST, Status.DEAD, None), JobBecameDead(7, "a", 2, "", "its process ended")),
        (Close(*TOKEN, Outcome.CANCELLED, Status.CANCELLED, "gone"), JobBecameCancelled(7, "a", "gone")),
        (Close(*TOKEN, Outcome.CANCELLED, Status.CANCELLED, None), JobBecameCancelled(7, "a", "")),
    ],
)
def test_each_end_is_published_as_what_it_is(end: End, fact: Fact) -> None:
    bus = Bus()
    published = published_on(bus)
    publish_end(bus, end, 1.5, CLOCK)
    more = [ResultNotStored(7, "a", 2, end.note)] if isinstance(end, Complete) and end.note else []
    assert published() == [fact, *more]


def test_a_result_that_is_not_stored_says_so_once() -> None:
    bus = Bus()
    published = published_on(bus)
    publish_end(bus, Complete(*TOKEN, note=f"{NOT_KEPT}it is too odd"), 1.5, CLOCK)
    assert str(published()[-1]) == "completed without its result: a job 7 attempt 2: it is too odd"


def test_an_end_that_is_not_watched_makes_no_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = Bus()
    monkeypatch.setattr(bus, "is_watched", lambda _kind: False)
    published = published_on(bus)
    publish_end(bus, Complete(*TOKEN), 1.5, CLOCK)
    assert published() == []
