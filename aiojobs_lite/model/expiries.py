"""Expiries: a job that is not begun by then is cancelled."""

from __future__ import annotations

from typing import Final, NamedTuple

from aiojobs_lite.model.writes import unanswered

EXPIRED: Final = "expired"
"""The reason of a job that was cancelled since its expiry came."""


class Expired(NamedTuple):
    """A job that a transaction cancelled since its expiry had come."""

    id: int
    type: str


class GetExpiry(NamedTuple):
    """When a job expires, in microseconds. Answer: the instant; None: never, or there is no such job."""

    id: int

    def answer(self) -> int | None:
        """See `Query`."""
        unanswered()
