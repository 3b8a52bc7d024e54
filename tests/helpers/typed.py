"""Job types that join a runner, and what it is listed with."""

from __future__ import annotations

import asyncio
from typing import Any

from aiojobs_lite import JobRunner, job
from aiojobs_lite.handlers.job_type import JobType


def said(value: str, **options: Any) -> JobType[..., str]:
    """A job type whose jobs return a value."""

    @job(name="t", **options)
    async def handler() -> str:
        return value

    return handler


class Gate:
    """A job type whose attempts wait, and what runs of it."""

    def __init__(self, value: str, name: str = "t", **options: Any) -> None:
        self.open = asyncio.Event()
        self.running = self.most = 0

        @job(name=name, **options)
        async def handler() -> str:
            self.running += 1
            self.most = max(self.most, self.running)
            try:
                await self.open.wait()
            finally:
                self.running -= 1
            return value

        self.type: JobType[..., str] = handler


async def types_of(runner: JobRunner) -> dict[str, int | None]:
    """The types that the runners of the database are listed with."""
    return dict((await runner.runners())[0].types)
