"""Which jobs are meant: what `runner.jobs.list`, `count` and the calls for many jobs take; and a page of them."""

from __future__ import annotations

from aiojobs_lite.runner.filters import JobFilters, JobSelection
from aiojobs_lite.runner.walks import JobPage

__all__ = ["JobFilters", "JobPage", "JobSelection"]
