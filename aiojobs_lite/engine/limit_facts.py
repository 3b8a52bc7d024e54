"""The report of limits that code has given other values."""

from __future__ import annotations

from collections.abc import Iterable

from aiojobs_lite.clock import MICROSECONDS
from aiojobs_lite.model.limits import StoredLimit
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import LimitChanged


def publish_limits(bus: Bus, limits: Iterable[StoredLimit], changed: Iterable[StoredLimit]) -> None:
    """Publishes each limit that was stored with other values.

    Args:
        bus: Gets the facts.
        limits: What is stored.
        changed: Those that had other values, as they were: the answer to `SetLimits`.
    """
    if not bus.is_watched(LimitChanged):
        return
    by_name = {one.name: one for one in limits}
    for before in changed:
        limit = by_name[before.name]
        per = None if limit.per is None else limit.per / MICROSECONDS
        bus.publish(LimitChanged(limit.name, None, limit.most, per, before.most))
