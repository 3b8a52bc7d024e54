"""From what `JobRunner(database=...)` was given to a store. The only module that knows concrete ones."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from aiojobs_lite.errors import InvalidOption, StoreRefused
from aiojobs_lite.stores.base import Durability, Opening, Store
from aiojobs_lite.stores.sqlite.store import SqliteStore
from aiojobs_lite.stores.upkeep import Upkeep

Database = str | os.PathLike[str] | Store
"""A path, `sqlite:///path`, `:memory:`, or a store."""

_HOME: Final = re.compile(r"~[^/]*/|~\Z")
_ADVICE: Final = 'Use a path such as "app.db", "sqlite:///app.db", ":memory:", or a store.'


def open_store(database: Database, durability: Durability, opening: Opening = "own") -> Store:
    """The store of a path, `sqlite:///path`, or `:memory:`; a store itself. Nothing is opened yet.

    A path is taken as it stands: nothing in it is replaced or decoded.

    Args:
        database: Which.
        durability: What an acknowledged write survives.
        opening: What its open may do to the database.

    Raises:
        InvalidOption: If it is none of these, or no file can have that name.
        StoreRefused: If the URL names a database that no store knows, or has a query part.
    """
    if not isinstance(database, str | os.PathLike):
        if isinstance(database, type) or not callable(getattr(database, "apply", None)):
            raise InvalidOption("database", database, "a path, a URL, or a store")
        return database
    text = os.fspath(database)
    if not isinstance(text, str):
        raise InvalidOption("database", database, "a path as text, not bytes")
    scheme, is_url, rest = text.partition("://")
    path = rest[1:] if is_url else text
    if path == ":memory:":
        return SqliteStore(None, durability, opening)
    if is_url and (scheme != "sqlite" or not rest.startswith("/")):
        raise StoreRefused(text, "unknown url", _ADVICE)
    if text.startswith("file:"):
        raise StoreRefused(text, "unknown url", f"SQLite's own URIs are not taken. {_ADVICE}")
    if is_url and re.search("[?#]", path):
        raise StoreRefused(text, "unknown url", f"A URL has no query part: options go to JobRunner(...). {_ADVICE}")
    _check_name(path, database)
    # Without symbolic links: all owners must find each other's files, whatever name they were given.
    return SqliteStore(Path(os.path.realpath(path)), durability, opening)


def open_upkeep(database: Database) -> Upkeep:
    """What looks after the files of a database. Nothing is opened yet.

    Raises:
        InvalidOption: If it is no path.
        StoreRefused: If it is in memory, or of a store that is no file.
    """
    path = getattr(open_store(database, "full"), "path", None)
    if path is None:
        raise StoreRefused(str(database), "not a file", "Name a file, such as app.db.")
    from aiojobs_lite.stores.sqlite.upkeep import SqliteUpkeep  # noqa: PLC0415  # of the command line: no runner needs it

    return SqliteUpkeep(path)


def _check_name(path: str, database: object) -> None:
    """Checks that a file can have a name, and is the one that was meant."""
    if not path:
        raise InvalidOption("database", database, "the path of a file; it is empty")
    if "\0" in path:
        raise InvalidOption("database", database, "a path without NUL")
    if _HOME.match(path):
        raise InvalidOption("database", database, 'a path without "~": use os.path.expanduser(...)')
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise InvalidOption("database", database, "a path that the file system can encode") from None
