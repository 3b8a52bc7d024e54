"""Runners with the job types of `tests/helpers/mail.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.mail import dies, other, welcome


@pytest.fixture
def idle(database: Path, clock: FakeClock) -> JobRunner:
    """A runner that enqueues and reads, and runs nothing."""
    return JobRunner(database, jobs=[welcome, other, dies], max_running=0, clock=clock)


@pytest.fixture
def working(database: Path, clock: FakeClock) -> JobRunner:
    return JobRunner(database, jobs=[welcome, other, dies], clock=clock)
