"""The endpoints of the Inngest application, with an app that a test scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from aiojobs_lite import JobRunner, Status
from aiojobs_lite.events import Event
from aiojobs_lite.runner import walks
from aiojobs_lite.testing import JobKit
from tests.helpers.inngest import SIGNING_KEY, hashed, next_of, operation, sdk
from tests.helpers.inngest_app import returns, shop

CLOUD: dict[str, Any] = {
    "mode": "cloud",
    "event_key": "secret-events",
    "signing_key": SIGNING_KEY,
    "allow_private": True,
}


# Registration.


async def test_a_function_that_is_registered_runs_for_its_event(job_kit: JobKit) -> None:
    async with shop(job_kit, returns({"paid": 1.0})) as made:
        answer = await made.register(made.function())
        assert (answer.status_code, answer.json()) == (200, {"ok": True, "modified": True})
        found = await made.run(sum=3)
        assert (found["status"], found["output"], found["function_id"]) == ("Completed", {"paid": 1.0}, "shop-pay")
        assert made.app.calls == ["? 0"]


async def test_the_same_registration_again_changes_nothing(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        await made.register(made.function())
        assert (await made.register(made.function())).json()["modified"] is False
        assert (await made.register(made.function(idempotency="event.data.id"))).json()["modified"] is True


async def test_a_function_that_is_registered_no_more_is_started_no_more(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        await made.register(made.function(), made.function("mail"))
        await made.register(made.function("mail"))
        event = await made.send("shop/pay")
        await job_kit.run_to_end()
        assert await made.runs_of(event) == []
        assert (await made.run("shop/mail"))["status"] == "Completed"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"appName": "", "functions": []}, "the name of the app"),
        ({"appName": "shop", "functions": [{"id": "shop-a"}]}, "missing"),
        ([], "an object"),
    ],
)
async def test_a_registration_that_cannot_be_is_refused_with_the_reason(
    job_kit: JobKit, body: object, words: str
) -> None:
    async with shop(job_kit, returns(1)) as made:
        answer = await made.client.post("/fn/register", json=body)
        assert answer.status_code == 400
        assert words in answer.json()["error"]


async def test_an_id_of_another_app_or_of_a_job_type_is_refused(job_kit: JobKit) -> None:
    def declare(runner: JobRunner) -> None:
        @runner.job(name="shop-mail")
        async def own() -> None: ...

    async with shop(job_kit, returns(1), before=declare) as made:
        await made.register(made.function())
        other = await made.register(made.function(), app="other")
        assert (other.status_code, "an id that no other app has" in other.text) == (400, True)
        taken = await made.register(made.function("mail"))
        assert (taken.status_code, "shop-mail" in taken.text) == (400, True)


async def test_a_registration_that_is_refused_leaves_the_functions_as_they_were(job_kit: JobKit) -> None:
    def declare(runner: JobRunner) -> None:
        @runner.job(name="shop-mail")
        async def own() -> None: ...

    async with shop(job_kit, returns(1), before=declare) as made:
        await made.register(made.function(), made.function("bill"))
        refused = await made.register(made.function(), made.function("mail"), made.function("ship"))
        assert refused.status_code == 400
        for name, status in (("pay", 200), ("bill", 200), ("mail", 404), ("ship", 404)):
            assert (await made.client.post(f"/invoke/shop-{name}", json={})).status_code == status, name


async def test_an_app_that_expects_the_other_kind_of_server_is_refused(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        answer = await made.register(made.function(), **{"x-inngest-expected-server-kind": "cloud"})
        assert (answer.status_code, "'dev'" in answer.text) == (400, True)


async def test_in_development_only_apps_of_this_machine_are_called(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        runtime = {"type": "http", "url": "https://example.com/api/inngest"}
        answer = await made.register(made.function(steps={"step": {"runtime": runtime}}))
        assert (
            answer.status_code,
            "a URL of this machine, or one of apps=[...]: in the mode 'dev' no other is called" in answer.text,
        ) == (400, True)


@pytest.mark.parametrize("allow_private", [True, False])
async def test_in_development_no_other_machine_is_called_whatever_addresses_are_allowed(
    job_kit: JobKit, allow_private: bool
) -> None:
    async with shop(job_kit, returns(1), allow_private=allow_private) as made:
        runtime = {"type": "http", "url": "https://example.com/api/inngest"}
        answer = await made.register(made.function(steps={"step": {"runtime": runtime}}))
        assert answer.status_code == 400


async def test_an_id_that_an_app_has_left_is_free_for_another(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        await made.register(made.function())
        await made.register()
        assert (await made.register(made.function(), app="other")).status_code == 200


async def test_a_person_who_looks_for_pages_is_led_to_the_dashboard(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        answer = await made.client.get("/")
        assert (answer.status_code, answer.json()["error"]) == (
            404,
            "GET /: there is no such endpoint; this server has no pages: `aiojobs-lite web FILE` shows what runs in its"
            " database",
        )


# Keys.


async def test_in_the_cloud_mode_keys_prove_apps_and_senders(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1), **CLOUD) as made:
        assert (await made.register(made.function())).status_code == 401
        assert (await made.client.post("/e/wrong", json={"name": "a"})).json()["status"] == 401
        assert (await made.client.post("/e/secret-events", json={"name": "a"})).status_code == 200
        assert (await made.client.get("/v1/events")).status_code == 401
        assert SIGNING_KEY not in (await made.register(made.function())).text


# Events.


async def test_events_before_a_bad_one_are_taken_and_none_behind_it(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        events = [{"name": "a"}, {"name": "b", "data": 5}, {"name": "c"}]
        answer = await made.client.post("/e/key", json=events)
        assert answer.status_code == 400
        assert len(answer.json()["ids"]) == 1
        assert [one.name for one in await made.runner.events.list()] == ["a"]


async def test_a_sender_that_repeats_a_request_starts_nothing_twice(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        await made.register(made.function())
        seed = {"x-inngest-event-id-seed": "1767225600000,AAAAAAAAAAAAAA=="}
        body = [{"name": "shop/pay", "data": {}}, {"name": "shop/pay", "data": {}}]
        first = await made.client.post("/e/key", json=body, headers=seed)
        again = await made.client.post("/e/key", json=body, headers=seed)
        assert first.json() == again.json()
        assert len(await made.runner.jobs.list(type="shop-pay")) == 2


@pytest.mark.parametrize(("body", "status"), [(b"no JSON", 400), (b"5", 400), (b"[]", 200)])
async def test_a_body_that_is_no_event(job_kit: JobKit, body: bytes, status: int) -> None:
    async with shop(job_kit, returns(1)) as made:
        assert (await made.client.post("/e/key", content=body)).status_code == status


async def test_an_event_may_come_from_a_form(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        await made.client.post("/e/key", data={"name": "a/b"})
        (found,) = (await made.client.get("/v1/events", params={"name": "a/b"})).json()["data"]
        assert (found["name"], found["data"]) == ("a/b", {})


# Together with native jobs.


async def test_native_jobs_and_functions_start_each_other(job_kit: JobKit) -> None:
    results = list[Any]()

    def declare(runner: JobRunner) -> None:
        @runner.on("inngest/function.finished")
        async def finished(event: Event[dict[str, Any]]) -> None:
            results.append(event.data["result"])

    async with shop(job_kit, returns({"is": "done"}), before=declare) as made:
        await made.register(made.function())
        await made.runner.send("shop/pay", {"n": 1})
        await job_kit.run_to_end()
        assert results == [{"is": "done"}]


# Runs.


async def test_runs_and_events_for_people(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(7)) as made:
        await made.register(made.function())
        event = await made.send(n=1)
        await job_kit.run_to_end()
        (run,) = await made.runs_of(event)
        found = (await made.client.get(f"/v1/runs/{run['run_id']}")).json()
        assert (found["data"], found["metadata"]["fetched_at"]) == (run, job_kit.clock.time.isoformat())
        shown = (await made.client.get(f"/v1/events/{event}")).json()["data"]
        assert (shown["internal_id"], shown["name"], shown["data"]) == (event, "shop/pay", {"n": 1})
        for path in ("runs/01ARZ3NDEKTSV4RRFFQ69G5FAV", "events/01ARZ3NDEKTSV4RRFFQ69G5FAV"):
            assert (await made.client.get(f"/v1/{path}")).status_code == 404


async def test_a_run_that_is_cancelled_says_so_in_an_event(job_kit: JobKit) -> None:
    def script(_: Mapping[str, Any]) -> bytes:
        return sdk(206, [operation("Sleep", "a", name="1h")])

    async with shop(job_kit, script) as made:
        await made.register(made.function())
        event = await made.send()
        await made.runner.run_until_idle()
        (run,) = await made.runs_of(event)
        assert run["status"] == "Running"
        assert (await made.client.delete(f"/v1/runs/{run['run_id']}")).status_code == 200
        assert (await made.runs_of(event))[0]["status"] == "Cancelled"
        await job_kit.run_to_end()
        (end,) = await made.ends("inngest/function.cancelled")
        assert (end["function_id"], end["run_id"]) == ("shop-pay", run["run_id"])


async def test_what_is_too_large_for_a_call_is_fetched(job_kit: JobKit) -> None:
    async with shop(job_kit, next_of(sdk(206, [operation("StepRun", "a", data=1)]), sdk(200, None))) as made:
        await made.register(made.function())
        run = (await made.run(n=1))["run_id"]
        assert (await made.client.get(f"/v0/runs/{run}/actions")).json() == {hashed("a"): {"data": 1}}
        (event,) = (await made.client.get(f"/v0/runs/{run}/batch")).json()
        assert event["data"] == {"n": 1}


async def test_a_form_of_several_parts_is_no_event(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        answer = await made.client.post("/e/key", files={"name": (None, "shop/pay")})
        assert (answer.status_code, answer.json()["ids"]) == (415, [])
        assert answer.json()["error"].startswith("a form of several parts is no event: send JSON, an object with")


# The rest.


async def test_a_signal_reaches_the_run_that_waits_for_it(job_kit: JobKit) -> None:
    wait = operation("WaitForSignal", "a", opts={"signal": "go", "timeout": "1h"})
    async with shop(job_kit, next_of(sdk(206, [wait]), sdk(200, ["went"]))) as made:
        await made.register(made.function())
        event = await made.send()
        await made.runner.run_until_idle()
        (run,) = await made.runs_of(event)
        missing = await made.client.post("/v1/signals", json={"signal": "other", "data": 1})
        assert missing.status_code == 404
        found = await made.client.post("/v1/signals", json={"signal": "go", "data": 1})
        assert found.json()["data"] == {"run_id": run["run_id"]}
        await job_kit.run_to_end()
        assert (await made.runs_of(event))[0]["output"] == ["went"]


async def test_a_function_is_invoked_without_an_event_of_its_triggers(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        await made.register(made.function(triggers=[]))
        answer = await made.client.post("/invoke/shop-pay", json={"data": {"n": 5}})
        await job_kit.run_to_end()
        assert (await made.job()).status is Status.COMPLETED
        (event,) = (await made.client.get(f"/v0/runs/{answer.json()['run_id']}/batch")).json()
        assert (event["name"], event["data"]) == ("inngest/function.invoked", {"n": 5})
        assert (await made.client.post("/invoke/none", json={})).status_code == 404


async def test_many_runs_are_cancelled_by_a_time_and_an_expression(
    job_kit: JobKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walks, "PAGE_S", -1)  # so that pages are short before the list ends
    monkeypatch.setattr(walks, "FIRST_LOOKS", 1)

    def script(_: Mapping[str, Any]) -> bytes:
        return sdk(206, [operation("Sleep", "a", name="1h")])

    async with shop(job_kit, script) as made:
        await made.register(made.function())
        events = [await made.send(n=n) for n in range(3)]
        await made.runner.run_until_idle()
        body = {
            "app_id": "shop", "function_id": "pay", "started_before": "2999-01-01T00:00:00Z", "if": "event.data.n > 0",
        }  # fmt: skip
        answer = await made.client.post("/v1/cancellations", json=body)
        assert answer.status_code == 201
        found = [(await made.runs_of(event))[0]["status"] for event in events]
        assert found == ["Running", "Cancelled", "Cancelled"]
        assert (await made.client.get("/v1/cancellations")).json()["data"] == [answer.json()["data"]]


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        ({}, 400, "started_before"),
        ({"started_before": "yesterday"}, 400, "an instant with a zone"),
        ({"started_before": "2999-01-01T00:00:00Z", "if": "(("}, 400, "if:"),
        ({"started_before": "2999-01-01T00:00:00Z", "function_id": "none"}, 404, "no function"),
    ],
)
async def test_a_cancellation_that_cannot_be(job_kit: JobKit, more: dict[str, Any], status: int, words: str) -> None:
    async with shop(job_kit, returns(1)) as made:
        await made.register(made.function())
        answer = await made.client.post("/v1/cancellations", json={"app_id": "shop", "function_id": "pay", **more})
        assert answer.status_code == status
        assert words in answer.json()["error"]


# Checkpoints.


async def test_steps_are_stored_while_the_call_is_open_and_a_stale_call_is_refused(job_kit: JobKit) -> None:
    seen = list[dict[str, Any]]()

    def script(body: Mapping[str, Any]) -> bytes:
        seen.append(dict(body["ctx"]))
        return sdk(206, [operation("Sleep", "b", name="1s")]) if len(seen) == 1 else sdk(200, list(body["steps"]))

    async with shop(job_kit, script) as made:
        await made.register(made.function())
        event = await made.send()
        await made.runner.run_until_idle()
        ctx = seen[0]
        body = {"run_id": ctx["run_id"], "qi_id": ctx["qi_id"], "steps": [operation("StepRun", "a", data=1)]}
        stale = await made.client.post(f"/v1/checkpoint/{ctx['run_id']}/async", json=body)
        assert stale.status_code == 409
        wrong: list[Any] = [{**body, "qi_id": "x"}, {"steps": []}]
        for one in [*wrong, {**body, "steps": [operation("Sleep", "a", name="1h")]}]:
            answer = await made.client.post(f"/v1/checkpoint/{ctx['run_id']}/async", json=one)
            assert answer.status_code == 400
        await job_kit.run_to_end()
        assert (await made.runs_of(event))[0]["output"] == [hashed("b")]


async def test_an_unknown_path_has_no_answer(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        assert (await made.client.get("/v1/none")).status_code == 404
        assert (await made.client.get("/e/key")).status_code == 405
        assert (await made.client.post("/fn/register/", json={})).status_code == 404
