"""A program whose handlers fork processes and ask each to end while it is being born.

Usage: terminating.py HANDLER ROUNDS. Says `ended CODE COUNT` for each exit code, and `drained` if the application took
one of the signals for its own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections import Counter

from aiojobs_lite import JobRunner, job
from tests.helpers.apps.common import say
from tests.helpers.pauses import poll
from tests.helpers.waiting import quiet

_PATIENCE = 5.0  # seconds


@job(max_attempts=1)
def terminates(rounds: int) -> list[int]:
    codes = []
    for _ in range(rounds):
        pid = os.fork()
        if pid == 0:
            threading.Event().wait(4 * _PATIENCE)
            os._exit(0)
        os.kill(pid, signal.SIGTERM)
        codes.append(ended(pid))
    return codes


def ended(pid: int) -> int:
    statuses: list[int] = []

    def has_ended() -> bool:
        found, status = os.waitpid(pid, os.WNOHANG)
        statuses.append(status)
        return found != 0

    if poll(has_ended, _PATIENCE):
        return os.waitstatus_to_exitcode(statuses[-1])
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


async def main(handler: str, rounds: int) -> None:
    if handler == "loop":  # as hypercorn has it
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, say, "drained")
    async with JobRunner(":memory:", jobs=[terminates]) as runner:
        codes = await (await runner.enqueue(terminates, rounds)).result()
        await quiet()  # what comes by the descriptor of the event loop has come
        if runner.stats().draining:
            say("drained")
    for code, count in Counter(codes).items():
        say("ended", code, count)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
