"""Handlers with `process=True`: their worker processes, and what the death of one of them means."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import Any

import anyio

from aiojobs_lite.engine.calls import call_in_process
from aiojobs_lite.engine.child import Declaration, declaration_of
from aiojobs_lite.engine.running import Running
from aiojobs_lite.engine.workers import Worker, WorkerPool, most_workers
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.location import locate
from aiojobs_lite.handlers.progress import Reporter
from aiojobs_lite.policy.settle import Ending, Stop


class ProcessCalls:
    """Calls handlers in worker processes."""

    def __init__(self) -> None:
        self._workers = WorkerPool(most_workers())
        self._declared: dict[JobType[..., Any], Declaration] = {}
        self._is_draining = False

    def set_types(self, job_types: Iterable[JobType[..., Any]], left: Collection[JobType[..., Any]]) -> None:
        """Prepares the calls of these types, and keeps what is prepared for the others that are left.

        Raises:
            InvalidJobType: If a worker process cannot import a handler.
        """
        kept = {one: known for one, known in self._declared.items() if one in left}
        made = {one: self._declared.get(one) or declare(one) for one in job_types if one.mode == "process"}
        self._declared = kept | made

    def drain(self) -> None:
        """Takes a worker process that dies from now on for interrupted."""
        self._is_draining = True

    async def close(self) -> None:
        """Ends the worker processes, and what handlers started there."""
        await self._workers.close()

    async def call(
        self, run: Running, database: str, entered: Callable[[Worker], None], reporter: Reporter | None
    ) -> Ending:
        """Calls the handler of an attempt, and returns how it ended; see `call_in_process`.

        The worker process gets the arguments in their present form: it has no steps of an upgrade.

        Raises:
            anyio.BrokenWorkerProcess: If the process died, and the runner is not draining.
        """
        try:
            declared, claimed = self._declared[run.job_type], run.claimed
            if run.job_type.signature.is_marked:
                claimed = claimed._replace(payload=run.job_type.signature.present(claimed.payload))
            return await call_in_process(declared, claimed, database, self._workers, entered, reporter)
        except asyncio.CancelledError as error:
            raise error.with_traceback(None)  # noqa: B904  # the same: its frames wait for the process, and show nothing
        except anyio.BrokenWorkerProcess:
            if self._is_draining:  # whatever ends this process may have killed that one first
                return Ending(stopped=Stop.SHUTDOWN)
            raise


def declare(job_type: JobType[..., Any]) -> Declaration:
    """What a worker process needs to know of a job type.

    Raises:
        InvalidJobType: If it cannot import the handler.
    """
    return declaration_of(job_type, locate(job_type))
