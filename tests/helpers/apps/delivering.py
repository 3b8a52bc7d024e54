"""A runner in a process of its own that delivers to loopback, until it is killed.

Usage: delivering.py DATABASE
"""

from __future__ import annotations

import asyncio
import sys

from aiojobs_lite import JobRunner
from tests.helpers.apps.common import say
from tests.helpers.endpoints import local


async def main(database: str) -> None:
    async with JobRunner(database, jobs=[local()], max_running=10):
        say("ready")
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
