"""From what a caller has to the connection of its driver, by objects of SQLAlchemy."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from aiojobs_lite.errors import TransactionRefused
from aiojobs_lite.stores.joining import driver_connection, driver_connection_blocking


async def test_what_is_none_of_sqlalchemy_is_given_back() -> None:
    given = object()
    assert await driver_connection(given) is given
    assert driver_connection_blocking(given) is given


async def test_the_transaction_of_a_connection_or_session_is_begun(tmp_path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/app.db")
    sessions = scoped_session(sessionmaker(engine))
    with engine.connect() as connection, Session(engine) as session:
        for given, below in ((connection, connection), (session, session), (sessions, sessions())):
            assert not below.in_transaction()
            for _ in range(2):
                assert isinstance(driver_connection_blocking(given), sqlite3.Connection)
                assert below.in_transaction()
            assert isinstance(await driver_connection(given), sqlite3.Connection)
    sessions.remove()
    with pytest.raises(TransactionRefused, match=r"not usable\. SQLAlchemy says: This Connection is closed"):
        driver_connection_blocking(connection)
    engine.dispose()


async def test_that_of_an_asynchronous_one_too(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/app.db")
    sessions = async_scoped_session(async_sessionmaker(engine), scopefunc=lambda: 1)
    async with engine.connect() as connection, AsyncSession(engine) as session:
        for given, below in ((connection, connection), (session, session), (sessions, sessions())):
            assert not below.in_transaction()
            for _ in range(2):
                assert isinstance(await driver_connection(given), aiosqlite.Connection)
                assert below.in_transaction()
    await sessions.remove()
    with pytest.raises(TransactionRefused, match=r"not usable\. SQLAlchemy says: "):
        await driver_connection(engine.connect())
    await engine.dispose()


def test_a_program_that_begins_each_transaction_itself_is_asked_to(tmp_path: Path) -> None:
    """As SQLAlchemy's own guide does it, for savepoints and for a lock from the beginning."""
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/app.db")

    @sqlalchemy.event.listens_for(engine, "connect")
    def connected(driver: Any, _record: object) -> None:
        driver.isolation_level = None

    @sqlalchemy.event.listens_for(engine, "begin")
    def begun(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.connect() as connection:
        driver = driver_connection_blocking(connection)
        assert isinstance(driver, sqlite3.Connection)
        assert driver.in_transaction
    engine.dispose()


def test_a_session_without_an_engine_is_refused() -> None:
    with pytest.raises(TransactionRefused, match=r"not usable\. SQLAlchemy says: .*bind"):
        driver_connection_blocking(Session())
