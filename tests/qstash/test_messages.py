"""Publish, enqueue, batch; read one message, cancel one. Deliveries go to real servers on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.http import SigningKeys, Verifier
from aiojobs_lite.model.job import Status
from aiojobs_lite.testing import FakeClock
from tests.helpers.endpoints import Received, endpoint, local, reply
from tests.helpers.qstash import CURRENT_KEY, NEXT_KEY, serving
from tests.helpers.waiting import until

URL = "http://127.0.0.1:9/hook"  # nothing is delivered where it is used


class Stored(NamedTuple):
    """A client whose messages stay where they are, and their runner."""

    api: httpx.AsyncClient
    runner: JobRunner


@asynccontextmanager
async def storing(**options: Any) -> AsyncIterator[Stored]:
    http = local()
    runner = JobRunner(":memory:", jobs=[http], max_running=0, clock=options.pop("clock", None))
    async with serving(runner, http, **options) as api:
        yield Stored(api, runner)


async def shown(api: httpx.AsyncClient, **headers: Any) -> Any:
    """A message that was published with these headers, without what each has."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    made = await api.post(f"/v2/publish/{URL}", headers=given, content=b"hello")
    assert made.status_code == 200, made.text
    found = (await api.get(f"/v2/messages/{made.json()['messageId']}")).json()
    return {name: found[name] for name in found.keys() - COMMON.keys() if name not in {"messageId", "createdAt"}}


COMMON = {"url": URL, "method": "POST", "body": "hello", "callerIP": "192.0.2.7"}


# One message.


async def test_a_message_is_published_delivered_and_readable_afterwards() -> None:
    async with endpoint(reply(200, b"thanks")) as receiver:
        http = local()
        runner = JobRunner(":memory:", jobs=[http])
        async with serving(runner, http, mount="/any/path") as api:
            url = f"{receiver.url}/a%2Fb//c?x=1&y=%20"
            before = int(time.time() * 1000)
            made = await api.post(
                f"/v2/publish/{url}&upstash-retries=7&qstash_token=x", content=b'{"a":1}',
                headers={"Content-Type": "application/json", "Upstash-Forward-x-tenant": "eu", "Upstash-Method": "PUT"},
            )  # fmt: skip
            assert (made.status_code, made.json().keys()) == (200, {"messageId", "url"})
            message_id = made.json()["messageId"]
            assert made.json()["url"] == url
            await runner.run_until_idle()
            found = (await api.get(f"/v2/messages/{message_id}")).json()
    created_at = found.pop("createdAt")
    assert before <= created_at <= time.time() * 1000 + 1
    assert found == {
        "messageId": message_id, "url": url, "method": "PUT", "body": '{"a":1}', "maxRetries": 7,
        "header": {"Content-Type": ["application/json"], "X-Tenant": ["eu"]}, "callerIP": "192.0.2.7",
        "notBefore": created_at,
    }  # fmt: skip
    (got,) = receiver.received
    assert (got.method, got.target, got.body) == ("PUT", url.removeprefix(receiver.url), b'{"a":1}')
    wanted = {
        "content-type": "application/json", "x-tenant": "eu", "user-agent": "Upstash-QStash",
        "upstash-message-id": message_id, "upstash-retried": "0", "upstash-caller-ip": "192.0.2.7",
    }  # fmt: skip
    assert {name: got.header(name) for name in wanted} == wanted
    ours = {name for name, _ in got.headers if name.startswith("upstash")}
    assert ours - wanted.keys() == {"upstash-signature"}
    verifier = Verifier(SigningKeys(CURRENT_KEY, NEXT_KEY), scheme="upstash", url=url)
    assert verifier.verify(got.body, dict(got.headers)).id == message_id


