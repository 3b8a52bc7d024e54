"""Durable steps: what handlers take beside their context, and how their operations stand."""

from __future__ import annotations

from aiojobs_lite.durable.step import Step
from aiojobs_lite.runner.steps import JobStep, ParentStep

__all__ = ["JobStep", "ParentStep", "Step"]
