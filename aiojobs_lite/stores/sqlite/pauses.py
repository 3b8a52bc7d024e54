"""Types that no owner may claim."""

from __future__ import annotations

from aiojobs_lite.model.writes import PauseType
from aiojobs_lite.stores.sqlite.transaction import Transaction


def pause_type(transaction: Transaction, write: PauseType) -> None:
    """See `PauseType`."""
    transaction.run("pause" if write.paused else "resume", (write.type,))
    if not write.paused:
        transaction.due.add_known(write.type)
