"""The SQLite store does what every store must, in memory and on a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from aiojobs_lite.stores.base import Store
from aiojobs_lite.stores.open import store_for
from aiojobs_lite.stores.sqlite.inline import Place
from tests.stores import conformance, conformance_calls

Make = Callable[[], Store]


@pytest.fixture(params=["memory", "here", "there", "full"])
def make(request: pytest.FixtureRequest, database: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """New stores, not open; those on the file share it. Small transactions are done on the event loop's thread, on
    the connection's own, or half and half.
    """
    if request.param == "there":
        monkeypatch.setattr(Place, "allows", lambda self, writes: False)
    database_named = ":memory:" if request.param == "memory" else database
    return lambda: store_for(database_named, "full" if request.param == "full" else "normal")


@pytest.fixture
async def store(make: Make) -> AsyncIterator[Store]:
    """An open store."""
    made = make()
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def two(database: Path) -> AsyncIterator[tuple[Store, Store]]:
    """Two open stores of one file."""
    async with AsyncExitStack() as stack:
        made = store_for(database, "normal"), store_for(database, "full")
        for one in made:
            stack.push_async_callback(one.close)
            await one.open()
        yield made


class TestInserting(conformance.Inserting):
    """New jobs."""


class TestClaiming(conformance.Claiming):
    """Claims."""


class TestFinishing(conformance.Finishing):
    """The ends of attempts."""


class TestMoving(conformance.Moving):
    """Cancelling, redriving, deleting, pruning."""


class TestScheduling(conformance_calls.Scheduling):
    """Cron."""


class TestAnswering(conformance_calls.Answering):
    """What is told of the jobs."""


class TestSharing(conformance_calls.Sharing):
    """Two stores on one database."""


class TestLiving(conformance_calls.Living):
    """Opening, closing and being cancelled."""
