"""What a run of pytest computes: seconds of processors, of all its processes, which a busy machine hardly changes.

A slow machine does: some need three times as many for the same. So what may be used grows by as much as a trial of
fixed work needs more of them than where the budget was set. `python -m tests.helpers.cpu` exits with 1 on a slow one.
"""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import sys
import threading
import time
from functools import cache
from typing import Final

BUDGET: Final = "AIOJOBS_LITE_TESTS_CPU_S"  # a variable of the environment: the run fails beyond so many seconds
USUAL_S: Final = 0.0052  # that a trial takes of a processor of which the first ring takes 150 s
_TRIALS: Final = 9
_SLOW: Final = 1.4  # times as long as usual: the whole of `.ci/run` takes 13 minutes where it is 1


def used() -> float:
    """Seconds that this process and those that it has waited for have computed."""
    found = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in found)


def said(seconds: float) -> str:
    """What a run says of it at its end."""
    most = allowed(seconds)
    return f"{seconds:.0f} s of processors" + ("" if most is None else f"; {most:g} s may be used")


def is_too_much(seconds: float) -> bool:
    """Whether it is beyond the budget, if there is one."""
    most = allowed(seconds)
    return most is not None and seconds > most


def allowed(seconds: float) -> float | None:
    """How many seconds may be used here by a run that used so many; None without a budget."""
    budget = os.environ.get(BUDGET)
    if budget is None or seconds <= float(budget):
        return None if budget is None else float(budget)
    return round(float(budget) * slowness(), 2)


@cache
def slowness() -> float:
    """How many times as long as usual a processor of this machine takes for the same; 1 on a quicker one."""
    return max(1.0, statistics.median([_trial() for _ in range(_TRIALS)]) / USUAL_S)


def _trial() -> float:
    started = time.process_time()
    thread = threading.Thread(target=lambda: asyncio.run(_hand_over()))  # a test may have an event loop in this one
    thread.start()
    thread.join()
    return time.process_time() - started


async def _hand_over() -> None:
    """Computes on an event loop and hands over to a thread, as most tests do."""
    for _ in range(100):
        await asyncio.to_thread(int)


if __name__ == "__main__":
    sys.exit(slowness() > _SLOW)
