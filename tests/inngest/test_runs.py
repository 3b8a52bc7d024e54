"""Runs of functions of an app that a test scripts: what is stored of them, races, and what others do for a run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobContext, JobRunner, JobType, injected
from aiojobs_lite.durable.checkpoint import RunFence
from aiojobs_lite.durable.operations import StepRan
from aiojobs_lite.events import Event
from aiojobs_lite.http.session import HttpSession, open_session
from aiojobs_lite.inngest.answers import SdkOperation
from aiojobs_lite.inngest.call import SIGNAL_EVENT
from aiojobs_lite.inngest.ids import item_of_text
from aiojobs_lite.inngest.operations import Helpers
from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.runner.checkpoints import save_checkpoint
from aiojobs_lite.testing import JobKit
from tests.helpers.endpoints import Received, endpoint
from tests.helpers.inngest import App, Rig, hashed, next_of, operation, run, sdk

A, B = hashed("a"), hashed("b")


@pytest.fixture
async def session() -> AsyncIterator[HttpSession]:
    async with open_session(allow_private=True, resolver=None, ssl_context=None) as made:
        yield made


# What is said of the run.


async def test_the_version_is_that_of_the_first_answer_and_a_step_keeps_its_first_name(
    job_kit: JobKit, session: HttpSession
) -> None:
    sleeping = [{**operation("Sleep", "a", name="1h"), "displayName": "nap"}]
    renamed = [{**operation("Sleep", "a", name="1h"), "displayName": "rest"}, operation("StepRun", "b")]
    script = next_of(
        sdk(206, sleeping, x_inngest_req_version="1"), sdk(206, renamed, x_inngest_req_version="2"), sdk(200, "1")
    )
    app = App(script)
    async with endpoint(app.answers) as server:
        rig = Rig(job_kit, session, server.url)
        async with job_kit(rig.runner):
            (handle,) = (await rig.runner.send("shop/ordered", {"id": 7})).handles
            await job_kit.run_to_end()
            steps = await rig.runner.jobs.steps(handle.id)
    assert [json.loads(body)["version"] for body in app.bodies] == [-1, 1, 1]
    assert [one.header("x-inngest-req-version") for one in server.received] == ["-1", "1", "1"]
    assert {f"{A} nap", f"{B} b"} <= {one.name for one in steps}


async def test_a_step_that_is_tried_again_keeps_its_first_name(job_kit: JobKit, session: HttpSession) -> None:
    failed = {**operation("StepError", "a"), "displayName": "old"}
    done = {**operation("StepRun", "a", data=1), "displayName": "new"}
    app = App(next_of(sdk(206, [failed]), sdk(206, [done]), sdk(200, "1")))
    async with endpoint(app.answers) as server:
        rig = Rig(job_kit, session, server.url)
        async with job_kit(rig.runner):
            (handle,) = (await rig.runner.send("shop/ordered", {"id": 7})).handles
            await job_kit.run_to_end()
            names = {one.name for one in await rig.runner.jobs.steps(handle.id)}
    assert {name for name in names if name.startswith(A)} == {f"{A} old"}
    assert app.calls == ["? 0", "? 1", "? 0"]


async def test_the_result_of_a_run_comes_beside_steps_that_are_stored(job_kit: JobKit, session: HttpSession) -> None:
    last = [operation("StepRun", "a", data=1), {"op": "RunComplete", "id": "x", "data": {"b": 1.5}}]
    app = App(next_of(sdk(206, last)))
    async with endpoint(app.answers) as server:
        rig = Rig(job_kit, session, server.url)
        async with job_kit(rig.runner):
            (handle,) = (await rig.runner.send("shop/ordered", {"id": 7})).handles
            await job_kit.run_to_end()
            assert (await handle.job()).result_json == '{"b": 1.5}'
            assert f"{A} a" in {one.name for one in await rig.runner.jobs.steps(handle.id)}
    assert app.calls == ["? 0"]


async def test_the_result_of_a_run_may_come_beside_nothing_new(job_kit: JobKit, session: HttpSession) -> None:
    step = operation("StepRun", "a", data=1)
    ran = await run(
        job_kit, session, next_of(sdk(206, [step]), sdk(206, [step, {"op": "RunComplete", "id": "x", "data": 7}]))
    )
    assert (ran.app.calls, ran.job.result_json) == (["? 0", "? 0"], "7")


@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_what_an_app_stored_while_it_was_called_is_in_the_next_call(
    job_kit: JobKit, session: HttpSession, tmp_path: Path, is_elsewhere: bool
) -> None:
    """Here, or by another process that has the same database."""
    rig: Rig
    stores: JobRunner
    answers = [
        sdk(206, [{"op": "DiscoveryRequest", "id": "x"}]), sdk(206, [operation("Sleep", "c", name="1s")]),
        sdk(200, "1"),
    ]  # fmt: skip
    calls: list[dict[str, Any]] = []

    async def answer(received: Received, writer: asyncio.StreamWriter) -> None:
        calls.append(received.json())
        if len(calls) < len(answers):
            item = item_of_text(calls[-1]["ctx"]["qi_id"])
            assert item is not None
            step = StepRan(f"{hashed('ab'[len(calls) - 1])} s", '{"data":1.0}')
            assert await save_checkpoint(stores.durables, RunFence(*item), [step])
        writer.write(answers[len(calls) - 1])

    async with endpoint(answer) as server:
        rig = Rig(job_kit, session, server.url)
        other = JobRunner(tmp_path / "jobs.db", max_running=0, clock=job_kit.clock)
        async with job_kit(rig.runner, database=tmp_path / "jobs.db"), other:
            stores = other if is_elsewhere else rig.runner
            (handle,) = (await rig.runner.send("shop/ordered", {"id": 7})).handles
            await job_kit.run_to_end()
            job = await handle.job()
    assert (job.result, job.history) == (1, ())
    assert [list(call["steps"]) for call in calls] == [[], [A], [A, B, hashed("c")]]


# Races.


@pytest.mark.parametrize(("version", "opts"), [("2", {"parallelMode": "race"}), ("1", {})])
async def test_in_a_race_a_call_comes_when_the_first_step_has_ended(
    job_kit: JobKit, session: HttpSession, version: str, opts: Any
) -> None:
    planned = [operation("StepPlanned", "a", opts=opts), operation("Sleep", "b", name="1h", opts=opts)]

    def script(body: Mapping[str, Any]) -> bytes:
        if body["target"] is not None:
            return sdk(206, [operation("StepRun", "a", data=1)], x_inngest_req_version=version)
        return sdk(200, body["steps"]) if body["steps"] else sdk(206, planned, x_inngest_req_version=version)

    ran = await run(job_kit, session, script)
    assert (ran.app.calls, ran.job.result) == (["? 0", "a 0", "? 0"], {A: {"data": 1}})


async def test_the_result_of_a_run_does_not_wait_for_what_is_in_race(job_kit: JobKit, session: HttpSession) -> None:
    opts = {"parallelMode": "race"}
    planned = [operation("StepPlanned", "a", opts=opts), operation("Sleep", "b", name="1h", opts=opts)]
    last = [operation("StepRun", "c", data=1), {"op": "RunComplete", "id": "x", "data": 7}]
    script = next_of(sdk(206, planned), sdk(206, [operation("StepRun", "a", data=1)]), sdk(206, last))
    app = App(script)
    async with endpoint(app.answers) as server:
        rig = Rig(job_kit, session, server.url)
        async with job_kit(rig.runner):
            (handle,) = (await rig.runner.send("shop/ordered", {"id": 7})).handles
            await job_kit.advance("1m")
            assert (await handle.job()).result == 7
    assert app.calls == ["? 0", "a 0", "? 0"]


async def test_a_path_may_end_while_others_go_on(job_kit: JobKit, session: HttpSession) -> None:
    planned = [operation("StepPlanned", "a"), operation("Sleep", "b", name="1h")]

    def script(body: Mapping[str, Any]) -> bytes:
        if body["target"] is not None:
            return sdk(206, [operation("StepRun", "a", data=1)], x_inngest_req_version="1")
        if not body["steps"]:
            return sdk(206, planned, x_inngest_req_version="1")
        if len(body["steps"]) == 1:
            return sdk(206, [operation("None", "c")], x_inngest_req_version="1")
        return sdk(200, "1", x_inngest_req_version="1")

    ran = await run(job_kit, session, script)
    assert (ran.app.calls, ran.job.result) == (["? 0", "a 0", "? 0", "? 0"], 1)


# What others do for a run.


async def test_a_wait_ends_by_an_event_that_fits_or_in_time(job_kit: JobKit, session: HttpSession) -> None:
    opts = {"event": "shop/paid", "timeout": "1h", "if": "event.data.id == async.data.id"}
    lost = operation("WaitForEvent", "b", name="shop/lost", opts={"timeout": "1h"})
    waits = [operation("WaitForEvent", "a", opts=opts), lost]
    app = App(lambda body: sdk(200, body["steps"]) if body["steps"] else sdk(206, waits))
    async with endpoint(app.answers) as server:
        rig = Rig(job_kit, session, server.url)
        async with job_kit(rig.runner):
            (handle,) = (await rig.runner.send("shop/ordered", {"id": 7})).handles
            await job_kit.advance("1m")
            await rig.runner.send("shop/paid", {"id": 8}, id="other")
            await rig.runner.send("shop/paid", {"id": 7, "sum": 1.0}, id="e2")
            await job_kit.run_to_end()
            result = await handle.result()
    assert (result[A]["id"], result[A]["data"], result[B]) == ("e2", {"id": 7, "sum": 1.0}, None)
    assert '"data":{"id":7,"sum":1.0}' in app.bodies[-1]


async def test_a_wait_goes_on_behind_events_for_which_its_expression_does_not_hold(
    job_kit: JobKit, session: HttpSession
) -> None:
    opts = {"event": "shop/paid", "timeout": "1h", "if": "event.data.id == async.data.id && async.data.sum > 5"}
    app = App(
        lambda body: sdk(200, body["steps"]) if body["steps"] else sdk(206, [operation("WaitForEvent", "a", opts=opts)])
    )
    async with endpoint(app.answers) as server:
        rig = Rig(job_kit, session, server.url)
        async with job_kit(rig.runner):
            handles = [(await rig.runner.send("shop/ordered", {"id": number})).handles[0] for number in (7, 8)]
            await job_kit.advance("1m")
            for number in (3, 4, 6, 9):
                await rig.runner.send("shop/paid", {"id": 7, "sum": number}, id=f"e{number}")
            await rig.runner.send("shop/paid", {"id": 8, "sum": 1})
            await job_kit.run_to_end()
            fit, late = [await handle.result() for handle in handles]
    assert (fit[A]["id"], fit[A]["data"], late) == ("e6", {"id": 7, "sum": 6}, {A: None})
    assert app.calls == ["? 0"] * 4


async def test_a_wait_that_is_open_again_is_not_said_to_have_ended(job_kit: JobKit, session: HttpSession) -> None:
    opts = {"event": "shop/paid", "timeout": "2h", "if": "async.data.sum > 5"}
    asked = [operation("WaitForEvent", "a", opts=opts), operation("Sleep", "b", name="1h")]

    def script(body: Mapping[str, Any]) -> bytes:
        if len(body["steps"]) == 1:
            return sdk(206, [], x_inngest_req_version="1")
        return sdk(200, "1") if body["steps"] else sdk(206, asked, x_inngest_req_version="1")

    app = App(script)
    async with endpoint(app.answers) as server:
        rig = Rig(job_kit, session, server.url)
        async with job_kit(rig.runner):
            (handle,) = (await rig.runner.send("shop/ordered", {"id": 7})).handles
            await job_kit.advance("1m")
            await rig.runner.send("shop/paid", {"sum": 1})
            await job_kit.run_to_end()
            assert await handle.result() == 1
    assert [json.loads(body)["steps"] for body in app.bodies] == [{}, {B: None}, {A: None, B: None}]


async def test_each_wait_for_a_name_gets_another_event(job_kit: JobKit, session: HttpSession) -> None:
    def script(body: Mapping[str, Any]) -> bytes:
        if len(body["steps"]) == 3:
            return sdk(200, [body["steps"][hashed(name)] for name in "abc"])
        opts = {"event": "shop/paid", "timeout": "1h"}
        return sdk(206, [operation("WaitForEvent", "abc"[len(body["steps"])], opts=opts)])

    app = App(script)
    async with endpoint(app.answers) as server:
        rig = Rig(job_kit, session, server.url)
        async with job_kit(rig.runner):
            (handle,) = (await rig.runner.send("shop/ordered", {"id": 7})).handles
            await job_kit.advance("1m")
            for number in (1, 2):
                await rig.runner.send("shop/paid", {"sum": number})
            await job_kit.run_to_end()
            first, second, third = await handle.result()
    assert (first["data"], second["data"], third) == ({"sum": 1}, {"sum": 2}, None)


async def test_a_signal_that_nothing_waited_for_is_lost(job_kit: JobKit, session: HttpSession) -> None:
    opts = {"signal": "paid", "timeout": "1h"}
    asked = [[operation("Sleep", "b", name="10m")], [operation("WaitForSignal", "a", opts=opts)]]
    app = App(lambda body: sdk(200, body["steps"]) if len(body["steps"]) == 2 else sdk(206, asked[len(body["steps"])]))
    async with endpoint(app.answers) as server:
        rig = Rig(job_kit, session, server.url)
        async with job_kit(rig.runner):
            (handle,) = (await rig.runner.send("shop/ordered", {"id": 7})).handles
            await job_kit.advance("1m")
            await rig.runner.send(SIGNAL_EVENT, {"signal": "paid", "data": 1})
            await job_kit.run_to_end()
            assert await handle.result() == {B: None, A: None}


async def test_a_signal_ends_a_wait_for_it(job_kit: JobKit, session: HttpSession) -> None:
    opts = {"signal": "paid", "timeout": "1h"}
    app = App(
        lambda body: (
            sdk(200, body["steps"]) if body["steps"] else sdk(206, [operation("WaitForSignal", "a", opts=opts)])
        )
    )
    async with endpoint(app.answers) as server:
        rig = Rig(job_kit, session, server.url)
        async with job_kit(rig.runner):
            (handle,) = (await rig.runner.send("shop/ordered", {"id": 7})).handles
            await job_kit.advance("1m")
            for signal in ("other", "paid"):
                await rig.runner.send(SIGNAL_EVENT, {"signal": signal, "data": {"x": 1.0}})
            await job_kit.run_to_end()
            assert await handle.result() == {A: {"data": {"signal": "paid", "data": {"x": 1.0}}}}


class Invoking:
    """One function, as a run invokes it."""

    known: JobType[..., Any]

    def invoked(self, function_id: str, memo: str) -> Candidate | None:
        payload, now = f'{{"event":{memo}}}', json.loads(memo)["sent_at"]
        assert function_id == self.known.name
        return self.known.how.candidate(self.known.how.row(self.known, payload, now))


@pytest.mark.parametrize(
    ("payload", "memo"),
    [
        ({"data": {"how": "fine"}}, {"data": {"how": "fine"}}),
        ({"data": {"how": "dead"}}, {"error": {"name": "ConnectionError", "message": "dead", "stack": "in bill"}}),
        ({"data": {"how": "late"}}, {"error": {"name": "InngestInvokeTimeoutError",
                                               "message": "Timed out waiting for invoked function to complete"}}),
    ],
)  # fmt: skip
async def test_a_run_invokes_another_function_and_gets_what_it_returned(
    job_kit: JobKit, session: HttpSession, payload: Any, memo: Any
) -> None:
    opts = {"function_id": "shop-bill", "payload": payload, "timeout": "1h"}
    invoking = Invoking()
    app = App(
        lambda body: (
            sdk(200, body["steps"]) if body["steps"] else sdk(206, [operation("InvokeFunction", "a", opts=opts)])
        )
    )
    async with endpoint(app.answers) as server:
        rig = Rig(job_kit, session, server.url, helpers=Helpers(invoking))

        @rig.runner.on("never", name="shop-bill", max_attempts=1)
        async def bill(event: Event[dict[str, Any]], ctx: JobContext = injected) -> Any:
            if event.data["how"] == "dead":
                raise ConnectionError("dead")
            if event.data["how"] == "late":
                await ctx.sleep("long", "1d")
            return {"how": event.data["how"]}

        invoking.known = bill
        async with job_kit(rig.runner):
            (handle,) = (await rig.runner.send("shop/ordered", {"id": 7})).handles
            await job_kit.run_to_end()
            result = await handle.result()
    stack = result[A].get("error", {}).get("stack")
    if stack is not None:
        assert "in bill" in stack
        result[A]["error"]["stack"] = "in bill"
    assert result == {A: memo}


async def test_requests_for_an_app_are_made_side_by_side(job_kit: JobKit, session: HttpSession) -> None:
    class Requests:
        def __init__(self) -> None:
            self.barrier = asyncio.Barrier(2)

        async def request(self, found: SdkOperation) -> str:
            await self.barrier.wait()
            return json.dumps(found.opts["url"])

    requests = [operation("Gateway", name, opts={"url": name}) for name in "ab"]
    script = next_of(sdk(206, requests), sdk(200, "1"))
    ran = await run(job_kit, session, script, helpers=Helpers(gateway=Requests()))
    assert ran.steps[1] == {A: {"data": "a"}, B: {"data": "b"}}
