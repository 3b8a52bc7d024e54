"""The runners that a store of plain Python keeps, and what is done to them; written from `model/runners.py` alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from aiojobs_lite.clock import to_datetime, to_micros
from aiojobs_lite.model.job import Job
from aiojobs_lite.model.runners import EndRunners, MarkDraining, RunnerInfo, SetRunner, SetRunnerTypes, runner_of

Runners = dict[str, RunnerInfo]
"""By id."""


def set_runner(runners: Runners, write: SetRunner, now: int) -> None:
    """See `SetRunner`."""
    runners[write.id] = runner_of(write, now, None, is_draining=False, running=0)


def set_runner_types(runners: Runners, write: SetRunnerTypes) -> set[str]:
    """See `SetRunnerTypes`; returns the types that listen no more."""
    if write.id not in runners:
        return set()
    before = runners[write.id]
    runners[write.id] = replace(before, types=json.loads(write.types))
    others = [one for one in runners.values() if one.ended_at is None and one.id not in write.dead]
    return {*before.types} - {name for one in (*others, runners[write.id]) for name in one.types}


def mark_draining(runners: Runners, write: MarkDraining) -> None:
    """See `MarkDraining`."""
    if write.id in runners:
        runners[write.id] = replace(runners[write.id], is_draining=True)


def end_runners(runners: Runners, write: EndRunners, now: int) -> None:
    """See `EndRunners`."""
    for runner in list(runners.values()):
        if runner.ended_at is not None and to_micros(runner.ended_at) < write.forget_before:
            del runners[runner.id]
        elif runner.ended_at is None and runner.id in write.ids:
            runners[runner.id] = replace(runner, ended_at=to_datetime(now), is_alive=False)


def list_runners(runners: Runners, jobs: Iterable[Job]) -> list[RunnerInfo]:
    """See `ListRunners`."""
    running = Counter(job.owner for job in jobs)
    by_id = sorted(runners.values(), key=lambda one: one.id)
    found = sorted(by_id, key=lambda one: one.started_at, reverse=True)
    return [replace(runner, running=running[runner.id]) for runner in found]
