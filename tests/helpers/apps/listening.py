"""Runs durable handlers that listen to events, in a process of its own.

Usage: listening.py DATABASE. It says `ready`, and what its handlers do; `leave` ends it.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from aiojobs_lite import JobContext, JobRunner, Jobs, injected
from aiojobs_lite.events import Event, On
from tests.helpers.apps.common import Orders, say, show_log

jobs = Jobs()


@jobs.on("trial/started", cancel_on=On("user/left", match="user.id"))
async def trial(event: Event[Any], ctx: JobContext = injected) -> None:
    say("began", event.data["user"]["id"])
    try:
        if event.data["runs"]:
            await asyncio.Event().wait()
        await ctx.sleep("trial", "14d")
    finally:
        say("left", event.data["user"]["id"])


async def main(database: str) -> None:
    orders = Orders()
    orders.watch()
    async with JobRunner(database, jobs=[jobs]):
        say("ready")
        while await orders.next() != ["leave"]:
            continue


if __name__ == "__main__":
    show_log()
    asyncio.run(main(sys.argv[1]))