async def test_all_headers_of_a_webhook_are_forwarded_if_it_asks_for_that() -> None:
    async with endpoint() as receiver:
        http = local()
        runner = JobRunner(":memory:", jobs=[http])
        async with serving(runner, http) as api:
            del api.headers["Authorization"]
            parameters = "qstash_token=token-of-this-test&upstash-header-forward=true&a=b"
            made = await api.post(f"/v2/publish/{receiver.url}?{parameters}", headers={"X-Event": "push"}, json=1)
            assert made.json()["url"] == f"{receiver.url}?a=b"
            await runner.run_until_idle()
    (got,) = receiver.received
    assert (got.target, got.header("x-event"), got.header("content-type")) == ("/?a=b", "push", "application/json")
    assert "token-of-this-test" not in str(got)


async def test_what_an_attempt_may_take_is_kept_with_the_message_and_its_callbacks() -> None:
    async with storing() as (api, runner):
        headers = {"Upstash-Timeout": "1m"}
        for kind, seconds in (("Callback", 7), ("Failure-Callback", 8)):
            headers |= {
                f"Upstash-{kind}": URL, f"Upstash-{kind}-Timeout": f"{seconds}s", f"Upstash-{kind}-Delay": "9",
                f"Upstash-{kind}-Retry-Delay": "1",
            }  # fmt: skip
        await api.post(f"/v2/publish/{URL}", headers=headers)
        (job,) = await runner.jobs.list()
    kept = [job.payload, job.payload["callback"]["arguments"], job.payload["failure_callback"]["arguments"]]
    assert [(one["timeout"], one.get("retry_delay")) for one in kept] == [(60.0, None), (7.0, "1"), (8.0, "1")]
    assert [job.payload[name]["options"]["delay"] for name in ("callback", "failure_callback")] == [9.0, 9.0]


async def test_a_message_without_a_type_is_delivered_without_one() -> None:
    async with endpoint() as receiver:
        http = local()
        runner = JobRunner(":memory:", jobs=[http])
        async with serving(runner, http) as api:
            await api.post(f"/v2/publish/{receiver.url}", content=b"\xff\x00")
            await runner.run_until_idle()
    (got,) = receiver.received
    assert (got.body, [name for name, _ in got.headers if name == "content-type"]) == (b"\xff\x00", [])


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, {"maxRetries": 3}),
        ({"Upstash_Retries": "0"}, {"maxRetries": 0}),
        ({"Upstash_Retry_Delay": "pow(2, retried)"}, {"maxRetries": 3, "retryDelayExpression": "pow(2, retried)"}),
        (
            {
                "Upstash_Callback": "http://127.0.0.1/c", "Upstash_Callback_Forward_x": "y",
                "Upstash_Failure_Callback": "http://127.0.0.1/f",
            },
            {
                "maxRetries": 3, "callback": "http://127.0.0.1/c", "callbackHeader": {"X": ["y"]},
                "failureCallback": "http://127.0.0.1/f",
            },
        ),
        ({"Upstash_Label": "a,b"}, {"maxRetries": 3, "label": "a", "labels": ["a", "b"]}),
        ({"Upstash_Telemetry_Sdk": "x", "Upstash_Timeout": "5s"}, {"maxRetries": 3}),
        (
            {"Upstash_Flow_Control_Key": "k", "Upstash_Flow_Control_Value": "rate=5,period=2s"},
            {"maxRetries": 3, "flowControlKey": "k", "rate": 5, "period": 2},
        ),
    ],
)  # fmt: skip
async def test_what_the_headers_say_is_what_the_message_shows(headers: Any, expected: Any) -> None:
    async with storing() as (api, _):
        found = await shown(api, **headers)
    found.pop("notBefore")
    assert found == expected


async def test_the_first_attempt_waits_for_a_delay_or_an_instant() -> None:
    clock = FakeClock()
    now = clock.now() // 1000
    async with storing(clock=clock) as (api, runner):
        later = now // 1000 + 500
        await shown(api, Upstash_Delay="1m")
        found = await shown(api, Upstash_Not_Before=str(later), Upstash_Delay="1m")
        assert found["notBefore"] == later * 1000
        await shown(api, Upstash_Not_Before="1000")
        due = [int(job.scheduled_at.timestamp() * 1000) for job in await runner.jobs.list()]
    assert due == [1_000_000, later * 1000, now + 60_000]


