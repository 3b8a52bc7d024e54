"""Opens the database that a command names: as it is, beside the applications that work on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any, Literal, TypeVar

import typer

from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.runner.opened import OpenedDatabase

T = TypeVar("T")
DatabaseOption = Annotated[
    str | None,
    typer.Option("--db", "-d", metavar="FILE", help="The database; else $AIOJOBS_LITE_DATABASE, else jobs.db."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, of a shape that is documented.")]


def look(database: str | None, read: Callable[[OpenedDatabase], Awaitable[T]]) -> T:
    """Reads from the database, and writes nothing; returns what was read."""
    return asyncio.run(_carried_out(database, "look", read))


def act(
    database: str | None, work: Callable[[OpenedDatabase], Awaitable[T]], jobs: Iterable[JobType[..., Any]] = ()
) -> T:
    """Does something to the database, with the job types that it needs; returns what that gave."""
    return asyncio.run(_carried_out(database, "act", work, jobs))


async def _carried_out(
    database: str | None,
    opening: Literal["act", "look"],
    work: Callable[[OpenedDatabase], Awaitable[T]],
    jobs: Iterable[JobType[..., Any]] = (),
) -> T:
    show_warnings_of_store()
    opened = OpenedDatabase(database, opening=opening, jobs=jobs)
    async with opened:
        return await work(opened)


def show_warnings_of_store() -> None:
    """Shows what the store warns of; what the command itself does, such as a pause, it says by itself."""
    handler = logging.StreamHandler()
    handler.addFilter(logging.Filter("aiojobs_lite.store"))
    logging.basicConfig(format="aiojobs-lite: %(message)s", level=logging.WARNING, handlers=[handler])
