"""Operations of SDKs as operations of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from aiojobs_lite.durable.operations import InvokeJob, Operation, Sleep, StepPlanned, StepRaised, StepRan, WaitForEvent
from aiojobs_lite.inngest import ids
from aiojobs_lite.inngest.answers import SdkOperation, operations_in
from aiojobs_lite.inngest.conditions import Condition
from aiojobs_lite.inngest.events import from_memo
from aiojobs_lite.inngest.operations import (
    Answering,
    GatewayFailed,
    Helpers,
    Unfit,
    Waiter,
    operations_of,
    requested,
)
from aiojobs_lite.inngest.slices import finish
from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.event_match import EventMatch
from aiojobs_lite.model.events import mark_of
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.policy.verdict import Verdict, Wish
from tests.helpers.inngest import hashed, operation

NOW = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
HOUR = 3_600_000_000
A = hashed("a")
NAME = f"{A} a"
RUN = ids.run_id(NOW, 7)
HELPERS = Helpers()
CANDIDATE = Candidate(NewJob("shop-bill", "{}", 1, NOW, 5, NOW))


def answering(verdict: Verdict | None = None, **names: str) -> Answering:
    known = {hashed(step): name for step, name in names.items()}
    return Answering(7, RUN, '{"name":"shop/ordered","data":{"id":7}}', known, verdict or Verdict(Wish.AGAIN), NOW)


def sdk_operation(op: str, **more: object) -> SdkOperation:
    (found,) = finish(operations_in(json.dumps(operation(op, "a", **more))))
    return found


async def made(op: str, helpers: Helpers = HELPERS, verdict: Verdict | None = None, **more: Any) -> Sequence[Operation]:
    return await operations_of(sdk_operation(op, **more), answering(verdict), helpers)


async def unfit(op: str, helpers: Helpers = HELPERS, **more: Any) -> str:
    with pytest.raises(Unfit) as caught:
        await made(op, helpers, **more)
    return f"{caught.value.name}: {caught.value}"


async def test_a_step_that_ran_is_wrapped_but_for_that_of_an_old_sdk() -> None:
    assert await made("StepRun", data=1.0, timing={"b": 2_000_000_000}) == [StepRan(NAME, '{"data":1.0}', 2.0)]
    assert await made("StepRun") == [StepRan(NAME, '{"data":null}', 0.0)]
    assert await made("Step", data={"data": 1}) == [StepRan(NAME, '{"data": 1}', 0.0)]


@pytest.mark.parametrize(
    ("op", "said", "expected"),
    [
        ("StepError", Verdict(Wish.AGAIN), Verdict(Wish.AGAIN, "E")),
        ("StepError", Verdict(Wish.RETRY, "Error", 7.0), Verdict(Wish.RETRY, "E", 7.0)),
        ("StepError", Verdict(Wish.NEVER, "Error"), Verdict(Wish.NEVER, "E")),
        ("StepFailed", Verdict(Wish.AGAIN), Verdict(Wish.NEVER, "E")),
    ],
)
async def test_a_step_that_raised_is_tried_again_or_not(op: str, said: Verdict, expected: Verdict) -> None:
    (raised,) = await made(op, verdict=said, error={"name": "E", "message": "m", "stack": "s", "code": "c"})
    assert isinstance(raised, StepRaised)
    assert (raised.name, raised.verdict, raised.failure[:3]) == (NAME, expected, ("E", "m", "s"))
    assert json.loads(raised.memo or "") == {"error": {"name": "E", "message": "m", "stack": "s"}}


async def test_a_step_that_raised_nothing_has_an_error_still() -> None:
    (raised,) = await made("StepFailed")
    assert isinstance(raised, StepRaised)
    assert raised.memo == '{"error":{"name": "Error", "message": ""}}'


async def test_a_step_keeps_the_name_that_it_has() -> None:
    found = await operations_of(sdk_operation("StepPlanned"), answering(a=f"{A} old"), HELPERS)
    assert found == [StepPlanned(f"{A} old")]
    assert await made("StepPlanned") == [StepPlanned(NAME)]


@pytest.mark.parametrize(
    "more",
    [
        {"name": "1h"}, {"opts": {"duration": "1h"}}, {"opts": {"duration": "1h"}, "name": "x"},
        {"name": "2026-01-01T01:00:00.000Z"},
    ],
)  # fmt: skip
async def test_a_sleep_lasts_a_duration_or_until_a_date(more: Any) -> None:
    assert await made("Sleep", **more) == [Sleep(NAME, NOW + HOUR)]


@pytest.mark.parametrize(
    ("more", "until"),
    [
        ({"name": "shop/paid", "opts": {"timeout": "1h"}}, HOUR), ({"name": "x", "opts": {"event": "shop/paid"}}, 0),
        ({"opts": {"event": "shop/paid", "timeout": "", "if": ""}}, 0),
    ],
)  # fmt: skip
async def test_a_wait_is_for_an_event_by_its_name(more: dict[str, Any], until: int) -> None:
    assert await made("WaitForEvent", **more) == [WaitForEvent(NAME, EventMatch("shop/paid"), NOW + until)]


async def test_the_equalities_of_a_wait_are_its_match_and_what_else_it_asks_for_is_kept_beside_it() -> None:
    opts = {"event": "shop/paid", "timeout": "1h", "if": "event.data.id == async.data.id"}
    match = EventMatch("shop/paid", ("id",), "[7]")
    assert await made("WaitForEvent", opts=opts) == [WaitForEvent(NAME, match, NOW + HOUR)]
    opts["if"] += " && async.data.sum > 1"
    wait, note = await made("WaitForEvent", opts=opts)
    condition = Condition(opts["if"], match, NOW + HOUR, is_raced=False)
    assert wait == WaitForEvent(NAME, condition.match, NOW + HOUR)
    assert note == StepRan(f"~if {A}", condition.memo())


async def test_a_wait_that_cannot_be_fails_the_run() -> None:
    problem = "CompileError: expression 'a ==', at character 4: "
    assert (await unfit("WaitForEvent", opts={"event": "e", "if": "a =="})).startswith(problem)
    assert (await unfit("WaitForEvent", opts={"event": "e*"})).startswith(
        "InvalidOperation: WaitForEvent 'a': name='e*'"
    )
    assert "timeout='soon'" in await unfit("WaitForEvent", opts={"event": "e", "timeout": "soon"})


async def test_a_signal_is_an_event_of_the_library() -> None:
    match = EventMatch("inngest/signal", ("signal",), '["paid"]')
    before = f'{{"id":"","name":"inngest/signal","data":{{}},"sent_at":{NOW}}}'
    assert mark_of(before).sent_at == NOW
    assert await made("WaitForSignal", opts={"signal": "paid", "timeout": "1h"}) == [
        WaitForEvent(NAME, match, NOW + HOUR, before)
    ]
    assert await made("WaitForSignal", name="paid") == [WaitForEvent(NAME, match, NOW, before)]
    for signal in ("", 7, "x" * 513):
        assert "text of 1 to 512 characters" in await unfit("WaitForSignal", name="", opts={"signal": signal})


async def test_a_signal_may_be_taken() -> None:
    class Taken:
        def __init__(self) -> None:
            self.asked: list[tuple[str, str, int, bool]] = []

        async def take(self, signal: str, waiter: Waiter, until: int, *, replaces: bool) -> bool:
            self.asked.append((signal, waiter.mark, until, replaces))
            return replaces

    signals = Taken()
    helpers = Helpers(signals=signals)
    opts = {"signal": "paid", "timeout": "1h", "conflict": "fail"}
    conflict = (
        "Error: Signal conflict; signal wait already exists for another run: 'paid'. Wait for another name, or with"
    )
    assert (await unfit("WaitForSignal", helpers, opts=opts)).startswith(conflict)
    match = EventMatch("inngest/signal", ("signal", "waiter"), f'["paid","7.{A}"]')
    (wait,) = await made("WaitForSignal", helpers, opts={**opts, "conflict": "replace"})
    assert isinstance(wait, WaitForEvent)
    assert wait.match == match
    assert signals.asked == [("paid", f"7.{A}", NOW + HOUR, False), ("paid", f"7.{A}", NOW + HOUR, True)]
    assert await operations_of(
        sdk_operation("WaitForSignal", opts=opts), answering(a=NAME), helpers
    )  # it waits already


class Known:
    """One function that can be invoked."""

    def __init__(self) -> None:
        self.memo = ""

    def invoked(self, function_id: str, memo: str) -> Candidate | None:
        self.memo = memo
        return CANDIDATE if function_id == "shop-bill" else None


@pytest.mark.parametrize(("timeout", "until"), [(None, 366 * 24 * HOUR), ("", 366 * 24 * HOUR), ("1h", HOUR)])
async def test_a_function_is_invoked_with_an_event_of_its_own(timeout: str | None, until: int) -> None:
    known = Known()
    opts = {
        "function_id": "shop-bill", "payload": {"data": {"a": 1.5, "_inngest": 1}, "user": {"b": 2}, "v": "1"},
        "timeout": timeout,
    }  # fmt: skip
    (job,) = await made("InvokeFunction", Helpers(known), opts=opts)
    assert isinstance(job, InvokeJob)
    assert (job.name, job.until) == (NAME, NOW + until)
    event = from_memo(json.loads(known.memo))
    about = {
        "fn_id": "shop-bill",
        "correlation_id": f"{RUN}.{A}",
        "expire": (NOW + until) // 1000,
    }
    assert event.pop("id")
    assert event == {
        "name": "inngest/function.invoked", "data": {"a": 1.5, "_inngest": about}, "user": {"b": 2}, "v": "1",
        "ts": NOW // 1000,
    }  # fmt: skip


@pytest.mark.parametrize("helpers", [HELPERS, Helpers(Known())])
async def test_a_function_that_there_is_not_is_an_error_of_its_step(helpers: Helpers) -> None:
    (raised,) = await made("InvokeFunction", helpers, opts={"function_id": "shop-none"})
    assert isinstance(raised, StepRaised)
    assert raised.verdict.wish is Wish.NEVER
    message = "could not find function with ID: shop-none"
    assert json.loads(raised.memo or "") == {"error": {"name": "Error", "message": message, "stack": ""}}


@pytest.mark.parametrize("opts", [{}, {"function_id": 7}, {"function_id": "a", "payload": [1]}])
async def test_an_invoke_says_which_function(opts: dict[str, Any]) -> None:
    assert "the id of a function, and a payload that is an object" in await unfit("InvokeFunction", opts=opts)


async def test_what_an_app_asks_the_server_to_request_is_refused_unless_it_is_allowed() -> None:
    for op in ("Gateway", "AIGateway"):
        assert await made(op) == []
        raised = await requested(sdk_operation(op), answering(), HELPERS)
        assert isinstance(raised, StepRaised)
        assert (raised.verdict, raised.failure.error_type) == (Verdict(Wish.NEVER, "GatewayRefused"), "GatewayRefused")
        assert raised.failure.message == (
            "requests of the server for an app are not allowed: set gateway= of inngest_app, or --gateway"
        )


@pytest.mark.parametrize(("is_final", "wish"), [(True, Wish.NEVER), (False, Wish.AGAIN)])
async def test_what_came_of_a_request_is_what_its_step_gave(is_final: bool, wish: Wish) -> None:
    class Requests:
        async def request(self, found: SdkOperation) -> str:
            if found.opts["url"] == "bad":
                raise GatewayFailed("no", name="FetchError", stack="s", is_final=is_final)
            return '{"status_code":200}'

    helpers = Helpers(gateway=Requests())
    good = await requested(sdk_operation("Gateway", opts={"url": "good"}), answering(), helpers)
    assert good == StepRan(NAME, '{"data":{"status_code":200}}', 0.0)
    bad = await requested(sdk_operation("Gateway", opts={"url": "bad"}), answering(), helpers)
    assert isinstance(bad, StepRaised)
    assert (bad.verdict.wish, bad.memo) == (wish, '{"error": {"name": "FetchError", "message": "no", "stack": "s"}}')


async def test_the_end_of_a_run_beside_others_is_stored() -> None:
    assert await made("RunComplete", data={"a": 1}) == [StepRan("~returned", '{"a": 1}')]
    assert await made("RunComplete") == [StepRan("~returned", "null")]


@pytest.mark.parametrize("op", ["None", "DiscoveryRequest", "DeferAdd", "DeferAbort"])
async def test_what_says_nothing_is_nothing(op: str) -> None:
    assert await made(op) == []


async def test_what_is_deferred_is_a_note() -> None:
    given = {"function": "f", "data": {"n": 1.0}, "meta": {}}
    (added,) = await made("DeferAdd", opts={"fn_slug": "f", "input": {"n": 1.0}})
    assert isinstance(added, StepRan)
    assert (added.name, json.loads(added.memo or "")) == (f"~defer {A}", given)
    assert await made("DeferAbort", opts={"target_hashed_id": A}) == [StepRan(f"~abort {A}", "null")]


@pytest.mark.parametrize("op", ["Teleport", "SyncRunComplete"])
async def test_what_is_not_known_is_named(op: str) -> None:
    problem = f"UnknownOperation: the operation {op!r} of the SDK is not known: use a newer aiojobs_lite"
    assert await unfit(op) == problem
