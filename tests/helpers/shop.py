"""A shop whose jobs stand everywhere, for pages of the dashboard that have something to show."""

from __future__ import annotations

import asyncio
from typing import Any

from aiojobs_lite import Backoff, JobContext, JobRunner, injected
from aiojobs_lite.events import Event
from aiojobs_lite.http import Http
from aiojobs_lite.limits import Limit

HOSTILE_NAME = '<b>"x"</b>'


def shop(database: Any = ":memory:") -> JobRunner:
    """Its runner."""
    runner = JobRunner(database, jobs=[Http(allow_http=True, allow_private=True)], drain_timeout=0.1, cancel_grace=0.1)
    tenants = Limit(1, name="tenant", key="tenant")

    @runner.job(name="email.welcome", max_attempts=2, backoff=Backoff(base="1m", cap="1m"), limits=[tenants])
    async def welcome(user_id: int, email: str, tenant: str = "acme", ctx: JobContext = injected) -> str:
        await ctx.progress(0.5, "sending")
        ctx.log(f"to {email}")
        if user_id % 7 == 0:
            raise ConnectionError("smtp.example.com: connection refused")
        return f"sent to {email}"

    @runner.job(name="invoice.render", max_attempts=1, concurrency=2)
    async def render(invoice: int) -> dict[str, object]:
        if invoice % 3 == 0:
            raise LookupError(f"no invoice {invoice}")
        return {"pages": 2, "file": f"invoice-{invoice}.pdf"}

    @runner.job(name="report.daily")
    async def report(day: str, ctx: JobContext = injected) -> str:
        await ctx.step("load", load, day)
        await ctx.invoke("invoice", render, invoice=1)
        await ctx.sleep("cool-off", "1h")
        return "done"

    @runner.job(name="video.encode")
    async def encode(video: str, ctx: JobContext = injected) -> None:
        await ctx.progress(0.42, "pass 1 of 2")
        await asyncio.Event().wait()

    @runner.job(name=HOSTILE_NAME)
    async def odd(text: str) -> None: ...

    _declare_others(runner)
    return runner


def _declare_others(runner: JobRunner) -> None:
    """What runs by the clock, and by events."""

    @runner.cron("0 9 * * 1-5", tz="Europe/London")
    async def digest() -> None: ...

    @runner.cron("*/15 * * * *")
    async def sweep() -> None: ...

    @runner.on("user/signed.up")
    async def greet(event: Event[Any]) -> None: ...


async def load(day: str) -> list[str]:
    return [day]


async def fill(runner: JobRunner, *, is_calm: bool = False) -> None:
    """Has its jobs stand everywhere; a calm one has no hostile text."""
    for number in range(1, 40):
        who = {"user_id": number, "email": f"user{number}@example.com", "tenant": ("acme", "globex")[number % 2]}
        await runner.enqueue_named("email.welcome", **who)
    for number in range(1, 10):
        await runner.enqueue_named("invoice.render", invoice=number)
    await runner.enqueue_named("report.daily", day="2026-03-01")
    await runner.send("user/signed.up", {"user_id": 7, "plan": "trial" if is_calm else "<i>trial</i>"})
    await runner.run_until_idle()
    await runner.enqueue_named("video.encode", video="launch.mp4")
    await runner.types.pause("email.welcome", by="ann")
    for number in range(200, 204):
        await runner.enqueue_named("email.welcome", user_id=number, email="waiting@example.com")
    await runner.types.pause("http.delivery", by="ann")
    await runner.publish("http://127.0.0.1:9/hook", json={"order": 7})
    await runner.schedules.pause("sweep", by="ann")
    if is_calm:
        await runner.types.resume("http.delivery")
        return
    await runner.types.pause(HOSTILE_NAME, by="\u202eevil")
    await runner.enqueue_named(HOSTILE_NAME, text='"><img src=x onerror=alert(1)>\x1b[2J\x00')
