"""Judges the durable functions of a run: no step whose result was stored runs again, each attempt is given the same.

What the function of a step does is noted when it begins and when it ends, and what each operation gave, after that.
What a process begins whose owner's file was removed is judged no more: it may not know yet what others have stored.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from aiojobs_lite.clock import MICROSECONDS
from tests.chaos.clocks import instant_of
from tests.chaos.evidence import AttemptRow, JobRow, OperationRow
from tests.chaos.functions import DOOMED, TYPES
from tests.chaos.story import Run, Story, settled_eras

MOST_CRASHES: Final = 3
_ENDS_OF_CHILDREN: Final = {"timeout": "ResultTimeout", "dead": "JobDead"}
_CUT_OFF: Final = ("lost", "interrupted", "cancelled")
Key = tuple[int, str]
"""A job, and the name of an operation."""


@dataclass
class Start:
    """One call of the function of a step; `ended` is infinite if its process neither noted its end nor was killed."""

    token: str
    run: Run
    at: float
    most: int
    ended: float = math.inf

    @property
    def is_owned(self) -> bool:
        """Whether its owner's file was there when it began."""
        return self.at <= self.run.life.robbed


@dataclass
class Given:
    """What an operation gave its handler."""

    value: str | None
    run: Run
    at: float


class Durable:
    """What durable functions have noted, and what was stored of them.

    Args:
        story: The run.
    """

    def __init__(self, story: Story) -> None:
        self._story = story
        self.redriven = Counter(record.facts["job"] for record in story.said("redriving"))
        self.rows: dict[Key, OperationRow] = {(row.job, row.name): row for row in story.evidence.operations}

    @property
    def functions(self) -> list[JobRow]:
        """The jobs that are durable functions, or listen, or are children."""
        return [job for job in self._story.jobs.values() if job.type in TYPES]

    @cached_property
    def latest_ends(self) -> dict[int, float]:
        """When the latest operation of each job ended, by CLOCK_MONOTONIC."""
        found: dict[int, float] = {}
        for row in self.rows.values():
            if row.ended_at is not None:
                at = instant_of(self._story.eras, row.ended_at / MICROSECONDS)
                found[row.job] = max(found.get(row.job, -math.inf), -math.inf if at is None else at)
        return found

    @cached_property
    def starts(self) -> dict[Key, list[Start]]:
        """The calls of each step, in their order."""
        found: dict[Key, list[Start]] = defaultdict(list)
        by_token: dict[str, Start] = {}
        for record in self._story.said("does"):
            facts = record.facts
            run = self._runs[facts["run"]]
            start = by_token[facts["token"]] = Start(facts["token"], run, record.time, facts["most"], run.life.killed)
            found[facts["job"], facts["step"]].append(start)
        for record in self._story.said("did"):
            by_token[record.facts["token"]].ended = record.time
        return found

    @cached_property
    def given(self) -> dict[Key, list[Given]]:
        """What each operation gave, in the order of the attempts."""
        found: dict[Key, list[Given]] = defaultdict(list)
        for record in self._story.said("got"):
            facts = record.facts
            found[facts["job"], facts["step"]].append(Given(facts["value"], self._runs[facts["run"]], record.time))
        return found

    @cached_property
    def _runs(self) -> dict[str, Run]:
        return {run.facts["run"]: run for runs in self._story.runs.values() for run in runs}


def run_again(story: Story) -> Iterator[str]:
    """A step whose result was stored never runs again, and what was stored is what one of its calls returned."""
    durable = Durable(story)
    for key, starts in durable.starts.items():
        row, ends = durable.rows.get(key), []
        if row is not None and row.state == "done" and row.kind == "run":
            stored = [start.at for start in starts if start.token == json.loads(row.memo or "null")]
            if not stored:
                yield f"the result {row.memo} of {_named(key)} is of none of its calls"
            ends += stored
        if not durable.redriven[key[0]]:  # then the steps are forgotten that failed
            ends += [one.at for one in durable.given[key]]
        again = [start for start in starts if start.at > min(ends, default=math.inf) and start.is_owned]
        if again:
            yield f"{_named(key)} ran {len(again)} times after its result was stored: {again[0].token}"


def overlapping_steps(story: Story) -> Iterator[str]:
    """The function of a step is not called while another call of it has not ended, in whatever process."""
    for key, starts in Durable(story).starts.items():
        before: Start | None = None
        for start in starts:
            if start.run.life.is_robbed:
                continue
            if before is not None and start.at < before.ended < math.inf:
                yield f"{_named(key)} began {before.ended - start.at:.3f} s before its call {before.token} ended"
            before = start


def over_attempts(story: Story) -> Iterator[str]:
    """A step is tried as often as it may be, and each attempt is counted; but for one that an end of its handler's
    attempt, such as a SIGKILL, kept from being stored.
    """
    durable = Durable(story)
    for key, starts in durable.starts.items():
        row, redriven = durable.rows.get(key), durable.redriven[key[0]]
        if key[0] not in story.jobs or redriven:
            continue
        by_run = Counter(id(start.run) for start in starts)
        least, most, counted = len(starts) - len(by_run), len(starts), 0 if row is None else row.attempts
        if not least <= counted <= most:
            yield f"{_named(key)} was called {most} times in {len(by_run)} attempts, and {counted} are counted"
        if counted > starts[0].most:
            yield f"{_named(key)} was tried {counted} times, and may be {starts[0].most} times"


