"""The job types that a runner was given: before its start, and while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from aiojobs_lite.engine.type_changes import TypeChange
from aiojobs_lite.errors import RunnerAlreadyStarted
from aiojobs_lite.handlers.group import JobSource, job_types_of, resources_of
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.policy.catch_up import Schedule
from aiojobs_lite.runner.access import EngineAccess

_TO_A_RUNNING_ONE = "For a runner that runs there is `await runner.types.add(job_type)`."


class DeclaredTypes:
    """Takes the job types of a runner, and changes them.

    Args:
        access: The way to the engine.
        registry: Gets the job types.
        surround: Says what comes with job types that the runner is to have.

    Attributes:
        deps: The resources that the runner has of its own.
        schedules: The cron schedules that are declared with job types, by name.
    """

    def __init__(
        self, access: EngineAccess, registry: Registry, surround: Callable[[Registry], TypeChange]
    ) -> None:  # fmt: skip
        self._access = access
        self._registry = registry
        self._surround = surround
        self._sources: list[JobSource] = []
        self._replaced: set[str] = set()  # names of which the sources may have others, or had some
        self.deps: Mapping[Any, Any] = {}
        self.schedules: dict[str, Schedule] = {}

    # Before the start.

    def declare(self, job_type: JobType[..., Any]) -> None:
        """Adds a job type that is declared on the runner.

        Raises:
            DuplicateJobType: If another one has its name.
            RunnerAlreadyStarted: If the runner is started.
        """
        self._check_not_started()
        self._registry.add(job_type)
        if job_type.cron is not None:
            self.schedules[job_type.name] = job_type.cron

    def expect_more(self, *, is_expected: bool) -> None:
        """See `JobTypes.expect_more`."""
        self._registry.is_partial = is_expected

    def register(self, sources: Iterable[JobSource]) -> None:
        """Adds what is declared elsewhere, all or nothing.

        Raises:
            ConfigurationError: As of `JobRunner.register`.
            RunnerAlreadyStarted: If the runner is started.
        """
        self._check_not_started()
        given = list(sources)
        self._change(partial(_add, given))
        self._sources += given

    def read_again(self) -> None:
        """Adds what was added to groups and modules since, but for names whose job types were replaced or removed."""
        for source in self._sources:
            for job_type in job_types_of(source):
                if job_type.name not in self._replaced:
                    self.declare(job_type)

    @property
    def all(self) -> list[JobType[..., Any]]:
        """The job types that the runner has, those of its groups and modules as they are now."""
        if not self._access.is_started:
            self.read_again()
        return list(self._registry)

    @property
    def resources(self) -> dict[Any, Any]:
        """The resources by type, of the runner and its groups.

        Raises:
            ConflictingResources: If two groups have different ones for a type.
        """
        return resources_of(self._registry, self.deps)

    # At any time.

    async def add(self, sources: Iterable[JobSource]) -> None:
        """See `JobTypes.add`."""
        given = list(sources)
        await self._change_now(partial(_add, given), lambda: self._sources.extend(given))

    async def replace(self, sources: Iterable[JobSource]) -> None:
        """See `JobTypes.replace`."""
        job_types = [job_type for source in sources for job_type in job_types_of(source)]
        names = [job_type.name for job_type in job_types]
        await self._change_now(lambda registry: registry.replace(*job_types), lambda: self._replaced.update(names))

    async def remove(self, names: Iterable[str]) -> None:
        """See `JobTypes.remove`."""
        given = list(names)
        await self._change_now(lambda registry: registry.remove(*given), lambda: self._replaced.update(given))

    async def _change_now(self, change: Callable[[Registry], None], done: Callable[[], None]) -> None:
        if self._access.is_started:
            await self._access.engine.change_types(partial(self._changed, change, done))
        else:
            self._change(change)
            done()

    def _changed(self, change: Callable[[Registry], None], done: Callable[[], None], wanted: Registry) -> TypeChange:
        """Changes the job types of a running engine, and says what comes with them."""
        change(wanted)
        resources_of(wanted, self.deps)  # refuses a conflict
        around, have = self._surround(wanted)

        def have_all() -> None:
            have()
            done()

        return TypeChange(around, have_all)

    def _change(self, change: Callable[[Registry], None]) -> None:
        """Changes the job types of a runner that is not started."""
        wanted = self._registry.copy()
        change(wanted)
        resources_of(wanted, self.deps)  # refuses a conflict
        self._registry.become(wanted)
        self.schedules.clear()
        self.schedules.update({one.name: one.cron for one in self._registry if one.cron is not None})

    def _check_not_started(self) -> None:
        if self._access.is_started:
            raise RunnerAlreadyStarted("given more job types", _TO_A_RUNNING_ONE)


def _add(sources: Iterable[JobSource], registry: Registry) -> None:
    for source in sources:
        for job_type in job_types_of(source):
            registry.add(job_type)
