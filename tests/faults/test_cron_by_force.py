"""Cron schedules, held against a calendar that walks through real time step by step and reads the local clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aiojobs_lite.cron import CronSchedule
from aiojobs_lite.errors import InvalidSchedule
from tests.helpers.calendar import DAY, HOUR, MINUTE, SECOND, Rule, changes, ticks, utc
from tests.helpers.rings import depth, drawn, first_of, slow

pytestmark = drawn(2)

T = TypeVar("T")
ODD_DAYS = (
    ("Europe/London", 2026),
    ("America/New_York", 2026),
    ("America/St_Johns", 2010),  # at one minute past midnight
    ("America/St_Johns", 2026),
    ("America/Havana", 2026),  # at midnight, which is left out; and the hour before it, of the day before, is repeated
    ("Australia/Lord_Howe", 2026),  # by half an hour
    ("Antarctica/Troll", 2026),  # by two hours
    ("Africa/El_Aaiun", 2026),  # for Ramadan
    ("Europe/Dublin", 2026),  # in winter, as the law has it
    ("Asia/Tehran", 2022),  # at midnight, for the last time
    ("Asia/Beirut", 2026),
    ("Pacific/Apia", 2011),  # twice a year, and a whole day is left out
    ("Asia/Kathmandu", 1985),  # once, by a quarter of an hour
    ("Asia/Pyongyang", 2015),  # back by half an hour, and forth again three years later
    ("Asia/Pyongyang", 2018),
    ("Europe/London", 2038),  # beyond what the file of the zone lists
    ("America/New_York", 9998),
)
EXPRESSIONS = (
    "30 1 * * *", "0 2 * * *", "0 0 * * *", "59 23 * * *", "1 0 * * *", "0,30 0-3 * * *", "*/15 * * * *",
    "15 * * * *", "*/20 1-2 * * *", "0 */2 * * *", "7-59/13 0-23/3 * * *", "5/25 22-4/3 * * *", "50-10/7 * * * *",
    "30 2 L * *", "45 0 15W mar-nov *", "0 1 * * sun", "30 2 * jan,mar,apr,sep-nov sat#1", "30 1 1-7 * L0",
    "0 0 1-31 * */2", "* 1 * * mon-fri", "20 23 */2 * 0-6",
)  # fmt: skip
SECONDS = (
    "30 59 1 * * *", "*/7 59 1-2 * * *", "0 0 0 * * *", "59 59 23 * * *", "10-20/3 * 1 * * *", "15 */10 * * * *",
    "0,30 0 0-3 * * *",
)  # fmt: skip


def ours(expression: str, tz: str, start: datetime, end: datetime) -> list[datetime]:
    """The same as `ticks`, of the package."""
    schedule, found = CronSchedule(expression, tz), [start]
    while (tick := schedule.next_after(found[-1])) <= end:
        found.append(tick)
    return found[1:]


@pytest.mark.parametrize(("tz", "year"), first_of(1, ODD_DAYS))
def test_the_days_on_which_the_clock_is_changed(tz: str, year: int) -> None:
    assert changes(tz, year)
    for change in changes(tz, year):
        start, end = change - 26 * HOUR, change + 26 * HOUR
        for expression in EXPRESSIONS:
            assert ours(expression, tz, start, end) == ticks(expression, tz, start, end), expression


@pytest.mark.parametrize(("tz", "year"), first_of(1, ODD_DAYS))
def test_any_instant_of_the_hours_around_a_change(tz: str, year: int) -> None:
    for change in changes(tz, year):
        start, end = change - 3 * HOUR, change + 26 * HOUR
        for expression in EXPRESSIONS[:12]:
            schedule, expected = CronSchedule(expression, tz), ticks(expression, tz, start, end)
            for instant in (start + 7.01 * MINUTE * number for number in range(60)):
                following = next((tick for tick in expected if tick > instant), None)
                assert following in {schedule.next_after(instant), None}, (expression, instant)


@slow
@pytest.mark.parametrize(
    ("tz", "change"),
    [
        ("Europe/London", utc(2026, 3, 29, 1)),
        ("Europe/London", utc(2026, 10, 25, 1)),
        ("Australia/Lord_Howe", utc(2026, 4, 4, 15)),
        ("America/Havana", utc(2026, 11, 1, 5)),
        ("Africa/Monrovia", utc(1972, 1, 7, 0, 44, 30)),  # forward by 44 minutes and 30 seconds
    ],
)
def test_the_seconds_around_a_change(tz: str, change: datetime) -> None:
    start, end = change - 80 * MINUTE, change + 80 * MINUTE
    for expression in (*SECONDS, "*/30 * * * *", "0,10,59 0-2 * * *"):
        assert ours(expression, tz, start, end) == ticks(expression, tz, start, end, SECOND), expression


@pytest.mark.parametrize("tz", ["UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia"])
@pytest.mark.parametrize("year", first_of(1, [2099, 1999, 2027, 2100, 2399, 9990]))
def test_the_end_of_a_year(tz: str, year: int) -> None:
    start, end = utc(year, 12, 31) - 12 * HOUR, utc(year + 1, 1, 1) + 26 * HOUR
    for expression in ("0 0 1 1 *", "59 23 31 12 *", "*/17 23-1 31,1 * *", "0 0 L * *", "30 0 * dec-feb/2 mon-sun"):
        assert ours(expression, tz, start, end) == ticks(expression, tz, start, end), expression


@pytest.mark.parametrize(("first", "last"), first_of(1, [(2096, 2106), (2026, 2033), (2396, 2404), (9980, 9988)]))
@pytest.mark.parametrize(
    "days",
    first_of(5, [
        "29 2 *", "29 feb mon", "L 2 *", "L feb L5", "29W 2 *", "30,31 1-3 *", "1 3 *", "28-2/2 2,3 *", "* 2 */3",
        "*/29 * *", "1-31 2 */7", "15W 2 5", "29 2 thu#5", "31 * sat-wed/3", "25-L feb-aug/3 *",
    ]),
)  # fmt: skip
def test_leap_days(first: int, last: int, days: str) -> None:
    start, end = utc(first, 1, 1), utc(last, 12, 31)
    assert ours(f"0 0 {days}", "UTC", start, end) == dates(f"0 0 {days}", start, end)


def test_2100_has_no_leap_day_and_2400_has() -> None:
    leaps = CronSchedule("0 12 29 2 *", "Asia/Kathmandu")
    found = [leaps.next_after(utc(year, 1, 1)).year for year in (2024, 2025, 2096, 2097, 2399, 2401)]
    assert found == [2024, 2028, 2096, 2104, 2400, 2404]


def dates(expression: str, start: datetime, end: datetime) -> list[datetime]:
    """The midnights in (start, end] that match."""
    matches = Rule.of(expression).matches
    days = (start + DAY * number for number in range(1, (end - start) // DAY + 1))
    return [day for day in days if matches(day.replace(tzinfo=None))]


# Whatever one may write.


NUMBERS = {
    "jan": 1, "mar": 3, "apr": 4, "sep": 9, "oct": 10, "nov": 11, "dec": 12, "sun": 0, "mon": 1, "thu": 4, "sat": 6,
}  # fmt: skip


def value(low: int, high: int, *names: str) -> st.SearchStrategy[str]:
    numbers = st.integers(low, high).map(str)
    return st.one_of(numbers, st.sampled_from(names)) if names else numbers


def field(low: int, high: int, *names: str) -> st.SearchStrategy[str]:
    """Lists of values, ranges and steps; ranges may run over the end, steps may be as long as their range."""
    size = 7 if high == 7 else high - low + 1  # 0 and 7 are one day of the week
    one, step = value(low, high, *names), st.integers(1, size)
    span = st.tuples(one, one).filter(lambda ends: _is_range(*ends))
    stepped = st.builds(partial(_stepped, size), span, step)
    part = st.one_of(one, span.map("-".join), stepped, st.builds("{}/{}".format, one, step))
    return st.one_of(st.just("*"), step.map("*/{}".format), st.lists(part, min_size=1, max_size=3).map(",".join))


def _stepped(size: int, ends: tuple[str, str], step: int) -> str:
    first, last = (NUMBERS[end] if end in NUMBERS else int(end) for end in ends)
    values = min(size, last - first + 1 if first < last else last - first + 1 + size)
    return f"{ends[0]}-{ends[1]}/{1 + step % values}"


def _is_range(first: str, last: str) -> bool:
    """Whether the package takes it: a range of one value is refused."""
    return first != last and (first.isdigit() == last.isdigit()) and {first, last} != {"0", "7"}


MONTHS = field(1, 12, "jan", "mar", "apr", "sep", "oct", "nov", "dec")
DAYS = st.one_of(st.just("*"), field(1, 31), st.sampled_from(["L", "1,L", "25-L", "1W", "15W", "31W", "?"]))
WEEKDAYS = st.one_of(
    st.just("*"), field(0, 7, "sun", "mon", "thu", "sat"), st.sampled_from(["fri#2", "1#5", "L5", "L0,L3", "?"])
)
often = settings(deadline=None, derandomize=True, max_examples=depth(3, 40))


def known(make: Callable[[], T]) -> T:
    """What is made, unless it is refused because it never fires."""
    try:
        return make()
    except InvalidSchedule as error:
        assume("never fires" not in str(error))
        raise


@often
@given(field(0, 59), field(0, 23), DAYS, MONTHS, WEEKDAYS, st.sampled_from(ODD_DAYS), st.integers(0, 9))
def test_any_expression_on_any_odd_day(
    minute: str, hour: str, day: str, month: str, weekday: str, where: tuple[str, int], which: int
) -> None:
    expression, found = f"{minute} {hour} {day} {month} {weekday}", changes(*where)
    change = found[which % len(found)]
    start, end = change - 26 * HOUR, change + 26 * HOUR
    assert known(lambda: ours(expression, where[0], start, end)) == ticks(expression, where[0], start, end)


@settings(often, max_examples=depth(2, 25))
@given(DAYS, MONTHS, WEEKDAYS, st.sampled_from([1999, 2026, 2096, 9000]))
def test_any_day_of_some_years(day: str, month: str, weekday: str, year: int) -> None:
    expression, start = f"0 0 {day} {month} {weekday}", utc(year, 1, 1)
    end = start + 800 * DAY
    assert known(lambda: ours(expression, "UTC", start, end)) == dates(expression, start, end)


@slow
@settings(often, max_examples=25)
@given(field(0, 59), field(0, 59), field(0, 23), st.sampled_from(["Europe/London", "Africa/El_Aaiun"]), st.booleans())
def test_any_seconds_around_a_change(second: str, minute: str, hour: str, tz: str, later: bool) -> None:
    expression, change = f"{second} {minute} {hour} * * *", changes(tz, 2026)[later]
    start, end = change - 80 * MINUTE, change + 80 * MINUTE
    assert ours(expression, tz, start, end) == ticks(expression, tz, start, end, SECOND)


@settings(often, max_examples=depth(3, 25))
@given(field(0, 59), field(0, 23), st.sampled_from(ODD_DAYS), st.integers(0, 9), st.integers(1, 40))
def test_what_was_missed_over_a_change(minute: str, hour: str, where: tuple[str, int], which: int, most: int) -> None:
    expression, found = f"{minute} {hour} * * *", changes(*where)
    end = found[which % len(found)] + 5 * HOUR
    missed = CronSchedule(expression, where[0]).latest_between(end - 26 * HOUR, end, most)
    assert missed == ticks(expression, where[0], end - 26 * HOUR, end)[-most:]


def test_the_calendar_by_hand() -> None:
    """What it is to be compared with is right where a person can see it."""
    spring, autumn = utc(2026, 3, 28, 23), utc(2026, 10, 24, 23)
    assert ticks("30 1 * * *", "Europe/London", spring, spring + 4 * HOUR) == [utc(2026, 3, 29, 1)]
    assert ticks("30 1 * * *", "Europe/London", autumn, autumn + 4 * HOUR) == [utc(2026, 10, 25, 0, 30)]
    assert ticks("30 * * * *", "Europe/London", spring, spring + 4 * HOUR)[1:3] == [
        utc(2026, 3, 29, 0, 30), utc(2026, 3, 29, 1, 30),
    ]  # fmt: skip
    assert len(ticks("* 1 * * *", "Europe/London", autumn, autumn + 4 * HOUR)) == 120
    assert dates("0 0 29 2 *", utc(2096, 1, 1), utc(2104, 12, 31)) == [utc(2096, 2, 29), utc(2104, 2, 29)]
    assert dates("0 0 1 * mon", utc(2026, 1, 1), utc(2026, 2, 3))[-2:] == [utc(2026, 2, 1), utc(2026, 2, 2)]
    assert [day.day for day in dates("0 0 15W 8,11 *", utc(2026, 1, 1), utc(2026, 12, 1))] == [14, 16]
    assert dates("0 0 * 7 fri#2", utc(2026, 1, 1), utc(2026, 8, 1)) == [utc(2026, 7, 10)]
    assert dates("0 0 * 7 L5", utc(2026, 1, 1), utc(2026, 8, 1)) == [utc(2026, 7, 31)]
    assert sorted(Rule.of("50-10/7 22-4/3 * nov-may/3 *").minutes) == [4, 50, 57]
    assert sorted(Rule.of("50-10/7 22-4/3 * nov-may/3 *").hours) == [1, 4, 22]
    assert sorted(Rule.of("50-10/7 22-4/3 * nov-may/3 *").months) == [2, 5, 11]
    assert changes("Europe/London", 2026) == [utc(2026, 3, 29, 1), utc(2026, 10, 25, 1)]
    assert timedelta(0) < SECOND < MINUTE < HOUR < DAY
