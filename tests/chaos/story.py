"""What happened, put together from the records: the lives of the processes, and the attempts that ran in them."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.clocks import Era, eras_of
from tests.chaos.evidence import AttemptRow, Evidence, JobRow
from tests.chaos.journal import Record

Span = tuple[float, float]
INEXACT = 0.1  # seconds by which the clocks of two processes may seem to differ
UNDER_WAY = 2.0  # seconds from the instant that a transaction is given to its end, on a busy machine
IN_PROCESS = "_in_process"
"""How the names of the job types end that run in worker processes."""


@dataclass
class Life:
    """One process, as the journal tells of it. Instants that never came are infinite.

    Attributes:
        owner: Its runner's id; empty if it never got so far.
        up: When its runner had started.
        killed: The SIGKILL.
        terminated: The SIGTERM.
        drained: When its drain was over.
        exited: When its end was noticed.
        code: Its exit code.
        robbed: When its owner's file was removed from outside.
        stops: From each SIGSTOP to what ended it.
        holds: Those of them in which it held up all writers; of another program, when it had the write lock.
        reads: When it read for long: another program.
        version: Of the application; empty if it is another program.
        fires: Whether its runner has the schedules.
        planted: When something else was in place of its owner's file: it is taken for alive.
    """

    number: int
    owner: str = ""
    up: float = math.inf
    killed: float = math.inf
    terminated: float = math.inf
    drained: float = math.inf
    exited: float = math.inf
    code: int | None = None
    robbed: float = math.inf
    stops: list[Span] = field(default_factory=list)
    holds: list[Span] = field(default_factory=list)
    reads: list[Span] = field(default_factory=list)
    version: str = "old"
    fires: bool = True
    planted: list[Span] = field(default_factory=list)

    @property
    def ended(self) -> float:
        """When nothing of it ran any more, as near as it is known; never later than it could have been noticed."""
        return min(self.killed, max(self.drained, self.terminated))

    @property
    def is_robbed(self) -> bool:
        return self.robbed < math.inf


@dataclass
class Run:
    """One attempt, as its handler tells of it; `facts` is what it noted with its begin."""

    job: int
    attempt: int
    owner: str
    type: str
    life: Life
    begun: float
    ended: float = math.inf
    how: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> int | None:
        """Of a type that has keys."""
        return self.facts.get("key")

    @property
    def is_owned(self) -> bool:
        """Whether its owner's file was there before it ended."""
        return self.ended <= self.life.robbed


@dataclass
class Story:
    """The evidence in order.

    Attributes:
        lives: The processes, by their numbers.
        owners: The same, by the ids of their runners.
        runs: The attempts of each job, by their begins.
        rows: The recorded attempts of each job.
        jobs: The jobs by id.
        stalls: When no process was given the processor.
        deleted: The jobs that a caller wanted to delete, and may have.
        eras: The times between two steps of the clock.
    """

    evidence: Evidence
    lives: dict[int, Life] = field(default_factory=dict)
    owners: dict[str, Life] = field(default_factory=dict)
    runs: dict[int, list[Run]] = field(default_factory=lambda: defaultdict(list))
    rows: dict[int, list[AttemptRow]] = field(default_factory=lambda: defaultdict(list))
    jobs: dict[int, JobRow] = field(default_factory=dict)
    stalls: list[Span] = field(default_factory=list)
    deleted: set[int] = field(default_factory=set)
    eras: list[Era] = field(default_factory=list)

    @property
    def held_up(self) -> list[Span]:
        """When no process could write."""
        return [span for life in self.lives.values() for span in life.holds] + self.stalls

    def said(self, what: str) -> list[Record]:
        """The records of a kind."""
        return [record for record in self.evidence.records if record.what == what]


