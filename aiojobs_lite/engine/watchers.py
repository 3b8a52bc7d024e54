"""The watchers of single jobs: each learns how its job stands, and what its handlers log, from whatever process.

Nothing is queued for a watcher. It knows what it was given last, and takes what differs when it comes for it, so that a
slow one skips states, holds up no other and misses no state that stays.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from aiojobs_lite.engine.ports import Reads
from aiojobs_lite.errors import JobNotFound, RunnerClosed, StoreUnavailable
from aiojobs_lite.errors.store import CLOSED
from aiojobs_lite.model.job import FINISHED
from aiojobs_lite.model.progress import GetLog, GetStandings, JobChange, JobLog, LogLine, Standing
from aiojobs_lite.sizes import MOST_LOG_LINES

SHOW_EVERY_S: Final = 0.05  # at most; real time, as that of other processes
_AT_ONCE: Final = 500  # jobs a query


class CommitNotices(Protocol):
    """Notifies of each own transaction: the committer.

    Attributes:
        when_committed: Is called after it; None: nothing wants to know.
    """

    when_committed: Callable[[], None] | None


class _Watched:
    """A job that is watched.

    Attributes:
        watches: Its watchers; one that is not iterated any more goes by itself.
        standing: How it stood at the latest look; None: no look has found it yet, or it is gone.
        is_gone: Whether it was deleted or pruned.
        lines: The last lines that it logged since its first watcher came.
        last_line: The number of the last line that was read.
        look: The look that found it so.
        wanted_look: Up to this look its watchers are woken although nothing has changed: one has begun meanwhile.
    """

    def __init__(self) -> None:
        self.watches: weakref.WeakSet[JobWatch] = weakref.WeakSet()
        self.standing: Standing | None = None
        self.is_gone = False
        self.lines: list[LogLine] = []
        self.last_line = 0
        self.look = self.wanted_look = 0

    def began(self, standing: Standing) -> None:
        """Takes how the job stands, if it is not known yet."""
        if self.standing is None:
            self.standing, self.last_line = standing, standing.last_line

    def notify(self) -> None:
        """Wakes the watchers."""
        for watch in list(self.watches):
            watch.arrived.set()


class JobWatchers:
    """All watchers of jobs in this runner. Looks at the watched jobs, all with one query, after each commit of this or
    another owner, but not more often than every 50 ms. Without watchers it does nothing.

    Args:
        store: Is read.

    Attributes:
        is_closed: Whether they have ended for good.
        looks: How many were begun.
    """

    def __init__(self, *, store: Reads) -> None:
        self._store = store
        self._commits: CommitNotices
        self._jobs: dict[int, _Watched] = {}
        self._wake = asyncio.Event()
        self.is_closed = False
        self.looks = 0

    def connect(self, *, commits: CommitNotices) -> None:
        """Sets what notifies of own commits."""
        self._commits = commits

    def watch(self, job_id: int, *, from_start: bool) -> JobWatch:
        """A new watcher of a job."""
        return JobWatch(self, self._store, job_id, from_start=from_start)

    def look_again(self) -> None:
        """Anything may have changed."""
        if self._jobs:
            self._wake.set()

    async def run(self) -> None:
        """Looks, until it is cancelled. After a fault it is to be started again, and misses nothing."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._look()
            except BaseException:
                self._wake.set()
                raise
            await asyncio.sleep(SHOW_EVERY_S)

    def drain(self) -> None:
        """Ends all watchers: each gets what is known of its job, and then `RunnerClosed`."""
        self.is_closed = True
        for watched in self._jobs.values():
            watched.notify()

    def add(self, job_id: int, watch: JobWatch) -> _Watched:
        """A watcher begins. It reads the job after this, and has it looked at again then, to miss nothing."""
        watched = self._jobs.setdefault(job_id, _Watched())
        watched.watches.add(watch)
        self._commits.when_committed = self.look_again
        return watched

    async def _look(self) -> None:
        self._forget()
        self.looks += 1
        ids = [job_id for job_id, watched in self._jobs.items() if watched.standing is not None]
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            standings = await self._store.ask(GetStandings(some))
            for job_id in some:
                await self._update(job_id, standings.get(job_id))

    async def _update(self, job_id: int, standing: Standing | None) -> None:
        watched = self._jobs.get(job_id)
        if watched is None:
            return
        if standing is None:
            watched.is_gone = True
            del self._jobs[job_id]
        elif standing.last_line > watched.last_line:
            log = await self._store.ask(GetLog(job_id, watched.last_line))
            if log.lines:
                watched.lines = [*watched.lines, *log.lines][-MOST_LOG_LINES:]
                watched.last_line = log.lines[-1].number
        watched.look = self.looks
        if watched.standing != standing or watched.look <= watched.wanted_look:
            watched.standing = standing
            watched.notify()

    def _forget(self) -> None:
        for job_id in [job_id for job_id, watched in self._jobs.items() if not watched.watches]:
            del self._jobs[job_id]
        if not self._jobs:
            self._commits.when_committed = None


