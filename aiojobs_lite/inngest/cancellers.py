"""The job types that cancel runs by events of which an index alone does not find the runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from aiojobs_lite.clock import to_micros
from aiojobs_lite.handlers.context import injected
from aiojobs_lite.handlers.event import Event, Listening
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.inngest.cancelling import RunCancel, cancels_of
from aiojobs_lite.inngest.events import from_memo
from aiojobs_lite.inngest.flow import LARGEST_EVENT_BYTES, joined_name
from aiojobs_lite.inngest.functions import FunctionConfig
from aiojobs_lite.inngest.run_errors import AskStore
from aiojobs_lite.inngest.run_events import EVENT, run_events
from aiojobs_lite.model.events import FindCancelled, fits
from aiojobs_lite.model.job import Job
from aiojobs_lite.model.queries import GetJob
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.runner.context import JobContext
from aiojobs_lite.runner.runner import JobRunner

CANCELLER: Final = "inngest.cancel"
"""Begins the name of the job type that cancels runs of a function."""

_BACKOFF: Final = Backoff(base="1s", cap="5m")
_MOST_ATTEMPTS: Final = 100
_PAGE: Final = 200
_ROUND_IT_BYTES: Final = 16 * 1024  # id, name and instant of an event beside its data


class Cancellers:
    """The job types that cancel the runs of functions, one for each function that needs it.

    Args:
        runner: Runs the functions.
        ask: Asks the store for runs.
    """

    def __init__(self, runner: JobRunner, ask: AskStore) -> None:
        self._runner = runner
        self._ask = ask
        self._known: set[str] = set()

    async def put(self, config: FunctionConfig) -> None:
        """Takes a function, in place of what it was before."""
        watched = [one for one in cancels_of(config) if one.watched is not None]
        if not watched:
            await self.remove(config.id)
            return
        job_type = self._made(joined_name(CANCELLER, config.id), watched)
        types = self._runner.types
        await (types.replace(job_type) if job_type.name in self._known else types.add(job_type))
        self._known.add(job_type.name)

    async def remove(self, function: str) -> None:
        """Takes a function off, if it is known."""
        name = joined_name(CANCELLER, function)
        if name in self._known:
            self._known.remove(name)
            await self._runner.types.remove(name)

    def _made(self, name: str, watched: Sequence[RunCancel]) -> JobType[..., Any]:
        async def cancel(event: Event[Any], ctx: JobContext = injected) -> int:
            found = [await self._cancel(event, one, ctx.id) for one in watched if fits(one.event, event.name)]
            return sum(found)

        largest = LARGEST_EVENT_BYTES + _ROUND_IT_BYTES
        options: dict[str, Any] = {"max_attempts": _MOST_ATTEMPTS, "backoff": _BACKOFF, "largest_payload": largest}
        job_type: JobType[..., Any] = JobType(cancel, name=name, **options)
        job_type.policy = replace(job_type.policy, outlives_crashes=True)
        patterns = tuple(dict.fromkeys([one.event for one in watched]))
        job_type.listening = Listening(patterns, None, EVENT, Event[Any])
        return job_type

    async def _cancel(self, event: Event[Any], cancel: RunCancel, before: int) -> int:
        """Cancels the runs that were there when an event was sent; returns how many. It has started the job `before`,
        and what was enqueued later has a higher id.
        """
        data, count, after = json.dumps(event.data), 0, 0
        while True:
            ids = await self._ask(FindCancelled(cancel.watched or "", data, after, _PAGE))
            jobs = [await self._ask(GetJob(one)) for one in ids if one < before]
            found = [job.id for job in jobs if job is not None and _is_cancelled(job, event, cancel)]
            if found:
                count += await self._runner.jobs.cancel_many(found, reason=f"event {event.name}")
            if len(ids) < _PAGE:
                return count
            after = ids[-1]


def _is_cancelled(job: Job, event: Event[Any], cancel: RunCancel) -> bool:
    sent_at = to_micros(event.sent_at)
    other = from_memo({"id": event.id, "name": event.name, "data": event.data, "sent_at": sent_at})
    run, waited = run_events(job.payload)[0], sent_at - to_micros(job.created_at)
    is_own = (run["id"], run["name"]) == (event.id, event.name)  # it has started the run
    return not is_own and waited >= 0 and cancel.is_met(run, other, waited)
