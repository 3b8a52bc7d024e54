"""What the configuration of a function makes of its job type."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.testing import JobKit
from tests.helpers.inngest import operation, sdk
from tests.helpers.inngest_app import Shop, returns, shop


async def started(made: Shop, *data: dict[str, Any]) -> list[int]:
    """How many runs each event has started."""
    events = [await made.send(**one) for one in data]
    return [len(await made.runs_of(event)) for event in events]


async def lanes(made: Shop, **more: Any) -> list[str]:
    await made.register(made.function(**more))
    for data in ({"user": "a"}, {"user": "b"}, {"user": "a"}):
        await made.send(**data)
    return [str(job.lane) for job in await made.runner.jobs.list(type="shop-pay")]


async def test_a_trigger_with_an_expression_starts_what_it_fits(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        await made.register(made.function(triggers=[{"event": "shop/*", "expression": "event.data.n > 1"}]))
        assert await started(made, {"n": 1}, {"n": 2}, {}) == [0, 1, 0]


async def test_concurrency_counts_calls_by_the_key_of_an_expression(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        found = await lanes(made, concurrency=[{"limit": 2, "key": "event.data.user"}])
        assert len(set(found)) == 2


async def test_a_key_that_is_false_is_counted_by_no_limit(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        found = await lanes(made, concurrency={"limit": 1, "key": "event.data.user == 'b'"})
        assert len(set(found)) == 3  # those of a have each a key of their own


async def test_a_limit_of_the_account_is_shared_and_has_one_value(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        limit = {"limit": 2, "key": '"mails"', "scope": "account"}
        assert (await made.register(made.function(concurrency=limit))).status_code == 200
        other = await made.register(made.function("b", concurrency={**limit, "limit": 3}), app="b")
        assert (other.status_code, "what other job types share" in other.text) == (400, True)


async def test_idempotency_starts_one_run_a_day_for_a_key(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        await made.register(made.function(idempotency="event.data.user"))
        await started(made, {"user": "a"}, {"user": "a"}, {"user": "b"})
        assert len(await made.runner.jobs.list(type="shop-pay")) == 2


async def test_a_rate_limit_starts_a_tenth_more_at_once_then_evenly(job_kit: JobKit) -> None:
    """As the service counts, by GCRA: of 20 an hour three at once, then one each three minutes."""
    async with shop(job_kit, returns(1)) as made:
        await made.register(made.function(rateLimit={"limit": 20, "period": "1h", "key": "event.data.user"}))
        found = await started(made, *[{"user": "a"}] * 4, {"user": "b"})
        assert found == [1, 1, 1, 0, 1]
        job_kit.clock.advance(179)
        assert await started(made, {"user": "a"}) == [0]
        job_kit.clock.advance(1)
        assert await started(made, {"user": "a"}, {"user": "a"}) == [1, 0]


async def test_events_that_are_sent_together_count_each(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        await made.register(made.function(rateLimit={"limit": 10, "period": "1h"}))
        await made.client.post("/e/key", json=[{"name": "shop/pay"}] * 5)
        assert len(await made.runner.jobs.list(type="shop-pay")) == 2


async def test_a_key_that_is_false_is_in_no_rate(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        await made.register(made.function(rateLimit={"limit": 1, "period": "1h", "key": "event.data.user == 'b'"}))
        assert await started(made, *[{"user": user} for user in "aabb"]) == [1, 1, 1, 0]


async def test_a_rate_limit_goes_before_a_debounce(job_kit: JobKit) -> None:
    """What is over it neither replaces the event that waits nor puts its run off."""
    async with shop(job_kit, lambda body: sdk(200, body["event"]["data"]["n"])) as made:
        more: dict[str, Any] = {"rateLimit": {"limit": 1, "period": "1m"}, "debounce": {"period": "10s"}}
        await made.register(made.function(**more))
        for n in range(3):
            await made.send(n=n)
            job_kit.clock.advance(5)
        await job_kit.run_to_end()
        assert (await made.job()).result == 0
        job_kit.clock.advance(60)
        await made.send(n=3)
        await job_kit.run_to_end()
        assert [job.result for job in await made.runner.jobs.list(type="shop-pay")] == [3, 0]


async def test_a_singleton_may_have_a_rate_limit(job_kit: JobKit) -> None:
    async with shop(job_kit, waits) as made:
        more: dict[str, Any] = {"idempotency": "event.data.n", "singleton": {"mode": "skip", "key": "event.data.user"}}
        await made.register(made.function(**more))
        for n, user in ((1, "a"), (2, "a"), (1, "b"), (2, "b")):
            await made.send(n=n, user=user)
            await made.runner.run_until_idle()
        found = await made.runner.jobs.list(type="shop-pay")
        assert [job.payload["event"]["data"] for job in reversed(found)] == [
            {"n": 1, "user": "a"}, {"n": 2, "user": "b"},
        ]  # fmt: skip


@pytest.mark.parametrize("scope", ["fn", "env", "account"])
async def test_of_two_limits_of_one_key_the_smaller_one_counts(job_kit: JobKit, scope: str) -> None:
    limit = {"key": "event.data.user", "scope": scope}
    async with shop(job_kit, returns(1)) as made:
        limits = [{**limit, "limit": 5}, {**limit, "limit": 2}]
        assert (await made.register(made.function(concurrency=limits))).status_code == 200
        found = {one.most for one in await made.runner.limits.list() if not one.name.startswith("app: ")}
        assert found == ({5, 2} if scope == "fn" else {2})


async def test_limits_of_all_scopes_go_together(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        limits = [{"limit": 3, "key": "event.data.user", "scope": scope} for scope in ("env", "account")]
        assert len(set(await lanes(made, concurrency=limits))) == 2
        assert len(await made.runner.limits.list()) == 3  # that of the app is beside them


async def test_a_debounced_function_runs_once_with_the_last_event(job_kit: JobKit) -> None:
    async with shop(job_kit, lambda body: sdk(200, body["event"]["data"])) as made:
        await made.register(made.function(debounce={"period": "10s", "key": "event.data.user"}))
        for n in range(3):
            await made.send(user="a", n=n)
        await job_kit.run_to_end()
        (job,) = await made.runner.jobs.list(type="shop-pay")
        assert job.result == {"user": "a", "n": 2}


async def test_a_batch_is_one_run_of_several_events(job_kit: JobKit) -> None:
    async with shop(job_kit, lambda body: sdk(200, [one["data"]["n"] for one in body["events"]])) as made:
        await made.register(made.function(batchEvents={"maxSize": 2, "timeout": "10s"}))
        for n in range(3):
            await made.send(n=n)
        await job_kit.run_to_end()
        found = [job.result for job in await made.runner.jobs.list(type="shop-pay")]
        assert sorted(found) == [[0, 1], [2]]


async def test_a_batch_that_cannot_be_is_refused_with_the_name_of_its_function(job_kit: JobKit) -> None:
    async with shop(job_kit, lambda _: sdk(200, 1)) as made:
        answer = await made.register(made.function(batchEvents={"maxSize": 100_000, "timeout": "10s"}))
        text = "shop-pay.batchEvents.size=100000: expected a whole number from 2 to 10,000."
        assert (answer.status_code, answer.json()["error"]) == (400, text)


async def test_an_event_that_does_not_fit_the_condition_of_a_batch_runs_alone_and_at_once(job_kit: JobKit) -> None:
    async with shop(job_kit, lambda body: sdk(200, [one["data"]["n"] for one in body["events"]])) as made:
        batch = {"maxSize": 3, "timeout": "10s", "key": "event.data.user", "if": "event.data.n < 5"}
        await made.register(made.function(batchEvents=batch))
        for n in (0, 7, 1, 8):
            await made.send(n=n, user="a")
        await made.runner.run_until_idle()
        found = [job.result for job in await made.runner.jobs.list(type="shop-pay")]
        assert found == [[8], [7], None]
        await made.send(n=2, user="a")
        await made.runner.run_until_idle()
        assert [job.result for job in await made.runner.jobs.list(type="shop-pay")] == [[8], [7], [0, 1, 2]]


def waits(_: object) -> bytes:
    """Each call sleeps."""
    return sdk(206, [operation("Sleep", "a", name="1h")])


async def test_a_singleton_is_skipped_while_one_runs(job_kit: JobKit) -> None:
    async with shop(job_kit, waits) as made:
        await made.register(made.function(singleton={"mode": "skip", "key": "event.data.user"}))
        for user in ("a", "a", "b"):
            await made.send(user=user)
            await made.runner.run_until_idle()
        assert len(await made.runner.jobs.list(type="shop-pay")) == 2


async def test_a_singleton_is_replaced_by_the_next_of_its_key(job_kit: JobKit) -> None:
    async with shop(job_kit, waits) as made:
        await made.register(made.function(singleton={"mode": "cancel", "key": "event.data.user"}))
        for user in ("a", "b", "a"):
            await made.send(user=user)
            await made.runner.run_until_idle()
        found = [job.status for job in await made.runner.jobs.list(type="shop-pay")]
        assert found == ["pending", "pending", "cancelled"]


async def test_an_event_cancels_the_runs_that_its_expression_fits(job_kit: JobKit) -> None:
    async with shop(job_kit, waits) as made:
        cancel = [{"event": "shop/gone", "if": "event.data.user == async.data.user"}]
        await made.register(made.function(cancel=cancel))
        for user in ("a", "b"):
            await made.send(user=user)
        await made.runner.run_until_idle()
        await made.send("shop/gone", user="a")
        found = [job.status for job in await made.runner.jobs.list(type="shop-pay")]
        assert found == ["pending", "cancelled"]


async def test_a_run_that_does_not_begin_in_time_is_cancelled(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        await made.register(made.function(timeouts={"start": "10s"}))
        await made.runner.types.pause("shop-pay")
        await made.send()
        job_kit.clock.advance(11)
        await made.runner.types.resume("shop-pay")
        await job_kit.run_to_end()
        assert (await made.job()).status == "cancelled"


async def test_a_run_that_takes_too_long_is_cancelled_while_it_sleeps(job_kit: JobKit) -> None:
    async with shop(job_kit, waits) as made:
        await made.register(made.function(timeouts={"finish": "10m"}))
        await made.send()
        await job_kit.run_to_end()
        assert (await made.job()).status == "cancelled"


async def test_an_event_of_the_future_starts_its_runs_then(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        await made.register(made.function())
        at = job_kit.clock.now() // 1_000 + 3_600_000
        await made.client.post("/e/key", json={"name": "shop/pay", "ts": at})
        job = await made.job()
        assert (job.scheduled_at - job.created_at).total_seconds() == pytest.approx(3_600, abs=1)


async def test_a_priority_in_seconds_puts_a_run_before_others(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        await made.register(made.function(priority={"run": "event.data.n"}))
        for n in (0, 100, 5_000, -50):
            await made.send(n=n)
        found = await made.runner.jobs.list(type="shop-pay")
        waits_s = [round((job.created_at - job.scheduled_at).total_seconds()) for job in reversed(found)]
        assert waits_s == [0, 100, 600, -50]


async def test_a_throttle_counts_the_starts_of_runs(job_kit: JobKit) -> None:
    async with shop(job_kit, waits) as made:
        await made.register(made.function(throttle={"limit": 1, "period": "1m", "key": "event.data.user"}))
        for user in ("a", "a", "b"):
            await made.send(user=user)
        await made.runner.run_until_idle()
        assert len(made.app.calls) == 2


async def test_an_event_may_be_large(job_kit: JobKit) -> None:
    async with shop(job_kit, lambda body: sdk(200, len(body["event"]["data"]["text"]))) as made:
        await made.register(made.function())
        assert (await made.run(text="x" * 1_000_000))["output"] == 1_000_000
        answer = await made.client.post("/e/key", json={"name": "a", "data": {"text": "x" * 3_200_000}})
        assert (answer.status_code, "at most 3,145,728" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"singleton": {"mode": "skip"}, "debounce": {"period": "5s"}}, "both say what becomes of events"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_with_the_reason(
    job_kit: JobKit, more: dict[str, Any], words: str
) -> None:
    async with shop(job_kit, returns(1)) as made:
        answer = await made.register(made.function(**more))
        assert (answer.status_code, words in answer.text) == (400, True), answer.text
