"""Answers of a hostile app: each fails its attempt or its run with the reason, and harms nothing else.

A row has the answer, how the run ends, and words of its error or its output.
"""

from __future__ import annotations

import gzip
import json
import logging
from typing import Any, Final, NamedTuple

import pytest

from aiojobs_lite.testing import JobKit
from tests.helpers.endpoints import reply
from tests.helpers.inngest import hashed, operation, sdk, sdk_headers
from tests.helpers.inngest_app import shop

pytestmark = pytest.mark.slow
A = hashed("a")
DEEP = f"{'[' * 100_000}{']' * 100_000}"
DIGITS = "9" * 10_000


class Hostile(NamedTuple):
    """An answer, and what becomes of the run.

    Attributes:
        answer: The answer, byte by byte.
        status: How the run ends.
        words: What its error or its output says.
    """

    answer: bytes
    status: str
    words: str


def answered(body: str | bytes, status: int = 200, **headers: str) -> bytes:
    """An answer of an SDK whose body is not encoded."""
    return reply(status, body if isinstance(body, bytes) else body.encode(), **sdk_headers(**headers))


def step(data: str, op: str = "StepRun", **more: str) -> bytes:
    """One operation, with members that are JSON texts."""
    members = {"op": f'"{op}"', "id": f'"{A}"', "data": data, **more}
    return answered("[{" + ",".join([f'"{name}":{value}' for name, value in members.items()]) + "}]", 206)


def one(op: str, **more: object) -> bytes:
    """One operation."""
    return sdk(206, [operation(op, "a", **more)])


def many(op: str, count: int, **more: object) -> bytes:
    """Very many operations."""
    return sdk(206, [{"op": op, "id": hashed(str(number)), **more} for number in range(count)])


def waits(**opts: object) -> bytes:
    """A wait for an event."""
    return one("WaitForEvent", opts={"event": "x", "timeout": "1s", **opts})


def invokes(**payload: object) -> bytes:
    """An invocation."""
    return one("InvokeFunction", opts={"function_id": "shop-mail", "payload": payload})


