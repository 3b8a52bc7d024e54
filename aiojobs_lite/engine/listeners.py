"""Starts the job types of this runner with events that a program has sent which does not know them.

Such a program leaves a job that is held. What the type says of its jobs (`when`, keys, limits) is known here only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from aiojobs_lite.clock import Clock
from aiojobs_lite.engine.ports import ChangeListener, Commits
from aiojobs_lite.errors import AiojobsError, StoreError
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.admission import Candidate, Refused
from aiojobs_lite.model.counts import TypeCounts
from aiojobs_lite.model.events import DeliverEvents, FindEvents, Listener, PlaceHeld
from aiojobs_lite.model.job import Held, Job
from aiojobs_lite.model.payloads import stored_payload
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.stores.base import Store

_log = get_log("engine")
LISTENER_PAGE: Final = 100  # jobs a read
_NONE: Final = TypeCounts()


def listening(job_types: Iterable[JobType[..., Any]]) -> tuple[Listener, ...]:
    """What job types listen to, as it is stored."""
    return tuple(
        [
            Listener(one.name, one.listening.patterns, one.priority, one.max_attempts)
            for one in job_types
            if one.listening is not None
        ]
    )


class Listeners:
    """Puts the jobs of listeners in the place of those that are held for them, and has events reach all that wait.

    Args:
        store: Where to look.
        clock: The time.
        registry: Has the listeners.
    """

    def __init__(self, *, store: Store, clock: Clock, registry: Registry) -> None:
        self._store = store
        self._clock = clock
        self._registry = registry
        self._commits: Commits
        self._changes: ChangeListener
        self._wake = asyncio.Event()
        self._is_busy = False

    @property
    def is_idle(self) -> bool:
        """Whether it looks at nothing, and was notified of nothing."""
        return not self._is_busy and not self._wake.is_set()

    def connect(self, *, commits: Commits, changes: ChangeListener) -> None:
        """Sets what makes the jobs durable, and what looks for attempts that are asked to stop."""
        self._commits = commits
        self._changes = changes

    def look_again(self) -> None:
        """Another owner has changed something, or an event was sent that many wait for."""
        self._wake.set()

    async def run(self) -> None:
        """Looks whenever it is notified, until it is cancelled."""
        self._wake.set()
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._is_busy = True
            try:
                while await self._store.ask(FindEvents(is_unreached=True, limit=1)):
                    delivered = await self._commits.write(DeliverEvents())
                    if delivered.cancelled:
                        self._changes.look_again()
                await self.place_all()
            except StoreError as error:  # is published, and the next change comes
                _log.debug("events could not be handed on: %s", error)
            finally:
                self._is_busy = False
            self._commits.wake()  # the runner may be idle

    async def place_all(self) -> None:
        """Looks at all jobs that are held for the types of this runner, which may listen no more."""
        counts = self._store.counts()
        for name in self._registry.names() if counts.total.held else ():
            if not counts.by_type.get(name, _NONE).held:
                continue
            job_type, before = self._registry.find(name), None
            while job_type is not None:  # it may have left meanwhile
                wanted = FindJobs(type=job_type.name, held=Held.LISTENER, before=before, limit=LISTENER_PAGE)
                page = await self._store.ask(wanted)
                for job in page:
                    await self._place(job_type, job)
                if len(page) < LISTENER_PAGE:
                    break
                before = page[-1].id

    async def _place(self, job_type: JobType[..., Any], job: Job) -> None:
        try:
            candidate = self._candidate(job_type, job)
        except AiojobsError as error:
            _log.error("event job %s of %s cannot be started: %s", job.id, job_type.name, error)
            return
        except Exception:  # noqa: BLE001  # of the user's own function; logged
            _log.exception("when= of %s failed, and its event job %s stays held", job_type.name, job.id)
            return
        placed = await self._commits.write(PlaceHeld(job.id, candidate))
        if isinstance(placed, Refused):
            _log.error("event job %s of %s stays held: job %s has its key", job.id, job_type.name, placed.job_id)

    def _candidate(self, job_type: JobType[..., Any], job: Job) -> Candidate | None:
        """The job that an event starts; None: it starts none."""
        listening, how = job_type.listening, job_type.how
        if listening is None or not listening.starts_by(stored_payload(job.payload_json)):
            return None
        row = how.row(job_type, listening.payload(stored_payload(job.payload_json)), self._clock.now())
        return how.candidate(row)
