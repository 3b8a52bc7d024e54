"""What the headers of a publish say."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_lite import InvalidOption
from aiojobs_lite.qstash.flow_control import FlowControl
from aiojobs_lite.qstash.headers import CallbackOptions, MessageOptions, canonical_name, message_options
from aiojobs_lite.qstash.redaction import Redaction


def test_without_headers_nothing_is_said() -> None:
    assert message_options([]) == MessageOptions()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Content-Type", "text/x", {"headers": (("Content-Type", "text/x"),)}),
        ("UPSTASH-FORWARD-test-header", " v ", {"headers": (("Test-Header", "v"),)}),
        ("Upstash-Forward-Empty", "", {"headers": (("Empty", ""),)}),
        ("Upstash-Method", "put", {"method": "PUT"}),
        ("Upstash-Delay", "1d10h30m", {"delay": 124_200}),
        ("Upstash-Delay", "30", {"delay": 30}),
        ("Upstash-Delay", "", {}),
        ("Upstash-Not-Before", "1700000000", {"not_before": datetime.fromtimestamp(1_700_000_000, UTC)}),
        ("Upstash-Not-Before", "0", {"not_before": datetime.fromtimestamp(0, UTC)}),
        ("Upstash-Retries", "0", {"retries": 0}),
        ("Upstash-Retries", "10000", {"retries": 10_000}),
        ("Upstash-Retry-Delay", "1000 * (1 + retried)", {"retry_delay": "1000 * (1 + retried)"}),
        ("Upstash-Timeout", "1m30s", {"timeout": 90}),
        ("Upstash-Callback", "https://a.example", {"callback": CallbackOptions("https://a.example")}),
        ("Upstash-Failure-Callback", "https://a", {"failure_callback": CallbackOptions("https://a")}),
        ("Upstash-Callback-Retries", "1", {}),
        ("Upstash-Deduplication-Id", "a b", {"deduplication_id": "a b"}),
        ("Upstash-Content-Based-Deduplication", "True", {"is_content_based": True}),
        ("Upstash-Content-Based-Deduplication", "false", {}),
        ("Upstash-Flow-Control-Key", "k", {"flow": FlowControl("k")}),
        ("Upstash-Label", "a, b,,c ", {"labels": ("a", "b", "c")}),
        ("Upstash-Redact-Fields", "body,header[A]", {"redaction": Redaction(body=True, headers=frozenset({"a"}))}),
        ("Upstash-Cron", "0 3 * * *", {"cron": "0 3 * * *"}),
        ("Upstash-Schedule-Id", "s", {"schedule_id": "s"}),
        ("Upstash-Queue-Name", "q", {"queue": "q"}),
        ("Upstash-Telemetry-Sdk", "x", {}),
        ("Upstash-Unknown", "x", {}),
        ("X-Other", "x", {}),
        ("Authorization", "Bearer x", {}),
    ],
)
def test_each_header_is_read(name: str, value: str, expected: dict[str, Any]) -> None:
    assert message_options([(name, value)]) == MessageOptions(**expected)
    assert message_options([], [(name, value)]) == MessageOptions(**expected)  # a parameter of the query


def test_flow_control_has_two_headers() -> None:
    found = message_options([("Upstash-Flow-Control-Key", "k"), ("Upstash-Flow-Control-Value", "rate=2, period=5s")])
    assert (found.flow, found.flow_value) == (FlowControl("k", None, 2, 5), "rate=2, period=5s")


def test_a_callback_has_options_of_its_own() -> None:
    found = message_options([
        ("Upstash-Callback", "https://a"), ("Upstash-Callback-Method", "get"), ("Upstash-Callback-Timeout", "5s"),
        ("Upstash-Callback-Retries", "0"), ("Upstash-Callback-Delay", "7"),
        ("Upstash-Callback-Retry-Delay", "1"), ("Upstash-Callback-Forward-z", "1"), ("Upstash-Callback-Forward-Z", "2"),
        ("Upstash-Failure-Callback", "https://b"), ("Upstash-Failure-Callback-Forward-Y", "3"),
        ("Upstash-Forward-X", "4"),
    ])  # fmt: skip
    assert found.callback == CallbackOptions("https://a", "GET", (("Z", "1"), ("Z", "2")), 5, 0, 7, "1")
    assert found.failure_callback == CallbackOptions("https://b", headers=(("Y", "3"),))
    assert found.headers == (("X", "4"),)


def test_a_header_goes_before_a_parameter_of_the_query() -> None:
    found = message_options([("Upstash-Retries", "1")], [("upstash-retries", "2"), ("upstash-delay", "3")])
    assert (found.retries, found.delay) == (1, 3)


def test_of_two_headers_of_one_name_the_first_counts_but_forwarded_ones_are_all_kept() -> None:
    found = message_options([
        ("Upstash-Retries", "1"), ("upstash-retries", "2"), ("Upstash-Forward-A", "1"), ("upstash-forward-a", "2"),
    ])  # fmt: skip
    assert (found.retries, found.headers) == (1, (("A", "1"), ("A", "2")))


def test_a_forwarded_type_goes_before_that_of_the_request() -> None:
    found = message_options([("Content-Type", "a"), ("Upstash-Forward-Content-Type", "b")])
    assert found.headers == (("Content-Type", "b"),)


def test_all_headers_are_forwarded_but_those_of_the_connection_the_options_and_the_token() -> None:
    request = [
        ("host", "x"), ("content-length", "3"), ("connection", "close"), ("accept-encoding", "gzip"), ("te", "x"),
        ("authorization", "Bearer secret"), ("content-type", "text/x"), ("x-event", "push"), ("user-agent", "hook"),
        ("upstash-header-forward", "true"), ("upstash-forward-x-event", "mine"), ("upstash-retries", "1"),
        ("x-event-2", "a"), ("x-event-2", "b"),
    ]  # fmt: skip
    assert message_options(request).headers == (
        ("Content-Type", "text/x"), ("X-Event", "mine"), ("User-Agent", "hook"), ("X-Event-2", "a"), ("X-Event-2", "b"),
    )  # fmt: skip
    other = message_options([("authorization", "Basic abc"), ("upstash-header-forward", "True")])
    assert other.headers == (("Authorization", "Basic abc"),)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Upstash-Method", "HEAD", "GET or POST or PUT or PATCH or DELETE"),
        ("Upstash-Delay", "1x", "whole numbers with the units d, h, m or s"),
        ("Upstash-Not-Before", "soon", "whole seconds since 1970, from 0 to"),
        ("Upstash-Not-Before", "999999999999999", "whole seconds since 1970, from 0 to"),
        ("Upstash-Retries", "-1", "a whole number from 0 to 10,000"),
        ("Upstash-Retries", "10001", "a whole number from 0 to 10,000"),
        ("Upstash-Retries", "\u0663", "a whole number from 0 to 10,000"),
        ("Upstash-Retry-Delay", "retries", "at most 256 characters of numbers"),
        ("Upstash-Timeout", "0", "1 s or more"),
        ("Upstash-Content-Based-Deduplication", "yes", "true or false"),
        ("Upstash-Flow-Control-Value", "rate=1", "a key, such as"),
        ("Upstash-Label", "x" * 201, "1 to 200 printable characters"),
        ("Upstash-Label", ",".join("abcdefghijklmnopqrstu"), "at most 20 labels, comma-separated"),
        ("Upstash-Redact-Fields", "url", "body, header or header[Name]"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_the_name_of_its_header(name: str, value: str, expected: str) -> None:
    with pytest.raises(InvalidOption) as refused:
        message_options([(name, value)])
    assert refused.value.option == name.replace("Flow-Control-Value", "Flow-Control-Key")
    assert expected in refused.value.expected


@pytest.mark.parametrize(("name", "value"), [("Retries", "x"), ("Delay", "x"), ("Method", "x"), ("Timeout", "0")])
@pytest.mark.parametrize("kind", ["Upstash-Callback", "Upstash-Failure-Callback"])
def test_an_option_of_a_callback_is_checked_as_well(kind: str, name: str, value: str) -> None:
    with pytest.raises(InvalidOption) as refused:
        message_options([(kind, "https://a"), (f"{kind}-{name}", value)])
    assert refused.value.option == f"{kind}-{name}"


def test_a_name_is_canonical() -> None:
    assert list(map(canonical_name, ["x-a", "WWW-Authenticate", "ETag"])) == ["X-A", "Www-Authenticate", "Etag"]


NAMES = st.sampled_from(
    ["method", "delay", "retries", "label", "cron", "forward-a", "callback", "callback-delay", "zzz"]
)


@given(st.lists(st.tuples(NAMES.map("Upstash-{}".format), st.text(max_size=12)), max_size=6))
def test_any_headers_are_read_or_refused(headers: list[tuple[str, str]]) -> None:
    with suppress(InvalidOption):
        assert isinstance(message_options(headers), MessageOptions)
