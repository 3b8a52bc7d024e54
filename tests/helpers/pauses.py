"""All that lets time pass in tests. A test never sleeps to be right: it waits for a condition, and has a limit.

Imports nothing of the library, for programs that must not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

LOOK_EVERY_S: Final = 0.01


async def pause(seconds: float = LOOK_EVERY_S) -> None:
    """Between two looks at a condition that no event announces; the loop around it has a limit."""
    await asyncio.sleep(seconds)


def poll(condition: Callable[[], object], limit_s: float) -> bool:
    """Looks, without an event loop, until a condition holds; returns False if it does not in so many seconds."""
    ends = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(LOOK_EVERY_S / 10)
    return True


async def work_for(seconds: float) -> None:
    """What a handler or a caller does takes so long."""
    await asyncio.sleep(seconds)


def hold_thread_for(seconds: float) -> None:
    """A handler holds its thread for so long: on the event loop, that is the fault itself."""
    time.sleep(seconds)


async def let_fault_last(seconds: float) -> None:
    """The fault itself takes so long: a process that stands still, a file that is locked."""
    await asyncio.sleep(seconds)
