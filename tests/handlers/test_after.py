"""What `using(after=[...])` takes."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, JobRunner, job
from aiojobs_lite.clock import to_micros
from aiojobs_lite.handlers.job_type import check_on_dead
from aiojobs_lite.model.after import After

NOW = 1_700_000_000_000_000
LATER = datetime(2030, 1, 1, tzinfo=UTC)


@job
async def work(number: int) -> None: ...


def handles(*ids: int) -> list[Any]:
    return [SimpleNamespace(id=one) for one in ids]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, After()),
        ({"after": handles(3, 1)}, After((3, 1))),
        ({"after": iter(handles(3)), "after_failed": "run"}, After((3,), True)),
        ({"after": handles(3), "after_failed": "cancel", "delay": "1m"}, After((3,), False, 60_000_000)),
        ({"after": handles(3), "at": LATER}, After((3,), False, 0, to_micros(LATER))),
        ({"after": []}, After()),
    ],
)
def test_a_row_waits_as_the_options_say(options: dict[str, Any], expected: After) -> None:
    configured = work.using(**options)
    assert configured.how.waits(configured.row(NOW, (1,), {})) == expected


def test_later_options_add_to_those_before() -> None:
    configured = work.using(after=handles(1, 2)).using(after_failed="run").using(label="x")
    assert configured.how.waits(configured.row(NOW, (1,), {})) == After((1, 2), True)
    assert repr(configured) == "<JobType 'work' with label='x', after=[1, 2], after_failed='run'>"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"after": handles(1)[0]}, "a list of handles of jobs, as enqueue returns them"),
        ({"after": [1]}, r"^after\[0\]=.* the handle of a job, as enqueue returns it"),
        ({"after": handles(0)}, r"^after\[0\]=.* the handle of a job, as enqueue returns it"),
        ({"after": handles(2**63)}, r"^after\[0\]=.* the handle of a job, as enqueue returns it"),
        ({"after": handles(*range(1, 1002))}, "at most 1,000 jobs; a batch enqueues a job after any number"),
        ({"after": handles(1), "after_failed": "ignore"}, "'cancel' or 'run'"),
        ({"after_failed": "run"}, r"together with after=\[...\]"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidOption, match=problem):
        work.using(**options)


def test_a_reaction_and_a_callback_do_not_run_after_others() -> None:
    configured = work.using(after=handles(1))
    with pytest.raises(InvalidOption, match="takes the id of a dead job, without after="):
        check_on_dead(configured)
    with pytest.raises(InvalidOption, match="without after=: it runs after the whole batch"):
        JobRunner(":memory:", jobs=[work]).batches.open(on_complete=configured)
