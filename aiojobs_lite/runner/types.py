"""`runner.types`: steers all jobs of a type."""

from __future__ import annotations

import getpass
import os
import socket
from typing import Any

from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.errors import InvalidOption, UnknownJobType
from aiojobs_lite.handlers.checks import check_storable
from aiojobs_lite.handlers.job_type import Enqueueable, JobType
from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.model.queries import ListPaused
from aiojobs_lite.model.writes import PauseType
from aiojobs_lite.runner.access import EngineAccess
from aiojobs_lite.sizes import LONGEST_PAUSE_BY_CHARS
from aiojobs_lite.text import make_storable


class JobTypes:
    """The job types of a runner's database: `runner.types`.

    Each method raises `RunnerError` if the runner cannot be used, and `StoreUnavailable` if the database cannot.

    Args:
        access: The way to the engine.
    """

    def __init__(self, access: EngineAccess) -> None:
        self._access = access

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
