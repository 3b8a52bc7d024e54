"""`simplified`: what is written in place of an end that the store rejects, which `settle` has decided before."""

from __future__ import annotations

from typing import Final

from aiojobs_lite.errors import StoreError
from aiojobs_lite.model.ends import Again, Close, Complete, End
from aiojobs_lite.model.job import Outcome, Status

_NOT_STORED: Final = "its end could not be stored"


def simplified(end: End, error: StoreError) -> End | None:
    """What to save in place of an end that the store rejects; None after the simplest. Pure and total.

    1. The same without its details: the store may be unable to take them (text that is no Unicode, say).
    2. The job is dead. Else it would be given back, run and be rejected again, without an end.

    Args:
        end: What the store rejects.
        error: Why it does.
    """
    why = f"{_NOT_STORED}: {type(error).__name__}"
    if not is_bare(end):
        if isinstance(end, Complete):
            return end._replace(result=None, note=why)
        return end._replace(failure=None, reason=why)
    if isinstance(end, Close):
        return None
    outcome = end.outcome if isinstance(end, Again) else Outcome.FAILED
    return Close(end.id, end.attempt, end.owner, end.type, outcome, Status.DEAD, why)


def is_bare(end: End) -> bool:
    """Whether an end has no details that the store may be unable to take: it was `simplified`."""
    reason = end.note if isinstance(end, Complete) else end.reason
    return (reason or "").startswith(_NOT_STORED)
