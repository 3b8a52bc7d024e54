"""About one stored job."""

from __future__ import annotations

from aiojobs_lite.errors.base import AiojobsError, Portable
from aiojobs_lite.text import escape, show_duration


class JobError(AiojobsError):
    """The base class of the errors about one stored job.

    Attributes:
        job_id: Its id.
    """

    def __init__(self, job_id: int, message: str) -> None:
        self.job_id = job_id
        super().__init__(message)


class JobNotFound(JobError, LookupError):
    """No job has this id: it never existed, was deleted, or was pruned."""

    def __init__(self, job_id: int) -> None:
        advice = "Take the id from a handle; finished jobs are kept for keep_completed= or keep_dead=."
        super().__init__(job_id, f"there is no job {job_id}: never enqueued, deleted, or pruned. {advice}")


class JobNotCommitted(JobError, LookupError):
    """The transaction in which the job was enqueued is not committed, or was rolled back."""

    def __init__(self, job_id: int) -> None:
        super().__init__(
            job_id,
            f"there is no job {job_id} of this enqueue: its transaction is not committed yet, or was rolled back (or "
            "the job was deleted since). Ask after the commit.",
        )


class JobNotAllowed(JobError):
    """The status of the job does not allow the operation.

    Attributes:
        status: The job's status.
    """

    def __init__(self, job_id: int, status: str, action: str, allowed: str) -> None:
        self.status = status
        super().__init__(job_id, f"job {job_id} is {status} and cannot be {action}: that takes {allowed}.")


class AttemptNotOwned(JobError):
    """A write belonged to the end of an attempt that the runner no longer owned. Neither the write nor the end was
    applied.

    Attributes:
        attempt: The number of the attempt.
    """

    def __init__(self, job_id: int, attempt: int) -> None:
        self.attempt = attempt
        super().__init__(
            job_id,
            f"attempt {attempt} of job {job_id} is no longer owned by this runner: nothing was written. "
            "The job was ended, or rescued by another runner: let this attempt end.",
        )


class RecordedError(JobError):
    """What an attempt raised, or one of its steps, where only the record of it is left. Its text has the traceback.

    Attributes:
        attempt: The number of the attempt, of the step if it is of one.
        error_type: The name of the exception's class; empty if there was none.
        message: Its text.
        traceback: Its traceback as text, without local variables; may be empty.
        step: The name of the step that raised it, or None.
    """

    def __init__(
        self, job_id: int, attempt: int, error_type: str, message: str, traceback: str, step: str | None = None
    ) -> None:
        self.attempt = attempt
        self.error_type = error_type
        self.message = message
        self.traceback = traceback
        self.step = step
        of = f"job {job_id}" if step is None else f"step {step!r} of job {job_id}"
        line = f"attempt {attempt} of {of} failed: {': '.join(filter(None, [error_type, message]))}"
        super().__init__(job_id, f'{line}\n"""\n{traceback.rstrip()}\n"""' if traceback else line)

    def __str__(self) -> str:
        head, *traceback = Portable.__str__(self).split('\n"""\n', 1)
        lines = [line for text in traceback for line in ('"""', *text.split("\n"))]
        return "\n".join(map(escape, [head, *lines]))  # the lines of a traceback stay lines


class JobDead(JobError):
    """The awaited job is dead. Its `__cause__` is the `RecordedError` of the last attempt that raised.

    Attributes:
        reason: Why no attempt is left.
        error: Type and message of the last failure, or None.
    """

    def __init__(self, job_id: int, reason: str | None, error: str | None) -> None:
        self.reason = reason
        self.error = error
        last = None if error is None else error.rstrip(".")
        super().__init__(
            job_id,
            f"job {job_id} is dead ({reason}; last error: {last}). "
            f"Read `await runner.jobs.get({job_id})`, fix the cause, then `await runner.jobs.redrive({job_id})`.",
        )


class JobCancelled(JobError):
    """The awaited job was cancelled.

    Attributes:
        reason: Why, or None.
    """

    def __init__(self, job_id: int, reason: str | None) -> None:
        self.reason = reason
        super().__init__(
            job_id,
            f"job {job_id} was cancelled ({reason or 'no reason given'}). "
            f"`await runner.jobs.redrive({job_id})` sends it back.",
        )


class ResultTimeout(JobError, TimeoutError):
    """The awaited job did not finish in time. The job goes on; await its result again.

    Attributes:
        timeout: The time that was allowed, in seconds.
        status: The job's status then, or None if it could not be read.
        error: Type and message of its latest failure, or None.
    """

    def __init__(
        self,
        job_id: int,
        timeout: float,
        state: str = "it goes on",
        status: str | None = None,
        error: str | None = None,
    ) -> None:
        self.timeout = timeout
        self.status = status
        self.error = error
        super().__init__(
            job_id, f"job {job_id} did not finish within {show_duration(timeout)}: {state.rstrip('.')}. Await it again."
        )


class ResultNotKept(JobError):
    """The job completed, but its result was not stored."""

    def __init__(
        self,
        job_id: int,
        problem: str,
        advice: str = "Fix its return annotation, or let the handler store what it makes.",
    ) -> None:
        super().__init__(
            job_id, f"job {job_id} completed, but its result was not kept: {problem.rstrip('.')}. {advice}"
        )


class RunTooLarge(JobError):
    """A run that is driven by calls, such as one of an SDK, would store more than one may. It is not tried again.

    Attributes:
        size: How many bytes that would be.
        most: How many it may be.
    """

    is_final = True

    def __init__(self, job_id: int, what: str, size: int, most: int) -> None:
        self.size, self.most = size, most
        super().__init__(
            job_id,
            f"{what} in the run of job {job_id} would be {size:,} bytes, and at most {most:,} are stored. Store the "
            "data elsewhere, and let the step return their path or key.",
        )
