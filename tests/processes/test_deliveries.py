"""Deliveries over the death of their process: none is lost, and each has its callback once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

from aiojobs_lite import Job, JobRunner
from aiojobs_lite.http import Publish
from aiojobs_lite.model.job import Status
from tests.helpers.endpoints import Endpoint, Received, endpoint, local, reply
from tests.helpers.programs import program
from tests.helpers.rings import slow
from tests.helpers.waiting import until

DELIVERIES, KILLS, BETWEEN_KILLS = 500, 5, 150


async def answer(received: Received, writer: object) -> None:
    """404 for what is to die, else 200."""
    status = 404 if received.target.startswith("/dead/") else 200
    writer.write(reply(status))  # type: ignore[attr-defined]  # a StreamWriter


async def all_jobs(runner: JobRunner) -> list[Job]:
    """Every job of the database."""
    found: list[Job] = []
    while page := await runner.jobs.list(limit=1000, after=found[-1].id if found else None):
        found += page
    return found


def sources(jobs: list[Job], path: str) -> Counter[str]:
    """The deliveries of which there are callbacks, and how many each has."""
    said = [json.loads(job.payload["body"]) for job in jobs if job.payload.get("url", "").endswith(path)]
    return Counter(one["url"] for one in said)


async def published(runner: JobRunner, server: Endpoint, name: str) -> list[str]:
    """Publishes deliveries that differ by their URL, with callbacks."""
    urls = [f"{server.url}/{name}/{number}" for number in range(DELIVERIES)]
    done, failed = f"{server.url}/back", f"{server.url}/failed"
    await runner.publish_many([Publish(url, json=1, callback=done, failure_callback=failed) for url in urls])
    return urls


@slow
async def test_a_sigkill_in_mid_delivery_loses_none_and_each_has_one_callback(database: Path) -> None:
    async with endpoint(answer) as server:
        async with JobRunner(database, jobs=[local()], max_running=0) as runner:
            live, dead = await published(runner, server, "live"), await published(runner, server, "dead")
        for killed in range(1, KILLS + 1):
            async with program("-m", "tests.helpers.apps.delivering", database) as child:
                await until(lambda number=killed: len(server.received) >= number * BETWEEN_KILLS, look_every=0.001)  # type: ignore[misc]
                await child.kill()
        async with JobRunner(database, jobs=[local()]) as runner:
            await runner.run_until_idle()
            jobs = await all_jobs(runner)
        deliveries = {job.payload["url"]: job for job in jobs if job.payload.get("url") in {*live, *dead}}
        assert {url: deliveries[url].status for url in (*live, *dead)} == {
            **dict.fromkeys(live, Status.COMPLETED), **dict.fromkeys(dead, Status.DEAD),
        }  # fmt: skip
        assert {f"{server.url}{target}" for target in server.targets} >= {*live, *dead}
        assert sources(jobs, "/back") == dict.fromkeys(live, 1)
        assert sources(jobs, "/failed") == dict.fromkeys(dead, 1)
        assert sum(job.crashes for job in jobs) > 0  # some were in flight


@slow
async def test_a_delivery_that_was_in_flight_at_three_deaths_is_dead_and_has_its_failure_callback(
    database: Path,
) -> None:
    async def silent_but_for_callbacks(received: Received, writer: object) -> None:
        if received.target == "/failed":
            await answer(received, writer)
        else:
            await asyncio.Event().wait()

    async with endpoint(silent_but_for_callbacks) as server:
        async with JobRunner(database, jobs=[local()], max_running=0) as runner:
            handle = await runner.publish(f"{server.url}/hangs", failure_callback=f"{server.url}/failed")
        for killed in (1, 2, 3):
            async with program("-m", "tests.helpers.apps.delivering", database) as child:
                await until(lambda number=killed: len(server.received) == number, look_every=0.001)  # type: ignore[misc]
                await child.kill()
        async with JobRunner(database, jobs=[local()]) as runner:
            await until(lambda: runner.stats().dead == 1)
            await runner.run_until_idle()
            job = await runner.jobs.get(handle.id)
        assert (job.status, job.reason, job.crashes) == (Status.DEAD, "crashed", 3)
        assert server.targets == ["/hangs"] * 3 + ["/failed"]
        said = server.received[-1].json()
        assert (said["status"], said["error"], said["retried"], said["dlqId"]) == (0, "crashed", 2, handle.key)
