"""Transactions of callers in the store of plain Python: a copy of the rows that replaces them when it is committed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from aiojobs_lite.errors import TransactionRefused
from aiojobs_lite.model.queries import Query
from aiojobs_lite.model.writes import Unit
from aiojobs_lite.stores.grouping import apply_units
from tests.helpers import memory_limits
from tests.helpers.memory_checks import check
from tests.helpers.memory_reads import READS
from tests.helpers.memory_rows import MemoryPhases, Rows

if TYPE_CHECKING:
    from tests.helpers.memory_store import MemoryDatabase

A = TypeVar("A")


class MemoryCaller:
    """Implements `tests.helpers.callers.Caller`. One transaction at a time is open on a database, as the test has it.

    Attributes:
        connection: Itself.
        database: What it is connected to.
        rows: What its transaction sees; None without one.
        types: The types that it is about.
    """

    def __init__(self, database: MemoryDatabase) -> None:
        self.connection: Any = self
        self.database = database
        self.rows: Rows | None = None
        self.types: set[str] = set()
        self._savepoint: Rows | None = None

    def begin(self) -> None:
        self.rows = self.database.rows.copy()

    def commit(self) -> None:
        assert self.rows is not None
        self.database.rows, self.rows = self.rows, None
        for store in self.database.stores:
            store.notice(self.types)
        self.types = set()

    def roll_back(self) -> None:
        self.rows = None

    def set_savepoint(self) -> None:
        assert self.rows is not None
        self._savepoint = self.rows.copy()

    def roll_back_to_savepoint(self) -> None:
        self.rows = self._savepoint

    def close(self) -> None:
        self.rows = None


class MemoryJoining:
    """Implements `stores.base.Joining`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def apply(self, connection: object, units: Sequence[Unit], now: int) -> list[Any]:
        return self.apply_blocking(connection, units, now)

    async def ask(self, connection: object, query: Query[A]) -> A:
        return self.ask_blocking(connection, query)

    def apply_blocking(self, connection: object, units: Sequence[Unit], now: int) -> list[Any]:
        caller, rows = self._rows_of(connection)
        check(tuple(units))
        changed = rows.copy()
        phases = MemoryPhases(changed, now)
        answers = apply_units(units, phases)
        memory_limits.end_pauses(changed, now)
        caller.rows = changed
        caller.types |= phases.types
        return answers

    def ask_blocking(self, connection: object, query: Query[A]) -> A:
        answer: A = READS[type(query)](self._rows_of(connection)[1], query)
        return answer

    def _rows_of(self, connection: object) -> tuple[MemoryCaller, Rows]:
        if not isinstance(connection, MemoryCaller) or connection.database is not self._database:
            raise TransactionRefused("not a connection", "Pass a MemoryCaller.")
        if connection.rows is None:
            raise TransactionRefused("no transaction", "Begin one.")
        return connection, connection.rows
