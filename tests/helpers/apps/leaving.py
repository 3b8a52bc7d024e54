"""A script whose handlers have resources, each of which says when it is entered and left.

Usage: leaving.py DATABASE OPTIONS, where OPTIONS is a JSON object of options of `JobRunner`. Its one job is enqueued by
a `JobClient` before it starts, and goes on at the order `go`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiojobs_lite import JobClient, JobRunner, PerAttempt, injected, job
from tests.helpers.apps.common import Orders, say, show_log

ORDERS = Orders()


class Engine: ...


class Mailer: ...


class Session: ...


@asynccontextmanager
async def engine() -> AsyncIterator[Engine]:
    say("entered", "engine")
    try:
        yield Engine()
    finally:
        await asyncio.sleep(0)  # as what closes connections
        say("left", "engine")


@asynccontextmanager
async def mailer() -> AsyncIterator[Mailer]:
    say("entered", "mailer")
    try:
        yield Mailer()
    finally:
        await asyncio.sleep(0)
        say("left", "mailer")


@asynccontextmanager
async def session() -> AsyncIterator[Session]:
    say("entered", "session")
    try:
        yield Session()
    finally:
        await asyncio.sleep(0)
        say("left", "session")


@job
async def held(*, engine: Engine = injected, mailer: Mailer = injected, session: Session = injected) -> None:
    say("started")
    try:
        await ORDERS.go.wait()
    finally:
        say("ended")


async def main(database: str, options: dict[str, Any]) -> None:
    ORDERS.watch()
    deps = {Engine: engine, Mailer: mailer, Session: PerAttempt(session)}
    await JobRunner(database, jobs=[held], deps=deps, **options).run_forever()


if __name__ == "__main__":
    show_log()
    with JobClient(sys.argv[1], jobs=[held]) as client:
        client.enqueue(held)
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
