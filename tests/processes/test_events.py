"""Events over two processes: the one that sends knows no handler."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiojobs_lite import JobClient, JobContext, JobRunner, Status, injected
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.programs import program
from tests.helpers.rings import slow
from tests.helpers.waiting import until

LISTENING = "tests.helpers.apps.listening"


@slow
async def test_a_client_of_one_process_starts_and_ends_what_waits_in_another(database: Path) -> None:
    async with program("-m", LISTENING, database) as child:
        await child.line("ready")
        with JobClient(database) as client:
            await asyncio.to_thread(client.send, "trial/started", {"user": {"id": 1}, "runs": True})
            assert (await child.line("began"))[1] == "1"
            await asyncio.to_thread(client.send, "user/left", {"user": {"id": 1}})
            assert (await child.line("left"))[1] == "1"
        child.order("leave")
        assert await child.ended() == 0


@slow
async def test_an_event_cancels_jobs_in_whatever_state_from_a_process_without_handlers(database: Path) -> None:
    async with program("-m", LISTENING, database) as child:
        await child.line("ready")
        async with JobRunner(database, max_running=0) as sender:
            for user, runs in ((1, False), (2, True), (3, True)):
                await sender.send("trial/started", {"user": {"id": user}, "runs": runs})
                assert (await child.line("began"))[1] == str(user)
                if not runs:
                    await child.line("left")  # it is suspended
            await until(lambda: sender.stats().pending == 1, look_every=0.01)
            for user in (1, 2):
                await sender.send("user/left", {"user": {"id": user}})
            assert (await child.line("left"))[1] == "2"
            await until(lambda: sender.stats().cancelled == 2, look_every=0.01)
            cancelled = await sender.jobs.list(status=Status.CANCELLED)
            assert [job.reason for job in cancelled] == ["event user/left"] * 2
            assert sender.stats().processing == 1
            await child.kill()
        async with JobRunner(database, max_running=0) as sender:  # no handler runs anywhere
            await sender.send("user/left", {"user": {"id": 3}})
            await until(lambda: sender.stats().cancelled == 3, look_every=0.01)
    async with program("-m", LISTENING, database) as child:
        await child.line("ready")
        child.order("leave")
        assert await child.ended() == 0
        assert not any(line.startswith("began") for line in child.lines)


SENDER = """
import sys
from aiojobs_lite import JobClient

with JobClient(sys.argv[1]) as client:
    client.send("answered", {"user_id": 7})
"""


@slow
async def test_an_event_of_a_process_whose_clock_is_behind_ends_a_wait_that_begins_later(database: Path) -> None:
    begins, runner = asyncio.Event(), JobRunner(database, clock=FakeClock(datetime.now(UTC) + timedelta(days=1)))

    @runner.job
    async def asks(user_id: int, *, ctx: JobContext = injected) -> bool:
        await begins.wait()
        return await ctx.wait_for_event("wait", "answered", match={"user_id": user_id}, timeout="1h") is not None

    async with runner:
        handle = await runner.enqueue(asks, 7)
        async with program("-c", SENDER, database) as sender:
            assert await sender.ended() == 0
        begins.set()
        assert await handle.result(timeout="10s")
