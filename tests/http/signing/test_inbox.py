"""What a receiver remembers of the messages that it has handled."""

from __future__ import annotations

import asyncio

import pytest

from aiojobs_lite import InvalidOption
from aiojobs_lite.http import MemoryInbox, MessageStatus
from aiojobs_lite.testing import FakeClock


async def test_a_message_is_new_then_runs_then_is_handled() -> None:
    inbox = MemoryInbox()
    assert await inbox.begin("a") is MessageStatus.NEW
    assert await inbox.begin("a") is MessageStatus.RUNNING
    assert await inbox.begin("b") is MessageStatus.NEW
    await inbox.keep("a")
    assert [await inbox.begin(key) for key in ("a", "a", "b")] == [
        MessageStatus.HANDLED, MessageStatus.HANDLED, MessageStatus.RUNNING,
    ]  # fmt: skip


async def test_a_message_whose_handler_failed_is_new_again() -> None:
    inbox = MemoryInbox()
    await inbox.begin("a")
    await inbox.release("a")
    assert await inbox.begin("a") is MessageStatus.NEW


async def test_of_several_calls_at_once_one_gets_it() -> None:
    inbox = MemoryInbox()
    statuses = await asyncio.gather(*[inbox.begin("a") for _ in range(20)])
    assert statuses.count(MessageStatus.NEW) == 1


async def test_what_was_handled_is_forgotten_in_time_and_what_runs_is_not() -> None:
    clock = FakeClock()
    inbox = MemoryInbox(keep_for="1h", clock=clock)
    for key in ("a", "b", "runs"):
        await inbox.begin(key)
    await inbox.keep("a")
    clock.advance("30m")
    await inbox.keep("b")
    clock.advance(1799)
    assert await inbox.begin("a") is MessageStatus.HANDLED
    clock.advance(1)
    assert [await inbox.begin(key) for key in ("a", "b", "runs")] == [
        MessageStatus.NEW, MessageStatus.HANDLED, MessageStatus.RUNNING,
    ]  # fmt: skip


async def test_an_argument_that_cannot_work_is_refused() -> None:
    with pytest.raises(InvalidOption, match="keep_for='soon'"):
        MemoryInbox(keep_for="soon")
    with pytest.raises(InvalidOption, match="clock=7"):
        MemoryInbox(clock=7)  # type: ignore[arg-type]
