"""Faults of the database in each endpoint of the QStash API: a client is answered 503, and its repeat succeeds."""

from __future__ import annotations

import asyncio
from pathlib import Path
from shutil import copy
from typing import Any, Final, NamedTuple

import httpx
import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.stores.open import open_store
from tests.helpers.endpoints import endpoint, local, reply
from tests.helpers.fault_store import Fault, FaultStore
from tests.helpers.qstash import serving
from tests.helpers.rings import drawn, slow
from tests.helpers.waiting import until

pytestmark = drawn(2)

_URL: Final = "http://127.0.0.1:9/hook"  # nothing is delivered where it is used
_MOST_CALLS: Final = 15  # of the store, by one request


class Call(NamedTuple):
    """A request; `{pending}` and `{dead}` in its path and its query stand for messages."""

    method: str
    path: str
    body: Any = None
    headers: dict[str, str] = {}  # noqa: RUF012  # nothing changes it


_ENDPOINT: Final = {"endpoints": [{"url": _URL}]}
_FLOW: Final = {"Upstash-Flow-Control-Key": "new", "Upstash-Flow-Control-Value": "rate=5"}
_CALLS: Final = (
    Call("POST", f"/v2/publish/{_URL}", "x"),
    Call("POST", f"/v2/publish/{_URL}", "x", _FLOW),
    Call("POST", "/v2/publish/g", "x"),
    Call("POST", f"/v2/enqueue/new/{_URL}", "x"),
    Call("POST", "/v2/batch", [{"destination": _URL, "queue": "new"}, {"destination": "g"}]),
    Call("GET", "/v2/messages/{pending}"),
    Call("DELETE", "/v2/messages/{pending}"),
    Call("DELETE", "/v2/messages"),
    Call("DELETE", "/v2/messages?messageIds={pending}"),
    Call("POST", "/v2/queues", {"queueName": "new", "parallelism": 3, "paused": True}),
    Call("POST", "/v2/queues", {"queueName": "q", "parallelism": 3, "paused": False}),
    Call("GET", "/v2/queues"),
    Call("GET", "/v2/queues/q"),
    Call("POST", "/v2/queues/q/pause"),
    Call("POST", "/v2/queues/q/resume"),
    Call("DELETE", "/v2/queues/q"),
    Call("POST", f"/v2/schedules/{_URL}", "x", {"Upstash-Cron": "0 3 * * *", "Upstash-Queue-Name": "new"}),
    Call("POST", f"/v2/schedules/{_URL}", "x", {"Upstash-Cron": "0 3 * * *", "Upstash-Schedule-Id": "s"}),
    Call("GET", "/v2/schedules"),
    Call("GET", "/v2/schedules/s"),
    Call("POST", "/v2/schedules/s/pause"),
    Call("POST", "/v2/schedules/s/resume"),
    Call("DELETE", "/v2/schedules/s"),
    Call("POST", "/v2/topics/new/endpoints", _ENDPOINT),
    Call("DELETE", "/v2/topics/g/endpoints", _ENDPOINT),
    Call("GET", "/v2/topics"),
    Call("GET", "/v2/topics/g"),
    Call("DELETE", "/v2/topics/g"),
    Call("GET", "/v2/dlq"),
    Call("GET", "/v2/dlq/{dead}"),
    Call("DELETE", "/v2/dlq/{dead}"),
    Call("DELETE", "/v2/dlq?count=9"),
    Call("POST", "/v2/dlq/retry?count=9"),
    Call("POST", "/v2/dlq/retry/{dead}"),
    Call("POST", "/v2/dlq/retry/{dead}", None, _FLOW),
    Call("GET", "/v2/events"),
    Call("GET", "/v2/logs"),
    Call("GET", "/v2/flowControl"),
    Call("GET", "/v2/flowControl/k"),
    Call("POST", "/v2/flowControl/k/pause"),
    Call("POST", "/v2/flowControl/k/resume"),
    Call("POST", "/v2/flowControl/k/pin?parallelism=3&rate=5&period=9"),
    Call("POST", "/v2/flowControl/k/unpin?parallelism=true&rate=true"),
    Call("POST", "/v2/flowControl/k/resetRate"),
    Call("GET", "/v2/globalParallelism"),
    Call("GET", "/v2/keys"),
    Call("POST", "/v2/keys/rotate"),
)


class Before(NamedTuple):
    """A database with some of each, and the ids of two messages of it."""

    database: Path
    ids: dict[str, str]

    async def sent(self, api: httpx.AsyncClient, call: Call) -> httpx.Response:
        given = {"content": call.body} if isinstance(call.body, str) else {"json": call.body}
        return await api.request(call.method, call.path.format(**self.ids), headers=call.headers, **given)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Before:
    """It is copied for each trial."""
    database = tmp_path_factory.mktemp("before") / "jobs.db"
    return Before(database, asyncio.run(_filled(database)))


