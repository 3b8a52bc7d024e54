"""The rings of tests: the first draws the same each time, each run of the second anew; no test goes on for ever."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import engine

from tests.helpers import cpu, limits, seeds
from tests.helpers.limits import limited
from tests.helpers.rings import _RUN, DRAWN, SMALLER_S, draw, drawn, share, slow
from tests.helpers.root import ROOT
from tests.helpers.waiting import PATIENCE, unmeasured


@pytest.mark.parametrize("is_deep", [False, True])
def test_what_a_test_draws_in_the_first_ring_is_the_same_each_time(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, is_deep: bool
) -> None:
    monkeypatch.setattr(seeds, "depth", lambda first, second: second if is_deep else first)
    drawn = []
    for seed in range(2):
        random.seed(seed)  # as the order of the tests has it
        seeds.begin(request.node)
        drawn.append(random.random())
    assert len(set(drawn)) == (2 if is_deep else 1)


def test_what_a_run_of_the_second_ring_draws_is_repeated_in_each_of_its_processes(
    monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    monkeypatch.setattr(seeds, "depth", lambda first, second: second)
    monkeypatch.setattr(pytestconfig.option, "hypothesis_seed", None)
    worker: dict[str, object] = {}
    monkeypatch.setattr(pytestconfig, "workerinput", worker, raising=False)
    seeds.draw(pytestconfig)
    seed = pytestconfig.getoption("hypothesis_seed")
    seeds.hand_on(pytestconfig, worker)
    for in_worker, is_same in ((worker, True), ({}, False)):
        monkeypatch.setattr(pytestconfig.option, "hypothesis_seed", None)
        monkeypatch.setattr(pytestconfig, "workerinput", in_worker)
        seeds.draw(pytestconfig)
        assert (seeds.repeats(pytestconfig).endswith(f"--hypothesis-seed={seed}")) is is_same


class Case:
    """An item of pytest, as far as `draw` looks at it."""

    def __init__(self, number: int, *marks: pytest.Mark) -> None:
        self.nodeid, self._marks = f"tests/test_a.py::test_a[{number}]", {mark.name: mark for mark in marks}

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        return self._marks.get(name)


def drawn_of(config: pytest.Config, *marks: pytest.Mark) -> list[str]:
    cases: Any = [Case(number, *marks) for number in range(300)]
    kept, left = draw(cases, config)
    assert {*kept, *left} == {*cases}
    return [case.nodeid for case in kept]


def test_a_run_of_the_second_ring_draws_one_case_of_so_many_by_its_seed(
    monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    marks = slow.mark, drawn(3).mark
    monkeypatch.setattr(pytestconfig, "args", ["tests"])
    monkeypatch.setenv(DRAWN, "1")
    monkeypatch.setattr(_RUN, "is_deep", False)
    assert len(drawn_of(pytestconfig, *marks)) == 300
    monkeypatch.setattr(_RUN, "is_deep", True)
    runs = []
    for seed in ("1", "1", "2"):
        monkeypatch.setattr(pytestconfig.option, "hypothesis_seed", seed)
        runs.append(drawn_of(pytestconfig, *marks))
    assert runs[0] == runs[1] != runs[2]
    assert all(70 < len(run) < 130 for run in runs)
    assert len(drawn_of(pytestconfig, slow.mark)) == len(drawn_of(pytestconfig, drawn(3).mark)) == 300
    monkeypatch.setattr(pytestconfig, "args", ["tests/test_a.py::test_a"])
    assert len(drawn_of(pytestconfig, *marks)) == 300
    monkeypatch.setattr(pytestconfig, "args", ["tests"])
    assert share(9, 3) == 3
    monkeypatch.delenv(DRAWN)
    assert len(drawn_of(pytestconfig, *marks)) == 300
    assert share(9, 3) == 9


def failure(profile: str) -> int:
    """The number that is shown when one of 1000 or more fails."""
    drawn: list[int] = []

    @settings(settings.get_profile(profile), derandomize=True, database=None)
    @given(st.integers(min_value=0))
    def fails(number: int) -> None:
        drawn.append(number)
        assert number < 1000

    with pytest.raises(AssertionError):
        fails()
    return drawn[-1]


@pytest.mark.parametrize("profile", ["first", "second", "smaller"])
def test_a_failure_is_made_smaller_in_the_second_ring_and_in_the_first_if_that_is_asked_for(profile: str) -> None:
    assert (failure(profile) == 1000) is (profile != "first")


def test_a_smaller_failure_is_looked_for_a_minute_long(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine.MAX_SHRINKING_SECONDS == SMALLER_S
    monkeypatch.setattr(engine, "MAX_SHRINKING_SECONDS", -1)
    assert failure("second") > 1000


async def test_a_test_that_hangs_is_ended_and_says_what_its_tasks_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "depth", lambda *_: 0.02)

    async def waits_in_vain() -> None:
        await asyncio.Event().wait()

    async def hangs() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(waits_in_vain(), name="another task")

    with pytest.raises(AssertionError) as caught:
        await limited(hangs, "test_this")()
    said = str(caught.value)
    assert said.startswith("test_this has not ended in 0.02 s; its tasks wait:\n")
    assert "hangs\n" in said
    (other,) = [part for part in said.split("\n  ") if part.startswith("another task, for <Future pending")]
    assert "waits_in_vain" in said[said.index(other) :]
    assert "Event.wait" in said[said.index(other) :]


async def test_a_timeout_of_the_test_itself_is_its_own() -> None:
    async def fails() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await limited(fails, "test_this")()


async def test_each_asynchronous_test_has_the_limit() -> None:
    task = asyncio.current_task()
    assert task is not None
    names = [frame.f_code.co_qualname for frame in limits.frames(task)]
    assert "limited.<locals>.within" in names


@pytest.mark.parametrize(
    ("budget", "slowness", "is_too_much", "said"),
    [
        ("7.5", 3, False, "; 7.5 s may be used"), ("7.4", 1, True, "; 7.4 s may be used"), (None, 1, False, ""),
        ("2.4", 3, True, "; 7.2 s may be used"), ("2.5", 3, False, "; 7.5 s may be used"),
    ],
)  # fmt: skip
def test_a_run_that_computes_for_longer_than_it_may_says_so(
    monkeypatch: pytest.MonkeyPatch, budget: str | None, slowness: float, is_too_much: bool, said: str
) -> None:
    monkeypatch.setattr(cpu, "slowness", lambda: slowness)
    monkeypatch.delenv(cpu.BUDGET, raising=False)
    if budget is not None:
        monkeypatch.setenv(cpu.BUDGET, budget)
    assert cpu.is_too_much(7.5) is is_too_much
    assert cpu.said(7.5) == f"8 s of processors{said}"


def test_a_quick_processor_is_held_to_what_a_usual_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "USUAL_S", 1e9)
    assert cpu.slowness.__wrapped__() == 1
    monkeypatch.setattr(cpu, "USUAL_S", 1e-9)
    assert cpu.slowness.__wrapped__() > 1000


@slow
@pytest.mark.parametrize(("processes", "budget", "code"), [(0, "0.01", 1), (2, "0.01", 1), (0, "999", 0)])
def test_a_run_that_computes_for_longer_than_it_may_fails(processes: int, budget: str, code: int) -> None:
    """With what its processes have computed."""
    command = [sys.executable, "-m", "pytest", "-n", str(processes), "-p", "no:cacheprovider", "tests/test_text.py"]
    environment = {**unmeasured(), cpu.BUDGET: budget}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=9 * PATIENCE, check=False
    )
    assert (done.returncode, " s may be used" in done.stdout) == (code, True), done.stdout
