"""A release of an application in a process of its own, whose schedules tick each second.

Usage: releases.py DATABASE [SCHEDULE...]. Order: `leave`. It says `tick NAME` and its log lines.
"""

from __future__ import annotations

import asyncio
import sys

from aiojobs_lite import JobRunner
from tests.helpers.apps.common import Orders, say, show_log

ORDERS = Orders()


async def main(database: str, *schedules: str) -> None:
    ORDERS.watch()
    runner = JobRunner(database)
    for name in schedules:

        @runner.cron("* * * * * *", name=name)
        async def tick(name: str = name) -> None:
            say("tick", name)

    @runner.job(name="other")
    async def other() -> None: ...

    async with runner:
        say("ready")
        while await ORDERS.next() != ["leave"]:
            pass


if __name__ == "__main__":
    show_log()
    asyncio.run(main(*sys.argv[1:]))
