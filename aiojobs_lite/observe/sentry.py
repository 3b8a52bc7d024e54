"""`SentryJobs`: tells Sentry of attempts that fail, and of each run of a schedule."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from aiojobs_lite.clock import MICROSECONDS
from aiojobs_lite.cron import CronSchedule
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import missing_extra
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.intervals import IntervalSchedule
from aiojobs_lite.observe.verdicts import is_fault, outcome_of
from aiojobs_lite.policy.outcomes import Abandon
from aiojobs_lite.runner.context import JobContext
from aiojobs_lite.runner.middleware import Middleware

J = TypeVar("J", bound=JobType[..., Any])
_FIELDS: Final = 5  # of an expression that Sentry takes: no seconds
_LONGEST_SLUG_CHARS: Final = 50
_MINUTE_S: Final = 60


class SentryJobs(Middleware):
    """Middleware for `JobRunner(middleware=[SentryJobs()])`, by the public API of `sentry_sdk`.

    - All that is captured in an attempt has the tags `job_type`, `job_id` and `job_attempt`.
    - The exception of the last attempt is captured, and each `Abandon`.
    - Job types of `monitor` check in at each tick of their schedules.

    Needs the extra: `pip install "aiojobs_lite[sentry]"`. The application calls `sentry_sdk.init(...)`.

    Raises:
        InvalidOption: If the extra is not installed.
    """

    def __init__(self) -> None:
        try:
            import sentry_sdk  # noqa: PLC0415  # the extra
            import sentry_sdk.crons  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise missing_extra("middleware", "SentryJobs()", "sentry") from error
        self._sdk, self._check_in = sentry_sdk, sentry_sdk.crons.capture_checkin
        self._monitors: dict[str, tuple[str, Any]] = {}

    def monitor(self, job_type: J) -> J:
        """Has the runs of a schedule check in; Sentry makes the monitor with the first. Also a decorator.

        Args:
            job_type: One with a cron expression of five fields, or with an interval of whole minutes.

        Raises:
            InvalidOption: If it is none.
        """
        schedule = job_type.cron if isinstance(job_type, JobType) else None
        found = None if schedule is None else monitored_schedule(schedule.cron)
        if schedule is None or found is None:
            raise InvalidOption(
                "monitor", job_type, "a job type of @runner.cron with five fields: Sentry has no seconds"
            )
        config: dict[str, Any] = {"schedule": found, "timezone": schedule.cron.tz}
        if job_type.timeout is not None:
            config["max_runtime"] = max(1, math.ceil(job_type.timeout / _MINUTE_S))
        self._monitors[job_type.name] = (slug_of(job_type.name), config)
        return job_type

    async def around_attempt(self, ctx: JobContext, proceed: Callable[[], Awaitable[Any]]) -> Any:
        """Reports what becomes of an attempt; see `Middleware.around_attempt`."""
        monitor = self._monitors.get(ctx.type) if ctx.tick is not None else None
        with self._sdk.isolation_scope() as scope:
            scope.set_tags({"job_type": ctx.type, "job_id": str(ctx.id), "job_attempt": str(ctx.attempt)})
            check_in = self._begin(monitor)
            began, raised = time.perf_counter(), None
            try:
                return await proceed()
            except BaseException as error:
                raised = error
                if is_fault(outcome_of(error)) and (ctx.is_last_attempt or isinstance(error, Abandon)):
                    scope.capture_exception(error)
                raise
            finally:
                self._end(monitor, check_in, raised, time.perf_counter() - began)

    def _begin(self, monitor: tuple[str, Any] | None) -> str | None:
        if monitor is None:
            return None
        slug, config = monitor
        return self._check_in(monitor_slug=slug, status="in_progress", monitor_config=config)

    def _end(
        self, monitor: tuple[str, Any] | None, check_in: str | None, raised: BaseException | None, seconds: float
    ) -> None:
        if monitor is None:
            return
        slug, config = monitor
        status = "error" if is_fault(outcome_of(raised)) else "ok"
        self._check_in(monitor_slug=slug, check_in_id=check_in, status=status, duration=seconds, monitor_config=config)


def monitored_schedule(cron: CronSchedule | IntervalSchedule) -> dict[str, Any] | None:
    """A schedule as Sentry takes it; None: one with seconds."""
    if isinstance(cron, IntervalSchedule):
        minutes, rest = divmod(cron.length, _MINUTE_S * MICROSECONDS)
        return None if rest else {"type": "interval", "value": minutes, "unit": "minute"}
    is_of_minutes = len(cron.normal.split()) == _FIELDS
    return {"type": "crontab", "value": cron.normal} if is_of_minutes else None


def slug_of(name: str) -> str:
    """The name of a monitor: lower case, digits, `-` and `_` alone, as Sentry wants it."""
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")[:_LONGEST_SLUG_CHARS] or "job"
