"""What tests need: a clock that stands still, and runners in memory, which the pytest fixture `job_kit` gives."""

from aiojobs_lite.testing.clock import FakeClock, FakeTimer
from aiojobs_lite.testing.fixtures import JobKit

__all__ = ["FakeClock", "FakeTimer", "JobKit"]
