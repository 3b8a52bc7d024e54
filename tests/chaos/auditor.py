"""Judges a run by what it has left. Pure functions: each finds the breaches of one promise and says what is wrong.

An operation of unknown outcome (called, never acknowledged) may have happened or not. What a process did whose
owner's file was removed from outside is judged by what it made durable alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from signal import SIGKILL, SIGTERM

from tests.chaos.batches import callbacks
from tests.chaos.debounces import debounced
from tests.chaos.events import doubled_children, doubled_events, figures_of_events, lost_events, unanswered
from tests.chaos.evidence import AttemptRow, Evidence, JobRow
from tests.chaos.functions import TYPES
from tests.chaos.journal import KILLER
from tests.chaos.keys import out_of_order, over_key_limit, over_rate
from tests.chaos.reactions import cancelled_otherwise, enqueued_otherwise, figures_of_reactions, unmourned
from tests.chaos.steps import (
    cut_short,
    differing,
    ended_wrongly,
    figures_of_steps,
    miscounted,
    over_attempts,
    overlapping_steps,
    run_again,
)
from tests.chaos.story import Life, Run, Story, longest_chance, story_of
from tests.chaos.ticks import ticks
from tests.chaos.waiting import free_keys, waits
from tests.chaos.work import LIMITS, RAISED
from tests.chaos.worker import START_REFUSED

RESCUED_WITHIN = 3.0  # seconds
_FREE_INTERRUPTIONS = 20
_WRITING = TYPES | {"parent"}  # types whose handlers write to the database: operations, and jobs that they enqueue
_PATIENCE = 6.0  # seconds; a transaction waits for the lock a little less, and may have been begun late
_LEAVES = 15.0  # seconds; a process may be stopped between its claim and the begin of the attempt
_LOG_BACK_WITHIN = 10.0  # seconds
_LARGEST_LOG = 32 << 20  # bytes
_ENDED = ("completed", "dead", "cancelled")
_CODES = (0, -SIGKILL, -SIGTERM, START_REFUSED)
_MANY_LATE = 5  # ends of handlers whose jobs were taken: that none of them came to be written is no chance


def lost(story: Story) -> Iterator[str]:
    """Every acknowledged job is there."""
    for record in story.said("acknowledged"):
        for job_id in record.facts["jobs"]:
            if job_id not in story.jobs and job_id not in story.deleted:
                yield f"job {job_id} of call {record.facts['call']} was acknowledged and is not there"


def unfinished(story: Story) -> Iterator[str]:
    """Every job has ended."""
    for job in story.jobs.values():
        if job.status not in (*_ENDED, "processing") and job.held is None:
            yield f"{job.type} job {job.id} is {job.status} in the end"


def without_end(story: Story) -> Iterator[str]:
    """Every attempt has ended."""
    for job in story.jobs.values():
        if job.status == "processing":
            yield f"attempt {job.attempts} of {job.type} job {job.id} has no end"


def held_for_good(story: Story) -> Iterator[str]:
    """No job is held when each version of the application has had its time."""
    for job in story.jobs.values():
        if job.status not in _ENDED and job.held is not None:
            yield f"{job.type} job {job.id} is held in the end: {job.held}"


def doubled(story: Story) -> Iterator[str]:
    """Each call made all its jobs once, or none; each key one; and no other made any."""
    made = Counter(job.call for job in story.jobs.values() if _is_of_a_call(job))
    thinned = {record.facts["call"] for record in story.said("deleting")}
    known = {}
    for record in story.said("called"):
        call, wanted, key = (record.facts[name] for name in ("call", "jobs", "key"))
        known[call] = key
        if made[call] not in (range(wanted + 1) if call in thinned else (0, wanted)):
            yield f"call {call} made {made[call]} jobs of {wanted}"
    given: dict[int, str] = {}
    for record in story.said("acknowledged"):
        call, ids, new = (record.facts[name] for name in ("call", "jobs", "new"))
        if known[call] is None and not all(new):
            yield f"call {call} without a key was given a job seen before"
        for job_id, is_new in zip(ids, new, strict=True):
            if is_new and given.setdefault(job_id, call) != call:
                yield f"the id {job_id} was given to call {given[job_id]} and to call {call}"
            job = story.jobs.get(job_id)
            if job and ((job.call == call) is not is_new or job.key != known[call]):
                yield f"call {call} was given job {job_id} (new: {is_new}), which call {job.call} made, key {job.key}"
    for call in made:
        if call not in known:
            yield f"there was no call {call} of a job"
    for (kind, key), count in Counter((job.type, job.key) for job in story.jobs.values() if job.key).items():
        if count > 1:
            yield f"{count} jobs of type {kind} have the key {key}"


def _is_of_a_call(job: JobRow) -> bool:
    """Whether no schedule, no batch, no event and no other job made it, and it could not be put off."""
    return (job.tick, job.latest, job.batch, job.parent, job.event, job.dead) == (None,) * 6


def overlapping(story: Story) -> Iterator[str]:
    """Two attempts of one job never run at the same time, on whatever machine was stopped meanwhile."""
    for job_id, runs in story.runs.items():
        before: Run | None = None
        for run in runs:
            if not run.is_owned:
                continue
            if before is not None and run.begun < before.ended:
                yield (
                    f"job {job_id}: attempt {run.attempt} began in process {run.life.number} "
                    f"{before.ended - run.begun:.3f} s before attempt {before.attempt} ended in {before.life.number}"
                )
            if before is None or run.ended > before.ended:
                before = run


def begun_again(story: Story) -> Iterator[str]:
    """Each attempt that began is one that was recorded as it ended, or the one that completed its job; and the
    completed job was completed by that one. Of an attempt that was suspended nothing is recorded.
    """
    for job_id, runs in story.runs.items():
        job = story.jobs.get(job_id)
        if job is None:
            if job_id not in story.deleted:
                yield f"job {job_id} ran and is not there"
            continue
        begun, may_be_suspended = _open(runs, story.rows[job_id]), job.type in TYPES
        if job.status == "completed":
            owner, _, attempt = (job.result or "").partition(":")
            is_last_open = (job.attempts, owner) in begun and (may_be_suspended or begun.total() == 1)
            if not is_last_open or attempt != str(job.attempts):
                yield f"job {job_id} was completed in attempt {job.attempts} by {job.result}; open: {sorted(begun)}"
        elif job.status in _ENDED and begun and not may_be_suspended:
            yield f"job {job_id} is {job.status}, and no end is recorded of {sorted(begun)}"


def _open(runs: Sequence[Run], rows: Sequence[AttemptRow]) -> Counter[tuple[int, str]]:
    """The attempts that began, and whose end is not recorded. An attempt that was stopped before its handler was called
    has a record and did not begin; after a redrive its number and owner may come again, and that one began later.
    """
    left = list(runs)
    for row in rows:
        for run in left:
            is_later = run.begun >= row.ended_at and row.outcome != "lost"  # a robbed owner may begin what it has lost
            if (run.attempt, run.owner) == (row.attempt, row.owner) and not is_later:
                left.remove(run)
                break
    return Counter((run.attempt, run.owner) for run in left)


def misnumbered(story: Story) -> Iterator[str]:
    """Attempts are counted from 1 without a gap; a drain and a snooze give theirs back, a redrive begins anew."""
    redriven = Counter(record.facts["job"] for record in story.said("redriving"))
    for job in [job for job in story.jobs.values() if job.type not in TYPES]:
        spent = interruptions = 0
        for row in story.rows[job.id]:
            if row.attempt != spent + 1 and row.attempt == 1 and redriven[job.id]:
                redriven[job.id] -= 1
                spent = interruptions = 0
            if row.attempt != spent + 1:
                yield f"job {job.id}: after {spent} attempts came number {row.attempt} ({row.outcome})"
            interruptions += row.outcome == "interrupted"
            if row.outcome != "snoozed" and (row.outcome != "interrupted" or interruptions > _FREE_INTERRUPTIONS):
                spent = row.attempt
        allowed = {spent + (job.status == "completed")}
        if redriven[job.id]:
            allowed.add(int(job.status == "completed"))
        if job.status in _ENDED and job.attempts not in allowed:
            yield f"job {job.id} is {job.status} with {job.attempts} attempts; recorded are {spent}"


def finished_twice(story: Story) -> Iterator[str]:
    """A job is completed once, and does not run after it."""
    completed: dict[int, float] = {}
    for record in story.said("JobCompleted"):
        job_id = record.facts["job_id"]
        if job_id in completed:
            yield f"job {job_id} was completed twice, the second time in process {record.writer}"
        completed[job_id] = record.time
        if job_id in story.jobs and story.jobs[job_id].status != "completed":
            yield f"job {job_id} was completed, and is {story.jobs[job_id].status} in the end"
    for job_id, at in completed.items():
        if any(run.begun > at and run.is_owned for run in story.runs[job_id]):
            yield f"job {job_id} ran again after it was completed"


def over_limit(story: Story) -> Iterator[str]:
    """Never more attempts of the limited type at once than its limit, over all processes. While two versions run, and
    until the jobs of the one that has left have ended, the larger limit holds.
    """
    edges: list[tuple[float, int]] = []
    for runs in story.runs.values():
        for run in runs:
            if run.type == "limited" and run.is_owned:
                edges += [(run.begun, 1), (run.ended, -1)]
    there = [
        (life.up - _LEAVES, min(life.ended, life.exited) + _LEAVES, LIMITS[life.version])
        for life in story.lives.values()
        if life.version and life.owner
    ]
    running = 0
    for at, step in sorted(edges):
        running += step
        if running > min(LIMITS.values()):
            limit = max((most for first, last, most in there if first <= at <= last), default=max(LIMITS.values()))
            if running > limit:
                yield f"{running} jobs of a type with the limit {limit} ran at {at:.3f}"


def robbed(story: Story) -> Iterator[str]:
    """No owner takes a job from a process that lives, stopped or not."""
    for row in story.evidence.attempts:
        life = story.owners.get(row.owner)
        if life is None:
            yield f"job {row.job} was {row.outcome} by an owner that is not known"
        elif life.robbed < row.ended_at:
            continue
        elif row.outcome == "lost" and row.ended_at < life.ended:
            yield f"job {row.job} was taken from process {life.number}, which lived"
        elif row.outcome == "interrupted" and row.ended_at < life.terminated:
            yield f"job {row.job} was interrupted in process {life.number}, which was not asked to end"
    for record in story.said("EndRefused"):
        if not story.lives[record.writer].is_robbed:
            yield f"process {record.writer} could not end job {record.facts['job_id']}, which another one had"


def rescues(story: Story) -> Iterator[tuple[float, AttemptRow]]:
    """Each attempt that was given back after its process had ended, and how long another one could have done it."""
    held_up, lives = story.held_up, list(story.lives.values())
    for row in story.evidence.attempts:
        life = story.owners.get(row.owner)
        if life is None or life.is_robbed:
            continue
        death = life.killed if life.killed < math.inf else life.exited
        if row.ended_at > death:
            since, until = death, row.ended_at
            out = [span for span in held_up + life.planted if span[0] < until and span[1] > since]
            others = (other for other in lives if other is not life and other.up < until and other.ended > since)
            yield max((longest_chance(other, since, until, out) for other in others), default=0.0), row


def rescued_late(story: Story) -> Iterator[str]:
    """What a dead process held is given back in time, if another one lives and can write."""
    for delay, row in rescues(story):
        if delay > RESCUED_WITHIN:
            yield f"job {row.job} of owner {row.owner} was given back after {delay:.1f} s"


def cancelled_in_vain(story: Story) -> Iterator[str]:
    """A job whose cancel was acknowledged does not run again, unless it is redriven."""
    redriven = {record.facts["job"] for record in story.said("redriving")}
    for record in story.said("cancelled"):
        job_id, status = record.facts["job"], record.facts["status"]
        if job_id in redriven or job_id not in story.jobs:
            continue
        later = sum(run.begun > record.time and run.is_owned for run in story.runs[job_id])
        if status == "cancelled" and (later or story.jobs[job_id].status != "cancelled"):
            yield f"job {job_id} was cancelled, ran {later} times after it and is {story.jobs[job_id].status}"
        running = any(run.begun <= record.time < run.ended and run.is_owned for run in story.runs[job_id])
        if status != "cancelled" and later > (0 if running else 1):  # 1: it may not have reached its first line yet
            yield f"job {job_id} was asked to stop, and ran {later} times after it"


def lanes(story: Story) -> Iterator[str]:
    """No runner found that it had forgotten something: a lane, a slot, an attempt."""
    for record in story.said("defect"):
        if record.facts.get("fact") == "DefectFound":
            yield f"process {record.writer}: {record.facts['text']}"


def left_behind(story: Story) -> Iterator[str]:
    """No file of an owner is left, no long log, no process that a handler started, no copy of the application."""
    if story.evidence.left:
        yield f"files: {', '.join(story.evidence.left)}"
    if story.evidence.log:
        yield f"a log of {story.evidence.log:,} bytes"
    for record in story.said("alive"):
        yield f"process {record.facts['pid']}: {record.facts['command']}"
    for record in story.said("astray"):
        yield f"a copy of process {record.writer} notes {record.facts['noted']}"
    reads = [span for life in story.lives.values() for span in life.reads] + story.held_up
    for record in story.said("log"):
        is_free = not any(first < record.time < last + _LOG_BACK_WITHIN for first, last in reads)
        if is_free and record.facts["size"] > _LARGEST_LOG:
            yield f"a log of {record.facts['size']:,} bytes while no program reads, at {record.time:.3f}"


def defects(story: Story) -> Iterator[str]:
    """No process failed by itself, none did not end, the file is sound."""
    for record in story.said("defect"):
        if record.facts.get("fact") != "DefectFound":
            yield f"process {record.writer}: {record.facts['text']}"
    for record in story.said("hung"):
        yield f"process {record.facts['worker']} did not end"
    for life in story.lives.values():
        if life.number != KILLER and life.code not in _CODES:
            yield f"process {life.number} ended with code {life.code}"
    if story.evidence.unsound:
        yield story.evidence.unsound
    for row in story.evidence.attempts:
        if math.isnan(row.ended_at):
            yield f"attempt {row.attempt} of job {row.job} ended at an instant that no clock showed"
    ahead = [record.facts["ahead"] for record in story.said("forked")]
    if ahead and max(ahead) - min(ahead) > 0.1:
        yield "the machine's clock was set: the run cannot be judged"


def failed_otherwise(story: Story) -> Iterator[str]:
    """An attempt fails by what its handler raises, and by nothing else."""
    for row in story.evidence.attempts:
        if row.outcome == "failed" and row.error not in RAISED and not _could_not_write(story, row):
            yield f"attempt {row.attempt} of {story.jobs[row.job].type} job {row.job} failed with {row.error}"


def _could_not_write(story: Story, row: AttemptRow) -> bool:
    """Whether what a handler writes itself found the file locked: others held it for most of its patience."""
    if story.jobs[row.job].type not in _WRITING or not (row.error or "").startswith("StoreUnavailable: "):
        return False
    begun, ended = row.ended_at - _PATIENCE, row.ended_at
    holds = [span for life in story.lives.values() for span in life.holds]
    return sum(max(0.0, min(last, ended) - max(first, begun)) for first, last in holds) > _PATIENCE / 2


def refused_in_vain(story: Story) -> Iterator[str]:
    """Of the handlers that returned after their jobs were taken from robbed owners, an end was refused now and then."""
    late = [run for runs in story.runs.values() for run in runs if run.how == "returned" and _was_taken(story, run)]
    if len(late) >= _MANY_LATE and not story.said("EndRefused"):
        yield f"{len(late)} handlers returned when their jobs were no longer theirs, and no end was refused"


def _was_taken(story: Story, run: Run) -> bool:
    """Whether an attempt was recorded as lost before its handler ended."""
    token = (run.attempt, run.owner, "lost")
    return run.life.is_robbed and any(
        (row.attempt, row.owner, row.outcome) == token and row.ended_at < run.ended for row in story.rows[run.job]
    )


CHECKS: Mapping[str, Callable[[Story], Iterable[str]]] = {
    "lost": lost,
    "not ended": unfinished,
    "attempts without an end": without_end,
    "held in the end": held_for_good,
    "doubled": doubled,
    "overlapping attempts": overlapping,
    "attempts begun twice": begun_again,
    "attempts miscounted": misnumbered,
    "finished twice": finished_twice,
    "over the limit": over_limit,
    "over the limit of a key": over_key_limit,
    "over the rate of a key": over_rate,
    "out of order": out_of_order,
    "waiting with a free key": free_keys,
    "stored steps run again": run_again,
    "overlapping steps": overlapping_steps,
    "attempts of steps miscounted": over_attempts,
    "results that differ": differing,
    "suspensions miscounted": miscounted,
    "functions ended wrongly": ended_wrongly,
    "sleeps cut short": cut_short,
    "events lost": lost_events,
    "events doubled": doubled_events,
    "waits over in vain": unanswered,
    "children doubled": doubled_children,
    "reactions to deaths": unmourned,
    "enqueued by operations": enqueued_otherwise,
    "cancelled by events": cancelled_otherwise,
    "callbacks of batches": callbacks,
    "debounced wrongly": debounced,
    "ticks doubled or missed": ticks,
    "taken from the living": robbed,
    "late ends not refused": refused_in_vain,
    "rescued too late": rescued_late,
    "cancelled in vain": cancelled_in_vain,
    "failed by no handler": failed_otherwise,
    "lanes left behind": lanes,
    "left behind": left_behind,
    "defects": defects,
}


@dataclass(frozen=True)
class Verdict:
    """What was found.

    Attributes:
        breaches: What is wrong, by check.
        summary: The figures of the run, for a person.
    """

    breaches: dict[str, list[str]]
    summary: list[tuple[str, str]]

    @property
    def is_good(self) -> bool:
        """Whether every promise was kept."""
        return not any(self.breaches.values())


def judge(evidence: Evidence) -> Verdict:
    """Judges a run."""
    story = story_of(evidence)
    breaches = {name: list(check(story)) for name, check in CHECKS.items()}
    return Verdict(breaches, [*_figures(story), *((name, f"{len(found):,}") for name, found in breaches.items())])


def _figures(story: Story) -> Iterator[tuple[str, str]]:
    processes = [life for life in story.lives.values() if life.number != KILLER]
    lives = [life for life in processes if life.version]
    runs = [run for of_job in story.runs.values() for run in of_job]
    outcomes = Counter(row.outcome for row in story.evidence.attempts)
    statuses = Counter(job.status for job in story.jobs.values())
    yield "processes", f"{len(lives):,}"
    yield "kills", f"{sum(life.killed < math.inf for life in lives):,}"
    yield "SIGTERMs", f"{sum(life.terminated < math.inf for life in lives):,}"
    yield "stops", _spans([stop for life in lives for stop in life.stops])
    yield "stops that held up all writers", _spans([stop for life in lives for stop in life.holds])
    yield "owner's files removed", f"{sum(life.is_robbed for life in lives):,}"
    yield "links", f"{len(story.said('linked')):,}"
    yield "links in place of owner's files", _spans([span for life in lives for span in life.planted])
    yield "locks of another program", _spans([hold for life in processes if not life.version for hold in life.holds])
    yield "reads of another program", _spans([read for life in processes for read in life.reads])
    yield "versions", _counts(Counter(life.version for life in lives))
    yield "clock steps", f"{len(story.eras) - 1:,}"
    yield "handlers that forked", f"{sum(run.type.startswith(('forks', 'starts', 'stuck')) for run in runs):,}"
    yield "longest log", f"{max((record.facts['size'] for record in story.said('log')), default=0) / 2**20:.1f} MiB"
    yield "stalls of the machine", _spans(story.stalls)
    yield "enqueue calls", f"{len(story.said('called')):,}"
    yield "acknowledged", f"{len({job for record in story.said('acknowledged') for job in record.facts['jobs']}):,}"
    yield "jobs", f"{len(story.jobs):,} ({_counts(statuses)})"
    yield "ticks", f"{sum(job.tick is not None for job in story.jobs.values()):,}"
    yield "attempts begun", f"{len(runs):,}"
    yield from _figures_of_flow(story, Counter(run.type for run in runs))
    yield from figures_of_steps(story)
    yield from figures_of_events(story)
    yield from figures_of_reactions(story)
    yield "attempts that did not succeed", _counts(outcomes)
    yield "ends refused", f"{len(story.said('EndRefused')):,}"
    delays = [delay for delay, _ in rescues(story)]
    yield "rescued attempts", f"{len(delays):,}"
    yield "max rescue delay", f"{max(delays, default=0.0):.2f} s"
    yield "max drain", f"{max((_drain(life) for life in lives), default=0.0):.2f} s"


def _figures_of_flow(story: Story, begun: Counter[str]) -> Iterator[tuple[str, str]]:
    yield "attempts of limited keys", _counts(Counter({kind: begun[kind] for kind in ("keyed", "ordered", "rated")}))
    yield (
        "batches",
        _counts(Counter("abandoned" if one.is_abandoned else str(one.outcome) for one in story.evidence.batches)),
    )
    yield "debounced enqueues", f"{len(story.said('debounced')):,} for {begun['debounced']:,} attempts"
    yield "looks for free keys", f"{sum(record.facts['times'] for record in story.said('looked')):,}"
    yield "max wait with a free key", f"{max((delay for delay, _ in waits(story)), default=0.0):.2f} s"


def _spans(spans: list[tuple[float, float]]) -> str:
    return f"{len(spans):,} ({sum(last - first for first, last in spans):.1f} s)"


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counted.most_common())


def _drain(life: Life) -> float:
    """How long the drain took that nothing disturbed."""
    disturbed = bool(life.stops) or life.killed < math.inf or life.drained == math.inf
    return 0.0 if disturbed else life.exited - life.terminated
