"""What of a log is kept and counted."""

from __future__ import annotations

from datetime import UTC, datetime

from aiojobs_lite.model.job import Status
from aiojobs_lite.model.progress import JobChange, LogLine, log_of, weight_of
from aiojobs_lite.sizes import MOST_LOG_LINES


def lines(*numbers: int) -> list[LogLine]:
    return [LogLine(number, 1, datetime(2026, 1, 1, tzinfo=UTC), "x") for number in numbers]


def test_a_log_has_the_last_lines_by_their_numbers() -> None:
    stored = lines(1, 2, 500, MOST_LOG_LINES + 1)
    log = log_of(stored, MOST_LOG_LINES + 1, 0)
    assert ([line.number for line in log.lines], log.dropped) == ([2, 500, MOST_LOG_LINES + 1], MOST_LOG_LINES - 2)
    log = log_of(stored, MOST_LOG_LINES + 1, 2)
    assert ([line.number for line in log.lines], log.dropped) == ([500, MOST_LOG_LINES + 1], MOST_LOG_LINES - 3)
    assert log_of([], 5, 5) == log_of([], 0, 0)


def test_a_job_weighs_as_much_as_its_log_is_long() -> None:
    assert [weight_of(last) for last in (0, 49, 50, 149, MOST_LOG_LINES, 10**9)] == [1, 1, 2, 3, 21, 21]


def test_a_change_says_whether_it_is_the_last() -> None:
    finished = {status for status in Status if JobChange(1, status, 1, None, None, None).is_finished}
    assert finished == {Status.COMPLETED, Status.DEAD, Status.CANCELLED}
