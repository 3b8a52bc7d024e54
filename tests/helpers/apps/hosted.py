"""The job types of the hosts in `docs/guides/hosts.md`, in place of its `mails`: one that the test holds up.

Works in the folder in which the host was started, beside its database.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

from aiojobs_lite import Jobs
from tests.helpers.apps.common import say
from tests.helpers.pauses import pause

HELD, GO = 2, "go"
jobs = Jobs()


@jobs.job
async def welcome(user_id: int) -> str:
    if user_id == HELD:
        say("held")
        while not await asyncio.to_thread(Path(GO).exists):
            await pause()
    return f"welcomed user {user_id}"


def say_log() -> None:
    """Has the library's log lines said, each beginning with `log`, whatever the host does to the root logger."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("log %(message)s"))
    logger = logging.getLogger("aiojobs_lite")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
