"""What a handler raises to decide what becomes of its job."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from aiojobs_lite.errors import AiojobsError, InvalidOption
from aiojobs_lite.policy.outcomes import Abandon, Cancel, Retry, Signal, Snooze


def test_signals_keep_their_delay_in_seconds_and_their_reason() -> None:
    assert Retry("busy", after="30s").after == 30.0
    assert str(Retry("busy")) == "busy"
    assert Retry().after is None
    assert Snooze("10m", "early").delay == 600.0
    assert str(Snooze(1, "early")) == "early"
    assert str(Abandon("bad input")) == "bad input"
    assert str(Cancel("gone")) == "gone"


@pytest.mark.parametrize(
    ("make", "option"),
    [(lambda: Retry(after=-1), "after"), (lambda: Snooze("soon"), "delay"), (lambda: Snooze(float("nan")), "delay")],
)
def test_a_signal_with_an_impossible_delay_is_refused(make: Callable[[], Signal], option: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        make()
    assert caught.value.option == option


@pytest.mark.parametrize("signal", [Retry("busy", after=3), Retry(), Snooze("10m", "early"), Abandon("x"), Cancel()])
def test_signals_survive_the_way_from_another_process(signal: Signal) -> None:
    for found in (pickle.loads(pickle.dumps(signal)), copy.copy(signal)):
        assert type(found) is type(signal)
        assert (found.args, vars(found)) == (signal.args, vars(signal))


def test_signals_are_no_errors_of_the_library() -> None:
    assert Signal.__subclasses__() == [Retry, Snooze, Abandon, Cancel]
    assert not issubclass(Signal, AiojobsError)
