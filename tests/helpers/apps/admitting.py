"""Enqueues jobs of one key in a process of its own, as many at once as it is asked for.

Usage: admitting.py DATABASE [MOST_RUNNING]. The order `admit NAME COUNT` enqueues jobs of the type NAME for the user 1,
and says how many were new and which ids they had; `leave` ends it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from typing_extensions import TypedDict  # as pydantic needs it below Python 3.12

from aiojobs_lite import JobRunner, Jobs
from aiojobs_lite.flow import Batch, Debounce, Throttle, Unique
from tests.helpers.apps.common import Orders, say, show_log
from tests.helpers.pauses import work_for

jobs = Jobs()
MOST = 7


class Item(TypedDict):
    """An item of a micro-batch."""

    org: int
    by: int
    n: int


@jobs.job(unique=Unique("user_id"))
async def unfinished(user_id: int, by: int) -> None: ...


@jobs.job(unique=Unique("user_id", scope="1h"))
async def hourly(user_id: int, by: int) -> None: ...


@jobs.job(unique=Unique("user_id", scope="pending", on_conflict="replace"))
async def replaced(user_id: int, by: int) -> None: ...


@jobs.job(debounce=Debounce("1h", key="user_id"))
async def debounced(user_id: int, by: int) -> None: ...


@jobs.job(throttle=Throttle("1h", key="user_id"))
async def throttled(user_id: int, by: int) -> None: ...


@jobs.job(batch=Batch(MOST, max_wait="1h", key="org"))
async def gathered(items: list[Item]) -> None: ...


@jobs.job
async def brief(seconds: float) -> None:
    await work_for(seconds)


def arguments(name: str, n: int) -> dict[str, Any]:
    """The arguments of the n-th job of a type: for the user 1, or an item for one of three organisations."""
    if name != "gathered":
        return {"user_id": 1, "by": os.getpid()}
    return {"items": [{"org": n % 3, "by": os.getpid(), "n": n}]}


async def main(database: str, max_running: int = 0) -> None:
    orders = Orders()
    orders.watch()
    runner = JobRunner(database, jobs=[jobs], max_running=max_running)
    async with runner:
        say("ready")
        while (order := await orders.next()) != ["leave"]:
            _, name, count = order
            work = [runner.enqueue_named(name, **arguments(name, n)) for n in range(int(count))]
            handles = await asyncio.gather(*work)
            ids = {handle.id for handle in handles}
            say("admitted", sum(handle.is_new for handle in handles), *ids)


if __name__ == "__main__":
    show_log()
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
