"""Judges the debounced jobs of a run: the last arguments count, and none is put off for too long."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from aiojobs_lite.clock import MICROSECONDS
from tests.chaos.flow import DEBOUNCE_S, MAX_WAIT_S
from tests.chaos.story import INEXACT, Run, Span, Story, settled_eras


class _Call(NamedTuple):
    """An enqueue, which was of unknown outcome if it was not acknowledged."""

    key: int
    at: float
    acknowledged: float


def debounced(story: Story) -> Iterator[str]:
    """Each enqueue that was acknowledged gave its arguments to its job, or a later one did that. The job runs with the
    last arguments, not before the period is over, and was not put off for longer than it may be.
    """
    answers = {record.facts["call"]: record for record in story.said("debounced")}
    calls: dict[str, _Call] = {}
    for record in story.said("debouncing"):
        answer = answers.get(record.facts["call"])
        calls[record.facts["call"]] = _Call(record.facts["key"], record.time, answer.time if answer else math.inf)
    for name, answer in answers.items():
        job_id, call = answer.facts["job"], calls[name]
        job = story.jobs.get(job_id)
        latest = calls.get(job.latest or "") if job else None
        if latest is None or latest.key != call.key or latest.acknowledged < call.at:
            has = "is not there" if job is None else f"has the arguments of {job.latest}"
            yield f"the enqueue {name} of the key {call.key} is lost: job {job_id} {has}"
    redriven = {record.facts["job"] for record in story.said("redriving")}
    settled = settled_eras(story)
    for job in story.jobs.values():
        for run in story.runs.get(job.id, []) if job.latest is not None else []:
            if run.facts["latest"] != job.latest:
                yield f"job {job.id} ran with the arguments of {run.facts['latest']}, and has those of {job.latest}"
            elif job.id not in redriven and job.latest in calls:
                yield from _time(run, calls[job.latest].at, settled)


def _time(run: Run, enqueued: float, settled: list[Span]) -> Iterator[str]:
    """Whether an attempt was put off for too long, or began too early although it could be put off for longer."""
    put_off = run.facts.get("put_off", MAX_WAIT_S * MICROSECONDS) / MICROSECONDS  # of a retry it is not known any more
    if put_off > MAX_WAIT_S:
        yield f"job {run.job} was put off for {put_off:.3f} s, and may be for {MAX_WAIT_S} s"
    is_known = any(first <= enqueued and run.begun <= last for first, last in settled)  # no step of the clock between
    if put_off < MAX_WAIT_S and is_known and run.begun < enqueued + DEBOUNCE_S - INEXACT:
        yield f"job {run.job} began {run.begun - enqueued:.3f} s after its last enqueue, not {DEBOUNCE_S} s"
