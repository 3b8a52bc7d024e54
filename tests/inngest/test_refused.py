"""Registrations that were refused, in the log."""

from __future__ import annotations

import pytest

from aiojobs_lite.inngest import refused as module
from aiojobs_lite.inngest.refused import RefusedRegistrations
from aiojobs_lite.sizes import LONGEST_PROBLEM_SHOWN_CHARS


def test_a_reason_is_logged_once_until_something_was_put_right(caplog: pytest.LogCaptureFixture) -> None:
    refused = RefusedRegistrations()
    for _ in range(2):
        refused.report("10.0.0.7", "no cron")
        refused.report(None, "no key")
    refused.forget()
    refused.report("10.0.0.7", "no cron")
    assert refused.count == 5
    assert [record.getMessage() for record in caplog.records] == [
        "an app at 10.0.0.7 was not registered: no cron",
        "an app was not registered: no key",
        "an app at 10.0.0.7 was not registered: no cron",
    ]


def test_reasons_that_differ_each_time_take_no_memory(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MOST_REASONS_KNOWN", 2)
    refused = RefusedRegistrations()
    for reason in ("a", "b", "c", "a"):
        refused.report(None, reason)
    assert [record.getMessage()[-1] for record in caplog.records] == ["a", "b", "c", "a"]


def test_a_reason_of_an_app_forges_no_line_and_is_shortened(caplog: pytest.LogCaptureFixture) -> None:
    RefusedRegistrations().report(None, "a\n\x1b[2J" + "x" * 10_000)
    (record,) = caplog.records
    assert r"a\n\x1b[2Jxxx" in record.getMessage()
    assert len(record.getMessage()) < LONGEST_PROBLEM_SHOWN_CHARS + 100
