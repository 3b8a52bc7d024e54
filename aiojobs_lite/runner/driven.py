"""Handlers whose attempts a driver runs by calls, in place of code of this process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiojobs_lite.current import CURRENT
from aiojobs_lite.durable.driver import Driver
from aiojobs_lite.durable.limits import RunLimits
from aiojobs_lite.errors import RunnerNotStarted
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.runner.children import DurableAccess


def driven(driver: Driver, limits: RunLimits | None = None) -> Callable[..., Awaitable[Any]]:
    """The handler of a job type whose attempts a driver runs: `runner.job(name="mail")(driven(driver))`.

    It takes one JSON value, and returns what the driver says that the run returned.

    Args:
        driver: Runs the attempts.
        limits: How much a run may store; None: `RunLimits()`.
    """
    most = limits or RunLimits()

    async def handler(data: Any = None) -> Any:  # noqa: ARG001  # the driver is given the payload as it came
        current = CURRENT.get()
        access: DurableAccess | None = None if current is None else current[1].get(DurableAccess)
        if current is None or access is None or access.durable is None:
            raise RunnerNotStarted
        children = access.children
        return await access.durable.drive(
            cast("Claimed", current[0]), driver, lambda refused, child: children.refusal(refused, [child]), most
        )

    return handler
