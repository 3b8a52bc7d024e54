"""A job type by its name, for a caller that has not its code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, ParamSpec, TypeVar

from aiojobs_lite.handlers.checks import check_text
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.result import Result
from aiojobs_lite.sizes import LONGEST_TYPE_NAME_CHARS

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class JobReference(Generic[P, R_co]):
    """A job type by its name, for `ctx.invoke`, which looks it up when it makes the job.

    Args:
        name: The name of the job type.
        returns: What its handler returns, such as a model.

    Attributes:
        name: As given.
        result: Reads what the job has returned.

    Raises:
        InvalidOption: If the name cannot be one.
        InvalidJobType: If what it returns cannot be stored as JSON.
    """

    __slots__ = ("name", "result")

    def __init__(self, name: str, returns: Any = Any) -> None:
        self.name = check_text("name", name, LONGEST_TYPE_NAME_CHARS)
        self.result = Result(self.name, returns)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def payload(self, job_type: JobType[..., Any], now: int, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """The arguments of a job as JSON.

        Args:
            job_type: The job type of the name.
            now: The instant of the enqueue, in microseconds.
            args: The arguments that the caller gives.
            kwargs: The same by name.

        Raises:
            InvalidPayload: If they do not fit.
        """
        del now
        return job_type.signature.dump(args, kwargs)
