"""What a run of pytest computes: seconds of processors, of all its processes, which a busy machine hardly changes."""

from __future__ import annotations

import os
import resource
from typing import Final

BUDGET: Final = "AIOJOBS_LITE_TESTS_CPU_S"  # a variable of the environment: the run fails beyond so many seconds


def used() -> float:
    """Seconds that this process and those that it has waited for have computed."""
    found = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in found)


def said(seconds: float) -> str:
    """What a run says of it at its end."""
    budget = os.environ.get(BUDGET)
    return f"{seconds:.0f} s of processors" + (f"; {budget} s may be used" if budget else "")


def is_too_much(seconds: float) -> bool:
    """Whether it is beyond the budget, if there is one."""
    return seconds > float(os.environ.get(BUDGET, "inf"))
