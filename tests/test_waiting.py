"""What tests wait by: it returns when it may, not before, and says what it has waited for in vain."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from aiojobs_lite.stores.sqlite.connection import Connection
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers import waiting
from tests.helpers.pauses import hold_thread_for
from tests.helpers.waiting import as_time_passes, quiet, until

MANY = 100  # turns of the event loop


async def turns(count: int) -> None:
    """What takes so many turns."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PATIENCE", 0.02)


async def test_it_is_quiet_when_what_takes_many_turns_has_ended() -> None:
    task = asyncio.ensure_future(turns(MANY))
    await quiet()
    assert task.done()


async def test_it_is_not_quiet_while_a_descriptor_has_something_to_read() -> None:
    loop, came = asyncio.get_running_loop(), list[bytes]()
    reads, writes = os.pipe()
    loop.add_reader(reads, lambda: came.append(os.read(reads, 1)))
    try:
        os.write(writes, b"x")
        await quiet()
        assert came == [b"x"]
    finally:
        loop.remove_reader(reads)
        os.close(reads)
        os.close(writes)


async def test_it_is_not_quiet_while_a_database_is_at_work_and_what_follows_goes_on(tmp_path: Path) -> None:
    connection = await Connection.connect(str(tmp_path / "any.db"))

    async def works() -> None:
        await connection.call(lambda _: hold_thread_for(0.02))
        await turns(MANY)

    task = asyncio.ensure_future(works())
    await quiet()
    assert task.done()
    await connection.close()


async def test_it_is_quiet_beside_what_waits_for_time_or_for_an_event() -> None:
    timer = asyncio.get_running_loop().call_later(3600, print)
    task = asyncio.ensure_future(asyncio.Event().wait())
    await quiet()
    assert not task.done()
    timer.cancel()
    task.cancel()
    await asyncio.wait([task])


async def test_what_never_ends_is_named(short: None) -> None:
    task = asyncio.ensure_future(turns(MANY**9))
    with pytest.raises(AssertionError, match=r"it goes on and on: .*turns"):
        await quiet()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_condition_that_does_not_come_to_hold_is_shown(short: None) -> None:
    with pytest.raises(AssertionError, match=r"it did not come to hold: .*1 > 2"):
        await until(lambda: 1 > 2)  # noqa: PLR0133  # what is shown
    with pytest.raises(AssertionError, match=r"it did not come to hold: .*2 > 3"):
        await as_time_passes(FakeClock(), 1, lambda: 2 > 3)  # noqa: PLR0133  # the same


async def test_time_passes_in_steps_and_each_has_its_consequences() -> None:
    clock, rung = FakeClock(), list[float]()
    began = clock.time
    clock.call_later(5, lambda: asyncio.get_running_loop().call_soon(rung.append, 1))
    await as_time_passes(clock, 2, lambda: bool(rung))
    assert (clock.time - began).total_seconds() == 6