def story_of(evidence: Evidence) -> Story:
    """Puts the story together."""
    story = Story(evidence, eras=eras_of(evidence.records))
    story.jobs = {job.id: job for job in evidence.jobs}
    for row in evidence.attempts:
        story.rows[row.job].append(row)
    story.deleted = {record.facts["job"] for record in story.said("deleting")}
    runs: dict[str, Run] = {}
    for record in evidence.records:
        if record.what == "stalled":
            story.stalls.append((record.facts["since"], record.time))
        elif record.what in ("begun", "going", "ended"):
            _run(story, runs, record)
        else:
            _live(story, record)
    for run in runs.values():
        if not run.how:  # it was killed, or was left to go on until its process ended
            is_apart = run.type.endswith(IN_PROCESS)  # it is killed without its runner, and goes on noting
            killed = run.life.killed if run.life.killed < math.inf and not is_apart else run.begun
            run.ended = max(run.begun, run.ended, killed)
    for life in story.lives.values():
        _close_stops(life)
    return story


def _run(story: Story, runs: dict[str, Run], record: Record) -> None:
    facts = record.facts
    if record.what == "begun":
        life = _life(story, record.writer)
        run = Run(facts["job"], facts["attempt"], facts["owner"], facts["type"], life, record.time)
        run.facts = facts
        runs[facts["run"]] = run
        story.runs[run.job].append(run)
        run.ended = record.time
        return
    run = runs[facts["run"]]
    run.ended = record.time
    run.how = facts.get("how", "")


def _live(story: Story, record: Record) -> None:
    """Notes what a record says of a process: of its writer, or of the one that it names."""
    life = _life(story, record.facts.get("worker", record.writer))
    if record.what in ("up", "killed", "terminated", "exited", "robbed"):
        setattr(life, record.what, min(getattr(life, record.what), record.time))
    if record.what == "owner":
        life.owner = record.facts["owner"]
        story.owners[life.owner] = life
    elif record.what == "DrainFinished":
        life.drained = record.time
    elif record.what == "exited":
        life.code = record.facts["code"]
    elif record.what == "forked":
        life.version = record.facts.get("version", "old") or ""
        life.fires = record.facts.get("fires", True)
    elif record.what in _SPANS:
        spans, begins = _SPANS[record.what]
        if begins:
            getattr(life, spans).append((record.time, math.inf))
        else:
            _go_on(getattr(life, spans), record.time)
    elif record.what == "stopped":
        life.stops.append((record.facts["since"], math.inf))
        if record.facts["locks"]:
            life.holds.append((record.facts["since"], math.inf))
    elif record.what in ("continued", "killed"):
        _go_on(life.stops, record.time)
        _go_on(life.holds, record.time)


_SPANS = {
    "planted": ("planted", True), "restored": ("planted", False),
    "locked": ("holds", True), "unlocked": ("holds", False),
    "reading": ("reads", True), "read": ("reads", False),
}  # fmt: skip


def _life(story: Story, number: int) -> Life:
    return story.lives.setdefault(number, Life(number))


def _go_on(spans: list[Span], now: float) -> None:
    if spans and spans[-1][1] == math.inf:
        spans[-1] = (spans[-1][0], now)


def _close_stops(life: Life) -> None:
    _go_on(life.stops, life.exited)
    _go_on(life.holds, life.exited)
    _go_on(life.reads, life.exited)


def longest_chance(life: Life, since: float, until: float, out: list[Span]) -> float:
    """The longest time without a break in which a process could have rescued, between two instants.

    Args:
        life: The process.
        since: The death that it had to notice.
        until: The rescue.
        out: When none could.
    """
    free, end = max(since, life.up), min(until, life.ended, life.terminated, life.exited)
    longest = 0.0
    for first, last in sorted([*life.stops, *out]):
        if first < end and last > free:
            longest = max(longest, first - free)
            free = last
    return max(longest, end - free)


def settled_eras(story: Story) -> list[Span]:
    """The eras without what a process does that was given its instant before the step of the clock.

    A process may be stopped with it, go on, and wait for another process that is stopped, or holds the lock.
    """
    held_up = story.held_up
    stopped = [[], *(life.stops for life in story.lives.values() if life.stops)]
    first, *others = [(era.start, era.end) for era in story.eras]
    return [
        first,
        *((max(_goes_on(start, [*stops, *held_up]) for stops in stopped) + UNDER_WAY, end) for start, end in others),
    ]


def _goes_on(at: float, spans: list[Span]) -> float:
    """When what was under way at an instant has gone on for good, if these spans stopped it."""
    for first, last in sorted(spans):
        if first <= at + UNDER_WAY:
            at = max(at, last)
    return at
