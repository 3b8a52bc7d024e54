"""The operations of a durable handler, each of which is noted: what it gave, and when the function of a step ran."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiojobs_lite import JobCancelled, JobContext, JobDead, ResultTimeout
from aiojobs_lite.clock import to_micros
from aiojobs_lite.errors import StepFailed
from aiojobs_lite.events import Event
from aiojobs_lite.handlers.job_type import BoundJob, JobType
from aiojobs_lite.steps import Step
from aiojobs_lite.testing.probe import claimed_of
from tests.chaos.work import NEVER, NOT_YET, SHORT, Run, Work
from tests.helpers.pauses import hold_thread_for, work_for

MOST_TRIES: Final = 12
"""Attempts of a step that fails now and then: more than it needs."""

BY: Final = "by"
"""The field of an event that says which operation has sent it: the job, and the name."""

_SLICE_S: Final = 0.01
_numbers = itertools.count()


@dataclass
class Effect:
    """What the function of a step does: it notes its begin and its end, and returns a token that no other call has.

    Attributes:
        work: Of the process.
        job: The job.
        step: The name of the operation.
        run: The attempt.
        seconds: How long it takes.
        fails: How likely it is to fail.
        most: How often it may be tried.
    """

    work: Work
    job: int
    step: str
    run: str
    seconds: float
    fails: float
    most: int

    async def on_loop(self) -> str:
        """Awaits."""
        with self._noted() as token:
            await work_for(self.seconds)
            self._may_fail()
            return token

    def in_thread(self) -> str:
        """Holds its thread."""
        with self._noted() as token:
            hold_thread_for(self.seconds)
            self._may_fail()
            return token

    @contextmanager
    def _noted(self) -> Iterator[str]:
        journal = self.work.journal
        token = f"{journal.writer}.{next(_numbers)}"
        journal.note("does", job=self.job, step=self.step, run=self.run, token=token, most=self.most)
        how = "returned"
        try:
            yield token
        except BaseException as error:
            how = type(error).__name__
            raise
        finally:
            journal.note("did", token=token, how=how)

    def _may_fail(self) -> None:
        if self.work.chance.random() < self.fails:
            raise ValueError(NOT_YET)


class Operations:
    """Asks a context for operations, and notes what each gave.

    Args:
        run: The attempt.
        ctx: Its context.
        work: Of the process.
    """

    def __init__(self, run: Run, ctx: JobContext, work: Work) -> None:
        self._run = run
        self._ctx = ctx
        self._work = work
        self._uses: Counter[str] = Counter()

    async def step(
        self, name: str, seconds: float = 0.003, fails: float = 0.0, *, most: int = MOST_TRIES, in_thread: bool = False
    ) -> str:
        """A step that fails as likely as that.

        Raises:
            StepFailed: When it has no attempt left.
        """
        unique = self._unique(name)
        effect = Effect(self._work, self._ctx.id, unique, self._run.name, seconds, fails, most)
        step = Step(name, max_attempts=most, backoff=SHORT)
        try:
            if in_thread:
                value = await self._ctx.step(step, effect.in_thread)
            else:
                value = await self._ctx.step(step, effect.on_loop)
        except StepFailed as error:
            self._got(unique, f"StepFailed: {error.attempts}")
            raise
        self._got(unique, value)
        return value

    async def remember(self) -> None:
        """What is to be the same in each attempt."""
        self._got(self._unique("now"), str(to_micros(await self._ctx.now())))
        self._got(self._unique("uuid"), str(await self._ctx.uuid()))
        self._got(self._unique("random"), str(await self._ctx.random()))

    async def sleep(self, name: str, seconds: float) -> None:
        """A sleep."""
        unique = self._unique(name)
        await self._ctx.sleep(name, seconds)
        self._got(unique, None)

    async def wait(self, name: str, event: str, seconds: float, **match: int) -> Event[Any] | None:
        """A wait for an event."""
        unique = self._unique(name)
        since = claimed_of(self._ctx).created_at
        self._work.journal.note("waiting", job=self._ctx.id, step=unique, event=event, match=match, since=since)
        found = await self._ctx.wait_for_event(name, event, match=match, timeout=seconds)
        self._got(unique, None if found is None else found.id)
        return found

    async def send(self, name: str, event: str, **data: int | str) -> None:
        """An event, which names the operation that sent it."""
        by = [self._ctx.id, self._unique(name)]
        await self._ctx.send(name, event, data | {BY: by})
        self._work.journal.note("has sent", by=by)

    async def enqueue(self, name: str, job: JobType[..., str]) -> None:
        """A job that is not waited for, which is given whose it is and what it is for."""
        unique = self._unique(name)
        handle = await self._ctx.enqueue_once(name, job, self._ctx.id, unique)
        self._got(unique, str(handle.id))

    async def invoke(self, step: Step, child: JobType[..., str], *arguments: Any) -> str | None:
        """A child, which is given whose it is and what it is for."""
        unique = self._unique(step.name)
        try:
            value = await self._ctx.invoke(step, child, self._ctx.id, unique, *arguments)
        except (JobDead, JobCancelled, ResultTimeout) as error:
            self._got(unique, type(error).__name__)
            return None
        self._got(unique, value)
        return value

    async def gather(self, name: str, child: JobType[..., str], count: int) -> None:
        """Many children; one that fails or is cancelled has the others go on."""
        names = [self._unique(name) for _ in range(count)]
        bound: Sequence[BoundJob[str]] = [child.bind(self._ctx.id, unique) for unique in names]
        try:
            values = await self._ctx.gather(name, bound)
        except (JobDead, JobCancelled):
            return
        for unique, value in zip(names, values, strict=True):
            self._got(unique, value)

    def falter(self, likely: float) -> None:
        """Now and then the handler fails, outside of steps."""
        if self._work.chance.random() < likely:
            raise ValueError(NOT_YET)

    async def fail(self, name: str, most: int = 2) -> None:
        """A step that always fails.

        Raises:
            ValueError: When it has no attempt left.
        """
        try:
            await self.step(name, fails=1.0, most=most)
        except StepFailed:
            raise ValueError(NEVER) from None

    def _unique(self, name: str) -> str:
        self._uses[name] += 1
        return name if self._uses[name] == 1 else f"{name}#{self._uses[name]}"

    def _got(self, step: str, value: str | None) -> None:
        self._work.journal.note("got", job=self._ctx.id, step=step, run=self._run.name, value=value)
