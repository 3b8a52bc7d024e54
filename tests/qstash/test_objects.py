"""A message as the API shows it."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.qstash.objects import message_fields, shown_body, shown_headers

URL = "https://example.com/a"


def fields(payload: Any = None, **metadata: Any) -> dict[str, Any]:
    """What is there."""
    found = message_fields({"url": URL, **(payload or {})}, metadata, 4)
    return {name: value for name, value in found.items() if value is not None}


def test_the_least() -> None:
    assert fields() == {"url": URL, "method": "POST", "body": "", "maxRetries": 3}


def test_all() -> None:
    callback = {"arguments": {"url": "https://c", "headers": [["A", "1"], ["A", "2"]]}, "options": {}}
    failed = {"arguments": {"url": "https://f"}, "options": {}}
    payload = {
        "method": "PUT", "headers": [["Content-Type", "text/x"], ["X", "y"]], "body": "b", "retry_delay": "1",
        "callback": callback, "failure_callback": failed, "timeout": 3.0, "rules": "qstash",
    }  # fmt: skip
    found = fields(
        payload, topic="t", endpoint="e", queue="q", schedule="s", labels=["l", "m"], caller_ip="1.2.3.4",
        flow_key="k", flow="rate=5, period=1m", host="example.com",
    )  # fmt: skip
    assert found == {
        "url": URL, "topicName": "t", "endpointName": "e", "queueName": "q", "scheduleId": "s", "method": "PUT",
        "header": {"Content-Type": ["text/x"], "X": ["y"]}, "body": "b", "maxRetries": 3, "retryDelayExpression": "1",
        "callback": "https://c", "callbackHeader": {"A": ["1", "2"]}, "failureCallback": "https://f",
        "callerIP": "1.2.3.4", "label": "l", "labels": ["l", "m"], "flowControlKey": "k", "rate": 5, "period": 60,
    }  # fmt: skip


def test_a_flow_without_a_period_has_that_of_a_second() -> None:
    found = fields(flow_key="k", flow="parallelism=2")
    assert {name: found.get(name) for name in ("flowControlKey", "parallelism", "rate", "period")} == {
        "flowControlKey": "k", "parallelism": 2, "rate": None, "period": 1,
    }  # fmt: skip
    assert fields(flow_key="k")["period"] == 1


@pytest.mark.parametrize(
    ("payload", "body", "headers"),
    [
        ({"body": "a"}, {"body": "a"}, {}),
        ({"body": "/w==", "is_base64": True}, {"bodyBase64": "/w=="}, {}),
        ({"secret_body": "REDACTED", "is_base64": True}, {"body": "REDACTED"}, {}),
        (
            {
                "secret_body": "REDACTED", "is_base64": True, "headers": [["A", "1"]], "secret_headers": "REDACTED",
                "shown": {"body": "REDACTED:2", "headers": [["B", "REDACTED:3"]]},
            },
            {"body": "REDACTED:2"},
            {"A": ["1"], "B": ["REDACTED:3"]},
        ),
        ({"secret_headers": "REDACTED", "body": "x", "shown": None}, {"body": "x"}, {}),
    ],
)  # fmt: skip
def test_what_is_hidden_is_shown_by_its_hash(payload: Any, body: Any, headers: Any) -> None:
    assert (shown_body(payload), shown_headers(payload)) == (body, headers)
