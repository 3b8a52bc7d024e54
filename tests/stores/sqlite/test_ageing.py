"""Raising priorities looks at the jobs that rise, however many others there are."""

from __future__ import annotations

from aiojobs_lite.model.ageing import RaisePriorities
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.sqlite_store import faulty
from tests.helpers.stores import at, claim, claimed, inserted, new, one


async def test_each_type_is_one_search_and_the_others_are_not_looked_at(store: SqliteStore) -> None:
    rows = [new(name, priority=1, due=due) for name in ("a", "b", "\U0001f600") for due in (-9, -1, 5)]
    await inserted(store, *rows)
    with faulty(store) as connection:
        assert await one(store, RaisePriorities(at(-5), at(-5), 100)) == 3
        selects = [sql for sql in connection.statements if "scheduled_at < " in sql]
    assert len(selects) == 9  # three types, three steps
    taken = await claimed(store, claim(types=["a", "b", "\U0001f600"], limit=3), 1)
    assert {job.priority for job in taken} == {0}
