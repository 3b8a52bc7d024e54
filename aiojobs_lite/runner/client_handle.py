"""What a `JobClient` gives back of the jobs that it enqueued."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiojobs_lite.engine.identity import key_of
from aiojobs_lite.errors import EnqueueError
from aiojobs_lite.model.admission import Candidate, Refused
from aiojobs_lite.model.writes import Inserted
from aiojobs_lite.runner.admission import Adding, candidates_of, refusal

_RETRY_AFTER_S: Final = 1.0  # a client measures nothing


@dataclass(frozen=True, slots=True)
class ClientHandle:
    """One job that a `JobClient` enqueued.

    Attributes:
        id: The job's id.
        key: Its key, unique over databases, as `JobHandle.key`.
        is_new: Whether this enqueue made the job; False if an earlier one with its idempotency key did.
    """

    id: int
    key: str
    is_new: bool


def client_refusal(answer: Refused, candidates: Sequence[Candidate]) -> EnqueueError:
    """The error of a refusal of some of these jobs."""
    return refusal(answer, candidates, lambda _type, _jobs: _RETRY_AFTER_S)


def handles_of(database: str, write: Adding, answer: Sequence[Inserted] | Refused) -> list[ClientHandle]:
    """The handles of what a write has inserted.

    Args:
        database: The random id of the database.
        write: The write.
        answer: What it was answered.

    Raises:
        EnqueueError: If it was refused.
    """
    if isinstance(answer, Refused):
        raise client_refusal(answer, candidates_of(write))
    return [ClientHandle(job_id, key_of(database, job_id), is_new) for job_id, is_new in answer]
