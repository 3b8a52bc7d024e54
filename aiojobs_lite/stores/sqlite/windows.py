"""The windows of keys: which jobs were added of late with the key of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from aiojobs_lite.clock import LAST_INSTANT
from aiojobs_lite.model.admission import Candidate, window_end
from aiojobs_lite.stores.sqlite.transaction import Transaction

WINDOW_ROW: Final = "(?, ?, ?, ?, ?)"
_FORGOTTEN_EACH: Final = 2  # windows that are over, for each one that is written: they go quicker than they come


class Window(NamedTuple):
    """Where the window of a row stands.

    Attributes:
        job_id: The stored job that has it, or None.
        end: Until when it is taken.
        is_full: Whether it takes no more.
    """

    job_id: int | None
    end: int
    is_full: bool


class Windows:
    """The windows that the rows of one `Admit` take."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._ends: dict[tuple[str, str], int] = {}  # until when each is taken, if the rows so far are added

    def look_at(self, candidate: Candidate, key: str) -> Window:
        """Where the window of a row stands, behind the rows so far."""
        now, wanted = self._transaction.now, (candidate.row.type, key)
        job_id, end = None, now
        if wanted in self._ends:
            end = window_end(now, self._ends[wanted], candidate, now)
        elif (found := self._transaction.one("window_of_key", wanted)) is not None:
            job_id, since, until = found
            end = window_end(since, until, candidate, now)
        return Window(job_id, end, end > now + candidate.window_slack)

    def take(self, candidate: Candidate, key: str, end: int) -> None:
        """Notes that a row is to be added, whose window is taken until an instant."""
        self._ends[candidate.row.type, key] = end + candidate.window

    def save(self, jobs: Sequence[tuple[str, str, int]]) -> None:
        """Gives the keys of windows to the jobs that were added, the last first, and forgets some that are over.

        Args:
            jobs: Type, key and id of each, in the order of the rows.
        """
        if not jobs:
            return
        transaction, now = self._transaction, self._transaction.now
        latest = {(kind, key): job_id for kind, key, job_id in jobs}
        rows = [(*one, job_id, now, min(self._ends[one], LAST_INSTANT)) for one, job_id in latest.items()]
        transaction.run_all("set_windows", WINDOW_ROW, rows)
        for window in transaction.run("windows_over", (now, _FORGOTTEN_EACH * len(jobs))).fetchall():
            transaction.run("forget_window", window)
