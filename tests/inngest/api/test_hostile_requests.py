"""Requests of hostile senders, apps and people: each is refused by a status and a reason, and changes nothing.

A row has the method, the path, the body, the status of the answer, and words of it. In paths RUN stands for a run that
has ended, and NATIVE for a job that is none of a function, written as a run.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Final, NamedTuple

import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.clock import to_micros
from aiojobs_lite.inngest.ids import run_id
from aiojobs_lite.inngest.keys import SigningKey
from aiojobs_lite.testing import JobKit
from tests.helpers.inngest import SIGNING_KEY, hashed
from tests.helpers.inngest_app import Shop, returns, shop

pytestmark = pytest.mark.slow
A = hashed("a")
DEEP = f"{'[' * 100_000}{']' * 100_000}"
BEFORE = '"started_before":"2026-02-01T00:00:00Z"'


class Attack(NamedTuple):
    """A request, and how it is answered."""

    method: str
    path: str
    body: str | bytes
    status: int
    words: str
    form: bool = False


def event(body: str | bytes, status: int, words: str, *, form: bool = False) -> Attack:
    """An event that is sent."""
    return Attack("POST", "/e/key", body, status, words, form)


def checkpoint(item: object, status: int, words: str, steps: str = f'[{{"op":"StepRun","id":"{A}"}}]') -> Attack:
    """A checkpoint of the run that has ended, of this item."""
    text = base64.urlsafe_b64encode(json.dumps(item).encode()).decode().rstrip("=")
    return Attack("POST", "/v1/checkpoint/RUN/async", f'{{"qi_id":"{text}","steps":{steps}}}', status, words)


def cancels(body: str, status: int, words: str) -> Attack:
    """A bulk cancellation."""
    return Attack("POST", "/v1/cancellations", body, status, words)


def invokes(body: str, status: int, words: str) -> Attack:
    """An invocation."""
    return Attack("POST", "/invoke/shop-pay", body, status, words)


def signals(body: str, status: int, words: str) -> Attack:
    """A signal."""
    return Attack("POST", "/v1/signals", body, status, words)


ATTACKS: Final = {
    "event, 100,000 lists in each other": event(DEEP, 400, "nested more than 100 deep"),
    "event, data that no call could hold": event(
        f'{{"name":"x","data":{{"a":{"[" * 120 + "]" * 120}}}}}', 400, "100 deep"
    ),
    "event, NaN": event('{"name":"x","data":{"a":NaN}}', 400, "NaN is no JSON"),
    "event, infinite": event('{"name":"x","data":{"a":1e400}}', 400, "no double can hold"),
    "event, 10,000 digits": event(f'{{"name":"x","data":{{"a":{"9" * 10_000}}}}}', 400, "4300 digits"),
    "event, half a character": event('{"name":"x","data":{"\\ud800":"\\ud800"},"v":"\\udfff"}', 200, "ids"),
    "event, NUL": event('{"name":"x\\u0000y"}', 400, "expected 1 to 200 printable characters"),
    "event, ANSI": event('{"name":"\\u001b[31mx"}', 400, "\\\\x1b[31mx"),
    "event, from right to left": event('{"name":"\\u202ex"}', 400, "\\\\u202ex"),
    "event, 4 MiB": event(json.dumps({"name": "x", "data": {"a": "x" * 4_194_304}}), 400, "at most 3,145,728"),
    "event, 17 MiB": event(b" " * 17 * 1024 * 1024, 413, "at most 16,777,216 bytes"),
    "event, 5,001": event(json.dumps([{"name": "x"}] * 5_001), 400, "at most 5,000"),
    "event, an id of 10,000 characters": event(json.dumps({"name": "x", "id": "i" * 10_000}), 400, '"ids":[]'),
    "event, a name of 10,000 characters": event(json.dumps({"name": "n" * 10_000}), 400, '"ids":[]'),
    "event, a name of the server": event('{"name":"inngest/function.finished"}', 400, "are those of the server"),
    "event, a name of the library": event('{"name":"job.dead"}', 400, "a name of your own"),
    "event, an instant of infinity": event('{"name":"x","ts":1e308}', 400, "its ts is a whole number"),
    "event, no event": event("[[],5,null]", 400, "it is an object"),
    "event, nothing": event("", 400, "the body is no JSON"),
    "event, no UTF-8": event(b'{"name":"\xff"}', 400, "the body is no JSON"),
    "event, a form of 500,000 fields": event("&a=1" * 500_000, 400, "more than 100 fields", form=True),
    "event, a form of JSON": event('{"name":"x"}', 200, "ids", form=True),
    "registration, 100,000 lists": Attack("POST", "/fn/register", DEEP, 400, "nested more than 100 deep"),
    "registration, 5 MiB": Attack("POST", "/fn/register", b" " * 5 * 1024 * 1024, 413, "at most 4,194,304 bytes"),
    "registration, no functions": Attack("POST", "/fn/register", '{"appName":"x","functions":5}', 400, "a list of"),
    "checkpoint, no JSON": Attack("POST", "/v1/checkpoint/RUN/async", "junk", 400, "this is no checkpoint"),
    "checkpoint, no UTF-8": Attack("POST", "/v1/checkpoint/RUN/async", b"\xff", 400, "this is no checkpoint"),
    "checkpoint, 9 MiB": Attack("POST", "/v1/checkpoint/RUN/async", b" " * 9 * 1024 * 1024, 413, "8,388,608 bytes"),
    "checkpoint, of a run that has ended": checkpoint([1, 1, "x"], 409, "this call is stale"),
    "checkpoint, of another run": checkpoint([2, 1, "x"], 400, "not that of a call of this run"),
    "checkpoint, of an attempt below all": checkpoint([1, -(10**30), "x"], 409, "this call is stale"),
    "checkpoint, of an owner that is half a character": checkpoint([1, 1, "\ud800"], 409, "this call is stale"),
    "checkpoint, of lists in each other": Attack(
        "POST", "/v1/checkpoint/RUN/async",
        json.dumps({"qi_id": base64.b64encode(b"[" * 100_000).decode(), "steps": []}), 400, "not that of a call",
    ),
    "checkpoint, a time of 400 digits": checkpoint(
        [1, 1, "x"], 409, "stale", f'[{{"op":"StepRun","id":"{A}","timing":{{"b":{"9" * 400}}}}}]'
    ),
    "checkpoint, a sleep": checkpoint([1, 1, "x"], 400, "no operation of", f'[{{"op":"Sleep","id":"{A}"}}]'),
    "checkpoint, 10,000 steps": checkpoint(
        [1, 1, "x"], 400, "more than 2,000 parts", json.dumps([{"op": "StepRun", "id": A}] * 10_000)
    ),
    "run, dots": Attack("GET", "/v1/runs/../x", "", 404, "there is no such endpoint"),
    "run, encoded dots": Attack("GET", "/v1/runs/..%2f..%2fetc%2fpasswd", "", 404, "there is no such endpoint"),
    "run, NUL": Attack("GET", "/v1/runs/%00", "", 404, "there is no run '\\\\x00'"),
    "run, no UTF-8": Attack("GET", "/v1/runs/%ff", "", 404, "there is no run"),
    "run, another method": Attack("PATCH", "/v1/runs/RUN", "", 405, "there is no such endpoint"),
    "run, another number": Attack("GET", "/v1/runs/01KDVDNA00DAWG0000000000ZZ", "", 404, "there is no run"),
    "run, a job that is none": Attack("GET", "/v1/runs/NATIVE", "", 404, "there is no run"),
    "run, the end of a job that is none": Attack("DELETE", "/v1/runs/NATIVE", "", 404, "there is no run"),
    "run, the steps of a job that is none": Attack("GET", "/v0/runs/NATIVE/actions", "", 404, "there is no run"),
    "events, a limit of 5,000 digits": Attack("GET", f"/v1/events?limit={'9' * 5_000}", "", 200, "data"),
    "events, a limit that is no digit": Attack("GET", "/v1/events?limit=²", "", 200, "data"),
    "events, a name with NUL": Attack("GET", "/v1/events?name=%00", "", 400, "printable"),
    "events, no event": Attack("GET", "/v1/events/%2e%2e/runs", "", 404, "there is no event"),
    "cancellation, objects": cancels(f'{{"app_id":{{"a":1}},"function_id":{{"a":1}},{BEFORE}}}', 404, "no function"),
    "cancellation, an expression that is none": cancels(
        f'{{"app_id":"shop","function_id":"pay",{BEFORE},"if":{{"a":1}}}}', 400, "if: an expression"
    ),
    "cancellation, 64 KiB": cancels(
        f'{{"app_id":"shop","function_id":"pay",{BEFORE},"if":"{"a" * 65_536}"}}', 400, "if: expression"
    ),
    "cancellation, jobs that are no runs": cancels(
        f'{{"app_id":"native","function_id":"native",{BEFORE}}}', 404, "there is no function"
    ),
    "cancellation, before all time": cancels(
        f'{{"app_id":"shop","function_id":"pay","started_after":"0001-01-01T00:00:00+23:59",{BEFORE}}}', 400, "aware"
    ),
    "signal, a number": signals('{"signal":5}', 400, "the name of the signal is missing"),
    "signal, half a character": signals('{"signal":"\\ud800"}', 404, "no run waits"),
    "signal, 4 MB": signals(json.dumps({"signal": "x", "data": "x" * 4_000_000}), 404, "no run waits"),
    "invocation, a job type": Attack("POST", "/invoke/native", '{"x":1}', 404, "there is no function 'native'"),
    "invocation, half a character": Attack("POST", "/invoke/%ed%a0%80", "{}", 404, "there is no function"),
    "invocation, a list": invokes("[]", 400, "the body is no object"),
    "invocation, a user that is none": invokes('{"user":5}', 400, "its user is an object"),
    "invocation, 3.5 MB": invokes(json.dumps({"data": {"a": "x" * 3_500_000}}), 413, "at most 3,162,112"),
}  # fmt: skip


def declare(runner: JobRunner) -> None:
    """A job type that is no function."""

    @runner.job(name="native")
    async def native(x: int) -> None: ...


async def sent(made: Shop, attack: Attack, **headers: str) -> tuple[int, str]:
    """Status and text of the answer."""
    run = (await made.run())["run_id"]
    native = await (await made.runner.enqueue_named("native", x=5)).job()
    path = attack.path.replace("RUN", run).replace("NATIVE", run_id(to_micros(native.created_at), native.id))
    kind = "application/x-www-form-urlencoded" if attack.form else "application/json"
    answer = await made.client.request(
        attack.method, path, content=attack.body, headers={"content-type": kind, **headers}
    )
    assert "application/json" in answer.headers["content-type"]
    return answer.status_code, answer.text


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_hostile_request_is_refused_with_the_reason(job_kit: JobKit, attack: str) -> None:
    async with shop(job_kit, returns(1), before=declare) as made:
        await made.register(made.function())
        status, text = await sent(made, ATTACKS[attack])
        assert (status, ATTACKS[attack].words in text) == (ATTACKS[attack].status, True), text
        assert (await made.run())["status"] == "Completed"  # of all others nothing has changed
        left: list[Any] = await made.runner.jobs.list(type="native", status="cancelled")
        assert left == []


CLOUD: Final[dict[str, Any]] = {"mode": "cloud", "event_key": "secret", "signing_key": SIGNING_KEY}
OTHER_KEY: Final = "signkey-test-87654321"
WRONG: Final = {
    "none": {},
    "the key itself": {"Authorization": f"Bearer {SIGNING_KEY}"},
    "that of another app": {"Authorization": f"Bearer {SigningKey(OTHER_KEY).bearer}"},
    "no scheme": {"Authorization": SigningKey(SIGNING_KEY).bearer},
    "another scheme": {"Authorization": f"Basic {SigningKey(SIGNING_KEY).bearer}"},
    "twice": {"Authorization": f"Bearer {SigningKey(SIGNING_KEY).bearer}, x"},
    "no ASCII": {"Authorization": "Bearer é"},
}
GUARDED: Final = (
    ("POST", "/fn/register"), ("POST", "/v1/checkpoint/x/async"), ("GET", "/v0/runs/x/actions"),
    ("GET", "/v0/runs/x/batch"), ("GET", "/v1/runs/x"), ("DELETE", "/v1/runs/x"), ("GET", "/v1/events"),
    ("GET", "/v1/events/x"), ("GET", "/v1/events/x/runs"), ("POST", "/v1/signals"), ("POST", "/v1/cancellations"),
    ("GET", "/v1/cancellations"), ("POST", "/invoke/x"),
)  # fmt: skip


@pytest.mark.parametrize("key", WRONG)
async def test_no_endpoint_is_served_without_the_signing_key(job_kit: JobKit, key: str) -> None:
    async with shop(job_kit, returns(1), **CLOUD) as made:
        for method, path in GUARDED:
            headers = [(name.encode(), value.encode()) for name, value in WRONG[key].items()]
            answer = await made.client.request(method, path, content=b"{}", headers=headers)
            assert (answer.status_code, "signing key" in answer.text) == (401, True), path
        for wrong in ("x", "secre", "secret2", "%00", "%ff", "Secret"):
            assert (await made.client.post(f"/e/{wrong}", json={"name": "x"})).status_code == 401
        assert await made.runner.events.list() == []