async def test_a_message_with_a_delay_says_when_it_is_due() -> None:
    async with storing() as (api, _):
        made = (await api.post(f"/v2/publish/{URL}", headers={"Upstash-Delay": "1h"})).json()
        found = (await api.get(f"/v2/messages/{made['messageId']}")).json()
    assert found["notBefore"] == found["createdAt"] + 3_600_000


async def test_a_retry_waits_by_the_expression_and_the_last_attempt_ends_in_the_dead_letter_list() -> None:
    async with endpoint(reply(404, b"404 Not Found")) as receiver:
        http = local()
        runner = JobRunner(":memory:", jobs=[http])
        async with serving(runner, http) as api:
            headers = {"Upstash-Retries": "2", "Upstash-Retry-Delay": "retried", "Upstash-Timeout": "30s"}
            await api.post(f"/v2/publish/{receiver.url}", headers=headers)
            await until(lambda: runner.stats().dead == 1)
            (job,) = await runner.jobs.list(type="http.delivery")
    assert job.attempts == 3
    assert [got.header("upstash-retried") for got in receiver.received] == ["0", "1", "2"]


async def test_a_callback_is_a_message_with_options_of_its_own() -> None:
    async with endpoint(reply(500), reply(200, b"done")) as receiver, endpoint() as back:
        http = local()
        runner = JobRunner(":memory:", jobs=[http])
        async with serving(runner, http) as api:
            made = await api.post(
                f"/v2/publish/{receiver.url}", content=b"hi",
                headers={
                    "Upstash-Callback": f"{back.url}/c", "Upstash-Callback-Method": "PUT", "Upstash-Label": "l",
                    "Upstash-Callback-Forward-z": "1", "Upstash-Callback-Retries": "1", "Upstash-Retry-Delay": "1",
                },
            )  # fmt: skip
            await until(lambda: len(back.received) == 2)
            await runner.run_until_idle()
            callbacks = [job for job in await runner.jobs.list() if job.payload["url"] == f"{back.url}/c"]
    assert [job.max_attempts for job in callbacks] == [2, 2]
    assert callbacks[0].metadata == {"by": "qstash", "host": "127.0.0.1", "url": f"{back.url}/c", "path": "/c"}
    for got in back.received:
        assert (got.method, got.header("z"), got.header("content-type")) == ("PUT", "1", "application/json")
        assert got.header("upstash-signature")
    said = sorted((json.loads(got.body) for got in back.received), key=lambda one: one["retried"])
    assert [(one["status"], one["retried"], one["maxRetries"]) for one in said] == [(500, 0, 3), (200, 1, 3)]
    assert {(one["sourceMessageId"], one["url"], one["callerIP"]) for one in said} == {
        (made.json()["messageId"], receiver.url, "192.0.2.7")
    }


async def test_a_failure_callback_is_sent_once_with_the_id_in_the_dead_letter_list() -> None:
    async with endpoint(reply(500)) as receiver, endpoint() as back:
        http = local()
        runner = JobRunner(":memory:", jobs=[http])
        async with serving(runner, http) as api:
            headers = {"Upstash-Failure-Callback": back.url, "Upstash-Retries": "1", "Upstash-Retry-Delay": "1"}
            made = await api.post(f"/v2/publish/{receiver.url}", headers=headers)
            await until(lambda: len(back.received) == 1)
            await runner.run_until_idle()
    (got,) = back.received
    said = json.loads(got.body)
    assert (said["dlqId"], said["retried"], said["status"]) == (made.json()["messageId"], 1, 500)


# What is refused.


