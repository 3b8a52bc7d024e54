"""The events of the ends of runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiojobs_lite import Status
from aiojobs_lite.model.writes import Claim
from aiojobs_lite.policy.settle import MOST_CRASHES
from aiojobs_lite.testing import JobKit
from aiojobs_lite.testing.probe import Probe
from tests.helpers.inngest import operation, sdk
from tests.helpers.inngest_app import returns, shop

FINISHED, FAILED, CANCELLED = (f"inngest/function.{word}" for word in ("finished", "failed", "cancelled"))

HOUR = 3600


async def test_a_run_that_completes_sends_its_result_once(job_kit: JobKit) -> None:
    async with shop(job_kit, returns({"a": 1})) as made:
        await made.register(made.function())
        run = await made.run(n=1)
        (end,) = await made.ends(FINISHED, FAILED, CANCELLED)
        assert (end["name"], end["function_id"], end["run_id"]) == (FINISHED, "shop-pay", run["run_id"])
        assert (end["result"], end["event"]["data"], len(end["events"])) == ({"a": 1}, {"n": 1}, 1)


async def test_the_event_of_an_end_has_the_result_word_for_word(job_kit: JobKit) -> None:
    text = '{"a": 1.0, "b": [1E+2,"\\u00e9"]}'
    async with shop(job_kit, lambda _: sdk(200, text)) as made:
        await made.register(made.function())
        await made.run(n=1)
        (event,) = [one for one in await made.runner.events.list(limit=100) if one.name == FINISHED]
        assert f'"result":{text}' in event.data_json
        assert '"_inngest":{"data": {"status": "Completed"}}' in event.data_json


async def test_a_run_without_an_event_that_a_program_enqueued_fails_and_sends_its_end(job_kit: JobKit) -> None:
    async with shop(job_kit, returns({"a": 1})) as made:
        await made.register(made.function())
        function: Any = Probe(made.runner).engine.registry.get("shop-pay")
        await made.runner.enqueue(function)
        await job_kit.run_to_end()
        (finished, failed) = await made.ends(FINISHED, FAILED)
        assert finished["_inngest"]["data"] == {"status": "Failed"}
        assert failed["event"] == {"name": "inngest/function.invoked", "id": "", "data": {}, "user": {}, "ts": 0}


async def test_a_run_that_fails_sends_what_made_it_fail_and_starts_its_failure_handler(job_kit: JobKit) -> None:
    def script(body: Mapping[str, Any]) -> bytes:
        if body["ctx"]["fn_id"] == "shop-pay-failure":
            return sdk(200, body["event"]["data"]["error"])
        return sdk(400, {"name": "Broken", "message": "no", "stack": "at a"}, x_inngest_no_retry="true")

    async with shop(job_kit, script) as made:
        trigger = {"event": FAILED, "expression": "event.data.function_id == 'shop-pay'"}
        await made.register(made.function(), made.function("pay-failure", triggers=[trigger]))
        run = await made.run(n=1)
        assert run["status"] == "Failed"
        finished, failed = (await made.ends(FINISHED, FAILED))[:2]
        assert {finished["name"], failed["name"]} == {FINISHED, FAILED}
        error = {"error": "invalid status code: 400", "name": "Broken", "message": "no", "stack": "at a"}
        assert failed["error"] == error
        handled = await made.job("shop-pay-failure")
        assert handled.result["message"] == "no"


async def test_the_end_of_a_failure_handler_sends_nothing(job_kit: JobKit) -> None:
    async with shop(job_kit, returns({})) as made:
        await made.register(made.function("end", triggers=[{"event": FINISHED}]), made.function())
        await made.run(n=1)
        assert [end["function_id"] for end in await made.ends(FINISHED)] == ["shop-pay"]
        assert {job.status for job in await made.runner.jobs.list(type="inngest.ended")} == {Status.COMPLETED}


async def test_no_run_and_no_event_of_its_end_is_lost_however_often_its_process_dies(job_kit: JobKit) -> None:
    async with shop(job_kit, returns({})) as made:
        function = made.function()
        function["steps"]["step"]["retries"] = {"attempts": 0}
        await made.register(function)
        probe = Probe(made.runner)
        for name in ("shop-pay", "inngest.ended"):
            await made.runner.types.pause("inngest.ended")
            probe.parts.dispatcher.stop_claiming()
            if name == "shop-pay":
                await made.send()
            await made.runner.types.resume(name)
            for life in range(2 * MOST_CRASHES):
                job_kit.clock.advance(HOUR)
                (lost,) = (await probe.write(Claim(f"{life:016x}", 1, (name,), {}, {}))).jobs
                await probe.rescue()
                assert (await made.runner.jobs.get(lost.id)).status is Status.PENDING
            probe.parts.dispatcher.start_claiming()
            await job_kit.advance("1h")
        assert (await made.job()).status is Status.COMPLETED
        assert [end["function_id"] for end in await made.ends(FINISHED)] == ["shop-pay"]


async def test_a_run_that_is_redriven_sends_its_new_end(job_kit: JobKit) -> None:
    answers = iter([sdk(400, {"name": "E", "message": "no"}, x_inngest_no_retry="true"), sdk(200, {"a": 1})])
    async with shop(job_kit, lambda _: next(answers)) as made:
        await made.register(made.function())
        await made.run(n=1)
        job = await made.job()
        await made.runner.jobs.redrive(job.id)
        await job_kit.run_to_end()
        assert (await made.job()).result == {"a": 1}


async def test_a_run_that_waits_ends_no_run(job_kit: JobKit) -> None:
    async with shop(job_kit, lambda _: sdk(206, [operation("Sleep", "a", name="1h")])) as made:
        await made.register(made.function())
        await made.send()
        await made.runner.run_until_idle()
        assert await made.ends(FINISHED, FAILED, CANCELLED) == []
