"""What is published is checked where it is written, and stored in one form."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aiojobs_lite import Backoff
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.publish import Publish, PublishOptions, publish_of
from aiojobs_lite.policy.retry_delay import RetryDelay

URL = "https://example.com/hook"
LATER = datetime(2030, 1, 1, tzinfo=UTC)
NOT_OF_CALLBACKS: dict[str, Any] = {
    "json": 1, "content": "a", "form": {"a": "b"}, "secret_headers": {"a": "b"}, "secret_body": True, "hashes": True,
    "at": LATER,
    "callback": URL, "failure_callback": URL, "idempotency_key": "k",
}  # fmt: skip


def sha(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ({}, {}),
        ({"method": "POST"}, {}),
        ({"json": None}, {"headers": [("Content-Type", "application/json")], "body": "null"}),
        ({"method": "DELETE"}, {"method": "DELETE"}),
        ({"json": 1, "headers": {"content-TYPE": "x/y"}}, {"headers": [("content-TYPE", "x/y")], "body": "1"}),
        (
            {"json": 1, "secret_headers": {"Content-Type": "x/y"}},
            {"secret_headers": [("Content-Type", "x/y")], "body": "1"},
        ),
        (
            {"content": b"\xff", "secret_body": True},
            {"headers": [("Content-Type", "application/octet-stream")], "secret_body": "/w==", "is_base64": True},
        ),
        ({"secret_headers": {"Authorization": "Bearer x"}}, {"secret_headers": [("Authorization", "Bearer x")]}),
        ({"timeout": "1m"}, {"timeout": 60.0}),
        ({"backoff": Backoff(base=1, cap=2)}, {"backoff": [1.0, 2.0]}),
        ({"backoff": ["1s", 2, timedelta(minutes=1)]}, {"waits": [1.0, 2.0, 60.0]}),
        ({"backoff": RetryDelay("1000 * retried")}, {"retry_delay": "1000 * retried"}),
        ({"rules": "qstash"}, {"rules": "qstash"}),
        ({"content": "a", "headers": {"Content-type": ""}}, {"body": "a"}),
        ({"secret_headers": {"A": "b", "Content-Type": ""}}, {"secret_headers": [("A", "b")]}),
        (
            {"content": "a", "secret_body": True, "secret_headers": {"X": "y", "Content-Type": "z"}, "hashes": True},
            {
                "secret_headers": [("X", "y"), ("Content-Type", "z")], "secret_body": "a",
                "shown": {
                    "headers": [["X", f"REDACTED:{sha(b'y')}"], ["Content-Type", f"REDACTED:{sha(b'z')}"]],
                    "body": f"REDACTED:{sha(b'a')}",
                },
            },
        ),
        ({"secret_body": True, "hashes": True}, {"shown": {"headers": [], "body": f"REDACTED:{sha(b'')}"}}),
        ({"hashes": True}, {}),
        (
            {"callback": "https://A.example/c", "failure_callback": Publish("https://a.example/f", method="PUT")},
            {
                "callback": {
                    "arguments": {"url": "https://a.example/c"}, "options": {"metadata": {"host": "a.example"}},
                },
                "failure_callback": {
                    "arguments": {"url": "https://a.example/f", "method": "PUT"},
                    "options": {"metadata": {"host": "a.example"}},
                },
            },
        ),
    ],
)  # fmt: skip
def test_what_is_stored_of_a_publish(options: dict[str, Any], arguments: dict[str, Any]) -> None:
    assert Publish(URL, **options).arguments == {"url": URL, **arguments}


def test_the_options_of_an_enqueue_are_handed_on_and_the_host_is_among_the_metadata() -> None:
    published = Publish(
        "https://Example.com:8443/", at=LATER, max_attempts=3, idempotency_key="k", label="l", priority="low",
        metadata={"a": 1},
    )  # fmt: skip
    given = {name: value for name, value in published.options.items() if value is not None}
    assert given == {
        "at": LATER, "max_attempts": 3, "idempotency_key": "k", "label": "l", "priority": "low",
        "metadata": {"host": "example.com", "a": 1},
    }  # fmt: skip
    assert repr(published) == "<Publish POST https://example.com:8443/>"
    assert repr(Publish(f"{URL}?token=abc")) == f"<Publish POST {URL}?token=***>"


def test_a_callback_takes_the_attempts_the_label_and_the_priority_of_its_source_unless_it_has_its_own() -> None:
    own = Publish("https://b.example/", max_attempts=2, delay="5s", headers={"A": "b"})
    published = Publish(URL, max_attempts=7, label="l", priority="high", callback=own, failure_callback=own.url)
    of_own = {"max_attempts": 2, "label": "l", "priority": "high", "delay": 5.0, "metadata": {"host": "b.example"}}
    assert published.arguments["callback"] == {
        "arguments": {"url": "https://b.example/", "headers": [["A", "b"]]}, "options": of_own,
    }  # fmt: skip
    options = {"max_attempts": 7, "label": "l", "priority": "high", "metadata": {"host": "b.example"}}
    assert published.arguments["failure_callback"]["options"] == options


@pytest.mark.parametrize(
    ("options", "option", "problem"),
    [
        ({"method": "get"}, "method", "'GET' or 'POST'"),
        ({"method": 3}, "method", "'GET' or 'POST'"),
        ({"headers": {"A": "\n"}}, "headers", "printable ASCII"),
        ({"secret_headers": {"A": "\nhunter2"}}, "secret_headers", "printable ASCII"),
        ({"headers": [("a", "b")] * 60, "secret_headers": [("c", "d")] * 60}, "headers", "at most 100"),
        ({"secret_body": 1}, "secret_body", "True or False"),
        ({"hashes": 1}, "hashes", "True or False"),
        ({"json": object()}, "json", "a value that JSON can hold"),
        ({"timeout": 0}, "timeout", "from 1ms to a century"),
        ({"timeout": "soon"}, "timeout", "seconds, a timedelta"),
        ({"max_attempts": 0}, "max_attempts", "a whole number from 1"),
        ({"backoff": "1s"}, "backoff", "a Backoff, such as"),
        ({"backoff": []}, "backoff", "a list of 1 to 100 durations"),
        ({"backoff": [1] * 101}, "backoff", "a list of 1 to 100 durations"),
        ({"backoff": ["1x"]}, "backoff", "seconds, a timedelta"),
        ({"rules": "mine"}, "rules", "'default' or 'qstash'"),
        ({"metadata": [1]}, "metadata", "a dict of text"),
        ({"callback": 3}, "callback", "a URL, or a Publish(...) with its headers and options"),
        ({"callback": "ftp://x"}, "callback", "begins with https:// or http://"),
        ({"failure_callback": "https://u:hunter2@x/"}, "failure_callback", "without a user"),
        *[
            ({"callback": publish_of(URL, {name: one})}, "callback",
             f"a Publish without {name}=, which no callback has")
            for name, one in NOT_OF_CALLBACKS.items()
        ],
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_by_the_name_of_its_option(
    options: dict[str, Any], option: str, problem: str
) -> None:
    with pytest.raises(InvalidOption) as caught:
        Publish(URL, **options)
    assert caught.value.option == option
    assert problem in caught.value.expected
    assert "hunter2" not in str(caught.value)


def test_an_option_of_another_library_is_answered_and_all_there_are_are_those_of_the_class() -> None:
    for word, ours in {
        "data": "json=, form= or content=",
        "not_before": "the option at",
        "deduplication_id": "the option idempotency_key",
        "on_failure": "the option failure_callback",
        "content_type": 'headers={"Content-Type": ...}',
        "timezone": "runner.publish_cron(name, expression, url, tz=...)",
        "unique": "runner.enqueue(http.request(url, ...).using(unique=...))",
        "flow_control": "runner.enqueue(http.request(url, ...).using(limits=[...]))",
        "params": "a URL with it",
        "retries": "max_attempts=, which counts the first attempt too",
        "max_retries": "max_attempts=, which counts the first attempt too",
        "retry_delay": "the option backoff",
        "eta": "the option at",
        "countdown": "the option delay",
    }.items():
        with pytest.raises(InvalidOption) as caught:
            publish_of(URL, {word: 3})
        assert str(caught.value) == f"{word}=3: expected {ours}."
    for word, ours in {"auth": "secret_headers=", "proxy_token": "one of at, .*"}.items():
        with pytest.raises(InvalidOption, match=f"{word}='[*]{{3}}': expected {ours}"):
            publish_of(URL, {word: "hunter2"})
    with pytest.raises(InvalidOption, match=r"^methods='PUT': expected the option method\.$"):
        publish_of(URL, {"methods": "PUT"})
    own = set(Publish.__dataclass_fields__) - {"url", "_", "arguments", "options"}
    assert own == PublishOptions.__optional_keys__
    assert publish_of(URL, {"json": 1}) == Publish(URL, json=1)