@pytest.mark.parametrize(
    ("path", "headers", "problem"),
    [
        ("/v2/publish/http:///x", {}, "destination"),
        ("/v2/publish/a b", {}, "a URL with http:// or https://, or the name of a URL group"),
        ("/v2/publish/ftp://x.example", {}, "a URL with http:// or https://, or the name of a URL group"),
        ("/v2/publish/https://u:p@x.example", {}, "without a user"),
        (f"/v2/publish/{URL}", {"Upstash-Retries": "x"}, "Upstash-Retries"),
        (f"/v2/publish/{URL}", {"Upstash-Callback": "x"}, "Upstash-Callback"),
        (f"/v2/publish/{URL}", {"Upstash-Failure-Callback": "ftp://x"}, "Upstash-Failure-Callback"),
        (f"/v2/publish/{URL}", {"Upstash-Forward-Host": "x"}, "no header of the connection"),
        (f"/v2/publish/{URL}", {"Upstash-Forward-A": "\u00e9"}, "text of printable ASCII"),
        (f"/v2/publish/{URL}", {"Upstash-Queue-Name": "a b"}, "queue"),
        (f"/v2/enqueue/a%20b/{URL}", {}, "queue"),
        ("/v2/enqueue/q/https://u:p@x.example", {}, "without a user"),
        (f"/v2/enqueue/q/{URL}", {"Upstash-Callback": "x"}, "Upstash-Callback"),
        (f"/v2/publish/{URL}?upstash-delay=x", {}, "Upstash-Delay"),
    ],
)
async def test_what_cannot_work_is_answered_400_and_nothing_is_written(path: str, headers: Any, problem: str) -> None:
    async with storing() as (api, runner):
        found = await api.post(path, headers={name: value.encode("latin-1") for name, value in headers.items()})
        assert (found.status_code, problem in found.json()["error"]) == (400, True), found.text
        assert await runner.jobs.list() == []
        assert await runner.documents.list("qstash.queue") == []


async def test_a_private_address_and_plain_http_are_refused_unless_they_are_allowed() -> None:
    http = local(allow_http=False, allow_private=False)
    async with serving(JobRunner(":memory:", jobs=[http]), http) as api:
        for url, problem in (("http://example.com", "a URL of https"), ("https://127.0.0.1", "a public address")):
            found = await api.post(f"/v2/publish/{url}")
            assert (found.status_code, problem in found.json()["error"]) == (400, True)
        assert (await api.post("/v2/enqueue/q/https://127.0.0.1")).status_code == 400
        assert (await api.get("/v2/queues")).json() == []


async def test_a_body_that_is_too_large_is_answered_413() -> None:
    http = local(largest_body=1000)
    runner = JobRunner(":memory:", jobs=[http], max_running=0)
    async with serving(runner, http) as api:
        assert (await api.post(f"/v2/publish/{URL}", content=b"x" * 1000)).status_code == 200
        found = await api.post(f"/v2/publish/{URL}", content=b"x" * 1001)
        batch = await api.post("/v2/batch", json=[{"destination": URL, "body": "x" * 1001}])
    assert (found.status_code, found.json()) == (413, {"error": "the body is too large: at most 1,000 bytes are taken"})
    assert batch.json() == [found.json()]


async def test_of_an_endless_body_no_more_is_read_than_a_message_may_have() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 1000

    http = local(largest_body=10_000)
    async with serving(JobRunner(":memory:", jobs=[http], max_running=0), http) as api:
        assert (await api.post(f"/v2/publish/{URL}", content=endless())).status_code == 413
    assert sent == 11


@pytest.mark.parametrize("path", [f"/v2/publish/{URL}", f"/v2/enqueue/q/{URL}"])
async def test_a_cancelled_publish_of_a_client_that_reads_only_writes_nothing(path: str) -> None:
    async with storing() as (api, runner):
        api.headers["Authorization"] = "Bearer token-that-only-reads"
        assert (await api.post(path)).status_code == 403
        assert await runner.jobs.list() == []


async def test_an_https_url_with_one_slash_is_taken_as_one_with_two() -> None:
    async with storing() as (api, _):
        found = await api.post("/v2/publish/http:/127.0.0.1:9/hook")
    assert found.json()["url"] == URL


