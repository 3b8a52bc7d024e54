"""Deliveries of whole runners to real servers on loopback."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import Backoff, JobDead, JobRunner
from aiojobs_lite.http import Http, Publish, RetryDelay, Signer, SigningKeys, Verifier
from aiojobs_lite.http.delivery import QSTASH_WAITS_S
from aiojobs_lite.model.job import Job, Outcome, Status
from tests.helpers.endpoints import Authority, Names, Received, delivering, endpoint, local, reply
from tests.helpers.waiting import until

QUICK = Backoff(base=0.001, cap=0.001)


async def dead(runner: JobRunner, *args: Any, **options: Any) -> Job:
    """A delivery that dies."""
    handle = await runner.publish(*args, **options)
    with pytest.raises(JobDead):
        await handle.result("10s")
    return await handle.job()


# What comes back, and what becomes of it.


async def test_a_delivery_is_tried_again_and_each_attempt_keeps_what_came_back() -> None:
    answers = reply(503, b"busy", Retry_After="0"), reply(500, b"\xff"), reply(200, b"done")
    async with endpoint(*answers) as server, delivering(backoff=QUICK) as runner:
        handle = await runner.publish(server.url, json=1)
        assert (await handle.result("10s")).body == "done"
        first, second = (await handle.job()).history
        kept, more = first.details or {}, second.details or {}
        assert first.message == "the receiver answered 503"
        assert kept.pop("latency") > 0
        assert kept == {
            "status": 503, "headers": [["Content-Length", "4"], ["Retry-After", "0"]], "body": "busy",
            "is_base64": False, "is_truncated": False,
        }  # fmt: skip
        assert (more["status"], more["body"], more["is_base64"]) == (500, "/w==", True)
        assert [received.body for received in server.received] == [b"1"] * 3


async def test_no_answer_is_kept_with_its_reason_and_tried_again() -> None:
    async with delivering(backoff=QUICK) as runner:
        job = await dead(runner, "http://127.0.0.1:1/", max_attempts=2)
        assert job.attempts == 2
        for attempt in job.history:
            assert attempt.details is not None
            assert (attempt.details["status"], attempt.outcome) == (0, Outcome.FAILED)
            assert attempt.details["error"] == attempt.message
            assert "Connect call failed" in (attempt.message or "")


@pytest.mark.parametrize("status", [400, 404, 410, 422])
async def test_an_answer_that_says_no_is_the_end(status: int) -> None:
    async with endpoint(reply(status)) as server, delivering() as runner:
        job = await dead(runner, server.url)
        assert (job.attempts, len(server.received)) == (1, 1)
        assert f"the receiver answered {status}" in (job.error or "")


async def test_a_redirect_to_a_private_address_is_named_and_not_followed() -> None:
    async with endpoint() as other, delivering() as runner:
        async with endpoint(reply(307, b"", Location=f"{other.url}/x")) as server:
            job = await dead(runner, server.url)
        assert f"a redirect to '{other.url}/x', which is not followed" in (job.error or "")
        assert other.received == []


async def test_by_the_rules_of_qstash_all_but_2xx_is_tried_again_but_for_489() -> None:
    stop = reply(489, b"", Upstash_NonRetryable_Error="true")
    async with endpoint(reply(404), reply(302), stop) as server, delivering() as runner:
        job = await dead(runner, server.url, rules="qstash", backoff=[0.001], max_attempts=9)
        assert (job.attempts, "489" in (job.error or "")) == (3, True)
        first = server.received[0]
        assert (first.header("upstash-retried"), first.header("user-agent")) == ("0", "Upstash-QStash")
        assert server.received[2].header("upstash-retried") == "2"
        key = runner.jobs.key_of(job.id)
        assert {one.header("upstash-message-id") for one in server.received} == {key}


@pytest.mark.parametrize(
    ("after", "options", "wait"),
    [
        ("30", {}, 30.0), ("86400", {"backoff": ["5s"]}, 86400.0), ("86401", {"backoff": ["5s"]}, 5.0),
        ("", {"backoff": RetryDelay("7000 + retried")}, 7.0), ("3", {"backoff": RetryDelay("7000")}, 3.0),
        ("", {"backoff": RetryDelay("1 / retried"), "rules": "qstash"}, 12.0),
        ("soon", {"backoff": ["5s", "6s"]}, 5.0), ("", {"backoff": Backoff(base=8, cap=8)}, (4.0, 8.0)),
        ("", {}, (15.0, 30.0)), ("", {"rules": "qstash"}, QSTASH_WAITS_S[0]),
        ("6m5s", {"rules": "qstash"}, 365.0),
        ("", {"backoff": Backoff(base=60, cap=60), "rules": "qstash"}, (30.0, 60.0)),
    ],
)  # fmt: skip
async def test_the_wait_before_the_next_attempt(after: str, options: dict[str, Any], wait: Any) -> None:
    async with endpoint(reply(503, Retry_After=after)) as server, delivering() as runner:
        handle = await runner.publish(server.url, **options)
        await until(lambda: runner.stats().retrying == 1)
        job = await handle.job()
        waits = (job.scheduled_at - job.history[0].ended_at).total_seconds()
        least, most = wait if isinstance(wait, tuple) else (wait, wait)
        assert least - 0.1 <= waits <= most + 0.1


async def test_a_date_in_retry_after_is_waited_for() -> None:
    past, an_hour = reply(503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"), Backoff(base=3600, cap=3600)
    async with endpoint(past, reply()) as server, delivering(backoff=an_hour) as runner:
        await (await runner.publish(server.url)).result("10s")
        assert len(server.received) == 2


async def test_a_date_in_retry_after_that_is_to_come_is_the_instant_of_the_next_attempt() -> None:
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    async with endpoint(reply(503, Retry_After=format_datetime(at, usegmt=True))) as server, delivering() as runner:
        handle = await runner.publish(server.url)
        await until(lambda: runner.stats().retrying == 1)
        assert abs((await handle.job()).scheduled_at - at) < timedelta(seconds=1)


async def test_the_last_of_a_list_of_waits_counts_for_all_that_follow() -> None:
    async with endpoint(reply(500)) as server, delivering() as runner:
        job = await dead(runner, server.url, backoff=[0.001, 0.002], max_attempts=5)
        assert (job.attempts, len(server.received)) == (5, 5)


# What is sent.


async def test_secret_headers_and_bodies_are_sent_and_shown_nowhere(
    database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with endpoint(reply(404)) as server:
        async with JobRunner(database, jobs=[local()]) as runner:
            secret = {"Authorization": "Bearer hunter2"}
            handle = await runner.publish(server.url, content="hunter2", secret_headers=secret, secret_body=True)
            await until(lambda: runner.stats().dead == 1)
            job = await handle.job()
            shown = f"{job} {job.payload} {job.history} {job.payload_json} {await runner.jobs.explain(handle.id)}"
            assert "hunter2" not in shown + caplog.text
            assert (job.payload["secret_headers"], job.payload["secret_body"]) == ("REDACTED", "REDACTED")
        (received,) = server.received
        assert (received.header("authorization"), received.body) == ("Bearer hunter2", b"hunter2")


@pytest.mark.parametrize("rules", ["default", "qstash"])
async def test_each_attempt_is_signed_anew_with_the_id_of_its_delivery(rules: Any) -> None:
    keys = {"default": SigningKeys.generate(), "qstash": SigningKeys.generate("upstash")}
    signers = {
        "signer": Signer(keys["default"]), "qstash_signer": Signer(keys["qstash"], scheme="upstash"),
    }  # fmt: skip
    async with endpoint(reply(500), reply()) as server, delivering(**signers) as runner:
        handle = await runner.publish(f"{server.url}/hook", json={"a": 1}, rules=rules, backoff=[0.001])
        await handle.result("10s")
        scheme = {"default": "standard", "qstash": "upstash"}[rules]
        verifier = Verifier(keys[rules], url=f"{server.url}/hook", scheme=scheme)
        ids = {verifier.verify(one.body, dict(one.headers)).id for one in server.received}
        assert (len(server.received), ids) == (2, {handle.key})


async def test_headers_of_the_library_replace_those_of_the_publisher() -> None:
    class Fixed:
        def sign(self, body: bytes, *, message_id: str, url: str) -> Mapping[str, str]:
            return {"X-Signature": f"{len(body)} {message_id} {url}"}

    async with endpoint() as server, delivering(signer=Fixed()) as runner:
        headers = {"x-SIGNATURE": "forged", "User-Agent": "mine", "X": "y"}
        handle = await runner.publish(server.url, content="ab", headers=headers)
        await handle.result("10s")
        received = server.received[0]
        assert [value for name, value in received.headers if name == "x-signature"] == [f"2 {handle.key} {server.url}"]
        assert (received.header("user-agent"), received.header("x")) == ("mine", "y")


async def test_a_delivery_asks_for_an_answer_as_it_is_unless_the_publisher_asks_for_another() -> None:
    async with endpoint() as server, delivering() as runner:
        for headers in ({}, {"accept-encoding": "br"}):
            await (await runner.publish(server.url, headers=headers)).result("10s")
        encodings = [one.header("accept-encoding") for one in server.received]
        assert (encodings, server.received[0].header("user-agent")) == (["identity", "br"], "aiojobs_lite")


# Where it may go.


@pytest.mark.parametrize(("http", "problem"), [(Http(), "a URL of https"), (Http(allow_http=True), "a public address")])
async def test_a_delivery_that_is_not_allowed_any_more_is_dead_and_not_sent(
    http: Http, problem: str, database: Path
) -> None:
    async with endpoint() as server:
        async with JobRunner(database, jobs=[local()], max_running=0) as runner:
            handle = await runner.publish(server.url)
        async with JobRunner(database, jobs=[http]) as runner:
            await until(lambda: runner.stats().dead == 1)
            assert f"expected {problem}" in ((await runner.jobs.get(handle.id)).error or "")
        assert server.received == []


async def test_a_delivery_that_failed_has_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """Its places are those of the library: what the receiver answered is all that there is to know."""
    async with endpoint(reply(503)) as server, delivering(backoff=QUICK) as runner:
        job = await dead(runner, server.url, max_attempts=2)
    assert [(one.message, one.traceback) for one in job.history] == [("the receiver answered 503", None)] * 2
    (line,) = [record for record in caplog.records if record.getMessage().startswith("dead:")]
    assert "Retry: the receiver answered 503" in line.getMessage()
    assert (line.exc_info, line.exc_text) == (None, None)
    assert "Traceback" not in caplog.text


async def test_a_name_of_a_private_address_gets_nothing_and_its_reason_is_kept() -> None:
    async with endpoint() as server:
        http = Http(allow_http=True, resolver=Names(["127.0.0.1"]), backoff=QUICK)
        async with JobRunner(":memory:", jobs=[http]) as runner:
            job = await dead(runner, server.url.replace("127.0.0.1", "inside.example"), max_attempts=2)
        assert "127.0.0.1 is no public address" in (job.error or "")
        assert server.connections == 0


async def test_https_is_spoken_with_the_given_context() -> None:
    authority = Authority()
    async with endpoint(tls=authority.serving("hooks.example")) as server:
        port = int(server.url.rpartition(":")[2])
        http = Http(resolver=Names(["127.0.0.1"], port=port), ssl_context=authority.trusting, allow_private=True)
        async with JobRunner(":memory:", jobs=[http]) as runner:
            assert (await (await runner.publish("https://hooks.example/x")).result("10s")).status == 200
        assert server.targets == ["/x"]


# Callbacks.


async def test_a_callback_is_sent_once_when_the_delivery_is_completed_with_its_own_headers() -> None:
    async with endpoint() as back, endpoint(reply(500), reply(201, b"made")) as server, delivering() as runner:
        callback = Publish(f"{back.url}/back", method="PUT", headers={"X-Of": "mine"}, max_attempts=2)
        handle = await runner.publish(server.url, json=1, callback=callback, label="l", backoff=[0.001])
        await handle.result("10s")
        await runner.run_until_idle()
        (received,) = back.received
        assert (received.method, received.target, received.header("x-of")) == ("PUT", "/back", "mine")
        assert received.header("content-type") == "application/json"
        said = received.json()
        assert (said["status"], base64.b64decode(said["body"])) == (201, b"made")
        assert (said["retried"], said["maxRetries"], said["sourceMessageId"]) == (1, 9, handle.key)
        made, _ = await runner.jobs.list()
        assert (made.max_attempts, made.label, made.status) == (2, "l", Status.COMPLETED)


async def test_by_the_rules_of_qstash_a_callback_is_sent_after_each_attempt() -> None:
    async with endpoint() as back, endpoint(reply(500), reply()) as server, delivering() as runner:
        handle = await runner.publish(server.url, rules="qstash", callback=back.url, backoff=[0.001])
        await handle.result("10s")
        await runner.run_until_idle()
        assert sorted([(one.json()["status"], one.json()["retried"]) for one in back.received]) == [(200, 1), (500, 0)]


async def test_a_failure_callback_is_sent_once_when_the_delivery_is_dead() -> None:
    async with endpoint(reply(500), reply()) as back, endpoint(reply(500, b"no")) as server, delivering() as runner:
        job = await dead(
            runner, server.url, callback=f"{back.url}/done", failure_callback=Publish(f"{back.url}/failed"),
            backoff=[0.001], max_attempts=2, secret_headers={"A": "hunter2"},
        )  # fmt: skip
        await until(lambda: runner.stats().retrying == 1)
        (waiting,) = [one for one in await runner.jobs.list() if one.status is Status.PENDING]
        await runner.jobs.run_now(waiting.id)
        await runner.run_until_idle()
        assert back.targets == ["/failed"] * 2  # it is tried again as any delivery
        said = back.received[1].json()
        key = runner.jobs.key_of(job.id)
        assert (said["status"], base64.b64decode(said["body"])) == (500, b"no")
        assert (said["retried"], said["maxRetries"], said["dlqId"], said["sourceMessageId"]) == (1, 1, key, key)
        assert "hunter2" not in json.dumps(said)
        assert said["sourceHeader"] == {}


async def test_a_cancelled_delivery_is_no_death() -> None:
    async with endpoint() as back, delivering() as runner:
        handle = await runner.publish(back.url, delay=60, callback=back.url, failure_callback=back.url)
        await runner.jobs.cancel(handle.id)
        await runner.run_until_idle()
        assert (back.received, len(await runner.jobs.list())) == ([], 1)


async def test_a_death_without_a_failure_callback_and_one_that_is_deleted_call_nothing() -> None:
    async with endpoint(reply(404)) as server, delivering() as runner:
        await dead(runner, server.url)
        await runner.run_until_idle()
        assert [job.type for job in await runner.jobs.list()] == ["http.dead", "http.delivery"]
        reporting = next(job for job in await runner.jobs.list(type="http.dead"))
        assert reporting.status is Status.COMPLETED
        await runner.enqueue_named("http.dead", 999)
        await runner.run_until_idle()
        assert len(server.received) == 1


# Side by side.


async def silent(_: Received, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def test_a_host_that_hangs_has_its_limit_and_the_others_go_on() -> None:
    http = local(per_host=3, resolver=Names(["127.0.0.1"]))
    runner = JobRunner(":memory:", jobs=[http], drain_timeout=0)
    async with endpoint(silent) as hangs, endpoint() as quick, runner:
        await runner.publish_many([Publish(hangs.url.replace("127.0.0.1", "hangs.example"))] * 20)
        await until(lambda: hangs.open == 3)
        for handle in await runner.publish_many([Publish(quick.url)] * 50):
            await handle.result("10s")
        assert (hangs.most_open, len(quick.received)) == (3, 50)
        assert quick.most_open <= 3
        stats = runner.stats().by_type["http.delivery"]
        assert (stats.processing, stats.pending) == (3, 17)


async def test_a_drain_waits_for_an_answer_and_interrupts_one_that_does_not_come(database: Path) -> None:
    gate = asyncio.Event()

    async def late(_: Received, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.write(reply())

    async with endpoint(late) as server:
        async with JobRunner(database, jobs=[local()], drain_timeout="10s") as runner:
            handle = await runner.publish(server.url)
            await until(lambda: server.open == 1)
            asyncio.get_running_loop().call_soon(gate.set)
        async with JobRunner(database, jobs=[local()], max_running=0) as runner:
            assert (await runner.jobs.get(handle.id)).status is Status.COMPLETED
    async with endpoint(silent) as server:
        async with JobRunner(database, jobs=[local()], drain_timeout=0) as runner:
            handle = await runner.publish(server.url)
            await until(lambda: server.open == 1)
        async with JobRunner(database, jobs=[local()], max_running=0) as runner:
            job = await runner.jobs.get(handle.id)
            assert (job.status, job.attempts, job.interruptions) == (Status.PENDING, 0, 1)
