"""Releases held jobs that this runner can run: another version of the application may have refused them."""

from __future__ import annotations

from typing import Final

from aiojobs_lite.clock import Clock, sleep
from aiojobs_lite.engine.ports import ClaimSlots, Commits
from aiojobs_lite.errors import InvalidPayload
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.counts import TypeCounts
from aiojobs_lite.model.job import Held, Job
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.writes import Release
from aiojobs_lite.stores.base import Store

_EVERY_S: Final = 2.0
_SOON_S: Final = 0.05  # after a look that released something
_PAGE: Final = 100  # jobs a read
_NONE: Final = TypeCounts()


class Releaser:
    """Looks at the held jobs of the types that this runner has, and releases those whose payload fits its handlers.

    - A job that does not fit is only read: two versions that refuse it do not pass it to and fro.
    - No more are released than this runner can take, in a transaction that claims for it: another version that has
      refused a job does not get it again.
    - Without held jobs nothing is read.

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

    async def release_all(self) -> None:
        """Releases all that fits, before this runner claims anything."""
        for job_type in self._types_to_look_at() if self._slots.has_slots else ():
            before = None
            while True:
                page = await self._page(job_type, before)
                await self._release([job.id for job in page if _fits(job_type, job)])
                if len(page) < _PAGE:
                    break
                before = page[-1].id

    async def run(self) -> None:
        """Looks every few seconds, until it is cancelled; sooner while there is something to release."""
        pause = _EVERY_S
        while True:
            await sleep(self._clock, pause)
            released = await self.look()
            is_refused_again = not self._released.isdisjoint(released)  # by another version, which was quicker
            pause = _SOON_S if released and not is_refused_again else _EVERY_S
            self._released = released

    async def look(self) -> set[int]:
        """Looks at a page of the newest held jobs of each type, and at the next page of the older ones; returns what
        was released.
        """
        released: set[int] = set()
        for job_type in self._types_to_look_at():
            released.update(await self._look_at(job_type, None))
            before = self._before.get(job_type.name)
            if before is not None:
                released.update(await self._look_at(job_type, before))
        return released

    async def _look_at(self, job_type: JobType[..., object], before: int | None) -> list[int]:
        if self._slots.free(job_type.name) <= 0:
            return []
        page = await self._page(job_type, before)
        fitting = [job.id for job in page if _fits(job_type, job)]
        chosen = fitting[: self._slots.free(job_type.name)]
        if len(chosen) == len(fitting) and before == self._before.get(job_type.name):
            self._before[job_type.name] = page[-1].id if len(page) == _PAGE else None
        if chosen:
            self._slots.look_again(job_type.name)  # then the transaction of the release claims, too
            await self._release(chosen)
        return chosen

    def _types_to_look_at(self) -> list[JobType[..., object]]:
        """The types of this runner that have held jobs: nearly always none, however many types there are."""
        counts = self._store.counts()
        if not counts.total.held:
            return []
        return [job_type for job_type in self._registry if counts.by_type.get(job_type.name, _NONE).held]

    async def _page(self, job_type: JobType[..., object], before: int | None) -> list[Job]:
        return await self._store.ask(FindJobs(type=job_type.name, held=Held.PAYLOAD, before=before, limit=_PAGE))

    async def _release(self, ids: list[int]) -> None:
        if ids:
            await self._commits.write(Release(tuple(ids), Held.PAYLOAD))


def _fits(job_type: JobType[..., object], job: Job) -> bool:
    """Whether a payload fits the handler, or is to be tried: a validator of the user's may raise anything."""
    try:
        job_type.signature.load(job.payload_json)
    except InvalidPayload:
        return False
    except BaseException:  # noqa: BLE001  # its attempt records what it raises
        return True
    return True
