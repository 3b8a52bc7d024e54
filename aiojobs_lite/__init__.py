"""Durable background jobs inside an asyncio application: one SQLite file, no broker, no worker process."""

from aiojobs_lite.clock import Clock, SystemClock
from aiojobs_lite.cron import CronSchedule
from aiojobs_lite.errors import (
    AiojobsError,
    ConfigurationError,
    EnqueueError,
    InvalidPayload,
    JobCancelled,
    JobDead,
    JobNotFound,
    ResultTimeout,
    RunnerError,
    StoreError,
    StoreUnavailable,
)
from aiojobs_lite.handlers.context import JobContext, injected
from aiojobs_lite.handlers.decorators import job
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.job import Attempt, Job, Outcome, Status
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.policy.outcomes import Abandon, Cancel, Retry, Snooze
from aiojobs_lite.runner.handle import JobHandle
from aiojobs_lite.runner.runner import JobRunner
from aiojobs_lite.telemetry.stats import RunnerStats

__all__ = [
    "Abandon",
    "AiojobsError",
    "Attempt",
    "Backoff",
    "Cancel",
    "Clock",
    "ConfigurationError",
    "CronSchedule",
    "EnqueueError",
    "InvalidPayload",
    "Job",
    "JobCancelled",
    "JobContext",
    "JobDead",
    "JobHandle",
    "JobNotFound",
    "JobRunner",
    "JobType",
    "Outcome",
    "ResultTimeout",
    "Retry",
    "RunnerError",
    "RunnerStats",
    "Snooze",
    "Status",
    "StoreError",
    "StoreUnavailable",
    "SystemClock",
    "injected",
    "job",
]
