"""The phase of an engine: it goes on, never back, and can be awaited."""

from __future__ import annotations

import asyncio

import pytest

from aiojobs_lite.engine.phase import Phase, Progress
from tests.helpers.waiting import quiet


def test_a_phase_is_entered_once_and_never_left_for_an_earlier_one() -> None:
    progress = Progress()
    phases = [progress.phase]
    for phase in (Phase.DRAINING, Phase.RUNNING, Phase.CLOSED, Phase.NEW):
        progress.go_on_to(phase)
        phases.append(progress.phase)
    assert phases == [Phase.NEW, Phase.DRAINING, Phase.DRAINING, Phase.CLOSED, Phase.CLOSED]


@pytest.mark.parametrize("phase", Phase)
def test_what_a_phase_means(phase: Phase) -> None:
    progress = Progress()
    progress.go_on_to(phase)
    assert progress.is_draining == (phase in {Phase.DRAINING, Phase.CLOSING, Phase.CLOSED})
    assert progress.is_closed == (phase is Phase.CLOSED)


async def test_a_phase_is_awaited_until_it_or_a_later_one_is_reached() -> None:
    progress = Progress()
    running, closing, closed = (
        asyncio.create_task(progress.until(phase)) for phase in (Phase.RUNNING, Phase.CLOSING, Phase.CLOSED)
    )
    await quiet()
    progress.go_on_to(Phase.STARTING)
    await quiet()
    assert not any(task.done() for task in (running, closing, closed))
    progress.go_on_to(Phase.CLOSING)
    await asyncio.gather(running, closing)
    assert not closed.done()
    progress.go_on_to(Phase.CLOSED)
    await closed
    await progress.until(Phase.NEW)
    await progress.until(Phase.CLOSED)


async def test_a_phase_that_comes_and_goes_within_one_turn_is_noticed() -> None:
    progress = Progress()
    waits = asyncio.create_task(progress.until(Phase.RUNNING))
    await quiet()
    progress.go_on_to(Phase.STARTING)
    progress.go_on_to(Phase.RUNNING)
    progress.go_on_to(Phase.DRAINING)
    await quiet()
    assert (waits.done(), progress.phase) == (True, Phase.DRAINING)
