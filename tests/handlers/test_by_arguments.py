"""When the jobs of a type may run, by a duration or a function of the arguments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, InvalidPayload, JobRunner
from aiojobs_lite.clock import to_micros
from aiojobs_lite.events import Event
from aiojobs_lite.flow import Debounce
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.testing import JobKit

NOW = to_micros(datetime(2030, 1, 1, tzinfo=UTC))
SECOND = 1_000_000


async def mail(when: Any = None, size: int = 1) -> None: ...


def by_when(arguments: Mapping[str, Any]) -> Any:
    when = arguments["when"]
    return datetime.fromisoformat(when) if isinstance(when, str) and "T" in when else when


def delayed(delay: Any, **options: Any) -> JobType[..., Any]:
    made: JobType[..., Any] = JobRunner(":memory:").job(delay=delay, **options)(mail)
    return made


@pytest.mark.parametrize(
    ("when", "seconds"),
    [(0, 0), ("1m", 60), (1.5, 1.5), (-600, -600), (-86_400, -86_400), ("2030-01-01T00:00:07+00:00", 7)],
)
def test_a_function_says_when_each_job_may_run(when: Any, seconds: float) -> None:
    row = delayed(by_when).bind(when).row(NOW)
    assert (row.created_at, row.scheduled_at) == (NOW, NOW + seconds * SECOND)


def test_a_type_has_a_delay_which_one_enqueue_replaces() -> None:
    for job_type in (delayed("1m"), delayed(lambda _: timedelta(minutes=1))):
        at = datetime(2031, 1, 1, tzinfo=UTC)
        bound = [job_type.bind(), job_type.using(label="x").bind(), job_type.using(delay=0).bind()]
        assert [one.row(NOW).scheduled_at - NOW for one in bound] == [60 * SECOND, 60 * SECOND, 0]
        assert job_type.using(at=at).bind().row(NOW).scheduled_at == to_micros(at)
        moved = job_type.how.anew(job_type.bind().row(NOW), NOW + SECOND)
        assert moved.scheduled_at == NOW + 61 * SECOND


@pytest.mark.parametrize("when", [None, "soon", -86_401, True, [], "2030-01-01T00:00:07"])
def test_a_function_that_gives_no_delay_refuses_the_enqueue(when: Any) -> None:
    expected = r"by_when: the function of its delay returned .*: expected a duration, from a day before, or an aware"
    with pytest.raises(InvalidPayload, match=expected):
        delayed(by_when).bind(when).row(NOW)


def test_a_function_that_raises_refuses_the_enqueue() -> None:
    with pytest.raises(InvalidPayload, match=r"fails: the function of its delay raised KeyError\('none'\)"):
        delayed(fails).bind().row(NOW)


def fails(arguments: Any) -> Any:
    return arguments["none"]


async def waits(arguments: Any) -> int:
    return 0


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"delay": "soon"}, "^delay='soon'"),
        ({"delay": -1}, "^delay=-1"),
        ({"delay": waits}, "a plain function that returns a duration or an aware datetime"),
        ({"delay": "1m", "debounce": Debounce("5s")}, r"^delay='1m': expected none together with debounce="),
        ({"delay": by_when, "debounce": Debounce("5s")}, "none together with debounce="),
    ],
)
def test_what_cannot_work_is_refused_at_the_declaration(options: Any, match: str) -> None:
    with pytest.raises(InvalidOption, match=match):
        delayed(**options)


def test_a_tick_says_itself_when_it_runs() -> None:
    with pytest.raises(InvalidOption, match="no value on a cron handler: its ticks say when it runs"):
        JobRunner(":memory:").cron("@daily", delay="1m")(mail)


async def test_a_listener_starts_when_the_event_says(job_kit: JobKit) -> None:
    runner, given = JobRunner(":memory:"), list[int]()

    @runner.on("e", delay=lambda arguments: arguments["event"]["data"]["in"])
    async def listener(event: Event[dict[str, Any]]) -> None:
        given.append(event.data["in"])

    async with job_kit(runner):
        for seconds in (60, 0, 5):
            await runner.send("e", {"in": seconds})
        await runner.run_until_idle()
        assert given == [0]
        await job_kit.advance(5)
        assert given == [0, 5]
        await job_kit.advance(55)
    assert given == [0, 5, 60]


async def test_a_job_that_is_due_before_its_enqueue_goes_before_others(job_kit: JobKit) -> None:
    runner, given = JobRunner(":memory:", max_running=1), list[int]()

    @runner.job(delay=lambda arguments: -arguments["n"])
    async def ranked(n: int) -> None:
        given.append(n)

    async with job_kit(runner):
        await runner.types.pause(ranked)
        for n in (1, 3, 2):
            await runner.enqueue(ranked, n)
        await runner.types.resume(ranked)
        await runner.run_until_idle()
        stats = runner.stats()
        assert (stats.completed, stats.pending, stats.scheduled) == (3, 0, 0)
    assert given == [3, 2, 1]
