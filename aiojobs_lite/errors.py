"""Every error of the library, under one base class.

    AiojobsError
    ├── ConfigurationError          the program is written wrong: fix the code
    │   ├── InvalidOption           an option has a value that cannot work
    │   ├── InvalidJobType          a handler cannot become a job type
    │   ├── DuplicateJobType        two handlers under one name
    │   ├── MissingDependency       an injected parameter has nothing to be filled from
    │   └── InvalidSchedule         a cron expression or time zone that cannot work
    ├── EnqueueError                this call is wrong; nothing was written
    │   ├── UnknownJobType          no such name in this runner
    │   ├── InvalidPayload          the arguments do not fit the handler
    │   └── PayloadTooLarge         the arguments are too big to be stored
    ├── RunnerError                 the runner cannot be used now, or from this loop
    │   ├── RunnerNotStarted        before `async with runner`
    │   ├── RunnerAlreadyStarted    entered twice, or changed while it runs
    │   ├── RunnerClosed            after it
    │   └── WrongEventLoop          from another loop, thread or process
    ├── JobError                    about one stored job
    │   ├── JobNotFound             no job has this id (any more)
    │   ├── JobNotAllowed           its status does not allow the operation
    │   ├── AttemptNotHeld          its attempt was no longer held, so nothing was written
    │   ├── JobDead                 awaited, and it is dead
    │   ├── JobCancelled            awaited, and it was cancelled
    │   ├── ResultTimeout           awaited, and it took too long
    │   └── ResultNotKept           completed, but its result was not stored
    └── StoreError                  about the database
        ├── StoreUnavailable        locked, full, read-only or failing: repeat later
        ├── StoreRefused            not opened, and left untouched
        └── StoreRejected           the database refused one write: a defect, please report it

Each message says what to do next; what it names is also an attribute. `pickle` and `copy` keep the attributes, but not
`__cause__` and the traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any


class Portable(Exception):
    """An exception that `pickle` and `copy` can make anew, whatever its `__init__` takes.

    - It may be raised in another process (`process=True`).
    - Each caller can get a copy of its own, with the arguments and attributes. `__cause__` is left to the copier.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (type(self), self.args), self.__dict__


def _remade(kind: type[Portable], args: tuple[Any, ...]) -> Portable:
    error = kind.__new__(kind, *args)
    error.args = args
    return error


_MOST_PROBLEMS_SHOWN = 10  # of one payload
_MOST_TYPES_SHOWN = 10
_LONGEST_VALUE_SHOWN = 200  # characters
_LONGEST_EXPRESSION_SHOWN = 80  # characters


class AiojobsError(Portable):
    """The base class of every error that this library raises."""


class ConfigurationError(AiojobsError):
    """The program is written wrong; raised at the line with the mistake."""


class InvalidOption(ConfigurationError, ValueError):
    """An option has a value that cannot work.

    Attributes:
        option: The name of the option.
        value: What was given.
    """

    def __init__(self, option: str, value: object, expected: str) -> None:
        self.option = option
        self.value = value
        super().__init__(f"{option}={_shown(value)}: expected {expected}.")


class InvalidJobType(ConfigurationError, TypeError):
    """A handler cannot become a job type.

    Attributes:
        job_type: The name it would have had.
    """

    def __init__(self, job_type: str, problem: str) -> None:
        self.job_type = job_type
        super().__init__(f"job type {job_type!r}: {problem}")


class DuplicateJobType(ConfigurationError):
    """Two handlers were registered under one name.

    Attributes:
        job_type: The name.
    """

    def __init__(self, job_type: str, first: str, second: str) -> None:
        self.job_type = job_type
        super().__init__(
            f"job type {job_type!r} is declared twice, by {first} and by {second}. "
            f'Give one of them another name: @job(name="...").'
        )