async def _filled(database: Path) -> dict[str, str]:
    http = local()
    runner = JobRunner(database, jobs=[http])
    async with endpoint(reply(404)) as receiver, serving(runner, http) as api:
        dead = await api.post(f"/v2/publish/{receiver.url}", headers={"Upstash-Retries": "0"})
        await api.post(f"/v2/publish/{receiver.url}", headers={"Upstash-Retries": "0", "Upstash-Delay": "0"})
        await runner.run_until_idle()
        later = {"Upstash-Delay": "1h", "Upstash-Flow-Control-Key": "k", "Upstash-Flow-Control-Value": "rate=5"}
        pending = await api.post(f"/v2/publish/{_URL}", headers=later)
        await api.post("/v2/queues", json={"queueName": "q", "parallelism": 2})
        await api.post("/v2/topics/g/endpoints", json=_ENDPOINT)
        await api.post(f"/v2/schedules/{_URL}", headers={"Upstash-Cron": "0 0 1 1 *", "Upstash-Schedule-Id": "s"})
        await api.post("/v2/flowControl/k/pin?parallelism=2&rate=2")
    return {"dead": dead.json()["messageId"], "pending": pending.json()["messageId"]}


@slow
@pytest.mark.parametrize("call", _CALLS, ids=[f"{call.method} {call.path}" for call in _CALLS])
async def test_each_call_is_carried_out_or_answered_503(before: Before, call: Call, tmp_path: Path) -> None:
    """The calls of the store that a request makes fail one by one: reads, and writes before anything is done."""
    expected = await _tried(before, call, tmp_path / "sound.db")
    assert expected.answers[0].status_code < 300
    for method in ("ask", "apply", "inline"):
        for number in range(1, _MOST_CALLS):
            fault = Fault(method=method, at=number)
            trial = await _tried(before, call, tmp_path / f"{method} {number}.db", fault)
            first, *again = trial.answers
            if first.status_code != 503:  # the fault was met by nothing, or by what is repeated
                assert _shape(first) == _shape(expected.answers[0])
            else:
                assert "Repeat the call later" in first.json()["error"]
                assert again[0].status_code in {200, 201, 404}  # the last if it was done all the same
            if not trial.was_met:
                break
        else:
            raise AssertionError(f"a request makes more than {_MOST_CALLS} calls of the store: {method}")


class Trial(NamedTuple):
    """The answers to a request and, after a 503, to its repeat; and whether the fault came to pass."""

    answers: list[httpx.Response]
    was_met: bool


async def _tried(before: Before, call: Call, database: Path, *faults: Fault) -> Trial:
    copy(before.database, database)
    store, http = FaultStore(open_store(database, "full"), has_inline=True), local()
    runner = JobRunner(store, jobs=[http], max_running=0)
    async with serving(runner, http) as api:
        assert (await api.get("/v2/queues")).status_code == (await api.get("/v2/keys")).status_code == 200
        store.faults = list(faults)
        answers = [await before.sent(api, call)]
        was_met = any(map(store.was_met, faults))
        store.faults = []
        if answers[0].status_code == 503:
            await until(lambda: runner.stats().degraded is None)
            answers.append(await before.sent(api, call))
        return Trial(answers, was_met)


def _shape(answer: httpx.Response) -> Any:
    """The status of an answer, and the names in its body: ids and times are others each time."""
    body = answer.json() if answer.content else None
    entries = body if isinstance(body, list) else [body]
    return answer.status_code, [sorted(entry) if isinstance(entry, dict) else entry for entry in entries]


async def test_a_batch_of_which_the_database_takes_no_item_is_answered_503(database: Path) -> None:
    """Clients look at the status of a batch, and not at each item."""
    store, http = FaultStore(open_store(database, "full")), local()
    runner = JobRunner(store, jobs=[http], max_running=0)
    async with serving(runner, http) as api:
        items = [{"destination": _URL}, {"destination": _URL, "queue": "q"}, {"destination": "not a name"}]
        assert [sorted(one) for one in (await api.post("/v2/batch", json=items)).json()][2] == ["error"]
        store.faults = [Fault(method="ask")]
        refused = await api.post("/v2/batch", json=items)
        store.faults = []
        assert (refused.status_code, "the database cannot be used now" in refused.json()["error"]) == (503, True)
        assert len(await runner.jobs.list()) == 2
