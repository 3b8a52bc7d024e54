"""A context for a handler that a test calls itself."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from aiojobs_lite.clock import to_micros
from aiojobs_lite.durable.attempt import DurableAttempt
from aiojobs_lite.durable.step import check_name
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import (
    check_aware,
    check_flag,
    check_metadata,
    check_resources,
    check_text,
    check_whole,
)
from aiojobs_lite.handlers.job_type import Enqueueable, JobType
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.events import StepFence
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.model.payloads import arguments_of, redacted
from aiojobs_lite.runner.children import Children
from aiojobs_lite.runner.context import JobContext
from aiojobs_lite.runner.enqueuer import Enqueuer
from aiojobs_lite.runner.events import EventToSend, new_event
from aiojobs_lite.runner.handle import JobHandle
from aiojobs_lite.runner.runner import JobRunner
from aiojobs_lite.sizes import LONGEST_LABEL_CHARS
from aiojobs_lite.testing.errors import RunnerNotGiven
from aiojobs_lite.testing.inline import InlineOperations
from aiojobs_lite.testing.operations import RanStep, check_answers

_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_OWNER: Final = "0123456789abcdef"
_DATABASE: Final = "test"
_KEY: Final = re.compile(r"(.+)-([1-9][0-9]{0,18})", re.ASCII)


class KitContext(JobContext):
    """A context that keeps what its handler does, for the test to look at.

    Attributes:
        reported: Each `ctx.progress`: the fraction and the text.
        logged: Each line of `ctx.log`, as it would be stored.
        steps: Each run of the function of a step (`ctx.step`), or of what stands in its place.
        sent: Each event of `ctx.send`.
        following: Each job of `ctx.enqueue_with_end`, as its type and its arguments by name.
    """

    __slots__ = ("_inline", "logged", "reported", "sent", "steps")

    _deps_given_to = "testing.context"

    def __init__(
        self,
        claimed: Claimed,
        deps: Mapping[Any, Any],
        stopping: threading.Event | None,
        database: str,
        inline: InlineOperations | None,
    ) -> None:
        super().__init__(claimed, deps, stopping, database, _KeptReports(self))
        self.reported: list[tuple[float | None, str | None]] = []
        self.logged: list[str] = []
        self.steps: list[RanStep] = [] if inline is None else inline.calls.ran
        self.sent: list[EventToSend] = []
        self._inline = inline

    @property
    def following(self) -> list[tuple[str, dict[str, Any]]]:
        """Each job of `ctx.enqueue_with_end`, as its type and its arguments by name."""
        rows = [] if self._inline is None else [candidate.row for candidate in self._inline.children.followed]
        return [(row.type, json.loads(arguments_of(redacted(row.payload)))) for row in rows]

    def _operations(self) -> DurableAttempt:
        return super()._operations() if self._inline is None else self._inline.attempt

    def _children(self) -> Children:
        return super()._children() if self._inline is None else self._inline.children

    async def _enqueued(
        self, name: str, job: Enqueueable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> JobHandle[Any]:
        check_name(name)
        return await self._awaited_runner().enqueue(job, *args, **kwargs)

    def _runner(self) -> Enqueuer:
        is_in_worker = self._inline is None and self._stopping is None  # where there is no runner in production either
        if Enqueuer not in self._deps and not is_in_worker:
            raise RunnerNotGiven
        return super()._runner()

    async def _send(self, event: EventToSend, fence: StepFence) -> None:
        del fence
        new_event(event, Registry(), 0)  # refused, as a runner does it
        self.sent.append(event)


class _KeptReports:
    """Implements `Reporter`."""

    def __init__(self, ctx: KitContext) -> None:
        self._ctx = ctx

    def progress(self, claimed: Claimed, fraction: float | None, text: str | None) -> bool:
        """See `Reporter`."""
        del claimed
        self._ctx.reported.append((fraction, text))
        return False

    def log(self, claimed: Claimed, line: str) -> None:
        """See `Reporter`."""
        del claimed
        self._ctx.logged.append(line)


def context(
    job_type: JobType[..., Any] | None = None,
    /,
    *,
    id: int | None = None,  # noqa: A002  # the attribute's name
    key: str | None = None,
    attempt: int = 1,
    max_attempts: int | None = None,
    label: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    tick: datetime | None = None,
    scheduled_at: datetime | None = None,
    created_at: datetime | None = None,
    stopping: bool = False,
    deps: Mapping[Any, Any] | None = None,
    runner: JobRunner | None = None,
    answers: Mapping[str, Any] | None = None,
) -> KitContext:
    """Makes the context of an attempt, for a test that calls a handler without a runner.

    What the handler reports by `ctx.progress` and `ctx.log` is in its `reported` and `logged`. The durable operations
    of an `async def` work without a runner: steps run, failed ones are tried again at once, sleeps pass at once. What
    ran is in its `steps`, and what `ctx.send` sends in its `sent`.

    Args:
        job_type: Gives the name and the number of attempts.
        id: The job's id; None: that in the key, else 1.
        key: The job's key, such as `a1b2-7`, which ends with its id; None: `test-` and the id.
        attempt: Number of the attempt.
        max_attempts: All attempts; None: those of the job type, else 5.
        label: The label of the job.
        metadata: What `using(metadata=...)` gave the job.
        tick: The instant that a cron job fires for.
        scheduled_at: When the attempt was due; None: the tick, else 1 January 2026.
        created_at: When the job was enqueued; None: the same.
        stopping: Whether the runner wants the attempt to end.
        deps: Resources for `ctx.get`.
        runner: A started runner, for `ctx.enqueue`.
        answers: Results of durable operations, by their names. For `ctx.step` it stands in place of the function; for
            `ctx.wait_for_event` it is the data of the event (or an `Event`; None: it does not come in time), for
            `ctx.invoke` and `ctx.gather` what the job returns. An exception is raised, a function is called.

    Raises:
        InvalidOption: If an argument has a value that no attempt can have.
    """
    if job_type is not None and not isinstance(job_type, JobType):
        raise InvalidOption("job_type", job_type, "a job type (a function with @job)")
    check_flag("stopping", stopping)
    database, job_id = _key(key, id)
    check_whole("attempt", attempt, LARGEST_INTEGER)
    if max_attempts is None:
        max_attempts = max(attempt, 5 if job_type is None else job_type.max_attempts)
    check_whole("max_attempts", max_attempts, LARGEST_INTEGER)
    if label is not None:
        check_text("label", label, LONGEST_LABEL_CHARS)
    due = to_micros(check_aware("scheduled_at", scheduled_at or tick or _START))
    created = due if created_at is None else to_micros(check_aware("created_at", created_at))
    claimed = Claimed(
        id=job_id, type="test" if job_type is None else job_type.name, payload="{}", priority=1, scheduled_at=due,
        attempt=attempt, max_attempts=max_attempts, created_at=created, started_at=due, interruptions=0, snoozes=0,
        crashes=0, tick=None if tick is None else to_micros(check_aware("tick", tick)), owner=_OWNER, label=label,
        metadata=None if metadata is None else check_metadata("metadata", metadata),
    )  # fmt: skip
    checked = {} if answers is None else check_answers(answers)
    inline = None if job_type is not None and job_type.mode != "async" else InlineOperations(claimed, job_type, checked)
    return KitContext(claimed, _resources(deps, runner), _stop(job_type, is_set=stopping), database, inline)


def _key(key: object, job_id: int | None) -> tuple[str, int]:
    """The parts of a job's key: the id of the database, and that of the job."""
    if job_id is not None:
        check_whole("id", job_id, LARGEST_INTEGER)
    if key is None:
        return _DATABASE, 1 if job_id is None else job_id
    found = _KEY.fullmatch(key) if isinstance(key, str) else None
    if found is None or (job_id is not None and int(found[2]) != job_id):
        raise InvalidOption("key", key, f"text that ends with the job's id, such as 'a1b2-{job_id or 7}'")
    return found[1], check_whole("key", int(found[2]), LARGEST_INTEGER)


def _resources(deps: object, runner: object) -> dict[Any, Any]:
    resources = check_resources("deps", deps)
    if runner is not None:
        if not isinstance(runner, JobRunner):
            raise InvalidOption("runner", runner, "a JobRunner")
        resources[JobRunner] = resources[Enqueuer] = runner
    return resources


def _stop(job_type: JobType[..., Any] | None, *, is_set: bool) -> threading.Event | None:
    """What tells a handler in a thread to stop; others have none."""
    if not is_set and (job_type is None or job_type.mode != "thread"):
        return None
    stop = threading.Event()
    if is_set:
        stop.set()
    return stop
