"""What `explain` says is what keeps the job: whatever state two processes bring a job into, each thing that is said to
keep it is taken away, in any order, and then, and not before, it runs.
"""

from __future__ import annotations

import random
import re
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from aiojobs_lite import JobHandle, JobRunner, Status
from tests.helpers.apps.worker import JOBS, alone, answered, held, quick
from tests.helpers.pauses import pause
from tests.helpers.programs import Child, worker
from tests.helpers.rings import drawn, slow
from tests.helpers.waiting import PATIENCE, until

pytestmark = drawn(2)

SAID = {
    "time": "it is due in",
    "pause": "its type is paused since",
    "unknown": "no live runner has registered its type",
    "idle": "all live runners that have registered its type run nothing (max_running=0)",
    "draining": "is draining",
    "limit": "the limit of its type is reached: 1 of 1 are processing over all runners",
    "slots": "all slots are taken: 1 of 1 in the runner",
    "event": "it is suspended until the wait 'go' ends by the event 'scene/go' with number = 7",
}
LASTING = {"time", "pause", "unknown", "idle", "event"}


class Scene:
    """A job, a process that may run it, and this process, which looks and is asked.

    Attributes:
        keeps: All that keeps the job from running now.
    """

    def __init__(self, seed: int, database: Path, stack: AsyncExitStack) -> None:
        self._chance = random.Random(seed)
        self._database = database
        self._stack = stack
        self._registers = self._chance.random() < 0.5
        self._child: Child | None = None
        self._looking: JobRunner
        self._handle: JobHandle[object]
        self.keeps: set[str] = set()

    async def begin(self) -> None:
        """Brings the job into a state that is drawn."""
        jobs = JOBS if self._registers else ()
        self._looking = await self._stack.enter_async_context(JobRunner(self._database, jobs=jobs, max_running=0))
        occupied = self._chance.choice(["no", "unlimited", "limited", "none runs"])
        is_drained = occupied == "unlimited" and self._chance.random() < 0.5
        waits = occupied != "limited" and self._chance.random() < 0.4
        plain = alone if occupied == "limited" else quick
        self._wanted = answered.name if waits else plain.name
        if waits:
            await self._suspend()
        if occupied != "none runs":
            slots = self._chance.choice([1, 5])
            await self._start(max_running=slots)
            if occupied != "no":
                await self._occupy("alone" if occupied == "limited" else "held")
                self.keeps.add("limit" if occupied == "limited" else "slots" if slots == 1 else "nothing")
            if is_drained:
                self._the_child.signal(signal.SIGTERM)
                await self._the_child.line("log drain started")
                self.keeps = {"draining", *(self.keeps & LASTING)}
        else:
            self.keeps.add("idle" if self._registers else "unknown")
        self.keeps.discard("nothing")
        async with JobRunner(self._database, jobs=JOBS, max_running=0) as sender:
            configured = plain
            if not waits and self._chance.random() < 0.5:
                configured = plain.using(delay="1h")  # type: ignore[assignment]
                self.keeps.add("time")
            if self._chance.random() < 0.5:
                await sender.types.pause(self._wanted)
                self.keeps.add("pause")
            if not waits:
                self._handle = await sender.enqueue(configured)
        await until(lambda: self._wanted in self._looking.stats().by_type, look_every=0.01)

    @property
    def to_be_said(self) -> set[str]:
        """What is to be said to keep it: what passes by itself is not, beside a time, a pause or an event."""
        return self.keeps & LASTING if self.keeps & {"time", "pause", "event"} else self.keeps

    async def look(self) -> tuple[set[str], str, Status]:
        """What is said to keep it, the text that says it, and its status."""
        for _ in range(200):  # a drain is noted soon
            text = await self._looking.jobs.explain(self._handle.id)
            said = {name for name, words in SAID.items() if words in text}
            if said == self.to_be_said:
                break
            await pause(0.01)
        return said, text, (await self._looking.jobs.get(self._handle.id)).status

    async def take_away(self) -> None:
        """Does the one thing that ends one of what keeps the job."""
        one = self._chance.choice(sorted(self.keeps))
        self.keeps.remove(one)
        if one == "time":
            await self._looking.jobs.run_now(self._handle.id)
        elif one == "event":
            await self._looking.send("scene/go", {"number": 7})
        elif one == "pause":
            await self._looking.types.resume(self._wanted)
        elif one in {"limit", "slots"}:
            self._the_child.order("go")
            while not (await self._looking.jobs.get(self._occupant)).is_finished:
                await pause(0.01)
        else:
            await self._start()

    async def end(self) -> str:
        """Nothing keeps it: it runs, and what is said meanwhile is so. Returns what is said in the end."""
        for _ in range(int(PATIENCE * 100)):
            text = await self._looking.jobs.explain(self._handle.id)
            if " is completed: " in text:
                return text
            assert not [words for words in SAID.values() if words in text], text
            if " runs: " in text and self._child is not None:
                assert "attempt 1 of 5 began" in text
                assert f"(pid {self._the_child.pid} on " in text
                self._the_child.order("go")
            await pause(0.01)
        raise AssertionError(text)

    async def _suspend(self) -> None:
        """Has the job wait for an event."""
        async with JobRunner(self._database, jobs=JOBS) as first:
            self._handle = await first.enqueue(answered, 7)
            await until(lambda: first.stats().by_type["answered"].held == 1, look_every=0.01)
        self.keeps.add("event")

    async def _start(self, max_running: int = 5) -> None:
        child = worker(self._database, drain_timeout=30, max_running=max_running)
        self._child = await self._stack.enter_async_context(child)
        await self._the_child.line("ready")

    async def _occupy(self, name: str) -> None:
        self._the_child.order(f"enqueue {name}")
        _, occupant, _ = await self._the_child.line("started")
        self._occupant = int(occupant)

    @property
    def _the_child(self) -> Child:
        assert self._child is not None
        return self._child


@slow
@pytest.mark.parametrize("seed", range(24))
async def test_a_job_runs_when_all_that_is_said_to_keep_it_is_gone_and_not_before(seed: int, database: Path) -> None:
    async with AsyncExitStack() as stack:
        scene = Scene(seed, database, stack)
        await scene.begin()
        while scene.keeps:
            said, text, status = await scene.look()
            assert said == scene.to_be_said, text
            assert status is Status.PENDING
            await scene.take_away()
        assert re.match(r"job \d+ of \w+ is completed: attempt 1 of 5 succeeded at ", await scene.end())


def test_the_job_types_are_what_the_scene_takes_them_for() -> None:
    assert (alone.concurrency, held.concurrency, quick.concurrency) == (1, None, None)
    assert {"alone", "held", "quick"} <= {job_type.name for job_type in JOBS}
