"""Durable background jobs inside an asyncio application: one SQLite file, no broker, no worker process.

The names below are the whole surface for an application. Public as well, each for a purpose of its own:

- `aiojobs_lite.testing`: a clock that stands still, and runners in memory; with pytest by the fixture `job_kit`.
- `aiojobs_lite.limits`: what `@job(limits=...)` takes, `Limit` and `Rate`.
- `aiojobs_lite.telemetry.facts`: what `runner.watch()` yields, one class each; a table says what they mean.
- `aiojobs_lite.dead`: what a handler of `on_dead` is given.
- `aiojobs_lite.runner.batches`: the classes of what `runner.batches` returns, for annotations.
- `aiojobs_lite.runner.client`: the class of what `JobClient` returns, for annotations.
- `aiojobs_lite.runner.client_batches`: the classes of what `client.batches` returns, for annotations.
- `aiojobs_lite.figures`: what `runner.figures` gives.
- `aiojobs_lite.flow`: what `unique=`, `debounce=`, `throttle=` and `batch=` take.
- `aiojobs_lite.schedules`: the classes of what `runner.schedules` gives, for annotations.
- `aiojobs_lite.selection`: `JobSelection`, which jobs are meant, as one value; and what a list of them gives.
- `aiojobs_lite.steps`: a step of a durable handler with options of its own.
- `aiojobs_lite.events`: what a listener is given, and the classes of `runner.send` and `runner.events`.
- `aiojobs_lite.http`: signatures of messages over HTTP, for senders and receivers; needs the extra `http`.
- `aiojobs_lite.inngest`: the server side of the Inngest protocol as an ASGI application; needs the extra `inngest`.
- `aiojobs_lite.observe`: for OpenTelemetry, Sentry and Prometheus; needs the extras `otel`, `sentry`, `prometheus`.
- `aiojobs_lite.qstash`: the API of QStash as an ASGI application; needs the extra `http`.
- `aiojobs_lite.web`: the dashboard as an ASGI application; needs the extra `web`.
- `aiojobs_lite.runner.middleware`: the base class of middleware, and what it is given of a job that is enqueued.
- `aiojobs_lite.model.progress`: the classes of what `runner.jobs.log` and `handle.watch` give, for annotations.
- `aiojobs_lite.logs`: a filter that adds the job to every log record of its handler.
- `aiojobs_lite.errors`: the tree of all errors; those of single options, and of faulty programs, are not repeated here.
- `aiojobs_lite.stores.base`: the contract of a store, for a database other than SQLite.

No other module makes a promise: it may change in any release.
"""

from aiojobs_lite.clock import Clock, SystemClock
from aiojobs_lite.cron import CronSchedule
from aiojobs_lite.errors import (
    AiojobsError,
    ConfigurationError,
    EnqueueError,
    InvalidOption,
    InvalidPayload,
    JobCancelled,
    JobDead,
    JobError,
    JobNotAllowed,
    JobNotFound,
    PayloadTooLarge,
    ResultNotKept,
    ResultTimeout,
    RunnerClosed,
    RunnerError,
    StoreError,
    StoreRefused,
    StoreRejected,
    StoreUnavailable,
    UnknownJobType,
)
from aiojobs_lite.handlers.context import injected
from aiojobs_lite.handlers.decorators import job
from aiojobs_lite.handlers.group import Jobs
from aiojobs_lite.handlers.job_type import BoundJob, JobType
from aiojobs_lite.handlers.resources import PerAttempt
from aiojobs_lite.model.job import Attempt, Job, Outcome, Status
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.policy.outcomes import Abandon, Cancel, Retry, Snooze
from aiojobs_lite.runner.client import JobClient
from aiojobs_lite.runner.context import JobContext, current_job
from aiojobs_lite.runner.handle import JobHandle
from aiojobs_lite.runner.runner import JobRunner
from aiojobs_lite.telemetry.bus import Watch
from aiojobs_lite.telemetry.stats import RunnerStats

__all__ = [  # noqa: RUF022  # in groups
    # Declare.
    "Backoff",
    "CronSchedule",
    "JobContext",
    "JobType",
    "Jobs",
    "PerAttempt",
    "injected",
    "job",
    # Run.
    "BoundJob",
    "Clock",
    "JobClient",
    "JobHandle",
    "JobRunner",
    "SystemClock",
    # Raise, in a handler.
    "Abandon",
    "Cancel",
    "Retry",
    "Snooze",
    # Look.
    "Attempt",
    "Job",
    "Outcome",
    "RunnerStats",
    "Status",
    "Watch",
    "current_job",
    # Errors; each after its base class.
    "AiojobsError",
    "ConfigurationError",
    "InvalidOption",
    "EnqueueError",
    "InvalidPayload",
    "PayloadTooLarge",
    "UnknownJobType",
    "JobError",
    "JobCancelled",
    "JobDead",
    "JobNotAllowed",
    "JobNotFound",
    "ResultNotKept",
    "ResultTimeout",
    "RunnerError",
    "RunnerClosed",
    "StoreError",
    "StoreRefused",
    "StoreRejected",
    "StoreUnavailable",
]
