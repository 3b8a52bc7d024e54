"""Deferred runs: started when the run that asked for them has ended, however it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.inngest import inngest_app
from aiojobs_lite.testing import JobKit
from tests.helpers.endpoints import Received, endpoint
from tests.helpers.inngest import Script, hashed, operation, sdk
from tests.helpers.inngest_app import Shop, shop

END = {"op": "RunComplete", "id": "x", "data": "done"}
SLEEP = operation("Sleep", "b", name="1h")


def add(step: str, data: Any = None, **more: Any) -> dict[str, object]:
    """The operation that defers a run."""
    return operation("DeferAdd", step, opts={"fn_slug": "shop-score", "input": data or {}, **more})


def abort(step: str) -> dict[str, object]:
    """The operation that takes a deferred run back."""
    return operation("DeferAbort", f"{step}:abort", opts={"target_hashed_id": hashed(step)})


class Calls:
    """Answers the calls of the function one by one; the deferred function returns its event."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = iter(answers)
        self.defers: list[Any] = []

    @property
    def script(self) -> Script:
        def answer(body: Mapping[str, Any]) -> bytes:
            if body["ctx"]["fn_id"] == "shop-score":
                return sdk(200, body["event"])
            self.defers.append(body["defers"])
            return next(self._answers)

        return answer


async def registered(made: Shop) -> None:
    condition = "event.data._inngest.fn_slug == 'shop-score'"
    score = made.function("score", triggers=[{"event": "inngest/deferred.schedule", "expression": condition}])
    await made.register(made.function(retries=0), score)


async def deferred(kit: JobKit, *answers: bytes) -> tuple[list[dict[str, Any]], list[Any]]:
    """The events of the deferred runs, and what each call says of them."""
    calls = Calls(*answers)
    async with shop(kit, calls.script) as made:
        await registered(made)
        await made.send()
        await kit.run_to_end()
        jobs = await made.runner.jobs.list(type="shop-score")
        return [job.result for job in reversed(jobs)], calls.defers


async def test_a_deferred_run_starts_when_its_run_has_ended(job_kit: JobKit) -> None:
    meta = {"sessions": {"a": "1"}}
    events, known = await deferred(
        job_kit, sdk(206, [add("a", {"user": 7}, meta=meta), SLEEP]), sdk(206, [operation("StepRun", "c"), END]),
        sdk(200, "done"),
    )  # fmt: skip
    assert known[0] == {}
    assert known[1] == {hashed("a"): {"abortable": True}}
    ((event,),) = (events,)
    about = event["data"].pop("_inngest")
    assert (event["name"], event["data"], event["meta"]) == ("inngest/deferred.schedule", {"user": 7}, meta)
    assert (about["fn_slug"], about["parent_fn_slug"]) == ("shop-score", "shop-pay")
    assert event["id"] == f"{about['parent_run_id']}:defer:{hashed('a')}"


async def test_what_the_last_answer_defers_is_started_too(job_kit: JobKit) -> None:
    events, _ = await deferred(job_kit, sdk(206, [add("a", {"n": 1}), add("b", {"n": 2}), END]))
    assert [event["data"]["n"] for event in events] == [1, 2]


async def test_what_is_taken_back_is_not_started(job_kit: JobKit) -> None:
    answers = [sdk(206, [add("a"), add("c"), SLEEP]), sdk(206, [abort("a"), END])]
    events, known = await deferred(job_kit, *answers)
    assert [event["id"].rpartition(":")[2] for event in events] == [hashed("c")]
    assert known[1] == {hashed("a"): {"abortable": True}, hashed("c"): {"abortable": True}}


async def test_a_run_that_failed_or_is_asked_for_twice_starts_it_once(job_kit: JobKit) -> None:
    failed = sdk(400, {"name": "Error", "message": "no"}, x_inngest_no_retry="true")
    events, _ = await deferred(job_kit, sdk(206, [add("a", {"n": 1}), add("a", {"n": 2}), SLEEP]), failed)
    assert [event["data"]["n"] for event in events] == [1]


async def test_a_run_that_is_cancelled_starts_it(job_kit: JobKit) -> None:
    async with shop(job_kit, Calls(sdk(206, [add("a"), SLEEP])).script) as made:
        await registered(made)
        await made.send()
        await made.runner.run_until_idle()
        await made.runner.jobs.cancel((await made.job()).id)
        await job_kit.run_to_end()
        assert len(await made.runner.jobs.list(type="shop-score")) == 1


async def test_at_most_twenty_are_started(job_kit: JobKit, caplog: pytest.LogCaptureFixture) -> None:
    events, _ = await deferred(job_kit, sdk(206, [*[add(str(n)) for n in range(22)], END]))
    assert len(events) == 20
    assert "of shop-pay defers 22 runs: the first 20 are started" in caplog.text


@pytest.mark.parametrize(
    ("opts", "words"),
    [
        ({"fn_slug": None}, "left out, which name no function, or no object as data: 1"),
        ({"fn_slug": "a", "input": [1]}, "left out, which name no function, or no object as data: 1"),
        ({"fn_slug": "shop-score", "meta": {"sessions": 5}}, "is left out: "),
    ],
)
async def test_what_cannot_be_deferred_is_left_out(
    job_kit: JobKit, caplog: pytest.LogCaptureFixture, opts: dict[str, Any], words: str
) -> None:
    events, _ = await deferred(job_kit, sdk(206, [operation("DeferAdd", "a", opts=opts), END]))
    assert events == []
    assert words in caplog.text


async def test_a_checkpoint_may_have_them(job_kit: JobKit, caplog: pytest.LogCaptureFixture) -> None:
    runner, statuses = JobRunner(":memory:"), list[int]()
    client = httpx.AsyncClient(transport=httpx.ASGITransport(inngest_app(runner, mode="dev")), base_url="http://a.test")

    async def answer(received: Received, writer: asyncio.StreamWriter) -> None:
        ctx = received.json()["ctx"]
        if ctx["fn_id"] == "shop-pay":
            steps = [operation("StepRun", "s", data=1), add("a", {"n": 7}), operation("DeferAdd", "b", opts={})]
            body = {"qi_id": ctx["qi_id"], "steps": steps}
            statuses.append((await client.post(f"/v1/checkpoint/{ctx['run_id']}/async", json=body)).status_code)
        writer.write(sdk(200, received.json()["event"]["data"].get("n")))

    async with endpoint(answer) as server, job_kit(runner), client:
        runtime = {"runtime": {"type": "http", "url": f"{server.url}/api/inngest"}}
        pay = {"id": "shop-pay", "triggers": [{"event": "shop/pay"}], "steps": {"step": runtime}}
        score = {**pay, "id": "shop-score", "triggers": [{"event": "inngest/deferred.schedule"}]}
        await client.post("/fn/register", json={"appName": "shop", "functions": [pay, score]})
        await runner.send("shop/pay", {})
        await job_kit.run_to_end()
        (job,) = await runner.jobs.list(type="shop-score")
    assert (statuses, job.result) == ([200], 7)
    assert "deferred runs of job 1 left out, which name no function, or no object as data: 1" in caplog.text
