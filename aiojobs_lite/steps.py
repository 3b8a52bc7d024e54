"""What durable handlers take beside their context: a step with options of its own."""

from __future__ import annotations

from aiojobs_lite.durable.step import Step

__all__ = ["Step"]
