"""A runner of another application on the same file, which knows nothing of the app: it rescues what the server left.

`python -m tests.chaos.inngest.neighbour DATABASE DURABILITY` runs until it is killed.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

from aiojobs_lite import JobRunner


async def main(database: str, durability: Any) -> None:
    """Runs jobs of its own, of which there are none."""
    runner = JobRunner(database, durability=durability)

    @runner.job
    async def of_its_own() -> None: ...

    await runner.run_forever()


if __name__ == "__main__":
    logging.basicConfig(format="neighbour %(levelname)s %(name)s %(message)s")
    asyncio.run(main(*sys.argv[1:]))
