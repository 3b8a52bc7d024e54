"""What the pytest fixture `job_kit` gives. It starts and opens nothing before a test uses it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.group import JobSource
from aiojobs_lite.runner.runner import JobRunner
from aiojobs_lite.testing.clock import FakeClock


class JobKit:
    """The fixture `job_kit` of the pytest plugin: starts runners in memory, on a clock that the test moves.

    Attributes:
        clock: The clock of every runner that it starts.
    """

    def __init__(self) -> None:
        self.clock = FakeClock()

    @asynccontextmanager
    async def __call__(
        self,
        runner: JobRunner | None = None,
        *,
        jobs: Iterable[JobSource] = (),
        deps: Mapping[Any, Any] | None = None,
    ) -> AsyncIterator[JobRunner]:
        """Starts the application's own runner for the block, but in memory and with the fake clock.

        Args:
            runner: The application's runner; None: a new one.
            jobs: What a new runner runs, as `JobRunner(jobs=)` takes it.
            deps: Replaces resources of the same type.

        Yields:
            The started runner.
        """
        if runner is not None and not isinstance(runner, JobRunner):
            raise InvalidOption("runner", runner, "a JobRunner")
        if runner is None:
            runner = JobRunner(":memory:", jobs=jobs)
        with runner.replaced(database=":memory:", clock=self.clock, deps={} if deps is None else deps):
            async with runner:
                yield runner
