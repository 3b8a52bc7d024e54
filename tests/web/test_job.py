"""The page of one job."""

from __future__ import annotations

from typing import Any

from aiojobs_lite import Abandon, JobContext, JobRunner, injected
from tests.helpers.dashboard import dashboard, tags_of, text_of


def runner_of_orders() -> JobRunner:
    runner = JobRunner(":memory:")

    @runner.job(name="order.pay", max_attempts=3, priority="high")
    async def pay(amount: int, ctx: JobContext = injected) -> Any:
        await ctx.progress(0.25, "asking the bank")
        ctx.log("asked the bank")
        if amount < 0:
            raise Abandon("a negative amount", details={"code": 402})
        return {"paid": amount}

    @runner.job(name="order.ship")
    async def ship(ctx: JobContext = injected) -> str:
        await ctx.step("pack", pack)
        await ctx.invoke("pay", pay, amount=7)
        return "shipped"

    return runner


async def pack() -> list[str]:
    return ["a box"]


async def test_a_dead_job_shows_what_there_is_of_it() -> None:
    runner = runner_of_orders()
    async with dashboard(runner) as client:
        handle = await runner.enqueue_named("order.pay", amount=-1)
        await runner.run_until_idle()
        page = (await client.get(f"/jobs/{handle.id}")).text
        text = text_of(page)
        for part in (
            "order.pay Job 1 dead", (await runner.jobs.explain(1)).removeprefix("job"),
            "a negative amount", '{ "amount": -1 }',
            '"code": 402', "asked the bank", "asking the bank", "25 %", "attempts 1 of 3", "priority high",
            "await runner.enqueue_named('order.pay', amount=-1)",
            "aiojobs-lite enqueue order.pay --payload '{\"amount\": -1}'",
        ):  # fmt: skip
            assert part in text, part
        assert [given["action"] for tag, given in tags_of(page) if tag == "form"][1:] == [
            "../jobs/1/retry", "../jobs/1/delete",
        ]  # fmt: skip


async def test_a_durable_job_shows_its_steps_its_children_and_its_parent() -> None:
    runner = runner_of_orders()
    async with dashboard(runner) as client:
        await runner.enqueue_named("order.ship")
        await runner.run_until_idle()
        page = (await client.get("/jobs/1")).text
        text = text_of(page)
        assert "step pack" in text
        assert "child job pay job 2" in text
        assert '["a box"]' in text
        assert '"shipped"' in text
        assert "parent job 1 , pay" in text_of((await client.get("/jobs/2")).text)


async def test_results_of_operations_are_hidden_where_a_hook_redacts() -> None:
    runner = runner_of_orders()
    async with dashboard(runner, redact=lambda what, name, value: value) as client:
        await runner.enqueue_named("order.ship")
        await runner.run_until_idle()
        text = text_of((await client.get("/jobs/1")).text)
        assert "a box" not in text
        assert "hidden: redact= is set, and results of operations may be cut off" in text


async def test_a_call_that_python_cannot_write_is_none() -> None:
    runner = runner_of_orders()

    @runner.job(name="it's")
    async def odd(items: list[str]) -> None: ...

    async with dashboard(runner) as client:
        await runner.types.pause("it's")
        await runner.enqueue(odd, items=["'; rm -rf /"])
        await runner.enqueue(odd, items=["x" * 5_000])
        text = text_of((await client.get("/jobs/1")).text)
        assert """await runner.enqueue_named("it's", items=["'; rm -rf /"])""" in text
        assert """aiojobs-lite enqueue 'it'"'"'s' --payload '{"items": ["'"'"'; rm -rf /"]}'""" in text
        assert "# the payload is too long to be shown as a call" in (await client.get("/jobs/2")).text
