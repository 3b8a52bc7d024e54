"""A database that other runners work on, opened to look at it and to act on it."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aiojobs_lite import JobRunner, Status, StoreRefused, StoreUnavailable, job
from aiojobs_lite.runner.opened import OpenedDatabase


@job
async def work(number: int) -> int:
    return number


async def test_it_looks_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    async with JobRunner(path, jobs=[work], max_running=0) as runner:
        await runner.enqueue(work, 1)
        async with OpenedDatabase(path) as opened:
            assert [found.payload for found in await opened.jobs.list()] == [{"number": 1}]
            assert opened.jobs.key_of(1) == runner.jobs.key_of(1)
            assert opened.stats().pending == 1
            assert [one.id for one in await opened.runners()] == [one.id for one in await runner.runners()]
            with pytest.raises(StoreUnavailable, match="readonly"):
                await opened.jobs.cancel(1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["app.db"]


async def test_it_acts_and_claims_nothing(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    async with JobRunner(path, jobs=[work]):
        pass
    async with OpenedDatabase(path, opening="act", jobs=[work]) as opened:
        first, second = await opened.enqueue(work, 1), await opened.enqueue_named("work", number=2)
        assert await opened.jobs.cancel(first.id) is Status.CANCELLED
        await opened.types.pause("work")
        assert (await opened.jobs.get(second.id)).status is Status.PENDING
        assert len(await opened.runners()) == 1  # it is none itself
        assert [one.name for one in opened.types.registered()] == ["work"]
    async with OpenedDatabase(path) as opened:
        assert list(await opened.types.paused()) == ["work"]


async def test_it_may_be_entered_again_and_stopped_twice(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    async with JobRunner(path, jobs=[work]):
        pass
    opened = OpenedDatabase(path)
    for _ in range(2):
        async with opened:
            assert await opened.jobs.list() == []
        await opened.stop()


async def test_it_makes_and_migrates_no_database(tmp_path: Path) -> None:
    text = "missing file. Name the file that the application uses; its first start makes it."
    with pytest.raises(StoreRefused, match=re.escape(text)):
        await OpenedDatabase(tmp_path / "none.db").start()
    with pytest.raises(StoreRefused, match="missing directory"):
        await OpenedDatabase(tmp_path / "none" / "app.db").start()
    with pytest.raises(StoreRefused, match="It cannot be looked at: File name too long"):
        await OpenedDatabase(tmp_path / ("x" * 300)).start()
    with pytest.raises(StoreRefused, match="Name the file that the application uses; its first start makes them"):
        await OpenedDatabase(":memory:").start()
    assert list(tmp_path.iterdir()) == []
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE users (id)")
    before = other.read_bytes()
    with pytest.raises(StoreRefused, match="no jobs"):
        await OpenedDatabase(other, opening="act").start()
    assert other.read_bytes() == before
