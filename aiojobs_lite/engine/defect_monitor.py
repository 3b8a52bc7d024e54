"""Looks for defects of the library itself, so that every attempt has an end even then."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Final

from aiojobs_lite.clock import until_beat
from aiojobs_lite.engine.ports import Check
from aiojobs_lite.engine.running import AttemptRegister
from aiojobs_lite.engine.suspects import Defect
from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.logs import get_log
from aiojobs_lite.origin import Origin
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import DefectFound

_log = get_log("engine")
DEFECTS_EVERY_S: Final = 1.0


class DefectMonitor:
    """Has the checks look once a second, and publishes what they found. A job costs nothing more for it.

    Args:
        bus: Gets `DefectFound`.
        attempts: Whether the runner was left: then nothing is looked for any more.
        checks: What looks.
        describe: Says what is known of the parts, for a report.
    """

    def __init__(
        self, *, bus: Bus, attempts: AttemptRegister, checks: Sequence[Check], describe: Callable[[], str]
    ) -> None:
        self._bus = bus
        self._attempts = attempts
        self._checks = tuple(checks)
        self._describe = describe
        self._failing: dict[Check, type[Exception]] = {}  # with what they failed last
        self._origin = Origin()

    async def run(self) -> None:
        """Looks, until it is cancelled. Sleeps by the event loop's own clock: a test's may stand still."""
        while True:
            await asyncio.sleep(until_beat(DEFECTS_EVERY_S))
            for check in self._checks:
                if not self._attempts.is_left and not self._origin.is_left:
                    await self._look(check)

    async def _look(self, check: Check) -> None:
        try:
            defects = await check.look()
        except StoreUnavailable:  # is published by the parts that write
            return
        except Exception as error:  # noqa: BLE001  # logged, once: the other checks go on
            if self._failing.get(check) is not type(error):
                self._failing[check] = type(error)
                _log.exception("a check for defects of the library failed, the others go on; please report it")
            return
        self._failing.pop(check, None)
        for defect in defects:
            self._publish(defect)

    def _publish(self, defect: Defect) -> None:
        if self._bus.is_watched(DefectFound):
            parts = "; ".join(filter(None, [defect.parts, self._describe(), _platform()]))
            self._bus.publish(DefectFound(defect.what, defect.job_id, defect.type, defect.attempt, defect.age, parts))


def _platform() -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    return f"Python {version} on {sys.platform}, {type(asyncio.get_running_loop()).__module__}"
