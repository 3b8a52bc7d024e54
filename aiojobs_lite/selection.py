"""Which jobs are meant, as lists, counts and the calls for many jobs take it; a page of them; an edit of one."""

from __future__ import annotations

from aiojobs_lite.runner.editing import JobEdit
from aiojobs_lite.runner.filters import JobFilters, JobSelection
from aiojobs_lite.runner.walks import JobPage

__all__ = ["JobEdit", "JobFilters", "JobPage", "JobSelection"]
