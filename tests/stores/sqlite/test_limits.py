"""Limits by key in SQLite: what lies in its tables after each transaction, what a fault leaves, what a claim costs."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.model.job import Claimed, NewJob
from aiojobs_lite.model.limits import (
    ChangeLimit,
    LimitedLane,
    PauseLimit,
    SetLimits,
    StoredLimit,
    lane_of,
    lane_text,
    limit_of,
)
from aiojobs_lite.model.writes import CancelJob, Claim, Insert
from aiojobs_lite.stores.sqlite import limits
from aiojobs_lite.stores.sqlite.limits import MOST_ASIDE
from aiojobs_lite.stores.sqlite.lines import Lines, Woken
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.rings import slow
from tests.helpers.sqlite_store import faulty, opened, raw, run_sql, writer_of
from tests.helpers.stores import (
    again,
    alone,
    answers,
    applied,
    at,
    claim,
    claimed,
    complete,
    everything,
    inserted,
    new,
)

ONE, RATE = StoredLimit("one", 1), StoredLimit("rate", 2, 10_000_000)


def keyed(key: Any, *limits: StoredLimit, is_ordered: bool = False, **fields: Any) -> NewJob:
    lane = lane_text("a", 1, [(limit.name, key) for limit in limits or (ONE,)], is_ordered=is_ordered)
    return new(lane=lane, **fields)


async def lanes(store: SqliteStore) -> dict[str, str]:
    """The line of each lane."""
    return dict(await run_sql(store, "SELECT lane, line FROM aiojobs_lanes"))


async def check_tables(store: SqliteStore) -> None:
    """Each job that waits has a lane, whose bound is not behind its first job, and which does not stand in the line of
    a meter that is not exhausted.
    """
    waiting = await run_sql(
        store,
        "SELECT lane, scheduled_at, id FROM aiojobs_jobs"
        " WHERE place IS NOT NULL AND status = 'pending' AND held IS NULL ORDER BY place DESC, id DESC",
    )
    standing = await lanes(store)
    bounds = {
        lane: bound for lane, *bound in await run_sql(store, "SELECT lane, ready_at, first_id FROM aiojobs_lanes")
    }
    for lane, first in {lane: first for lane, *first in waiting}.items():
        assert bounds[lane] <= first
    running: Counter[str] = Counter()
    for (lane,) in await run_sql(store, "SELECT lane FROM aiojobs_jobs WHERE status = 'processing' AND lane NOT NULL"):
        running.update(lane_of(lane).meters)
    allowed = dict(await run_sql(store, "SELECT name, most FROM aiojobs_limits WHERE per IS NULL"))
    for meter, count in running.items():
        assert count <= allowed.get(limit_of(meter), count)
    for lane, line in standing.items():
        meter, _, job_type = line.rpartition("\n")
        assert job_type == lane_of(lane).type
        if meter and limit_of(meter) in allowed:
            ready = sum(other == job_type and meter in lane_of(text).meters for text, other in standing.items())
            assert allowed[limit_of(meter)] - running[meter] <= ready


async def test_a_key_with_no_job_that_waits_has_no_row(database: Path) -> None:
    async with opened(database) as store:
        await answers(store, SetLimits((ONE,)))
        (_, answer) = await answers(store, Insert((keyed(1), keyed(2))), claim())
        assert await lanes(store) == {}
        await answers(store, Insert((keyed(1),)), *map(complete, answer.jobs))
        assert len(await claimed(store)) == 1
        assert await lanes(store) == {}


async def test_jobs_over_a_limit_step_aside_some_at_a_time(database: Path) -> None:
    """Each of another key, so that each is looked at."""
    keys = range(MOST_ASIDE + 20)
    async with opened(database) as store:
        await answers(store, SetLimits((ONE,)))
        await inserted(store, *map(keyed, keys))
        assert len(await claimed(store)) == len(keys)
        await inserted(store, *(keyed(key, due=1) for key in keys), keyed(-1, due=2))
        found = await applied(store, claim(), now=3)
        assert (found.answers[0].jobs, found.answers[0].is_partial) == ([], True)
        assert found.due is not None
        assert found.due <= at(3)
        found = await applied(store, claim(), now=3)
        assert ([job.id for job in found.answers[0].jobs], found.answers[0].is_partial) == ([2 * len(keys) + 1], False)
        assert found.due is None
        await check_tables(store)


async def test_keys_that_share_a_limit_step_aside_some_at_a_time(database: Path) -> None:
    """As many ordered keys as become due together, of which one may start."""
    shared, ordered = ("one", "x"), StoredLimit("ordered", 1)
    async with opened(database) as store:
        await answers(store, SetLimits((ONE, ordered)))
        texts = [lane_text("a", 1, [("ordered", key), shared], is_ordered=True) for key in range(MOST_ASIDE + 20)]
        await inserted(store, *(new(lane=text, due=1) for text in texts), new("b", due=2))
        found, jobs = await applied(store, claim(), now=0), []
        for is_partial in (True, False):
            found = await applied(store, claim(types="ab"), now=3)
            jobs.append([job.id for job in found.answers[0].jobs])
            assert found.answers[0].is_partial == is_partial == (found.due is not None)
            await check_tables(store)
        assert jobs == [[1, len(texts) + 1], []]


@pytest.mark.parametrize(
    ("passed", "together", "claims"), [(10_000, 10_000, [True]), (10_000, 200, [True, False, False]),
                                       (200, 10_000, [False, False, True]), (500, 200, [False, True, False])],
)  # fmt: skip
async def test_jobs_that_become_due_together_do_not_delay_another_key(
    database: Path, monkeypatch: pytest.MonkeyPatch, passed: int, together: int, claims: list[bool]
) -> None:
    """Of each claim until none is partial: whether the job of the other key was in it."""
    monkeypatch.setattr(limits, "MOST_PASSED", passed)
    monkeypatch.setattr(limits, "MOST_TOGETHER", together)
    async with opened(database) as store:
        await answers(store, SetLimits((ONE,)))
        rows = *(keyed(n % 2, due=1) for n in range(600)), keyed(2, due=2), new(due=3)
        await inserted(store, *rows, new("b", due=1))  # of a type that is not claimed
        found, seen = await applied(store, claim(), now=0), []
        began: list[Claimed] = []
        while found.due is not None:
            found = await applied(store, claim(), now=4)
            began += found.answers[0].jobs
            seen.append(601 in [job.id for job in found.answers[0].jobs])
            assert found.answers[0].is_partial == (found.due is not None)
            await check_tables(store)
        assert (seen, [job.id for job in began]) == (claims, [1, 2, 601, 602])
        ordinary = await run_sql(store, "SELECT id FROM aiojobs_jobs WHERE place IS NULL AND status = 'pending'")
        assert ordinary == [(603,)]
        (*_, answer) = await answers(store, *map(complete, began), claim(), now=5)
        assert [job.id for job in answer.jobs] == [3, 4]


async def test_jobs_that_are_enqueued_while_nothing_is_claimed_do_not_delay_another_key(database: Path) -> None:
    async with opened(database) as store:
        await answers(store, SetLimits((ONE,)))
        for _ in range(50):
            await inserted(store, keyed(1))
        ordinary = await run_sql(store, "SELECT count(*) FROM aiojobs_jobs WHERE place IS NULL")
        assert ordinary == [(1,)]
        await inserted(store, keyed(2))
        assert [job.id for job in await claimed(store)] == [1, 51]


async def test_a_limit_goes_on_for_all_keys_in_as_many_statements_as_for_few(database: Path) -> None:
    async with opened(database) as store:
        await answers(store, SetLimits((ONE,)))
        counted, before = list[int](), 0
        for keys in (3, 300):
            await answers(store, PauseLimit("one", None, paused=True))
            await inserted(store, *map(keyed, range(keys)))
            assert await claimed(store) == []
            found: list[str] = []
            raw(writer_of(store).connection).set_trace_callback(found.append)
            await answers(store, PauseLimit("one", None, paused=False))
            raw(writer_of(store).connection).set_trace_callback(None)
            counted.append(len(found))
            await check_tables(store)
            jobs = await claimed(store)
            assert [job.id for job in jobs] == [*range(before + 1, before + keys + 1)]
            await answers(store, *map(complete, jobs))
            before += keys
        assert counted[1] <= counted[0]


async def test_keys_that_a_changed_limit_does_not_set_free_step_aside_again(database: Path) -> None:
    async with opened(database) as store:
        await answers(store, SetLimits((ONE,)))
        (_, answer) = await answers(store, Insert((*[keyed(n % 4) for n in range(12)],)), claim())
        assert len(answer.jobs) == 4
        for most, wanted in ((1, []), (2, [5, 6, 7, 8])):
            await answers(store, ChangeLimit("one", None, most, None, is_pinned=True))
            await check_tables(store)
            assert [job.id for job in await claimed(store)] == wanted
            assert all(line.startswith("one") for line in (await lanes(store)).values())


async def test_keys_go_on_in_the_order_in_which_they_were_set_free(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken, wake = list[str](), Lines.wake

    def noted(lines: Lines, *args: Any) -> list[Woken]:
        found = wake(lines, *args)
        woken.extend(lane.text for lane in found)
        return found

    async with opened(database) as store:
        await answers(store, SetLimits((ONE,)))
        rows = [keyed(n) for n in range(4)]
        (_, answer) = await answers(store, Insert((*rows, *rows)), claim())
        assert await claimed(store) == []  # the others wait
        jobs, order = sorted(answer.jobs), (2, 0, 3, 1)
        monkeypatch.setattr(Lines, "wake", noted)
        await answers(store, *[complete(jobs[n]) for n in order])
        await claimed(store)
    assert woken == [rows[n].lane for n in order]


async def _standing(store: SqliteStore) -> list[Any]:
    tables = [
        await run_sql(store, f"SELECT * FROM aiojobs_{name} ORDER BY 1") for name in ("lanes", "meters", "limited")
    ]
    return [await everything(store), *tables]


async def test_an_io_error_at_any_statement_leaves_nothing_half_written(database: Path) -> None:
    async with opened(database) as store:
        await answers(store, SetLimits((ONE, RATE)))
        rows = [keyed(n % 3, ONE, RATE) for n in range(9)] + [keyed(n % 2, is_ordered=True) for n in range(4)]
        (_, answer) = await answers(store, Insert(tuple(rows)), claim())
        jobs: list[Claimed] = answer.jobs
        units = alone(
            [
                complete(jobs[0]), again(jobs[1], scheduled_at=at(2)), *map(complete, jobs[2:]), CancelJob(4, None),
                Insert((keyed(7), keyed(7), keyed(0, ONE, RATE), keyed(1, is_ordered=True, idempotency_key="k"))),
                claim("two"),
            ]
        )  # fmt: skip
        before = await _standing(store)
        with faulty(store) as connection:
            failed_at, answer = 0, None
            while answer is None:
                failed_at += 1
                connection.arm(failed_at)
                try:
                    answer = (await store.apply(units, at(1))).answers[-1]
                except StoreUnavailable:
                    assert await _standing(store) == before
            assert failed_at > 40
        assert answer.jobs
        await check_tables(store)
        for now in range(20, 200, 20):  # what was counted is right after all these faults
            (*_, answer) = await answers(store, *map(complete, answer.jobs), claim("two"), now=now)
            await check_tables(store)
        pending = await run_sql(store, "SELECT count(*) FROM aiojobs_jobs WHERE status = 'pending'")
        assert pending == [(0,)]


async def test_a_lane_without_jobs_is_deleted_and_gives_on_what_it_was_allowed(database: Path) -> None:
    async with opened(database) as store:
        await answers(store, SetLimits((ONE, RATE)))
        (_, answer) = await answers(store, Insert((keyed(1), keyed(1), keyed(1, priority=0))), claim(limit=1))
        await claimed(store)
        await answers(store, CancelJob(1 if answer.jobs[0].id != 1 else 3, None))
        (_, answer) = await answers(store, complete(answer.jobs[0]), claim())
        assert [job.id for job in answer.jobs] == [2]
        assert await lanes(store) == {}


async def test_what_limits_need_no_more_is_pruned(database: Path) -> None:
    day = 86_400
    async with opened(database) as store:
        await answers(store, SetLimits((RATE, RATE._replace(most=1, key="3"))))
        for _ in range(3):
            await inserted(store, *(keyed(key, RATE) for key in range(4)))
        jobs = await claimed(store)
        assert len(jobs) == 7
        await answers(store, *map(complete, jobs[:6]), ChangeLimit("rate", "2", 9, None, is_pinned=True))
        await store.maintain(at(day))  # lanes still stand in the lines of these rates
        assert len(await run_sql(store, "SELECT 1 FROM aiojobs_meters")) == 3
        for now in (20, 40, 60):
            await claimed(store, now=now)
        await store.maintain(at(day))
        assert await run_sql(store, "SELECT 1 FROM aiojobs_meters") == []
        brought = keyed(3, RATE)
        brought = brought._replace(lane=LimitedLane(brought.lane or "", (RATE._replace(most=1, key="3"),)))
        await inserted(store, brought, now=2 * day)
        for now, keys in ((31, ["2", "3"]), (33, ["2"])):
            await store.maintain(at(now * day))
            assert await run_sql(store, "SELECT key FROM aiojobs_limits WHERE key > ''") == [(key,) for key in keys]
        assert len(await claimed(store, now=34 * day)) == 1


def steps(connection: sqlite3.Connection) -> Counter[str]:
    """Counts the steps of SQLite's virtual machine, by tens, from now on."""
    counted: Counter[str] = Counter()

    def step() -> None:
        counted["tens"] += 1

    connection.set_progress_handler(step, 10)
    return counted


async def _cost(path: Path, waiting: int) -> list[int]:
    """Steps of an enqueue, of a claim, and of an end with the next claim, while jobs of one key wait."""
    async with opened(path) as store:
        await answers(store, SetLimits((ONE,)))
        for first in range(0, waiting + 1, 1000):
            await inserted(store, *(keyed(1) for _ in range(first, min(first + 1000, waiting + 1))))
        (running,) = await claimed(store, Claim("one", 9, frozenset("a"), {}, {}))
        found = []
        counted = steps(raw(writer_of(store).connection))
        for writes in ((Insert((keyed(2),)),), (claim(),), (complete(running), claim())):
            counted.clear()
            said = await answers(store, *writes)
            found.append(counted["tens"])
        assert [job.id for job in said[-1].jobs] == [2]
        return found


@pytest.mark.parametrize("waiting", [1000, pytest.param(100_000, marks=slow)])
async def test_a_claim_costs_what_it_takes_however_many_jobs_of_a_key_wait(tmp_path: Path, waiting: int) -> None:
    few, many = await _cost(tmp_path / "few.db", 10), await _cost(tmp_path / "many.db", waiting)
    assert all(there <= here * 1.2 + 5 for here, there in zip(few, many, strict=True)), (few, many)
