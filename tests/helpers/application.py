"""An application that keeps rows of its own beside its jobs in one file, through connections of its own."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import aiosqlite
import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine

from aiojobs_lite import JobContext, JobRunner, Retry, injected, job

POOL = {"pool_size": 1, "max_overflow": 20}  # one connection stays open, the others are closed after each use
SCHEMA = """
    CREATE TABLE IF NOT EXISTS notes (writer TEXT, number INTEGER, PRIMARY KEY (writer, number));
    CREATE TABLE IF NOT EXISTS totals (writer TEXT PRIMARY KEY, notes INTEGER NOT NULL);
"""
ADD = "INSERT INTO notes VALUES (?, ?)"
COUNT = "INSERT INTO totals VALUES (?, 1) ON CONFLICT (writer) DO UPDATE SET notes = notes + 1"

Note = Callable[[str, int], Awaitable[None]]  # one transaction; it is committed when the call returns
Way = Callable[[Path], AbstractAsyncContextManager[Note]]


class Application:
    """What the handlers are given: how the application keeps its notes. A writer has each number once."""

    def __init__(self, note: Note) -> None:
        self.note = note


@job(max_attempts=20)
async def noted(number: int, *, ctx: JobContext = injected, application: Application = injected) -> int:
    """Leaves a note of each of its attempts; every fifth job needs one more."""
    await application.note(f"job {ctx.id}", ctx.attempt)
    if number % 5 == 0 and ctx.attempt == 1:
        raise Retry(after=0.01)
    return number


def runner_on(database: Path, note: Note) -> JobRunner:
    """A runner whose handlers write to the application's tables."""
    return JobRunner(database, jobs=[noted], deps={Application: Application(note)}, max_running=8)


# The ways of the application to its file.


def written(path: Path, writer: str, number: int) -> None:
    """One note through a connection for it alone."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(ADD, (writer, number))
        connection.execute(COUNT, (writer,))


@asynccontextmanager
async def _on_the_loop(path: Path) -> AsyncIterator[Note]:
    async def note(writer: str, number: int) -> None:
        written(path, writer, number)
        await asyncio.sleep(0)  # as a handler of requests does sooner or later

    yield note


@asynccontextmanager
async def _in_threads(path: Path) -> AsyncIterator[Note]:
    async def note(writer: str, number: int) -> None:
        await asyncio.to_thread(written, path, writer, number)

    yield note


@asynccontextmanager
async def _aiosqlite(path: Path) -> AsyncIterator[Note]:
    async def note(writer: str, number: int) -> None:
        async with aiosqlite.connect(path) as connection:
            await connection.execute(ADD, (writer, number))
            await connection.execute(COUNT, (writer,))
            await connection.commit()

    yield note


@asynccontextmanager
async def _sqlalchemy(path: Path) -> AsyncIterator[Note]:
    engine = sqlalchemy.create_engine(f"sqlite:///{path}", **POOL)

    def write(writer: str, number: int) -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql(ADD, (writer, number))
            connection.exec_driver_sql(COUNT, (writer,))

    async def note(writer: str, number: int) -> None:
        await asyncio.to_thread(write, writer, number)

    try:
        yield note
    finally:
        engine.dispose()


@asynccontextmanager
async def _sqlalchemy_asyncio(path: Path) -> AsyncIterator[Note]:
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", **POOL)

    async def note(writer: str, number: int) -> None:
        async with engine.begin() as connection:
            await connection.exec_driver_sql(ADD, (writer, number))
            await connection.exec_driver_sql(COUNT, (writer,))

    try:
        yield note
    finally:
        await engine.dispose()


ON_THE_LOOP = "sqlite3 on the event loop"
WAYS: dict[str, Way] = {
    ON_THE_LOOP: _on_the_loop,
    "sqlite3 in threads": _in_threads,
    "aiosqlite": _aiosqlite,
    "SQLAlchemy in threads": _sqlalchemy,
    "SQLAlchemy asyncio": _sqlalchemy_asyncio,
}
# Ways that one application may use at once: a transaction that is awaited while it is open needs the event loop, which
# sqlite3 on it holds up to wait for that very transaction.
MIXES = [[ON_THE_LOOP], [name for name in WAYS if name != ON_THE_LOOP]]


@asynccontextmanager
async def mixed(path: Path, mix: list[str]) -> AsyncIterator[list[Note]]:
    """Several of them at once."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(WAYS[name](path)) for name in mix]


def by_turns(notes: list[Note]) -> Note:
    """Takes each note another way."""
    turns = itertools.cycle(notes)

    async def note(writer: str, number: int) -> None:
        await next(turns)(writer, number)

    return note


# The notes themselves.


def make_tables(path: Path) -> None:
    """Makes the application's tables, in a file that has the older kind of journal."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA)


def notes_in(path: Path) -> dict[str, set[int]]:
    """The numbers of each writer's notes; no transaction is there by half."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT writer, number FROM notes").fetchall()
        totals = dict(connection.execute("SELECT writer, notes FROM totals").fetchall())
    assert Counter(writer for writer, _ in found) == totals
    return {name: {number for writer, number in found if writer == name} for name in totals}
