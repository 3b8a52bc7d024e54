"""What to claim and when: the free slots of this runner, and the instant at which it is worth while to claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from aiojobs_lite.clock import Alarm, Clock
from aiojobs_lite.engine.ports import AttemptStarter, Commits, ExpiryListener
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.counts import Counts
from aiojobs_lite.model.ends import End
from aiojobs_lite.model.writes import Claim, ClaimAnswer
from aiojobs_lite.stores.base import Applied

_AT_ONCE: Final = 0  # an instant that has passed: what is due is not known
_FIRST_WAIT_US: Final = 2_000  # before the next claim after one that took nothing of what was said to be due
_LONGEST_WAIT_US: Final = 20_000


class Dispatcher:
    """The local gate: a number of slots for the runner, one for each job type with `concurrency`, one for all worker
    processes, and one instant.

    The committer takes a claim along in three places: with the write of a lone caller, such as an enqueue, which it
    commits on the thread of the event loop; with a group of writes; and, if nothing is to be written, in a transaction
    of the claim's own. In the first two a new job may be inserted already claimed.

    The store says with each transaction when it is worth while to claim again. That instant is remembered until a write
    of this process, a commit of another owner, a slot that gets free or the clock changes it. A claim costs what it
    takes, however many types are registered. When a job expires it claims as well, even if no slot is free.

    Args:
        owner: Claims are made in this name.
        clock: Says what is due.
        registry: Whose types are claimed.
        max_running: Most attempts at once in this runner.
        workers: How many of them in worker processes: a job that waited for one would be taken from other runners.
    """

    def __init__(self, *, owner: str, clock: Clock, registry: Registry, max_running: int, workers: int) -> None:
        self._owner = owner
        self._clock = clock
        self._max_running = max_running
        self._workers = workers
        self._commits: Commits
        self._attempts: AttemptStarter
        self._expiries: ExpiryListener
        self._is_claiming = False
        self._is_draining = False
        self._running: Counter[str] = Counter()  # of the types with a limit
        self._total = 0
        self._in_workers = 0
        self._claims = 0  # that were made
        self._limited_types: dict[str, int] = {}  # by which claim
        self._take_types(registry)
        self._next: int | None = _AT_ONCE  # when to claim; None: not before something else happens
        self._claimed_at = 0
        self._expires_at: int | None = None  # when the next job expires
        self._had_slots = True  # when it claimed last
        self._is_claim_in_flight = False
        self._has_changed = False  # since that claim was made
        self._wait_us = 0  # how long the claim after a wrong hint is put off
        self._alarm = Alarm(clock)
        self._armed: int | None = None

    def _take_types(self, job_types: Iterable[JobType[..., Any]]) -> None:
        """What claims are given of the types: new objects, for a claim may be in flight."""
        types = list(job_types)
        self._types = frozenset([one.name for one in types])
        self._limits = {one.name: one.concurrency for one in types if one.concurrency}
        self._pooled = frozenset([one.name for one in types if one.mode == "process"])
        self._limited_types.clear()
        self._slots = dict(self._limits)  # what is left to each type that may not take what the runner has left
        self._offered: dict[str, int] | None = None  # the copy of it that claims are given

    def connect(self, *, commits: Commits, attempts: AttemptStarter, expiries: ExpiryListener) -> None:
        """Sets what is woken when a claim is due, what starts claimed jobs, and what is notified of expired ones."""
        self._commits = commits
        self._attempts = attempts
        self._expiries = expiries

    def start_claiming(self) -> None:
        """Claims from now on, unless the drain has begun."""
        self._is_claiming = not self._is_draining
        self.look_again()

    def stop_claiming(self) -> None:
        """Claims nothing until `start_claiming`; what a claim in flight brings is given back."""
        self._is_claiming = False

    def drain(self) -> None:
        """Claims nothing more."""
        self._is_draining = True
        self._is_claiming = False

    def hold(self, names: Collection[str]) -> None:
        """Claims nothing of some types until `set_types`; what a claim in flight brings of them starts all the same."""
        self._types = self._types.difference(names)

    def set_types(self, job_types: Iterable[JobType[..., Any]], running: Mapping[str, int]) -> None:
        """Claims these types and no others from now on, while so many attempts run of each type."""
        self._take_types(job_types)
        self.recount(running)

    def next_claim(self, *, inserting: bool) -> Claim | None:
        """The claim to go with the next transaction, or None.

        Args:
            inserting: Whether the transaction adds jobs, which may be claimed at once.
        """
        free = max(0, self._max_running - self._total)
        if not self._is_claiming:
            return None
        if not (free and (inserting or self._is_due())) and (self._expires_at is None or not self._has_expired()):
            return None
        self._claims += 1
        self._had_slots = free > 0
        self._claimed_at = self._clock.now()
        self._is_claim_in_flight = True
        self._has_changed = False
        if self._offered is None:
            self._offered = self._slots.copy()
        return Claim(
            self._owner, free, self._types, self._offered, self._limits, self._pooled, self._workers - self._in_workers
        )

    def committed(self, applied: Applied, answer: ClaimAnswer | None) -> None:
        """Takes what a transaction did; claimed jobs are registered and started in the same step."""
        due, self._expires_at = applied.due, applied.expires_at
        if applied.expired:
            self._expiries.expired(applied.expired)
        if answer is None:
            if due is not None and (self._next is None or due < self._next):
                self._next = due
            elif self._expires_at is None:
                return
        else:
            self._is_claim_in_flight = False
            if self._had_slots:
                self._next = self._after_claim(applied, answer)
            if answer.jobs:
                self._take(answer)
        if self._is_sooner():
            self._alarm.ring()

    def released(self, job_type: str) -> None:
        """An attempt ended: its slot is free. The write of its end, which comes now, wakes the committer."""
        self._total -= 1
        limit = self._limits.get(job_type)
        if limit is not None:
            if self._running[job_type] >= limit or self._is_claim_in_flight:  # it may take the last slot
                self._claim_at_once()
            self._running[job_type] -= 1
            self._offer(job_type)
        if job_type in self._pooled:
            if self._in_workers >= self._workers or self._is_claim_in_flight:
                self._claim_at_once()
            self._in_workers -= 1
        if job_type in self._limited_types:
            self._allow(job_type)

    def attempt_ended(self, end: End) -> None:
        """The end of an attempt is durable, of whatever owner: it counts against its type's limit no more."""
        if end.type in self._limited_types:
            self._allow(end.type)
            self._commits.wake()

    def look_again(self, job_type: str | None = None) -> None:
        """Claims at once: jobs of a type (None: of any type) may be claimable that were not."""
        for name in tuple(self._limited_types) if job_type is None else {job_type} & self._limited_types.keys():
            self._allow(name)
        self._claim_at_once()
        self._commits.wake()

    def clock_jumped(self) -> None:
        """Looks at what is due by the new time, and waits anew for what is not."""
        self.look_again()
        self._alarm.ring()

    @property
    def has_slots(self) -> bool:
        """Whether this runner ever runs anything."""
        return self._max_running > 0

    def free(self, job_type: str) -> int:
        """How many more attempts of a type this runner could take now, as far as it knows."""
        free = self._max_running - self._total if self._is_claiming else 0
        if job_type in self._pooled:
            free = min(free, self._workers - self._in_workers)
        return max(0, min(free, self._slots.get(job_type, free)))

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs, and nothing that is known to be due could run."""
        if self._total:
            return False
        if self._is_draining or self._max_running <= 0:
            return True
        return not self._wait_us and not self._is_due() and not (self._is_claiming and self._has_expired())

    def unclaimed(self, counts: Counts, until: int) -> list[tuple[str, int]]:
        """The types that could be claimed and are not, although they have jobs due at `until`.

        Returns:
            Each type with a number that is another one as soon as a claim was made that may take its jobs.
        """
        if not self._is_claiming or self._total >= self._max_running:
            return []
        found = []
        for job_type, due in counts.due.items():
            if due > until or job_type not in self._types:
                continue
            limit = self._limits.get(job_type, self._max_running)
            limited_by = self._limited_types.get(job_type)
            if self._running[job_type] >= limit or (job_type in self._pooled and self._in_workers >= self._workers):
                continue
            if limited_by is None:
                found.append((job_type, self._claims))
            elif job_type not in self._limits or counts.by_type[job_type].processing < limit:
                found.append((job_type, -limited_by))
        return found

    def difference(self, running: Mapping[str, int]) -> str:
        """How the slots in use differ from the attempts that run, by type; empty if they do not."""
        total = sum(running.values())
        found = [f"{self._total} in all for {total}"] if self._total != total else []
        for job_type in self._limits:
            used, held = self._running[job_type], running.get(job_type, 0)
            if used != held:
                found.append(f"{used} of {job_type} for {held}")
        in_workers = sum(running.get(job_type, 0) for job_type in self._pooled)
        if self._in_workers != in_workers:
            found.append(f"{self._in_workers} in worker processes for {in_workers}")
        return ", ".join(found)

    def recount(self, running: Mapping[str, int]) -> None:
        """Takes the attempts that run for the slots in use."""
        self._total = sum(running.values())
        self._in_workers = sum(running.get(job_type, 0) for job_type in self._pooled)
        for job_type in self._limits:
            self._running[job_type] = running.get(job_type, 0)
            self._offer(job_type)
        self.look_again()

    async def run(self) -> None:
        """Wakes the committer when the next job becomes due, until it is cancelled."""
        while True:
            self._armed = self._wakes_at()
            await self._alarm.wait(self._armed)
            self._commits.wake()

    def _is_due(self) -> bool:
        return self._next is not None and self._next <= self._clock.now()

    def _has_expired(self) -> bool:
        return self._expires_at is not None and self._expires_at <= self._clock.now()

    def _is_sooner(self) -> bool:
        """Whether it wakes the committer sooner than it is about to."""
        at = self._next if self._expires_at is None else self._wakes_at()
        is_sooner = at is not None and (self._armed is None or at < self._armed)
        return is_sooner and (self._expires_at is not None or not self._is_due())

    def _wakes_at(self) -> int | None:
        """When it wakes the committer; None: at no time that is known. What is due by now is claimed without that."""
        if self._expires_at is None:
            return None if self._is_due() else self._next
        now = self._clock.now()
        return min((at for at in (self._next, self._expires_at) if at is not None and at > now), default=None)

    def _after_claim(self, applied: Applied, answer: ClaimAnswer) -> int | None:
        """When to claim again."""
        due = applied.due
        for job_type in answer.limited_types - self._limited_types.keys():
            self._limited_types[job_type] = self._claims
            self._offer(job_type)
        if answer.jobs or answer.is_partial or applied.expired or due is None or due > self._claimed_at:
            self._wait_us = 0
        elif not self._has_changed:  # a store may be wrong for a moment: it is asked again, but not without a pause
            self._wait_us = min(_LONGEST_WAIT_US, self._wait_us * 2 or _FIRST_WAIT_US)
            return self._clock.now() + self._wait_us
        return _AT_ONCE if self._has_changed else due

    def _take(self, answer: ClaimAnswer) -> None:
        jobs = answer.jobs
        self._total += len(jobs)
        if self._pooled:
            self._in_workers += sum(job.type in self._pooled for job in jobs)
        if self._limits:
            for job_type, count in Counter([job.type for job in jobs if job.type in self._limits]).items():
                self._running[job_type] += count
                self._offer(job_type)
        if self._is_claiming:
            self._attempts.start(jobs)
        else:
            self._attempts.give_back(jobs)

    def _claim_at_once(self) -> None:
        self._next = _AT_ONCE
        self._has_changed = True

    def _allow(self, job_type: str) -> None:
        self._limited_types.pop(job_type, None)
        self._offer(job_type)
        self._claim_at_once()

    def _offer(self, job_type: str) -> None:
        """Works out again how many slots are left to a type."""
        limit = self._limits.get(job_type)
        if job_type in self._limited_types:
            self._slots[job_type] = 0
        elif limit is not None:
            self._slots[job_type] = max(0, limit - self._running[job_type])
        else:
            self._slots.pop(job_type, None)
        self._offered = None
