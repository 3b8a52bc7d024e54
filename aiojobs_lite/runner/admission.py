"""Enqueues that have conditions, such as a unique key: the write, and what its refusal is to the caller."""

from __future__ import annotations

from collections.abc import Sequence

from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.errors import EnqueueError, KeyReused, UniqueConflict
from aiojobs_lite.handlers.options import Enqueueing
from aiojobs_lite.model.admission import Admit, Candidate, Refused
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.writes import Inserted


async def admit_all(engine: Engine, jobs: Sequence[tuple[Enqueueing, NewJob]]) -> list[Inserted]:
    """Makes jobs durable under the conditions of their options, all or none.

    Raises:
        EnqueueError: If a condition refuses one of them.
    """
    candidates = tuple([how.candidate(row) for how, row in jobs])
    answer = await engine.write(Admit(candidates))
    if isinstance(answer, Refused):
        raise _error(answer, candidates[answer.position])
    for (how, row), inserted in zip(jobs, answer, strict=True):
        if how.flow is not None and how.flow.drops and not inserted.is_new:
            engine.count_throttled(row.type)
    return answer


def _error(refused: Refused, candidate: Candidate) -> EnqueueError:
    job_type = candidate.row.type
    if refused.why == "key":
        return KeyReused(job_type, refused.job_id)
    return UniqueConflict(job_type, refused.job_id, refused.status)
