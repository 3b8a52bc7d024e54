"""Durable background jobs inside an asyncio application: one SQLite file, no broker, no worker process."""

from aiojobs_lite.clock import Clock, SystemClock
from aiojobs_lite.context import JobContext, injected
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
from aiojobs_lite.handle import JobHandle
from aiojobs_lite.job import Attempt, Job, Outcome, Status
from aiojobs_lite.registry import JobType, job
from aiojobs_lite.retry import Abandon, Backoff, Cancel, Retry, Snooze
from aiojobs_lite.runner import JobRunner
from aiojobs_lite.stats import RunnerStats

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
