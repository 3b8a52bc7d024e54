"""An SDK of plain Python: a program of steps that keeps nothing between two calls, drawn by a number."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

from aiojobs_lite.durable.driver import Answer, Round
from aiojobs_lite.durable.operations import Operation, RunReturned, Sleep, StepPlanned, StepRan
from tests.helpers.remote import Asked, failed, raised, ran

MOST_ATTEMPTS: Final = 3


class Step(NamedTuple):
    """A step. It fails in its first calls: by itself, or with all of the code.

    Attributes:
        name: Its name.
        fails: In so many calls that follow each other.
        is_alone: Whether it fails by itself.
    """

    name: str
    fails: int
    is_alone: bool


class Nap(NamedTuple):
    """A sleep."""

    name: str
    seconds: float


class Fault(NamedTuple):
    """A place of the code that raises in its first calls."""

    fails: int


class Group(NamedTuple):
    """Branches side by side; of a race the first one to end decides."""

    branches: list[list[Step | Nap]]
    is_race: bool


Program = list[Step | Nap | Fault | Group]


def draw(random: Random) -> Program:
    """A program."""
    names = iter(range(100))

    def step() -> Step | Nap:
        number = next(names)
        if random.random() < 0.2:
            return Nap(f"nap{number}", random.choice([1, 60, 3600]))
        fails = random.choice([0, 0, 0, 1, 2, MOST_ATTEMPTS]) if random.random() < 0.5 else 0
        return Step(f"step{number}", fails, random.random() < 0.7)

    def part() -> Step | Nap | Fault | Group:
        kind = random.random()
        if kind < 0.15:
            return Fault(random.choice([1, 1, 2, MOST_ATTEMPTS]) if random.random() < 0.9 else 0)
        if kind < 0.45:
            branches = [[step() for _ in range(random.choice([1, 1, 2]))] for _ in range(random.choice([2, 2, 3]))]
            return Group(branches, random.random() < 0.4)
        return step()

    return [part() for _ in range(random.randrange(1, 6))]


class Found(NamedTuple):
    """What the code comes to: steps and sleeps that are not done, or a fault, or its end.

    Attributes:
        parts: The steps and sleeps.
        raced: The names of those in race.
        is_fault: Whether it raised.
    """

    parts: list[Step | Nap]
    raced: list[str]
    is_fault: bool = False


@dataclass
class Sdk:
    """Runs a program by calls, and notes what it did.

    Attributes:
        program: The program.
        random: What it draws.
        is_first_version: Whether it speaks the first version: a call follows each end.
        save: Stores a checkpoint; None: it stores none.
        crash: Ends the process; called now and then.
        instant: The instant in so many seconds, in microseconds.
        ran: The steps that ran, in their order.
        known: All that it was once given the memo of.
        faults: What went wrong.
    """

    program: Program
    random: Random
    is_first_version: bool = False
    save: Callable[[Asked, Sequence[StepRan], RunReturned | None], Awaitable[object]] | None = None
    crash: Callable[[], Awaitable[None]] | None = None
    instant: Callable[[float], int] = round
    ran: list[str] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    _discovering: int = 0

    async def __call__(self, asked: Asked) -> Answer:
        """Answers a call."""
        self.known |= asked.memos.keys()
        if asked.attempt >= asked.most:
            self.faults.append(f"attempt {asked.attempt} of {asked.target}")
        if asked.target is not None:
            await self._pause()
            return self._targeted(asked)
        self._discovering += 1
        if self._discovering > 1:
            self.faults.append("two calls without a target at once")
        try:
            await self._pause()
            return await self._discovered(asked)
        finally:
            self._discovering -= 1

    async def _pause(self) -> None:
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)
        if self.crash is not None and self.random.random() < 0.1:  # one call in ten
            await self.crash()

    def _targeted(self, asked: Asked) -> Answer:
        steps = {part.name: part for part in _parts(self.program)}
        step = steps[asked.target or ""]
        assert isinstance(step, Step)
        return self._run(step, asked.attempt, asked.memos)

    async def _discovered(self, asked: Asked) -> Answer:
        memos = dict(asked.memos)
        stored: list[StepRan] = []
        while True:
            found = self._find(memos, asked.attempt if not stored else 0)
            if found.is_fault:
                return failed()
            if not found.parts:
                return await self._ended(asked, memos, stored)
            one = found.parts[0]
            if len(found.parts) > 1 or asked.is_planning or isinstance(one, Nap):
                return self._planned(found, asked, stored)
            answer = self._run(one, asked.attempt if not stored else 0, memos)
            if self.save is None or asked.attempt or not isinstance(answer, list) or not isinstance(answer[0], StepRan):
                return [*stored, *answer] if isinstance(answer, list) else answer
            memos[one.name] = answer[0].memo
            stored += answer
            if self.random.random() < 0.8 and await self.save(asked, stored, None) is not None:
                stored = []
            if stored or self.random.random() < 0.3:
                return self._round(stored, [])

    async def _ended(self, asked: Asked, memos: Mapping[str, object], stored: list[StepRan]) -> Answer:
        end = RunReturned(str(len(memos)))
        if self.save is not None and self.random.random() < 0.5:
            await self.save(asked, stored, end)
            if self.random.random() < 0.5:
                return failed()
        return end

    def _planned(self, found: Found, asked: Asked, stored: list[StepRan]) -> Answer:
        is_short = asked.attempt == 0 and self.random.random() < 0.5  # it leaves out what it answered before
        parts = [part for part in found.parts if not (is_short and part.name in asked.waiting)]
        new: list[Operation] = [*stored]
        new += [StepPlanned(part.name) if isinstance(part, Step) else self._sleep(part) for part in parts]
        return self._round(new, found.raced)

    def _sleep(self, nap: Nap) -> Sleep:
        return Sleep(nap.name, self.instant(nap.seconds))

    def _round(self, operations: Sequence[Operation], raced: Sequence[str]) -> Round:
        return Round(operations, raced, calls_each=self.is_first_version, has_stored=self.save is not None)

    def _find(self, memos: Mapping[str, object], attempt: int) -> Found:
        for part in self.program:
            if isinstance(part, Fault):
                if attempt < part.fails and not self._is_behind(part, memos):
                    return Found([], [], is_fault=True)
            elif isinstance(part, Group):
                left = [next((one for one in branch if one.name not in memos), None) for branch in part.branches]
                open_ = [one for one in left if one is not None]
                if len(open_) < len(left) and part.is_race:
                    continue
                if open_:
                    return Found(open_, [one.name for one in open_ if part.is_race])
            elif part.name not in memos:
                return Found([part], [])
        return Found([], [])

    def _is_behind(self, fault: Fault, memos: Mapping[str, object]) -> bool:
        """Whether the code has come behind a fault before."""
        after = self.program[[part is fault for part in self.program].index(True) + 1 :]
        return any(part.name in memos for part in _parts(after))

    def _run(self, step: Step, attempt: int, memos: Mapping[str, object]) -> Answer:
        if step.name in memos or step.name in self.known:
            self.faults.append(f"{step.name} was called again")
        if attempt < step.fails:
            return [raised(step.name)] if step.is_alone else failed()
        self.ran.append(step.name)
        return [ran(step.name)]


def _parts(program: Sequence[Step | Nap | Fault | Group]) -> list[Step | Nap]:
    """All steps and sleeps of a program."""
    found: list[Step | Nap] = []
    for part in program:
        if isinstance(part, Group):
            found += [one for branch in part.branches for one in branch]
        elif not isinstance(part, Fault):
            found.append(part)
    return found
