"""What made a run fail, as a function is given it: a JSON object of `name`, `message`, `stack` and `cause`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final, Protocol, TypeVar

from aiojobs_lite.inngest import raw_json
from aiojobs_lite.inngest.answers import error_object
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.model.queries import GetJob, Query
from aiojobs_lite.model.steps import ListChildren, StepKind, StepRow, StepState

A = TypeVar("A")
_DEAD: Final = json.dumps({"error": {"status": Status.DEAD}})[:-2]  # the beginning of the memo of a child that died


class AskStore(Protocol):
    """Answers queries, as the `ask` of a store does."""

    async def __call__(self, query: Query[A], /) -> A:
        """Answers a query."""


def error_of_run(job: Job) -> str:
    """The error of a run that has failed: the one that its SDK gave at last, or that of the server."""
    latest = job.history[-1] if job.history else None
    if latest is None:
        return error_object({"message": json.dumps(job.error or job.reason or "")})
    if latest.details_json is not None:
        return error_object(raw_json.members(latest.details_json))
    given = {"name": latest.error_type, "message": latest.message, "stack": latest.traceback}
    return error_object({field: json.dumps(value) for field, value in given.items()})


async def errors_of_children(ask: AskStore, job_id: int, rows: Iterable[StepRow]) -> dict[str, str]:
    """The errors of the functions that a run invoked, and that failed, by the names of their steps.

    Args:
        ask: Asks the store for runs.
        job_id: The job of the run.
        rows: Operations of it.
    """
    failed = [row.name for row in rows if _is_of_dead(row)]
    children = dict(await ask(ListChildren(job_id))) if failed else {}
    found = {}
    for name in failed:
        child = await ask(GetJob(children[name])) if name in children else None
        if child is not None and child.status is Status.DEAD:  # else it is deleted, or redriven
            found[name] = error_of_run(child)
    return found


def _is_of_dead(row: StepRow) -> bool:
    """Whether it is a step whose function has died."""
    is_failed = row.kind is StepKind.CHILD and row.state is StepState.FAILED
    return is_failed and row.memo is not None and row.memo.startswith(_DEAD)
