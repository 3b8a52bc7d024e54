"""What to claim and when: free slots by type, and what is known of due jobs.

The store is asked only about types that may have due jobs. What it answers is remembered until a write of this
process, somebody else's commit or the clock changes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from aiojobs_lite.clock import Alarm, Clock
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.model.writes import Claim, ClaimAnswer
from aiojobs_lite.stores.base import Applied

_LONG_AGO = 0  # due at once: not known, so to be looked at


class Dispatcher:
    """The local gate: a semaphore per job type and one for all, and the memory of what is due.

    Args:
        owner: Claims are made in this name.
        clock: Says what is due.
        registry: Whose types are claimed.
        max_running: Most attempts at once in this runner.
        start: Called with the jobs that were claimed.
        wake: Called when something may be to be claimed.
    """

    def __init__(
        self,
        owner: str,
        clock: Clock,
        registry: Registry,
        max_running: int,
        *,
        start: Callable[[list[Claimed]], None],
        wake: Callable[[], None],
    ) -> None:
        self._owner = owner
        self._clock = clock
        self._max_running = max_running
        self._start = start
        self._wake = wake
        self._closed = False
        self._limits = {job_type.name: job_type.concurrency for job_type in registry if job_type.concurrency}
        self._due: dict[str, int | None] = {job_type.name: _LONG_AGO for job_type in registry}
        self._seen: dict[str, int | None] = {}  # the same as it was known last
        self._held_back: set[str] = set()
        self._running: Counter[str] = Counter()
        self._total = 0
        self._alarm = Alarm(clock)
        self._armed: int | None = None

    def next_claim(self, inserting: bool) -> Claim | None:  # noqa: FBT001  # a callback with one obvious argument
        """The claim to go with the next transaction, or None. `inserting`: it will add jobs, which may be claimed."""
        free = self._max_running - self._total
        if self._closed or free <= 0:
            return None
        now = self._clock.now()
        look_at = [job_type for job_type in self._due_types(now) if self._room(job_type, free) > 0]
        if not look_at and not inserting:
            return None
        slots = {job_type: self._room(job_type, free) for job_type in self._due}
        return Claim(self._owner, free, slots, self._limits, look_at)

    def committed(self, applied: Applied, answer: ClaimAnswer | None) -> None:
        """Takes in what a transaction did; claimed jobs are registered and started in the same step."""
        if applied.changed:
            self.look_again()
        moved = applied.changed
        for job_type, due in applied.due.items():
            if job_type in self._due:
                moved = moved or due != self._due[job_type]
                self._due[job_type] = self._seen[job_type] = due
        if answer:
            self._held_back |= answer.held_back
            self._running.update([job.type for job in answer.jobs])
            self._total += len(answer.jobs)
            self._start(answer.jobs)
        if moved and self._earliest() != self._armed:
            self._alarm.ring()

    def released(self, job_type: str) -> None:
        """An attempt ended: its slot is free. The write of its end, which comes now, wakes the committer."""
        self._running[job_type] -= 1
        self._total -= 1
        self._held_back.discard(job_type)

    def finished(self, job_type: str) -> None:
        """The end of an attempt is committed, of whatever owner: it counts against its type's limit no more."""
        if job_type in self._held_back:
            self._held_back.discard(job_type)
            self._wake()

    def look_again(self, job_type: str | None = None) -> None:
        """Forgets what was known of a type's due jobs (None: of every type's)."""
        for name in self._due if job_type is None else {job_type} & self._due.keys():
            self._due[name] = _LONG_AGO
            self._held_back.discard(name)
        self._wake()

    def clock_jumped(self) -> None:
        """The wall clock was moved: what is due is looked at again, and the wait for what comes is a new one."""
        self.look_again()
        self._alarm.ring()

    def close(self) -> None:
        """Claims nothing more."""
        self._closed = True

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs and nothing known to be due could run."""
        if self._total:
            return False
        free = self._max_running
        return self._closed or not any(
            self._room(job_type, free) > 0 for job_type in self._due_types(self._clock.now())
        )

    def oldest_due_age(self) -> float:
        """For how many seconds the longest waiting due job has been due; 0 if none waits."""
        now = self._clock.now()
        known = [due for due in self._seen.values() if due is not None and due <= now]
        return (now - min(known)) / 1e6 if known else 0.0

    async def run(self) -> None:
        """Wakes the committer when the next job becomes due, for ever."""
        while True:
            self._armed = self._earliest()
            await self._alarm.wait(self._armed)
            self._wake()

    def _due_types(self, now: int) -> list[str]:
        return [
            job_type
            for job_type, due in self._due.items()
            if due is not None and due <= now and job_type not in self._held_back
        ]

    def _room(self, job_type: str, free: int) -> int:
        limit = self._limits.get(job_type)
        return free if limit is None else min(free, limit - self._running[job_type])

    def _earliest(self) -> int | None:
        """The next instant at which something becomes due."""
        now = self._clock.now()
        return min((due for due in self._due.values() if due is not None and due > now), default=None)
