"""A runner in a process of its own, with a run that is driven by calls, one of which kills the process.

Usage: driving.py DATABASE PLACE. Enqueues the run, unless it is there. Says `call TARGET ATTEMPT ENDED...` of each
call, and `ended RESULT` in the end, if it comes there. PLACE is `checkpoint`, behind one of two steps; `left`, a step
that is planned beside another; `found`, a step that failed once; or `none`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from signal import SIGKILL

from aiojobs_lite import Backoff, JobRunner
from aiojobs_lite.durable.checkpoint import RunFence
from aiojobs_lite.durable.driver import Answer, DriverCall
from aiojobs_lite.durable.operations import RunReturned, StepPlanned
from aiojobs_lite.runner.checkpoints import save_checkpoint
from aiojobs_lite.runner.driven import driven
from tests.helpers.apps.common import Orders, say
from tests.helpers.remote import raised, ran

PLANNED = ("left", "right")


class Killed:
    """Answers the calls, and kills its process at a place.

    Args:
        runner: Stores the checkpoints.
        place: Where the process is killed: a target, `checkpoint` or `found`; or `none`.
    """

    def __init__(self, runner: JobRunner, place: str) -> None:
        self._runner = runner
        self._place = place

    async def call(self, call: DriverCall) -> Answer:
        """See `Driver`."""
        names = {row.name for row in call.ended}
        say("call", call.target or "?", call.attempt, *sorted(names))
        if call.target is not None:
            self._kill(call.target)
            return [ran(call.target)]
        if "two" not in names:
            fence = RunFence(call.run.id, call.run.attempt, call.run.owner)
            await save_checkpoint(self._runner.durables, fence, [ran("one"), ran("two")])
            self._kill("checkpoint")
            return [ran("two")]
        if not names.issuperset(PLANNED):
            return [StepPlanned(name) for name in PLANNED]
        if "found" not in names:
            if call.attempt == 0:
                return [raised("found")]
            self._kill("found")
            return [ran("found")]
        return RunReturned(str(len(names)))

    def _kill(self, place: str) -> None:
        if place == self._place:
            os.kill(os.getpid(), SIGKILL)


async def main(database: str, place: str) -> None:
    """Runs the run to its end; it is enqueued once."""
    Orders().watch()
    runner = JobRunner(database)
    flow = runner.job(name="flow", max_attempts=3, backoff=Backoff(base=0.01))(driven(Killed(runner, place)))
    async with runner:
        handle = await runner.enqueue(flow.using(idempotency_key="one"))
        say("ended", await handle.result())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
