"""Cron expressions in words, and ticks by a clock that changes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aiojobs_lite import CronSchedule
from aiojobs_lite.web.schedule_words import in_words, tick_lines


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 9 * * *", "at 09:00, every day"), ("0 9 * * 1-5", "at 09:00, from Monday to Friday"),
        ("30 6,18 * * sat,0", "at 06:30 and 18:30, on Saturday and Sunday"), ("@daily", "at 00:00, every day"),
        ("*/15 * * * *", "every 15 minutes, every day"), ("* * * * *", "every minute, every day"),
        ("0 * * * *", "every hour, every day"), ("5 * * * *", "every hour, 5 min past, every day"),
        ("0 */6 * * *", "every 6 hours, every day"), ("0 0 1 1 *", "at 00:00, on day 1 of the month, in January"),
        ("0 0 1 * 5", "at 00:00, on day 1 of the month or on Friday"), ("0 12 L * *", "at 12:00, on day L"),
        ("0 12 * mar-may *", "at 12:00, every day, from March to May"),
        ("*/10 * * * * *", "every 10 seconds, every day"),
        ("15 30 8 * * *", "at 08:30:15, every day"), ("H 3 * * *", "minute H, hour 3, every day"),
        ("*/5 9-17 * * 1-5", "every 5 minutes, hour 9-17, from Monday to Friday"), ("what is this", "what is this"),
        ("@every 45m", "every 45m"), ("@every 1h30m phase=10m", "every 1h30m, at a phase of 10m"),
        ("0 9 * * * jitter=30s", "at 09:00, every day, each up to 30s later"),
    ],
)  # fmt: skip
def test_an_expression_in_words(expression: str, words: str) -> None:
    assert in_words(expression) == words


def test_a_tick_behind_a_change_of_the_clock_says_so() -> None:
    schedule = CronSchedule("0 9 * * *", tz="Europe/London")
    lines = tick_lines(schedule.upcoming(datetime(2026, 3, 27, 12, tzinfo=UTC), 3), schedule.tz)
    assert [(line.local, line.note) for line in lines] == [
        ("Sat 28 Mar 09:00", ""), ("Sun 29 Mar 09:00", "clocks go forward 1 h before"), ("Mon 30 Mar 09:00", ""),
    ]  # fmt: skip
    lines = tick_lines(schedule.upcoming(datetime(2026, 10, 24, 2, tzinfo=UTC), 2), schedule.tz)
    assert [line.note for line in lines] == ["", "clocks go back 1 h before"]


def test_seconds_are_shown_where_there_are_any() -> None:
    (line,) = tick_lines([datetime(2026, 1, 1, 8, 30, 15, tzinfo=UTC)], "UTC")
    assert line.local == "Thu 01 Jan 08:30:15"
