"""What is around each part that runs: no fault of one ends the others, or reaches the host."""

from __future__ import annotations

import asyncio
from typing import Final

from aiojobs_lite.engine.phase import Progress
from aiojobs_lite.engine.ports import Part
from aiojobs_lite.errors import RunnerClosed, StoreUnavailable
from aiojobs_lite.logs import get_log

_log = get_log("engine")
_RESTART_PAUSE_S: Final = 1.0


async def keep_running(part: Part, progress: Progress) -> None:
    """Runs a part until it is cancelled. One that fails is started again after a pause."""
    name = type(part).__name__
    while True:
        try:
            await part.run()
        except (StoreUnavailable, RunnerClosed) as error:
            if not progress.is_closed:
                _log.warning("%s: %s", name, error)
        except Exception:  # noqa: BLE001  # logged, and the part is started again
            _log.exception("%s failed and is started again; please report it", name)
        await asyncio.sleep(_RESTART_PAUSE_S)
