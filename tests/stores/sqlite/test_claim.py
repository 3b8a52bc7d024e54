"""What a claim costs: what it takes, not what waits or is registered. Counted in steps of SQLite, not in time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiojobs_lite.model.writes import Claim
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.sqlite_store import opened, raw, watched, writer_of
from tests.helpers.stores import answers, applied, at, claim, claimed, complete, inserted, new, one, running

TYPES = frozenset(f"type {n}" for n in range(1000))


class Steps:
    """How many steps SQLite has made."""

    count = 0


@contextmanager
def counted_steps(store: SqliteStore) -> Iterator[Steps]:
    """Counts the steps of the write connection for the block."""
    steps = Steps()

    def step() -> int:
        steps.count += 1
        return 0

    connection = raw(writer_of(store).connection)
    connection.set_progress_handler(step, 1)
    try:
        yield steps
    finally:
        connection.set_progress_handler(None, 0)


async def steps_of(store: SqliteStore, write: Claim, count: int) -> int:
    """The steps of a claim that takes so many jobs."""
    with counted_steps(store) as steps:
        assert len(await claimed(store, write)) == count
    return steps.count


async def test_a_claim_does_not_grow_with_jobs_to_come(store: SqliteStore) -> None:
    steps = []
    for due in (60, 120, 180):
        await inserted(store, *(new() for _ in range(20)))
        steps.append(await steps_of(store, claim(slots={"a": 20}), 20))
        await inserted(store, *(new(due=due, priority=n % 3) for n in range(4000)))
    assert 0 < steps[2] < steps[0] * 3


async def test_a_claim_does_not_grow_with_what_waits_behind_what_it_takes(store: SqliteStore) -> None:
    await inserted(store, *(new() for _ in range(60)))
    few = await steps_of(store, claim(limit=20), 20)
    await inserted(store, *(new() for _ in range(4000)))
    assert await steps_of(store, claim(limit=20), 20) < few * 2


async def test_a_claim_does_not_grow_with_the_types_that_are_registered(store: SqliteStore) -> None:
    await inserted(store, *(new("type 7") for _ in range(40)))
    alone = await steps_of(store, claim(types=["type 7"], limit=20), 20)
    assert await steps_of(store, claim(types=TYPES, limit=20), 20) < alone * 2


async def test_a_claim_does_not_grow_with_the_types_whose_jobs_are_to_come(store: SqliteStore) -> None:
    await inserted(store, *(new(name, due=60) for name in TYPES), *(new("type 7") for _ in range(40)))
    first = await steps_of(store, claim(types=TYPES, limit=20), 20)
    second = await steps_of(store, claim(types=TYPES, limit=20), 20)
    assert max(first, second) < 5000  # a look at each type would take ten times as many


async def test_a_claim_looks_at_the_types_only_that_it_takes_from(store: SqliteStore) -> None:
    await inserted(store, *(new(name) for name in sorted(TYPES)))
    steps = [await steps_of(store, claim(types=TYPES, limit=10), 10) for _ in range(5)]
    assert max(steps) < 5000


async def test_a_claim_that_finds_nothing_due_asks_for_no_job(database: Path) -> None:
    async with watched(database, "normal") as (store, asked):
        await inserted(store, new(due=60), *(new(name, due=60) for name in sorted(TYPES)[:50]))
        await applied(store, claim(types={"a", *TYPES}))
        asked.clear()
        done = await applied(store, claim(types={"a", *TYPES}))
        assert done.due == at(60)
        assert "SELECT" not in [one.word for one in asked]
        assert "UPDATE" not in [one.word for one in asked]


async def test_the_bounds_are_stored_for_the_next_process(store: SqliteStore, database: Path) -> None:
    await inserted(store, *(new(name, due=60) for name in TYPES), new("type 7", due=-1))
    async with opened(database) as other:
        with counted_steps(other) as steps:
            assert len(await claimed(other, claim("two", types=TYPES))) == 1
        with counted_steps(other) as again:
            assert await claimed(other, claim("two", types=TYPES)) == []
    assert again.count < 200 < steps.count < 20_000  # the first reads the counts of all types


async def test_bounds_that_another_process_lowered_are_found(store: SqliteStore, database: Path) -> None:
    (first,) = await running(store, new(due=-5))
    await answers(store, complete(first))
    async with opened(database) as other:
        assert (await one(other, claim("two"))).jobs == []
        (job_id,) = await inserted(store, new(due=-9))
        assert [job.id for job in await claimed(other, claim("two"))] == [job_id]


async def test_a_claim_opens_no_more_types_than_it_takes_from(store: SqliteStore) -> None:
    steps = []
    for types in (30, 600):
        names = [f"of {types}, {n}" for n in range(types)]
        await inserted(store, *(new(name) for _ in range(2) for name in names))
        await steps_of(store, claim(types=names, limit=10), 10)  # what is due of each is known after it
        steps.append(await steps_of(store, claim(types=names, limit=10), 10))
    assert steps[1] < steps[0] * 2


async def test_a_full_pool_is_no_reason_to_claim_again(store: SqliteStore) -> None:
    await inserted(store, new("a"), new("a"), new("b", due=5))
    done = await applied(store, claim(types="ab", pooled="a", pool_slots=1))
    assert ([job.type for job in done.answers[0].jobs], done.due) == (["a"], at(5))