class JobWatch:
    """The changes of one job, for `async for`. The first is how it stands; the iteration ends after the one by which
    it is finished.

    Attributes:
        arrived: Set when there may be something new.
        check: Is called before the first look, and raises if there must be none; None: nothing is called.

    Raises:
        JobNotFound: If there is no such job, or it is deleted or pruned meanwhile.
        RunnerClosed: If the runner is draining or closed.
        StoreUnavailable: If the database cannot be read when it begins.
    """

    def __init__(self, watchers: JobWatchers, store: Reads, job_id: int, *, from_start: bool) -> None:
        self._watchers = watchers
        self._store = store
        self._job_id = job_id
        self._from_start = from_start
        self._watched: _Watched | None = None
        self._own: Standing | None = None  # as it read it itself, when it began
        self._first_look = 0  # later than that
        self._given: Standing | None = None
        self._first: list[LogLine] = []  # lines that were there when it began
        self._line = 0  # the number of the last line that it was given, or does not want
        self._is_ended = False
        self.arrived = asyncio.Event()
        self.check: Callable[[], Awaitable[None]] | None = None

    def __aiter__(self) -> JobWatch:
        return self

    async def __anext__(self) -> JobChange:
        if self._is_ended:
            raise StopAsyncIteration
        watched = self._watched or await self._begin()
        while True:
            self.arrived.clear()
            standing = watched.standing if watched.look >= self._first_look else self._own
            if standing is not None and (standing != self._given or self._first):
                return self._change(watched, standing)
            if watched.is_gone:
                self._is_ended = True
                raise JobNotFound(self._job_id)
            self._check_open()
            await self.arrived.wait()

    def _check_open(self) -> None:
        if self._watchers.is_closed:
            self._is_ended = True
            raise RunnerClosed

    async def _begin(self) -> _Watched:
        self._check_open()
        try:
            if self.check is not None:
                await self.check()
            watched = self._watchers.add(self._job_id, self)
            standing = (await self._store.ask(GetStandings((self._job_id,)))).get(self._job_id)
            first = await self._store.ask(GetLog(self._job_id)) if self._from_start else JobLog()
        except StoreUnavailable as error:
            raise (RunnerClosed() if error.code == CLOSED else error) from None
        if standing is None:
            self._is_ended = True
            raise JobNotFound(self._job_id)
        self._first, self._line = list(first.lines), 0 if self._from_start else standing.last_line
        watched.began(standing)
        self._watched, self._own = watched, standing
        self._first_look = watched.wanted_look = self._watchers.looks + 1  # what an earlier look finds may be older
        self._watchers.look_again()
        return watched

    def _change(self, watched: _Watched, standing: Standing) -> JobChange:
        self._given = standing
        first, self._first = self._first, []
        after = first[-1].number if first else self._line
        lines = [*first, *(line for line in watched.lines if line.number > after)]
        dropped = 0
        if lines:
            dropped = lines[-1].number - self._line - len(lines)
            self._line = lines[-1].number
        self._is_ended = standing.status in FINISHED
        return JobChange(
            self._job_id, standing.status, standing.attempts, standing.progress, standing.error, standing.reason,
            tuple(lines), dropped,
        )  # fmt: skip
