"""What a promise of real time may take: half as much again on a quiet machine, in proportion more on a slow one."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable

import pytest

from tests.helpers import machine
from tests.helpers.machine import MARGIN, promised

Takes = Callable[[float, float, float], str]


@pytest.fixture
def takes(monkeypatch: pytest.MonkeyPatch) -> Takes:
    """What is promised 2 s takes so many, on a machine that is so slow before it and after it; returns how the promise
    is broken, or empty text.
    """

    def played(seconds: float, before: float, after: float) -> str:
        trials, instants = iter((before, after)), itertools.count(0.0, seconds)
        with monkeypatch.context() as patch:
            patch.setattr(machine, "slowness", lambda: next(trials))
            patch.setattr(time, "monotonic", lambda: next(instants))
            try:
                with promised(2):
                    pass
            except AssertionError as broken:
                return str(broken)
        return ""

    return played


@pytest.mark.parametrize(
    ("seconds", "before", "after"),
    [(2, 1, 1), (2 * MARGIN, 1, 1), (2 * MARGIN * 3, 3, 1), (2 * MARGIN * 3, 1, 3)],
    ids=["kept", "within the margin", "busy before", "busy after"],
)
def test_it_is_kept(takes: Takes, seconds: float, before: float, after: float) -> None:
    assert takes(seconds, before, after) == ""


@pytest.mark.parametrize(("seconds", "slowness"), [(2 * MARGIN + 0.1, 1), (2 * MARGIN * 3 + 0.1, 3)])
def test_it_is_broken(takes: Takes, seconds: float, slowness: float) -> None:
    assert re.match(r"it took .* promised are 2 s, here and now", takes(seconds, slowness, slowness))


def test_on_a_quiet_machine_it_is_at_most_twice_as_much() -> None:
    assert MARGIN <= 2


def test_a_quick_machine_is_held_to_what_a_quiet_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.slowness() >= 1
    monkeypatch.setattr(machine, "QUIET_S", 1e-9)
    assert machine.slowness() > 1000
    monkeypatch.setattr(machine, "QUIET_S", 1e9)
    assert machine.slowness() == 1
