"""What a schedule keeps of a bound job, and the job that a tick makes of it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, InvalidPayload, job
from aiojobs_lite.flow import Debounce, Throttle, Unique
from aiojobs_lite.handlers.job_type import BoundJob
from aiojobs_lite.handlers.schedules import job_of_tick, options_of
from aiojobs_lite.limits import DECLARED, Fixed, Limit, Rate
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.limits import LimitedLane
from aiojobs_lite.model.schedule_rows import ScheduleRow
from tests.helpers.instants import START
from tests.helpers.stores import NOW


@job
async def report(org_id: int) -> None: ...


@job(unique=Unique("org_id"), max_pending=7, expires="1h")
async def held_back(org_id: int) -> None: ...


@job(limits=[Limit(2, key="org_id")])
async def limited(org_id: int) -> None: ...


def stored(bound: BoundJob[Any]) -> ScheduleRow:
    """A schedule of a bound job."""
    return ScheduleRow(
        "report:42", "* * * * *", "UTC", NOW + 60, bound.job_type.name, bound.payload, options_of(bound)
    )  # fmt: skip


def made(bound: BoundJob[Any], tick: int | None = NOW) -> NewJob:
    """The job that a tick makes, by way of what is stored."""
    return job_of_tick(bound.job_type, stored(bound), tick, NOW + 5).row


def test_a_job_without_options_is_made_as_its_type_says() -> None:
    assert options_of(report.bind(42)) is None
    assert made(report.bind(42)) == report.bind(42).row(NOW + 5)._replace(schedule="report:42", tick=NOW)
    assert made(report.bind(42), None).tick is None


def test_the_options_of_an_enqueue_count_for_each_job() -> None:
    configured = report.using(
        delay="5m", priority="high", max_attempts=2, label="eu", metadata={"request": [1, None]}, expires="1h",
        limits=[
            Limit(1, key=["org_id"], name="orgs"), Rate(5, per="1m", key="org_id"),
            Rate(7, per="1h", key="org_id", counts="jobs"),
        ],
    )  # fmt: skip
    bound = configured.bind(42)
    assert json.loads(options_of(bound) or "") == {
        "delay": 300.0, "priority": "high", "max_attempts": 2, "label": "eu", "metadata": {"request": [1, None]},
        "expires": 3600.0,
        "limits": [
            {"most": 1, "key": ["org_id"], "name": "orgs", "ordered": False},
            {"most": 5, "key": "org_id", "name": None, "per": 60.0},
            {"most": 7, "key": "org_id", "name": None, "per": 3600.0, "counts": "jobs"},
        ],
    }  # fmt: skip
    expected = bound.row(NOW + 5)._replace(schedule="report:42", tick=NOW)
    row = made(bound)
    assert row == expected
    assert isinstance(row.lane, LimitedLane)
    assert isinstance(expected.lane, LimitedLane)
    assert row.lane.limits == expected.lane.limits
    assert job_of_tick(report, stored(bound), NOW, NOW + 5).expires == 3_600_000_000


def test_an_ordered_limit_is_kept_as_one() -> None:
    bound = report.using(limits=[Limit(1, key="org_id", ordered=True)]).bind(42)
    assert made(bound).lane == bound.row(NOW + 5).lane


def test_an_empty_list_of_limits_takes_those_of_the_type_away() -> None:
    assert made(limited.bind(1)).lane is not None
    assert options_of(limited.using(limits=[]).bind(1)) == '{"limits":[]}'
    assert made(limited.using(limits=[]).bind(1)).lane is None


def test_the_options_of_the_type_count_as_they_are_when_the_tick_fires() -> None:
    bound = held_back.using(label="eu").bind(42)
    assert options_of(bound) == '{"label":"eu"}'
    candidate = job_of_tick(held_back, stored(bound), NOW, NOW)
    assert (candidate.row.unique_key, candidate.max_pending, candidate.expires) == ("[42]", 7, 3_600_000_000)

    @job(name="held_back", max_attempts=9, priority="low")
    async def of_the_next_version(org_id: int) -> None: ...

    row = job_of_tick(of_the_next_version, stored(bound), NOW, NOW).row
    assert (row.max_attempts, row.priority, row.unique_key, row.label) == (9, 2, None, "eu")


@pytest.mark.parametrize(
    ("option", "value", "advice"),
    [
        ("at", START, "its ticks say when, and delay= counts from them"),
        ("idempotency_key", "k", "each tick makes one job of itself"),
        ("unique", Unique("org_id"), "declare it on the job type, whose options count for each of its jobs"),
        ("debounce", Debounce("5s", key="org_id"), "declare it on the job type"),
        ("throttle", Throttle("5s", key="org_id"), "declare it on the job type"),
        ("max_pending", 5, "declare it on the job type"),
        ("after", [SimpleNamespace(id=1)], "overlap= says what becomes of a tick while the job before is not finished"),
    ],
)
def test_an_option_that_a_schedule_does_not_keep_is_refused(option: str, value: object, advice: str) -> None:
    given: Any = {option: value}
    with pytest.raises(InvalidOption, match=advice) as caught:
        options_of(report.using(**given).bind(42))
    assert caught.value.option == option
    assert "none on a job of a schedule: " in str(caught.value)


def test_a_limit_whose_key_is_a_function_is_refused() -> None:
    def of_org(arguments: Any) -> int:
        return int(arguments["org_id"])

    bound = report.using(limits=[Limit(1, key=of_org)]).bind(42)
    with pytest.raises(InvalidOption, match="limits whose keys are names of arguments: a function cannot be stored"):
        options_of(bound)


def test_a_payload_that_has_no_key_for_a_limit_makes_no_job() -> None:
    @job(name="report", limits=[Limit(1, key="region")])
    async def of_the_next_version(region: str) -> None: ...

    with pytest.raises(InvalidPayload):
        job_of_tick(of_the_next_version, stored(report.bind(42)), NOW, NOW)


def test_a_schedule_keeps_fixed_keys_and_that_those_of_the_type_count_as_well() -> None:
    queue = Limit(3, key=Fixed("queue", ["a", 7]))
    given = limited.using(limits=[DECLARED, queue, Rate(5, per="1m", key=Fixed("flow", "x"), name="f")])
    row = made(given.bind(42))
    assert row == given.bind(42).row(NOW + 5)._replace(schedule="report:42", tick=NOW)
    assert isinstance(row.lane, LimitedLane)
    assert [limit.name for limit in row.lane.limits] == ["limited: limit by queue", "f"]
