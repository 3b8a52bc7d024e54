"""What `ctx.progress` and `ctx.log` take, and refuse."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aiojobs_lite import InvalidOption
from aiojobs_lite.handlers.progress import NO_TURN, WITH_TURN
from aiojobs_lite.sizes import LONGEST_LOG_LINE_CHARS, LONGEST_PROGRESS_CHARS
from aiojobs_lite.testing import context


class Half(float):
    pass


@pytest.mark.parametrize("fraction", [0, 1, 0.0, 1.0, 0.4, Half(0.5), None, 5e-324])
def test_a_fraction_is_a_number_from_0_to_1_or_none(fraction: float | None) -> None:
    ctx = context()
    ctx.progress(fraction)
    ((found, text),) = ctx.reported
    assert (found, text) == (fraction, None)
    assert type(found) in {float, type(None)}


@pytest.mark.parametrize("fraction", [-0.1, 1.0001, float("nan"), float("inf"), True, False, "0.5", 1j, [], 10**400])
def test_anything_else_is_refused(fraction: Any) -> None:
    ctx = context()
    with pytest.raises(InvalidOption, match=r"^fraction=.*a number from 0 to 1, or None"):
        ctx.progress(fraction)
    assert ctx.reported == []


@pytest.mark.parametrize("text", ["", "x" * (LONGEST_PROGRESS_CHARS + 1), 5, b"x", ["x"]])
def test_a_text_that_says_nothing_or_too_much_is_refused(text: Any) -> None:
    ctx = context()
    with pytest.raises(InvalidOption, match=r"^text=.*text of 1 to 500 characters, or None"):
        ctx.progress(0.5, text)
    assert ctx.reported == []


def test_text_is_taken_as_every_database_can_store_it() -> None:
    ctx = context()
    ctx.progress(None, "a\x00b\ud800\n\x1b[31m")
    ctx.log("a\x00b\ud800\n\x1b[31m")
    assert ctx.reported == [(None, "a\\x00b\\ud800\n\x1b[31m")]
    assert ctx.logged == ["a\\x00b\\ud800\n\x1b[31m"]


def test_a_long_line_is_shortened_and_what_is_no_text_is_refused() -> None:
    ctx = context()
    ctx.log("x" * 5_000)
    ctx.log("")
    assert [len(line) for line in ctx.logged] == [LONGEST_LOG_LINE_CHARS, 0]
    bad: Any
    for bad in (5, None, b"x", ValueError("x")):
        with pytest.raises(InvalidOption, match=r"^line=.*text; make it one before, by an f-string"):
            ctx.log(bad)


async def test_awaiting_it_gives_the_event_loop_a_turn_or_none() -> None:
    turns = list[int]()
    asyncio.get_running_loop().call_soon(turns.append, 1)
    await NO_TURN
    assert turns == []
    await WITH_TURN
    assert turns == [1]
    await WITH_TURN  # it is one object for all
