"""The call of an app: body and headers, of what a run has done."""

from __future__ import annotations

import json
from typing import Any

import pytest
from inngest._internal import server_lib

from aiojobs_lite.durable.driver import DriverCall
from aiojobs_lite.inngest import ids
from aiojobs_lite.inngest.call import (
    LARGEST_CALL_BYTES,
    AppCall,
    CallParts,
    CallSettings,
    Target,
    event_texts,
    job_id,
    make_call,
    memo_of_step,
    step_texts,
    url_of,
)
from aiojobs_lite.inngest.keys import AppKeys, canonical_body
from aiojobs_lite.model.events import EventRow, memo_of
from aiojobs_lite.model.steps import StepKind, StepRow, StepState, end_memo
from tests.helpers.engine import claimed
from tests.helpers.inngest import SIGNING_KEY, hashed

NOW = 1_767_225_600_123_456
MEMO = memo_of(EventRow(3, "shop/ordered", '{"id": 7.0}', NOW, "e1"))
EVENT = '{"name":"shop/ordered","id":"e1","data":{"id": 7.0},"user":{},"ts":1767225600123}'
TARGET = Target("shop-mail", "http://localhost:3000/api/inngest")
RUN = claimed(7, "shop-mail", f'{{"event":{MEMO}}}', attempt=2)
A, B = hashed("a"), hashed("b")


def row(
    name: str, memo: str | None, kind: StepKind = StepKind.RUN, *, place: int = 1, state: StepState = StepState.DONE,
    error: str | None = None,
) -> StepRow:  # fmt: skip
    return StepRow(name, kind, state, memo, error, 1, None, NOW, NOW, place)


def called(
    *ended: StepRow, target: str | None = None, mode: Any = "dev", keys: AppKeys | None = None, version: int = 2,
    events: list[str] | None = None,
) -> AppCall:  # fmt: skip
    call = DriverCall(RUN, ended, target, 1, is_planning=target is not None)
    parts = CallParts(events or [EVENT], step_texts(ended), version)
    return make_call(call, TARGET, parts, CallSettings(mode, keys), NOW)


def test_the_body_has_all_that_an_sdk_asks_for() -> None:
    made = called(row(f"{A} a", '{"data":1.0}'), row(f"{B} b", "null", StepKind.SLEEP, place=2))
    body = json.loads(made.body)
    ctx = body.pop("ctx")
    assert body == {
        "event": json.loads(EVENT), "events": [json.loads(EVENT)], "steps": {A: {"data": 1.0}, B: None}, "defers": {},
        "use_api": False, "version": 2,
    }  # fmt: skip
    request = ctx.pop("request_id")
    run = ids.run_id(RUN.created_at, 7)
    assert ctx == {
        "run_id": run, "fn_id": "shop-mail", "qi_id": ids.item_id(RUN), "env": "dev", "step_id": "step", "attempt": 1,
        "max_attempts": 5, "disable_immediate_execution": False, "use_api": False,
        "stack": {"stack": [A, B], "current": 2}, "generation_id": 2, "job_id": f"{run}-2",
    }  # fmt: skip
    assert made.url == "http://localhost:3000/api/inngest?fnId=shop-mail&stepId=step"
    assert dict(made.headers) == {
        "Content-Type": "application/json", "User-Agent": "aiojobs_lite", "Accept-Encoding": "identity",
        "x-inngest-server-kind": "dev", "x-run-id": run, "x-request-id": request, "x-inngest-job-id": f"{run}-2",
        "x-inngest-generation-id": "2", "x-inngest-req-version": "2", "x-inngest-step-id": "step",
    }  # fmt: skip
    server_lib.ServerRequest.model_validate_json(made.body)


def test_a_call_for_one_step_says_so() -> None:
    made = called(row(f"{A} a", '{"data":1}'), target=f"{B} send mail")
    ctx = json.loads(made.body)["ctx"]
    assert made.url.endswith(f"&stepId={B}")
    assert (dict(made.headers)["x-inngest-step-id"], ctx["step_id"]) == (B, "step")
    assert ctx["disable_immediate_execution"] is True


def test_the_id_of_a_queue_item_is_that_of_all_its_attempts_and_of_no_other() -> None:
    one, two = row(f"{A} a", "{}"), row(f"{B} b", "{}")
    calls = [DriverCall(RUN, (), None, 0), DriverCall(RUN, (one,), None, 0), DriverCall(RUN, (), f"{A} a", 0)]
    assert len({job_id(call, "run") for call in calls}) == 3
    assert job_id(calls[0], "run") == job_id(calls[0]._replace(attempt=3), "run") != job_id(calls[0], "other")
    assert job_id(calls[2], "run") == job_id(DriverCall(RUN, (two,), f"{A} a", 1), "run")  # others may end meanwhile


