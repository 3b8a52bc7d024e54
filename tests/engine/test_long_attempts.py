"""Attempts that run for long are mentioned once each."""

from __future__ import annotations

import pytest

from aiojobs_lite import job
from aiojobs_lite.engine import long_attempts as module
from aiojobs_lite.engine.long_attempts import LongAttempts
from aiojobs_lite.engine.running import AttemptRegister, Running
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import AttemptTakesLong
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.calls import hangs, in_process, started
from tests.helpers.engine import claimed, published_on
from tests.helpers.waiting import next_fact


@job
async def works() -> None: ...


class Rig:
    def __init__(self) -> None:
        self.bus, self.attempts = Bus(), AttemptRegister()
        self.facts = published_on(self.bus)
        self.part = LongAttempts(bus=self.bus, attempts=self.attempts)

    def running(self, job_id: int, age: float, *, attempt: int = 1, is_entered: bool = True) -> Running:
        run = Running(claimed(job_id, "works", attempt=attempt), works)
        run.started -= age
        run.is_entered = is_entered
        self.attempts.add(run)
        return run

    def mentioned(self) -> list[tuple[int, int]]:
        self.part.look()
        facts = self.facts()
        assert all(isinstance(fact, AttemptTakesLong) and fact.age >= 5 for fact in facts)
        return [(fact.job_id, fact.attempt) for fact in facts if isinstance(fact, AttemptTakesLong)]


def test_each_attempt_is_mentioned_once_when_it_has_run_for_long() -> None:
    rig = Rig()
    slow, quick = rig.running(2, 5.5), rig.running(1, 1.0)
    assert rig.mentioned() == [(2, 1)]
    quick.started -= 4.5
    assert rig.mentioned() == [(1, 1)]
    assert rig.mentioned() == []
    rig.attempts.ended(slow)
    rig.running(2, 6.0, attempt=2)
    assert rig.mentioned() == [(2, 2)]


def test_what_waits_for_a_process_or_its_first_step_does_not_run() -> None:
    rig = Rig()
    rig.running(1, 9.0, is_entered=False)
    waiting = Running(claimed(2, "hangs"), in_process(hangs))
    waiting.started -= 9
    waiting.is_entered = True
    rig.attempts.add(waiting)
    assert rig.mentioned() == []


def test_those_that_ended_are_forgotten() -> None:
    rig = Rig()
    run = rig.running(1, 9.0)
    assert rig.mentioned() == [(1, 1)]
    rig.attempts.ended(run)
    assert rig.mentioned() == []
    assert rig.part._mentioned == set()  # noqa: SLF001  # nothing is kept of it


async def test_a_runner_mentions_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONG_LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(module, "LONG_ATTEMPT_S", 0.02)

    @job
    async def lasts() -> None:
        fact = await next_fact(facts, AttemptTakesLong)
        mentioned.append(fact.type)

    mentioned: list[str] = []
    async with started(FakeClock(), lasts) as runner:
        facts = runner.watch()
        await (await runner.enqueue(lasts)).result()
    assert mentioned == ["lasts"]
