"""The protocols by which the parts of the engine know each other: what does work imports these, never another part.

What only keeps something (the health of the store, the register of attempts) may be imported as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from aiojobs_lite.engine.suspects import Defect
from aiojobs_lite.errors import StoreError
from aiojobs_lite.model.after import Cancellation
from aiojobs_lite.model.counts import Counts
from aiojobs_lite.model.ends import Close, End
from aiojobs_lite.model.expiries import Expired
from aiojobs_lite.model.job import Claimed, Job
from aiojobs_lite.model.queries import Query
from aiojobs_lite.model.writes import Claim, ClaimAnswer, Unit, Write
from aiojobs_lite.policy.settle import Stop
from aiojobs_lite.stores.base import Applied
from aiojobs_lite.telemetry.tracebacks import Raised

A = TypeVar("A")

Done = Callable[[Unit, Any, StoreError | None], None]
"""Called once for a unit of the engine's own that was kept: the unit; the answer to its first write, None if it cannot
be saved at all; why not, else None."""


class Part(Protocol):
    """A part with work of its own."""

    async def run(self) -> None:
        """Works until it is cancelled."""


class Reads(Protocol):
    """Answers queries: the store."""

    async def ask(self, query: Query[A]) -> A:
        """See `Store.ask`."""


class Commits(Protocol):
    """Makes writes durable: the committer."""

    async def write(self, write: Write[A]) -> A:
        """Makes one write of a caller durable; returns its answer."""

    def keep(self, unit: Unit, done: Done) -> None:
        """Takes a unit of the engine's own, which is repeated until it is saved."""

    def wake(self) -> None:
        """Has the committer ask for a claim."""

    async def settle(self) -> None:
        """Returns when every transaction that is in flight now has been answered."""


class TimedCommits(Commits, Protocol):
    """Also knows when the latest transaction was: the committer."""

    @property
    def instant(self) -> int:
        """The instant of the transaction that was begun last, in microseconds."""


class EndCounter(Protocol):
    """Counts ends that were saved: the counter of figures."""

    def completed(self, job_type: str, duration: float) -> None:
        """Counts an attempt that succeeded."""

    def ended(self, end: End, duration: float | None) -> None:
        """Counts the end of an attempt."""


class LastCommits(Commits, Protocol):
    """Also knows what is left to write: the committer."""

    @property
    def is_idle(self) -> bool:
        """Whether no unit waits or is in flight."""


class ClaimSource(Protocol):
    """Says what to claim: the dispatcher."""

    def next_claim(self, *, inserting: bool) -> Claim | None:
        """The claim to go with the next transaction, or None."""

    def committed(self, applied: Applied, answer: ClaimAnswer | None) -> None:
        """Takes what a transaction did, and the answer to the claim that went with it."""


class ClaimSlots(Protocol):
    """Knows what this runner can take: the dispatcher."""

    @property
    def has_slots(self) -> bool:
        """Whether this runner ever runs anything."""

    def free(self, job_type: str) -> int:
        """How many more attempts of a type this runner could take now, as far as it knows."""

    def look_again(self, job_type: str | None = None) -> None:
        """Claims at once: jobs of a type (None: of any type) may be claimable that were not."""


class Slots(Protocol):
    """Counts what runs: the dispatcher."""

    def released(self, job_type: str) -> None:
        """An attempt ended; its end is still to be saved."""


class AttemptStarter(Protocol):
    """Runs what was claimed: the executor."""

    def start(self, jobs: Sequence[Claimed]) -> None:
        """Starts attempts; they are registered when this returns."""

    def give_back(self, jobs: Sequence[Claimed]) -> None:
        """Ends attempts as interrupted that nothing was done for."""


class ExpiryListener(Protocol):
    """Is notified of jobs that expired: the reporter of expiries."""

    def expired(self, jobs: Sequence[Expired]) -> None:
        """Jobs were cancelled since their expiry had come."""


class ExpiryWaiters(Protocol):
    """The callers that await jobs."""

    def expired(self, job_id: int) -> None:
        """Notifies that a job was cancelled since its expiry had come."""


class AttemptStopper(Protocol):
    """Stops what runs: the executor."""

    @property
    def running(self) -> int:
        """How many attempts run."""

    def stop(self, job_id: int, why: Stop, reason: str | None = None) -> bool:
        """Asks one attempt to end; returns whether it runs in this runner."""


class EndRecorder(Protocol):
    """Saves how attempts ended: the recorder."""

    def record(self, end: End, raised: Raised | None = None) -> None:
        """Saves the end of an attempt of this runner."""

    async def record_lost(self, end: End, raised: Raised | None = None) -> bool:
        """Saves the end of an attempt that no runner runs any more; returns whether it was still owned."""


class RunningAttempts(Protocol):
    """Knows what runs: the register of attempts."""

    def is_running(self, claimed: Claimed) -> bool:
        """Whether an attempt runs. May be called on any thread."""


class OpenReports(Protocol):
    """Has what attempts reported that is not yet written: the reports."""

    @property
    def open(self) -> Collection[int]:
        """The jobs of which something was reported."""

    def last_of(self, end: End) -> Unit:
        """What an attempt has reported and is not yet written, to go with its end."""


