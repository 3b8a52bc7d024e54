"""Job types that join, change in, and leave a runner that runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from aiojobs_lite.engine.around import Around
from aiojobs_lite.engine.identity import Identity, stored_types
from aiojobs_lite.engine.listeners import listening
from aiojobs_lite.engine.parts import Parts
from aiojobs_lite.engine.payloads import PayloadCheck
from aiojobs_lite.engine.process_calls import declare
from aiojobs_lite.engine.resources import Resources
from aiojobs_lite.engine.runners import look_at_runners
from aiojobs_lite.errors import JobTypeRefused, MissingDependency
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.events import Listener, SetListeners
from aiojobs_lite.model.limits import SetLimits, StoredLimit
from aiojobs_lite.model.runners import SetRunnerTypes
from aiojobs_lite.stores.base import Store
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts.limits import limits_changed

_CRON: Final = (
    "it has a cron schedule of its own, which begins at a start. Declare it by job(...), and give it the schedule by "
    "`await runner.schedules.put(name, expression, job_type)`"
)


class TypeChange(NamedTuple):
    """What comes with other job types.

    Attributes:
        around: What is around the attempts of some of them, by name.
        done: Is called in the step in which the runner has them.
    """

    around: Mapping[str, Around]
    done: Callable[[], None]


class TypeChanges:
    """Changes the job types of a running engine, one change after the other.

    What the store keeps of the types is written first. The engine has them in the step in which it learns of the
    commit: so a change that the store refuses, or that is cancelled, has changed nothing, and can be repeated.

    - A type that changes or leaves is not claimed from before the write on. What a claim in flight brings of it starts
      as it was: the write comes after that claim.
    - Attempts that run end by what they began with.

    Args:
        store: Says which runners live.
        bus: Gets a fact for each limit that has other values.
        registry: The job types.
        identity: Of this runner.
        deps: The resources, open.
        parts: What has the types.
    """

    def __init__(
        self, *, store: Store, bus: Bus, registry: Registry, identity: Identity, deps: Resources, parts: Parts,
    ) -> None:  # fmt: skip
        self._store = store
        self._bus = bus
        self._registry = registry
        self._identity = identity
        self._deps = deps
        self._parts = parts
        self._payloads = PayloadCheck(store=store, bus=bus, slots=parts.dispatcher)
        self._lock = asyncio.Lock()

    async def make(self, change: Callable[[Registry], TypeChange]) -> None:
        """Makes a change, all of it or nothing.

        Args:
            change: Changes a copy of the job types, and says what comes with it; what it raises refuses the change.

        Raises:
            JobTypeRefused: If a type has a cron schedule of its own.
            MissingDependency: If no resource is there for an injected parameter.
            InvalidJobType: If a worker process cannot import a handler.
            StoreUnavailable: If it cannot be stored now.
            RunnerClosed: If the runner was closed before.
        """
        async with self._lock:
            wanted = self._registry.copy()
            found = change(wanted)
            before, after = {*self._registry}, {*wanted}
            new = [job_type for job_type in wanted if job_type not in before]
            self._check(new, before - after)
            await self._payloads.look(new)
            await self._write(wanted, new, found)

    async def _write(self, wanted: Registry, new: list[JobType[..., Any]], found: TypeChange) -> None:
        """Stores what is to be known of the types, and has them."""
        parts, limits = self._parts, _limits_of(new)
        _, dead = await look_at_runners(self._store)
        types = SetRunnerTypes(self._identity.owner, stored_types(wanted.limits), tuple(dead))
        parts.dispatcher.hold({one.name for one in {*self._registry}.difference(wanted)})
        try:
            _, _, changed = await parts.committer.write_all(types, SetListeners(_listeners(new)), SetLimits(limits))
            self._registry.become(wanted)
            parts.executor.set_types(self._registry, found.around)
            found.done()
        finally:
            running = Counter([run.job_type.name for run in parts.attempts.with_slots])
            parts.dispatcher.set_types(self._registry, running)
        for fact in limits_changed(limits, changed):
            self._bus.publish(fact)
        for part in (parts.listeners, parts.releaser, parts.ticker):
            part.look_again()

    def _check(self, new: Iterable[JobType[..., Any]], left: Iterable[JobType[..., Any]]) -> None:
        for job_type in (*new, *left):
            if job_type.cron is not None:
                raise JobTypeRefused(job_type.name, _CRON)
        for job_type in new:
            if job_type.mode == "process":
                declare(job_type)
            for wanted in job_type.signature.injected.values() if self._parts.dispatcher.has_slots else ():
                if wanted not in self._deps and wanted not in self._deps.per_attempt:
                    raise MissingDependency(job_type.name, wanted)


def _listeners(new: Iterable[JobType[..., Any]]) -> tuple[Listener, ...]:
    """What types listen to, for each of them: it may have listened to something before."""
    none = {one.name: Listener(one.name, (), one.priority, one.max_attempts) for one in new}
    return tuple({**none, **{found.type: found for found in listening(new)}}.values())


def _limits_of(job_types: Iterable[JobType[..., Any]]) -> tuple[StoredLimit, ...]:
    """The limits by key of job types, each once."""
    lanes = [one.lanes for one in job_types if one.lanes is not None]
    return tuple(dict.fromkeys([limit for one in lanes for limit in one.stored]))
