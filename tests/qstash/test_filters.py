"""The parameters of lists and of calls for many messages."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.qstash.filters import (
    CANCEL_FORM,
    DLQ_FORM,
    EVENTS_FORM,
    MARK,
    OF_API,
    FilterForm,
    MessageFilter,
    read_filter,
    read_ids,
)

MARKED = {MARK: [OF_API]}


@pytest.mark.parametrize(
    ("form", "given", "metadata"),
    [
        (CANCEL_FORM, [], {}),
        (CANCEL_FORM, [("label", "a"), ("label", "b")], {"labels": ["a", "b"]}),
        (CANCEL_FORM, [("label", "a,b")], {"labels": ["a,b", "a", "b"]}),
        (CANCEL_FORM, [("topicName", "t"), ("queueName", "q"), ("scheduleId", "s")],
         {"topic": ["t"], "queue": ["q"], "schedule": ["s"]}),
        (CANCEL_FORM, [("host", "Example.COM"), ("path", "/a,/b")],
         {"host": ["example.com"], "path": ["/a,/b", "/a", "/b"]}),
        (CANCEL_FORM, [("path", "/a,b")], {"path": ["/a,b"]}),
        (CANCEL_FORM, [("url", "HTTPS://Example.com/a?x=1,2")], {"url": ["https://example.com/a?x=1,2"]}),
        (CANCEL_FORM, [("url", "https://a/x,https://b/y")], {"url": ["https://a/x,https://b/y", "https://a/x", "https://b/y"]}),
        (CANCEL_FORM, [("url", "no url")], {"url": ["no url"]}),
        (CANCEL_FORM, [("flowControlKey", "a, b")], {"flow_key": ["a, b", "a", " b"]}),
        (DLQ_FORM, [("callerIp", "192.0.2.7"), ("callerIP", "192.0.2.8")], {"caller_ip": ["192.0.2.7", "192.0.2.8"]}),
        (DLQ_FORM, [("api", "llm")], {"api": ["llm"]}),
        (EVENTS_FORM, [("label", "")], {"labels": [""]}),
    ],
)  # fmt: skip
def test_a_value_is_that_of_the_metadata_and_one_with_commas_also_each_part(
    form: FilterForm, given: list[tuple[str, str]], metadata: dict[str, list[str]]
) -> None:
    found = read_filter(form, given)
    assert {name: sorted(values) for name, values in found.metadata.items()} == {
        name: sorted(values) for name, values in (MARKED | metadata).items()
    }
    assert found.is_given is bool(given)


@pytest.mark.parametrize(
    ("form", "given", "expected"),
    [
        (CANCEL_FORM, [("messageIds", "a"), ("messageIds", "b,a,")], {"ids": ("a", "b")}),
        (CANCEL_FORM, [("messageIds", "")], {"ids": ()}),
        (DLQ_FORM, [("dlqIds", "a"), ("count", "5"), ("cursor", "c")], {"ids": ("a",), "count": 5, "cursor": "c"}),
        (DLQ_FORM, [("messageId", "a"), ("label", "x")], {"ids": ("a",), "metadata": MARKED | {"labels": ["x"]}}),
        (DLQ_FORM, [("responseStatus", "404,500"), ("responseStatus", "0")], {"statuses": frozenset({404, 500, 0})}),
        (EVENTS_FORM, [("messageId", "a"), ("messageId", "b")], {"ids": ("a", "b")}),
        (EVENTS_FORM, [("state", "CANCELLED,ERROR")], {"states": frozenset({"CANCELED", "ERROR"})}),
        (EVENTS_FORM, [("state", "IN_PROGRESS")], {"states": frozenset({"ACTIVE", "RETRY", "ERROR"})}),
        (EVENTS_FORM, [("fromDate", "5"), ("toDate", "7")], {"since": to_datetime(5000), "until": to_datetime(7999)}),
        (EVENTS_FORM, [("toDate", "9" * 15)], {"until": to_datetime(253402300799999999)}),
        (EVENTS_FORM, [("count", "5000"), ("cursor", "")], {"count": 1000}),
        (CANCEL_FORM, [("count", "501")], {"count": 500}),
    ],
)  # fmt: skip
def test_the_rest_of_a_filter(form: FilterForm, given: list[tuple[str, str]], expected: dict[str, Any]) -> None:
    assert read_filter(form, given) == MessageFilter(**expected)


@pytest.mark.parametrize(
    ("form", "given", "option", "expected"),
    [
        (CANCEL_FORM, [("tag", "a")], "tag", "no such parameter: there are callerIP, callerIp, count"),
        (CANCEL_FORM, [("state", "ERROR")], "state", "no such parameter"),
        (CANCEL_FORM, [("cursor", "x")], "cursor", "no such parameter"),
        (CANCEL_FORM, [("messageIds", "a"), ("label", "x")], "messageIds", "no other filter beside it, without label"),
        (CANCEL_FORM, [("messageIds", str(n)) for n in range(1001)], "messageIds", "at most 1,000"),
        (DLQ_FORM, [("host", "a")], "host", "no such parameter"),
        (DLQ_FORM, [("dlqIds", "a"), ("messageId", "a")], "dlqIds", "without messageId"),
        (DLQ_FORM, [("responseStatus", "4xx")], "responseStatus",
         "the status of an answer, such as 404; 0: there was none"),
        (DLQ_FORM, [("count", "0")], "count", "a whole number from 1 to 100"),
        (DLQ_FORM, [("count", "-1")], "count", "a whole number"),
        (DLQ_FORM, [("count", "\u0661")], "count", "a whole number"),
        (EVENTS_FORM, [("state", "DONE")], "state", "one of CREATED, ACTIVE"),
        (EVENTS_FORM, [("fromDate", "yesterday")], "fromDate", "milliseconds since 1970"),
        (EVENTS_FORM, [("toDate", "")], "toDate", "milliseconds since 1970"),
    ],
)  # fmt: skip
def test_what_is_no_filter_is_refused(
    form: FilterForm, given: list[tuple[str, str]], option: str, expected: str
) -> None:
    with pytest.raises(InvalidOption, match=expected) as caught:
        read_filter(form, given)
    assert caught.value.option == option


def test_ids_come_in_a_body_as_well() -> None:
    assert read_ids("messageIds", {"messageIds": ["a", "b"]}) == [("messageIds", "a"), ("messageIds", "b")]
    assert read_ids("messageIds", {"messageIds": []}) == []


@pytest.mark.parametrize(
    "body", [[], "a", 1, {}, {"messageIds": "a"}, {"messageIds": [1]}, {"messageIds": [], "all": True}]
)
def test_another_body_is_refused(body: Any) -> None:
    with pytest.raises(InvalidOption, match=r'\{"messageIds": \["\.\.\.", \.\.\.\]\}'):
        read_ids("messageIds", body)
