"""What a promise of real time may take on this machine, as busy as it is now.

Nearly all times of tests are those of a clock that the test moves, and are exact. A few promises are about real
processes and threads: that a drain ends, that the jobs of a killed process are rescued. A machine that is slow, or
busy with other tests, keeps no such promise to the letter, and a fixed allowance would hide a drain that takes five
times as long. So a trial of fixed work is timed beside what is promised, and the promise grows by as much as the trial
is slower than on a quiet machine: there a promise of 3 s may take 4.5 s.

The trial computes and hands over to a thread, as a runner does with its database. It starts no process: whether one
has ended in a test is looked at after it. Load comes and goes, so the trial is timed before what is promised, and
again after it if that was late; the slower one counts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Final

MARGIN: Final = 1.5  # by which load that no trial saw may stretch what is promised
QUIET_S: Final = 0.020  # that a trial takes on a quiet machine of two cores
_ROUNDS: Final = 20
_NUMBERS: Final = 25_000  # that a round adds up: a millisecond


def slowness() -> float:
    """How many times as long as on a quiet machine a trial takes now; 1 on one that is quicker."""
    started = time.monotonic()
    for _ in range(_ROUNDS):
        thread = Thread(target=sum, args=(range(_NUMBERS),))
        thread.start()
        sum(range(_NUMBERS))
        thread.join()
    return max(1.0, (time.monotonic() - started) / QUIET_S)


@contextmanager
def promised(seconds: float) -> Iterator[None]:
    """The block takes no longer than is promised, as far as this machine lets it."""
    before, started = slowness(), time.monotonic()
    yield
    took = time.monotonic() - started
    allowed = seconds * MARGIN * (before if took <= seconds else max(before, slowness()))
    assert took <= allowed, f"it took {took:.2f} s; promised are {seconds:g} s, here and now {allowed:.2f} s"
