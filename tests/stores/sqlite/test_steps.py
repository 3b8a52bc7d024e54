"""Steps, children and events in the file: what they cost others, what is kept in memory of them, and faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite.errors import StoreRejected, StoreUnavailable
from aiojobs_lite.model.admission import Admit, Candidate
from aiojobs_lite.model.event_match import EventMark
from aiojobs_lite.model.events import (
    Delivered,
    DeliverEvents,
    FindEvents,
    Listener,
    PlaceHeld,
    PruneEvents,
    SetListeners,
    StepFence,
)
from aiojobs_lite.model.job import Claimed, Held, Status
from aiojobs_lite.model.steps import ListChildren, ListSteps
from aiojobs_lite.model.writes import CancelJob, DeleteJob, Insert, Prune, RedriveDead, RedriveJob, Unit
from aiojobs_lite.stores.sqlite import events as sqlite_events
from aiojobs_lite.stores.sqlite import steps as sqlite_steps
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.sqlite_store import faulty, opened
from tests.helpers.steps import done, event, match, memo, ran, save, send, start, steps_of, suspend, wait
from tests.helpers.stores import (
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
    inserted,
    new,
    one,
    running,
    shown,
    stored,
)

TABLES = ("aiojobs_steps", "aiojobs_waits", "aiojobs_children", "aiojobs_events", "aiojobs_listeners")


def about_steps(statements: list[str]) -> list[str]:
    """The statements that are about operations or events."""
    return [sql for sql in statements if any(table in sql for table in TABLES)]


async def seen(store: SqliteStore) -> list[Any]:
    """All that the store says of jobs, operations and events."""
    jobs = await everything(store)
    steps = [(await store.ask(ListSteps(job.id)), await store.ask(ListChildren(job.id))) for job in jobs]
    return [jobs, steps, await store.ask(FindEvents()), shown(store)]


async def test_a_file_without_operations_is_not_asked_for_them(store: SqliteStore) -> None:
    await inserted(store, *(new() for _ in range(3)))
    finishing, failing, dying = await claimed(store)
    with faulty(store) as connection:
        await answers(store, complete(finishing), again(failing), close(dying), Insert((new(),)), claim(), now=1)
        await answers(store, RedriveJob(dying.id), RedriveDead((finishing.id,)), Admit((Candidate(new("b")),)), now=2)
        await answers(store, DeleteJob(dying.id), CancelJob(1, "x"), Prune(at(9), at(9), 0, 9), claim(), now=9)
    assert len(connection.statements) > 20
    assert about_steps(connection.statements) == []


async def test_jobs_without_operations_are_not_asked_for_them_beside_others(store: SqliteStore) -> None:
    (job,) = await running(store, new())
    await one(store, save(job, done("a")))
    others = await running(store, *(new("b") for _ in range(3)))
    with faulty(store) as connection:
        await answers(store, *map(complete, others[:2]), close(others[2]), Insert((new("b"),)), claim(types="b"))
    assert about_steps(connection.statements) == []


async def test_many_steps_of_many_jobs_take_few_statements(store: SqliteStore) -> None:
    jobs = await running(store, *(new() for _ in range(64)))
    with faulty(store) as connection:
        await answers(store, *(save(job, done("a"), done("b")) for job in jobs))
        first = about_steps(connection.statements)
        del connection.statements[:]
        await answers(store, *(save(job, done("c")) for job in jobs))
    assert (len(first), len(about_steps(connection.statements))) == (2, 2)  # a look and a write each


async def test_a_step_that_is_new_costs_its_row_of_one_statement_and_nothing_is_read(store: SqliteStore) -> None:
    jobs = await running(store, *(new() for _ in range(64)))
    with faulty(store) as connection:
        for name in "abc":
            await answers(store, *(save(job, done(name), are_new=True, are_first=name == "a") for job in jobs))
    assert [sql.split()[0] for sql in about_steps(connection.statements)] == ["INSERT"] * 3
    assert connection.statements.count("COMMIT") == 3
    assert [step.place for step in await store.ask(ListSteps(jobs[0].id))] == [1, 2, 3]


async def test_what_is_kept_of_places_is_forgotten_with_a_transaction_that_fails(store: SqliteStore) -> None:
    (job,) = await running(store, new())
    await one(store, save(job, done("a")))
    with pytest.raises(StoreRejected):
        await answers(store, save(job, done("b")), Insert((new(max_attempts=0),)))
    (step,) = await one(store, save(job, done("c"))) or ()
    assert step.place == 2


async def test_the_places_of_very_many_jobs_are_not_all_kept(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_steps, "PLACES_KEPT", 2)
    jobs = await running(store, *(new() for _ in range(5)))
    for name in "abc":
        for job in jobs:
            await one(store, save(job, done(name)))
    assert {step.place for job in jobs for step in await store.ask(ListSteps(job.id)) if step.name == "c"} == {3}


async def test_ends_are_awaited_only_while_something_waits(store: SqliteStore, database: Path) -> None:
    parent, sleeper, *others = await running(store, *(new() for _ in range(9)))

    async def looks(job: Claimed) -> bool:
        with faulty(store) as connection:
            await one(store, complete(job))
            return any("FROM aiojobs_waits)," in sql for sql in connection.statements)

    assert not await looks(others[0])
    await one(store, start(parent))
    assert await looks(others[1])
    (child,) = await claimed(store, claim(types=["child"]))
    await one(store, complete(child))
    assert not await looks(others[2])
    async with opened(database) as other:
        await one(other, save(sleeper, wait("w")))
        assert await looks(others[3])
        await one(other, send(event()))
        assert not await looks(others[4])
        await one(other, Admit((Candidate(new("c"), cancel_on=(match(),)),)))
        assert await looks(others[5])
        await one(store, CancelJob(child.id + 1, "x"))
        assert not await looks(others[6])


def units(jobs: list[Claimed], listened: int, dead: int) -> list[Unit]:
    """Writes of every kind about operations and events."""
    parent, waits, sender = jobs
    fence = StepFence(sender.id, sender.attempt, sender.owner, "send")
    row = Candidate(new("started", unique_key="[1]", unique_scope="unfinished"), cancel_on=(match("stop"),))
    return [
        (save(waits, done("a"), wait("w"), wait("v", match("f", n=1))), suspend(waits, "w", "v")),
        (start(parent), start(parent, "other", is_awaited=False), suspend(parent, "child")),
        (send(event("f", row, n=1, key="k"), event("stop"), step=fence), complete(sender)),
        *alone(
            [
                SetListeners((Listener("l", ("e", "f*"), 1, 3), Listener("m", (), 1, 3))),
                send(event("e", row), event("x", key="k")),
                DeliverEvents(),
                PlaceHeld(listened, Candidate(new("l"))),
                PruneEvents(at(99), 1),
                RedriveJob(dead),
                Prune(at(99), at(-99), at(-99), 1),
                claim("two", types=["a", "child", "started", "l"]),
            ]
        ),
    ]


async def test_an_io_error_at_any_statement_leaves_nothing_half_written(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_events, "DELIVERED_AT_ONCE", 2)
    sleepers = await running(store, *(new("sleeper") for _ in range(4)))
    await answers(store, *(save(job, wait("w", match("f"))) for job in sleepers))
    await answers(store, *(suspend(job, "w") for job in sleepers))
    await one(store, SetListeners((Listener("m", ("g",), 1, 3),)))
    (sent,) = await one(store, send(event("g")))
    (dying,) = await running(store, new("d"))
    await answers(store, save(dying, wait("w"), done("a")), close(dying))
    (ended,) = await running(store, new("done"))
    await answers(store, save(ended, done("a")), complete(ended), now=-9)
    given = units(await running(store, new(), new(), new()), sent.held[0], dying.id)
    before = await seen(store)
    with faulty(store) as connection:
        failed_at = 0
        while True:
            failed_at += 1
            connection.arm(failed_at)
            try:
                applied = await store.apply(given, at(1))
            except StoreUnavailable:
                assert await seen(store) == before
            else:
                break
    assert (failed_at > 50, connection.statements[-1]) == (True, "COMMIT")
    of_step, by_hand = applied.answers[5], applied.answers[8]
    assert [(one.is_new, one.has_more, len(one.woken)) for one in of_step] == [(True, True, 2), (True, True, 0)]
    assert [(one.is_new, len(one.held), len(one.woken)) for one in by_hand] == [(True, 1, 1), (False, 0, 0)]
    assert isinstance(applied.answers[9], Delivered)
    assert [step.memo for step in await store.ask(ListSteps(dying.id))] == ["1"]
    assert shown(store) == await counted(store, 1)


async def test_what_other_programs_have_written_is_read(store: SqliteStore, database: Path) -> None:
    (job,) = await running(store, new())
    await one(store, save(job, wait("w", match(n=1)), wait("v")))
    with connected(database) as program:
        program.execute("UPDATE aiojobs_waits SET fields = 'no JSON' WHERE fields <> '[]'")
        program.execute("INSERT INTO aiojobs_events (name, data, sent_at) VALUES ('e', 'no JSON', ?)", (at(1),))
    (sent,) = await one(store, send(event(n=1)))
    assert sent.woken == (job.id,)
    states = [step.state for step in await one(store, save(job, wait("w", match(n=2)), wait("u", match(n=1)))) or ()]
    assert states == ["waiting", "done"]
    assert (await steps_of(store, job.id))["u"].memo == memo(2, event(n=1))


async def test_one_event_among_very_many_that_wait_looks_at_those_alone_that_it_reaches(
    store: SqliteStore, database: Path
) -> None:
    (job,) = await running(store, new())
    await answers(store, save(job, wait("w", match(n=7))), suspend(job, "w"))
    with connected(database) as program:
        program.execute("BEGIN")
        rows = "WITH RECURSIVE n (n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM n WHERE n < 20100)"
        program.execute(
            "INSERT INTO aiojobs_waits (event, fields, vals, job_id)"
            f" {rows} SELECT 'e', '[\"n\"]', '[' || n || ']', n FROM n"
        )
        program.execute("COMMIT")
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    with faulty(store) as connection:
        connection.set_progress_handler(count, 100)
        (sent,) = await one(store, send(event(n=7)))
        connection.set_progress_handler(None, 100)
    assert sent.woken == (job.id,)
    assert steps < 50  # hundreds of steps of SQLite's machine; to look at all takes thousands
    assert (await stored(store, job.id)).held is None


async def test_a_held_job_counts_once(store: SqliteStore) -> None:
    await one(store, SetListeners((Listener("l", ("*",), 1, 3),)))
    await answers(store, send(event(), event()), PlaceHeld(1, None))
    assert shown(store)["l"].held == 1
    assert shown(store) == await counted(store)
    assert (await stored(store, 2)).held is Held.LISTENER
    assert await one(store, CancelJob(2, "x")) is Status.PENDING
    assert shown(store) == await counted(store)


async def test_events_that_a_release_before_has_sent_are_found_by_their_instants(
    store: SqliteStore, database: Path
) -> None:
    (job,) = await running(store, new())
    for seconds in (-1, 9, 3, 5):
        await one(store, send(event(sent=seconds, n=seconds % 2)))
    with connected(database) as connection:
        connection.execute("UPDATE aiojobs_events SET behind = NULL")
    await one(store, send(event("f", sent=-1)))
    steps = await one(store, save(job, wait("w"), wait("v", match(n=0)), wait("u", match("f")))) or ()
    assert [step.memo for step in steps[:2]] == [memo(3, event(sent=3, n=1)), None]
    assert steps[2].memo == memo(5, event("f", sent=-1))
    later = event(sent=1)
    await one(store, send(later))
    for after, number, found in (
        (3, 4, event(sent=5, n=1)), (5, 2, event(sent=9, n=1)), (9, 6, later), (-1, 3, event(sent=3, n=1)),
    ):  # fmt: skip
        behind = wait(f"after {after}", after=EventMark(str((-1, 9, 3, 5).index(after) + 1), at(after)))
        assert [step.memo for step in await one(store, save(job, behind)) or ()] == [memo(number, found)]


async def test_places_go_on_after_steps_that_ran_though_nothing_was_saved_before(store: SqliteStore) -> None:
    job, other = await running(store, new(), new())
    await answers(store, save(other, done("x")), save(job))
    await one(store, ran((job, "a", 1)))
    await one(store, save(job, wait("b", match("e"))))
    await one(store, send(event("e")))
    assert {name: step.place for name, step in (await steps_of(store, job.id)).items()} == {"a": 1, "b": 2}
