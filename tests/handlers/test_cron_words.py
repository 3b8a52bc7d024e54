"""A cron expression whose fields are given one by one, as other libraries take them."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, JobRunner, Jobs
from aiojobs_lite.errors import InvalidSchedule

EXAMPLE = "0 9 * * *"


class Trigger:
    """Stands for what other libraries make of the fields, such as `crontab(hour=3)`."""


async def nightly() -> None: ...


# What users of APScheduler, Celery, huey, arq and rocketry write, and the expression that it means.
FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"hour": 3}, "0 3 * * *"),
    ({"hour": "3", "minute": "30"}, "30 3 * * *"),
    ({"minute": "*/5"}, "*/5 * * * *"),
    ({"second": 10}, "10 * * * * *"),
    ({"second": 0, "hour": 3, "minute": 0}, "0 0 3 * * *"),
    ({"day": 1}, "0 0 1 * *"),
    ({"day_of_month": 1, "hour": 4}, "0 4 1 * *"),
    ({"month": 6}, "0 0 1 6 *"),
    ({"month_of_year": "jan", "day": 2}, "0 0 2 jan *"),
    ({"day_of_week": "mon-fri"}, "0 0 * * mon-fri"),
    ({"trigger": "cron", "weekday": "MON", "hour": 3}, "0 3 * * mon"),
    ({"seconds": 30}, "*/30 * * * * *"),
    ({"trigger": "interval", "minutes": 5}, "*/5 * * * *"),
    ({"hours": 2}, "0 */2 * * *"),
    ({"days": 1, "tz": "UTC"}, "0 0 */1 * *"),
]
NOT_AN_EXPRESSION: list[dict[str, Any]] = [
    {"trigger": Trigger()},
    {"crontab": Trigger(), "name": "nightly"},
    {"hour": {3, 4}},
    {"hour": 25},
    {"day_of_week": 0},  # a Monday of APScheduler, a Sunday of cron
    {"day_of_week": "0-4", "hour": 3},
    {"every": "5m"},
]


@pytest.mark.parametrize("declaring", [Jobs(), JobRunner(":memory:")], ids=["group", "runner"])
@pytest.mark.parametrize(("given", "ours"), [*FIELDS, *[(given, EXAMPLE) for given in NOT_AN_EXPRESSION]])
def test_fields_by_name_are_answered_with_an_expression(declaring: Any, given: dict[str, Any], ours: str) -> None:
    five = "one text of five fields (minute, hour, day of month, month, day of week), which comes first"
    with pytest.raises(InvalidOption, match=re.escape(f': expected {five}: @runner.cron("{ours}").')) as caught:
        declaring.cron(**given)(nightly)
    assert caught.value.option in given
    assert caught.value.option not in ("tz", "name")
    if ours != EXAMPLE:
        assert Jobs().cron(ours)(nightly).cron is not None


def test_a_field_beside_an_expression_is_answered_with_one() -> None:
    group: Any = Jobs()
    problem = re.escape(f'hour=3: expected @runner.cron("{EXAMPLE}").')
    with pytest.raises(InvalidOption, match=problem):
        group.cron("0 3 * * *", hour=3)
    with pytest.raises(InvalidOption, match=problem):
        group.cron(expression="0 3 * * *", hour=3)


def test_an_object_of_another_library_is_answered_with_the_form() -> None:
    group: Any = Jobs()
    problem = (
        "it is no text; write five fields (minute, hour, day of month, month, day of week), or six with the second"
    )
    with pytest.raises(InvalidSchedule, match=re.escape(problem) + r' first, such as "0 3 \* \* \*"$'):
        group.cron(Trigger())


def test_a_call_without_anything_says_what_is_missing() -> None:
    group: Any = Jobs()
    for given in ({}, {"name": "nightly"}, {"tz": "UTC"}):
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'expression'"):
            group.cron(**given)


def test_its_signature_is_that_of_the_method() -> None:
    named = ["expression", "tz", "catch_up", "overlap", "jitter"]
    assert list(inspect.signature(Jobs().cron).parameters) == [*named, "options"]
