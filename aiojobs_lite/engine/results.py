"""What a handler returned, as it is stored."""

from __future__ import annotations

import inspect
from typing import Any

from aiojobs_lite.handlers.job_type import JobType


def refuse_coroutine(value: Any) -> Any:
    """What a plain function returned.

    Raises:
        TypeError: If it is a coroutine: that is a job that was not done.
    """
    if inspect.iscoroutine(value):
        value.close()
        raise TypeError(
            "the handler returned a coroutine that nothing awaits: a decorator hides its `async def`. "
            "Make the decorator's function an `async def` too."
        )
    return value


def dump_result(job_type: JobType[..., Any], value: object) -> tuple[str | None, str | None]:
    """The JSON of a result to be stored, and why it was not kept."""
    if value is None or job_type.result is None:
        return None, None
    try:
        return job_type.result.dump(value), None
    except ValueError as error:
        return None, f"the result was not kept: {error}"
