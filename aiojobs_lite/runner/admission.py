"""Enqueues with conditions, such as a unique key: the write, the wait until one fits, the error of a refusal."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final
from weakref import WeakKeyDictionary

from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.errors import (
    BatchClosed,
    EnqueueError,
    InvalidOption,
    JobNotFound,
    KeyReused,
    QueueFull,
    UniqueConflict,
)
from aiojobs_lite.handlers.options import Enqueueing
from aiojobs_lite.model.admission import Admit, Candidate, Refused
from aiojobs_lite.model.after import AfterAnswer, InsertAfter
from aiojobs_lite.model.batches import InsertInBatch
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.writes import Insert, Inserted
from aiojobs_lite.runner.access import EngineAccess

_LOOK_EVERY_S: Final = 0.02  # at the counts in memory, by the first caller of a type that waits
_Jobs = Sequence[tuple[Enqueueing, NewJob]]
Adding = Insert | InsertInBatch | Admit | InsertAfter


class Admission:
    """Makes jobs durable under the conditions of their options.

    Args:
        access: The way to the engine.
    """

    def __init__(self, access: EngineAccess) -> None:
        self._access = access
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, defaultdict[str, asyncio.Lock]] = WeakKeyDictionary()

    async def admit_all(self, jobs: _Jobs, batch: int | None = None, *, is_member: bool = False) -> Sequence[Inserted]:
        """Makes jobs durable, all or none; waits until they fit where that is asked for.

        Args:
            jobs: The rows with their options.
            batch: The batch that they are added to, or None.
            is_member: See `InsertInBatch`.

        Raises:
            EnqueueError: If a condition refuses one of them.
            BatchClosed: If the batch takes no more jobs.
            JobNotFound: If there is none of the jobs that one is to run after.
        """
        engine = self._access.engine
        write = write_of(jobs, batch, is_member=is_member)
        answer = inserted_of(write, await engine.write(write))
        while isinstance(answer, Refused):
            how, row = jobs[answer.position]
            candidates = candidates_of(write)
            most = candidates[answer.position].max_pending or 0
            if answer.why != "full" or how.flow is None or how.flow.on_full != "wait" or answer.wanted > most:
                raise refusal(answer, candidates, engine.wait_for)
            async with self._turn(row.type):
                await self._until_pending(row.type, most - answer.wanted)
                jobs = [(each, each.anew(made, engine.now())) for each, made in jobs]  # a delay counts from now
                write = write_of(jobs, batch, is_member=is_member)
                answer = inserted_of(write, await self._access.engine.write(write))
        count_dropped(engine, jobs, [inserted.is_new for inserted in answer])
        return answer

    def _turn(self, job_type: str) -> asyncio.Lock:
        """Of the callers that wait for one type the first looks at the counts; the others wait for it."""
        return self._turns.setdefault(asyncio.get_running_loop(), defaultdict(asyncio.Lock))[job_type]

    async def _until_pending(self, job_type: str, most: int) -> None:
        """Returns when at most `most` jobs of a type are pending, by counts that other processes change as well."""
        while self._access.engine.pending(job_type) > most:  # noqa: ASYNC110  # other processes set no event
            await asyncio.sleep(_LOOK_EVERY_S)


def count_dropped(engine: Engine, jobs: _Jobs, are_new: Sequence[bool]) -> None:
    """Counts the enqueues that a `Throttle` has dropped; in a transaction also if that is rolled back later."""
    for (how, row), is_new in zip(jobs, are_new, strict=True):
        if how.flow is not None and how.flow.drops and not is_new:
            engine.count_throttled(row.type)


def write_of(jobs: _Jobs, batch: int | None = None, *, is_member: bool = False) -> Adding:
    """The write that adds jobs: under conditions, and after others, if the options of one of them say so.

    Args:
        jobs: The rows with their options.
        batch: The batch that they are added to, or None.
        is_member: See `InsertInBatch`.
    """
    has_conditions = any(how.has_conditions for how, _ in jobs)
    candidates = tuple([how.candidate(row) for how, row in jobs]) if has_conditions else ()
    rows = tuple([row for _, row in jobs])
    if any(how.after is not None for how, _ in jobs) or (has_conditions and batch is not None):
        return InsertAfter(rows, tuple([how.waits(row) for how, row in jobs]), batch, is_member, candidates)
    if batch is not None:
        return InsertInBatch(batch, is_member, rows)
    return Admit(candidates) if has_conditions else Insert(rows)


def write_of_joined(jobs: _Jobs) -> Insert | Admit:
    """The write that adds jobs in a transaction of the caller's own.

    Raises:
        InvalidOption: If one is to run after others.
    """
    write = write_of(jobs)
    if isinstance(write, Insert | Admit):
        return write
    after = next(how.after.jobs for how, _ in jobs if how.after is not None)
    expected = "no `after` in a transaction of your own; commit it, then `enqueue` the job that runs after others"
    raise InvalidOption("after", list(after), expected)


def candidates_of(write: Adding) -> Sequence[Candidate]:
    """The jobs of a write with their conditions."""
    if isinstance(write, Admit):
        return write.rows
    return write.conditions if isinstance(write, InsertAfter) else ()


def inserted_of(
    write: Adding, answer: Sequence[Inserted] | Refused | AfterAnswer | None
) -> Sequence[Inserted] | Refused:
    """What a write that adds jobs has answered.

    Raises:
        BatchClosed: If the batch takes no more jobs.
        JobNotFound: If there is none of the jobs that one is to run after.
    """
    if isinstance(write, InsertInBatch | InsertAfter) and (answer is None or getattr(answer, "is_closed", False)):
        raise BatchClosed(write.batch or 0)
    if not isinstance(answer, AfterAnswer):
        return answer or ()
    if answer.missing is not None:
        raise JobNotFound(answer.missing)
    return answer.inserted if answer.refused is None else answer.refused


def refusal(refused: Refused, candidates: Sequence[Candidate], wait_for: Callable[[str, int], float]) -> EnqueueError:
    """The error of a refusal.

    Args:
        refused: The refusal.
        candidates: What was refused.
        wait_for: Estimates how long so many jobs of a type take to come to an end.
    """
    candidate = candidates[refused.position]
    job_type = candidate.row.type
    if refused.why == "key":
        return KeyReused(job_type, refused.job_id)
    if refused.why == "unique":
        return UniqueConflict(job_type, refused.job_id, refused.status)
    most = candidate.max_pending or 0
    never = refused.wanted > most
    retry_after = math.inf if never else wait_for(job_type, refused.pending + refused.left - most)
    return QueueFull(job_type, refused.pending, most, retry_after)
