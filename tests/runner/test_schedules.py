"""`runner.schedules`: names and previews, without a start."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aiojobs_lite import InvalidOption, JobRunner, UnknownJobType
from aiojobs_lite.testing.clock import FakeClock


def test_a_schedule_is_previewed_without_a_start() -> None:
    clock = FakeClock(datetime(2026, 3, 1, 12, 30, tzinfo=UTC))
    runner = JobRunner(":memory:", clock=clock)

    @runner.cron("0 9 * * *", tz="Europe/London")
    async def digest() -> None: ...

    @runner.cron("* * * * *")
    async def minutely() -> None: ...

    assert runner.schedules.names() == ("digest", "minutely")
    assert runner.schedules.preview("digest", 2) == [
        datetime(2026, 3, 2, 9, tzinfo=UTC), datetime(2026, 3, 3, 9, tzinfo=UTC),
    ]  # fmt: skip
    assert len(runner.schedules.preview("minutely")) == 5
    with pytest.raises(UnknownJobType, match=r"Declare it with @runner\.cron\(\.\.\.\)\.$"):
        runner.schedules.preview("no such schedule at all")
    with pytest.raises(UnknownJobType, match="Did you mean 'digest'"):
        runner.schedules.preview("digset")

    @runner.job
    async def render() -> None: ...

    expected = (
        "'render' is a job type without a schedule, which runs only when it is enqueued (known: digest, minutely). "
        "Declare it with @runner.cron(...)."
    )
    with pytest.raises(UnknownJobType) as caught:
        runner.schedules.preview("render")
    assert str(caught.value) == expected
    for count in (0, 1001, "5"):
        with pytest.raises(InvalidOption):
            runner.schedules.preview("digest", count)  # type: ignore[arg-type]  # what is refused


def test_a_preview_takes_1_to_1000_instants() -> None:
    runner = JobRunner(":memory:", clock=FakeClock())

    @runner.cron("* * * * *")
    async def minutely() -> None: ...

    assert len(runner.schedules.preview("minutely", 1)) == 1
    instants = runner.schedules.preview("minutely", 1000)
    assert len(instants) == len(set(instants)) == 1000
    assert instants == sorted(instants)
