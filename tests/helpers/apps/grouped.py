"""A plain script with a job for another process: `python grouped.py DATABASE FOLDER OPTIONS`.

Enqueues one job and runs until a signal ends it. The handler notes its process in FOLDER/pid, and returns when there
is FOLDER/go.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from aiojobs_lite import JobRunner, job
from tests.helpers.apps.common import say, show_log
from tests.helpers.pauses import poll
from tests.helpers.waiting import PATIENCE


@job(process=True, max_attempts=2)
def waits(folder: str) -> int:
    Path(folder, "pid").write_text(str(os.getpid()))
    poll(Path(folder, "go").exists, PATIENCE)
    return os.getpid()


async def main(database: str, folder: str, options: dict[str, Any]) -> None:
    runner = JobRunner(database, jobs=[waits], **options)
    async with runner:
        say("enqueued", (await runner.enqueue(waits, folder)).id)
        await runner.run_forever()


if __name__ == "__main__":
    show_log()
    asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
