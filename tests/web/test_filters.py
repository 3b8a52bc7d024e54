"""The filters of the list of jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from aiojobs_lite.web.filters import search_of


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({}, {}), ({"x": "1", "type": " "}, {}), ({"type": " a "}, {"type": "a"}),
        ({"status": "dead"}, {"status": "dead"}),
        ({"label": "eu"}, {"label": "eu"}), ({"batch": "12"}, {"batch": 12}), ({"held": "after"}, {"held": "after"}),
        ({"metadata": "a=b"}, {"metadata": {"a": "b"}}), ({"metadata": " a = 1 "}, {"metadata": {"a": 1}}),
        ({"metadata": "a=-1"}, {"metadata": {"a": -1}}), ({"metadata": "a=01"}, {"metadata": {"a": "01"}}),
        ({"metadata": "a=true"}, {"metadata": {"a": True}}), ({"metadata": "a=b=c"}, {"metadata": {"a": "b=c"}}),
        ({"payload": "a=1", "error": "E"}, {"payload": {"a": 1}, "error": "E"}), ({"key": "t=7"}, {"key": {"t": 7}}),
        ({"order": "oldest", "reason": "x"}, {"order": "oldest", "reason": "x"}),
        ({"metadata": "a="}, {"metadata": {"a": ""}}), ({"metadata": "a=" + "9" * 30}, {"metadata": {"a": "9" * 30}}),
        ({"from": "2026-03-01T12:30"}, {"created_from": datetime(2026, 3, 1, 12, 30, tzinfo=UTC)}),
        ({"until": "2026-03-01T12:30:00+00:00"}, {"created_to": datetime(2026, 3, 1, 12, 30, tzinfo=UTC)}),
    ],
)  # fmt: skip
def test_a_parameter_is_an_option_of_the_list(given: dict[str, str], options: dict[str, Any]) -> None:
    search = search_of(given)
    assert (search.options, search.problems) == (options, {})


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("status", "gone", "expected one of pending, processing, completed, dead, cancelled"),
        ("batch", "x", "expected a whole number"), ("batch", "9" * 19, "expected a whole number"),
        ("held", "x", "expected one of payload, after, event, listener, lane"),
        ("metadata", "x", "expected name=value"),
        ("metadata", "=x", "expected name=value"), ("type", "x" * 501, "expected at most 500 characters"),
        ("from", "today", "expected a date and a time in UTC, such as 2026-03-01T12:30"),
    ],
)  # fmt: skip
def test_one_that_cannot_be_is_a_problem_at_its_field(name: str, text: str, problem: str) -> None:
    search = search_of({name: text, "label": "eu"})
    assert (search.problems, search.options) == ({name: problem}, {"label": "eu"})
    assert search.without("label") == ({name: text} if name != "status" else {})


def test_what_links_keep_is_what_was_given() -> None:
    search = search_of({"status": "dead", "type": "a", "after": "5"})
    assert search.given == {"status": "dead", "type": "a"}
    assert (search.status, search.filters, search.without("type")) == ("dead", {"type": "a"}, {"status": "dead"})
