"""Checkpoints of runs that a driver runs by calls: what was done is stored while a call goes on."""

from __future__ import annotations

from collections.abc import Sequence

from aiojobs_lite.durable.checkpoint import RunFence
from aiojobs_lite.durable.limits import RunLimits
from aiojobs_lite.durable.operations import Recorded, RunReturned
from aiojobs_lite.errors import RunnerNotStarted
from aiojobs_lite.model.steps import StepRow
from aiojobs_lite.runner.children import DurableAccess


async def save_checkpoint(
    durables: DurableAccess,
    fence: RunFence,
    operations: Sequence[Recorded],
    end: RunReturned | None = None,
    limits: RunLimits | None = None,
) -> tuple[StepRow, ...] | None:
    """Makes operations of a run durable while a call of its driver goes on, here or in another process.

    - All or none is stored. What has ended before stays as it is, so that a repeat changes nothing.
    - What follows an operation that has ended so has all its attempts again, also if the owner of the run dies then.
    - The answer to the call says that something was stored (`Round.has_stored`), unless it fails or is the end.
    - The end of the run is stored as well: if the answer to the call is lost, fails, or says otherwise, the run has
      ended with this, and is not called any more.

    Args:
        durables: Those of the runner: `runner.durables`.
        fence: The attempt, as `DriverCall.run` has it.
        operations: Steps that ran, or failed for good, and planned ones.
        end: What the run returned, or None.
        limits: How much a run may store that another process drives; None: `RunLimits()`.

    Returns:
        The operations as they stand then, in their order; None: the attempt is not owned any more, and nothing was
        stored.

    Raises:
        RunTooLarge: If the run would store too much.
        StepMismatch: If a name stands for another kind of operation.
        TooManySteps: If the run would have too many operations.
        RunnerNotStarted: If the runner was never started.
        StoreUnavailable: If the database cannot be written now.
    """
    if durables.durable is None:
        raise RunnerNotStarted
    return await durables.durable.checkpoint(fence, operations, end, limits or RunLimits())
