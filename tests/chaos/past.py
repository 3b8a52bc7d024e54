"""A run of chaos as it may have been, for the tests of the audit."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aiojobs_lite.clock import MICROSECONDS
from tests.chaos.auditor import judge
from tests.chaos.evidence import AttemptRow, BatchRow, EventRow, Evidence, JobRow, OperationRow
from tests.chaos.journal import Record


class Past:
    """A run as it may have been: processes 1 and 2 with owners a and b, some jobs; a test changes a thing."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.jobs: dict[int, JobRow] = {}
        self.rows: list[AttemptRow] = []
        self.batches: list[BatchRow] = []
        self.operations: list[OperationRow] = []
        self.events: list[EventRow] = []
        self.children: dict[tuple[int, str], int] = {}
        self.unsound = ""
        self.left: tuple[str, ...] = ()
        self.log = 0
        for number, owner in ((1, "a"), (2, "b")):
            self.note(0, "forked", 0, worker=number, ahead=0.0)
            self.note(1, "owner", number, owner=owner)
            self.note(1, "up", number)
        self.kill(10, 1)
        self.done(1, 1, "a", begun=2)  # at once
        self.job(2, "completed", 2, "b:2")  # lost with process 1, completed by the other
        self.run(2, 1, "a", 9, None)
        self.row(2, 1, "lost", "a", 11)
        self.run(2, 2, "b", 12, 13)
        self.note(13.1, "JobCompleted", 2, job_id=2)
        self.job(3, "dead", 1)  # failed
        self.run(3, 1, "b", 5, 6)
        self.row(3, 1, "failed", "b", 6)
        self.note(100, "exited", 0, worker=2, code=0)

    def note(self, time: float, what: str, writer: int, **facts: object) -> None:
        self.records.append(Record(what, time, writer, facts))

    def kill(self, time: float, worker: int) -> None:
        self.note(time, "killed", 0, worker=worker)
        self.note(time + 0.1, "exited", 0, worker=worker, code=-9)

    def job(self, number: int, status: str, attempts: int, result: str | None = None, kind: str = "quick") -> None:
        """A job, with its enqueue."""
        self.jobs[number] = JobRow(number, kind, status, attempts, f"c{number}", result=result)
        self.note(1.5, "called", 2, call=f"c{number}", jobs=1, key=None)
        self.note(1.6, "acknowledged", 2, call=f"c{number}", jobs=[number], new=[True])

    def change(self, number: int, **columns: object) -> None:
        self.jobs[number] = self.jobs[number]._replace(**columns)  # type: ignore[arg-type]

    def run(
        self, job: int, attempt: int, owner: str, begun: float, ended: float | None, kind: str = "quick",
        **facts: object,
    ) -> None:  # fmt: skip
        writer, name = "?abcd".index(owner), f"{job}.{attempt}.{owner}.{begun}"
        self.note(begun, "begun", writer, job=job, attempt=attempt, owner=owner, type=kind, run=name, **facts)
        if ended is not None:
            self.note(ended, "ended", writer, run=name, how="returned")

    def row(self, job: int, attempt: int, outcome: str, owner: str, ended: float) -> None:
        self.rows.append(AttemptRow(job, attempt, outcome, owner, ended, "ValueError: not yet"))

    def done(
        self, number: int, attempt: int, owner: str, begun: float, kind: str = "quick", **facts: object
    ) -> None:  # fmt: skip
        """A job that one attempt completed."""
        self.job(number, "completed", attempt, f"{owner}:{attempt}", kind)
        self.run(number, attempt, owner, begun, begun + 1, kind, **facts)
        self.note(begun + 1.1, "JobCompleted", "?abcd".index(owner), job_id=number)

    def rated(self, number: int, begun: float, claimed: float) -> None:
        """A job of a key with a rate."""
        self.done(number, 1, "b", begun, "rated", key=1, claimed_at=round(claimed * MICROSECONDS))

    def debounced(self, number: int, latest: str, begun: float, **facts: object) -> None:
        """A job that one of several enqueues gave its arguments."""
        self.done(number, 1, "b", begun, "debounced", key=1, latest=latest, **facts)
        self.made_otherwise(number, latest=latest)

    def enqueue(self, call: str, at: float, job: int, acknowledged: float = 0.01) -> None:
        """An enqueue of such a job."""
        self.note(at, "debouncing", 2, call=call, key=1)
        self.note(at + acknowledged, "debounced", 2, call=call, job=job)

    def callback(self, number: int, batch: int, begun: float, kind: str = "completed") -> None:
        self.done(number, 1, "b", begun, kind)
        self.made_otherwise(number, batch=batch)

    def batch(self, begun: float) -> None:
        """Batch 1 with job 4, all of which was done; its callbacks began at an instant."""
        self.batches.append(BatchRow(1, False, "succeeded"))
        self.job(4, "completed", 1, "b:1")
        self.run(4, 1, "b", 20, 22)
        self.records = [record for record in self.records if record.facts.get("call") != "c4"]
        self.note(19, "called", 2, call="c4", jobs=1, key=None, batch=1)
        self.note(19.1, "acknowledged", 2, call="c4", jobs=[4], new=[True])
        self.note(19.2, "closed", 2, batch=1)
        self.callback(5, 1, begun)
        self.callback(6, 1, begun, "succeeded")

    def made_otherwise(self, number: int, **columns: object) -> None:
        """A job that is of no call."""
        self.change(number, call=None, **columns)
        self.records = [record for record in self.records if record.facts.get("call") != f"c{number}"]

    def fork(self, worker: int, owner: str, up: float, **facts: object) -> None:
        self.note(up - 1, "forked", 0, worker=worker, ahead=0.0, **facts)
        self.note(up, "owner", worker, owner=owner)
        self.note(up, "up", worker)
        self.note(100, "exited", 0, worker=worker, code=0)

    def end_at(self, job: int, time: float) -> None:
        """The one attempt of a job ended at another instant."""
        self.records = [
            record._replace(time=time)
            if record.what == "ended" and record.facts["run"].startswith(f"{job}.")
            else record
            for record in self.records
        ]

    def tick(self, number: int, instant: int, schedule: str = "tick") -> None:
        self.done(number, 1, "b", 20 + number)
        self.made_otherwise(number, tick=instant, type=schedule)

    def ticks(self, seconds: Iterable[int], schedule: str = "tick") -> None:
        """Jobs of ticks that were cancelled before they ran."""
        for second in seconds:
            number = 1000 + len(self.jobs)
            self.jobs[number] = JobRow(number, schedule, "cancelled", 0, tick=second * 1_000_000)

    def broken(self) -> set[str]:
        """The checks that find something."""
        records = sorted(self.records, key=lambda record: record.time)
        evidence = Evidence(
            records, list(self.jobs.values()), self.rows, self.batches, self.unsound, self.left, self.log,
            self.operations, self.events, self.children,
        )  # fmt: skip
        return {name for name, found in judge(evidence).breaches.items() if found}


Change = Callable[[Past], object]


class Pasts:
    """Collects changes of a past, for the tests of the audit.

    Attributes:
        breaches: Each in which a promise was broken, by the check that must find it.
        no_breaches: Those in which none was.
    """

    def __init__(self) -> None:
        self.breaches: list[tuple[str, Change]] = []
        self.no_breaches: list[Change] = []

    def breach(self, name: str) -> Callable[[Change], Change]:
        """Collects a past in which a promise was broken."""

        def add(change: Change) -> Change:
            self.breaches.append((name, change))
            return change

        return add

    def good(self, change: Change) -> Change:
        """Collects a past in which all were kept."""
        self.no_breaches.append(change)
        return change
