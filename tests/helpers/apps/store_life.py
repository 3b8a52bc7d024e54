"""The scripted life of a store: every kind of write, two opens, a migration, checkpoints, a rescue, a prune.

Each step is one transaction and, once it has returned, is acknowledged by a line in a file outside of the database.
Instants and owners are the same in every life, hence ids and rows as well: a life that was broken off must have left
exactly what the reference, which nothing disturbed, held after the last acknowledged step, or after the next one.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from signal import SIGTERM
from typing import Any, NamedTuple
from unittest.mock import patch

from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.model.admission import Admit, Candidate
from aiojobs_lite.model.after import After, InsertAfter
from aiojobs_lite.model.ageing import RaisePriorities
from aiojobs_lite.model.batches import AbandonBatches, Callback, CancelBatch, CloseBatch, InsertInBatch, OpenBatch
from aiojobs_lite.model.counts import TypeCounts
from aiojobs_lite.model.documents import DeleteDocument, PruneDocuments, PutDocument
from aiojobs_lite.model.ends import End
from aiojobs_lite.model.events import (
    DeliverEvents,
    Listener,
    PlaceHeld,
    PruneEvents,
    SetListeners,
    StepFence,
)
from aiojobs_lite.model.figures import HOUR, AddFigures, DurationFigures, EndFigures, PruneFigures, hour_of
from aiojobs_lite.model.job import Claimed, Held, NewJob, Outcome
from aiojobs_lite.model.limits import SetLimits, StoredLimit, lane_text
from aiojobs_lite.model.micro_batch import Capacity
from aiojobs_lite.model.progress import NewLine, Report
from aiojobs_lite.model.schedules import DeleteSchedule, FireTick, PauseSchedule, RunSchedule, SetSchedule
from aiojobs_lite.model.steps import NewStep, StepKind, StepState
from aiojobs_lite.model.writes import (
    CancelJob,
    DeleteJob,
    Insert,
    MarkInterrupted,
    PauseType,
    Prune,
    RedriveDead,
    RedriveJob,
    Release,
    Write,
)
from aiojobs_lite.policy.settle import Ending, Policy, settle
from aiojobs_lite.stores import named_sql
from aiojobs_lite.stores.base import Durability
from aiojobs_lite.stores.sqlite import inline, schema
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers import schedules
from tests.helpers.apps.common import note
from tests.helpers.pauses import hold_thread_for
from tests.helpers.steps import done, event, match, save, send, start, suspend, wait
from tests.helpers.stores import again, alone, at, claim, close, complete, counted, fire, hold, new, shown

ONE, TWO = "1" * 16, "2" * 16
TRIES = 8
LOG = 10 * inline.LOG_PAGES_EACH  # pages between two checkpoints: ten transactions
SECOND_MIGRATION = """
ALTER TABLE aiojobs_jobs ADD COLUMN colour TEXT;
CREATE INDEX aiojobs_jobs_colour ON aiojobs_jobs (colour) WHERE colour IS NOT NULL;
UPDATE aiojobs_jobs SET colour = 'red' WHERE id % 2 = 0;
CREATE TABLE aiojobs_colours (name TEXT PRIMARY KEY, jobs INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO aiojobs_colours SELECT colour, count(*) FROM aiojobs_jobs WHERE colour IS NOT NULL GROUP BY colour;
"""


class State(NamedTuple):
    """All that a database says, in one form."""

    schema: list[Any]
    rows: dict[str, list[Any]]


NOTHING = State([], {})


class Step(NamedTuple):
    """A step of the reference.

    Attributes:
        name: What was done.
        answer: What the store answered.
        state: What the database held after it.
        version: The schema that the program knew then.
    """

    name: str
    answer: Any
    state: State
    version: int


def state_of(path: Path) -> State:
    """Reads a whole database in one transaction; one that does not exist is as one that is empty."""
    if not path.exists():
        return NOTHING
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        tables_and_indexes = connection.execute("SELECT name, type, sql FROM sqlite_master ORDER BY name").fetchall()
        tables = [name for name, kind, _ in tables_and_indexes if kind == "table"]
        rows = {name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in tables}
    if "aiojobs_meta" in rows:
        rows["aiojobs_meta"] = [row for row in rows["aiojobs_meta"] if row[0] != "database"]  # each has a random id
    return State(tables_and_indexes, rows)


async def opened(open_it: Callable[[], Awaitable[object]]) -> None:
    """Opens until it succeeds. What is wrong is over after some tries: strace counts anew in the threads of each."""
    for _ in range(TRIES):
        try:
            await open_it()
        except StoreUnavailable:
            continue
        return
    lift_faults()
    await open_it()


def lift_faults() -> None:
    """Has strace let go of this process."""
    while (tracer := _tracer()) != 0:
        os.kill(tracer, SIGTERM)
        hold_thread_for(0.001)


def _tracer() -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("TracerPid:"))
    return int(line.split()[1])


def known_migrations(version: int) -> Any:
    """Has the program know so many migrations: what it ships, and one more."""
    scripts = [*named_sql.migrations("aiojobs_lite.stores.sqlite"), SECOND_MIGRATION]
    known = scripts[: len(scripts) - 2 + version]
    return patch.object(schema, "migrations", lambda _package: known)


class Book:
    """Carries the steps out, one after the other, and acknowledges each.

    Args:
        folder: Where the database is, and the acknowledgements.
        durability: Of the store.
        reference: The steps as they are without a fault; empty when this life becomes the reference.
        gate: Notified of how far this life is.
    """

    def __init__(
        self, folder: Path, durability: Durability, reference: Sequence[Step], gate: Callable[[str], None]
    ) -> None:
        self.path = folder / "jobs.db"
        self.acknowledgements = folder / "acknowledged"
        self.store = SqliteStore(self.path, durability)
        self.gate = gate
        self.steps: list[Step] = []
        self._reference = reference
        self._version = 1
        self.patches = ExitStack()

    async def open(self, version: int) -> None:
        """Opens the store with a program that knows this schema; repeated until it succeeds."""
        self._version = version
        self.patches.close()
        self.patches.enter_context(known_migrations(version))
        await opened(self.store.open)
        self._acknowledge(f"open with schema {version}", None)

    async def close(self) -> None:
        """Closes the store."""
        await self._check_counts()
        await self.store.close()
        self._acknowledge("close", None)

    async def step(self, name: str, seconds: float, *writes: Write[Any]) -> list[Any]:
        """One transaction; repeated if it could not be written, and was not."""
        answers = await self._written(writes, at(seconds))
        if self._reference:
            expected = self._reference[len(self.steps)]
            assert (name, answers) == (expected.name, expected.answer)
        else:
            await self._check_counts()
        self._acknowledge(name, answers)
        return answers

    async def join(self, name: str, seconds: float, *rows: NewJob) -> None:
        """One transaction of a program that has a connection of its own; repeated if it could not be written."""
        answers = await self._joined(rows, at(seconds))
        if self._reference:
            expected = self._reference[len(self.steps)]
            assert (name, answers) == (expected.name, expected.answer)
        self._acknowledge(name, answers)

    async def _joined(self, rows: tuple[NewJob, ...], now: int) -> list[Any]:
        for _ in range(3 * TRIES):
            try:
                with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
                    connection.execute("BEGIN IMMEDIATE")
                    answers = await self.store.joining.apply(connection, [(Insert(rows[:1]),)], now)  # type: ignore[union-attr]  # on a file
                    answers += await self.store.joining.apply(connection, [(Insert(rows[1:]),)], now)  # type: ignore[union-attr]
                    connection.execute("COMMIT")
                    return answers
            except (StoreUnavailable, sqlite3.OperationalError):
                if not self._reference:
                    raise
                if self._is_written():
                    found: list[Any] = self._reference[len(self.steps)].answer
                    return found
        raise AssertionError(f"step {len(self.steps)} cannot be written")

    async def _check_counts(self) -> None:
        """What the store shows of its last transaction is what another program finds in the database."""
        assert _settled(shown(self.store)) == _settled(await counted(self.store))

    async def _written(self, writes: Sequence[Write[Any]], now: int) -> list[Any]:
        for _ in range(3 * TRIES):  # a fault that lasts does so on each thread that the store writes on
            try:
                return (await self.store.apply(alone(writes), now)).answers
            except StoreUnavailable:
                if not self._reference:
                    raise
                if self._is_written():
                    answers: list[Any] = self._reference[len(self.steps)].answer
                    return answers
        raise AssertionError(f"step {len(self.steps)} cannot be written")

    def _is_written(self) -> bool:
        """Whether the transaction that failed is in the database: wholly, or not at all."""
        before, after = self._reference[len(self.steps) - 1].state, self._reference[len(self.steps)].state
        found = state_of(self.path)
        assert found in (before, after), "a transaction that failed is half written"
        return found != before

    def _acknowledge(self, name: str, answer: Any) -> None:
        note(self.acknowledgements, len(self.steps), name)
        state = NOTHING if self._reference else state_of(self.path)
        self.steps.append(Step(name, answer, state, self._version))


def _settled(counts: Mapping[str, TypeCounts]) -> dict[str, TypeCounts]:
    """Counts without what depends on the instant of the last look."""
    return {job_type: count._replace(scheduled=0) for job_type, count in counts.items()}


def ended(held: Claimed, how: Ending, seconds: float) -> End:
    """What is written after an attempt, without chance."""
    return settle(held, how, Policy(), at(seconds), chance=lambda: 1.0)


def crashed(held: Claimed, seconds: float) -> End:
    """What a rescue writes."""
    return ended(held, Ending(lost=True), seconds)


async def live(
    folder: Path, durability: Durability, reference: Sequence[Step] = (), gate: Callable[[str], None] = lambda _: None
) -> list[Step]:
    """A whole life; returns its steps."""
    book = Book(folder, durability, reference, gate)
    with patch.object(inline, "LOG_PAGES", LOG), book.patches:
        gate("begin")
        await book.open(1)
        gate("opened")
        await _enqueue_claim_and_finish(book)
        await _cron(book)
        await _stored_schedules(book)
        await _batches(book)
        await _steps_and_waits(book)
        await _events_and_children(book)
        await book.close()
        await book.open(2)
        await _rescue_redrive_and_prune(book)
        await _limits_and_conditions(book)
        await book.close()
    return book.steps


async def _enqueue_claim_and_finish(book: Book) -> None:
    step = book.step
    rows = (new(priority=0), new(idempotency_key="k"), new(due=3600), new("b", max_attempts=1), new("b"))
    await step("enqueue by several", 0, Insert(rows[:2]), Insert(rows[2:]))
    await step("enqueue again", 0, Insert((new(idempotency_key="k"),)), Insert((new("b", idempotency_key="k"),)))
    (held,) = (await step("claim one", 1, claim(ONE, limit=1)))[0].jobs
    await step("fail", 2, ended(held, Ending(error=ValueError("no")), 2))
    both = {"a": 10, "b": 10}
    claimed = (await step("enqueue and claim", 3, Insert((new(), new(), new("b"))), claim(ONE, slots=both)))[1].jobs
    by_type = {name: [job for job in claimed if job.type == name] for name in both}
    first, second, third = by_type["a"]
    await step("report", 4, _report(first, 1), _report(second, 2), _report(first, 3), _report(first, 3))
    last_words = _report(third, 4)._replace(goes_with_end=True)
    await step("report of one that is stale", 5, _report(third, 5)._replace(owner=TWO), last_words)
    await step("finish and claim the retry", 10, complete(first), complete(second, '"done"'), claim(ONE, limit=1))
    await step("finish a stale one among others", 11, complete(first), complete(third), Insert((new(),)))
    last, other, more, most = by_type["b"]
    await step("die of the last attempt", 12, ended(last, Ending(error=ValueError("no")), 12))
    snoozed = again(other, Outcome.SNOOZED, refund=True, scheduled_at=at(100))
    interrupted = again(more, Outcome.INTERRUPTED, refund=True)
    await step("snooze and interrupt", 13, snoozed, interrupted)
    await step("ask to cancel", 14, CancelJob(most.id, None), CancelJob(other.id, "no more"))
    await step("end what was to be cancelled", 15, again(most))
    (unfit,) = (await step("claim to hold", 16, claim(TWO, limit=1, slots={"b": 1})))[0].jobs
    await step("hold", 17, hold(unfit))
    await step("pause and release", 18, PauseType("b", paused=True), Release((unfit.id,), Held.PAYLOAD))
    await step("resume", 19, PauseType("b", paused=False), DeleteJob(unfit.id))
    await step("enqueue many", 20, Insert(tuple(new("c", due=20) for _ in range(135))))
    held = (await step("claim of many", 21, claim(TWO, limit=11, slots={"c": 11})))[0].jobs
    await step("raise priorities", 21, RaisePriorities(at(21), at(2), 9))
    await step("finish many", 22, *map(complete, held[:5]), *(crashed(one, 22) for one in held[5:7]))
    await book.join("enqueue in a transaction of a program", 22, new("d"), new("a", idempotency_key="j"), new("a"))
    await step("leave running", 23, *(MarkInterrupted(one.id, one.attempt, one.owner) for one in held[7:9]))


def _report(held: Claimed, serial: int) -> Report:
    lines = NewLine(at(serial), "a line"), NewLine(at(serial), "x" * 3_000)
    return Report(held.id, held.attempt, held.owner, serial, at(serial), serial / 10, None, lines)


async def _cron(book: Book) -> None:
    def tick(instant: int, *, skip: bool = True, runs: bool = True) -> FireTick:
        row = new("cron", due=instant, schedule="cron", tick=at(instant)) if runs else None
        return fire("cron", at(instant), at(instant + 60), row, skip_overlap=skip)

    await book.step("set a schedule", 30, SetSchedule("cron", "* * * * *", "UTC", at(60)))
    await book.step("fire a tick", 60, tick(60), Insert((new("b"),)))
    await book.step("a tick that was fired", 60, tick(60))
    await book.step("a tick beside its predecessor", 120, tick(120))
    await book.step("a tick too late", 180, tick(180, runs=False))
    (held,) = (await book.step("claim a tick's job", 181, claim(TWO, slots={"cron": 1})))[0].jobs
    await book.step("finish it and fire", 240, complete(held), tick(240))


async def _stored_schedules(book: Book) -> None:
    step = book.step
    await step("put a schedule", 241, schedules.put(due=242, job_type="cron"))
    await step("fire a tick of it", 242, schedules.tick(due=242, then=243, max_pending=99), Insert((new("b"),)))
    await step("fire it again, and one that it refuses", 243, schedules.tick(due=242, then=243),
               schedules.tick(due=243, then=244, max_pending=1))  # fmt: skip
    await step("pause it", 244, PauseSchedule("r", paused=True, by="Ada"))
    await step(
        "a tick of it, and run it", 245, schedules.tick(due=244, then=245), RunSchedule("r", Candidate(new("b")))
    )
    await step("resume it", 246, PauseSchedule("r", paused=False))
    await step("replace it", 247, schedules.put(revision=2, due=248, expression="*/5 * * * *"))
    await step("a tick of the former one", 248, schedules.tick(due=248, then=249))
    await step("delete it", 249, DeleteSchedule("r"))


async def _batches(book: Book) -> None:
    step = book.step
    row, callbacks = new("batch", due=250), tuple(Callback(event, new(event)) for event in ("complete", "dead"))
    outer, other = await step("open batches", 250, OpenBatch(ONE, None, False), OpenBatch(TWO, None, False))
    (inner,) = await step("open a batch in a batch", 250, OpenBatch(ONE, outer, False))
    await step("fill them", 251, InsertInBatch(inner, False, (row, row)), InsertInBatch(outer, False, (row,)))
    inserts = InsertInBatch(inner, False, (row,)), Insert((row,)), InsertInBatch(other, False, (row, row))
    await step("fill them, and claim", 252, *inserts, claim(ONE, slots={"batch": 0}))
    await step("close them", 253, CloseBatch(inner, callbacks, False), CloseBatch(outer, callbacks, False))
    held = (await step("claim their jobs", 254, claim(ONE, slots={"batch": 4})))[0].jobs
    await step("end some", 255, complete(held[0]), close(held[1]), complete(held[2], '"done"'))
    await step("cancel what waits", 256, CancelBatch(other, "x", 1), AbandonBatches((TWO,)))
    await step("end the last", 257, complete(held[3]))
    for seconds in (260, 262):  # the callbacks of the inner one, which are jobs of the outer one, and then of that
        callbacks_of = (await step("claim callbacks", seconds, claim(ONE, slots={"complete": 9, "dead": 9})))[0].jobs
        await step("end callbacks", seconds + 1, *map(complete, callbacks_of))
    await step("redrive", 264, RedriveJob(held[1].id))
    late = (await step("claim it", 265, claim(ONE, slots={"batch": 2})))[0].jobs
    await step("end it", 266, *map(complete, late))
    (waited,) = (await step("run one more", 267, Insert((row,)), claim(ONE, slots={"batch": 1})))[1].jobs
    after = After((waited.id,), False, 5), After((waited.id,), True), After((held[0].id,)), After()
    await step("insert after others", 268, InsertAfter((row,) * 4, after, None, False))
    await step("release some", 269, close(waited))
    await step("prune batches", 270, Prune(at(0), at(267), at(0), 1))


async def _functions(book: Book, seconds: float, count: int) -> list[Claimed]:
    """Durable functions that run."""
    rows = (new("f", due=seconds),) * count
    answers = await book.step("claim functions", seconds, Insert(rows), claim(ONE, slots={"f": count}))
    jobs: list[Claimed] = answers[1].jobs
    return jobs


async def _steps_and_waits(book: Book) -> None:
    """Steps that end, fail and sleep; waits that are over, and those that an event ends before and after the end."""
    step = book.step
    first, second, third, last = await _functions(book, 271, 4)
    sleep = NewStep("s", StepKind.SLEEP, StepState.WAITING, until=at(276))
    fails = NewStep("f", StepKind.RUN, StepState.WAITING, None, '"no"', 1, at(276))
    stale = save(third._replace(owner=TWO), done("a"))
    await step(
        "store steps", 272, save(first, done("a"), sleep, wait("e", match("e", x=1))), save(second, fails), stale
    )
    await step("store waits", 272, save(third, wait("e", match("e", x=1), until=276)), save(last, wait("e")))
    await step("suspend", 273, suspend(first, "s", "e", until=276), suspend(second, "f", until=276, restarts=True))
    await step(
        "suspend and send", 274, suspend(third, "e", until=290), send(event("e", key="k", x=1)), suspend(last, "e")
    )
    await step("send it again, and what wakes the last", 274, send(event("e", key="k", x=1)), send(event("e", x=2)))
    jobs = (await step("claim what is due", 276, claim(ONE, slots={"f": 4})))[0].jobs
    first, second, third, last = sorted(jobs)
    over = sleep._replace(state=StepState.DONE, memo="null"), done("f")
    await step(
        "end operations that waited", 277, save(first, over[0]), save(second, over[1]), save(first, done("a", "2"))
    )
    gone = save(third, NewStep("x", StepKind.RUN, StepState.FAILED, None, '"lost"', 2), wait("w", match("never")))
    await step(
        "end steps and attempts", 278, complete(first), save(second, done("z")), again(second), gone, close(third)
    )
    await step("redrive, and forget what is not done", 279, RedriveJob(third.id), DeleteJob(first.id))
    await step("cancel a suspended one", 279, suspend(last, "e", until=299), CancelJob(last.id, "x"))


async def _events_and_children(book: Book) -> None:
    """Events that start jobs, wake many and cancel; children that are started once, and end."""
    step = book.step
    parent, other, many = await _functions(book, 281, 3)
    listeners = (
        Listener("listening", ("e", "g*"), 1, 5),
        Listener("unknown", ("*",), 1, 5),
        Listener("gone", ("e",), 1, 5),
    )
    await step("listen", 282, SetListeners(listeners), SetListeners((Listener("gone", (), 1, 5),)))
    given = event("go", Candidate(new("listening", due=283)), Candidate(new("listening", due=283)), sent=283, key="g")
    held = (await step("send to listeners", 283, send(given, event("h", sent=283), knows=["listening"])))[0]
    place = Candidate(new("unknown", due=284), cancel_on=(match("stop", x=1),))
    placed = PlaceHeld(held[0].held[0], place), PlaceHeld(held[1].held[0], None)
    await step("place what was held", 284, *placed)
    fenced = send(event("go", sent=285), knows=["listening", "unknown"], step=StepFence(*_fence(parent), "send"))
    await step("send for an operation", 285, fenced, fenced, send(event("stop", sent=285, x=1), knows=["unknown"]))
    started = start(parent, "c"), start(parent, "d"), start(parent, "c"), start(other, "n", is_awaited=False)
    await step("start children", 286, *started, start(other, "c", until=290))
    children = (await step("claim children", 287, claim(TWO, slots={"child": 4})))[0].jobs
    await step("suspend for them", 287, suspend(parent, "c", "d"), suspend(other, "c", until=290))
    await step(
        "end the children", 288, complete(children[0], '"done"'), close(children[1]), *map(complete, children[2:])
    )
    woken = (await step("claim the parents", 289, claim(ONE, slots={"f": 2})))[0].jobs
    await step("end the parents", 289, *map(complete, woken))
    await step("wait in many places", 290, save(many, *(wait(f"w{number}", match("m")) for number in range(1_200))))
    await step("wake some", 290, send(event("m", sent=290)), suspend(many, "w1199"))
    await step("wake the others", 291, DeliverEvents())
    await step("prune events", 292, PruneEvents(at(286), 3))
    await step("put a document beside a job", 293, PutDocument("k", "a", "1", at(294)), Insert((new("a"),)))
    await step("put and delete others", 293, PutDocument("k", "b", "1"), PutDocument("k", "c", "1"))
    await step("delete a document", 293, DeleteDocument("k", "b"))
    await step("prune documents", 294, PruneDocuments(9))
    failed = EndFigures("a", Outcome.FAILED, "E", 2, 1, 0, 9, at(295), at(295))
    figures = AddFigures(hour_of(at(295)), (failed,), (DurationFigures("a", Outcome.FAILED, 3, 2),))
    await step("add figures", 295, figures, figures._replace(hour=hour_of(at(295)) - HOUR))
    await step("prune figures", 295, PruneFigures(hour_of(at(295)), 9))


def _fence(held: Claimed) -> tuple[int, int, str]:
    return held.id, held.attempt, held.owner


async def _rescue_redrive_and_prune(book: Book) -> None:
    step = book.step
    # The rest of what TWO holds of type c stays behind: the reopened database has a dead owner.
    await step("prove that it can be written", 300)
    (one, *_) = (await step("claim after the migration", 301, claim(ONE, slots={"a": 1, "b": 3}, limit=3)))[0].jobs
    await step("rescue", 302, crashed(one, 302), RedriveDead(tuple(range(1, one.id + 1))))
    await step("cancel and redrive one", 303, CancelJob(one.id, "x"), RedriveJob(one.id))
    await step("prune some", 400, Prune(at(100), at(100), at(100), 5))
    await step("prune the rest", 500, Prune(at(500), at(500), at(200), 1000))


async def _limits_and_conditions(book: Book) -> None:
    def laned(key: int, **fields: Any) -> NewJob:
        return new("l", lane=lane_text("l", 1, [("one", key)], is_ordered=True), **fields)

    first = Candidate(laned(1, unique_key="[1]", unique_scope="pending", due=900), "replace")
    moved = first._replace(row=laned(2, unique_key="[1]", unique_scope="pending", due=501))
    admitted = Admit((first, Candidate(laned(3, due=501), expires=1)))
    await book.step("admit", 501, SetLimits((StoredLimit("one", 1),)), admitted, Insert((laned(1), laned(3))))
    row = new("g", unique_key="[2]", unique_scope="pending", due=900)._replace(payload='{"x":[1,2]}')
    some = Candidate(row, "append", capacity=Capacity(5, 999))
    await book.step("gather items", 502, Admit((some,)), Insert((laned(9),)))
    await book.step("gather more, and begin anew", 503, Admit((some,)), Admit((some, some)), Admit((some,)))
    await book.step("change a lane, expire and claim", 504, Admit((moved,)), claim(ONE, slots={"l": 9}))
