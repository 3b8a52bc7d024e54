"""What was enqueued while a test ran, and whether it is what the test expects."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pydantic_core import to_jsonable_python

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.errors import InvalidOption, InvalidPayload
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.job import PRIORITY_NAMES, NewJob, Priority
from aiojobs_lite.model.payloads import REDACTED, arguments_of, redacted
from aiojobs_lite.text import show

_MOST_SHOWN: Final = 20  # jobs in the text of an error
_MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class EnqueuedJob:
    """A job as it was enqueued, whether or not it has run.

    Attributes:
        id: Its id.
        type: The name of its job type.
        arguments: The arguments that were given, by name, as plain JSON values; `REDACTED` in place of secret ones.
        priority: `high`, `medium` or `low`.
        scheduled_at: The earliest time that it might run, UTC.
        max_attempts: All attempts it may have.
        idempotency_key: Its key, or None.
        schedule: The cron schedule that made it, or None.
        label: Its label, or None.
        given: The arguments with the values of secret ones, which its text leaves out.
    """

    id: int
    type: str
    arguments: Mapping[str, Any]
    priority: Priority
    scheduled_at: datetime
    max_attempts: int
    idempotency_key: str | None
    schedule: str | None
    label: str | None
    given: Mapping[str, Any] = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"job {self.id} {call_text(self.type, self.arguments)}"


def enqueued_job(job_id: int, row: NewJob) -> EnqueuedJob:
    """A job from the row that was inserted for it."""
    return EnqueuedJob(
        job_id,
        row.type,
        json.loads(arguments_of(redacted(row.payload))),
        PRIORITY_NAMES[row.priority],
        to_datetime(row.scheduled_at),
        row.max_attempts,
        row.idempotency_key,
        row.schedule,
        row.label,
        json.loads(arguments_of(row.payload)),
    )


class Expectation:
    """A job type, and some of its arguments.

    Args:
        job_type: The job type, or its name.
        arguments: Arguments by name; those that are left out may be any.
        positional: Must be empty.

    Raises:
        InvalidOption: If it is no job type, or has no such argument, or one is given by its position.
    """

    def __init__(
        self, job_type: JobType[..., Any] | str, arguments: Mapping[str, Any], positional: Sequence[object] = ()
    ) -> None:
        if not isinstance(job_type, JobType | str):
            raise InvalidOption("job_type", job_type, "a job type (a function with @job) or the name of one")
        self._job_type = job_type if isinstance(job_type, JobType) else None
        self.name = job_type if isinstance(job_type, str) else job_type.name
        self.arguments = arguments
        self._defaults = {} if self._job_type is None else _defaults(self._job_type)
        if positional:
            example = next(iter(self._defaults), "user_id")
            raise InvalidOption("arguments", positional, f"arguments by name, such as {example}={show(positional[0])}")
        if self._job_type is not None:
            for name in arguments:
                if name not in self._defaults:
                    takes = ", ".join(self._defaults) or "none"
                    wanted = f"an argument of {self.name!r} in its place, which has {takes}"
                    raise InvalidOption(name, arguments[name], wanted)

    def __str__(self) -> str:
        secret = () if self._job_type is None else self._job_type.signature.secret
        shown = {name: REDACTED if name in secret else value for name, value in self.arguments.items()}
        return call_text(self.name, shown)

    def fits(self, job: EnqueuedJob) -> bool:
        """Whether a job is of this type and has these arguments."""
        if job.type != self.name:
            return False
        loaded = self._loaded(job)
        return all(
            value == loaded.get(name, _MISSING) or plain_value(value) == job.given.get(name, _MISSING)
            for name, value in self.arguments.items()
        )

    def not_found(self, enqueued: Sequence[EnqueuedJob]) -> str:
        """What to say where no job fits: what was enqueued instead, jobs of this type first."""
        if not enqueued:
            return f"{self} was not enqueued. Nothing was."
        shown = sorted(enqueued, key=lambda job: job.type != self.name)
        return f"{self} was not enqueued. Enqueued were:{lines_of(shown)}"

    def found(self, jobs: Sequence[EnqueuedJob]) -> str:
        """What to say where jobs fit that should not."""
        return f"{self} was enqueued:{lines_of(jobs)}"

    def _loaded(self, job: EnqueuedJob) -> dict[str, Any]:
        """The arguments as the handler gets them, but for those that it takes by position alone."""
        given = job.given
        if self._job_type is None:
            return dict(given)
        signature = self._job_type.signature
        try:
            _, by_name = signature.load(signature.marked(json.dumps(given)))
        except InvalidPayload:  # it is held
            by_name = {}
        return {**self._defaults, **given, **by_name}


def _defaults(job_type: JobType[..., Any]) -> dict[str, Any]:
    """The arguments of a handler that are stored, with their defaults."""
    parameters = inspect.signature(job_type.handler).parameters
    found = {name: parameters[name].default for name in job_type.signature.arguments}
    return {name: _MISSING if default is inspect.Parameter.empty else default for name, default in found.items()}


def plain_value(value: Any) -> Any:
    """A value as JSON has it."""
    try:
        return to_jsonable_python(value, by_alias=False)
    except ValueError:  # no JSON: no stored argument is equal to it
        return value


def call_text(name: str, arguments: Mapping[str, Any]) -> str:
    """A name and some arguments, as they are shown in errors."""
    return f"{name}({', '.join(f'{key}={show(value)}' for key, value in arguments.items())})"


def lines_of(found: Sequence[object]) -> str:
    """What was found, a line each, as it is shown in errors."""
    more = len(found) - _MOST_SHOWN
    lines = [str(one) for one in found[:_MOST_SHOWN]] + ([f"and {more:,} more"] if more > 0 else [])
    return "".join(f"\n  {line}" for line in lines)
