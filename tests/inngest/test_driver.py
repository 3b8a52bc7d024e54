"""Runs of functions of an app that a test scripts, over real HTTP: what is called, stored and tried again."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from aiojobs_lite import Status
from aiojobs_lite.http.session import HttpSession, open_session
from aiojobs_lite.inngest.driver import LARGEST_APP_ANSWER_BYTES
from aiojobs_lite.inngest.keys import AppKeys
from aiojobs_lite.runner.driven import driven
from aiojobs_lite.testing import JobKit
from tests.helpers.endpoints import Received, endpoint, reply
from tests.helpers.inngest import SIGNING_KEY, Rig, hashed, next_of, operation, run, sdk, sdk_headers
from tests.helpers.pauses import work_for

DRIBBLE_EVERY_S = 0.02
A, B, C = (hashed(name) for name in "abc")


@pytest.fixture
async def session() -> AsyncIterator[HttpSession]:
    async with open_session(allow_private=True, resolver=None, ssl_context=None) as made:
        yield made


async def test_a_run_of_steps_is_called_step_by_step_and_its_memos_are_word_for_word(
    job_kit: JobKit, session: HttpSession
) -> None:
    memo = '{"b":1.0,"a":[12345678901234567890,1e2]}'

    def script(body: Mapping[str, Any]) -> bytes:
        if A not in body["steps"]:
            return sdk(206, f'[{{"op":"StepRun","id":"{A}","displayName":"a","data":{memo}}}]')
        if B not in body["steps"]:
            return sdk(206, [operation("Sleep", "b", name="1h")])
        return sdk(200, memo)

    ran = await run(job_kit, session, script)
    assert (ran.job.status, ran.job.result_json) == (Status.COMPLETED, memo)
    assert ran.app.calls == ["? 0", "? 0", "? 0"]
    assert f'"steps":{{"{A}":{{"data":{memo}}},"{B}":null}}' in ran.app.bodies[2]
    first, last = (json.loads(ran.app.bodies[place]) for place in (0, 2))
    assert (first["version"], last["version"], last["ctx"]["stack"]) == (-1, 2, {"stack": [A, B], "current": 2})
    assert first["event"] == {
        "name": "shop/ordered", "id": "e1", "data": {"id": 7}, "user": {}, "ts": first["event"]["ts"],
    }  # fmt: skip
    assert ran.server.targets == ["/api/inngest?a=b&fnId=shop-mail&stepId=step"] * 3
    assert ran.server.received[0].header("x-run-id") == first["ctx"]["run_id"]


# Side by side.


async def test_planned_steps_are_called_one_by_one_and_one_call_comes_after_all(
    job_kit: JobKit, session: HttpSession
) -> None:
    def script(body: Mapping[str, Any]) -> bytes:
        if body["target"] is not None:
            return sdk(206, [operation("StepRun", body["target"], data=body["target"])])
        planned = [operation("StepPlanned", "a"), operation("Sleep", "c", name="1s"), operation("StepPlanned", "b")]
        return sdk(200, body["steps"]) if body["steps"] else sdk(206, planned)

    ran = await run(job_kit, session, script)
    assert sorted(ran.app.calls) == ["? 0", "? 0", "a 0", "b 0"]
    assert ran.job.result == ran.steps[-1] == {A: {"data": "a"}, B: {"data": "b"}, C: None}
    assert [json.loads(body)["ctx"]["disable_immediate_execution"] for body in ran.app.bodies] == [
        False, True, True, True,
    ]  # fmt: skip


# Failures.


async def test_a_step_that_failed_is_tried_again_and_may_fail_for_good(job_kit: JobKit, session: HttpSession) -> None:
    error = {"name": "TypeError", "message": "no", "stack": "at x"}
    step = [operation("StepError", "a", error={**error, "code": "unknown"})]
    script = next_of(sdk(206, step), sdk(206, step, retry_after="7"), sdk(206, step), sdk(200, "1"))
    ran = await run(job_kit, session, script)
    assert (ran.app.calls, ran.job.result_json) == (["? 0", "? 1", "? 2", "? 0"], "1")
    assert ran.steps[-1] == {A: {"error": error}}


@pytest.mark.parametrize(
    "answer",
    [
        sdk(206, [operation("StepError", "a", error={"name": "E", "message": "m"})], x_inngest_no_retry="true"),
        sdk(206, [operation("StepFailed", "a", error={"name": "E", "message": "m"})]),
    ],
)
async def test_a_step_that_is_not_to_be_tried_again_is_not(
    job_kit: JobKit, session: HttpSession, answer: bytes
) -> None:
    ran = await run(job_kit, session, next_of(answer, sdk(200, "1")))
    assert (ran.app.calls, ran.steps[-1]) == (["? 0", "? 0"], {A: {"error": {"name": "E", "message": "m"}}})


async def test_a_function_that_fails_has_its_attempts_anew_after_each_step(
    job_kit: JobKit, session: HttpSession
) -> None:
    failure = sdk(500, {"name": "E", "message": "m"})
    step = sdk(206, [operation("StepRun", "a", data=1)])
    ran = await run(job_kit, session, next_of(failure, failure, step, failure, failure, failure))
    assert ran.app.calls == ["? 0", "? 1", "? 2", "? 0", "? 1", "? 2"]
    assert (ran.job.status, ran.job.error) == (Status.DEAD, "E: m")
    assert ran.job.history[-1].details == {"error": "invalid status code: 500", "name": "E", "message": "m"}


async def test_the_job_id_is_the_same_in_each_attempt_and_the_request_is_not(
    job_kit: JobKit, session: HttpSession
) -> None:
    step = sdk(206, [operation("StepRun", "a", data=1)])
    ran = await run(job_kit, session, next_of(reply(503), reply(503), step, sdk(200, "1")))
    jobs = [one.header("x-inngest-job-id") for one in ran.server.received]
    assert jobs[0] == jobs[1] == jobs[2] != jobs[3]
    assert len({one.header("x-request-id") for one in ran.server.received}) == 4


async def test_a_function_that_is_not_to_be_tried_again_is_dead(job_kit: JobKit, session: HttpSession) -> None:
    ran = await run(job_kit, session, next_of(sdk(400, {"name": "E", "message": "m"}, x_inngest_no_retry="true")))
    assert (ran.app.calls, ran.job.status) == (["? 0"], Status.DEAD)
    assert ran.job.reason == "its app says that E is not to be tried again"


@pytest.mark.parametrize(
    ("op", "name", "message"),
    [
        (operation("Teleport", "a"), "UnknownOperation", "the operation 'Teleport' of the SDK is not known: use a "),
        (operation("Sleep", "a", name="soon"), "InvalidOperation", "Sleep 'a': duration='soon': expected a duration"),
        (operation("Sleep", "a", name="400d"), "InvalidOperation", "Sleep 'a': duration='400d': expected a duration"),
    ],
)  # fmt: skip
async def test_an_operation_that_cannot_be_carried_out_fails_the_run_and_is_named(
    job_kit: JobKit, session: HttpSession, op: object, name: str, message: str
) -> None:
    ran = await run(job_kit, session, next_of(sdk(206, [operation("StepRun", "b"), op])))
    assert (ran.app.calls, ran.job.status) == (["? 0"], Status.DEAD)
    assert str(ran.job.error).startswith(f"{name}: {message}")


async def test_an_answer_of_a_proxy_completes_no_run(job_kit: JobKit, session: HttpSession) -> None:
    ran = await run(job_kit, session, next_of(reply(200, b"null"), sdk(200, "1")))
    assert (ran.app.calls, ran.job.result_json) == (["? 0", "? 1"], "1")


# The wire.


async def failures(job_kit: JobKit, session: HttpSession, *answers: Any, **settings: Any) -> list[str]:
    """How the attempts of a run failed whose app answers so."""
    async with endpoint(*answers) as server:
        rig = Rig(job_kit, session, server.url, **settings)
        async with job_kit(rig.runner):
            (handle,) = (await rig.runner.send("shop/ordered", {"id": 7})).handles
            await job_kit.run_to_end()
            job = await handle.job()
            assert job.status is Status.DEAD
            return [f"{one.error_type}: {one.message}" for one in job.history]


async def silent(_: Received, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def dribbling(_: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 201 Created\r\nX-Inngest-Sdk: x\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await work_for(DRIBBLE_EVERY_S)


async def reset(_: Received, writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    writer.transport.abort()


@pytest.mark.parametrize(
    "answer", [silent, dribbling, reset, b"no HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"]
)
async def test_an_app_that_does_not_answer_is_called_again(job_kit: JobKit, session: HttpSession, answer: Any) -> None:
    async def broken(received: Received, writer: asyncio.StreamWriter) -> None:
        if isinstance(answer, bytes):
            writer.write(answer)
            writer.close()
        else:
            await answer(received, writer)

    found = await failures(job_kit, session, broken, timeout=0.2)
    assert len(found) == 3
    assert all(one.startswith("AppUnreachable: no ") for one in found)


async def test_a_port_on_which_nothing_listens_is_called_again(job_kit: JobKit, session: HttpSession) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        rig = Rig(job_kit, session, f"http://127.0.0.1:{unused.getsockname()[1]}/")
        async with job_kit(rig.runner):
            (handle,) = (await rig.runner.send("shop/ordered", {"id": 7})).handles
            await job_kit.run_to_end()
            job = await handle.job()
    assert (len(job.history), str(job.error).partition(":")[0]) == (3, "AppUnreachable")


async def endless(_: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 206 OK\r\nX-Inngest-Sdk: x\r\n\r\n")
    while True:
        writer.write(b" " * 100_000)
        await writer.drain()


async def huge(_: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\nX-Inngest-Sdk: x\r\n\r\n")
    for _part in range(1024):
        writer.write(b" " * 102_400)
        await writer.drain()


@pytest.mark.parametrize("answer", [endless, huge, sdk(206, " " * (LARGEST_APP_ANSWER_BYTES + 1))])
async def test_of_an_answer_that_is_too_large_the_rest_is_not_read(
    job_kit: JobKit, session: HttpSession, answer: Any
) -> None:
    (found,) = await failures(job_kit, session, answer)
    assert found == "AnswerTooLarge: the answer of the app has more than 4,456,448 bytes, or too many headers"


async def test_a_large_answer_is_read_whole(job_kit: JobKit, session: HttpSession) -> None:
    data = "ü" * 300_000
    script = next_of(sdk(206, [operation("StepRun", "a", data=data)]), sdk(200, "1"))
    ran = await run(job_kit, session, script)
    assert ran.job.result_json == "1"
    assert ran.steps[1][A] == {"data": data}


async def test_a_stream_keeps_the_connection_alive_until_the_answer(job_kit: JobKit, session: HttpSession) -> None:
    async def answer(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nX-Inngest-Sdk: x\r\n\r\n")
        for part in (b" ", b" ", json.dumps({"status": 200, "headers": {}, "body": '{"a": 1.0}'}).encode(), b""):
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await writer.drain()

    async with endpoint(answer) as server:
        rig = Rig(job_kit, session, server.url)
        async with job_kit(rig.runner):
            (handle,) = (await rig.runner.send("shop/ordered", {"id": 7})).handles
            await job_kit.run_to_end()
            assert (await handle.job()).result_json == '{"a": 1.0}'


async def test_a_redirect_is_not_followed(job_kit: JobKit, session: HttpSession) -> None:
    async with endpoint() as other:
        found = await failures(job_kit, session, reply(307, b"", Location=other.url))
        assert other.received == []
    assert found == [f"Error: invalid status code: 307, a redirect to '{other.url}', which is not followed"] * 3


async def test_an_answer_that_is_no_utf8_is_none(job_kit: JobKit, session: HttpSession) -> None:
    found = await failures(job_kit, session, reply(200, b'"\xff"', **sdk_headers()))
    assert found == ["InvalidAnswer: the answer 200 of the app is no UTF-8"] * 3


# Signatures.


async def test_in_cloud_mode_calls_are_signed_and_answers_may_have_to_be(job_kit: JobKit, session: HttpSession) -> None:
    keys = AppKeys(SIGNING_KEY)
    settings: dict[str, Any] = {"mode": "cloud", "keys": keys, "verifies": True}

    def script(body: Mapping[str, Any]) -> bytes:
        answer = b'[{"op":"StepRun","id":"%s","data":1.0}]' % A.encode() if not body["steps"] else b"1"
        signature = keys.sign(answer, int(time.time()))
        return reply(206 if answer[:1] == b"[" else 200, answer, **sdk_headers(x_inngest_signature=signature))

    ran = await run(job_kit, session, script, **settings)
    assert ran.job.result_json == "1"
    for one in ran.server.received:
        keys.verify(one.body, one.header("x-inngest-signature"), int(time.time()))
    assert b'{"data":1}' in ran.server.received[1].body
    found = await failures(job_kit, session, sdk(200, "1"), **settings)
    assert found == ["InvalidAnswer: the answer 200 of the app is not signed: it has no header x-inngest-signature"] * 3


async def test_what_has_no_form_that_can_be_signed_fails_the_run(job_kit: JobKit, session: HttpSession) -> None:
    keys = AppKeys(SIGNING_KEY)
    script = next_of(sdk(206, f'[{{"op":"StepRun","id":"{A}","data":1{"0" * 400}}}]'))
    ran = await run(job_kit, session, script, mode="cloud", keys=keys)
    assert str(ran.job.error).startswith("InvalidCall: no call can be made of what is stored of the run: int too large")


async def test_a_run_that_is_not_one_of_an_event_fails(job_kit: JobKit, session: HttpSession) -> None:
    rig = Rig(job_kit, session, "http://127.0.0.1:1/")

    @rig.runner.job(name="other")
    async def other(data: Any = None) -> Any:
        return await driven(rig.driver)()

    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(other, 7)
        await job_kit.run_to_end()
        job = await handle.job()
    assert str(job.error).startswith("InvalidCall: no call can be made of what is stored of the run: ")
