"""What is around the parts that run: no fault of one ends the others, or reaches the host."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from aiojobs_lite.engine.phase import Progress
from aiojobs_lite.engine.ports import Part
from aiojobs_lite.errors import RunnerClosed, StoreUnavailable
from aiojobs_lite.logs import get_log
from aiojobs_lite.origin import Origin
from aiojobs_lite.telemetry.wording import span

_log = get_log("engine")
RESTART_PAUSE_S: Final = 1.0
PROVEN_S: Final = 5.0  # a part that ran for so long has used the database; each looks every two seconds


class Keeper:
    """Keeps the parts of a runner running: one that fails is started again after a pause.

    A fault of the store is logged once for all parts, and once that it is over; a defect of a part
    once until it ran again for a while.

    Args:
        progress: Says when the runner is closed, and faults are no news any more.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._origin = Origin()
        self._without_store: set[Part] = set()  # the parts that failed for it, and are not proven to run again
        self._codes: set[str] = set()  # of the faults that were logged since the first of them
        self._defects: dict[Part, type[Exception]] = {}  # that were logged, of the parts that are not proven to run
        self._since = self._latest = 0.0  # the first and the last of them, by the monotonic clock

    async def keep_running(self, part: Part) -> None:
        """Runs a part until it is cancelled."""
        while True:
            timer = asyncio.get_running_loop().call_later(PROVEN_S, self._proven, part)
            try:
                await part.run()
            except StoreUnavailable as error:
                self._failed(part, error)
            except RunnerClosed:
                pass
            except Exception as error:  # noqa: BLE001  # logged, and the part is started again
                if self._origin.is_left:  # a copy of the application, in which nothing is to go on
                    return
                if self._defects.get(part) is not type(error):
                    self._defects[part] = type(error)
                    _log.exception(
                        "a part of the runner failed, for a defect of the library, and is started again every second "
                        "until it runs; please report it"
                    )
            finally:
                timer.cancel()
            await asyncio.sleep(RESTART_PAUSE_S)

    def _failed(self, part: Part, error: StoreUnavailable) -> None:
        if self._progress.is_closed:
            return
        self._latest = time.monotonic()
        if not self._without_store:
            self._since = self._latest
            self._codes.clear()
        self._without_store.add(part)
        if error.code not in self._codes:
            self._codes.add(error.code)
            _log.warning(
                "the database cannot be used now (%s: %s): until it can, what other processes did is not noticed, "
                "and jobs of dead ones are not given back; tried again every second",
                error.code,
                error.detail,
            )

    def _proven(self, part: Part) -> None:
        self._defects.pop(part, None)
        if part in self._without_store:
            self._without_store.discard(part)
            if not self._without_store:
                _log.warning("the database can be used again, after at least %s", span(self._latest - self._since))
