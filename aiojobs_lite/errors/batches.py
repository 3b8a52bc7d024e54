"""About one batch."""

from __future__ import annotations

from aiojobs_lite.errors.base import AiojobsError


class BatchError(AiojobsError):
    """The base class of the errors about one batch.

    Attributes:
        batch_id: Its id.
    """

    def __init__(self, batch_id: int | None, message: str) -> None:
        self.batch_id = batch_id
        super().__init__(message)


class BatchNotFound(BatchError, LookupError):
    """There is no such batch, or the job is in none."""

    def __init__(self, batch_id: int | None, *, of_job: int | None = None) -> None:
        if of_job is not None:
            advice = "it was enqueued without one, or the batch was pruned. Add jobs by `await ctx.enqueue(...)`."
            super().__init__(batch_id, f"job {of_job} is in no batch: {advice}")
            return
        advice = (
            "Open one by `batches.open(...)` of a runner or a client; it is kept for keep_completed= after its end."
        )
        super().__init__(batch_id, f"there is no batch {batch_id}: never opened, or pruned. {advice}")


class BatchClosed(BatchError):
    """The batch takes no more jobs, and nothing was enqueued."""

    def __init__(self, batch_id: int) -> None:
        advice = "Enqueue inside the block of `batches.open(...)`, or by `ctx.batch()` in a job of the batch."
        super().__init__(batch_id, f"batch {batch_id} takes no more jobs: its block has ended. {advice}")