class OwnedJobs(Protocol):
    """Knows the jobs that this runner owns: the register of attempts."""

    def watch_owned(self) -> Collection[int]:
        """The jobs that run or whose end is still to be saved; those that start from now on are added to it."""


class UnsavedEnds(Protocol):
    """Knows the ends that are still to be saved: the register of attempts."""

    def saved(self, job_id: int) -> float:
        """Forgets an end that was to be saved; returns how many seconds its attempt took."""


class KeptEnds(Protocol):
    """Knows the ends that are on their way to the store: the committer."""

    def jobs_kept(self) -> set[int]:
        """The jobs whose ends are kept until they are saved."""


class LostEnds(Protocol):
    """Has callers that await the ends of lost attempts: the recorder."""

    @property
    def awaited_ends(self) -> Collection[tuple[int, int, str]]:
        """The ends that are awaited: job, attempt, owner."""

    def give_up(self, job_id: int) -> None:
        """Answers the callers that await an end which nothing will save."""


class CountedSlots(Protocol):
    """Counts what runs: the dispatcher."""

    def difference(self, running: Mapping[str, int]) -> str:
        """How the slots in use differ from the attempts that run, by type; empty if they do not."""

    def recount(self, running: Mapping[str, int]) -> None:
        """Takes the attempts that run for the slots in use."""


class ClaimLanes(Protocol):
    """Knows which types could be claimed: the dispatcher."""

    def unclaimed(self, counts: Counts, until: int) -> list[tuple[str, int]]:
        """The types that could be claimed and are not, each with a number of the claim that may take its jobs."""

    def look_again(self, job_type: str | None = None) -> None:
        """Claims at once."""


class WriteLane(Protocol):
    """Knows whether writes wait: the committer."""

    @property
    def is_busy(self) -> bool:
        """Whether a transaction is in flight."""

    @property
    def is_waiting(self) -> bool:
        """Whether units wait although no transaction is in flight."""

    @property
    def transactions(self) -> int:
        """How many were begun."""

    def wake(self) -> None:
        """Has the committer look for work."""


class JobWaiters(Protocol):
    """Has the callers that await jobs: the waiters."""

    @property
    def awaited(self) -> Collection[int]:
        """The jobs that are awaited."""

    def check(self, job: Job) -> None:
        """Notifies the callers, if a job that was read is finished."""


class Check(Protocol):
    """Looks for states that no part should ever leave."""

    async def look(self) -> list[Defect]:
        """Looks once; returns what was found and given back."""


class AttemptTasks(Protocol):
    """Knows the tasks of attempts: the register of attempts."""

    def attempt_of(self, task: asyncio.Task[Any] | None) -> Claimed | None:
        """The attempt that a task is, if it is one. May be called on any thread."""


class LoopReporter(Protocol):
    """Shows other processes how the event loop does: the reporter of troubles. Some of it on a thread of its own."""

    def turned(self) -> None:
        """The event loop turns."""

    def left(self) -> None:
        """The event loop turns no more for this runner; on it."""

    def looked(self, late: float, found: Claimed | None, place: str) -> None:
        """The thread has looked at the event loop.

        Args:
            late: How many seconds late it is; 0.0 if it is not overdue.
            found: The attempt that was on it when it came to be late, or None.
            place: Where its code was.
        """


class Looks(Protocol):
    """Reports what is another since it looked last: the monitor of pauses."""

    def look(self) -> None:
        """Looks now."""


class Rechecks(Protocol):
    """Awaits something of jobs: the waiters their ends, the joined jobs the commits of callers."""

    async def recheck(self, store: Reads) -> None:
        """Reads the awaited jobs, and notifies of those for which it has come."""


class EndListener(Protocol):
    """Is notified of each end that was committed."""

    def attempt_ended(self, end: End) -> None:
        """The end of an attempt is durable."""


class DeathReactions(Protocol):
    """What is done when a job dies: the deaths."""

    def unit(self, end: End, raised: Raised | None) -> Unit:
        """The writes of an end: of a death also the jobs that it enqueues."""

    def died(self, end: Close, raised: Raised | None) -> None:
        """The death of a job is durable."""


class CascadeListener(Protocol):
    """Notifies of what a transaction has done by itself."""

    def followed(self, applied: Applied) -> None:
        """It is durable."""


class CancellationListener(Protocol):
    """Notifies of cancelled jobs."""

    def cancelled(self, cancellations: Sequence[Cancellation]) -> None:
        """Jobs were cancelled by an event, or with one that they were to run after; it is durable."""


class ChangeListener(Protocol):
    """Knows something of the store that may be out of date."""

    def look_again(self) -> None:
        """Anything may have changed."""


class ClockListener(Protocol):
    """Waits for instants of the wall clock."""

    def clock_jumped(self) -> None:
        """The wall clock was moved."""


class TickCorrections(Protocol):
    """Knows which stored ticks a clock has written that was ahead: the ticker."""

    async def correct(self) -> None:
        """Moves them back."""


class SignalListener(Protocol):
    """Is notified of signals to the process, on the event loop."""

    def signalled(self, name: str, *, is_impatient: bool) -> None:
        """A signal came.

        Args:
            name: Such as `SIGTERM`.
            is_impatient: Whether it is a SIGINT that was not the first signal.
        """
