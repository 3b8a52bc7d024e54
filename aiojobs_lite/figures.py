"""Figures over all processes: what `runner.figures` gives."""

from __future__ import annotations

from aiojobs_lite.model.buckets import Durations
from aiojobs_lite.model.overview import BoundedCount
from aiojobs_lite.runner.figures import (
    DatabaseFigures,
    ErrorFigures,
    Figures,
    HourFigures,
    JobFigures,
    TypeFigures,
)

__all__ = [
    "BoundedCount",
    "DatabaseFigures",
    "Durations",
    "ErrorFigures",
    "Figures",
    "HourFigures",
    "JobFigures",
    "TypeFigures",
]  # fmt: skip