ANSWERS: Final = {
    "100,000 lists in each other": Hostile(answered(DEEP), "Failed", "nested more than 150 deep"),
    "the same in a step": Hostile(step(DEEP), "Failed", "nested more than 150 deep"),
    "an end that is missing 100,000 times": Hostile(answered("[" * 100_000), "Failed", "nested more than 150 deep"),
    "a text that does not end, of quotes": Hostile(answered(f'{"[" * 151}"' + '\\"' * 300_000), "Failed", "nested"),
    "300,000 lists": Hostile(answered(f"[{'[],' * 300_000}[]]"), "Failed", "more than 250,000 lists and objects"),
    "one name twice": Hostile(step("1", op="StepRun\",\"op\":\"Sleep"), "Failed", "has the name 'op' twice"),
    "NaN": Hostile(answered("NaN"), "Failed", "NaN is no JSON"),
    "a number that is infinite": Hostile(answered("1e400"), "Failed", "a number that no double can hold"),
    "10,000 digits": Hostile(answered(DIGITS), "Failed", "Exceeds the limit (4300 digits)"),
    "half a character": Hostile(answered('"a\\ud83d"'), "Completed", "a\ufffd"),
    "half a character in a stream": Hostile(
        answered(json.dumps({"status": 200, "headers": {}, "body": '"\\ud83d"'}), 201), "Completed", "\ufffd"
    ),
    "half a character in an error": Hostile(
        answered('{"name":"\\ud800","message":"\\ud800"}', 500, x_inngest_no_retry="true"), "Failed", "\ufffd: \ufffd"
    ),
    "NUL": Hostile(answered('"a\\u0000b"'), "Completed", "a\x00b"),
    "escapes of a terminal": Hostile(
        answered("\x1b[31m\r\nERROR root: \u202eresu", 502, x_inngest_no_retry="true"), "Failed",
        "502: \\x1b[31m ERROR root: \\u202eresu",
    ),
    "an operation that is unknown": Hostile(one("Explode"), "Failed", "operation 'Explode' of the SDK is not known"),
    "an operation without an id": Hostile(sdk(206, [{"op": "StepRun"}]), "Failed", "that of a step an id"),
    "a name of the server's own": Hostile(sdk(206, [{"op": "StepRun", "id": "~returned"}]), "Failed", "an id"),
    "10,000 operations": Hostile(many("StepRun", 10_000, data=1), "Failed", "has more than 2,000 parts"),
    "2,000 operations": Hostile(many("StepRun", 2_000, data=1), "Failed", "a job has at most 1,000"),
    "2,000 waits": Hostile(many("WaitForEvent", 2_000, name="x", opts={"timeout": "1s"}), "Failed", "at most 1,000"),
    "a step twice": Hostile(
        sdk(206, [operation("StepRun", "a", data=1), operation("StepRun", "a", data=2)]), "Completed", "fine"
    ),
    "one id of two kinds": Hostile(
        sdk(206, [operation("StepRun", "a", data=1), operation("Sleep", "a", name="1s")]), "Completed", "fine"
    ),
    "no operation": Hostile(sdk(206, []), "Failed", "neither an end nor an operation that is new"),
    "a time of 400 digits": Hostile(step("1", timing=f'{{"b":{"9" * 400}}}'), "Completed", "fine"),
    "a sleep of an object": Hostile(one("Sleep", opts={"duration": {"a": 1}}), "Failed", "expected a duration"),
    "a sleep of 200 KB": Hostile(one("Sleep", name="1s" * 100_000), "Failed", "expected a duration"),
    "a sleep of 300 years": Hostile(one("Sleep", name="99999d"), "Failed", "at most 366 days"),
    "a sleep until before Christ": Hostile(one("Sleep", name="0001-01-01T00:00:00+23:59"), "Completed", "fine"),
    "a wait for a list": Hostile(waits(event=["x"]), "Failed", "expected text of 1 to 200 printable characters"),
    "a condition that is no text": Hostile(waits(**{"if": 5}), "Failed", "if=5: expected an expression, as text"),
    "a condition of 64 KiB": Hostile(waits(**{"if": "a" * 65_536}), "Failed", "CompileError"),
    "a condition that is none": Hostile(waits(**{"if": "((("}), "Failed", "a value is expected"),
    "a pattern that takes for ever": Hostile(
        waits(**{"if": r"async.data.a.matches('(a)\\1')"}), "Failed", "the regular expression is none of RE2"
    ),
    "a signal that is too long": Hostile(
        one("WaitForSignal", opts={"signal": "x" * 513, "timeout": "1s"}), "Failed", "1 to 512 characters"
    ),
    "an invocation of what is no function": Hostile(
        one("InvokeFunction", opts={"function_id": "inngest.ended"}), "Completed", "fine"
    ),
    "an invocation with a user that is none": Hostile(invokes(user=5), "Failed", "its user is an object"),
    "an invocation with half a character": Hostile(
        step("null", "InvokeFunction", opts='{"function_id":"shop-mail","payload":{"data":{"a":"\\ud800"}}}'),
        "Completed", "fine",
    ),
    "an invocation that is too large": Hostile(
        invokes(data={"a": "x" * 3_500_000}), "Completed", "fine"
    ),
    "a request to the metadata of a cloud": Hostile(
        one("Gateway", opts={"url": "http://169.254.169.254/"}), "Completed", "fine"
    ),
    "a stream that ends with nothing": Hostile(answered("   ", 201), "Failed", "does not end with status, headers"),
    "a stream in a stream": Hostile(answered('{"status":201,"body":"x"}', 201), "Failed", "other than 201"),
    "a stream with a status of 4,000 digits": Hostile(
        answered(f'{{"status":{"9" * 4_000},"body":"x"}}', 201, x_inngest_no_retry="true"), "Failed", "code: 9999"
    ),
    "bytes that are no UTF-8": Hostile(answered(b'"\xff"'), "Failed", "is no UTF-8"),
    "a bomb of gzip": Hostile(
        answered(gzip.compress(b"0" * 10_000_000), Content_Encoding="gzip"), "Failed", "is no UTF-8"
    ),
    "no SDK": Hostile(reply(200, b"1"), "Failed", "is not from an SDK"),
    "a redirect to the metadata of a cloud": Hostile(
        reply(302, b"", Location="http://169.254.169.254/\x1b[1m"), "Failed", "\\x1b[1m', which is not followed"
    ),
    "a wait of 5,000 digits": Hostile(answered('{"message":"x"}', 500, retry_after="9" * 5_000), "Failed", "Error: x"),
    "a version of five digits": Hostile(sdk(206, [operation("StepRun", "a")], x_inngest_req_version="99999"),
                                        "Completed", "fine"),
    "2,000 deferred runs": Hostile(many("DeferAdd", 2_000), "Failed", "neither an end nor an operation"),
    "a result of 4 MiB": Hostile(answered(f'"{"x" * 4 * 1024 * 1024}"'), "Failed", "RunTooLarge"),
    "an answer of 5 MB": Hostile(answered(f'"{"x" * 5_000_000}"'), "Failed", "more than 4,456,448 bytes"),
    "no HTTP": Hostile(b"\x00\x01 hello\r\n\r\n", "Failed", "no answer: Bad status line"),
    "two lengths": Hostile(
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 5\r\n\r\n1", "Failed", "Duplicate Content-Length"
    ),
    "1,000 headers": Hostile(
        b"HTTP/1.1 200 OK\r\n%bcontent-length: 0\r\n\r\n" % (b"x: y\r\n" * 1_000), "Failed", "Too many headers"
    ),
    "a header of 100 KB": Hostile(
        b"HTTP/1.1 200 OK\r\nx: %b\r\ncontent-length: 0\r\n\r\n" % (b"y" * 100_000), "Failed", "more than 8190 bytes"
    ),
}  # fmt: skip


@pytest.mark.parametrize("attack", ANSWERS)
async def test_a_hostile_answer_fails_its_own_run_with_the_reason(
    job_kit: JobKit, attack: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The run has an end, which people can read and the event of the end has; no line of the log is forged."""
    row, calls = ANSWERS[attack], list[str]()

    def script(body: Any) -> bytes:
        calls.append(body["event"]["name"])
        is_attacked = calls[-1] == "shop/pay" and not body["steps"] and len(calls) <= _ATTEMPTS
        return row.answer if is_attacked else sdk(200, '"fine"')

    async with shop(job_kit, script) as made:
        await made.register(made.function(), made.function("mail"))
        found = await made.run()
        (end,) = [one for one in await made.ends("inngest/function.finished") if one["function_id"] == "shop-pay"]
        dead = await made.runner.jobs.list(type="inngest.ended", status="dead")
    assert (found["status"], dead) == (row.status, [])
    said = found["output"] if row.status == "Completed" else found["output"]["message"]
    assert row.words in said
    assert ("error" in end) == (row.status == "Failed")
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [line for line in lines if "Traceback" in line or not line.replace("\n", "").isprintable()] == []
    assert len(lines) <= _MOST_LINES


_ATTEMPTS: Final = 5
_MOST_LINES: Final = 2 * _ATTEMPTS
