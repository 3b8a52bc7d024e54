"""What the tests of the SQLite store share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.sqlite_store import opened


@pytest.fixture
async def store(database: Path) -> AsyncIterator[SqliteStore]:
    """A store that is open."""
    async with opened(database) as made:
        yield made
