"""Whether the store can be written, and what follows while it cannot."""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import Enum
from typing import Final

from aiojobs_lite.engine.ports import ChangeListener
from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import StoreDegraded, StoreRecovered

_FIRST_PAUSE_S: Final = 0.05  # between the tries of a store that cannot be written
_LONGEST_PAUSE_S: Final = 0.5


class _State(Enum):
    """What is known of the store."""

    GOOD = "good"
    FAILING = "the last transaction failed"
    IN_DOUBT = "it was written again, but a claim failed and none has succeeded since"


class Health:
    """Whether the store can be written: good, or degraded from the first fault until it is proven to work again.

    A fault may be of the claim alone (of a damaged page, say). Then only another claim proves that it is over.

    Args:
        bus: Gets `StoreDegraded` and `StoreRecovered`.
        listeners: Look again when the store was written again.

    Attributes:
        is_degraded: Whether the store cannot be written, as far as is known.
        is_claimable: Whether a claim may go with the next transaction.
    """

    def __init__(self, *, bus: Bus, listeners: Sequence[ChangeListener]) -> None:
        self._bus = bus
        self._listeners = listeners
        self.is_degraded = False  # attributes: they are looked at for each job
        self.is_claimable = True
        self._fault: tuple[str, str] | None = None  # code and detail; the error itself would keep its frames alive
        self._since = 0.0  # by the monotonic clock
        self._has_claim_failed = False
        self._pause_s = _FIRST_PAUSE_S

    @property
    def fault(self) -> str | None:
        """The code of the latest fault while the store is degraded, else None."""
        return None if self._fault is None else self._fault[0]

    @property
    def age(self) -> float:
        """For how many seconds the store has been degraded; 0.0 if it is not."""
        return time.monotonic() - self._since if self.is_degraded else 0.0

    def refusal(self) -> StoreUnavailable:
        """A new error for a caller that comes while the store is degraded: the latest fault, with its remedy."""
        return StoreUnavailable(*(self._fault or ("", "")))

    def failed(self, error: StoreUnavailable, *, with_claim: bool) -> None:
        """A transaction failed."""
        if not self.is_degraded:
            self._since = time.monotonic()
            self._pause_s = _FIRST_PAUSE_S
            if self._bus.is_watched(StoreDegraded):
                self._bus.publish(StoreDegraded(f"{error.code}: {error.detail}"))
        self._enter(_State.FAILING)
        self._fault = error.code, error.detail
        self._has_claim_failed = self._has_claim_failed or with_claim

    def lengthen_pause(self) -> float:
        """Seconds to wait before the next try; the wait after that is longer."""
        pause, self._pause_s = self._pause_s, min(_LONGEST_PAUSE_S, self._pause_s * 2)
        return pause

    def succeeded(self, *, with_claim: bool) -> None:
        """A transaction succeeded while the store was degraded."""
        if with_claim or not self._has_claim_failed:
            self.recover()
        else:
            self._enter(_State.IN_DOUBT)
        for listener in self._listeners:  # what was said to have failed may be there all the same
            listener.look_again()

    def recover(self) -> None:
        """The store works again: a transaction succeeded, and if a claim had failed, so did one, or none is due."""
        self._enter(_State.GOOD)
        self._fault = None
        self._has_claim_failed = False
        if self._bus.is_watched(StoreRecovered):
            self._bus.publish(StoreRecovered(time.monotonic() - self._since))

    def _enter(self, state: _State) -> None:
        self.is_degraded = state is not _State.GOOD
        self.is_claimable = state is not _State.FAILING
