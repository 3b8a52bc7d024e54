"""The testing kit beside handlers that wait on purpose."""

from __future__ import annotations

import asyncio

import pytest

from aiojobs_lite.testing.moves import Moves
from tests.helpers.waiting import PATIENCE, quiet


def move_when_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has kits move their clock as soon as nothing goes on: a handler that waits on purpose costs no patience."""
    settle = Moves.settle

    async def settled(moves: Moves, _patience: float) -> bool:
        settling = asyncio.ensure_future(settle(moves, PATIENCE))
        await quiet()
        if not settling.done():
            settling.cancel()
            await asyncio.wait([settling])
        return not settling.cancelled() and settling.result()

    monkeypatch.setattr(Moves, "settle", settled)
