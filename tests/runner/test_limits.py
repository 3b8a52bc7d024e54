"""Limits by key in a runner: what runs at once, in what order, and when."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from aiojobs_lite import InvalidPayload, JobRunner, Jobs, Retry, Status
from aiojobs_lite.limits import Limit, Rate
from aiojobs_lite.model.limits import ListLimits, StoredLimit
from aiojobs_lite.testing import FakeClock
from tests.helpers.sqlite_store import opened
from tests.helpers.waiting import until


class Seen:
    """What runs, by key.

    Attributes:
        most: The most that ran at once.
        order: The numbers of the jobs in the order of their start.
    """

    def __init__(self) -> None:
        self._running: Counter[int] = Counter()
        self.most: Counter[int] = Counter()
        self.order: list[int] = []
        self.go_on = asyncio.Event()

    async def run(self, org_id: int, number: int) -> None:
        """Takes a turn of the event loop, or waits until all may go on."""
        self._running[org_id] += 1
        self.most[org_id] = max(self.most[org_id], self._running[org_id])
        self.order.append(number)
        await (self.go_on.wait() if number < 0 else asyncio.sleep(0))
        self._running[org_id] -= 1


async def test_a_deep_key_runs_to_its_end_within_its_limit_and_delays_no_other() -> None:
    group, seen = Jobs(), Seen()

    @group.job(limits=[Limit(2, key="org_id")])
    async def export(org_id: int, number: int) -> None:
        await seen.run(org_id, number)

    async with JobRunner(":memory:", jobs=[group]) as runner:
        blocking = await runner.enqueue_many([export.bind(1, -1), export.bind(1, -2)])
        waiting = await runner.enqueue_many([export.bind(1, number) for number in range(60)])
        other = await runner.enqueue(export, 2, 99)
        await other.result(timeout="10s")
        assert {(await one.job()).status for one in waiting} == {Status.PENDING}
        seen.go_on.set()
        await runner.run_until_idle()
        assert {(await one.job()).status for one in (*blocking, *waiting)} == {Status.COMPLETED}
    assert seen.most == {1: 2, 2: 1}
    assert [number for number in seen.order if 0 <= number < 99] == sorted(range(60))


async def test_an_ordered_key_keeps_its_order_also_when_a_job_is_tried_again() -> None:
    group = Jobs()
    order: list[tuple[int, int]] = []

    @group.job(limits=[Limit(1, key="account", ordered=True)])
    async def book(account: int, number: int) -> None:
        order.append((account, number))
        if number == 1 and order.count((account, 1)) == 1:
            raise Retry(after=0.01)

    async with JobRunner(":memory:", jobs=[group]) as runner:
        await runner.enqueue_many([book.bind(account, number) for number in range(4) for account in (1, 2)])
        await until(lambda: runner.stats().completed == 8)
    for account in (1, 2):
        assert [number for found, number in order if found == account] == [0, 1, 1, 2, 3]


async def test_a_rate_lets_the_next_start_when_its_period_is_over() -> None:
    group, clock = Jobs(), FakeClock()
    started: list[int] = []

    @group.job(limits=[Rate(2, per="1m", key="org_id")])
    async def ask(org_id: int, number: int) -> None:
        started.append(number)

    async with JobRunner(":memory:", jobs=[group], clock=clock) as runner:
        await runner.enqueue_many([ask.bind(1, number) for number in range(5)])
        await until(lambda: started == [0, 1])
        clock.advance(59)
        await runner.run_until_idle()
        assert started == [0, 1]
        clock.advance(1)
        await until(lambda: started == [0, 1, 2, 3])
        clock.advance(60)
        await until(lambda: started == [0, 1, 2, 3, 4])


async def test_the_limits_of_the_runner_that_started_last_count(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    for most in (2, 3):
        group = Jobs()

        @group.job(limits=[Limit(most, key="org_id", name="api"), Rate(9, per="1m", key="org_id")])
        async def call(org_id: int) -> None: ...

        async with JobRunner(path, jobs=[group]):
            pass
    async with opened(path) as store:
        assert await store.ask(ListLimits()) == {
            "api": StoredLimit("api", 3),
            "call: rate by org_id": StoredLimit("call: rate by org_id", 9, 60_000_000),
        }


async def test_a_key_of_a_wrong_type_is_refused_and_nothing_is_enqueued() -> None:
    group = Jobs()

    @group.job(limits=[Limit(1, key="weight")])
    async def weigh(weight: float) -> None: ...

    async with JobRunner(":memory:", jobs=[group]) as runner:
        with pytest.raises(InvalidPayload, match="weight: is the key of a limit"):
            await runner.enqueue(weigh, 1.5)
        assert runner.stats().pending == 0
