"""What tests need: a clock that stands still, and runners in memory, which the pytest fixture `jobs` gives."""

from aiojobs_lite.testing.clock import FakeClock, FakeTimer
from aiojobs_lite.testing.fixtures import JobsFixture

__all__ = ["FakeClock", "FakeTimer", "JobsFixture"]
