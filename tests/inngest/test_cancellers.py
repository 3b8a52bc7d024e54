"""Events that cancel runs by more than equal fields: by a time, by whatever else an expression says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.errors import JobCancelled
from aiojobs_lite.events import EventToSend
from aiojobs_lite.inngest import inngest_app
from aiojobs_lite.testing import JobKit
from tests.helpers.endpoints import endpoint
from tests.helpers.inngest import operation, sdk
from tests.helpers.inngest_app import Shop, shop


def waits(_: object) -> bytes:
    """Each call sleeps."""
    return sdk(206, [operation("Sleep", "a", name="30d")])


async def left(made: Shop) -> list[int]:
    """The `n` of the runs that are not cancelled, in the order of their enqueues."""
    jobs = await made.runner.jobs.list(type="shop-pay", limit=1_000)
    return [job.payload["event"]["data"]["n"] for job in reversed(jobs) if job.status != "cancelled"]


async def begun(made: Shop, *numbers: int, user: str = "a", **function: Any) -> None:
    """Registers the function, starts a run for each number, and lets them come to their sleep."""
    await made.register(made.function(**function))
    for n in numbers:
        await made.send(n=n, user=user)
    await made.runner.run_until_idle()


async def cancel(made: Shop, name: str = "shop/gone", **data: Any) -> list[int]:
    await made.send(name, **data)
    await made.runner.run_until_idle()
    return await left(made)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("async.data.n > event.data.n", [2, 3]),
        ("async.data.n != event.data.n", [2]),
        ("async.data.user == event.data.user && async.data.n >= event.data.n", [3]),
        ("async.data.user == event.data.user && async.data.all", []),
        ("async.data.user == 'b'", [1, 2, 3]),
        ("event.data.n in async.data.list", [2]),
        ("async.name == 'shop/gone' && event.data.n == 1", [2, 3]),
        ("event.data.n", [1, 2, 3]),
    ],
)
async def test_an_expression_says_which_runs_are_cancelled(
    job_kit: JobKit, condition: str, expected: list[int]
) -> None:
    async with shop(job_kit, waits) as made:
        await begun(made, 1, 2, 3, cancel=[{"event": "shop/gone", "if": condition}])
        assert await cancel(made, n=2, user="a", all=True, list=[1, 3]) == expected


async def test_an_index_finds_the_runs_by_the_fields_that_are_equal(job_kit: JobKit) -> None:
    condition = "async.data.user == event.data.user && async.data.n > event.data.n"
    async with shop(job_kit, waits) as made:
        await begun(made, 1, user="b", cancel=[{"event": "shop/gone", "if": condition}])
        await made.send(n=1, user="c")
        await made.runner.run_until_idle()
        assert await cancel(made, n=5, user="c") == [1]
        jobs = await made.runner.jobs.list(type="shop-pay")
        assert [job.status for job in jobs] == ["cancelled", "pending"]
        assert jobs[0].reason == "event shop/gone"


async def test_an_event_cancels_within_the_time_alone(job_kit: JobKit) -> None:
    async with shop(job_kit, waits) as made:
        await begun(made, 1, cancel=[{"event": "shop/gone", "timeout": "1h"}])
        job_kit.clock.advance(1_800)
        await made.send(n=2)
        job_kit.clock.advance(1_801)
        assert await cancel(made) == [1]


async def test_names_may_be_the_beginning_of_names(job_kit: JobKit) -> None:
    async with shop(job_kit, waits) as made:
        await begun(made, 1, cancel=[{"event": "shop/gone.*", "if": "async.data.n == event.data.n"}])
        assert await cancel(made, "shop/gone", n=1) == [1]
        assert await cancel(made, "shop/gone.away", n=1) == []


async def test_a_run_that_was_started_later_is_not_cancelled(job_kit: JobKit) -> None:
    """Also of one request, whose runs are all there before the event is looked at."""
    async with shop(job_kit, waits) as made:
        await begun(made, cancel=[{"event": "shop/gone", "timeout": "1h"}])
        names = [("shop/pay", 1), ("shop/gone", 0), ("shop/pay", 2)]
        await made.runner.events.send_many([EventToSend(name, {"n": n}) for name, n in names])
        await made.runner.run_until_idle()
        assert await left(made) == [2]


async def test_the_event_that_starts_a_run_does_not_cancel_it(job_kit: JobKit) -> None:
    async with shop(job_kit, waits) as made:
        await begun(made, 1, 2, cancel=[{"event": "shop/pay", "if": "async.data.n > 0"}])
        assert await left(made) == [2]


async def test_more_runs_than_are_looked_at_together_are_cancelled(job_kit: JobKit) -> None:
    async with shop(job_kit, waits) as made:
        await made.register(made.function(cancel=[{"event": "shop/gone", "if": "async.data.n >= event.data.n"}]))
        await made.runner.types.pause("shop-pay")
        await made.runner.events.send_many([EventToSend("shop/pay", {"n": n}) for n in range(450)])
        await made.send("shop/gone", n=400)
        await made.runner.run_until_idle()
        assert await left(made) == list(range(401, 450))


async def test_what_a_function_does_not_ask_for_any_more_cancels_nothing(job_kit: JobKit) -> None:
    async with shop(job_kit, waits) as made:
        await begun(made, 1, cancel=[{"event": "shop/gone", "timeout": "1h"}])
        await made.register(made.function(cancel=[{"event": "shop/left", "timeout": "1h"}]))
        assert await cancel(made) == [1]
        await made.register(made.function())
        assert await cancel(made, "shop/left") == [1]
        await made.register(made.function(cancel=[{"event": "shop/gone", "timeout": "1h"}]))
        assert await cancel(made) == []
        await made.register()
        assert (await made.runner.send("shop/gone", {})).handles == ()


async def test_a_value_too_large_to_be_compared_in_the_index_is_compared_all_the_same(job_kit: JobKit) -> None:
    async with shop(job_kit, waits) as made:
        condition = "async.data.text == event.data.text && async.data.n > event.data.n"
        await made.register(made.function(cancel=[{"event": "shop/gone", "if": condition}]))
        await made.send(n=1, text="x" * 70_000)
        await made.runner.run_until_idle()
        assert await cancel(made, n=2, text="x") == [1]
        assert await cancel(made, n=2, text="x" * 70_000) == []


async def test_a_value_too_large_for_the_index_alone_keeps_no_event_from_being_sent(job_kit: JobKit) -> None:
    async with shop(job_kit, waits) as made:
        condition = "async.data.text == event.data.text"
        await made.register(made.function(cancel=[{"event": "shop/gone", "if": condition}]))
        await made.send(n=1, text="x" * 70_000)
        assert await left(made) == [1]


# Singletons that are replaced.


async def replaced(made: Shop, *data: dict[str, Any], **function: Any) -> list[int]:
    await made.register(made.function(**function))
    for one in data:
        await made.send(**one)
        await made.runner.run_until_idle()
    return await left(made)


async def test_the_key_of_a_singleton_may_be_any_expression(job_kit: JobKit) -> None:
    singleton = {"mode": "cancel", "key": "event.data.user || event.data.n % 2"}
    async with shop(job_kit, waits) as made:
        data: list[dict[str, Any]] = [
            {"n": 1, "user": "a"},
            {"n": 2, "user": "b"},
            {"n": 3, "user": "a"},
            {"n": 4},
            {"n": 5},
            {"n": 6},
        ]
        assert await replaced(made, *data, singleton=singleton) == [2, 3, 5, 6]


async def test_a_key_that_is_false_replaces_none(job_kit: JobKit) -> None:
    singleton = {"mode": "cancel", "key": "event.data.user == 'a'"}
    async with shop(job_kit, waits) as made:
        data = [{"n": n, "user": user} for n, user in enumerate("aabb")]
        assert await replaced(made, *data, singleton=singleton) == [1, 2, 3]


async def test_an_event_that_starts_no_run_replaces_none(job_kit: JobKit) -> None:
    triggers = [{"event": "shop/*", "expression": "event.data.n > 0"}]
    async with shop(job_kit, waits) as made:
        data = [{"n": 1, "user": "a"}, {"n": 0, "user": "a"}, {"n": 2, "user": "b"}, {"n": 3, "user": "b"}]
        singleton = {"mode": "cancel", "key": "event.data.user"}
        assert await replaced(made, *data, triggers=triggers, singleton=singleton) == [1, 3]


async def test_a_sender_without_the_app_cancels_too(tmp_path: Path) -> None:
    """Its event waits in the database for a runner that knows the app."""
    runner = JobRunner(tmp_path / "jobs.db", durability="normal")
    app = inngest_app(runner, mode="dev")
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://inngest.test")
    async with endpoint(waits(None)) as server, runner, client:
        step = {"runtime": {"type": "http", "url": f"{server.url}/api/inngest"}}
        function = {"id": "shop-pay", "triggers": [{"event": "shop/pay"}], "steps": {"step": step}}
        function["cancel"] = [{"event": "shop/gone", "if": "async.data.n > event.data.n"}]
        await client.post("/fn/register", json={"appName": "shop", "functions": [function]})
        (run,) = (await runner.send("shop/pay", {"n": 1})).handles
        async with JobRunner(tmp_path / "jobs.db", max_running=0) as other:
            assert (await other.send("shop/gone", {"n": 2})).handles == ()
        with pytest.raises(JobCancelled, match="event shop/gone"):
            await run.result(timeout=20)
