"""From what `JobRunner(database=...)` was given to a store. The only module that knows concrete ones."""

from __future__ import annotations

import os
from pathlib import Path

from aiojobs_lite.errors import InvalidOption, StoreRefused
from aiojobs_lite.stores.base import Durability, Store
from aiojobs_lite.stores.sqlite.store import SqliteStore

Database = str | os.PathLike[str] | Store
"""A path, `sqlite:///path`, `:memory:`, or a store."""


def open_store(database: Database, durability: Durability) -> Store:
    """The store of a path, `sqlite:///path`, or `:memory:`; a store itself. Nothing is opened yet.

    Raises:
        InvalidOption: If it is none of these.
        StoreRefused: If the URL names a database that no store knows.
    """
    if not isinstance(database, str | os.PathLike):
        if not callable(getattr(database, "apply", None)):
            raise InvalidOption("database", database, "a path, a URL, or a store")
        return database
    text = os.fspath(database)
    scheme, is_url, rest = text.partition("://")
    path = rest[1:] if is_url else text
    if path == ":memory:":
        return SqliteStore(None, durability)
    if is_url and (scheme != "sqlite" or not rest.startswith("/")):
        advice = 'Use a path such as "app.db", "sqlite:///app.db", ":memory:", or a store.'
        raise StoreRefused(text, "unknown url", advice)
    # Without symbolic links: all owners must find each other's files, whatever name they were given.
    return SqliteStore(Path(os.path.realpath(path)), durability)
