"""What is called around the handler of an attempt: the handler is called within it, once or not at all."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiojobs_lite.engine.results import dump_result, refuse_unfinished
from aiojobs_lite.engine.running import Running
from aiojobs_lite.errors import RecordedError
from aiojobs_lite.policy.settle import Ending

Around = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
"""Is given what calls the handler, and returns what becomes the result of the attempt."""


async def call_around(around: Around, run: Running, called: Awaitable[Any]) -> Any:
    """Awaits a call of a handler within what is around it.

    Args:
        around: Is around it.
        run: The attempt.
        called: The call, which has not begun.
    """

    async def proceed() -> Any:
        try:
            return await called
        finally:
            if run.thread is not None:
                run.thread = None  # it has ended: what follows can be cancelled
                if run.is_stuck and run.task is not None:
                    run.task.cancel("aiojobs_lite: its thread has ended")

    try:
        return await around(proceed)
    finally:
        if inspect.iscoroutine(called):
            called.close()  # it may not have begun


async def call_process_around(around: Around, run: Running, called: Awaitable[Ending]) -> Ending:
    """The same for a handler in a worker process, of which only plain data comes back: its result as JSON has it, and
    what it raised as a `RecordedError`.
    """
    ended: Ending | None = None
    result: Any = None
    raised: RecordedError | None = None

    async def proceed() -> Any:
        nonlocal ended, result, raised
        ended = await called
        if ended.failure is not None or ended.stopped is not None:
            claimed, failure = run.claimed, ended.failure
            parts = ("", "it was stopped", "") if failure is None else failure
            raised = RecordedError(claimed.id, claimed.attempt, parts[0], parts[1], parts[2] or "")
            raise raised
        result = None if ended.result is None else json.loads(ended.result)
        return result

    try:
        value = await around(proceed)
    except RecordedError as error:
        if error is raised and ended is not None:
            return ended
        raise
    finally:
        if inspect.iscoroutine(called):
            called.close()
    if ended is not None and (value is result or ended.stopped is not None):
        return ended
    made, note = dump_result(run.job_type, refuse_unfinished(value))
    return Ending(result=made, note=note)
