"""`runner.types`: steers all jobs of a type."""

from __future__ import annotations

from typing import Any

from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.errors import UnknownJobType
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.queries import ListPaused
from aiojobs_lite.model.writes import PauseType
from aiojobs_lite.runner.access import EngineAccess
from aiojobs_lite.telemetry.facts import TypePaused, TypeResumed


class JobTypes:
    """The job types of a runner's database: `runner.types`.

    Each method raises `RunnerError` if the runner cannot be used, and `StoreUnavailable` if the database cannot.

    Args:
        access: The way to the engine.
    """

    def __init__(self, access: EngineAccess) -> None:
        self._access = access

    async def pause(self, job: JobType[..., Any] | str) -> None:
        """Stops all claims of a type, in every runner of the database, until `resume`; what runs goes on.

        Raises:
            UnknownJobType: If it is neither registered in this runner nor present in the database.
        """
        engine = self._access.engine
        await engine.order(_set_paused(engine, _known_name(engine, job), is_paused=True))

    async def resume(self, job: JobType[..., Any] | str) -> None:
        """Lets the jobs of a paused type run again.

        Raises:
            UnknownJobType: If it is neither registered in this runner nor present in the database.
        """
        engine = self._access.engine
        await engine.order(_set_paused(engine, _known_name(engine, job), is_paused=False))

    async def paused(self) -> tuple[str, ...]:
        """The names of the paused types, in order."""
        engine = self._access.engine
        return tuple(sorted(await engine.ask(ListPaused())))


async def _set_paused(engine: Engine, name: str, *, is_paused: bool) -> None:
    await engine.write(PauseType(name, is_paused))
    engine.look_again(name)
    engine.bus.publish(TypePaused(name) if is_paused else TypeResumed(name))


def _known_name(engine: Engine, job: JobType[..., Any] | str) -> str:
    name = job.name if isinstance(job, JobType) else job
    if not isinstance(name, str) or not engine.knows(name):
        raise UnknownJobType(name, engine.stats().by_type)
    return name
