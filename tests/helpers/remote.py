"""A driver that is no coroutine of the run: code elsewhere, which is given what was done, and answers."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from aiojobs_lite import Backoff, Job, JobRunner
from aiojobs_lite.clock import after
from aiojobs_lite.durable.checkpoint import RunFence
from aiojobs_lite.durable.driver import Answer, DriverCall
from aiojobs_lite.durable.limits import RunLimits
from aiojobs_lite.durable.operations import RunRaised, RunReturned, StepRaised, StepRan
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.job import Failure
from aiojobs_lite.policy.verdict import Verdict, Wish
from aiojobs_lite.runner.driven import driven
from aiojobs_lite.testing import JobKit

HOUR: Final = 3600.0


class Asked(NamedTuple):
    """One call, as the code elsewhere is given it.

    Attributes:
        payload: The payload of the run.
        memos: The memos by name, in the order in which the operations ended.
        target: See `DriverCall`.
        attempt: See `DriverCall`.
        waiting: The names of what has not ended.
        is_planning: See `DriverCall`.
        notes: See `DriverCall`.
        fence: The attempt.
        most: See `DriverCall.max_attempts`.
    """

    payload: str
    memos: dict[str, str | None]
    target: str | None
    attempt: int
    waiting: tuple[str, ...]
    is_planning: bool
    notes: Mapping[str, str]
    fence: RunFence
    most: int


Script = Callable[[Asked], "Answer | Awaitable[Answer]"]


class Remote:
    """Answers each call by a script: a function, or a coroutine function, which keeps nothing between two calls.

    Args:
        script: Is given a call, and returns the answer.
        together: So many calls with a target begin before one of them is answered.

    Attributes:
        calls: The target and the attempt of each call; `?` is the target of one that has none.
        asked: Each call.
    """

    def __init__(self, script: Script, together: int = 1) -> None:
        self._script = script
        self._barrier = asyncio.Barrier(together)
        self.asked: list[Asked] = []

    async def call(self, call: DriverCall) -> Answer:
        memos = {row.name: row.memo for row in call.ended}
        fence, waiting = (
            RunFence(call.run.id, call.run.attempt, call.run.owner),
            tuple(row.name for row in call.waiting),
        )
        asked = Asked(
            call.run.payload, memos, call.target, call.attempt, waiting, call.is_planning, call.notes, fence,
            call.max_attempts,
        )  # fmt: skip
        self.asked.append(asked)
        if call.target is not None:
            await self._barrier.wait()
        answer = self._script(asked)
        return answer if not inspect.isawaitable(answer) else await answer

    @property
    def calls(self) -> list[str]:
        """The target and the attempt of each call."""
        return [f"{asked.target or '?'} {asked.attempt}" for asked in self.asked]


def ran(name: str, memo: str = '{"data":1}') -> StepRan:
    """A step that gave this."""
    return StepRan(name, memo, 0.1)


def raised(name: str, wish: Wish = Wish.AGAIN, delay: float | None = None, most: int | None = None) -> StepRaised:
    """A step that failed."""
    verdict = Verdict(wish, "Error", delay)
    return StepRaised(name, Failure("Error", "no", None), verdict, most, memo='{"error":{"name":"Error"}}')


def returned(asked: Asked) -> RunReturned:
    """The end of a run, which returns all that it was given."""
    memos = ", ".join(f"{json.dumps(name)}: {memo or 'null'}" for name, memo in asked.memos.items())
    return RunReturned(f"{{{memos}}}")


def failed(wish: Wish = Wish.AGAIN, delay: float | None = None) -> RunRaised:
    """A run that failed."""
    return RunRaised(Failure("AppError", "500", None), Verdict(wish, "AppError", delay))


class Rig:
    """A runner with one job type that code elsewhere runs.

    Attributes:
        runner: The runner.
        remote: The code elsewhere.
        flow: The job type.
    """

    def __init__(
        self, kit: JobKit, script: Script, *, together: int = 1, limits: RunLimits | None = None, **options: Any
    ) -> None:
        self._kit = kit
        self.runner = JobRunner(":memory:")
        self.remote = Remote(script, together)
        self.flow: JobType[..., Any] = self.runner.job(
            name="flow", **{"max_attempts": 3, "backoff": Backoff(base="1m"), **options}
        )(driven(self.remote, limits))

    def at(self, seconds: float) -> int:
        """An instant of the run."""
        return after(self._kit.clock.now(), seconds)

    async def to_end(self) -> Job:
        """Enqueues a job, and runs until it has ended."""
        async with self._kit(self.runner):
            handle = await self.runner.enqueue(self.flow)
            await self._kit.run_to_end()
            return await handle.job()


def next_of(*answers: Answer) -> Callable[[Asked], Answer]:
    """Answers call by call."""
    left = iter(answers)
    return lambda _: next(left)
