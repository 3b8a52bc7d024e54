"""Numbers, times and lists in a log line, at their boundaries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from aiojobs_lite.telemetry.wording import aged, by_type, clause, counted, instant, jobs, later, named, span

NOON = datetime(2026, 3, 1, 12, 30, 15, 999_999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 jobs"), (1, "1 job"), (2, "2 jobs"), (1_000, "1,000 jobs"), (-1, "-1 jobs")]
)
def test_a_number_of_things_agrees_with_its_noun(number: int, text: str) -> None:
    assert counted(number, "job") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1.0, "0.0 s"),
        (0.0, "0.0 s"),
        (0.04, "0.0 s"),
        (0.06, "0.1 s"),
        (1.5, "1.5 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (119.6, "2 min"),
        (42 * 60 - 0.01, "42 min"),
        (3_599.4, "59 min 59 s"),
        (3_599.6, "1 h"),
        (3_600 + 29, "1 h"),
        (3_600 + 31, "1 h 1 min"),
        (86_400 - 31, "23 h 59 min"),
        (86_400 - 29, "1 day"),
        (86_400, "1 day"),
        (86_400 + 1_799, "1 day"),
        (86_400 + 1_801, "1 day 1 h"),
        (3 * 86_400 - 0.01, "3 days"),
        (100 * 366 * 86_400, "36600 days"),
    ],
)
def test_a_span_is_shown_in_two_units_and_rounded(seconds: float, text: str) -> None:
    assert span(seconds).replace(",", "") == text


@pytest.mark.parametrize(
    ("text", "expected"), [("ValueError: no.", "ValueError: no"), ("no", "no"), ("cut...", "cut..."), ("", "")]
)
def test_a_text_before_a_semicolon_has_no_full_stop(text: str, expected: str) -> None:
    assert clause(text) == expected


def test_an_instant_bears_its_date_and_its_zone() -> None:
    assert instant(NOON) == "2026-03-01 12:30:15 UTC"
    assert instant(NOON.astimezone(timezone(timedelta(hours=14)))) == "2026-03-01 12:30:15 UTC"
    assert instant(datetime.min.replace(tzinfo=UTC)) == "0001-01-01 00:00:00 UTC"
    assert instant(datetime.max.replace(tzinfo=UTC)) == "9999-12-31 23:59:59 UTC"


@pytest.mark.parametrize(
    ("wait", "text"),
    [
        (-5.0, "at once"),
        (0.0, "at once"),
        (0.049, "at once"),
        (0.051, "in 0.1 s"),
        (59.9, "in 1 min"),
        (60.0, "in 1 min (12:30:15 UTC)"),
        (42 * 60 - 0.01, "in 42 min (12:30:15 UTC)"),
        (12 * 3_600, "in 12 h (12:30:15 UTC)"),
        (13 * 3_600, "in 13 h (2026-03-01 12:30:15 UTC)"),
        (86_400 - 31, "in 23 h 59 min (2026-03-01 12:30:15 UTC)"),
        (86_400 - 29, "in 1 day (2026-03-01 12:30:15 UTC)"),
        (86_400, "in 1 day (2026-03-01 12:30:15 UTC)"),
        (3 * 86_400, "in 3 days (2026-03-01 12:30:15 UTC)"),
    ],
)
def test_what_comes_later_has_its_date_when_it_is_on_another_day(wait: float, text: str) -> None:
    assert later(NOON, wait) == text


def test_of_many_ids_and_types_some_are_shown() -> None:
    assert jobs((3,)) == "job 3"
    assert jobs((3, 1)) == "jobs 1, 3"
    assert jobs(range(1, 11)) == "jobs 1, 2, 3, 4, 5, 6, 7, 8, 9, 10"
    assert jobs(range(1, 1_212)) == "jobs 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 1,201 more"
    assert by_type({"b": 1, "a": 1, "c": 1_000}) == "c (1,000), a (1), b (1)"
    assert by_type({f"t{number:02}": 1 for number in range(12)}).endswith("t09 (1) and 2 more")


def test_named_things_are_counted_and_the_first_ones_named() -> None:
    assert named("schedule", []) == "no schedules"
    assert named("job type", ["email"]) == "1 job type (email)"
    assert named("job type", [f"t{number:02}" for number in range(12)]).endswith("t09 and 2 more)")


def test_of_many_attempts_the_oldest_stand_first() -> None:
    assert aged([("email", 7, 1.06), ("report", 8, 90.0)]) == "report 8 for 1 min 30 s, email 7 for 1.1 s"
    assert aged([("a", number, number) for number in range(12)]).endswith("a 2 for 2.0 s and 2 more")
