"""Instants as the API has them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from aiojobs_lite.clock import to_datetime

_EPOCH: Final = to_datetime(0)


def milliseconds(instant: datetime) -> int:
    """An instant in whole milliseconds since 1970 UTC."""
    return (instant - _EPOCH) // timedelta(milliseconds=1)
