"""What a runner reports of the wall clock."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from aiojobs_lite.telemetry.fact import Fact


@dataclass(frozen=True, slots=True)
class JobsMovedBack(Fact):
    """The clock was ahead when jobs were written, and they were moved back, by `seconds` at most."""

    level = logging.WARNING
    part = "engine"
    text = "moved back: {jobs} jobs, by {seconds:.1f} s at most; the clock was ahead when they were written"
    jobs: int
    seconds: float
