"""What lives as long as the runner: it ends with it, and a cancel of its end is not lost."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from copy import copy
from types import SimpleNamespace
from typing import Any, cast

import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.errors import AiojobsError, StoreUnavailable
from aiojobs_lite.inngest import hub as module
from aiojobs_lite.inngest.hub import Hub
from aiojobs_lite.inngest.settings import inngest_settings
from tests.helpers.fault_store import IOERR
from tests.helpers.waiting import PATIENCE, until


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


def test_no_app_is_called_before_the_runner_is_started() -> None:
    hub = Hub(JobRunner(":memory:"), inngest_settings({"mode": "dev"}))
    with pytest.raises(RuntimeError, match="the runner of the Inngest application is not started"):
        _ = hub.session


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


class BusyHub(Hub):
    """A hub of which each rest takes the time of a clock of its own, while one call after another comes to its answer.

    Attributes:
        time: Seconds.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(JobRunner(":memory:"), inngest_settings({"mode": "dev"}))
        self.time = 0.0
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.time))
        monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=self._sleep))

    async def _sleep(self, seconds: float) -> None:
        self.time += seconds
        self._answers += 1

    async def takes(self, seconds: float) -> float:
        """Work that takes so long; returns when it ended."""
        self.time += seconds
        return self.time


@pytest.mark.parametrize(("took", "rested"), [(0.25, 2.25), (1.0, 9.0), (60.0, 9.0)])
async def test_what_waited_for_the_database_does_not_keep_back_the_next_ones(
    monkeypatch: pytest.MonkeyPatch, took: float, rested: float
) -> None:
    hub = BusyHub(monkeypatch)
    ended = await hub.in_no_hurry(lambda: hub.takes(took))
    assert hub.time - ended == pytest.approx(rested)


async def test_work_that_is_cancelled_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hub, begun = BusyHub(monkeypatch), asyncio.Event()

    async def endless() -> None:
        await hub.takes(60)
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(hub.in_no_hurry(endless))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert hub.time == 60
    async with asyncio.timeout(PATIENCE):
        await hub.in_no_hurry(lambda: hub.takes(0))


class FailingApps(KnownApps):
    """Apps that cannot be read, after the first time."""

    def __init__(self, error: AiojobsError) -> None:
        super().__init__()
        self._error = error

    async def load(self) -> None:
        await super().load()
        if self.reads > 1:
            raise copy(self._error)


@pytest.mark.parametrize(
    ("error", "is_logged"), [(IOERR, True), (StoreUnavailable("CLOSED", "the store is closed"), False)]
)
async def test_apps_that_cannot_be_read_are_logged_but_not_while_the_runner_closes(
    error: AiojobsError, is_logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    hub, apps = Hub(JobRunner(":memory:"), inngest_settings({"mode": "dev", "look_every": 0.1})), FailingApps(error)
    hub.apps, hub.runner = cast("Any", apps), cast("Any", Unreadable())
    async with hub.opened():
        await until(lambda: apps.reads > 2)
    assert ("the registered apps could not be read" in caplog.text) is is_logged
