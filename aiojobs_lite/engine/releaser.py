"""Releases held jobs that this runner can run: another version of the application may have refused them."""

from __future__ import annotations

from typing import Final

from aiojobs_lite.clock import Alarm, Clock, after
from aiojobs_lite.engine.ports import ClaimSlots, Commits
from aiojobs_lite.errors import InvalidPayload
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.counts import TypeCounts
from aiojobs_lite.model.job import Held, Job
from aiojobs_lite.model.payloads import stored_payload
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.writes import Release
from aiojobs_lite.stores.base import Store

_EVERY_S: Final = 2.0
_SOON_S: Final = 0.05  # after a look that released something
RELEASE_PAGE: Final = 100  # jobs a read
_MOST_SKIPPED: Final = 30  # looks in a row, if the jobs that are held seem to be the same
MOST_IN_VAIN: Final = 10  # pages in a row that a start reads
_NONE: Final = TypeCounts()


class Releaser:
    """Looks at the held jobs of the types that this runner has, and releases those whose payload fits its handlers.

    - A job that does not fit is only read: two versions that refuse it do not pass it to and fro.
    - No more are released than this runner can take, in a transaction that claims for it: so a version that has refused
      a job hardly gets it again.
    - Without held jobs nothing is read; nor, for a minute, if none of them fits and their number stays the same.

    Args:
        store: Where to look.
        clock: The time.
        registry: Has the handlers.
        slots: Says what this runner can take.
        commits: Makes the releases durable.
    """

    def __init__(self, *, store: Store, clock: Clock, registry: Registry, slots: ClaimSlots, commits: Commits) -> None:
        self._store = store
        self._clock = clock
        self._registry = registry
        self._slots = slots
        self._commits = commits
        self._before: dict[str, int | None] = {}  # by type: where the look at older jobs goes on
        self._released: set[int] = set()  # by the latest look
        self._is_any_unread = False  # by the latest look
        self._alarm = Alarm(clock)
        self._is_changed = False

    def look_again(self) -> None:
        """Looks at once: the runner has other job types."""
        self._is_changed = True
        self._alarm.ring()

    async def release_all(self) -> None:
        """Releases all that fits, before this runner claims anything. Behind a thousand newer jobs that do not fit the
        older ones are left to the looks: a start must not wait for them.
        """
        for job_type in self._types_to_look_at() if self._slots.has_slots else ():
            before, in_vain = None, 0
            while in_vain < MOST_IN_VAIN:
                page = await self._page(job_type, before)
                fitting = [job.id for job in page if _fits(job_type, job)]
                await self._release(fitting)
                in_vain = 0 if fitting else in_vain + 1
                if len(page) < RELEASE_PAGE:
                    break
                before = page[-1].id

    async def run(self) -> None:
        """Looks every few seconds, until it is cancelled; sooner while there is something to release."""
        pause, skipped = _EVERY_S, 0
        counts_in_vain: dict[str, int] | None = (
            None  # how many jobs of each type are held, when all were read and none fits
        )
        while True:
            await self._alarm.wait(after(self._clock.now(), pause))
            counts = self._counts()
            if counts == counts_in_vain and skipped < _MOST_SKIPPED and not self._is_changed:
                skipped += 1
                continue
            self._is_changed = False
            released = await self.look()
            is_refused_again = not self._released.isdisjoint(released)  # by another version, which was quicker
            pause = _SOON_S if released and not is_refused_again else _EVERY_S
            counts_in_vain = None if released or self._is_any_unread or any(self._before.values()) else counts
            self._released, skipped = released, 0

    async def look(self) -> set[int]:
        """Looks at a page of the newest held jobs of each type, and at the next page of the older ones; returns what
        was released.
        """
        released: set[int] = set()
        self._is_any_unread = False
        for job_type in self._types_to_look_at():
            released.update(await self._look_at(job_type, None))
            before = self._before.get(job_type.name)
            if before is not None:
                released.update(await self._look_at(job_type, before))
        return released

    async def _look_at(self, job_type: JobType[..., object], before: int | None) -> list[int]:
        if self._slots.free(job_type.name) <= 0:
            self._is_any_unread = True
            return []
        page = await self._page(job_type, before)
        fitting = [job.id for job in page if _fits(job_type, job)]
        chosen = fitting[: self._slots.free(job_type.name)]
        if len(chosen) == len(fitting) and before == self._before.get(job_type.name):
            self._before[job_type.name] = page[-1].id if len(page) == RELEASE_PAGE else None
        if chosen:
            self._slots.look_again(job_type.name)  # then the transaction of the release claims, too
            await self._release(chosen)
        return chosen

    def _types_to_look_at(self) -> list[JobType[..., object]]:
        return list(map(self._registry.get, self._counts()))

    def _counts(self) -> dict[str, int]:
        """How many jobs are held of each type of this runner: nearly always none, however many types there are."""
        counts = self._store.counts()
        if not counts.total.held:
            return {}
        return {name: count for name in self._registry.names() if (count := counts.by_type.get(name, _NONE).held)}

    async def _page(self, job_type: JobType[..., object], before: int | None) -> list[Job]:
        return await self._store.ask(FindJobs(type=job_type.name, held=Held.PAYLOAD, before=before, limit=RELEASE_PAGE))

    async def _release(self, ids: list[int]) -> None:
        if ids:
            await self._commits.write(Release(tuple(ids), Held.PAYLOAD))


def _fits(job_type: JobType[..., object], job: Job) -> bool:
    """Whether a payload fits the handler, or is to be tried: a validator of the user's may raise anything."""
    try:
        job_type.signature.load(stored_payload(job.payload_json))
    except InvalidPayload:
        return False
    except BaseException:  # noqa: BLE001  # its attempt records what it raises
        return True
    return True
