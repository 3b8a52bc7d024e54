"""What tests need: a clock that stands still, and a pytest fixture that runs a runner in memory."""

from aiojobs_lite.testing.clock import FakeClock, FakeTimer
from aiojobs_lite.testing.fixtures import JobsFixture, jobs

__all__ = ["FakeClock", "FakeTimer", "JobsFixture", "jobs"]
