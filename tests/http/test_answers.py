"""What an answer means: done, again, dead; and how long to wait."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aiojobs_lite.http.answers import Judgement, Meaning, judge_answer, read_wait

NOW = datetime(2026, 10, 21, 7, 28, 0, tzinfo=UTC)
HEADERS = [("Location", "http://10.0.0.1/x"), ("location", "b")]


def meaning(rules: str, status: int, **headers: str) -> Meaning:
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return judge_answer(rules, status, pairs, lambda: NOW).meaning


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest.mark.parametrize("rules", ["default", "qstash"])
def test_every_2xx_is_done(rules: str, status: int) -> None:
    assert judge_answer(rules, status, [("Retry-After", "5")], lambda: NOW) == Judgement(Meaning.DONE)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *[(status, Meaning.RETRY) for status in (408, 425, 429, 500, 502, 503, 504, 529, 599)],
        *[(status, Meaning.DEAD) for status in (101, 300, 301, 302, 307, 308, 400, 401, 403, 404, 409, 410, 422, 489)],
    ],
)  # fmt: skip
def test_the_rules_differ_about_all_else(status: int, expected: Meaning) -> None:
    assert meaning("default", status) is expected
    assert meaning("qstash", status) is Meaning.RETRY


@pytest.mark.parametrize("rules", ["default", "qstash"])
@pytest.mark.parametrize("value", ["true", "True", " TRUE "])
def test_489_with_its_header_is_dead(rules: str, value: str) -> None:
    found = judge_answer(rules, 489, [("upstash-nonretryable-ERROR", value)], lambda: NOW)
    assert found == Judgement(Meaning.DEAD, "the receiver answered 489 with Upstash-NonRetryable-Error")
    assert judge_answer("qstash", 489, [("Upstash-NonRetryable-Error", "false")], lambda: NOW).meaning is Meaning.RETRY
    assert judge_answer("qstash", 500, [("Upstash-NonRetryable-Error", "true")], lambda: NOW).meaning is Meaning.RETRY


def test_a_redirect_names_where_it_leads() -> None:
    text = "the receiver answered 302, a redirect to 'http://10.0.0.1/x', which is not followed"
    assert judge_answer("default", 302, HEADERS, lambda: NOW) == Judgement(Meaning.DEAD, text)
    assert judge_answer("qstash", 302, HEADERS, lambda: NOW) == Judgement(Meaning.RETRY, text)
    assert judge_answer("default", 302, [], lambda: NOW).reason == "the receiver answered 302"
    assert judge_answer("default", 410, [], lambda: NOW).reason == "the receiver answered 410: it is gone"


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://a.example/in?code=hunter2#state=hunter2", "'https://a.example/in?***'"),
        ("https://a.example/in#access=hunter2", "'https://a.example/in#***'"),
        ("https://user:hunter2@a.example/in?", "'https://***@a.example/in?'"),
        ("/in?a\x1b[31mb\nhunter2", "'/in?***'"),
    ],
)
def test_a_redirect_is_named_without_what_may_be_a_secret(location: str, shown: str) -> None:
    reason = judge_answer("default", 302, [("Location", location)], lambda: NOW).reason
    assert reason == f"the receiver answered 302, a redirect to {shown}, which is not followed"


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("0", 0.0), ("120", 120.0), ("1.5", 1.5), (" 7 ", 7.0), ("86400", 86400.0), ("86401", None), ("-1", None),
        ("6m5s", 365.0), ("1h", 3600.0), ("24h", 86400.0), ("24h1ns", None), ("250ms", 0.25), ("10us", 1e-5),
        ("10µs", 1e-5), ("5ns", 5e-9), ("1h30m10.5s", 5410.5), ("1d", None), ("5 m", None), ("m", None),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0), ("Wed, 21 Oct 2026 07:27:00 GMT", 0.0),
        ("Thu, 22 Oct 2026 07:28:00 GMT", 86400.0), ("Thu, 22 Oct 2026 07:28:01 GMT", None),
        ("Wed, 21 Oct 2026 09:28:30 +0200", 30.0), ("Wed, 21 Oct 2026 07:28:30", 30.0),
        ("soon", None), ("", None), ("١٢", None), ("1e5", None), ("NaN", None), ("inf", None), ("9" * 400, None),
        ("Wed, 99 Oct 2026 07:28:30 GMT", None), ("Wed, 21 Oct 99999999999999999999 07:28:30 GMT", None),
    ],
)  # fmt: skip
def test_the_wait_of_a_header(text: str, wait: float | None) -> None:
    found = read_wait(text, NOW)
    assert found == (pytest.approx(wait) if wait is not None else None)


def test_only_an_answer_that_is_tried_again_says_when() -> None:
    after = [("retry-after", "5"), ("Retry-After", "7")]
    assert judge_answer("default", 503, after, lambda: NOW).after == 5
    assert judge_answer("default", 404, after, lambda: NOW).after is None
    limited = [("X-RateLimit-Reset-Tokens", "3"), ("x-ratelimit-reset", "6m"), ("X-RateLimit-Reset-Requests", "4")]
    assert judge_answer("default", 429, limited, lambda: NOW).after is None
    assert judge_answer("qstash", 429, limited, lambda: NOW).after == 360
    assert (
        judge_answer("qstash", 404, [("Retry-After", "soon"), ("X-RateLimit-Reset-Tokens", "3")], lambda: NOW).after
        == 3
    )
