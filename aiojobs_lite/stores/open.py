"""Stores: which database a runner keeps its jobs in. The only place that knows concrete ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from aiojobs_lite.errors import StoreRefused
from aiojobs_lite.stores.base import Store
from aiojobs_lite.stores.sqlite.store import SqliteStore


def store_for(database: str | os.PathLike[str], durability: Literal["full", "normal"]) -> Store:
    """The store of a path, `sqlite:///path`, or `:memory:`.

    Raises:
        StoreRefused: If the URL names a database that no store knows.
    """
    text = os.fspath(database)
    scheme, found, rest = text.partition("://")
    path = rest[1:] if found else text
    if path == ":memory:":
        return SqliteStore(None, durability)
    if found and (scheme != "sqlite" or not rest.startswith("/")):
        raise StoreRefused(text, "unknown url", 'Use a path such as "app.db", "sqlite:///app.db" or ":memory:".')
    # Without symbolic links: all owners must find each other's files, whatever name they were given.
    return SqliteStore(Path(os.path.realpath(path)), durability)
