"""Durable steps: what a handler has done already, kept by name, so that its next attempt goes on behind it.

An *operation* is what a handler asks for by name: a step that runs, a sleep, a wait for an event, a child. A store
keeps one row of each, and its *memo*: the JSON that the handler is given for it, word for word as it came.

- A job that ends, or is cancelled, waits for nothing any more. When it is redriven, its operations that were done stay;
  those that failed or were waiting are forgotten, and so come again.
- One that ends while its job is pending, by an event or another job, gives that job all its attempts again, and its
  crashes count anew; one of them is used up if the job is not suspended for it, such as after an attempt that failed.
- The operations of a job go with it, and so does what is known of who started it, and what it started.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from aiojobs_lite.model.admission import Candidate, Refused
from aiojobs_lite.model.event_match import EventMark, EventMatch
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.writes import Inserted, unanswered

_DATA: Final = '{"data":'


class StepKind(StrEnum):
    """What an operation is. A name that stands for one kind in a job stands for no other one."""

    RUN = "run"
    SLEEP = "sleep"
    EVENT = "event"
    CHILD = "child"
    PLANNED = "planned"  # a step that waits to be run by itself; when it has ended, it is of the kind `run`

    @property
    def bound(self) -> StepKind:
        """The kind for which a name stands that has this one."""
        return StepKind.RUN if self is StepKind.PLANNED else self


class StepState(StrEnum):
    """Where an operation stands."""

    WAITING = "waiting"  # its end is to come: an instant, an event, a child; or it failed and is tried again
    DONE = "done"
    FAILED = "failed"  # for good


class NewStep(NamedTuple):
    """An operation as it is to be stored.

    Attributes:
        name: Its name in the job, with the count of its use: `fetch`, `fetch#2`.
        kind: What it is.
        state: Where it stands.
        memo: What the handler is given, as JSON; None: nothing yet. JSON's null is the text `null`.
        error: What made it fail, as JSON, or None.
        attempts: How often it was run.
        until: When it is over, or is tried again, in microseconds; None: no instant ends it.
        match: The event that an operation of the kind `event` waits for; else None.
        after: An event of that name: it, and those that were sent before it, do not end the wait; None: all do that
            were sent since the job was enqueued. Of one that is not there any more, its instant counts.
    """

    name: str
    kind: StepKind
    state: StepState
    memo: str | None = None
    error: str | None = None
    attempts: int = 0
    until: int | None = None
    match: EventMatch | None = None
    after: EventMark | None = None


class StepRow(NamedTuple):
    """An operation as it is stored. Instants in microseconds.

    Attributes:
        name: See `NewStep`.
        kind: See `NewStep`.
        state: See `NewStep`.
        memo: See `NewStep`.
        error: See `NewStep`.
        attempts: See `NewStep`.
        until: See `NewStep`.
        started_at: When it was stored first.
        ended_at: When it was done, or failed for good; None: it is waiting.
        place: Its place in the order in which the operations of the job ended, from 1; None: it is waiting.
    """

    name: str
    kind: StepKind
    state: StepState
    memo: str | None
    error: str | None
    attempts: int
    until: int | None
    started_at: int
    ended_at: int | None
    place: int | None


class SaveSteps(NamedTuple):
    """Stores operations of one attempt, all or none. Answer: a `StepRow` each, as it stands then; None if the attempt
    is not owned, and then nothing is stored.

    - It is carried out before the ends of its transaction, as a `Report` is: its attempt has not ended yet.
    - An operation that has ended never changes: the answer is what stands there. One that waits takes all that the new
      one says, but for `started_at`, and waits for nothing else any more.
    - Those that end take the next places in the order of the rows.
    - One of the kind `event` that waits, and is stored first, is done at once if an event that matches was sent since
      the job was enqueued (`SendEvents`), and behind `after`: the first one; its memo is that event
      (`model.events.memo_of`). Else the next one that is sent ends it.
    - What the writer says about what is stored saves a look at it, and changes nothing else.

    Attributes:
        id: The job.
        attempt: The number of the attempt.
        owner: The owner that runs it.
        steps: The operations, each name at most once.
        are_new: Whether none of them is stored, as far as the writer knows.
        are_first: Whether no operation of the job was ever stored. If they are not, their places may be wrong.
    """

    id: int
    attempt: int
    owner: str
    steps: tuple[NewStep, ...]
    are_new: bool = False
    are_first: bool = False

    def answer(self) -> tuple[StepRow, ...] | None:
        """See `Write`."""
        unanswered()


class NewRan(NamedTuple):
    """A step that ran when it was first called, in the first attempt of its job.

    Attributes:
        id: The job.
        attempt: The number of the attempt.
        owner: The owner that runs it.
        name: See `NewStep`.
        memo: See `NewStep`.
        place: See `StepRow`. Its writer knows it: it has stored nothing but such steps of its job, and none before.
    """

    id: int
    attempt: int
    owner: str
    name: str
    memo: str
    place: int

    def row(self, now: int) -> StepRow:
        """It, as it is stored at an instant."""
        return StepRow(self.name, StepKind.RUN, StepState.DONE, self.memo, None, 1, None, now, now, self.place)

    def alone(self) -> SaveSteps:
        """The same by the write for all operations."""
        ran = NewStep(self.name, StepKind.RUN, StepState.DONE, self.memo, attempts=1)
        return SaveSteps(self.id, self.attempt, self.owner, (ran,))


class SaveRan(NamedTuple):
    """Stores steps that ran, of many attempts, as `SaveSteps` does for each; nearly every step needs no more. Answer:
    None if each is stored as it was given; else a `StepRow` each as it stands then, or None if its attempt is not
    owned.

    - It is carried out before what else attempts do for their operations in its transaction.

    Attributes:
        steps: The steps; those of one job in the order of their places.
    """

    steps: Sequence[NewRan]

    def answer(self) -> Sequence[StepRow | None] | None:
        """See `Write`."""
        unanswered()


class StartChild(NamedTuple):
    """Adds a job for an operation of an attempt. Answer: the operation as it stands then, and what became of the job;
    None if the attempt is not owned, and then nothing is stored.

    - It is carried out before the ends of its transaction, as a `Report` is.
    - An operation that is there already starts nothing; of its job, None: it has none, or that is not there any more.
    - If the parent waits for it, the operation is of the kind `child`, and ends with the job (`end_memo`). If that job
      was there, and has ended, it ends at once; so it does if that job was deleted and only its window is left. A child
      that is redriven later changes nothing.
    - Else the operation is of the kind `run`, and done at once; its memo is `{"id":...,"is_new":...}` of the job.
    - A row that is refused by its conditions stores nothing of the operation.

    Attributes:
        id: The parent.
        attempt: The number of its attempt.
        owner: The owner that runs it.
        name: The name of the operation.
        child: The job, with its conditions.
        is_awaited: Whether the parent waits for its end.
        until: When the wait is over, in microseconds, or None.
    """

    id: int
    attempt: int
    owner: str
    name: str
    child: Candidate
    is_awaited: bool
    until: int | None = None

    def answer(self) -> tuple[StepRow, Inserted | None] | Refused | None:
        """See `Write`."""
        unanswered()


class ListChildren(NamedTuple):
    """The jobs that operations of a job started, or found, as far as they are there. Answer: the name of each operation
    and the id of its job, in the order of the ids, then of the names; none without a job.
    """

    job: int

    def answer(self) -> tuple[tuple[str, int], ...]:
        """See `Query`."""
        unanswered()


class ListSteps(NamedTuple):
    """The operations of a job, in the order in which they were stored first. Answer: the rows; none without a job."""

    job: int

    def answer(self) -> tuple[StepRow, ...]:
        """See `Query`."""
        unanswered()


class ListRestarted(NamedTuple):
    """Those of some jobs that are processing, and of which an operation has ended in the running attempt: if its owner
    has died, it counts as the first attempt of what follows. Answer: their ids.

    The clock decides: an operation counts that ended at the start of the attempt or later, and at `until` or earlier. A
    clock that was set back hides the end of an operation, or shows it to one attempt too many.

    Attributes:
        ids: The jobs.
        until: Now, in microseconds.
    """

    ids: tuple[int, ...]
    until: int

    def answer(self) -> set[int]:
        """See `Query`."""
        unanswered()


class Awaited(NamedTuple):
    """An operation for which a job is suspended.

    Attributes:
        step: The operation.
        event: The event that it waits for, or None.
        child: The job whose end it waits for, or None.
    """

    step: StepRow
    event: EventMatch | None
    child: int | None


class ListAwaited(NamedTuple):
    """The operations for which a pending job is suspended (`Again.waits_for`), as far as they wait. Answer: an
    `Awaited` each, in the order in which they were stored first.
    """

    job: int

    def answer(self) -> tuple[Awaited, ...]:
        """See `Query`."""
        unanswered()


class GetParent(NamedTuple):
    """The job that started another for one of its operations. Answer: its id and the operation's name, or None."""

    job: int

    def answer(self) -> tuple[int, str] | None:
        """See `Query`."""
        unanswered()


def end_memo(status: str, result: str | None, reason: str | None, error: str | None) -> str:
    """What an operation is given of the job that has ended which it waited for: `{"data": result}`, or
    `{"error": {"status", "reason", "error"}}`.

    Args:
        status: `completed`, `dead`, `cancelled` or `deleted`.
        result: What its handler returned, as JSON, or None.
        reason: Why it is dead or cancelled, or None.
        error: Its latest error, or None.
    """
    if status == Status.COMPLETED:
        return f"{_DATA}{'null' if result is None else result}}}"
    return json.dumps({"error": {"status": str(status), "reason": reason, "error": error}}, ensure_ascii=False)


def start_memo(job: Inserted) -> str:
    """What an operation is given of a job that it started, and does not wait for."""
    return json.dumps({"id": job.id, "is_new": job.is_new}, separators=(",", ":"))


def result_of(memo: str) -> str:
    """What a child returned, as JSON word for word, of the memo `{"data": ...}`."""
    return memo.removeprefix(_DATA).removesuffix("}")
