"""How fast the answers of an app are read, on the real clock: it is the event loop that they take."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest

from aiojobs_lite.inngest.pace import LARGEST_QUICK_BYTES, Pace

LARGE = LARGEST_QUICK_BYTES + 1
TOOK_S = 0.01


def take(seconds: float) -> None:
    """Takes the event loop."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


async def test_large_answers_are_read_one_by_one_with_rests() -> None:
    pace, spans = Pace(), list[tuple[float, float]]()

    async def read() -> None:
        async with pace.reading(LARGE):
            begun = time.monotonic()
            take(TOOK_S)
            spans.append((begun, time.monotonic()))

    await asyncio.gather(*[read() for _ in range(3)])
    for (_, ended), (begun, _) in pairwise(spans):
        assert begun - ended >= 9 * TOOK_S
    begun = time.monotonic()
    await pace.rest()
    assert time.monotonic() - spans[-1][1] >= 9 * TOOK_S
    assert time.monotonic() - begun < 5


async def test_small_answers_and_other_apps_wait_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pace, other, waits = Pace(), Pace(), list[float]()

    async def note(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", note)
    async with pace.reading(LARGE):
        async with pace.reading(LARGEST_QUICK_BYTES), other.reading(LARGE):
            pass
        take(TOOK_S)
        await pace.rest()
        assert waits == []  # although it reads a large one
    await pace.rest()
    assert len(waits) == 1


async def test_an_answer_that_cannot_be_read_has_its_rest_too() -> None:
    pace = Pace()
    try:
        async with pace.reading(LARGE):
            take(TOOK_S)
            raise ValueError
    except ValueError:
        ended = time.monotonic()
    await pace.rest()
    assert time.monotonic() - ended >= 8 * TOOK_S
