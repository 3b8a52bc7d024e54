"""What the testing kit raises."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from aiojobs_lite.model.job import Job
from aiojobs_lite.telemetry.wording import counted, instant

MOST_SHOWN: Final = 10  # jobs


class NotAnswered(AssertionError):
    """A handler that a test calls waits for something that the test did not answer.

    Attributes:
        name: The name of the operation.
    """

    def __init__(self, name: str, asks: str, expected: str) -> None:
        self.name = name
        super().__init__(
            f"{name!r} has no answer: {asks}. Give one to testing.context(answers={{{name!r}: ...}}): {expected}."
        )


class RunnerNotGiven(AssertionError):
    """A handler that a test calls enqueues a job, or asks for its batch, and the test gave it no runner."""

    def __init__(self) -> None:
        super().__init__(
            "the context of this test has no runner. Give it a started one, testing.context(runner=runner) inside "
            "`async with job_kit(runner):`, or run the handler as a job."
        )


class NotReplaced(AssertionError):
    """A test has put something in place of an operation that is no step.

    Attributes:
        name: The name of the operation.
    """

    def __init__(self, name: str, job_type: str) -> None:
        self.name = name
        super().__init__(
            f"replace_step({name!r}, ...) replaces nothing: {name!r} of {job_type!r} is no `ctx.step(...)`, and has no "
            "function. Move the clock over a sleep, send the event that is waited for, replace the steps of the job "
            "that is started; or answer all of them by testing.context(answers=...)."
        )


class JobsNotFinished(AssertionError):
    """`run_to_end` gave up: some jobs would not come to an end.

    Attributes:
        jobs: Those that are pending or processing.
    """

    def __init__(self, problem: str, jobs: Sequence[Job], now: datetime, reasons: Sequence[str]) -> None:
        self.jobs = tuple(jobs)
        more = len(jobs) - len(reasons)
        shown = [*reasons, *([f"and {counted(more, 'more job')}"] if more else [])]
        super().__init__(f"{problem} (the clock stands at {instant(now)}). {'; '.join(shown)}.")
