"""Programs with a connection of their own to the database of a store, and open transactions on it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Protocol

from tests.helpers.stores import GUARD


class Caller(Protocol):
    """A connection that takes orders one after the other.

    Attributes:
        connection: What `stores.base.Joining` takes.
    """

    connection: Any

    def begin(self) -> None:
        """Begins a transaction, and takes the lock of the writer, if there is one."""

    def commit(self) -> None:
        """Commits it."""

    def roll_back(self) -> None:
        """Rolls it back."""

    def set_savepoint(self) -> None:
        """Sets a savepoint."""

    def roll_back_to_savepoint(self) -> None:
        """Undoes what was written since."""

    def close(self) -> None:
        """Closes the connection."""


class SqliteCaller:
    """A connection of `sqlite3`."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None, timeout=GUARD)

    def begin(self) -> None:
        self.connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self.connection.execute("COMMIT")

    def roll_back(self) -> None:
        self.connection.execute("ROLLBACK")

    def set_savepoint(self) -> None:
        self.connection.execute("SAVEPOINT ours")

    def roll_back_to_savepoint(self) -> None:
        self.connection.execute("ROLLBACK TO ours")

    def close(self) -> None:
        self.connection.close()
