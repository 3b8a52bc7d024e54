"""How an attempt ended, as far as the middleware around it sees."""

from __future__ import annotations

import asyncio
from typing import Final

from aiojobs_lite.model.job import Outcome
from aiojobs_lite.policy.outcomes import Cancel, Snooze
from aiojobs_lite.policy.settle import Stop

_STOPPED: Final = {
    f"aiojobs_lite: {Stop.TIMEOUT.value}": Outcome.TIMED_OUT,
    f"aiojobs_lite: {Stop.CANCEL.value}": Outcome.CANCELLED,
    f"aiojobs_lite: {Stop.SUSPEND.value}": Outcome.SUSPENDED,
}
_FAULTS: Final = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})


def outcome_of(raised: BaseException | None) -> Outcome:
    """The outcome of an attempt by what its handler raised; None: it returned."""
    match raised:
        case None:
            return Outcome.SUCCEEDED
        case Snooze():
            return Outcome.SNOOZED
        case Cancel():
            return Outcome.CANCELLED
        case asyncio.CancelledError():
            return _STOPPED.get(str(raised), Outcome.INTERRUPTED)
        case _:
            return Outcome.FAILED


def is_fault(outcome: Outcome) -> bool:
    """Whether something went wrong: a suspension, a snooze, a cancel and a drain are no faults."""
    return outcome in _FAULTS
