"""What a callback says of its delivery."""

from __future__ import annotations

import base64
import json
from typing import Any

from aiojobs_lite.http.callbacks import Source, by_name, callback_body

ANSWER = {"status": 200, "headers": [["A", "1"], ["A", "2"]], "body": "ü", "is_base64": False, "latency": 0.1}


def source(**arguments: Any) -> Source:
    return Source("db-7", {"url": "https://example.com", **arguments}, {"host": "example.com"}, 2, 5, 1_000, 2_000)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_a_callback_has_the_answer_and_the_delivery_and_nothing_that_is_not_there() -> None:
    said = json.loads(callback_body(source(headers=[["X", "y"]], body="sent", method="PUT"), ANSWER))
    assert said == {
        "status": 200, "header": {"A": ["1", "2"]}, "body": encoded("ü"), "retried": 1, "maxRetries": 4,
        "sourceMessageId": "db-7", "url": "https://example.com", "method": "PUT", "sourceHeader": {"X": ["y"]},
        "sourceBody": encoded("sent"), "notBefore": 2_000, "createdAt": 1_000,
    }  # fmt: skip


def test_a_delivery_without_an_answer_has_the_status_0_and_what_went_wrong() -> None:
    said = json.loads(callback_body(source(), {"status": 0, "error": "no connection"}, dead_id="db-7"))
    assert (said["status"], said["error"], said["dlqId"]) == (0, "no connection", "db-7")
    assert (said["header"], said["body"], said["sourceBody"], said["method"]) == ({}, "", "", "POST")


def test_bodies_that_are_no_text_stay_as_they_are() -> None:
    answer = {**ANSWER, "body": "/w==", "is_base64": True}
    said = json.loads(callback_body(source(body="/wA=", is_base64=True), answer))
    assert (said["body"], said["sourceBody"]) == ("/w==", "/wA=")


def test_what_is_secret_is_not_said() -> None:
    for secret in ([["Authorization", "hunter2"]], "REDACTED"):  # as an attempt has it, and as a list shows it
        text = callback_body(source(headers=[["X", "y"]], secret_headers=secret, secret_body="hunter2"), ANSWER)
        assert "hunter2" not in text
        said = json.loads(text)
        assert said["sourceBody"] == encoded("REDACTED")
        assert said["sourceHeader"]["X"] == ["y"]
    assert json.loads(callback_body(source(secret_headers=[["A", "b"]]), ANSWER))["sourceHeader"] == {"A": ["REDACTED"]}


def test_the_hashes_of_secrets_are_said_if_they_may_be() -> None:
    hashes = {"headers": [["A", "REDACTED:1"]], "body": "REDACTED:2"}
    for secret in ([["A", "hunter2"]], "REDACTED"):
        said = json.loads(callback_body(source(secret_headers=secret, secret_body="hunter2", shown=hashes), ANSWER))
        assert (said["sourceHeader"], said["sourceBody"]) == ({"A": ["REDACTED:1"]}, encoded("REDACTED:2"))


def test_a_message_of_qstash_says_where_it_comes_from() -> None:
    metadata = {"topic": "group", "endpoint": "eu", "schedule": "nightly", "caller_ip": "192.0.2.7", "path": "/"}
    said = json.loads(callback_body(source()._replace(metadata=metadata), ANSWER))
    assert {name: said[name] for name in ("topicName", "endpointName", "scheduleId", "callerIP")} == {
        "topicName": "group", "endpointName": "eu", "scheduleId": "nightly", "callerIP": "192.0.2.7",
    }  # fmt: skip
    assert "path" not in said


def test_headers_of_one_name_are_one_list() -> None:
    assert by_name([("a", "1"), ("b", "2"), ("a", "3")]) == {"a": ["1", "3"], "b": ["2"]}
