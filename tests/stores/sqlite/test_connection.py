"""The connection: functions are called to their end, beside an event loop that is busy as well."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.stores.sqlite.connection import Connection
from tests.helpers.waiting import PATIENCE, quiet


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "any.db")


async def test_a_busy_event_loop_gives_way_to_a_call_that_is_overdue(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it the thread may wait for the interpreter lock for seconds; it waits for the moment itself."""
    given = threading.Event()
    connection = await Connection.connect(path)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(time, "sleep", lambda _seconds: given.set())
            assert await connection.call(lambda _connection: given.wait(PATIENCE))
        assert connection.is_free
        assert connection._help is not None  # noqa: SLF001  # a timer that was called off shows nowhere
        assert connection._help.cancelled()  # noqa: SLF001  # the same
    finally:
        await connection.close()


async def test_a_call_of_a_cancelled_caller_goes_to_its_end_before_the_caller_does(path: str) -> None:
    connection = await Connection.connect(path)
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work(_connection: object) -> None:
        begun.set()
        go_on.wait(PATIENCE)
        ended.set()

    try:
        task = asyncio.create_task(connection.call(work))
        await asyncio.to_thread(begun.wait, PATIENCE)
        for _ in range(3):
            task.cancel()
            await quiet(beside_database=True)
        assert not task.done()
        assert not connection.is_free
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()
        assert connection.is_free
    finally:
        await connection.close()


async def test_calls_come_one_after_the_other(path: str) -> None:
    connection = await Connection.connect(path)
    order: list[int] = []
    await asyncio.gather(*[connection.call(partial(_append, order, n)) for n in range(20)])
    await connection.close()
    assert order == list(range(20))


def _append(order: list[int], number: int, _connection: object) -> None:
    order.append(number)


async def test_text_that_is_no_text_is_read_all_the_same(path: str) -> None:
    connection = await Connection.connect(path)
    found = await connection.call(lambda one: one.execute("SELECT CAST(x'ff' AS TEXT), 'a'").fetchall())
    assert found == [("\\xff", "a")]
    await connection.close()


async def test_a_closed_connection_says_so(path: str) -> None:
    connection = await Connection.connect(path)
    await connection.close()
    await connection.close()
    assert not connection.is_free
    with pytest.raises(StoreUnavailable, match="CLOSED"):
        await connection.call(lambda one: one.execute("SELECT 1"))
