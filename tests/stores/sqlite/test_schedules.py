"""What schedules cost that are stored and not due, counted in steps of SQLite; what else of them is SQLite's own."""

from __future__ import annotations

from aiojobs_lite.model.queries import Query
from aiojobs_lite.model.schedule_rows import DueSchedules, ListMovedAhead, LookAtTicks
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.schedules import put, tick
from tests.helpers.sqlite_store import raw, reader_of, writer_of
from tests.helpers.stores import answers, at

MANY = 10_000


async def put_many(store: SqliteStore, job_type: str, due: int) -> None:
    """Stores very many schedules, each due at an instant of its own."""
    made = [put(f"{job_type} {n}", job_type=job_type, due=due + n) for n in range(MANY)]
    for start in range(0, MANY, 250):
        await answers(store, *made[start : start + 250])


async def steps_of(store: SqliteStore, *queries: Query[object]) -> int:
    """How many steps SQLite makes for queries."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    connection = raw(reader_of(store))
    connection.set_progress_handler(step, 1)
    try:
        for query in queries:
            await store.ask(query)
    finally:
        connection.set_progress_handler(None, 0)
    return count


async def test_what_is_due_costs_what_is_due_and_not_what_is_stored(store: SqliteStore) -> None:
    await answers(store, *(put(f"due {n}") for n in range(5)))
    queries = (
        DueSchedules(("a", "b"), at(1), 100),
        LookAtTicks(("a", "b"), at(1), ("s",)),
        ListMovedAhead((at(9), ""), 9),
    )
    await steps_of(store, *queries)  # prepares the statements
    few = await steps_of(store, *queries)
    await put_many(store, "a", 3_600)
    await put_many(store, "no runner has it", -3_600)
    assert few / 2 < await steps_of(store, *queries) < few * 2
    assert len(await store.ask(queries[0])) == 5


async def test_a_tick_costs_the_same_however_many_schedules_are_stored(store: SqliteStore) -> None:
    steps = []
    connection = raw(writer_of(store).connection)
    for n in range(2):
        await answers(store, put(f"s {n}"))
        counted = [0]

        def step(counted: list[int] = counted) -> int:
            counted[0] += 1
            return 0

        connection.set_progress_handler(step, 1)
        (fired,) = await answers(store, tick(f"s {n}"))
        connection.set_progress_handler(None, 0)
        assert fired.what == "fired"
        steps.append(counted[0])
        await put_many(store, "a", 3_600)
    assert steps[1] < steps[0] * 1.5
