"""What tests need: runners in memory on a clock that stands still, with pytest by the fixture `job_kit`; contexts."""

from aiojobs_lite.testing.clock import FakeClock, FakeTimer
from aiojobs_lite.testing.contexts import context
from aiojobs_lite.testing.enqueued import EnqueuedJob
from aiojobs_lite.testing.errors import JobsNotFinished, NotAnswered, NotReplaced, RunnerNotGiven
from aiojobs_lite.testing.kit import JobKit
from aiojobs_lite.testing.operations import RanStep

__all__ = [
    "EnqueuedJob", "FakeClock", "FakeTimer", "JobKit", "JobsNotFinished", "NotAnswered", "NotReplaced", "RanStep",
    "RunnerNotGiven", "context",
]  # fmt: skip
