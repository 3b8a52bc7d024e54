"""`settle_step`: what becomes of a step that failed, which is another rule than that of its job: `settle`."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, NamedTuple

from aiojobs_lite.clock import after
from aiojobs_lite.model.steps import StepState
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.policy.verdict import Verdict, Wish

_FINAL: Final = frozenset({Wish.NEVER, Wish.ABANDON, Wish.CANCEL})


class StepEnd(NamedTuple):
    """What becomes of a step that failed.

    Attributes:
        state: It failed for good, or waits until it is run again.
        attempts: How many of its attempts are used.
        until: When it is run again, in microseconds; None: it is not.
    """

    state: StepState
    attempts: int
    until: int | None


def settle_step(
    verdict: Verdict,
    attempts: int,
    most: int,
    backoff: Backoff,
    now: int,
    *,
    chance: Callable[[], float] = random.random,
) -> StepEnd:
    """Decides what becomes of a step that failed. Pure and total.

    Args:
        verdict: What its failure asks for.
        attempts: How many of its attempts were used before.
        most: How many it may have.
        backoff: The waits between them.
        now: The instant, in microseconds.
        chance: The backoff's randomness, 0 to 1.
    """
    if is_last(verdict, attempts, most):
        return StepEnd(StepState.FAILED, attempts + 1, None)
    if verdict.wish is not Wish.SNOOZE:  # which uses no attempt
        attempts += 1
    at = verdict.instant(now)
    if at is None:
        at = after(now, backoff.delay(max(attempts, 1), chance))
    return StepEnd(StepState.WAITING, attempts, at)


def is_last(verdict: Verdict, attempts: int, most: int) -> bool:
    """Whether what failed is not tried again; see `settle_step`."""
    return verdict.wish in _FINAL or (verdict.wish is not Wish.SNOOZE and attempts + 1 >= most)
