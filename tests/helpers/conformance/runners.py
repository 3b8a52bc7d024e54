"""What each runner stores of itself."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.events import Listener, NewEvent, SendEvents, SetListeners
from aiojobs_lite.model.queries import CountProcessing, GetDatabaseId, GetJob
from aiojobs_lite.model.runners import EndRunners, ListRunners, MarkDraining, SetRunner, SetRunnerTypes
from aiojobs_lite.model.writes import Insert, Write
from aiojobs_lite.stores.base import Store
from tests.helpers.stores import alone, at, claim, claimed, inserted, new, one

WORKER = SetRunner("worker", 41, "web1", 5, '{"a": 2, "b": null}')
OTHER = SetRunner("other", 42, "web2", 0, "{}")


class RunnerRows:
    async def test_a_runner_is_listed_as_it_stored_itself(self, store: Store) -> None:
        assert await store.ask(ListRunners()) == []
        await store.apply([(WORKER,)], at(3))
        (found,) = await store.ask(ListRunners())
        assert (found.id, found.pid, found.host, found.max_running) == WORKER[:4]
        assert found.types == {"a": 2, "b": None}
        assert (found.started_at, found.ended_at) == (to_datetime(at(3)), None)
        assert (found.is_alive, found.is_draining, found.running) == (True, False, 0)

    async def test_the_latest_start_comes_first(self, two: tuple[Store, Store]) -> None:
        await two[0].apply([(WORKER,)], at(1))
        await two[1].apply([(OTHER,)], at(2))
        for store in two:
            assert [runner.id for runner in await store.ask(ListRunners())] == ["other", "worker"]

    async def test_each_comes_with_the_number_of_jobs_that_it_processes(self, store: Store) -> None:
        await store.apply(alone([WORKER, OTHER]), at(0))
        await inserted(store, new("a"), new("b"), new("a"))
        await claimed(store, claim("worker", limit=2, types="ab"))
        assert {found.id: found.running for found in await store.ask(ListRunners())} == {"worker": 2, "other": 0}

    async def test_a_drain_is_noted(self, store: Store) -> None:
        await store.apply(alone([WORKER, OTHER, MarkDraining("worker"), MarkDraining("unknown")]), at(0))
        draining = {found.id: found.is_draining for found in await store.ask(ListRunners())}
        assert draining == {"worker": True, "other": False}

    async def test_a_runner_has_other_types_from_then_on(self, store: Store) -> None:
        await store.apply(alone([WORKER, OTHER, MarkDraining("worker")]), at(3))
        changes = [SetRunnerTypes(name, '{"c": 1}', ()) for name in ("worker", "unknown")]
        await store.apply(alone(changes), at(4))
        worker, other = sorted(await store.ask(ListRunners()), key=lambda found: found.pid)
        assert (worker.types, other.types) == ({"c": 1}, {})
        assert (worker.started_at, worker.is_draining, worker.max_running) == (to_datetime(at(3)), True, 5)

    @pytest.mark.parametrize(
        ("others", "dead", "listens"),
        [
            ([], (), False),
            ([OTHER], (), False),  # it does not have the type
            ([OTHER._replace(types='{"a": null}')], (), True),
            ([OTHER._replace(types='{"a": null}')], ("other",), False),
            ([OTHER._replace(types='{"a": null}'), EndRunners(("other",))], (), False),
            ([EndRunners(("worker",))], (), False),  # its own end was noted, though it lives
        ],
    )
    async def test_a_type_that_no_living_runner_has_any_more_listens_no_more(
        self, store: Store, others: list[Write[Any]], dead: tuple[str, ...], listens: bool
    ) -> None:
        listeners = SetListeners((Listener("a", ("e", "f*"), 1, 3), Listener("b", ("e",), 1, 3)))
        await store.apply(alone([WORKER, *others, listeners]), at(0))
        await one(store, SetRunnerTypes("worker", '{"b": null}', dead))
        await one(store, SendEvents((NewEvent("e", "{}", at(1)),)))
        started = [await store.ask(GetJob(job_id)) for job_id in (1, 2)]
        assert [found.type for found in started if found] == (["a", "b"] if listens else ["b"])

    async def test_an_end_is_noted_once_and_the_runner_is_forgotten_later(self, store: Store) -> None:
        await store.apply(alone([WORKER, OTHER]), at(0))
        for second in (5, 6):
            await store.apply([(EndRunners(("worker", "unknown"), at(5)),)], at(second))
        ended = {found.id: (found.ended_at, found.is_alive) for found in await store.ask(ListRunners())}
        assert ended == {"worker": (to_datetime(at(5)), False), "other": (None, True)}
        await store.apply([(EndRunners((), at(6)),)], at(7))
        assert [found.id for found in await store.ask(ListRunners())] == ["other"]

    async def test_an_end_may_be_noted_and_none_be_forgotten(self, store: Store) -> None:
        await store.apply(alone([WORKER, OTHER, EndRunners(("worker",))]), at(0))
        await store.apply([(EndRunners(("other",)),)], at(9))
        ended = {found.id: found.ended_at for found in await store.ask(ListRunners())}
        assert ended == {"worker": to_datetime(at(0)), "other": to_datetime(at(9))}

    async def test_what_cannot_be_stored_is_rejected(self, store: Store) -> None:
        with pytest.raises(StoreRejected):
            await one(store, WORKER._replace(host="\ud800"))
        assert await store.ask(ListRunners()) == []


class Processing:
    async def test_processing_jobs_of_a_type_are_counted_over_all_owners(self, two: tuple[Store, Store]) -> None:
        await one(two[0], Insert((new("a"), new("a"), new("b"), new("a"))))
        await claimed(two[0], claim(limit=1))
        await claimed(two[1], claim("two", limit=2, types="ab"))
        assert [await two[0].ask(CountProcessing(kind)) for kind in ("a", "b", "c")] == [2, 1, 0]


class Identity:
    async def test_a_database_has_one_id_for_all_its_owners(self, two: tuple[Store, Store]) -> None:
        ids = [await store.ask(GetDatabaseId()) for store in two]
        assert ids[0] == ids[1]
        assert len(ids[0]) == 16

    async def test_a_reopened_database_keeps_its_id(self, store: Store) -> None:
        before = await store.ask(GetDatabaseId())
        (kept,) = await inserted(store, new())
        await store.close()
        await store.open()
        is_kept = await store.ask(GetJob(kept)) is not None  # else it is another database
        assert (await store.ask(GetDatabaseId()) == before) is is_kept