def differing(story: Story) -> Iterator[str]:
    """Each attempt of a function is given the same by an operation, and that is what was stored."""
    durable = Durable(story)
    for key, given in durable.given.items():
        row = durable.rows.get(key)
        values = {one.value for one in given}
        is_redriven = bool(durable.redriven[key[0]])
        if row is not None and row.state != "waiting" and not is_redriven:
            values.add(_value_of(row))
        if len(values) > 1 and not (is_redriven and any(_is_of_a_failure(value) for value in values)):
            yield f"{_named(key)} gave {', '.join(sorted(map(str, values)))}"


def _value_of(row: OperationRow) -> str | None:
    """What an operation that has ended gives."""
    memo = json.loads(row.memo or "null")
    if row.kind == "run":
        memo = memo["id"] if isinstance(memo, dict) else memo  # of a job that it enqueued
        return str(memo) if row.state == "done" else f"StepFailed: {row.attempts}"
    if row.kind == "event":
        found: str | None = memo and memo["id"]
        return found
    if row.kind == "child":
        error = memo.get("error")
        return str(memo["data"]) if error is None else _ENDS_OF_CHILDREN.get(error["status"], "JobCancelled")
    return None


def _is_of_a_failure(value: str | None) -> bool:
    return value is not None and value.startswith(("StepFailed", "JobDead", "JobCancelled", "ResultTimeout"))


def miscounted(story: Story) -> Iterator[str]:
    """Each suspension is counted, once, and no other attempt of a function ends without a record. Attempts are counted
    from 1 without a gap, and anew when an operation has ended.
    """
    redriven = Durable(story).redriven
    for job in Durable(story).functions:
        if redriven[job.id]:
            continue
        rows, spent = story.rows[job.id], 0
        for row in rows:
            if row.attempt > spent + 1:
                yield f"job {job.id}: after {spent} attempts came number {row.attempt} ({row.outcome})"
            spent = row.attempt
        left = len(story.runs[job.id]) - len(rows) - (job.status == "completed")
        cut_off = sum(row.outcome in _CUT_OFF for row in rows)  # perhaps before their handler was called
        if not left <= job.snoozes <= left + cut_off:
            yield f"{job.type} job {job.id} was suspended {job.snoozes} times, and {left} to {left + cut_off} ended so"


def ended_wrongly(story: Story) -> Iterator[str]:
    """A function dies if it must, or if it was lost with its processes too often since its latest operation ended; else
    it is completed.
    """
    durable = Durable(story)
    for job in durable.functions:
        if job.status == "dead" and job.type not in DOOMED:
            lost = _crashes(story, job.id, durable.latest_ends.get(job.id, -math.inf))
            if lost < MOST_CRASHES:
                yield f"{job.type} job {job.id} is dead, and was lost {lost} times since its latest operation ended"
        if job.status == "completed" and job.type in DOOMED:
            yield f"{job.type} job {job.id} is completed"


def _crashes(story: Story, job: int, latest: float) -> int:
    """How often a function was lost since an instant, and once before: an operation may end after that. A clock that is
    stepped during its life may hide the end of an operation; then all count.

    A transaction is given its instant before it waits for the file. So a loss may be recorded after what seems to be
    later, at the latest when the next attempt began.
    """
    lost = [row for row in story.rows[job] if row.outcome == "lost"]
    begun = min((run.begun for run in story.runs[job]), default=-math.inf)
    if any(era.start >= begun for era in story.eras[1:]):
        return len(lost)
    after = sum(_recorded_by(story, row) > latest for row in lost)
    return min(after + 1, len(lost))


def _recorded_by(story: Story, lost: AttemptRow) -> float:
    """When a loss was recorded at the latest: a robbed owner may begin what it has lost, any other one may not."""
    later = [run.begun for run in story.runs[lost.job] if run.begun > lost.ended_at and run.owner != lost.owner]
    return min(later, default=math.inf)


def cut_short(story: Story) -> Iterator[str]:
    """No sleep ends before its instant, whatever is done meanwhile; a clock that is stepped may show another one."""
    settled = settled_eras(story)
    for row in story.evidence.operations:
        if row.kind == "sleep" and row.until is not None and row.ended_at is not None and row.ended_at < row.until:
            at = instant_of(story.eras, row.ended_at / MICROSECONDS)
            if at is not None and any(first <= at <= last for first, last in settled):
                early = (row.until - row.ended_at) / MICROSECONDS
                yield f"{_named((row.job, row.name))} ended {early:.3f} s too early"


def figures_of_steps(story: Story) -> Iterator[tuple[str, str]]:
    """What was tried of functions, in figures."""
    durable = Durable(story)
    statuses = Counter(job.status for job in durable.functions)
    kinds = Counter(row.kind for row in story.evidence.operations)
    given = sum(map(len, durable.given.values()))
    yield "durable functions", f"{len(durable.functions):,} ({_counts(statuses)})"
    yield "operations", f"{len(durable.rows):,} ({_counts(kinds)})"
    yield "steps begun", f"{sum(map(len, durable.starts.values())):,} for {len(durable.starts):,} steps"
    yield "results replayed", f"{given - len(durable.given):,}"
    yield "suspensions", f"{sum(job.snoozes for job in durable.functions):,}"


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counted.most_common())


def _named(key: Key) -> str:
    return f"{key[1]!r} of job {key[0]}"
