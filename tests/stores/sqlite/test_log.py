"""The write-ahead log: what a reader of another program has made long is short again soon after its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from aiojobs_lite import JobRunner, job
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.engine import going
from tests.helpers.rings import slow
from tests.helpers.sqlite_store import opened, run_sql, shortens_at_once, writer_of
from tests.helpers.stores import connected, inserted, new
from tests.helpers.waiting import PATIENCE, until

MEGABYTE = 2**20
SQLITE = "aiojobs_lite.stores.sqlite."


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> int:
    """Logs may keep 64 KB only; the limit."""
    limit = 64 * 1024
    for module in ("writer", "schema"):
        monkeypatch.setattr(f"{SQLITE}{module}.LARGEST_LOG", limit)
    monkeypatch.setattr(f"{SQLITE}writer.SHORTEN_EVERY_S", 0.01)
    return limit


def following(store: SqliteStore) -> Callable[[], Awaitable[None]]:
    """Iterates the changes of a store, as a runner does."""

    async def follow() -> None:
        async for _ in store.changes():
            pass

    return follow


def log_size(database: Path) -> int:
    return Path(f"{database}-wal").stat().st_size


async def test_a_log_that_a_foreign_reader_made_long_is_cut_off_after_its_end_though_nothing_is_written(
    database: Path, short: int
) -> None:
    async with opened(database) as store, asyncio.timeout(PATIENCE), going(following(store)):
        with connected(database) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM aiojobs_jobs").fetchall()
            await inserted(store, *(new()._replace(payload=f'"{"x" * 2000}"') for _ in range(300)))
            assert log_size(database) > 4 * short
            before = await run_sql(store, "PRAGMA data_version")
            reader.execute("COMMIT")
        await until(lambda: log_size(database) <= short, 0.01)
        assert await run_sql(store, "PRAGMA data_version") == before


async def test_while_the_reader_lives_nothing_is_written_for_the_sake_of_the_log(database: Path, short: int) -> None:
    async with opened(database) as store, asyncio.timeout(PATIENCE):
        with connected(database) as reader, connected(database) as observer:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM aiojobs_jobs").fetchall()
            await inserted(store, *(new()._replace(payload=f'"{"x" * 2000}"') for _ in range(300)))
            size, version = log_size(database), observer.execute("PRAGMA data_version").fetchone()
            for _ in range(3):
                writer = shortens_at_once(store)
                await writer.take_change()
                await writer.shorten_log()
            assert log_size(database) == size
            assert observer.execute("PRAGMA data_version").fetchone() == version
            reader.execute("COMMIT")


async def test_a_log_that_cannot_be_shortened_now_is_tried_again_and_the_changes_go_on(
    database: Path, short: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{SQLITE}writer.BUSY_TIMEOUT_S", 0.0)
    async with opened(database) as store, asyncio.timeout(PATIENCE):
        with connected(database) as other:
            other.execute("BEGIN")
            other.execute("SELECT count(*) FROM aiojobs_jobs").fetchall()
            await inserted(store, *(new()._replace(payload=f'"{"x" * 2000}"') for _ in range(300)))
            other.execute("COMMIT")
            writer = writer_of(store)
            other.execute("BEGIN IMMEDIATE")
            await writer.take_change()
            await writer.shorten_log()  # is refused the lock
            assert log_size(database) > short
            other.execute("ROLLBACK")
            await shortens_at_once(store).shorten_log()
            assert log_size(database) <= short


@job
async def large(text: str) -> None: ...


@slow
async def test_the_log_of_an_idle_runner_is_back_under_32_megabytes_after_a_foreign_read(database: Path) -> None:
    async with JobRunner(database, jobs=[large], max_running=0) as runner:
        with connected(database) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM aiojobs_jobs").fetchall()
            while log_size(database) < 64 * MEGABYTE:
                await runner.enqueue_many([large.bind("x" * 200_000) for _ in range(40)])
            assert log_size(database) >= 64 * MEGABYTE
            reader.execute("COMMIT")
        await until(lambda: log_size(database) < 32 * MEGABYTE, 0.1)
