"""Which ticks of a schedule run after a pause, and which are only counted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aiojobs_lite.clock import LAST_INSTANT, to_micros
from aiojobs_lite.cron import CronSchedule
from aiojobs_lite.model.schedules import SetSchedule
from aiojobs_lite.policy.catch_up import CatchUp, Overlap, Schedule
from tests.helpers.instants import START


def at(minutes: float) -> int:
    """The instant so many minutes after the start, in microseconds."""
    return to_micros(START + timedelta(minutes=minutes))


def schedule(catch_up: CatchUp = "latest", overlap: Overlap = "skip") -> Schedule:
    return Schedule("report", CronSchedule("* * * * *"), catch_up, overlap)


def test_a_new_schedule_never_fires_for_the_past() -> None:
    assert schedule().first(at(0.5)) == SetSchedule("report", "* * * * *", "UTC", at(1))
    assert schedule().first(at(1)) == SetSchedule("report", "* * * * *", "UTC", at(2))
    assert schedule().next_after(at(1.5)) == at(2)


def test_a_schedule_without_another_tick_waits_for_the_end_of_time() -> None:
    """A clock that reads the year 9999 ends no start."""
    now = LAST_INSTANT - 1_000_000
    assert schedule().first(now) == SetSchedule("report", "* * * * *", "UTC", LAST_INSTANT)


@pytest.mark.parametrize(
    ("catch_up", "due", "missed"),
    [("latest", [5], 4), ("skip", [5], 4), ("all", [1, 2, 3, 4, 5], 0)],
)
def test_of_the_ticks_that_were_missed_the_latest_is_always_dealt_with(
    catch_up: CatchUp, due: list[int], missed: int
) -> None:
    ticks = schedule(catch_up).due(at(1), at(5.5))
    assert ticks == [at(minute) for minute in due]
    assert len([*schedule(catch_up).missed(at(1), ticks[0])]) == missed


def test_a_tick_on_time_is_the_only_one_and_none_was_missed() -> None:
    assert schedule().due(at(3), at(3)) == [at(3)]
    assert [*schedule().missed(at(3), at(3))] == []


@pytest.mark.parametrize("catch_up", ["latest", "skip", "all"])
def test_of_a_stored_tick_that_is_none_of_the_expression_only_those_after_it_are_due(catch_up: CatchUp) -> None:
    """The expression was another one when it was stored."""
    assert schedule(catch_up).due(at(1.25), at(1.75)) == []
    assert schedule(catch_up).due(at(1.25), at(2)) == [at(2)]
    assert schedule(catch_up).due(at(1.25), at(3.5)) == ([at(2), at(3)] if catch_up == "all" else [at(3)])


def test_of_very_many_ticks_the_oldest_are_dropped_and_not_all_are_counted() -> None:
    week = 7 * 24 * 60
    ticks = schedule("all").due(at(1), at(week))
    assert (len(ticks), ticks[-1]) == (100, at(week))
    assert [*schedule("all").missed(at(1), ticks[0])] == [at(minute) for minute in range(1, 1001)]


@pytest.mark.parametrize(
    ("catch_up", "late", "runs"),
    [
        ("latest", timedelta(days=1), True),
        ("latest", timedelta(days=1, seconds=1), False),
        ("skip", timedelta(seconds=60), True),
        ("skip", timedelta(seconds=61), False),
        ("all", timedelta(days=300), True),
    ],
)
def test_how_late_a_tick_may_be(catch_up: CatchUp, late: timedelta, runs: bool) -> None:
    assert schedule(catch_up).runs(at(0), to_micros(START + late)) is runs


@pytest.mark.parametrize(
    ("catch_up", "overlap", "ticks", "skips"),
    [
        ("latest", "skip", [1], True),
        ("latest", "queue", [1], False),
        ("all", "skip", [1], True),
        ("all", "skip", [1, 2], False),  # those that are caught up with do not skip each other
        ("all", "queue", [1, 2], False),
    ],
)
def test_when_a_tick_is_skipped_while_the_one_before_is_not_finished(
    catch_up: CatchUp, overlap: Overlap, ticks: list[int], skips: bool
) -> None:
    assert schedule(catch_up, overlap).skips_overlap(ticks) is skips
