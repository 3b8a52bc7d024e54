"""`runner.types`: steers all jobs of a type, and changes the types of a runner."""

from __future__ import annotations

import getpass
import os
import socket
from typing import Any

from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.errors import InvalidOption, UnknownJobType
from aiojobs_lite.handlers.checks import check_flag, check_storable
from aiojobs_lite.handlers.group import JobSource
from aiojobs_lite.handlers.job_type import Enqueueable, JobType
from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.model.queries import ListPaused
from aiojobs_lite.model.writes import PauseType
from aiojobs_lite.runner.access import EngineAccess
from aiojobs_lite.runner.declared import DeclaredTypes
from aiojobs_lite.sizes import LONGEST_PAUSE_BY_CHARS
from aiojobs_lite.text import make_storable


class JobTypes:
    """The job types of a runner's database: `runner.types`.

    Each method raises `RunnerError` if the runner cannot be used, and `StoreUnavailable` if the database cannot.

    Args:
        access: The way to the engine.
        declared: Those of this runner.
    """

    def __init__(self, access: EngineAccess, declared: DeclaredTypes) -> None:
        self._access = access
        self._declared = declared

    def expect_more(self, *, is_expected: bool = True) -> None:
        """Says, before the start, that job types join soon after it, and when they have: the start does not report jobs
        that wait for types which it does not know.

        Args:
            is_expected: False: all have joined.

        Raises:
            InvalidOption: If it is neither True nor False.
        """
        self._declared.expect_more(is_expected=check_flag("is_expected", is_expected))

    async def add(self, *jobs: JobSource) -> None:
        """Adds job types to the runner, also while it runs, all or none: their jobs are claimed from now on, and events
        start them. Before the start it is `runner.register`.

        Args:
            *jobs: Job types, groups, and modules that have some of them.

        Raises:
            InvalidOption: If one is none of these, or shares a limit with another job type, with other values.
            DuplicateJobType: If another job type has the name of one: `replace` puts it in its place.
            ConflictingResources: If two groups have different resources for a type.
            MissingDependency: If no resource was made at the start for an injected parameter.
            JobTypeRefused: If one has a cron schedule of its own, and the runner is started.
            InvalidJobType: If a worker process cannot import a handler.
        """
        await self._declared.add(jobs)

    async def replace(self, *jobs: JobSource) -> None:
        """Puts job types in the places of those of the same names, all or none. Attempts that run end by what they
        began with. What the store keeps of a type, its limits and the events that start it, is stored anew.

        Args:
            *jobs: Job types, groups, and modules that have some of them.

        Raises:
            UnknownJobType: If this runner has no job type of a name: `add` adds it.
            ConfigurationError: As of `add`.
        """
        await self._declared.replace(jobs)

    async def remove(self, *jobs: JobType[..., Any] | str) -> None:
        """Takes job types off the runner, all or none. It claims no more of their jobs, which stay. Events start them
        no more, unless another live runner has the type. Attempts that run go on.

        Args:
            *jobs: The types, or their names.

        Raises:
            UnknownJobType: If this runner has no job type of a name.
            JobTypeRefused: If the death of a job of another type enqueues one, or the runner is started and one has a
                cron schedule of its own.
        """
        await self._declared.remove([one.name if isinstance(one, JobType) else one for one in jobs])

    def registered(self) -> list[JobType[..., Any]]:
        """The job types that this runner has, in the order of their registration; no I/O."""
        return self._declared.all

    async def pause(self, job: JobType[..., Any] | str, *, by: str | None = None) -> None:
        """Stops all claims of a type, in every runner of the database, until `resume`; what runs goes on.

        Args:
            job: The type. One that is paused already stays as it is.
            by: The person or program that pauses it, shortened to 200 characters; None: the user, the host and the
                process id.

        Raises:
            InvalidOption: If `by` is no text.
            UnknownJobType: If no runner of the database has registered it, and no job in it is of that type.
        """
        engine = self._access.engine
        await engine.order(_set_paused(engine, await known_name(engine, job), by=check_by(by)))

    async def resume(self, job: JobType[..., Any] | str) -> None:
        """Lets the jobs of a paused type run again.

        Raises:
            UnknownJobType: If no runner of the database has registered it, and no job in it is of that type.
        """
        engine = self._access.engine
        await engine.order(_set_paused(engine, await known_name(engine, job), by=None))

    async def paused(self) -> dict[str, Pause]:
        """The paused types, by name, in order: since when, and by whom."""
        engine = self._access.engine
        return dict(sorted((await engine.ask(ListPaused())).items()))


async def _set_paused(engine: Engine, name: str, *, by: str | None) -> None:
    """Pauses a type in the name of `by`; None: resumes it."""
    await engine.write(PauseType(name, by is not None, by))
    engine.look_again(name)
    engine.pauses.look()


def check_by(by: object) -> str:
    """The person or program that pauses; None: this user, host and process.

    Raises:
        InvalidOption: If it is no text.
    """
    if by is None:
        by = f"{_user()}{socket.gethostname()} (pid {os.getpid()})"
    if not isinstance(by, str) or not by:
        raise InvalidOption("by", by, "text")
    return make_storable(by, LONGEST_PAUSE_BY_CHARS)


def _user() -> str:
    try:
        return f"{getpass.getuser()}@"
    except (ImportError, KeyError, OSError):  # a user id without a name, as in a container
        return ""


def type_name(value: object) -> str | None:
    """The name of a job type, given as that or as the job type; None if there is none."""
    return value.job_type.name if isinstance(value, Enqueueable) else check_storable("type", value)


async def known_name(engine: Engine, job: JobType[..., Any] | str) -> str:
    """The name of a type that this runner or another one of the database has registered, or of which jobs are there.

    Raises:
        UnknownJobType: If it is none of these: it may be misspelt.
    """
    name = job.name if isinstance(job, JobType) else job
    if not isinstance(name, str):
        raise UnknownJobType(name, engine.stats().by_type)
    if engine.knows(name):
        return name
    runners, _ = await engine.runners()
    registered = {known for one in runners for known in one.types}
    if name not in registered:
        raise UnknownJobType(name, registered | engine.stats().by_type.keys())
    return name
