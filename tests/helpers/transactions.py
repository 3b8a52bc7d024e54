"""The kinds of connections by which a program has a transaction, each with the same orders."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiosqlite
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

USERS = "CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, email TEXT NOT NULL)"
ADD = "INSERT INTO users (email) VALUES ('a@example.org')"


class Transactions:
    """A connection of a program, whose methods may be coroutine functions.

    Attributes:
        connection: As the program has it.
    """

    def __init__(self, connection: Any, text: Callable[[str], Any] = str) -> None:
        self.connection = connection
        self._text = text

    async def execute(self, sql: str) -> None:
        await _awaited(self.connection.execute(self._text(sql)))

    async def add_user(self) -> None:
        """Adds a row of the program's own; that begins a transaction, where none is open."""
        await self.execute(ADD)

    async def commit(self) -> None:
        await _awaited(self.connection.commit())

    async def roll_back(self) -> None:
        await _awaited(self.connection.rollback())


async def _awaited(found: Any) -> Any:
    return await found if asyncio.iscoroutine(found) or hasattr(found, "__await__") else found


@asynccontextmanager
async def _sqlite3(path: Path) -> AsyncIterator[Transactions]:
    with closing(sqlite3.connect(path)) as connection:
        yield Transactions(connection)


@asynccontextmanager
async def _aiosqlite(path: Path) -> AsyncIterator[Transactions]:
    async with aiosqlite.connect(path) as connection:
        yield Transactions(connection)


@asynccontextmanager
async def _connection(path: Path) -> AsyncIterator[Transactions]:
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection:
            yield Transactions(connection, sqlalchemy.text)
    finally:
        engine.dispose()


@asynccontextmanager
async def _session(path: Path) -> AsyncIterator[Transactions]:
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    try:
        with Session(engine) as session:
            yield Transactions(session, sqlalchemy.text)
    finally:
        engine.dispose()


@asynccontextmanager
async def _async_connection(path: Path) -> AsyncIterator[Transactions]:
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
    try:
        async with engine.connect() as connection:
            yield Transactions(connection, sqlalchemy.text)
    finally:
        await engine.dispose()


@asynccontextmanager
async def _async_session(path: Path) -> AsyncIterator[Transactions]:
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
    try:
        async with AsyncSession(engine) as session:
            yield Transactions(session, sqlalchemy.text)
    finally:
        await engine.dispose()


KINDS: dict[str, Callable[[Path], AbstractAsyncContextManager[Transactions]]] = {
    "sqlite3": _sqlite3,
    "aiosqlite": _aiosqlite,
    "Connection": _connection,
    "Session": _session,
    "AsyncConnection": _async_connection,
    "AsyncSession": _async_session,
}


def make_users(path: Path) -> None:
    """Makes the program's own table."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(USERS)


def users_in(path: Path) -> int:
    """How many rows were committed there."""
    with closing(sqlite3.connect(path)) as connection:
        ((found,),) = connection.execute("SELECT count(*) FROM users")
        return int(found)