# Groups.


async def test_a_message_to_a_group_goes_to_each_endpoint() -> None:
    async with storing() as (api, _):
        ends = [{"url": f"{URL}/1", "name": "one"}, {"url": f"{URL}/2"}]
        await api.post("/v2/topics/group/endpoints", json={"endpoints": ends})
        made = (await api.post("/v2/publish/group", content=b"x")).json()
        assert [one["url"] for one in made] == [f"{URL}/1", f"{URL}/2"]
        found = [(await api.get(f"/v2/messages/{one['messageId']}")).json() for one in made]
    assert [(one["topicName"], one.get("endpointName"), one["url"]) for one in found] == [
        ("group", "one", f"{URL}/1"), ("group", None, f"{URL}/2"),
    ]  # fmt: skip


async def test_an_unknown_group_is_answered_404() -> None:
    async with storing() as (api, _):
        assert (await api.post("/v2/publish/nothing")).status_code == 404


# Repeats.


async def test_the_same_id_within_ten_minutes_gives_the_first_message() -> None:
    clock = FakeClock()
    async with storing(clock=clock) as (api, runner):

        async def publish(text: bytes, given: str) -> httpx.Response:
            return await api.post(f"/v2/publish/{URL}", content=text, headers={"Upstash-Deduplication-Id": given})

        first = await publish(b"1", "a")
        again = await publish(b"2", "a")
        assert (first.status_code, again.status_code) == (200, 202)
        assert again.json() == {**first.json(), "deduplicated": True}
        assert (await publish(b"1", "b")).status_code == 200
        await api.delete(f"/v2/messages/{first.json()['messageId']}")  # the id counts all the same
        await runner.jobs.delete(1)  # so it does when the message is gone
        clock.advance(599)
        assert (await publish(b"3", "a")).status_code == 202
        clock.advance(1)
        later = await publish(b"4", "a")
        assert (later.status_code, later.json()["messageId"] != first.json()["messageId"]) == (200, True)
        assert len(await runner.jobs.list()) == 2


async def test_the_window_is_as_the_application_says() -> None:
    clock = FakeClock()
    async with storing(clock=clock, deduplicate_for="1h") as (api, _):
        headers = {"Upstash-Deduplication-Id": "a"}
        statuses = []
        for wait in (0, 3599, 1):
            clock.advance(wait)
            statuses.append((await api.post(f"/v2/publish/{URL}", headers=headers)).status_code)
    assert statuses == [200, 202, 200]


async def test_a_repeat_is_known_by_its_content() -> None:
    async with storing() as (api, _):

        async def status(url: str = URL, text: bytes = b"1", more: Any = ()) -> int:
            headers = {"Upstash-Content-Based-Deduplication": "True", "Upstash-Forward-A": "1", **dict(more)}
            return (await api.post(f"/v2/publish/{url}", content=text, headers=headers)).status_code

        assert await status() == 200
        assert await status(more={"Upstash-Retries": "7"}) == 202  # how it is delivered is no content
        assert await status(f"{URL}?x") == 200
        assert await status(text=b"2") == 200
        assert await status(more={"Upstash-Forward-A": "2"}) == 200
        assert await status(more={"Content-Type": "text/x"}) == 200
        assert await status() == 202


async def test_each_endpoint_of_a_group_has_its_own_repeats() -> None:
    async with storing() as (api, _):
        await api.post("/v2/topics/group/endpoints", json={"endpoints": [{"url": f"{URL}/1"}]})
        headers = {"Upstash-Deduplication-Id": "a"}
        first = await api.post("/v2/publish/group", headers=headers)
        await api.post("/v2/topics/group/endpoints", json={"endpoints": [{"url": f"{URL}/2"}]})
        mixed = await api.post("/v2/publish/group", headers=headers)
        again = await api.post("/v2/publish/group", headers=headers)
    assert (first.status_code, mixed.status_code, again.status_code) == (200, 200, 202)
    assert [one.get("deduplicated") for one in mixed.json()] == [True, None]
    assert mixed.json()[0]["messageId"] == first.json()[0]["messageId"]


