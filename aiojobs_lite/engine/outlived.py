"""Jobs that are at their end when they are claimed: their owners died where their type was not known."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiojobs_lite.engine.failures import describe
from aiojobs_lite.engine.running import Running
from aiojobs_lite.errors import StoreError
from aiojobs_lite.model.steps import ListSteps
from aiojobs_lite.policy.settle import Ending, outlived
from aiojobs_lite.stores.base import Store

Called = Ending | Awaitable[Any]
"""What a handler returned, to be awaited; or how the attempt ended, if it was not called."""


def call_unless_outlived(store: Store, run: Running, call: Callable[[Running], Called]) -> Called:
    """Calls the handler of a job of which owners died, unless it is at its end by that.

    Args:
        store: Knows the operations of the job: when one ends, its attempts begin anew.
        run: The attempt.
        call: Calls its handler.
    """
    if outlived(run.claimed, run.job_type.policy, has_restarted=False):
        return _call_if_it_has_restarted(store, run, call)
    return call(run)


async def _call_if_it_has_restarted(store: Store, run: Running, call: Callable[[Running], Called]) -> Any:
    try:
        operations = await store.ask(ListSteps(run.claimed.id))
    except StoreError as error:
        return Ending(error=error, failure=describe(error), unbegun=True)
    has_restarted = any(one.ended_at is not None for one in operations)
    if outlived(run.claimed, run.job_type.policy, has_restarted=has_restarted):
        return Ending(lost=True, is_outlived=True)
    called = call(run)
    return called if isinstance(called, Ending) else await called
