"""Durable handlers in a process of its own. Each step that has done its work writes a line to a file of effects.

Usage: durable.py DATABASE EFFECTS OPTIONS, where OPTIONS is a JSON object of options of `JobRunner`, and `version`,
`old` or `new`. It runs until the order `leave`. The order `go` lets the steps go on that are held.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from aiojobs_lite import Backoff, JobContext, JobRunner, Jobs, injected
from aiojobs_lite.events import Event
from tests.helpers.apps.common import Orders, note, say, show_log

ORDERS = Orders()
EFFECTS = Path(os.devnull)
jobs = Jobs()
old, new = Jobs(), Jobs()


def effect(*words: object) -> int:
    note(EFFECTS, *words)
    return os.getpid()


async def effect_later(*words: object) -> int:
    await asyncio.sleep(0)
    return effect(*words)


async def held(*words: object) -> int:
    """A step that says that it began, and waits for the order `go`."""
    say("held", *words)
    await ORDERS.go.wait()
    return effect(*words)


@jobs.job
async def parallel(parts: int, *, ctx: JobContext = injected) -> int:
    functions = [effect, effect_later]
    steps = [ctx.step(f"part {part}", functions[part % 2], "part", ctx.id, part) for part in range(parts)]
    await asyncio.gather(*steps, ctx.step("held", held, "last", ctx.id))
    return parts


@jobs.job
async def nested(depth: int, *, ctx: JobContext = injected) -> list[int]:
    pids = [await ctx.step("down", effect, "down", depth)]
    if depth:
        pids += await ctx.invoke("below", nested, depth - 1)
    return [*pids, await ctx.step("up", effect, "up", depth)]


@jobs.job
async def leaf(number: int, *, ctx: JobContext = injected) -> int:
    await ctx.step("effect", effect_later, "leaf", number)
    return number


@jobs.job
async def fan(children: int, *, ctx: JobContext = injected) -> int:
    return sum(await ctx.gather("leaves", [leaf.bind(number) for number in range(children)]))


@jobs.job
async def sleeper(seconds: float, *, ctx: JobContext = injected) -> None:
    await ctx.step("before", effect, "before", ctx.id)
    await ctx.sleep("pause", seconds)
    await ctx.step("after", effect, "after", ctx.id)


@jobs.job(backoff=Backoff(base="10ms", cap="10ms"))
async def in_the_middle(*, ctx: JobContext = injected) -> None:
    await ctx.step("before", effect, "before", ctx.id)
    await ctx.step("held", held, "held", ctx.id)
    await ctx.step("after", effect, "after", ctx.id)


@jobs.job
async def waiter(user: int, seconds: float | None = None, *, ctx: JobContext = injected) -> str | None:
    await ctx.step("before", effect, "before", user)
    match = {"user": user}
    reply = await ctx.wait_for_event("reply", "user/replied", match=match, timeout=seconds)
    text = None if reply is None else str(reply.data["text"])
    await ctx.step("after", effect, "after", user, text)
    return text


@jobs.on("user/came")
async def welcome(event: Event[dict[str, int]], *, ctx: JobContext = injected) -> None:
    await ctx.step("greet", effect, "greet", event.data["user"])


@old.job(name="deployed")
async def deployed_old(*, ctx: JobContext = injected) -> str:
    await ctx.step("first", effect, "first", "old")
    await ctx.step("removed", effect, "removed", "old")
    await ctx.sleep("pause", "1s")
    await ctx.step("last", effect, "last", "old")
    return "old"


@new.job(name="deployed")
async def deployed_new(*, ctx: JobContext = injected) -> str:
    await ctx.step("first", effect, "first", "new")
    await ctx.step("added", effect, "added", "new")
    await ctx.sleep("pause", "1s")
    await ctx.step("last", effect, "last", "new")
    return "new"


@old.job(name="changed", max_attempts=1)
async def changed_old(*, ctx: JobContext = injected) -> None:
    await ctx.step("first", effect, "first", "old")
    await ctx.sleep("pause", "1s")


@new.job(name="changed", max_attempts=1)
async def changed_new(*, ctx: JobContext = injected) -> None:
    await ctx.step("first", effect, "first", "new")
    await ctx.wait_for_event("pause", "user/replied", timeout="1s")


async def main(database: str, effects: str, options: dict[str, Any]) -> None:
    global EFFECTS  # noqa: PLW0603  # of the whole program
    EFFECTS = Path(effects)
    ORDERS.watch()
    version = {"old": [old], "new": [new], None: []}[options.pop("version", None)]
    async with JobRunner(database, jobs=[jobs, *version], **options):
        say("ready")
        await ORDERS.next()


if __name__ == "__main__":
    show_log()
    asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
