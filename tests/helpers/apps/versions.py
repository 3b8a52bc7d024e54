"""Two versions of one application: what a deploy adds, removes and changes.

Usage: versions.py DATABASE VERSION; orders come on standard input: `leave`. Its lines: `started`, then one for each
attempt that ended, `VERSION TYPE PAYLOAD`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any, Literal, get_args

from aiojobs_lite import JobContext, JobRunner, injected
from tests.helpers.pauses import work_for

Version = Literal["old", "new"]
VERSIONS: tuple[Version, ...] = get_args(Version)
CONCURRENCY = {"old": 3, "new": 2}
Did = Callable[..., None]
Job = tuple[str, dict[str, Any]]


def other(version: Version) -> Version:
    """The version that is not this one."""
    return "new" if version == "old" else "old"


def fitting(version: Version) -> list[Job]:
    """Jobs that only this version can run: type and payload."""
    old: list[Job] = [
        ("greet", {"name": "ann"}), ("scale", {"n": 5}), ("rename", {"was": "a"}), ("bye", {"name": "ann"}),
    ]  # fmt: skip
    new: list[Job] = [
        ("greet", {"name": "bob", "age": 3}), ("scale", {"n": "six"}), ("rename", {"is_now": "b"}),
        ("hello", {"name": "bob"}), ("move", {"town": "rome"}),
    ]  # fmt: skip
    return old if version == "old" else new


def make(version: Version, database: Any, did: Did, **options: Any) -> JobRunner:
    """A runner of one version.

    Args:
        version: Which.
        database: Its database.
        did: Called by each handler with the type and the payload.
        options: More options of the runner.
    """
    runner = JobRunner(database, **options)
    (_add_old if version == "old" else _add_new)(runner, did)

    @runner.job
    async def same(n: int) -> None:
        did("same", n=n)

    @runner.job(concurrency=CONCURRENCY[version])
    async def limited(n: int) -> None:
        did("begin", n=n)
        await work_for(0.01)
        did("limited", n=n)

    return runner


def _add_old(runner: JobRunner, did: Did) -> None:
    @runner.job
    async def greet(name: str) -> None:
        did("greet", name=name)

    @runner.job
    async def scale(n: int) -> None:
        did("scale", n=n)

    @runner.job
    async def rename(was: str) -> None:
        did("rename", was=was)

    @runner.job
    async def move(place: str) -> None:
        did("move", place=place)

    @runner.job
    async def bye(name: str) -> None:
        did("bye", name=name)

    _add_schedules(
        runner, did, ("every", "*/2 * * * *", "UTC"), ("zone", "4 * * * *", "UTC"), ("dropped", "7 * * * *", "UTC")
    )


def _add_new(runner: JobRunner, did: Did) -> None:
    @runner.job
    async def greet(name: str, age: int) -> None:
        did("greet", name=name, age=age)

    @runner.job
    async def scale(n: Literal["five", "six"]) -> None:
        did("scale", n=n)

    @runner.job
    async def rename(is_now: str) -> None:
        did("rename", is_now=is_now)

    @runner.job(version=2, upgrade={1: lambda arguments: {"town": arguments["place"]}})
    async def move(town: str) -> None:
        did("move", town=town)

    @runner.job
    async def hello(name: str) -> None:
        did("hello", name=name)

    schedules = ("every", "*/3 * * * *", "UTC"), ("zone", "4 * * * *", "Asia/Kathmandu"), ("added", "11 * * * *", "UTC")
    _add_schedules(runner, did, *schedules)


def _add_schedules(runner: JobRunner, did: Did, *schedules: tuple[str, str, str]) -> None:
    for name, expression, tz in schedules:

        async def fire(name: str = name, *, ctx: JobContext = injected) -> None:
            did(name, tick=str(ctx.tick))

        runner.cron(expression, tz=tz, overlap="queue", name=name)(fire)


async def main(database: str, version: Version) -> None:
    def did(job_type: str, **payload: Any) -> None:
        sys.stdout.write(f"{version} {job_type} {json.dumps(payload, separators=(',', ':'))}\n")
        sys.stdout.flush()

    async with make(version, database, did):
        sys.stdout.write("started\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], "old" if sys.argv[2] == "old" else "new"))
