"""Faults of the database in mid-delivery: no message dies of them, and none is sent again that was answered."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aiojobs_lite import JobRunner, Status
from aiojobs_lite.http import Http
from aiojobs_lite.http.signing.stored_signer import StoredSigner
from aiojobs_lite.model.documents import GetDocument
from aiojobs_lite.model.steps import SaveRan, StartChild
from aiojobs_lite.stores.open import open_store
from tests.helpers.endpoints import Authority, Received, endpoint, local, reply
from tests.helpers.fault_store import FULL, Fault, FaultStore, Kind, holding
from tests.helpers.qstash import serving
from tests.helpers.waiting import until

_ONCE = {"Upstash-Retries": "0"}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is looked at again at once."""
    monkeypatch.setattr("aiojobs_lite.http.delivery.STORE_AGAIN_S", 0.01)


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("kind", [Kind.BEFORE, Kind.AFTER])
@pytest.mark.parametrize("write", [SaveRan, StartChild])
async def test_the_answer_to_a_message_of_a_queue_outlives_a_fault_before_it_is_stored(
    write: type, kind: Kind, status: int, database: Path
) -> None:
    faults = [Fault(kind, method, at=1, when=holding(write), error=FULL) for method in ("apply", "inline")]
    store, http = FaultStore(open_store(database, "full"), *faults, has_inline=True), local()
    runner = JobRunner(store, jobs=[http])
    async with endpoint(reply(status)) as receiver, endpoint() as back, serving(runner, http) as api:
        calls = {"Upstash-Callback": f"{back.url}/back", "Upstash-Failure-Callback": f"{back.url}/failed"}
        made = await api.post(f"/v2/enqueue/q/{receiver.url}", headers={**_ONCE, **calls})
        job_id = runner.jobs.id_of(made.json()["messageId"])
        assert job_id is not None
        await runner.jobs.wait(job_id)
        job = await runner.jobs.get(job_id)
        assert any(map(store.was_met, faults))
        expected = (Status.COMPLETED, ["/back"]) if status == 200 else (Status.DEAD, ["/back", "/failed"])
        assert (job.status, back.targets) == expected
        assert (job.attempts, len(receiver.received)) == (1, 1)
        assert all(one.json()["status"] == status for one in back.received)


@pytest.mark.parametrize("path", ["/v2/publish/", "/v2/enqueue/q/"])
async def test_keys_that_cannot_be_read_cost_a_message_no_attempt(path: str, database: Path) -> None:
    reading = Fault(method="ask", at=1, when=lambda query: isinstance(query, GetDocument))
    async with endpoint() as receiver:
        async with serving(JobRunner(database, jobs=[http := local()], max_running=0), http) as api:
            assert (await api.post(f"{path}{receiver.url}", headers=_ONCE)).status_code == 200
        http = local(qstash_signer=StoredSigner())
        store = FaultStore(open_store(database, "full"), reading)
        async with JobRunner(store, jobs=[http]) as runner:
            await until(lambda: runner.stats().completed == 1)
            (listed,) = await runner.jobs.list()
            job = await runner.jobs.get(listed.id)
        assert store.was_met(reading)
        assert (job.attempts, job.snoozes, len(receiver.received)) == (1, 1, 1)
        assert "the database cannot be used now" in (job.history[0].message or "")


@pytest.mark.parametrize("is_refused", [True, False])
async def test_a_death_without_an_answer_keeps_the_next_message_of_its_queue_until_it_is_called_back(
    database: Path, *, is_refused: bool
) -> None:
    """It is not sent, as its URL is not allowed any more; or its certificate is of a stranger."""
    authority, stranger, gate = Authority(), Authority(), asyncio.Event()

    async def answers(got: Received, writer: asyncio.StreamWriter) -> None:
        if got.target == "/failed":
            await gate.wait()
        writer.write(reply())

    serves = None if is_refused else stranger.serving("127.0.0.1")
    async with (
        endpoint(answers, tls=authority.serving("127.0.0.1")) as receiver,
        endpoint(tls=serves) as unreachable,
    ):
        async with serving(JobRunner(database, jobs=[http := local()], max_running=0), http) as api:
            failed = {"Upstash-Failure-Callback": f"{receiver.url}/failed"}
            made = await api.post(f"/v2/enqueue/q/{unreachable.url}", headers={**_ONCE, **failed})
            await api.post(f"/v2/enqueue/q/{receiver.url}/next", headers=_ONCE)
        http = Http(allow_private=True, ssl_context=authority.trusting, qstash_signer=StoredSigner())
        async with JobRunner(database, jobs=[http]) as runner:
            await until(lambda: receiver.targets != [])
            assert receiver.targets == ["/failed"]
            gate.set()
            await until(lambda: runner.stats().completed >= 3)  # the report of the death is one of them
        assert receiver.targets == ["/failed", "/next"]
        said = receiver.received[0].json()
        assert (said["status"], said["dlqId"], unreachable.received) == (0, made.json()["messageId"], [])
        assert ("a URL of https" if is_refused else "certificate verify failed") in said["error"]