async def test_of_two_repeats_at_once_one_is_new() -> None:
    async with storing() as (api, runner):
        headers = {"Upstash-Deduplication-Id": "a"}
        made = await asyncio.gather(*(api.post(f"/v2/publish/{URL}", headers=headers) for _ in range(10)))
        assert sorted(one.status_code for one in made) == [200] + [202] * 9
        assert len({one.json()["messageId"] for one in made}) == len(await runner.jobs.list()) == 1


# Batches.


async def test_a_batch_publishes_in_its_order_and_a_failed_item_has_its_error() -> None:
    async with storing() as (api, runner):
        await api.post("/v2/topics/group/endpoints", json={"endpoints": [{"url": f"{URL}/1"}, {"url": f"{URL}/2"}]})
        answered = await api.post("/v2/batch", content=json.dumps([
            {"destination": URL, "headers": {"Upstash-Forward-A": "1", "Content-Type": "text/x"}, "body": "one"},
            {"destination": "nothing", "headers": {}},
            {"destination": "group", "headers": {"upstash-retries": "0"}, "body": None, "queue": None},
            {"destination": URL, "headers": {"Upstash-Retries": "x"}},
            {"destination": URL, "headers": {"Upstash-Cron": "* * * * *"}},
            {"destination": URL, "headers": None},
            {"destination": URL, "body": {"a": 1}},
            {"destination": URL, "headers": {"a": 1}},
            {"destination": 7}, 7, {"destination": URL, "body": "\ud800"},
        ]))  # fmt: skip
        assert answered.status_code == 200
        first, unknown, group, wrong, cron, bare, *malformed = answered.json()
        found = (await api.get(f"/v2/messages/{first['messageId']}")).json()
        assert (found["body"], found["header"]) == ("one", {"Content-Type": ["text/x"], "A": ["1"]})
        assert "there is no url group 'nothing'" in unknown["error"]
        assert [one["url"] for one in group] == [f"{URL}/1", f"{URL}/2"]
        assert "Upstash-Retries" in wrong["error"]
        assert cron == {"error": "an item of a batch makes no schedule: POST it to /v2/schedules"}
        assert bare["url"] == URL
        form = 'send [{"destination": "https://...", "headers": {}, "body": "..."}]'
        assert [one["error"] for one in malformed] == [
            f"an item of a batch has another form: {form}",
            f"the headers of an item of a batch are no texts: {form}",
            f"an item of a batch has another form: {form}",
            f"an item of a batch has another form: {form}",
            "the body of an item of a batch has a lone surrogate, which is no text",
        ]
        assert len(await runner.jobs.list()) == 4


@pytest.mark.parametrize("body", [{}, None, "x", [{}] * 10_001])
async def test_what_is_no_batch_is_answered_400(body: Any) -> None:
    async with storing() as (api, _):
        found = await api.post("/v2/batch", json=body)
    assert (found.status_code, "the body is no list of at most 10,000 messages" in found.json()["error"]) == (400, True)


async def test_an_empty_batch_publishes_nothing() -> None:
    async with storing() as (api, _):
        found = await api.post("/v2/batch", json=[])
    assert (found.status_code, found.json()) == (200, [])


async def test_a_repeat_within_a_batch_gives_the_first_message() -> None:
    async with storing() as (api, _):
        item = {"destination": URL, "headers": {"Upstash-Deduplication-Id": "a"}}
        first, again = (await api.post("/v2/batch", json=[item, item])).json()
    assert again == {**first, "deduplicated": True}


# Redaction.


