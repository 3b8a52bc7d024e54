"""The page of lanes."""

from __future__ import annotations

import asyncio

import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.limits import Limit, Rate
from aiojobs_lite.web import lanes
from tests.helpers.dashboard import dashboard, text_of


async def test_a_key_has_what_runs_what_waits_and_what_its_limit_allows() -> None:
    runner, going = JobRunner(":memory:"), asyncio.Event()
    begun: asyncio.Queue[int] = asyncio.Queue()

    @runner.job(limits=[Limit(1, name="tenants", key="tenant"), Rate(9, per="1h", name="starts", key="tenant")])
    async def work(tenant: str, number: int) -> None:
        begun.put_nowait(number)
        await going.wait()

    async with dashboard(runner) as client:
        assert "No job that waits or runs is counted" in text_of((await client.get("/lanes")).text)
        await runner.enqueue(work, tenant="acme", number=1)
        await begun.get()
        await runner.enqueue(work, tenant="acme", number=2)
        await runner.enqueue(work, tenant="acme", number=3)
        text = text_of((await client.get("/lanes")).text)
        assert 'tenants "acme" 1 1 2 2 held: full' in text
        assert 'starts "acme" 1 9 in 1 h 2 2 free' in text
        await runner.limits.change("tenants", 5, key="acme")
        assert 'tenants "acme" 3 5 0 — free' in await lanes_once(client, begun)
        await runner.limits.pause("tenants")
        text = text_of((await client.get("/lanes?limit=tenants")).text)
        assert 'starts "acme"' not in text
        going.set()
        await runner.run_until_idle()


async def test_it_says_when_more_jobs_wait_than_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "JOBS_LOOKED_AT", 2)
    runner = JobRunner(":memory:", max_running=0)

    @runner.job(limits=[Limit(1, name="tenants", key="tenant")])
    async def work(tenant: str) -> None: ...

    async with dashboard(runner) as client:
        for tenants, is_said in ((["a", "b"], False), (["c"], True)):
            await runner.enqueue_many([work.bind(tenant) for tenant in tenants])
            text = text_of((await client.get("/lanes")).text)
            assert ("Of the 2 newest jobs that wait; others may wait before them." in text) is is_said
        assert ('tenants "a"' in text, 'tenants "c"' in text) == (False, True)


async def lanes_once(client: object, begun: asyncio.Queue[int]) -> str:
    """The page, when the two that waited have begun."""
    for _ in range(2):
        await begun.get()
    return text_of((await client.get("/lanes")).text)  # type: ignore[attr-defined]
