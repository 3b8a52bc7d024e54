"""What lives as long as the runner: it ends with it, and a cancel of its end is not lost."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from copy import copy
from types import SimpleNamespace
from typing import Any, cast

import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.inngest.hub import Hub
from aiojobs_lite.inngest.settings import inngest_settings
from tests.helpers.fault_store import IOERR
from tests.helpers.waiting import until


class SlowApps:
    """Apps that are read until that is cancelled, and then until they are released or it is cancelled again."""

    def __init__(self) -> None:
        self.begun, self.cancelled, self.released = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def load(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
            await self.released.wait()


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_its_end_waits_for_its_task_and_is_cancelled_if_it_is_to_be(is_cancelled: bool) -> None:
    hub, apps = Hub(JobRunner(":memory:"), inngest_settings({"mode": "dev"})), SlowApps()
    hub.apps = cast("Any", apps)

    async def live() -> str:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(hub.opened())
            await apps.begun.wait()
        return "ended"

    life = asyncio.create_task(live())
    await apps.cancelled.wait()
    assert not life.done()
    if is_cancelled:
        life.cancel()
        with pytest.raises(asyncio.CancelledError):
            await life
    else:
        apps.released.set()
        assert await life == "ended"


class KnownApps:
    """Apps that are read again and again."""

    def __init__(self) -> None:
        self.reads = 0

    async def load(self) -> None:
        self.reads += 1


class Unreadable:
    """A runner with a job of no app, whose database cannot be read."""

    types = SimpleNamespace(expect_more=lambda **_: None)

    def stats(self) -> Any:
        return SimpleNamespace(unclaimed={"shop-pay": 1})

    async def runners(self) -> Any:
        raise copy(IOERR)


async def test_apps_are_looked_after_although_the_database_could_not_be_read_for_a_report() -> None:
    hub, apps = Hub(JobRunner(":memory:"), inngest_settings({"mode": "dev", "look_every": 0.1})), KnownApps()
    hub.apps, hub.runner = cast("Any", apps), cast("Any", Unreadable())
    async with hub.opened():
        await until(lambda: apps.reads > 2)
    assert apps.reads > 2
