"""What `using(after=[...])` takes: the jobs that a job is to run after."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, Protocol, get_args

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import check_choice, check_each
from aiojobs_lite.model.after import AfterFailed
from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.sizes import MOST_AFTER

_EXPECTED: Final = "handles of jobs, as enqueue returns them"


class HasId(Protocol):
    """A handle, or a job that was read."""

    @property
    def id(self) -> int:
        """The id of the job."""


class AfterJobs(NamedTuple):
    """The jobs that a job is to run after, and whether it runs although one of them failed; None: as by default."""

    jobs: tuple[int, ...]
    failed: AfterFailed | None = None

    @property
    def runs_anyway(self) -> bool:
        """Whether it does."""
        return self.failed == "run"


def check_after(given: AfterJobs, after: Iterable[HasId] | None, failed: AfterFailed | None) -> AfterJobs:
    """The options `after` and `after_failed` of one `using`, and those of the ones before.

    Raises:
        InvalidOption: If they cannot work.
    """
    if after is not None:
        each = check_each("after", after, _EXPECTED)
        if len(each) > MOST_AFTER:
            raise InvalidOption("after", after, f"at most {MOST_AFTER:,} jobs; a batch enqueues a job after any number")
        given = given._replace(jobs=tuple([_id_of(one, place) for place, one in enumerate(each)]))
    if failed is not None:
        check_choice("after_failed", failed, get_args(AfterFailed))
        given = given._replace(failed=failed)
        if not given.jobs:
            raise InvalidOption("after_failed", failed, "together with after=[...]")
    return given


def _id_of(one: Any, place: int) -> int:
    job_id = getattr(one, "id", None)
    if isinstance(job_id, bool) or not isinstance(job_id, int) or not 0 < job_id <= LARGEST_INTEGER:
        raise InvalidOption(f"after[{place}]", one, "the handle of a job, as enqueue returns it")
    return job_id
