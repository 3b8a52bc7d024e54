"""Some of the payloads that wait: which, and how many."""

from __future__ import annotations

from dataclasses import asdict

from aiojobs_lite.model.job import Status
from aiojobs_lite.model.payloads import WaitingPayload, mark, stored_payload
from aiojobs_lite.model.queries import FindJobs, SamplePayloads
from aiojobs_lite.model.writes import RedriveJob
from aiojobs_lite.stores.base import Store
from tests.helpers.stores import claim, claimed, close, held, inserted, new, one, running, stored

MANY_CHARS = 10_000


class Payloads:
    async def test_the_first_and_the_last_in_the_order_of_the_claim_are_given(self, store: Store) -> None:
        late, *others = await inserted(
            store, new(priority=2, due=90), *(new(due=due) for due in (50, 10, 30, 20, 40)), new(priority=0, due=70)
        )
        ids = [others[-1], *(others[index] for index in (1, 3, 2, 4, 0)), late]
        for limit, places in ((4, [0, 1, 6, 5]), (5, [0, 1, 2, 6, 5]), (1, [0]), (0, []), (99, range(7))):
            sample = await store.ask(SamplePayloads("a", limit, MANY_CHARS))
            found = [one.job_id for one in sample]
            assert found == [ids[place] for place in places]

    async def test_only_those_that_wait_of_the_type_are_given_with_their_payloads(self, store: Store) -> None:
        await running(store, new())
        await held(store, new())
        await inserted(store, new("b"))
        ids = await inserted(store, new()._replace(payload='{"x":1}'), new(due=5)._replace(payload='{"@version":2}'))
        assert await store.ask(SamplePayloads("a", 10, MANY_CHARS)) == [
            WaitingPayload(ids[0], '{"x":1}'), WaitingPayload(ids[1], '{"@version":2}'),
        ]  # fmt: skip
        assert await store.ask(SamplePayloads("unknown", 10, MANY_CHARS)) == []

    async def test_a_secret_value_is_given_to_an_owner_and_shown_by_no_query(self, store: Store) -> None:
        payload = mark('{"url":"a","token":"s3cret"}', 2, ("token",))
        (job,) = await running(store, new()._replace(payload=payload))
        assert job.payload == payload
        (row,) = await store.ask(FindJobs(status=Status.PROCESSING))
        for found in (row, await stored(store, job.id)):
            assert found.payload == {"url": "a", "token": "REDACTED"}
            assert (found.version, "s3cret" in repr(asdict(found))) == (2, False)
            assert stored_payload(found.payload_json) == payload
        await one(store, close(job))
        assert await one(store, RedriveJob(job.id))
        (again,) = await claimed(store, claim())
        assert again.payload == payload

    async def test_large_ones_are_fewer(self, store: Store) -> None:
        large = f'{{"x":"{"y" * 100}"}}'
        ids = await inserted(store, *(new(due=due)._replace(payload=large) for due in range(10)))
        found = [one.job_id for one in await store.ask(SamplePayloads("a", 10, 150))]
        assert found == [ids[0], ids[1], ids[9], ids[8]]
