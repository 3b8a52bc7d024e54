"""What attempts report while they run: kept in memory, and written at most twice a second for each attempt.

The last report of an attempt lies in the unit of its end, so that it is stored with it, or refused with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from functools import partial
from itertools import count
from typing import Any, Final

from aiojobs_lite.clock import Clock
from aiojobs_lite.engine.ports import Commits, RunningAttempts
from aiojobs_lite.errors import StoreError
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.admission import Admit, Candidate
from aiojobs_lite.model.ends import Complete, End
from aiojobs_lite.model.job import Claimed, Outcome
from aiojobs_lite.model.progress import NewLine, Report
from aiojobs_lite.model.writes import Unit
from aiojobs_lite.sizes import MOST_LOG_LINES

_log = get_log("jobs")
WRITE_EVERY_S: Final = 0.5  # for each attempt; the first report of it is written at once
_ENDED_BY_HANDLERS: Final = frozenset({Outcome.FAILED, Outcome.SNOOZED})
YIELD_EVERY_S: Final = 0.02  # that a handler which does nothing but report gives to the event loop


class _Open:
    """What one attempt has reported that is not yet written.

    Attributes:
        claimed: The attempt.
        at: When it last said how far it is; None: it did not since the last write.
        fraction: How far it is.
        text: What it does.
        lines: What it logged since the last write.
        following: The jobs that are enqueued with its end.
        dropped: How many lines before these are not kept.
        is_changed: Whether there is anything to write.
        is_writing: Whether a write is on its way.
        is_refused: Whether the attempt is not owned any more.
        next_write: Not before this time of the event loop.
        next_turn: When the event loop is to have a turn, by the monotonic clock.
        timer: Of the next write, or None.
    """

    __slots__ = (
        "at", "claimed", "dropped", "following", "fraction", "is_changed", "is_refused", "is_writing", "lines",
        "next_turn", "next_write", "text", "timer",
    )  # fmt: skip

    def __init__(self, claimed: Claimed) -> None:
        self.claimed = claimed
        self.at: int | None = None
        self.fraction: float | None = None
        self.text: str | None = None
        self.lines: deque[NewLine] = deque(maxlen=MOST_LOG_LINES)
        self.following: list[Candidate] = []
        self.dropped = 0
        self.is_changed = self.is_writing = self.is_refused = False
        self.next_write = self.next_turn = 0.0
        self.timer: asyncio.TimerHandle | None = None


class Reports:
    """The reports of the attempts that run in this runner. Handlers in threads call it as well.

    Args:
        commits: Makes them durable.
        clock: Gives each its instant.
        attempts: Says what runs: what an attempt reports after its end is dropped.

    Attributes:
        open: What is reported by attempts that run, by job. Empty as long as no handler reports anything.
    """

    def __init__(self, *, commits: Commits, clock: Clock, attempts: RunningAttempts) -> None:
        self._commits = commits
        self._clock = clock
        self._attempts = attempts
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._serials = count(1)
        self._is_closed = False
        self.open: dict[int, _Open] = {}

    # Of handlers, on any thread.

    def progress(self, claimed: Claimed, fraction: float | None, text: str | None) -> bool:
        """See `Reporter`."""
        now = self._clock.now()
        with self._lock:
            found = self._opened(claimed)
            if found is None:
                return False
            found.at, found.fraction, found.text = now, fraction, text
            self._change(found)
        turn = time.monotonic()
        if turn < found.next_turn:
            return False
        found.next_turn = turn + YIELD_EVERY_S
        return True

    def log(self, claimed: Claimed, line: str) -> None:
        """See `Reporter`."""
        now = self._clock.now()
        with self._lock:
            found = self._opened(claimed)
            if found is None:
                return
            found.dropped += len(found.lines) == MOST_LOG_LINES
            found.lines.append(NewLine(now, line))
            self._change(found)

    def follow(self, claimed: Claimed, candidate: Candidate) -> None:
        """Takes a job that is to be enqueued with the end of an attempt, if its handler ends it."""
        with self._lock:
            found = self._opened(claimed)
            if found is not None:
                found.following.append(candidate)

    def _opened(self, claimed: Claimed) -> _Open | None:
        found = self.open.get(claimed.id)
        if found is None or found.claimed is not claimed:
            if self._is_closed or not self._attempts.is_running(claimed):
                return None
            found = self.open[claimed.id] = _Open(claimed)
        return None if found.is_refused else found

    def _change(self, found: _Open) -> None:
        if not found.is_changed:
            found.is_changed = True
            with contextlib.suppress(RuntimeError):  # the event loop is closed over a thread
                self._loop.call_soon_threadsafe(self._look, found)

    # On the event loop.

    def last_of(self, end: End) -> Unit:
        """What an attempt has reported and is not yet written, to go with its end, and the jobs that follow that, each
        for itself; nothing more is taken of it.
        """
        with self._lock:
            found = self.open.get(end.id)
            if found is None or (found.claimed.attempt, found.claimed.owner) != (end.attempt, end.owner):
                return ()
            del self.open[end.id]
        self._call_off(found)
        if found.is_refused:
            return ()
        reported = (self._taken(found, goes_with_end=True),) if found.is_changed else ()
        if not found.following or not (isinstance(end, Complete) or end.outcome in _ENDED_BY_HANDLERS):
            return reported
        return (*reported, *(Admit((candidate._replace(max_pending=None),)) for candidate in found.following))

    def close(self) -> None:
        """Takes and writes nothing more: what still runs is left. May be called twice."""
        with self._lock:
            self._is_closed = True
        for found in self.open.values():
            found.is_refused = True
            self._call_off(found)

    def _look(self, found: _Open) -> None:
        """Writes what there is to write, now or when it is time for it."""
        if not found.is_changed or found.is_writing or found.is_refused or found.timer is not None:
            return
        if self.open.get(found.claimed.id) is not found:
            return  # it has ended
        wait = found.next_write - self._loop.time()
        if wait > 0:
            found.timer = self._loop.call_later(wait, self._write, found)
        else:
            self._write(found)

    def _write(self, found: _Open) -> None:
        found.timer = None
        found.next_write = self._loop.time() + WRITE_EVERY_S
        found.is_writing = True
        self._commits.keep((self._taken(found),), partial(self._written, found))

    def _written(self, found: _Open, _unit: Unit, answer: Any, error: StoreError | None) -> None:
        found.is_writing = False
        if error is not None:
            claimed = found.claimed
            _log.error("what %s job %s reports cannot be stored: %s", claimed.type, claimed.id, error)
        elif not answer:
            found.is_refused = True
        self._look(found)

    def _taken(self, found: _Open, *, goes_with_end: bool = False) -> Report:
        with self._lock:
            claimed = found.claimed
            made = Report(
                claimed.id, claimed.attempt, claimed.owner, next(self._serials), found.at, found.fraction, found.text,
                tuple(found.lines), found.dropped, goes_with_end,
            )  # fmt: skip
            found.at, found.dropped, found.is_changed = None, 0, False
            found.lines.clear()
        return made

    def _call_off(self, found: _Open) -> None:
        if found.timer is not None:
            found.timer.cancel()
            found.timer = None
