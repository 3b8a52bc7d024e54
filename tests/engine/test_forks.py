"""Handlers that fork their process, and come back in both: the copy of the application ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.programs import program
from tests.helpers.rings import drawn, slow
from tests.helpers.waiting import PATIENCE

pytestmark = drawn(2)

HOWS = {
    "returns": (0, ""),
    "exits": (7, ""),
    "exits in a group": (9, ""),
    "exits with a text": (1, "no way on"),
    "raises": (1, "ValueError: in the copy"),
}


@slow
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("mode", ["async", "async with session", "thread", "thread with session", "process"])
async def test_the_copy_of_an_application_that_a_handler_forked_ends_where_its_handler_ends(
    mode: str, how: str
) -> None:
    code, text = HOWS[how]
    async with program("-m", "tests.helpers.apps.forking", mode, how) as child:
        assert await child.line("child") == ["child", str(code)]
        assert await child.ended() == 0
    assert child.said("left") == [["left", str(child.pid)]]
    assert child.said("closed") == ([["closed", str(child.pid)]] if "session" in mode else [])
    assert child.lines.count("unflushed") <= 1  # what was in the buffer belongs to one of them
    assert text in "\n".join(child.lines)


@slow
async def test_a_process_that_is_asked_to_end_while_it_is_being_born_ends() -> None:
    """Python forgets the signals that come to a process until it has cleaned up after its fork."""
    async with program("-m", "tests.helpers.apps.terminating", "default", "500") as child:
        assert await child.ended(6 * PATIENCE) == 0  # 500 processes, one after the other: 14 s on a busy machine
    assert (child.said("ended"), child.said("drained")) == ([["ended", "-15", "500"]], [])


@slow
async def test_a_signal_to_a_process_that_was_forked_is_none_to_the_application() -> None:
    """They would share the descriptor by which an event loop learns of signals."""
    async with program("-m", "tests.helpers.apps.terminating", "loop", "1") as child:
        assert await child.ended() == 0
    assert (child.said("ended"), child.said("drained")) == ([["ended", "-15", "1"]], [])


@slow
async def test_a_copy_of_an_application_that_goes_on_awaiting_never_touches_the_database(database: Path) -> None:
    """Units wait in the copied event loop, to be written in its next turn."""
    async with program("-m", "tests.helpers.apps.copied", database) as child:
        assert await child.line("jobs") == ["jobs", "6"]
        assert await child.ended() == 0
    for what in ("enqueued", "written", "read", "threadsafe"):
        assert child.said(what) == [[what, "WrongEventLoop"]]
    assert child.said("transactions") == [["transactions", "0"]]