@pytest.mark.parametrize("body", [b"secret-text", b"secret\xff"])
async def test_what_is_redacted_is_delivered_and_not_shown(body: bytes) -> None:
    async with endpoint(reply(500)) as receiver, endpoint() as back:
        http = local()
        runner = JobRunner(":memory:", jobs=[http])
        async with serving(runner, http) as api:
            made = await api.post(
                f"/v2/publish/{receiver.url}", content=body,
                headers={
                    "Upstash-Redact-Fields": "body,header[Authorization]",
                    "Upstash-Forward-Authorization": "secret-key",
                    "Upstash-Forward-X": "plain", "Upstash-Retries": "0", "Upstash-Failure-Callback": back.url,
                    "Content-Type": "text/x",
                },
            )  # fmt: skip
            await until(lambda: len(back.received) == 1)
            found = await api.get(f"/v2/messages/{made.json()['messageId']}")
    (got,) = receiver.received
    assert (got.body, got.header("authorization")) == (body, "secret-key")
    sha = [hashlib.sha256(value).hexdigest() for value in (body, b"secret-key")]
    assert found.json()["body"] == f"REDACTED:{sha[0]}"
    assert found.json()["header"] == {
        "Content-Type": ["text/x"], "X": ["plain"], "Authorization": [f"REDACTED:{sha[1]}"],
    }  # fmt: skip
    assert "secret" not in found.text
    said = json.loads(back.received[0].body)
    assert said["sourceHeader"]["Authorization"] == [f"REDACTED:{sha[1]}"]
    assert "secret" not in str(said)


# One message: reading and cancelling.


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_message_that_is_not_there_is_answered_404(method: str) -> None:
    async with storing() as (api, runner):
        handle = await runner.publish(URL)
        database = handle.key.rpartition("-")[0]
        for unknown in ("x", "1", f"{database}-7", f"{database}-01", f"x{handle.key}", f"{database}-\u0661", "9" * 30):
            found = await api.request(method, f"/v2/messages/{unknown}")
            assert found.status_code == 404, unknown
        for unknown in ("", "/"):
            assert (await api.request(method, f"/v2/messages{unknown}/")).status_code == 404


async def test_a_job_of_another_type_is_no_message() -> None:
    http = local()
    runner = JobRunner(":memory:", jobs=[http], max_running=0)

    @runner.job
    async def work() -> None: ...

    async with serving(runner, http) as api:
        handle = await runner.enqueue(work)
        assert (await api.delete(f"/v2/messages/{handle.key}")).status_code == 404
        assert (await handle.job()).status is Status.PENDING


async def test_a_waiting_message_is_cancelled_once() -> None:
    async with storing() as (api, runner):
        made = (await api.post(f"/v2/publish/{URL}", headers={"Upstash-Delay": "1h"})).json()
        found = await api.delete(f"/v2/messages/{made['messageId']}")
        assert (found.status_code, found.json()) == (200, {"cancelled": 1})
        assert [job.status for job in await runner.jobs.list()] == [Status.CANCELLED]


async def test_a_message_in_flight_is_stopped() -> None:
    arrived, gate = asyncio.Event(), asyncio.Event()

    async def wait(received: Received, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await gate.wait()

    async with endpoint(wait) as receiver:
        http = local()
        runner = JobRunner(":memory:", jobs=[http])
        async with serving(runner, http) as api:
            made = (await api.post(f"/v2/publish/{receiver.url}")).json()
            await arrived.wait()
            found = await api.delete(f"/v2/messages/{made['messageId']}")
            assert (found.status_code, found.json()) == (200, {"cancelled": 1})
            await until(lambda: runner.stats().running == 0)
            (job,) = await runner.jobs.list()
            assert job.status is Status.CANCELLED
        gate.set()


async def test_a_delivered_message_cannot_be_cancelled() -> None:
    async with endpoint() as receiver:
        http = local()
        runner = JobRunner(":memory:", jobs=[http])
        async with serving(runner, http) as api:
            made = (await api.post(f"/v2/publish/{receiver.url}")).json()
            await runner.run_until_idle()
            found = await api.delete(f"/v2/messages/{made['messageId']}")
    assert (found.status_code, "is completed and cannot be cancelled" in found.json()["error"]) == (404, True)
