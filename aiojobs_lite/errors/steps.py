"""About the steps of one durable handler."""

from __future__ import annotations

from typing import Final

from aiojobs_lite.errors.job import JobError

_NOUNS: Final = {"run": "step", "planned": "step", "event": "wait for an event", "child": "wait for a job"}


class StepError(JobError):
    """The base class of the errors about one operation of a durable handler.

    Attributes:
        name: The name of the operation.
    """

    def __init__(self, job_id: int, name: str, message: str) -> None:
        self.name = name
        super().__init__(job_id, message)


class StepFailed(StepError):
    """A step failed for good. It is raised at its place, in each attempt again; the handler may catch it. Its
    `__cause__` is the `RecordedError` of the last attempt of the step.

    Attributes:
        attempts: How often the step was run.
        error_type: The name of the exception's class.
        message: Its text.
    """

    is_final = True

    def __init__(self, job_id: int, name: str, attempts: int, error_type: str, message: str) -> None:
        self.attempts, self.error_type, self.message = attempts, error_type, message
        raised = ": ".join(filter(None, [error_type, message])).removesuffix(".")
        times = "1 attempt" if attempts == 1 else f"{attempts:,} attempts"
        super().__init__(
            job_id,
            name,
            f"step {name!r} of job {job_id} failed for good after {times}: {raised}. Catch StepFailed in the "
            "handler, or redrive the job, which runs the step again.",
        )


class StepMismatch(StepError):
    """A name stands for another kind of operation than an attempt before had stored. Each attempt would find it so: a
    handler that does not catch this is not tried again.

    Attributes:
        was: The kind that is stored: `run` (a step), `sleep`, `event` or `child`.
        state: Where that stands: `waiting`, `done` or `failed`.
        asked: The kind that the handler asks for.
    """

    is_final = True

    def __init__(self, job_id: int, name: str, was: str, state: str, asked: str) -> None:
        self.was, self.state, self.asked = was, state, asked
        stored, wanted = _NOUNS.get(was, was), _NOUNS.get(asked, asked)
        super().__init__(
            job_id,
            name,
            f"{name!r} of job {job_id} is stored as a {stored} ({state}), and the handler asks for a {wanted} of that "
            "name. Give the new one another name, and redrive the job.",
        )


class StepNotStored(StepError):
    """What a step returned cannot be stored. The step failed for good: it would be run again for nothing. This is
    raised at its place, in each attempt again; the handler may catch it.
    """

    is_final = True

    def __init__(self, job_id: int, name: str, problem: str) -> None:
        super().__init__(
            job_id,
            name,
            f"what step {name!r} of job {job_id} returned cannot be stored: {problem.rstrip('.')}. Let it return "
            "plain JSON values, or what the annotation of its function says, and redrive the job; or catch "
            "StepNotStored in the handler.",
        )


class StepUnfit(StepError):
    """What is stored of an operation does not fit what its function, or the job type, says that it returns now. Each
    attempt would find it so: a handler that does not catch this is not tried again.
    """

    is_final = True

    def __init__(self, job_id: int, name: str, problem: str) -> None:
        super().__init__(
            job_id,
            name,
            f"what {name!r} of job {job_id} returned in an attempt before does not fit its return annotation any more: "
            f"{problem.rstrip('.')}. Let the annotation take both and redrive the job, or give the operation another "
            "name: then it runs again.",
        )


class TooManySteps(StepError):
    """A job has as many operations as one may have. A handler that does not catch this is not tried again: what is done
    counts in each attempt, and after a redrive as well.

    Attributes:
        most: How many one may have.
    """

    is_final = True

    def __init__(self, job_id: int, name: str, most: int) -> None:
        self.most = most
        super().__init__(
            job_id,
            name,
            f"{name!r} of job {job_id} would be operation {most + 1:,}, and a job has at most {most:,}. Let a step do "
            "several at once, or start further jobs, and enqueue the job anew: a redriven one has as many.",
        )
