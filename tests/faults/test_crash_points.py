"""Lives of a store and of a runner end at the n-th statement or system call, or meet an error there, for every n.

After each, what was left is judged: it is sound, every acknowledged job is there, nothing is half done. Every statement
of the store is tried here, of all others a sample, another one each time (`--randomly-seed=...` brings one back);
with CRASH_POINTS=all every point is. One alone: `python -m tests.helpers.apps.points FOLDER POINT`, as it is printed.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import pytest

from aiojobs_lite.stores.base import Durability
from tests.helpers.apps.points import CALLS, Point, Verdict
from tests.helpers.rings import needs_strace, share, slow
from tests.helpers.root import ROOT

pytestmark = slow

AT_ONCE = 2
ALL = os.environ.get("CRASH_POINTS") == "all"


class Laboratory:
    """A process that carries points out."""

    def __init__(self, folder: Path) -> None:
        unmeasured = {name: "" for name in os.environ if name.startswith("COVERAGE_")}  # most lives end unmeasured
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.apps.points", folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, **unmeasured},
        )  # fmt: skip

    def carry_out(self, point: Point) -> Verdict:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(point) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "it has ended: its standard error says why"
        return Verdict(*json.loads(answer))

    def close(self) -> None:
        self._process.communicate()


class Laboratories:
    """Some of them, side by side."""

    def __init__(self, folder: Path) -> None:
        self._all = [Laboratory(folder) for _ in range(AT_ONCE)]
        self._counted: dict[Point, dict[str, int]] = {}
        self._free: SimpleQueue[Laboratory] = SimpleQueue()
        for one in self._all:
            self._free.put(one)

    def carry_out(self, points: Sequence[Point]) -> list[Verdict]:
        """Carries points out; one verdict each, in their order."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(self._carry_out, points))

    def counted(self, life: str, durability: Durability, gate: str, call: str) -> dict[str, int]:
        """How often a life makes each call: `statement`, or all system calls."""
        point = Point(life, durability, gate, "none", call, 0)
        if point not in self._counted:
            (verdict,) = self.carry_out([point])
            assert verdict.problem is None, verdict.problem
            self._counted[point] = verdict.counted
        return self._counted[point]

    def try_out(self, points: Sequence[Point], at_most: int) -> list[str]:
        """Carries out a sample of points, so many of each call, or all; returns those that were judged badly."""
        chosen = list(points) if ALL else sampled(points, at_most)
        verdicts = self.carry_out(chosen)
        reached = [point for point, verdict in zip(chosen, verdicts, strict=True) if verdict.is_reached]
        sys.stdout.write(f"{len(reached)} of {len(chosen)} points were reached, of {len(points)} that there are:\n")
        sys.stdout.write("".join(f"{json.dumps(point)}\n" for point in chosen))
        assert len(reached) > 0.4 * len(chosen)  # lives differ: not each makes as many calls
        judged = zip(chosen, verdicts, strict=True)
        return [f"{json.dumps(point)}\n{verdict.problem}" for point, verdict in judged if verdict.problem]

    def close(self) -> None:
        for one in self._all:
            one.close()

    def _carry_out(self, point: Point) -> Verdict:
        one = self._free.get()
        try:
            return one.carry_out(point)
        finally:
            self._free.put(one)


def sampled(points: Sequence[Point], at_most: int) -> list[Point]:
    """So many points of each call, or all that there are of it."""
    by_call: defaultdict[str, list[Point]] = defaultdict(list)
    for point in points:
        by_call[point.call].append(point)
    return [point for group in by_call.values() for point in random.sample(group, min(at_most, len(group)))]


@pytest.fixture(scope="module")
def laboratories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratories]:
    made = Laboratories(tmp_path_factory.mktemp("lives"))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("life", "durability", "at_most"),
    [
        ("store", "normal", share(120, 40)),
        ("store", "full", share(15, 10)),
        ("runner", "normal", share(8, 5)),
        ("runner", "full", share(8, 5)),
    ],
)
def test_a_process_that_ends_at_any_statement_leaves_nothing_half_done(
    laboratories: Laboratories, life: str, durability: Durability, at_most: int
) -> None:
    total = laboratories.counted(life, durability, "begin", "statement")["statement"]
    assert total > 100
    points = [Point(life, durability, "begin", "exit", "statement", nth) for nth in range(1, total + 1)]
    assert laboratories.try_out(points, at_most) == []


@needs_strace
@pytest.mark.parametrize(("durability", "gate"), [("full", "begin"), ("normal", "opened")])
@pytest.mark.parametrize(("life", "at_most"), [("store", share(5, 3)), ("runner", share(2, 1))])
def test_a_process_that_is_killed_at_any_system_call_leaves_nothing_half_done(
    laboratories: Laboratories, life: str, durability: Durability, gate: str, at_most: int
) -> None:
    assert laboratories.try_out(system_calls(laboratories, life, durability, gate, "SIGKILL"), at_most) == []


@needs_strace
@pytest.mark.parametrize(("fault", "times"), [("ENOSPC", 1), ("EIO", 1), ("ENOSPC", 5), ("EIO", 5)])
@pytest.mark.parametrize(("life", "at_most"), [("store", share(2, 1)), ("runner", 1)])
def test_a_process_goes_on_after_an_error_of_any_system_call(
    laboratories: Laboratories, life: str, fault: str, times: int, at_most: int
) -> None:
    full = system_calls(laboratories, life, "full", "begin", fault, times)
    normal = system_calls(laboratories, life, "normal", "opened", fault, times)
    assert laboratories.try_out([*full, *normal], at_most) == []


def system_calls(
    laboratories: Laboratories, life: str, durability: Durability, gate: str, fault: str, times: int = 1
) -> list[Point]:
    """Every system call of a life that writes; only those that write to the database can fail."""
    counted = laboratories.counted(life, durability, gate, CALLS[0])
    calls = [call for call in CALLS if call in counted and (fault == "SIGKILL" or call != "write")]
    assert len(calls) >= 4
    return [
        Point(life, durability, gate, fault, call, nth, times) for call in calls for nth in range(1, counted[call] + 1)
    ]
