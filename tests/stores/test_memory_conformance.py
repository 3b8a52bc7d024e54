"""The store of plain Python does what every store must: the contract suffices to write one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from aiojobs_lite.stores.base import Store
from tests.helpers import conformance
from tests.helpers.callers import Caller
from tests.helpers.memory_joining import MemoryCaller
from tests.helpers.memory_store import MemoryDatabase, MemoryStore
from tests.helpers.rings import drawn, slow

# It is the proof of the suite, and every store of the library passes that in the first ring.
pytestmark = [slow, drawn(3)]

globals().update(conformance.test_classes())


@pytest.fixture(params=["inline", "awaited"])
def make(request: pytest.FixtureRequest) -> Callable[[], Store]:
    """New stores of one database, not open; with and without transactions inline."""
    database = MemoryDatabase()
    return lambda: MemoryStore(database, has_inline=request.param == "inline")


@pytest.fixture
async def store(make: Callable[[], Store]) -> AsyncIterator[Store]:
    """An open store."""
    made = make()
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def caller(store: Store) -> Iterator[Caller]:
    """A connection of a program to its database."""
    assert isinstance(store, MemoryStore)
    made = MemoryCaller(store.database)
    yield made
    made.close()


@pytest.fixture
async def two() -> AsyncIterator[tuple[Store, Store]]:
    """Two open stores of one database."""
    database = MemoryDatabase()
    async with AsyncExitStack() as stack:
        made = MemoryStore(database), MemoryStore(database)
        for one in made:
            stack.push_async_callback(one.close)
            await one.open()
        yield made


@pytest.fixture
def lose_answer() -> Callable[[Store], None]:
    """Has the next commit of a store carried out, and its answer lost."""

    def lose(store: Store) -> None:
        assert isinstance(store, MemoryStore)
        store.loses_answer = True

    return lose
