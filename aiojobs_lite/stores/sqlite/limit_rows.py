"""The rows of limits, lanes and meters as the open transaction reads and writes them."""

from __future__ import annotations

import sqlite3
from typing import Any

from aiojobs_lite.stores.sqlite.due import AT_ONCE
from aiojobs_lite.stores.sqlite.rows import Sql


class LimitRows:
    """The named queries of the limits, on the connection of the open transaction.

    Args:
        sql: The named queries.

    Attributes:
        sql: As given.
        connection: Where the transaction is open.
        now: Its instant, in microseconds.
        is_changed: Whether it has changed anything of the limits.
    """

    connection: sqlite3.Connection

    def __init__(self, sql: Sql) -> None:
        self.sql = sql
        self.now = AT_ONCE
        self.is_changed = False

    def all(self, query: str, parameters: Any = ()) -> list[Any]:
        """All rows of a named query."""
        return self.connection.execute(self.sql[query], parameters).fetchall()

    def run(self, query: str, parameters: Any) -> int:
        """Executes a named query; returns how many rows changed."""
        return self.connection.execute(self.sql[query], parameters).rowcount
