"""Judges the ticks of a run, in which two versions have different schedules and the clock is stepped."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from typing import Final

from aiojobs_lite.clock import MICROSECONDS
from tests.chaos.clocks import Era
from tests.chaos.story import Life, Story, longest_chance
from tests.chaos.work import EVERY, VERSIONS

FIRED_WITHIN: Final = 3.0  # seconds
_SETTLES: Final = 5.0  # seconds after a step of the clock: up to 100 ticks are caught up then
_BEFORE: Final = 1.0  # seconds that a runner is up before a tick that it must not miss


def ticks(story: Story) -> Iterator[str]:
    """Each instant of a schedule made one job, and one only.

    - An instant makes one job, whatever the clock shows and whichever versions fire.
    - What is due while a runner is up that can write makes a job in time.
    - Without a step back of the clock nothing is left out between two ticks, whether a runner was up or not.
    """
    made: dict[str, Counter[int]] = defaultdict(Counter)
    for job in story.jobs.values():
        if job.tick is not None:
            made[job.type][job.tick] += 1
    for schedule, found in made.items():
        for tick, count in found.items():
            if count > 1:
                yield f"the tick {tick} of {schedule} made {count} jobs"
            if schedule == "beat" and all(tick % (every * MICROSECONDS) for every in EVERY.values()):
                yield f"{tick} is no tick of {schedule}"
    for schedule in ("tick", "chime"):
        if made[schedule]:
            yield from _left_out(story, made[schedule])
    yield from _missed(story, "tick", 1, [life for life in story.lives.values() if life.fires], made["tick"])
    known = [at for era in story.eras for tick in made["chime"] if (at := era.instant(tick / MICROSECONDS)) is not None]
    lives = [life for life in story.lives.values() if life.fires and known and life.up >= min(known)]
    yield from _missed(story, "chime", 1, lives, made["chime"])  # a program has made it by then
    for version in VERSIONS:
        lives = [life for life in story.lives.values() if life.fires and life.version == version]
        yield from _missed(story, "beat", EVERY[version], lives, made["beat"])


def _left_out(story: Story, made: Collection[int]) -> Iterator[str]:
    for era in story.eras:
        here = {tick for tick in made if era.instant(tick / MICROSECONDS) is not None}
        missing = set(range(min(here), max(here), MICROSECONDS)) - here if here and era.is_latest else set()
        if missing:
            yield f"{len(missing)} ticks made no job: {sorted(missing)[:5]}"


def _missed(story: Story, schedule: str, every: int, lives: list[Life], made: Collection[int]) -> Iterator[str]:
    held_up = story.held_up
    for life in lives:
        end = min(life.ended, life.terminated, life.exited)
        if not made or not life.owner or life.up + _BEFORE + FIRED_WITHIN > end:
            continue
        for era in story.eras:
            for tick, instant in _due(era, every, life.up + _BEFORE, end - FIRED_WITHIN):
                chance = longest_chance(life, instant - _BEFORE, instant + FIRED_WITHIN, held_up)
                if tick not in made and chance >= _BEFORE + FIRED_WITHIN - 1e-6:
                    yield f"the tick {tick} of {schedule}, at {instant:.3f}, made no job while {life.number} was up"


def _due(era: Era, every: int, first: float, last: float) -> Iterator[tuple[int, float]]:
    """The ticks in an era between two instants, and when the clock showed them."""
    first = max(first, era.start + _SETTLES)
    last = min(last, era.end - FIRED_WITHIN)
    if first < last < math.inf:
        for second in range(math.ceil(first + era.ahead), math.floor(last + era.ahead) + 1):
            if second % every == 0:
                yield second * MICROSECONDS, second - era.ahead
