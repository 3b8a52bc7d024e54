"""A runner in a process of its own, with a durable handler that stops at one place of its way until the order `go`.

Usage: stepping.py DATABASE PLACE. Enqueues the job, unless it is there. Says `at PLACE` when it has come there, `begins
NAME` and `returns NAME` around each function, and `result ...` in the end.

Places: `before NAME`, `inside NAME`, `after NAME` of each operation in `NAMES`; `nowhere`.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final

from aiojobs_lite import JobContext, JobRunner, injected, job
from tests.helpers.apps.common import Orders, say

ORDERS: Final = Orders()
PLACE: Final = sys.argv[2] if __name__ == "__main__" else "nowhere"
NAMES: Final = ("first", "second", "tell", "child", "third")
_EVENT: Final = "stepping/news"


async def _come_to(place: str) -> None:
    if place == PLACE:
        say("at", place)
        await ORDERS.go.wait()


async def effect(name: str) -> str:
    """The function of a step."""
    say("begins", name)
    await _come_to(f"inside {name}")
    say("returns", name)
    return f"result of {name}"


def plain_effect(name: str) -> str:
    """The same in a thread."""
    say("begins", name)
    if f"inside {name}" == PLACE:
        say("at", PLACE)
        ORDERS.free.wait()
    say("returns", name)
    return f"result of {name}"


@job(max_attempts=2)
async def child() -> str:
    """A child, which takes as long as a step."""
    return await effect("child")


@job(max_attempts=2)
async def stepping(ctx: JobContext = injected) -> list[str]:
    """One operation after the other."""
    found: list[str] = []
    for name in NAMES:
        await _come_to(f"before {name}")
        if name == "tell":
            await ctx.send(name, _EVENT, {"job": ctx.id})
        elif name == "child":
            found.append(await ctx.invoke(name, child))
        elif name == "second":
            found.append(await ctx.step(name, plain_effect, name))
        else:
            found.append(await ctx.step(name, effect, name))
        await _come_to(f"after {name}")
    return found


async def main(database: str) -> None:
    """Runs the job to its end."""
    ORDERS.watch()
    async with JobRunner(database, jobs=[stepping, child]) as runner:
        handle = await runner.enqueue(stepping.using(idempotency_key="one"))
        say("result", *[one.replace(" ", "_") for one in await handle.result()])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
