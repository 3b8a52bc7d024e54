"""The program is written wrong: fix the code."""

from __future__ import annotations

from collections.abc import Sequence

from aiojobs_lite.errors.base import AiojobsError
from aiojobs_lite.text import name_of, show


class ConfigurationError(AiojobsError):
    """The program is written wrong; raised at the line with the mistake."""


class InvalidOption(ConfigurationError, ValueError):
    """An option has a value that cannot work.

    Attributes:
        option: The name of the option.
        value: What was given.
        expected: What is expected in its place, as the message says it.
    """

    def __init__(self, option: str, value: object, expected: str) -> None:
        self.option = option
        self.value = value
        self.expected = expected
        end = "" if expected.endswith((".", "?")) else "."  # it may be the text of an error, which is a sentence
        super().__init__(f"{option}={show(value)}: expected {expected}{end}")


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

    def __init__(self, job_type: str, first: str, second: str, *, is_same_code: bool = False) -> None:
        self.job_type = job_type
        advice = (
            "It is the same code, which ran twice: import its module under one name only, and make a group such as "
            "Http() once; after a reload, or in a notebook, run the line again that makes the JobRunner."
            if is_same_code
            else 'Give one of them another name: @job(name="...").'
        )
        super().__init__(f"job type {job_type!r} is declared twice, by {first} and by {second}. {advice}")


class JobTypeRefused(ConfigurationError):
    """A job type may not join, change in, or leave a runner that runs.

    Attributes:
        job_type: Its name.
    """

    def __init__(self, job_type: str, problem: str) -> None:
        self.job_type = job_type
        super().__init__(f"job type {job_type!r} cannot join, change or leave a running runner: {problem}.")


class UnknownLimit(ConfigurationError, LookupError):
    """The database has no limit by key of this name.

    Attributes:
        limit: The name.
    """

    def __init__(self, limit: str, known: Sequence[str]) -> None:
        self.limit = limit
        names = ", ".join(map(repr, known)) or "none"
        super().__init__(f"no runner has stored a limit {limit!r}; the database has {names}. See runner.limits.list().")


class MissingDependency(ConfigurationError, LookupError):
    """`deps` has no resource for an injected parameter.

    Attributes:
        job_type: The job type that asks for it.
        wanted: The annotation that `deps` lacks.
    """

    def __init__(
        self, job_type: str, wanted: object, *, is_per_attempt: bool = False, given_to: str = "JobRunner"
    ) -> None:
        self.job_type = job_type
        self.wanted = wanted
        name = name_of(wanted)
        problem = f"which deps= lacks. Pass {given_to}(deps={{{name}: ...}})."
        if is_per_attempt:
            problem = f"which is made for each attempt that asks for it by a parameter: `x: {name} = injected`."
        super().__init__(f"{job_type!r} asks for {name}, {problem}")


class ConflictingResources(ConfigurationError):
    """Two groups of one runner have different resources for a type.

    Attributes:
        wanted: The type, a key of `deps`.
    """

    def __init__(self, wanted: object) -> None:
        self.wanted = wanted
        name = name_of(wanted)
        super().__init__(
            f"two groups have different resources for {name} in Jobs(deps=...), and a runner has one. Give the runner "
            f"its own, which replaces both: JobRunner(deps={{{name}: ...}})."
        )


class ResourceFailed(ConfigurationError, RuntimeError):
    """A resource of `deps` could not be made at the start. Nothing was started, and nothing is left open.

    `__cause__` is what its factory or its context manager raised.

    Attributes:
        wanted: The type, a key of `deps`.
    """

    def __init__(self, wanted: object, cause: BaseException) -> None:
        self.wanted = wanted
        name = name_of(wanted)
        super().__init__(
            f"the resource for {name} could not be made, so nothing was started: {show(cause)}. Fix what "
            "makes it: that exception, with its traceback, is the __cause__ of this one."
        )


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
        super().__init__(f"schedule {show(expression)}, {field}: {problem}")


class MiddlewareMisused(ConfigurationError):
    """A middleware did something that a middleware must not do.

    Attributes:
        middleware: The name of its class.
    """

    def __init__(self, middleware: str, problem: str) -> None:
        self.middleware = middleware
        super().__init__(f"the middleware {middleware} {problem}.")
