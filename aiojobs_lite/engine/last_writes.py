"""The last writes of a runner: the ends of its attempts, and marks on those that go on."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from aiojobs_lite.engine.ports import LastCommits
from aiojobs_lite.engine.running import AttemptRegister
from aiojobs_lite.errors import StoreError
from aiojobs_lite.model.writes import MarkInterrupted, Unit
from aiojobs_lite.stores.base import Owners

LAST_WRITES_LEAST_S: Final = 0.5  # that they may take in any case; the close has as much
_STEP_S: Final = 0.002


class LastWrites:
    """Saves what is left to save in the time that a drain has, and notes beside the database if that was too short.

    Args:
        commits: Saves it.
        attempts: Says what goes on, and which ends are not saved.
        owners: Takes the note.
        drain_timeout: Seconds that running jobs may take to end by themselves.
        cancel_grace: Seconds that they may take to end when they were stopped.
    """

    def __init__(
        self, *, commits: LastCommits, attempts: AttemptRegister, owners: Owners, drain_timeout: float,
        cancel_grace: float,
    ) -> None:  # fmt: skip
        self._commits = commits
        self._attempts = attempts
        self._owners = owners
        self._drain_timeout = drain_timeout
        self._least = cancel_grace + LAST_WRITES_LEAST_S
        self._deadline = 0.0
        self._marked: set[int] = set()

    def drain_started(self) -> None:
        """From now on the time counts."""
        self._deadline = time.monotonic() + self._drain_timeout + self._least

    async def save(self, hurry: asyncio.Event) -> None:
        """Returns when all is saved, or when the time is over.

        - For what attempts have left: that of the whole drain, or that of a stop from when it is to hurry.
        - For anything else: half a second.
        """
        for run in self._attempts:
            claimed = run.claimed
            self._commits.keep((MarkInterrupted(claimed.id, claimed.attempt, claimed.owner),), self._mark_saved)
        self._commits.wake()
        least = time.monotonic() + LAST_WRITES_LEAST_S
        deadline = max(self._deadline, least)
        is_hurried = False
        while not self._commits.is_idle and time.monotonic() < (deadline if self._has_unsaved() else least):
            if hurry.is_set() and not is_hurried:
                is_hurried = True
                deadline = min(deadline, time.monotonic() + self._least)
            await asyncio.sleep(_STEP_S)

    def note_unsaved(self) -> None:
        """Leaves a note for the rescue, which then gives the attempts back, if some of their ends were not saved."""
        if self._has_unsaved():
            self._owners.note_interrupted()

    def _has_unsaved(self) -> bool:
        return self._attempts.unsaved > 0 or any(run.claimed.id not in self._marked for run in self._attempts)

    def _mark_saved(self, unit: Unit, _answer: object, error: StoreError | None) -> None:
        mark: MarkInterrupted = unit[0]  # type: ignore[assignment]  # as it was kept
        if error is None:
            self._marked.add(mark.id)
