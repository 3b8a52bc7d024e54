"""Stores: which database a runner keeps its jobs in. The only place that knows concrete ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from aiojobs_lite.errors import StoreRefused
from aiojobs_lite.stores.base import Store
from aiojobs_lite.stores.sqlite import SqliteStore


def store_for(database: str | os.PathLike[str], durability: Literal["full", "normal"]) -> Store:
    """The store of a path, `sqlite:///path`, or `:memory:`.

    Raises:
        StoreRefused: If the URL names a database that no store knows.
    """
    text = os.fspath(database)
    if text == ":memory:":
        return SqliteStore(None, durability)
    scheme, found, rest = text.partition("://")
    if not found:
        return SqliteStore(Path(text).absolute(), durability)
    if scheme != "sqlite" or not rest.startswith("/"):
        raise StoreRefused(text, "unknown url", 'Use a path such as "app.db", "sqlite:///app.db" or ":memory:".')
    return SqliteStore(Path(rest[1:]).absolute(), durability)
