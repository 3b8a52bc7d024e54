"""From where a runner can be used."""

from __future__ import annotations

import asyncio
import threading

import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.errors import (
    RunnerClosed,
    RunnerNotStarted,
    WrongEventLoop,
)
from tests.helpers.mail import other


async def test_another_loop_or_thread_is_refused(working: JobRunner) -> None:
    found: list[BaseException] = []

    def use_elsewhere() -> None:
        try:
            asyncio.run(working.enqueue(other))
        except WrongEventLoop as error:
            found.append(error)

    with pytest.raises(RunnerNotStarted):
        working.enqueue_threadsafe(other)
    async with working:
        thread = threading.Thread(target=use_elsewhere)
        thread.start()
        await asyncio.to_thread(thread.join)
        assert "belongs to the event loop in which it was started" in str(found[0])
    with pytest.raises(RunnerClosed):
        working.enqueue_threadsafe(other)
