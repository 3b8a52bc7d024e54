"""What users of other job queues reported, played here: each test names what went wrong there."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import logging
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from aiojobs_lite import Backoff, JobDead, JobRunner, job
from tests.helpers.pauses import work_for
from tests.helpers.waiting import PATIENCE


async def opens_a_scope() -> str:
    scope = anyio.CancelScope(deadline=anyio.current_time() + 0.001)
    scope.__enter__()  # never left
    return "done"


async def opens_a_group() -> str:
    group = anyio.create_task_group()
    await group.__aenter__()
    group.start_soon(anyio.sleep, 0.001)
    return "done"


async def opens_a_timeout() -> str:
    await asyncio.timeout(0.001).__aenter__()
    return "done"


@pytest.mark.parametrize("handler", [opens_a_scope, opens_a_group, opens_a_timeout])
async def test_what_a_handler_leaves_open_cancels_no_other(handler: Callable[..., Any]) -> None:
    """There the scope of one job cancelled the whole scheduler."""

    async def later() -> str:
        await work_for(0.02)
        return "too"

    runner = JobRunner(":memory:")
    leaves_open, goes_on = runner.job(handler), runner.job(later)
    async with runner:
        assert await (await runner.enqueue(leaves_open)).result() == "done"
        assert await (await runner.enqueue(goes_on)).result() == "too"


async def test_jobs_run_while_every_thread_of_the_event_loops_pool_is_taken(database: Path) -> None:
    """There the scheduler and its recovery shared the pool with jobs that waited."""
    released = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asyncio.get_running_loop().set_default_executor(pool)
        taken = [asyncio.get_running_loop().run_in_executor(None, released.wait) for _ in range(3)]
        runner = JobRunner(database)

        @runner.job
        async def on_the_loop() -> int:
            return 1

        @runner.job
        def in_a_thread() -> int:
            return 2

        try:
            async with asyncio.timeout(PATIENCE), runner:
                assert await (await runner.enqueue(on_the_loop)).result() == 1
                assert await (await runner.enqueue(in_a_thread)).result() == 2
                assert len(await runner.jobs.list()) == 2
        finally:
            released.set()
        await asyncio.gather(*taken)


async def test_each_attempt_gets_the_arguments_as_they_were_enqueued() -> None:
    """There what an attempt had changed of its arguments was what the next one got."""
    seen: list[tuple[list[int], dict[str, int]]] = []
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=3, backoff=Backoff("1ms", "1ms"))
    async def changes(numbers: list[int], by_name: dict[str, int]) -> None:
        seen.append(([*numbers], {**by_name}))
        numbers.append(9)
        by_name["nine"] = 9
        raise ValueError

    async with runner:
        numbers = [1]
        handle = await runner.enqueue(changes, numbers, by_name={"one": 1})
        numbers.append(2)
        with pytest.raises(JobDead):
            await handle.result()
    assert seen == [([1], {"one": 1})] * 3


@pytest.mark.parametrize("value", [None, 0, False, "", [], {}, 0.0])
async def test_a_result_that_is_false_is_a_result(value: Any) -> None:
    """There a caller that waited for None waited for ever."""
    runner = JobRunner(":memory:")

    @runner.job
    async def gives() -> Any:
        return value

    async with runner:
        handle = await runner.enqueue(gives)
        results = [await handle.result(), await handle.result()]
    assert results == [value, value]
    assert {type(one) for one in results} == {type(value)}


def test_a_runner_may_live_in_a_thread_that_is_not_the_main_one(database: Path) -> None:
    """There signal handlers were set, which only the main thread may do."""
    ended: list[int] = []

    async def live() -> None:
        runner = JobRunner(database)

        @runner.job
        async def one() -> int:
            return 1

        async with asyncio.timeout(PATIENCE), runner:
            ended.append(await (await runner.enqueue(one)).result())
            forever = asyncio.ensure_future(runner.run_forever())
            await asyncio.sleep(0)
            forever.cancel()
            await asyncio.wait([forever])
            ended.append(await (await runner.enqueue(one)).result())

    thread = threading.Thread(target=asyncio.run, args=(live(),))
    thread.start()
    thread.join(PATIENCE)
    assert ended == [1, 1]


def test_one_runner_serves_one_event_loop_after_the_other(database: Path) -> None:
    """There futures and locks that were made once belonged to the first loop."""

    @job
    async def one() -> int:
        return 1

    runner = JobRunner(database, jobs=[one])

    async def live() -> Any:
        async with asyncio.timeout(PATIENCE), runner:
            handle = await runner.enqueue(one)
            assert await handle.result() == 1
            return handle

    async def look(handle: Any) -> int:
        async with asyncio.timeout(PATIENCE), runner:
            return int(await handle.result())

    handle = asyncio.run(live())
    asyncio.run(live())
    assert asyncio.run(look(handle)) == 1


def test_nothing_is_left_over_that_asyncio_complains_of(database: Path, caplog: pytest.LogCaptureFixture) -> None:
    """There tasks were destroyed while they were pending, and coroutines never awaited."""

    async def live() -> None:
        runner = JobRunner(database, drain_timeout=0.01, cancel_grace=1)
        begun = asyncio.Event()

        @runner.job(max_attempts=1)
        async def fails() -> None:
            raise ValueError

        @runner.job
        async def waits() -> None:
            begun.set()
            await asyncio.Event().wait()

        @runner.job
        def in_a_thread() -> None: ...

        async with asyncio.timeout(PATIENCE), runner:
            for job_type in (fails, in_a_thread, waits):
                await runner.enqueue(job_type)
            abandoned = asyncio.ensure_future((await runner.enqueue(waits)).result())
            await begun.wait()
            abandoned.cancel()

    gc.collect()  # what other tests left over
    caplog.clear()
    caplog.set_level(logging.ERROR, "asyncio")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(live(), debug=True)
        gc.collect()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
