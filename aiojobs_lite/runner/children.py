"""The jobs that durable handlers start, as their options have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiojobs_lite.durable.durable import Durable
from aiojobs_lite.errors import EnqueueError, InvalidOption
from aiojobs_lite.handlers.job_type import BoundJob, Enqueueable
from aiojobs_lite.handlers.reference import JobReference
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.admission import Candidate, Refused
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.runner.access import EngineAccess
from aiojobs_lite.runner.admission import refusal
from aiojobs_lite.runner.binding import check_bound, check_enqueueable


class Children:
    """Makes the jobs that durable handlers start. An operation makes them durable, with itself.

    Args:
        access: The way to the engine, whose clock gives each job the instant of its enqueue.
        registry: The job types that the runner knows.
    """

    def __init__(self, access: EngineAccess, registry: Registry) -> None:
        self._access = access
        self._registry = registry

    def candidate(self, job: Enqueueable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Candidate:
        """The row of a job with the conditions of its options.

        Raises:
            EnqueueError: As of `enqueue`.
            InvalidOption: If it is to run after others.
        """
        check_enqueueable(job)
        self._registry.check(job)
        if job.how.after is not None:
            expected = "no `after` for a job that an operation starts; wait for the others first, by `ctx.invoke`"
            raise InvalidOption("after", list(job.how.after.jobs), expected)
        return job.how.candidate(job.row(self._access.engine.now(), args, kwargs))

    def candidate_by_name(
        self, reference: JobReference[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Candidate:
        """The same of a job type by its name.

        Raises:
            UnknownJobType: If there is none.
        """
        job_type, now = self._registry.get(reference.name), self._access.engine.now()
        return job_type.how.candidate(job_type.how.row(job_type, reference.payload(job_type, now, args, kwargs), now))

    def candidate_of(self, bound: BoundJob[Any]) -> Candidate:
        """The same of a bound job."""
        check_bound([bound], self._registry)
        return bound.how.candidate(bound.row(self._access.engine.now()))

    def follow(
        self, claimed: Claimed, job: Enqueueable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        """Has a job enqueued with the end of an attempt, if its handler ends it."""
        self._access.engine.follow(claimed, self.candidate(job, args, kwargs))

    def refusal(self, refused: Refused, candidates: Sequence[Candidate]) -> EnqueueError:
        """The error of a job that its options refuse."""
        return refusal(refused, candidates, self._access.engine.wait_for)


class DurableAccess:
    """What durable handlers need of their runner.

    Attributes:
        children: Makes the jobs that they start.
        durable: The durable operations of their attempts, since the runner was started.
    """

    def __init__(self, children: Children) -> None:
        self.children = children
        self.durable: Durable | None = None
