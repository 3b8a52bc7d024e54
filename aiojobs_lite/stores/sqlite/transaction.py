"""What the parts of one transaction share: named queries, many rows a statement, the counts moved along.

Statements are few and big: each step of SQLite gives up the interpreter lock and must win it back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, Final

from aiojobs_lite.stores.sqlite.counts import UNKNOWN, Ledger, Tally

LARGEST: Final = 128  # rows a statement; smaller ones come in powers of two, so that all stay prepared
Statements = Iterator[tuple[int, int, sqlite3.Cursor]]  # start and size of the rows that each is about


class Fenced(Exception):
    """An attempt to be completed is no longer held; the transaction must be run again row by row."""


def pieces(count: int, largest: int = LARGEST) -> Iterator[tuple[int, int]]:
    """Cuts `count` rows into runs `(start, size)` of the largest size and then of falling powers of two."""
    start, size = 0, largest
    while count:
        while size > count:
            size //= 2
        yield start, size
        start += size
        count -= size


@cache
def _filled(sql: str, row: str, size: int) -> str:
    return sql.replace("{rows}", ", ".join([row] * size))


class Transaction:
    """One transaction; lives between BEGIN and COMMIT.

    Args:
        connection: Where it is open.
        sql: The named queries.
        ledger: The counts.
        now: Its instant, in microseconds.
        largest: Rows a statement; 1 finds out which attempts are fenced off.
    """

    def __init__(
        self, connection: sqlite3.Connection, sql: Mapping[str, str], ledger: Ledger, now: int, largest: int = LARGEST
    ) -> None:
        self.now = now
        self._connection = connection
        self._sql = sql
        self._ledger = ledger
        self._largest = largest
        self._looked_at: set[str] = set()

    def run(self, query: str, parameters: Any = ()) -> sqlite3.Cursor:
        """Executes a named query."""
        return self._connection.execute(self._sql[query], parameters)

    def one(self, query: str, parameters: Any = ()) -> Any:
        """The only row of a named query, or None."""
        rows = self._connection.execute(self._sql[query], parameters).fetchall()
        return rows[0] if rows else None

    def many(self, query: str, row: str, values: Sequence[Sequence[Any]], first: tuple[Any, ...] = ()) -> Statements:
        """Executes a `{rows}` query over all values; yields `(start, size, cursor)` a statement."""
        if len(values) == 1:
            yield 0, 1, self._connection.execute(_filled(self._sql[query], row, 1), (*first, *values[0]))
            return
        for start, size in pieces(len(values), self._largest):
            flat = chain(first, chain.from_iterable(values[start : start + size]))
            yield start, size, self._connection.execute(_filled(self._sql[query], row, size), tuple(flat))

    def run_all(self, query: str, row: str, values: Sequence[Sequence[Any]], first: tuple[Any, ...] = ()) -> None:
        """The same as `many`, for who wants no answers."""
        for _ in self.many(query, row, values, first):
            pass

    def prove_writable(self) -> None:
        """Writes one page, to what it holds already: a transaction that writes nothing succeeds on a full disk."""
        (version,) = self._connection.execute("PRAGMA user_version").fetchall()[0]
        self._connection.execute(f"PRAGMA user_version = {version}")

    def tally(self, job_type: str) -> Tally:
        """The counts of a type, to be changed."""
        return self._ledger.of(self._connection, job_type, self.now)

    def new_ids(self, count: int) -> range:
        """See `Ledger.new_ids`."""
        return self._ledger.new_ids(count)

    def look_at(self, *job_types: str) -> None:
        """Has `due` look these types up, whatever is remembered of them."""
        self._looked_at.update(job_types)

    def touched(self) -> Collection[str]:
        """The types whose counts were used so far; a view, which grows with the next one."""
        return self._ledger.touched()

    def due(self) -> dict[str, int | None]:
        """The earliest claimable pending job of every type that was touched or looked at."""
        found: dict[str, int | None] = {}
        for job_type in self._looked_at:
            self.tally(job_type)
        for job_type, tally in self._ledger.touched().items():
            if not tally.pending:
                tally.earliest = None
            elif tally.earliest == UNKNOWN or job_type in self._looked_at:
                tally.earliest = self.one("next_due", (job_type,) * 3)[0]
            found[job_type] = tally.earliest
        return found