class MissingDependency(ConfigurationError, LookupError):
    """An injected parameter has nothing to be filled from.

    Attributes:
        job_type: The job type that asks for it.
        wanted: The annotation that `deps` lacks.
    """

    def __init__(self, job_type: str, wanted: object) -> None:
        self.job_type = job_type
        self.wanted = wanted
        name = getattr(wanted, "__qualname__", repr(wanted))
        super().__init__(f"{job_type!r} asks for {name}, which deps= lacks. Pass JobRunner(deps={{{name}: ...}}).")


class InvalidSchedule(ConfigurationError, ValueError):
    """A cron expression, a time zone or an instant that cannot work.

    Attributes:
        expression: The expression as it was given.
        field: The part at fault: `minute`, `hour`, `day of month`, `month`, `day of week`, `second`, `tz`,
            `instant`, or `expression` for the whole.
    """

    def __init__(self, expression: str, field: str, problem: str) -> None:
        self.expression = expression
        self.field = field
        super().__init__(f"schedule {expression[:_LONGEST_EXPRESSION_SHOWN]!r}, {field}: {problem}")


def _shown(value: object) -> str:
    """The `repr` of any value, shortened; its own may be long, or raise."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001  # the user's code
        return f"<{type(value).__qualname__}, its repr raised {type(error).__name__}>"
    return text if len(text) <= _LONGEST_VALUE_SHOWN else f"{text[:_LONGEST_VALUE_SHOWN]}..."


class EnqueueError(AiojobsError):
    """A call that enqueues is wrong. Nothing was written."""


class UnknownJobType(EnqueueError, LookupError):
    """No job type of this name is registered in this runner.

    Attributes:
        job_type: The name that was given.
        known: The known names, sorted.
    """

    def __init__(self, job_type: str, known: Iterable[str]) -> None:
        self.job_type = job_type
        self.known = tuple(sorted(known))
        close = difflib.get_close_matches(job_type, self.known, n=1)
        shown = ", ".join(self.known[:_MOST_TYPES_SHOWN]) + (", ..." if len(self.known) > _MOST_TYPES_SHOWN else "")
        advice = (
            f"Did you mean {close[0]!r}?" if close else "Register it: JobRunner(jobs=[...]) or runner.register(...)."
        )
        if job_type in self.known:
            advice = "Another handler is registered under this name: enqueue that one."
        super().__init__(f"{job_type!r} is not registered (known: {shown or 'none'}). {advice}")


class InvalidPayload(EnqueueError, ValueError):
    """The arguments do not fit the handler's signature.

    The values are left out: they may be secret.

    Attributes:
        job_type: The job type called.
        problems: A pair `(path, message)` for each fault; the path is dotted, such as `order.lines.0.price`.
    """

    def __init__(
        self,
        job_type: str,
        problems: Sequence[tuple[str, str]],
        advice: str = "Nothing was enqueued: fix the call.",
    ) -> None:
        self.job_type = job_type
        self.problems = tuple(problems)
        super().__init__(f"{job_type!r} cannot take these arguments: {self.summary}. {advice}")

    @property
    def summary(self) -> str:
        """The first ten problems on one line, and how many more there are."""
        more = len(self.problems) - _MOST_PROBLEMS_SHOWN
        listed = "; ".join(f"{path}: {message}" for path, message in self.problems[:_MOST_PROBLEMS_SHOWN])
        return f"{listed}; and {more:,} more" if more > 0 else listed


class PayloadTooLarge(EnqueueError, ValueError):
    """The arguments are too big to be stored.

    Attributes:
        job_type: The job type called.
        size: Size of the payload, in bytes.
        limit: The largest size allowed, in bytes.
    """

    def __init__(self, job_type: str, size: int, limit: int) -> None:
        self.job_type = job_type
        self.size = size
        self.limit = limit
        super().__init__(
            f"{job_type!r}: the payload has {size:,} bytes, at most {limit:,} are allowed. "
            "Store the data elsewhere and enqueue its path or key."
        )


class RunnerError(AiojobsError, RuntimeError):
    """The runner cannot be used now, or from this event loop, thread or process."""


class RunnerNotStarted(RunnerError):
    """The runner was used before it was started."""

    def __init__(self) -> None:
        super().__init__("the runner is not started. Use it inside `async with runner:` (the application's lifespan).")


class RunnerAlreadyStarted(RunnerError):
    """The runner was started twice, or changed while it runs."""

    def __init__(self, action: str) -> None:
        super().__init__(f"the runner is started and cannot be {action} now. Do it before `async with runner:`.")


class RunnerClosed(RunnerError):
    """The runner was used after it was closed."""

    def __init__(self) -> None:
        super().__init__("the runner is closed and does nothing more. Enter it again: `async with runner:`.")


class WrongEventLoop(RunnerError):
    """The runner was used from another event loop, thread or process than the one that started it."""


class JobError(AiojobsError):
    """About one stored job.

    Attributes:
        job_id: Its id.
    """

    def __init__(self, job_id: int, message: str) -> None:
        self.job_id = job_id
        super().__init__(message)


class JobNotFound(JobError, LookupError):
    """No job has this id: it never existed, was deleted, or was pruned."""

    def __init__(self, job_id: int) -> None:
        super().__init__(job_id, f"there is no job {job_id}: never enqueued, deleted, or pruned (see keep_completed).")


class JobNotAllowed(JobError):
    """The status of the job does not allow the operation.

    Attributes:
        status: The job's status.
    """

    def __init__(self, job_id: int, status: str, action: str, allowed: str) -> None:
        self.status = status
        super().__init__(job_id, f"job {job_id} is {status} and cannot be {action}: that takes {allowed}.")


class AttemptNotHeld(JobError):
    """A write was bound to the end of an attempt that was no longer held. Neither was applied.

    Attributes:
        attempt: The number of the attempt.
    """

    def __init__(self, job_id: int, attempt: int) -> None:
        self.attempt = attempt
        super().__init__(
            job_id,
            f"attempt {attempt} of job {job_id} is no longer held by this runner: nothing was written. "
            "The job was ended, or rescued by another runner: let this attempt end.",
        )


class JobDead(JobError):
    """The awaited job is dead.

    Attributes:
        reason: Why no attempt is left.
        error: Type and message of the last failure, or None.
    """

    def __init__(self, job_id: int, reason: str | None, error: str | None) -> None:
        self.reason = reason
        self.error = error
        super().__init__(
            job_id,
            f"job {job_id} is dead ({reason}; last error: {error}). "
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
    """The awaited job did not finish in time. It goes on; await it again.

    Attributes:
        timeout: The time that was allowed, in seconds.
    """

    def __init__(self, job_id: int, timeout: float) -> None:
        self.timeout = timeout
        super().__init__(job_id, f"job {job_id} did not finish within {timeout:g} s. It goes on; await it again.")


class ResultNotKept(JobError):
    """The job completed, but its result was not stored."""

    def __init__(self, job_id: int, problem: str) -> None:
        super().__init__(
            job_id,
            f"job {job_id} completed, but its result was not kept: {problem.rstrip('.')}. "
            "Fix its return annotation, or let the handler store what it makes.",
        )


class StoreError(AiojobsError):
    """About the database."""


class StoreUnavailable(StoreError):
    """The database is locked, full, read-only or failing; the runner goes on trying.

    Attributes:
        code: The database's own name for the fault, such as `SQLITE_FULL`.
    """

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        super().__init__(
            f"the database cannot be used now ({code}: {detail}). Repeat the call later, "
            "with an idempotency_key if it must not be done twice."
        )


class StoreRefused(StoreError):
    """A database was not opened, and was left untouched.

    Attributes:
        database: Where it was looked for.
        why: One of `missing directory`, `not a file`, `several names` (hard links), `unreadable`, `corrupt`, `foreign`
            (it has tables of the library's names that are not the library's), `newer` (a newer release wrote it),
            `old library` (SQLite's own release is too old), `unknown url`.
    """

    def __init__(self, database: str, why: str, advice: str) -> None:
        self.database = database
        self.why = why
        super().__init__(f"{database}: {why}. {advice}")


class StoreRejected(StoreError):
    """The database refused one write, and would refuse it again."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"the database rejected a write: {detail}. This is a defect of the library: please report it.")
