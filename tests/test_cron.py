"""Cron schedules, held against an oracle that walks through the days minute by minute."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiojobs_lite.cron import CronSchedule
from aiojobs_lite.errors import InvalidSchedule
from tests.helpers.rings import depth, drawn, first_of

pytestmark = drawn(2)

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

ZONES = (
    "UTC",
    "Europe/London",
    "America/New_York",
    "Australia/Lord_Howe",  # changes its clock by half an hour
    "Africa/Casablanca",  # puts it back for Ramadan
    "Asia/Kolkata",  # never does, and is half an hour off
    "America/Santiago",  # changes it at midnight
)
FIXED = (
    "30 1 * * *",
    "0 2 * * *",
    "15,45 1,2 * * *",
    "0 0 * * *",
    "10-50 0-3 * * *",
    "59 23 * * 0",
    "30 2 28-31 3,10 *",
    "5 0-23 * * *",
)
REAL = (
    "* * * * *",
    "*/30 * * * *",
    "*/20 * * * *",
    "15 * * * *",
    "*/7 1 * * *",
    "* 2 * * *",
    "0 */2 * * *",
    "30 * 1,29 * *",
    "45 * * * 0,6",
)


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


# The oracle: it knows neither croniter nor `fold`, only what the local clock shows at each minute.


def allowed(field: str, low: int, high: int) -> set[int]:
    """The values that a field of `*`, `*/n`, `a`, `a-b` and lists stands for."""
    values: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        begin, end = (low, high) if span == "*" else (int(first), int(last or first))
        values |= set(range(begin, end + 1, int(step or 1)))
    return values


def matcher(expression: str) -> Callable[[datetime], bool]:
    """Whether a wall clock time, to the minute, matches five fields."""
    minute, hour, day, month, weekday = expression.split()
    minutes, hours = allowed(minute, 0, 59), allowed(hour, 0, 23)
    days, months, weekdays = allowed(day, 1, 31), allowed(month, 1, 12), allowed(weekday, 0, 7)

    def matches(local: datetime) -> bool:
        on_day, on_weekday = local.day in days, local.isoweekday() % 7 in weekdays
        right_day = (on_day or on_weekday) if "*" not in {day, weekday} else (on_day and on_weekday)
        return local.minute in minutes and local.hour in hours and local.month in months and right_day

    return matches


@cache
def local_times(tz: str, start: datetime, end: datetime) -> list[tuple[datetime, datetime, bool]]:
    """(instant, wall clock time, whether this time was shown before) for each minute of (start, end]."""
    zone = ZoneInfo(tz)
    steps = [start + MINUTE * step for step in range(1, (end - start) // MINUTE + 1)]
    shown: set[datetime] = set()
    rows = []
    for instant in steps:
        local = instant.astimezone(zone).replace(tzinfo=None, fold=0)
        rows.append((instant, local, local in shown))
        shown.add(local)
    return rows


def oracle(expression: str, tz: str, start: datetime, end: datetime, *, fixed: bool) -> list[datetime]:
    """The ticks in (start, end], by looking at every minute."""
    matches = matcher(expression)
    ticks = []
    before = start.astimezone(ZoneInfo(tz)).replace(tzinfo=None, fold=0)
    for instant, local, seen in local_times(tz, start, end):
        hit = matches(local)
        if fixed:
            skipped = range(1, (local - before) // MINUTE)  # empty unless the clock was put forward
            hit = (hit and not seen) or any(matches(before + MINUTE * step) for step in skipped)
        if hit:
            ticks.append(instant)
        before = local
    return ticks


def changes(tz: str, year: int) -> list[datetime]:
    """The UTC midnights before which, within a day, the clock is changed; for a zone without, two ordinary days."""
    zone = ZoneInfo(tz)
    days = [utc(year, 1, 1) + DAY * step for step in range(366)]
    found = [day for day in days if day.astimezone(zone).utcoffset() != (day + DAY).astimezone(zone).utcoffset()]
    return found or [utc(year, 3, 29), utc(year, 10, 25)]


def ticks_between(schedule: CronSchedule, start: datetime, end: datetime) -> list[datetime]:
    ticks: list[datetime] = []
    while (tick := schedule.next_after(ticks[-1] if ticks else start)) <= end:
        ticks.append(tick)
    return ticks


def local(ticks: list[datetime], tz: str) -> list[str]:
    return [tick.astimezone(ZoneInfo(tz)).strftime("%d %H:%M %Z") for tick in ticks]


# The two odd days


@pytest.mark.parametrize("year", first_of(1, [2026, 2027]))
@pytest.mark.parametrize("tz", ZONES)
@pytest.mark.parametrize("expression", first_of(3, [*FIXED, *REAL]))
def test_agrees_with_the_oracle_where_the_clock_is_changed(expression: str, tz: str, year: int) -> None:
    schedule = CronSchedule(expression, tz)
    for day in changes(tz, year):
        start, end = day - DAY / 2, day + 1.5 * DAY
        expected = oracle(expression, tz, start, end, fixed=expression in FIXED)
        assert ticks_between(schedule, start, end) == expected


@pytest.mark.parametrize("tz", first_of(1, ZONES))
@pytest.mark.parametrize("expression", first_of(2, ["30 1 * * *", "0,30 1-2 * * *", "*/30 * * * *", "* 1 * * *"]))
def test_may_be_asked_at_any_minute_of_the_odd_days(expression: str, tz: str) -> None:
    schedule = CronSchedule(expression, tz)
    for day in changes(tz, 2026):
        start, end = day - DAY / 2, day + 1.5 * DAY
        expected = oracle(expression, tz, start - DAY, end + 2 * DAY, fixed=expression in FIXED or "0,30" in expression)
        following = iter(expected)
        tick = next(following)
        for step in range(0, (end - start) // MINUTE, 3):
            instant = start + MINUTE * step + timedelta(seconds=step % 60, microseconds=step)
            while tick <= instant:
                tick = next(following)
            assert schedule.next_after(instant) == tick


@pytest.mark.parametrize("tz", first_of(3, ZONES))
@pytest.mark.parametrize("hour", first_of(1, [1, 0, 2, 3]))
def test_a_fixed_time_runs_once_on_every_local_date(hour: int, tz: str) -> None:
    ticks = ticks_between(CronSchedule(f"20 {hour} * * *", tz), utc(2025, 12, 31, 18), utc(2027, 12, 31, 11))
    dates = [tick.astimezone(ZoneInfo(tz)).date() for tick in ticks]
    assert dates == [dates[0] + DAY * step for step in range(len(dates))]
    assert len(dates) >= 729


@pytest.mark.parametrize("tz", ZONES)
def test_every_half_hour_has_no_gap_in_real_time(tz: str) -> None:
    for day in changes(tz, 2026):
        ticks = ticks_between(CronSchedule("*/30 * * * *", tz), day - DAY, day + 2 * DAY)
        assert {later - tick for tick, later in pairwise(ticks)} == {HOUR / 2}


def test_london_by_hand() -> None:
    fixed, real = CronSchedule("30 1 * * *", "Europe/London"), CronSchedule("30 * * * *", "Europe/London")
    assert local(fixed.upcoming(utc(2026, 3, 28, 12), 2), fixed.tz) == ["29 02:00 BST", "30 01:30 BST"]
    assert local(fixed.upcoming(utc(2026, 10, 24, 12), 2), fixed.tz) == ["25 01:30 BST", "26 01:30 GMT"]
    assert local(real.upcoming(utc(2026, 3, 29), 2), real.tz) == ["29 00:30 GMT", "29 02:30 BST"]
    assert local(real.upcoming(utc(2026, 10, 25), 2), real.tz) == ["25 01:30 BST", "25 01:30 GMT"]


def test_lord_howe_keeps_the_ticks_that_croniter_loses() -> None:
    ticks = CronSchedule("*/20 * * * *", "Australia/Lord_Howe").upcoming(utc(2026, 4, 4, 14, 30), 3)
    assert ticks == [utc(2026, 4, 4, 14, 40), utc(2026, 4, 4, 15, 10), utc(2026, 4, 4, 15, 30)]


def test_several_times_in_the_skipped_hour_are_one_tick() -> None:
    ticks = CronSchedule("*/10 0,15,30 1-2 * * *", "Europe/London").upcoming(utc(2026, 3, 28, 12), 2)
    assert ticks == [utc(2026, 3, 29, 1), utc(2026, 3, 29, 1, 0, 10)]


def test_a_fixed_list_of_seconds_skips_the_repeated_hour_at_once() -> None:
    schedule = CronSchedule("0-59 0-59 1 * * *", "Europe/London")
    assert schedule.next_after(utc(2026, 10, 25, 0, 59, 59)) == utc(2026, 10, 26, 1)
    assert schedule.next_after(utc(2026, 10, 25, 1, 0, 0)) == utc(2026, 10, 26, 1)


def test_a_date_that_the_zone_left_out_counts_at_its_end() -> None:
    schedule = CronSchedule("0 9 * * *", "Pacific/Apia")  # there was no 30 December 2011
    days = [tick.astimezone(ZoneInfo(schedule.tz)) for tick in schedule.upcoming(utc(2011, 12, 29), 3)]
    assert [(day.day, day.hour) for day in days] == [(29, 9), (31, 0), (31, 9)]
    real = CronSchedule("0 */9 * * *", "Pacific/Apia")
    assert real.upcoming(utc(2011, 12, 30, 4), 3) == [
        utc(2011, 12, 30, 10),
        utc(2011, 12, 30, 19),
        utc(2011, 12, 31, 4),
    ]


# The calendar


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("0 0 1 1 *", utc(2026, 6, 1), [utc(2027, 1, 1), utc(2028, 1, 1)]),
        ("59 23 31 12 *", utc(2026, 12, 31, 23, 58), [utc(2026, 12, 31, 23, 59), utc(2027, 12, 31, 23, 59)]),
        ("59 59 23 31 12 *", utc(2026, 12, 31), [utc(2026, 12, 31, 23, 59, 59)]),
        ("0 0 29 2 *", utc(2026, 1, 1), [utc(2028, 2, 29), utc(2032, 2, 29)]),
        ("0 0 29 2 *", utc(2096, 3, 1), [utc(2104, 2, 29)]),
        ("0 12 * 2 1#5", utc(2026, 1, 1), [utc(2044, 2, 29, 12)]),
        ("* * 29 2 *", utc(2026, 1, 1), [utc(2028, 2, 29), utc(2028, 2, 29, 0, 1)]),
        ("0 0 31 * *", utc(2026, 1, 31), [utc(2026, 3, 31), utc(2026, 5, 31), utc(2026, 7, 31), utc(2026, 8, 31)]),
        ("0 0 L * *", utc(2028, 1, 1), [utc(2028, 1, 31), utc(2028, 2, 29), utc(2028, 3, 31)]),
        ("0 9 15W * *", utc(2026, 8, 1), [utc(2026, 8, 14, 9), utc(2026, 9, 15, 9)]),
        ("0 9 * * mon-fri", utc(2026, 7, 3, 9), [utc(2026, 7, 6, 9), utc(2026, 7, 7, 9)]),
        ("0 9 * * 7", utc(2026, 7, 1), [utc(2026, 7, 5, 9), utc(2026, 7, 12, 9)]),
        ("0 9 * * 0-7", utc(2026, 7, 1), [utc(2026, 7, 1, 9), utc(2026, 7, 2, 9)]),
        ("0 9 * * fri#2", utc(2026, 7, 1), [utc(2026, 7, 10, 9), utc(2026, 8, 14, 9)]),
        ("0 0 13 * 5", utc(2026, 11, 7), [utc(2026, 11, 13), utc(2026, 11, 20)]),
        ("0 0 12 * 5", utc(2026, 11, 7), [utc(2026, 11, 12), utc(2026, 11, 13)]),
        ("0 22-2/2 * * *", utc(2026, 1, 1, 1), [utc(2026, 1, 1, 2), utc(2026, 1, 1, 22), utc(2026, 1, 2)]),
        ("*/20 * * * * *", utc(2026, 1, 1, 0, 0, 5), [utc(2026, 1, 1, 0, 0, 20), utc(2026, 1, 1, 0, 0, 40)]),
        ("5 * * * * *", utc(2026, 1, 1, 0, 0, 5), [utc(2026, 1, 1, 0, 1, 5)]),
        ("30 0 9 * * *", utc(2026, 1, 1), [utc(2026, 1, 1, 9, 0, 30), utc(2026, 1, 2, 9, 0, 30)]),
        ("@hourly", utc(2026, 1, 1), [utc(2026, 1, 1, 1)]),
        ("@daily", utc(2026, 1, 1), [utc(2026, 1, 2)]),
        ("@midnight", utc(2026, 1, 1), [utc(2026, 1, 2)]),
        ("@weekly", utc(2026, 1, 1), [utc(2026, 1, 4)]),
        ("@monthly", utc(2026, 1, 1), [utc(2026, 2, 1)]),
        ("@yearly", utc(2026, 1, 1), [utc(2027, 1, 1)]),
        (" @Annually ", utc(2026, 1, 1), [utc(2027, 1, 1)]),
    ],
)
def test_calendar(expression: str, after: datetime, expected: list[datetime]) -> None:
    assert CronSchedule(expression).upcoming(after, len(expected)) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 30 * *",
        "0 0 29-31 2,4,6 *",
        "0 0 */5 * *",
        "0 0 * 1,12 1-5",
        "0 0 31 4,6,8 *",
        "0 0 1,15 * 3",
        "0 0 * */5 6",
    ],
)
def test_a_decade_of_dates(expression: str) -> None:
    matches = matcher(expression)
    days = [utc(2026, 1, 1) + DAY * step for step in range(1, 3653)]
    expected = [day for day in days if matches(day)]
    assert ticks_between(CronSchedule(expression), utc(2026, 1, 1), days[-1]) == expected


def test_a_new_zone_rule_in_a_long_pause_is_seen() -> None:
    schedule = CronSchedule("* * 1 7 *", "Europe/London")  # sparse, yet in real time: summer when asked in winter
    assert schedule.next_after(utc(2026, 1, 1)) == utc(2026, 6, 30, 23)


def test_the_second_pass_is_seen_when_the_next_one_is_a_year_away() -> None:
    schedule = CronSchedule("* 1 25 10 *", "Europe/London")
    assert schedule.next_after(utc(2026, 10, 25, 0, 59)) == utc(2026, 10, 25, 1)
    assert schedule.next_after(utc(2026, 10, 25, 1, 59)) == utc(2027, 10, 25)


@pytest.mark.parametrize("year", [1950, 2026, 9000])
@pytest.mark.parametrize("expression", ["0 12 * * *", "* * * * *", "*/30 * * * * *"])
def test_a_microsecond_before_is_before(expression: str, year: int) -> None:
    noon = utc(year, 6, 1, 12)
    assert CronSchedule(expression).next_after(noon - timedelta(microseconds=1)) == noon
    assert CronSchedule(expression).next_after(noon) > noon


# As a value


def test_is_a_value() -> None:
    schedule = CronSchedule("0 9 * * *", tz="Europe/London")
    assert (schedule.expression, schedule.tz) == ("0 9 * * *", "Europe/London")
    assert repr(schedule) == "CronSchedule(expression='0 9 * * *', tz='Europe/London')"
    assert schedule == CronSchedule("0 9 * * *", "Europe/London")
    assert schedule not in {CronSchedule("0 9 * * *"), CronSchedule("0 8 * * *", "Europe/London")}
    assert schedule not in [object(), None]
    with pytest.raises(AttributeError):
        schedule.tz = "UTC"  # type: ignore[misc]


def test_asking_does_not_change_it() -> None:
    schedule = CronSchedule("*/5 * * * *")
    assert schedule.upcoming(utc(2026, 1, 1), 3) == schedule.upcoming(utc(2026, 1, 1), 3)
    assert schedule.next_after(utc(2025, 1, 1)) == utc(2025, 1, 1, 0, 5)


def test_asking_writes_nothing_that_threads_could_share() -> None:
    schedule = CronSchedule("*/5 * * * *")
    before = [dict(vars(cron)) for cron in schedule._crons]  # noqa: SLF001  # nothing else shows that it is written
    schedule.next_after(utc(2026, 1, 1))
    assert [vars(cron) for cron in schedule._crons] == before  # noqa: SLF001  # the same


def test_hashed_times_depend_on_the_name_alone() -> None:
    one, same, other = (CronSchedule("H H(0-3) * * *", hash_id=name) for name in ("one", "one", "other"))
    start = utc(2026, 1, 1)
    assert one.upcoming(start, 3) == same.upcoming(start, 3)
    assert one.next_after(start) != other.next_after(start)
    assert one.next_after(start).hour <= 3
    assert one != other


def test_a_name_does_not_move_the_aliases() -> None:
    assert CronSchedule("@daily", hash_id="digest").next_after(utc(2026, 1, 1)) == utc(2026, 1, 2)


def test_any_aware_instant_is_taken_and_utc_comes_out() -> None:
    noon = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Asia/Kolkata"))
    tick = CronSchedule("0 9 * * *", "Europe/London").next_after(noon)
    assert tick == utc(2026, 7, 1, 8)
    assert tick.tzinfo is UTC


# Refusals


@pytest.mark.parametrize(
    ("expression", "field", "message"),
    [
        ("60 * * * *", "minute", "'60' cannot be read; use 0-59"),
        ("*/0 * * * *", "minute", "steps"),
        ("0 24 * * *", "hour", "'24' cannot be read; use 0-23"),
        ("0 9 32 * *", "day of month", "use 1-31, L or 15W, lists 1,2, ranges 1-5, steps */2"),
        ("0 9 0 * *", "day of month", "use 1-31"),
        ("0 9 * 13 *", "month", "use 1-12 or jan-dec"),
        ("0 9 * foo *", "month", "'foo' cannot be read"),
        ("0 9 * * 8", "day of week", "use 0-7 or sun-sat (0 and 7 are Sunday), fri#2 or L5"),
        ("0 9 * * mon,fri#2", "day of week", "cannot be read"),
        ("0 9 * * fri#6", "day of week", "cannot be read"),
        ("61 0 9 * * *", "second", "'61' cannot be read; use 0-59"),
        ("0 61 9 * * *", "minute", "'61' cannot be read"),
        ("0 0 9 * * x", "day of week", "'x' cannot be read"),
        ("-1 * * * *", "minute", "'-1' cannot be read"),
        ("0\u00a09 * * * * *", "second", "cannot be read"),
        ("99 99 * * *", "minute", "'99'"),
        ("0 9-9 * * *", "hour", "a range of one value is misread; write 9 for 9-9, or *"),
        ("0,05-5/2 9 * * *", "minute", "write 9 for 9-9"),
        ("R * * * *", "minute", "R is random at every start; use H, or write the value"),
        ("0 r(1-5) * * *", "hour", "R is random"),
        ("0 0 1,R/2 * *", "day of month", "R is random"),
        ("H * * * *", "minute", "hash_id="),
        ("0 h(0-5) * * *", "hour", "hash_id="),
        ("0 9 H/7 * *", "day of month", "hash_id="),
        ("0 0 31 2 *", "day of month", "it never fires; name a day that exists"),
        ("* * 30 2 *", "day of month", "it never fires"),
        ("0 0 0 31 4,6,9,11 *", "day of month", "it never fires"),
        ("", "expression", "it has 0 fields; write five fields"),
        ("0 9 * *", "expression", "it has 4 fields; write five fields"),
        ("0 0 9 * * * 2026", "expression", "it has 7 fields; write five fields"),
        (
            "@every 5m",
            "expression",
            '@every is not supported; a CronSchedule has no intervals: a runner takes every("45m")',
        ),
        ("@reboot", "expression", "@reboot is not supported; enqueue a job when the application starts"),
        (
            "@fortnightly",
            "expression",
            "@fortnightly is not supported; write five fields (minute, hour, day of month, month, day of week), or six",
        ),
        ("CRON_TZ=Europe/London 0 9 * * *", "expression", 'a time zone is no part of it; pass tz="Europe/London"'),
        ("TZ=Europe/London 0 9 * * *", "expression", 'pass tz="Europe/London"'),
        ("*/1," * 20_000 + "1 * * * *", "expression", "at most 256 are allowed"),
        ("0 9 * * *" + " " * 248, "expression", "it has 257 characters; at most 256 are allowed"),
    ],
)
def test_a_bad_expression_is_refused_by_field(expression: str, field: str, message: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        CronSchedule(expression)
    assert (caught.value.field, caught.value.expression) == (field, expression)
    assert message in str(caught.value)


def test_r_is_refused_with_a_name_too() -> None:
    with pytest.raises(InvalidSchedule, match="R is random"):
        CronSchedule("R * * * *", hash_id="digest")


def test_a_malformed_hash_is_refused() -> None:
    with pytest.raises(InvalidSchedule, match=r"'h\(9-1\)' cannot be read") as caught:
        CronSchedule("0 H(9-1) * * *", hash_id="digest")
    assert caught.value.field == "hour"


def test_256_characters_are_taken() -> None:
    assert CronSchedule("0 9 * * *" + " " * 247).next_after(utc(2026, 1, 1)) == utc(2026, 1, 1, 9)


@pytest.mark.parametrize(
    ("tz", "message"),
    [
        ("Europe/Londn", "did you mean 'Europe/London'?"),
        ("CEST", 'pass a name such as "Europe/London"'),
        ("Europe", "is not known"),
        ("", "pass a name such as"),
        ("../etc/passwd", "is not known"),
        ("a\0b", "is not known"),
        ("x" * 5000, "is not known"),
        (ZoneInfo("Europe/London"), "is not known; did you mean 'Europe/London'?"),
        (None, "pass a name such as"),
    ],
)
def test_an_unknown_zone_is_refused(tz: str, message: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        CronSchedule("0 9 * * *", tz)
    assert caught.value.field == "tz"
    assert message in str(caught.value)


def test_a_naive_instant_is_refused() -> None:
    schedule, naive = CronSchedule("0 9 * * *"), datetime(2026, 1, 1)  # noqa: DTZ001  # the point
    asked: list[Callable[[], object]] = [
        lambda: schedule.next_after(naive),
        lambda: schedule.upcoming(naive, 1),
        lambda: schedule.latest_between(naive, utc(2026, 1, 2)),
        lambda: schedule.latest_between(utc(2026, 1, 1), naive),
    ]
    for ask in asked:
        with pytest.raises(InvalidSchedule, match=r"naive; pass datetime.now\(UTC\)") as caught:
            ask()
        assert caught.value.field == "instant"


@pytest.mark.parametrize("expression", ["0 9 * * *", "* * * * *", "0 0 1 1 *"])
@pytest.mark.parametrize("tz", ["UTC", "Pacific/Apia", "America/New_York"])
def test_the_end_of_time_is_refused(expression: str, tz: str) -> None:
    with pytest.raises(InvalidSchedule, match=r"no tick follows 9999-12-31T23:59:59.*; pass an earlier inst") as caught:
        CronSchedule(expression, tz).next_after(datetime.max.replace(tzinfo=UTC))
    assert caught.value.field == "instant"


# Looking back


@pytest.mark.parametrize("most", first_of(1, [3, 1, 100]))
@pytest.mark.parametrize(
    "expression", first_of(2, ["0 */6 * * *", "*/17 3 * * *", "30 4 1 * *", "0 0 29 2 *", "*/10 9 * 3 1-5"])
)
def test_latest_is_the_tail_of_all(expression: str, most: int) -> None:
    schedule = CronSchedule(expression, "Europe/London")
    start, end = utc(2025, 3, 1, 4, 30), utc(2026, 11, 1)
    assert schedule.latest_between(start, end, most) == ticks_between(schedule, start, end)[-most:]


def test_latest_leaves_the_start_out_and_takes_the_end_in() -> None:
    schedule = CronSchedule("0 * * * *")
    assert schedule.latest_between(utc(2026, 1, 1), utc(2026, 1, 1, 2), 9) == [utc(2026, 1, 1, 1), utc(2026, 1, 1, 2)]
    assert schedule.latest_between(utc(2026, 1, 1), utc(2026, 1, 1, 0, 59)) == []


def test_latest_of_nothing_is_nothing() -> None:
    schedule = CronSchedule("* * * * *")
    assert schedule.latest_between(utc(2026, 1, 2), utc(2026, 1, 1), 5) == []
    assert schedule.latest_between(utc(2026, 1, 1), utc(2026, 1, 1), 5) == []
    assert schedule.latest_between(utc(2026, 1, 1), utc(2026, 1, 2), 0) == []
    assert schedule.latest_between(utc(2026, 1, 1), utc(2026, 1, 2), -1) == []
    assert schedule.upcoming(utc(2026, 1, 1), 0) == schedule.upcoming(utc(2026, 1, 1), -1) == []


@pytest.mark.parametrize(
    ("expression", "start", "expected"),
    [
        ("* * * * * *", utc(2025, 12, 31), utc(2026, 12, 31)),
        ("* * * * *", utc(2025, 12, 31), utc(2026, 12, 31)),
        ("0 0 1 1 *", utc(2016, 6, 1), utc(2026, 1, 1)),
        ("* * * * 1 *", utc(2016, 6, 1), utc(2026, 1, 31, 23, 59, 59)),  # millions of ticks, and long ago
        ("* * 29 2 *", utc(2016, 6, 1), utc(2024, 2, 29, 23, 59)),
    ],
)
def test_latest_is_quick_whatever_the_density(
    expression: str, start: datetime, expected: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    plain = CronSchedule.next_after

    def counting(self: CronSchedule, instant: datetime) -> datetime:
        nonlocal asked
        asked += 1
        return plain(self, instant)

    monkeypatch.setattr(CronSchedule, "next_after", counting)
    assert CronSchedule(expression).latest_between(start, utc(2026, 12, 31)) == [expected]
    assert asked < 2500  # 15 to 40 microseconds each


# Properties


numbers = st.integers(0, 59).map(str)
expressions = st.builds(
    lambda minute, hour, day, month, weekday: f"{minute} {hour} {day} {month} {weekday}",
    st.one_of(st.sampled_from(["*", "*/7", "*/15", "0,30", "10-20"]), numbers),
    st.one_of(st.sampled_from(["*", "*/5", "0,1,2", "1-3"]), st.integers(0, 23).map(str)),
    st.sampled_from(["*", "1", "15", "28-31", "29"]),
    st.sampled_from(["*", "*/3", "3", "4,10,11"]),
    st.sampled_from(["*", "0", "1-5", "6"]),
)
zones = st.sampled_from([*ZONES, "Asia/Tehran", "Pacific/Apia", "Europe/Dublin", "Antarctica/Troll"])
instants = st.datetimes(
    min_value=datetime(2024, 1, 1),  # noqa: DTZ001  # the zone is drawn
    max_value=datetime(2030, 1, 1),  # noqa: DTZ001  # the same
    timezones=st.just(UTC),
)
steady = settings(deadline=None, derandomize=True, max_examples=depth(15, 60))


@steady
@given(expressions, zones, instants)
def test_the_next_tick_is_later_and_whole(expression: str, tz: str, instant: datetime) -> None:
    tick = CronSchedule(expression, tz).next_after(instant)
    assert tick > instant
    assert (tick.second, tick.microsecond) == (0, 0)
    assert tick.tzinfo is UTC


@steady
@given(expressions, zones, instants, st.timedeltas(timedelta(0), timedelta(days=400)))
def test_later_instants_have_no_earlier_ticks(expression: str, tz: str, instant: datetime, later: timedelta) -> None:
    schedule = CronSchedule(expression, tz)
    first, second = schedule.next_after(instant), schedule.next_after(instant + later)
    assert first <= second
    assert first == second or first <= instant + later


@steady
@given(expressions, zones, instants, st.floats(0, 1))
def test_from_anywhere_between_two_ticks_the_second_follows(
    expression: str, tz: str, instant: datetime, part: float
) -> None:
    schedule = CronSchedule(expression, tz)
    first, second = schedule.upcoming(instant, 2)
    between = min(first + (second - first) * part, second - timedelta(microseconds=1))
    assert first < second
    assert schedule.next_after(between) == second


@settings(deadline=None, derandomize=True, max_examples=depth(6, 30))
@given(expressions, zones, instants, st.integers(1, 40), st.timedeltas(timedelta(0), timedelta(days=40)))
def test_latest_agrees_with_enumeration(
    expression: str, tz: str, start: datetime, most: int, length: timedelta
) -> None:
    schedule = CronSchedule(expression, tz)
    expected: list[datetime] = []
    tick = schedule.next_after(start)
    while tick <= start + length and len(expected) < 3000:
        expected.append(tick)
        tick = schedule.next_after(tick)
    end = min(start + length, tick - timedelta(microseconds=1))
    assert schedule.latest_between(start, end, most) == expected[-most:]


@settings(deadline=None, derandomize=True, max_examples=depth(6, 30))
@given(
    expressions, st.sampled_from([zone for zone in ZONES if zone != "UTC"]), st.integers(2024, 2029), st.integers(0, 9)
)
def test_any_expression_agrees_with_the_oracle(expression: str, tz: str, year: int, which: int) -> None:
    minute, hour, *_ = expression.split()
    days = changes(tz, year)
    start = days[which % len(days)] - DAY / 2
    fixed = not minute.startswith("*") and not hour.startswith("*")
    expected = oracle(expression, tz, start, start + 2 * DAY, fixed=fixed)
    assert ticks_between(CronSchedule(expression, tz), start, start + 2 * DAY) == expected


def test_the_oracle_itself() -> None:
    assert allowed("*/15", 0, 59) == {0, 15, 30, 45}
    assert allowed("1-3,7", 0, 23) == {1, 2, 3, 7}
    assert matcher("0 9 * * 1")(datetime(2026, 7, 6, 9))  # noqa: DTZ001  # local
    assert changes("Europe/London", 2026) == [utc(2026, 3, 29), utc(2026, 10, 25)]
