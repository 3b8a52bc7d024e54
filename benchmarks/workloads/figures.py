"""What the figures of all processes cost a job: beside a runner that counts no end, in turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final
from unittest.mock import patch

from aiojobs_lite.engine.figures import FigureCounter
from benchmarks import functions as measured
from benchmarks.functions import Run
from benchmarks.harness import OURS, Figure, Plan, on_new_path

WITH, WITHOUT = 1.0, 0.0
SHAPES: Final[dict[str, tuple[int, Callable[[Path, int], Run]]]] = {
    "one by one": (5_000, lambda path, jobs: asyncio.run(measured.one_by_one(path, "normal", jobs))),
    "end to end": (20_000, lambda path, jobs: asyncio.run(measured.end_to_end(path, "normal", jobs))),
}
_TURNS: Final = 3  # a round: what is looked for is smaller than the difference of two runs


def cost_of_figures(plan: Plan) -> Iterator[Figure]:
    """CPU of a job that is awaited before the next one is enqueued, and of one among many."""
    for shape, (count, measure) in SHAPES.items():
        jobs, runs = plan.jobs(count), dict[float, list[Run]]({WITH: [], WITHOUT: []})
        for turn in range(plan.rounds * _TURNS):
            for counted in (WITH, WITHOUT) if turn % 2 else (WITHOUT, WITH):  # what comes second is not at a loss
                with nullcontext() if counted else _uncounted():
                    runs[counted].append(on_new_path(lambda path: measure(path, jobs)))  # called at once
        for counted, found in runs.items():
            costs = tuple(run.cpu for run in found)
            yield Figure(f"CPU of a job beside figures, {shape}", OURS, "normal", "us/job", costs, counted)


@contextmanager
def _uncounted() -> Iterator[None]:
    """No end is counted."""
    with patch.object(FigureCounter, "completed", _count_nothing), patch.object(FigureCounter, "ended", _count_nothing):
        yield


def _count_nothing(*_: object) -> None:
    """In place of what counts."""
