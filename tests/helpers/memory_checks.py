"""What a store of plain Python rejects, as every store must."""

from __future__ import annotations

from typing import Final

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.job import PRIORITIES, NewJob

_LARGEST: Final = 2**63 - 1


def check(value: object) -> None:
    """Checks what a write brings: all parts of it.

    Raises:
        StoreRejected: If it cannot be stored as it stands.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise StoreRejected(str(error)) from error
    elif isinstance(value, int) and abs(value) > _LARGEST:
        raise StoreRejected(f"{value} has more than 64 bits")
    elif isinstance(value, tuple):
        for part in value:
            check(part)
    if isinstance(value, NewJob):
        _check_new(value)


def _check_new(row: NewJob) -> None:
    if row.priority not in PRIORITIES.values() or row.max_attempts < 1:
        raise StoreRejected(f"{row} contradicts itself")
    try:
        for instant in (row.scheduled_at, row.created_at, row.tick or 0):
            to_datetime(instant)
    except OverflowError as error:
        raise StoreRejected(str(error)) from error
