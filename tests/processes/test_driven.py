"""SIGKILL in calls of a run that is driven by calls: nothing stored is called again, and attempts count as they did."""

from __future__ import annotations

from pathlib import Path
from signal import SIGKILL

from tests.helpers.programs import program
from tests.helpers.rings import slow

pytestmark = slow


async def life(database: Path, place: str) -> list[str]:
    """A process that is killed at a place, or comes to the end of the run; returns the calls that it made."""
    async with program("-m", "tests.helpers.apps.driving", database, place) as process:
        assert await process.ended() == (0 if place == "none" else -SIGKILL)
    return [" ".join(words[1:]) for words in process.said("call")]


async def test_a_run_goes_on_behind_what_was_stored_before_each_kill(database: Path) -> None:
    assert await life(database, "checkpoint") == ["? 0"]
    assert await life(database, "left") == ["? 1 one two", "left 0 one two"]  # a lost attempt counts
    calls = await life(database, "found")
    assert sorted(call[:7] for call in calls[:2]) == ["left 0 ", "right 0"]
    assert calls[2:] == ["? 0 left one right two", "? 1 left one right two"]
    assert await life(database, "none") == ["? 1 left one right two", "? 0 found left one right two"]
