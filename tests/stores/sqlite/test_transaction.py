"""An I/O error at any statement of a transaction leaves nothing half written, nor does a value that SQLite refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite.errors import StoreRejected, StoreUnavailable
from aiojobs_lite.model.admission import Admit, Candidate
from aiojobs_lite.model.after import After, InsertAfter
from aiojobs_lite.model.ageing import RaisePriorities
from aiojobs_lite.model.ahead import MoveBack, MovedBack
from aiojobs_lite.model.batches import (
    AbandonBatches,
    Callback,
    CancelBatch,
    CancelledPage,
    CloseBatch,
    InsertInBatch,
    OpenBatch,
)
from aiojobs_lite.model.documents import DeleteDocument, PruneDocuments, PutDocument
from aiojobs_lite.model.edits import Edited, EditJob
from aiojobs_lite.model.events import DeliverEvents, Listener, PlaceHeld, PruneEvents, SetListeners
from aiojobs_lite.model.figures import AddFigures, EndFigures, PruneFigures
from aiojobs_lite.model.job import Claimed, Held, NewJob, Outcome, Status
from aiojobs_lite.model.limits import ChangeLimit, PauseLimit, RestartRate, SetLimits, StoredLimit, lane_text
from aiojobs_lite.model.micro_batch import Capacity
from aiojobs_lite.model.progress import GetStandings, NewLine, Report
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.runners import EndRunners, MarkDraining, SetRunner, SetRunnerTypes
from aiojobs_lite.model.schedules import (
    DeleteSchedule,
    MoveTickBack,
    PauseSchedule,
    RunSchedule,
    SetSchedule,
    StopSchedules,
)
from aiojobs_lite.model.writes import (
    CancelJob,
    DeleteJob,
    Insert,
    MarkInterrupted,
    PauseType,
    Prune,
    RedriveAsNew,
    RedriveDead,
    RedriveJob,
    Redriven,
    RedrivenAsNew,
    Release,
    Reschedule,
    Unit,
    Write,
)
from aiojobs_lite.stores.sqlite.phases import WRITES
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers import stores
from tests.helpers.schedules import put, tick
from tests.helpers.sqlite_store import faulty, notices_change, run_sql
from tests.helpers.steps import done, event, match, ran, save, send, start, wait
from tests.helpers.stores import (
    NOW,
    again,
    alone,
    answers,
    at,
    claim,
    claimed,
    close,
    complete,
    connected,
    counted,
    everything,
    finished,
    fire,
    found,
    inserted,
    new,
    one,
    running,
    shown,
)

_KEYED = Candidate(new("u", unique_key="[1]", unique_scope="unfinished"))
_ITEMS = new("v", unique_key="[1]", unique_scope="pending", due=60)._replace(payload='{"x":[1]}')
_GATHERED = Candidate(_ITEMS, "append", expires=1, capacity=Capacity(2, 99))


def _report(job: Claimed) -> Report:
    return Report(job.id, job.attempt, job.owner, job.id, NOW, 0.5, "half", (NewLine(NOW, "line"),))


def _of_batches(later: int, dead: int) -> list[Write[Any]]:
    return [
        OpenBatch("one", None, False),
        CancelBatch(1, "x", 5),
        CloseBatch(1, (Callback("complete", new("c")),), False),
        AbandonBatches(("two",)),
        InsertInBatch(9, False, (new("c"),)),
        InsertAfter((new("c"), new("d")), (After((later,)), After((dead,))), None, False),
        CancelJob(later, "x"),
    ]


def _of_features(later: int, dead: int, job: Claimed) -> list[Write[Any]]:
    starts = Candidate(new("s"), cancel_on=(match("z"),))
    return [
        *_of_batches(later, dead),
        ran((job, "r", 1)),
        save(job, done("a"), wait("w")),
        start(job),
        SetListeners((Listener("l", ("*",), 1, 1),)),
        send(event("e", starts)),
        DeliverEvents(),
        PlaceHeld(0, None),
        PruneEvents(NOW, 1),
        PutDocument("k", "a", "1", NOW),
        PutDocument("k", "b", "1"),
        DeleteDocument("k", "b"),
        PruneDocuments(1),
        AddFigures(NOW, (EndFigures("a", Outcome.LOST, "lost", 1, 0, 0, 0, NOW, NOW),), ()),
        PruneFigures(NOW, 1),
        RestartRate("l", "7"),
    ]


_OF_RUNNERS = (
    SetRunner("r", 1, "web1", 5, '{"l":null}'),
    SetRunnerTypes("r", "{}", ()),
    MarkDraining("r"),
    EndRunners(("r",), NOW),
)
_SCHEDULES_MADE = (at(0), True, False), ("fired", 18), (19, True), True, (), True


def _of_stored_schedules() -> list[Write[Any]]:
    run = RunSchedule("r", Candidate(new("b")))
    back = MoveTickBack("s", "* * * * *", "UTC", at(30), NOW)
    stop = StopSchedules(("r",), "r", ())
    return [back, put(), tick(), run, PauseSchedule("r", paused=True), stop, DeleteSchedule("r")]


def _everything_at_once(
    jobs: list[Claimed], dead: int, dead_too: int, pending: int, held: int, ahead: int, later: int, gone: int
) -> list[Unit]:
    """Writes of every kind that changes rows."""
    units: list[Unit] = [
        (complete(jobs[0]), Insert((new("a", idempotency_key="k"), new("b"), new("b", due=9)))),
        (complete(jobs[1], "1"),),
        (again(jobs[2], scheduled_at=at(5)), _report(jobs[2])._replace(goes_with_end=True)),
        (close(jobs[3]),),
        *alone(
            [
                MarkInterrupted(jobs[4].id, 1, "one"),
                CancelJob(pending, "x"),
                Admit((_KEYED, _KEYED._replace(on_conflict="replace"), Candidate(new(), window_key="w", window=9))),
                RedriveJob(dead),
                DeleteJob(pending),
                RedriveDead((dead_too,)),
                RedriveAsNew(gone, new("d")),
                Reschedule(later, at(3)),
                *_OF_RUNNERS,
                Release((held,), Held.PAYLOAD),
                _report(jobs[1]),
                Prune(NOW, NOW, NOW, 9),
                PauseType("z", paused=True),
                SetSchedule("s", "* * * * *", "UTC", at(60)),
                SetLimits((StoredLimit("l", 1),)),
                ChangeLimit("l", "7", 2, None, is_pinned=True),
                PauseLimit("l", None, paused=True),
                MoveBack((ahead,)),
                RaisePriorities(at(1), at(1), 0),
                RaisePriorities(at(1), at(1), 9),
                *_of_stored_schedules(),
                *_of_features(later, dead, jobs[4]),
                fire("s", at(0), at(60), new("b"), skip_overlap=True),
                EditJob(dead_too, '{"x": 1}', '{"x":2}', None, None),
                claim("two", slots={"a": 2, "b": 2}),
            ]
        ),
    ]
    assert {type(write) for unit in units for write in unit} > WRITES.keys()
    return units


async def test_an_io_error_at_any_statement_leaves_nothing_half_written(store: SqliteStore, database: Path) -> None:
    (old,) = await running(store, new("old"))
    await answers(store, complete(old), _report(old), now=-9)
    jobs = await running(store, *(new() for _ in range(5)))
    ends = (new(), Status.DEAD), (new("c"), Status.DEAD), (new("d"), Status.CANCELLED)
    dead, dead_too, gone = [await finished(store, *end) for end in ends]
    (held,) = await stores.held(store, new("d"))
    pending, later = await inserted(store, new("b"), new("b", due=5))
    (ahead,) = await inserted(store, new("e", due=99)._replace(created_at=at(99)))
    units = _everything_at_once(jobs, dead, dead_too, pending, held, ahead, later, gone)
    before, counts = await everything(store), shown(store)
    standings = await store.ask(ids := GetStandings([job.id for job in before]))
    with faulty(store) as connection:
        failed_at = 0
        while True:
            failed_at += 1
            connection.arm(failed_at)
            try:
                applied = await store.apply(units, NOW)
            except StoreUnavailable:
                assert await everything(store) == before
                assert shown(store) == counts
                assert await store.ask(ids) == standings
            else:
                break
    assert (failed_at > 50, connection.statements[-1]) == (True, "COMMIT")
    assert [admitted.is_new for admitted in applied.answers.pop(8)] == [True, False, True]
    assert (made_anew := applied.answers.pop(11)) == RedrivenAsNew(Redriven(Status.CANCELLED), made_anew.id)
    assert [applied.answers[0], *applied.answers[2:39]] == [
        Status.COMPLETED, Status.COMPLETED, Status.PENDING, True, Status.DEAD, True, Status.PENDING,
        Redriven(Status.DEAD), Status.CANCELLED, 1, True, *[None] * 4, 1, True, 1, None, (at(60), None, False), (),
        True, True, MovedBack(1, 99_000_000), 0, 8, True, *_SCHEDULES_MADE, 1, CancelledPage((), None), True, (), None,
    ]  # fmt: skip
    assert [made.is_new for made in applied.answers[39].inserted] == [True, True]
    assert [cancelled.type for cancelled in applied.cancelled] == ["c"]
    assert (applied.answers[-2], len(applied.answers[-1].jobs)) == (Edited(Status.PENDING), 4)
    assert shown(store) == await counted(store)
    with connected(database) as other:
        ticks = "SELECT count(*) FROM aiojobs_ticks"
        assert other.execute(f"SELECT type, ({ticks}) FROM aiojobs_pauses").fetchall() == [("z", 2)]


@pytest.mark.parametrize("result", [None, "1"])
async def test_an_io_error_while_a_stale_end_is_looked_for_leaves_nothing_half_written(
    store: SqliteStore, result: str | None
) -> None:
    jobs = await running(store, *(new() for _ in range(4)))
    ends = [complete(job, result) for job in jobs[:3]]
    units = alone([*ends, complete(jobs[3], result)._replace(attempt=2), *ends[:1]])
    for failed_at in range(1, 20):
        with faulty(store) as connection:
            connection.arm(failed_at)
            try:
                said = (await store.apply(units, NOW)).answers
            except StoreUnavailable:
                assert len(await found(store, FindJobs(status=Status.PROCESSING))) == 4
                continue
            break
    assert failed_at > 5
    assert said == [Status.COMPLETED] * 3 + [None] * 2
    assert shown(store) == await counted(store)


async def test_after_a_commit_in_doubt_the_counts_are_those_of_the_rows(store: SqliteStore) -> None:
    with faulty(store) as connection:
        connection.fail_after_commit = True
        with pytest.raises(StoreUnavailable):
            await inserted(store, new())
        assert await notices_change(store)
    assert shown(store)["a"].pending == 1


async def test_a_transaction_that_a_fault_left_open_does_not_block_the_next(store: SqliteStore) -> None:
    await run_sql(store, "BEGIN IMMEDIATE")
    await run_sql(store, "INSERT INTO aiojobs_pauses (type) VALUES ('a')")
    assert len(await running(store, new())) == 1


HUGE = 2**63


@pytest.mark.parametrize(
    "write",
    [
        CancelJob(HUGE, None),
        CancelJob(2, "\ud800"),
        RedriveJob(-(2**70)),
        DeleteJob(HUGE),
        MarkInterrupted(HUGE, 1, "one"),
        RedriveDead((HUGE,)),
        PauseType("\ud800", paused=True),
        SetSchedule("\ud800", "* * * * *", "UTC", NOW),
        SetSchedule("s", "* * * * *", "UTC", HUGE),
    ],
)
async def test_values_that_sqlite_refuses_are_rejected_and_nothing_is_written(
    store: SqliteStore, write: Write[Any]
) -> None:
    (job,) = await running(store, new())
    await inserted(store, new("w"))
    before = await everything(store)
    with pytest.raises(StoreRejected):
        await answers(store, Insert((new("b"),)), complete(job), write, claim(types="aw"))
    assert await everything(store) == before
    assert shown(store) == await counted(store)
    assert await one(store, complete(job)) is Status.COMPLETED


@pytest.mark.parametrize("change", [{"scheduled_at": HUGE}, {"reason": "\ud800"}, {"scheduled_at": 10**18}])
async def test_an_end_that_sqlite_refuses_ends_nothing(store: SqliteStore, change: dict[str, Any]) -> None:
    (job,) = await running(store, new())
    with pytest.raises(StoreRejected):
        await one(store, again(job, **change))
    assert await one(store, complete(job)) is Status.COMPLETED


async def test_a_claim_that_fails_at_any_statement_leaves_every_type_to_be_found(store: SqliteStore) -> None:
    await inserted(store, *(new(name, due=-number) for number, name in enumerate("abcd")))
    for failed_at in range(1, 30):
        with faulty(store) as connection:
            connection.arm(failed_at)
            try:
                jobs = await claimed(store, claim(limit=3, types="abcd"))
            except StoreUnavailable:
                assert set(store.counts().due) == set("abcd")
                continue
            break
    assert failed_at > 5
    assert [job.type for job in jobs] == ["d", "c", "b"]
    assert [job.type for job in await claimed(store, claim(limit=9, types="abcd"))] == ["a"]


async def test_an_io_error_while_items_are_gathered_leaves_nothing_half_written(store: SqliteStore) -> None:
    too_many = _GATHERED._replace(row=_ITEMS._replace(payload='{"x":[2,3]}'))
    ((first, _),) = (await answers(store, Admit((_GATHERED,))))[0]
    other = _GATHERED._replace(row=_ITEMS._replace(unique_key="[2]", payload='{"x":[4]}', label="l"))
    await answers(store, Admit((other,)))
    units = alone([Admit((too_many,)), Admit((other, other)), claim(types="v")])
    before, counts = await everything(store), shown(store)
    with faulty(store) as connection:
        failed_at = 0
        while True:
            failed_at += 1
            connection.arm(failed_at)
            try:
                applied = await store.apply(units, NOW)
            except StoreUnavailable:
                assert (await everything(store), shown(store)) == (before, counts)
            else:
                break
    assert failed_at > 12
    assert [[made.is_new for made in answer] for answer in applied.answers[:2]] == [[True], [False, True]]
    assert [job.payload for job in applied.answers[2].jobs] == ['{"x":[1]}', '{"x":[4,4]}', '{"x":[2,3]}']
    assert applied.answers[2].jobs[0].id == first
    assert shown(store) == await counted(store)


async def test_an_io_error_while_jobs_change_their_lanes_leaves_nothing_half_written(store: SqliteStore) -> None:
    def laned(key: int, **fields: Any) -> NewJob:
        return new(lane=lane_text("a", 1, [("l", key)], is_ordered=True), **fields)

    await one(store, SetLimits((StoredLimit("l", 1),)))
    keyed = Candidate(laned(1, unique_key="[1]", unique_scope="pending", due=60), "replace")
    moved = keyed._replace(row=laned(2, unique_key="[1]", unique_scope="pending"))
    await one(store, Admit((keyed, Candidate(laned(3), expires=1))))
    await inserted(store, laned(1), laned(3))
    before, counts = await everything(store), shown(store)
    units = alone([Admit((moved, Candidate(laned(2)))), claim()])
    with faulty(store) as connection:
        failed_at = 0
        while True:
            failed_at += 1
            connection.arm(failed_at)
            try:
                applied = await store.apply(units, at(2))
            except StoreUnavailable:
                assert (await everything(store), shown(store)) == (before, counts)
            else:
                break
    assert failed_at > 15
    assert [job.id for job in applied.answers[1].jobs] == [1, 3, 4]
    assert [job.id for job in applied.expired] == [2]
    assert shown(store) == await counted(store)