def test_in_cloud_mode_the_one_form_of_the_body_is_sent_and_signed() -> None:
    keys = AppKeys(SIGNING_KEY)
    made = called(row(f"{A} a", '{"data":{"b":1.0,"a":1e2}}'), mode="cloud", keys=keys)
    assert made.body == canonical_body(made.body.decode())
    assert b'{"data":{"a":100,"b":1}}' in made.body
    headers = dict(made.headers)
    assert headers["x-inngest-server-kind"] == "cloud"
    keys.verify(made.body, headers["x-inngest-signature"], NOW // 1_000_000)
    with pytest.raises(ValueError, match="int too large"):
        called(row(f"{A} a", f'{{"data":1{"0" * 400}}}'), mode="cloud", keys=keys)


def test_a_call_that_is_too_large_leaves_out_what_the_sdk_can_fetch() -> None:
    memo = json.dumps({"data": "x" * (LARGEST_CALL_BYTES - 10_000)})
    assert json.loads(called(row(f"{A} a", memo)).body)["use_api"] is False
    made = called(row(f"{A} a", memo), row(f"{B} b", json.dumps({"data": "ü" * 10_000})))
    body = json.loads(made.body)
    assert (body["use_api"], body["ctx"]["use_api"], body["events"], body["steps"]) == (True, True, [], {})
    assert (body["event"], body["ctx"]["stack"]["stack"]) == (json.loads(EVENT), [A, B])
    assert len(made.body) < 10_000


def test_the_size_of_a_call_is_that_of_its_bytes() -> None:
    memo = json.dumps({"data": "🚀" * (LARGEST_CALL_BYTES // 4)}, ensure_ascii=False)
    assert json.loads(called(row(f"{A} a", memo)).body)["use_api"] is True


@pytest.mark.parametrize(
    ("url", "made"),
    [
        ("http://a/x", "http://a/x?fnId=shop-mail&stepId=ab"),
        ("https://a:1/x?fnId=old&stepId=step&k=a%20b&e=", "https://a:1/x?k=a+b&e=&fnId=shop-mail&stepId=ab"),
        ("http://a/?step=step&fnId=old", "http://a/?step=step&fnId=shop-mail&stepId=ab"),
    ],
)
def test_function_and_step_are_set_in_the_query_and_the_rest_of_it_stays(url: str, made: str) -> None:
    assert url_of(Target("shop-mail", url), "ab") == made


def test_the_events_of_a_run_are_those_of_its_payload() -> None:
    assert event_texts(f'{{"event":{MEMO}}}') == [EVENT]
    assert event_texts(f'{{"events":[{MEMO}, {MEMO}]}}') == [EVENT, EVENT]
    for payload in ("[]", '{"event":1}', '{"events":1}', '{"a":1}'):
        with pytest.raises(ValueError, match="is missing at character 0"):
            event_texts(payload)
    with pytest.raises(ValueError, match="it has no event"):
        event_texts('{"events":[]}')
    with pytest.raises(ValueError, match="an event has an id, a name, data and the instant at which it was sent"):
        event_texts('{"event":{"id":"e"}}')


def error(memo: str) -> tuple[str, str]:
    found = json.loads(memo)["error"]
    return found["name"], found["message"]


def test_the_memo_of_each_kind_of_step_is_what_its_sdk_expects() -> None:
    reply = memo_of(EventRow(4, "shop/paid", '{"sum": 1.0}', NOW, "p"))
    signal = memo_of(EventRow(4, "inngest/signal", '{"signal":"s","data":{"a": 1.0},"waiter":"7.a"}', NOW, None))
    assert memo_of_step(row("a", '{"data": 1.0}')) == '{"data": 1.0}'
    assert memo_of_step(row("a", '{"error":{}}', state=StepState.FAILED)) == '{"error":{}}'
    assert memo_of_step(row("a", "null", StepKind.SLEEP)) == "null"
    assert memo_of_step(row("a", "null", StepKind.EVENT)) == "null"
    assert json.loads(memo_of_step(row("a", reply, StepKind.EVENT)))["data"] == {"sum": 1.0}
    assert '"sum": 1.0' in memo_of_step(row("a", reply, StepKind.EVENT))
    assert memo_of_step(row("a", signal, StepKind.EVENT)) == '{"data":{"signal":"s","data":{"a": 1.0}}}'
    assert memo_of_step(row("a", '{"data":1.0}', StepKind.CHILD)) == '{"data":1.0}'


@pytest.mark.parametrize(
    ("memo", "name", "message"),
    [
        (end_memo("timeout", None, None, None), "InngestInvokeTimeoutError",
         "Timed out waiting for invoked function to complete"),
        (end_memo("dead", None, "3 attempts", "TypeError: x: y"), "TypeError", "x: y"),
        (end_memo("dead", None, "why", "TypeError"), "Error", "why"),
        (end_memo("cancelled", None, "by hand", None), "Error", "by hand"),
        (end_memo("deleted", None, None, None), "Error", "the invoked function is deleted"),
    ],
)  # fmt: skip
def test_an_invoked_function_that_did_not_return_is_an_error(memo: str, name: str, message: str) -> None:
    assert error(memo_of_step(row("a", memo, StepKind.CHILD, state=StepState.FAILED))) == (name, message)


def test_a_step_that_failed_without_an_error_of_the_sdk_has_that_of_the_server() -> None:
    stored = json.dumps({"type": "AppUnreachable", "message": "no answer", "traceback": "line"})
    memo = memo_of_step(row("a", None, state=StepState.FAILED, error=stored))
    assert json.loads(memo) == {"error": {"name": "AppUnreachable", "message": "no answer", "stack": "line"}}
    assert error(memo_of_step(row("a", None, state=StepState.FAILED))) == ("Error", "")


def test_names_of_the_driver_go_to_no_sdk_and_of_a_wait_the_last_one_counts() -> None:
    rows = [
        row(f"{A} a", "null", StepKind.EVENT), row("~version", "2"), row(f"{B} b", '{"data":1}'),
        row(f"{A} a~2", MEMO, StepKind.EVENT),
    ]  # fmt: skip
    assert step_texts(rows) == {B: '{"data":1}', A: EVENT}
    assert list(step_texts(rows)) == [B, A]
