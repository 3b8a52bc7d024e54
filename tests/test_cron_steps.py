"""Steps of a cron expression: one that goes beyond its values is refused, with the schedules that say what it means."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from aiojobs_lite.cron import CronSchedule
from aiojobs_lite.errors import InvalidSchedule
from tests.helpers.instants import START

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("expression", "field", "message"),
    [
        ("*/90 * * * *", "minute", "as 2 schedules, '0 */3 * * *' and '30 1-23/3 * * *'"),
        ("*/120 * * * *", "minute", "a step of 120 among 60 values takes the first alone; write '0 */2 * * *'"),
        ("*/1440 * * * *", "minute", "write '0 0 * * *'"),
        ("*/80 * * 1 *", "minute", "as 3 schedules, '0 */4 * 1 *', '20 1-23/4 * 1 *' and '40 2-23/4 * 1 *'"),
        ("*/720 * * * fri", "minute", "write '0 */12 * * fri'"),
        ("*/90 * * * * *", "second", "as 2 schedules, '0 */3 * * * *' and '30 1-59/3 * * * *'"),
        ("0 */90 * * * *", "minute", "as 2 schedules, '0 0 */3 * * *' and '0 30 1-23/3 * * *'"),
        (
            "*/100 * * * *",
            "minute",
            "no step reaches over the end of its field; list the times",
        ),  # a day has no whole of them
        ("*/90 9-17 * * *", "minute", "list the times"),
        ("1,*/90 * * * *", "minute", "list the times"),
        ("5/61 * * * *", "minute", "list the times"),
        ("*/99999999999 * * * *", "minute", "list the times"),
        ("0 */36 * * *", "hour", "a step of 36 among 24 values takes the first alone; no step reaches"),
        ("0 0 */45 * *", "day of month", "a step of 45 among 31 values"),
        ("0 0 1 */18 *", "month", "a step of 18 among 12 values"),
        ("0 0 1 jan/18 *", "month", "a step of 18 among 12 values"),
        ("0 0 * * */8", "day of week", "a step of 8 among 7 values"),
        ("0 0 * * mon/9", "day of week", "a step of 9 among 7 values"),
        ("0-10/30 * * * *", "minute", "a step of 30 among 11 values takes the first alone; write 0"),
        ("50-10/30 * * * *", "minute", "a step of 30 among 21 values takes the first alone; write 50"),
        ("0 0 1 jan-mar/4 *", "month", "a step of 4 among 3 values takes the first alone; write jan"),
        ("0 0 * * mon-fri/6", "day of week", "a step of 6 among 5 values takes the first alone; write mon"),
        ("0 0 * * 0-7/8", "day of week", "a step of 8 among 7 values takes the first alone; write 0"),
        ("0 0 * * sat-mon/4", "day of week", "a step of 4 among 3 values takes the first alone; write sat"),
        ("H/61 * * * *", "minute", "a step of 61 among 60 values"),
        ("H(0-10)/30 * * * *", "minute", "a step of 30 among 11 values takes the first alone; write h(0-10)"),
    ],
)
def test_a_step_beyond_its_values_is_refused_with_what_says_it(expression: str, field: str, message: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        CronSchedule(expression, hash_id="report")
    assert (caught.value.field, caught.value.expression) == (field, expression)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "expression",
    [
        "*/60 * * * *", "0-10/11 * * * *", "5/60 * * * *", "0 */24 * * *", "0 0 */31 * *", "0 0 1 */12 *",
        "0 0 * * */7", "0 0 * * mon-fri/5", "0 0 * * 5-7/3", "0 0 * * sat-mon/3", "50-10/21 * * * *", "H/60 * * * *",
        "H(0-10)/11 * * * *", "*/60 * * * * *", "0 0 1 nov-feb/4 *",
    ],
)  # fmt: skip
def test_a_step_of_all_its_values_is_taken(expression: str) -> None:
    assert CronSchedule(expression, hash_id="report").upcoming(START, 2)


@pytest.mark.parametrize("minutes", [n for n in range(61, 1441) if 1440 % n == 0])
def test_the_schedules_that_a_refusal_names_fire_at_each_such_step_and_no_other_time(minutes: int) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        CronSchedule(f"*/{minutes} * * * *")
    named = re.findall(r"'([^']+)'", str(caught.value).partition(";")[2])
    found = sorted(tick for one in named for tick in CronSchedule(one).latest_between(START, START + DAY, 2000))
    assert found == [START + n * timedelta(minutes=minutes) for n in range(1, 1440 // minutes + 1)]
