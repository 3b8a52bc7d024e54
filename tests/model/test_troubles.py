"""What a runner reports of itself is read back as it was, however hostile; and what is no report says nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aiojobs_lite.model.troubles import Trouble, TroubleReport, place_in_code, report_of, report_text
from aiojobs_lite.sizes import LARGEST_REPORT_BYTES, MOST_PLACES_REPORTED, MOST_TROUBLES_REPORTED

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
STUCK = Trouble("stuck", NOW, "mail", 7, 2, "timeout", "/app/mail.py:3 in send")
BLOCKED = Trouble("blocked", NOW, None, None, None, None, "")
DEGRADED = Trouble("degraded", NOW, None, None, None, "SQLITE_FULL", "")


@pytest.mark.parametrize(
    "report",
    [
        TroubleReport(),
        TroubleReport((STUCK,)),
        TroubleReport((BLOCKED, STUCK)),
        TroubleReport((DEGRADED,)),
        TroubleReport((STUCK,), is_left=True),
    ],
)
def test_a_report_is_read_as_it_was_left(report: TroubleReport) -> None:
    assert report_of(report_text(report)) == report


def test_nothing_to_say_is_no_text() -> None:
    assert report_text(TroubleReport()) == report_text(TroubleReport(is_left=True)) == ""


def test_a_report_is_bounded_whatever_stands_in_it() -> None:
    hostile = Trouble("stuck", NOW, "\x01" * 10**6, 7, 2, "\U0001f600" * 10**6, "\ud800" * 10**6)
    places = [replace(hostile, place=f"\ud800{number:>1000}") for number in range(30)]
    alike = [replace(places[0], job_id=2**63 - 1 - number, attempt=2**31) for number in range(300)]
    text = report_text(TroubleReport((BLOCKED, *places, *alike)))
    assert len(text.encode()) < LARGEST_REPORT_BYTES
    found = report_of(text)
    assert len(found.troubles) + found.left_out == 331
    assert len(found.troubles) == MOST_TROUBLES_REPORTED + 1 - 10
    assert len({one.place for one in found.troubles[1:]}) == MOST_PLACES_REPORTED
    assert {len(one.place) for one in found.troubles[1:]} == {200}


def test_what_is_alike_stands_together_and_what_is_left_out_is_counted() -> None:
    other = replace(STUCK, job_id=8, place="/app/mail.py:9 in wait")
    found = report_of(report_text(TroubleReport((STUCK, other, replace(STUCK, job_id=9)))))
    assert ([one.job_id for one in found.troubles], found.left_out) == ([7, 9, 8], 0)
    many = report_of(report_text(TroubleReport((STUCK,) * (MOST_TROUBLES_REPORTED + 4))))
    assert (len(many.troubles), many.left_out) == (MOST_TROUBLES_REPORTED + 1, 3)


def test_what_is_no_report_says_nothing() -> None:
    ((of, (one,)),) = json.loads(report_text(TroubleReport((STUCK,))))["troubles"]
    row = [*of, *one]
    values: list[object] = ["dead", 1, [], None, 10**30, "7", {}]
    wrong = [
        "[", "[]", "1", "{}", "[" * 60_000, '{"troubles": 1, "is_left": false}', '{"troubles": [[]], "is_left": false}',
        *[
            json.dumps({"is_left": False, "troubles": [[changed[:4], [changed[4:]]]], "left_out": 0})
            for changed in ([*row[:at], value, *row[at + 1 :]] for at, value in enumerate(values))
        ],
        json.dumps({"is_left": False, "troubles": [[of, [one]]], "left_out": "3"}),
        json.dumps({"is_left": False, "troubles": [[of, 7]], "left_out": 0}),
    ]  # fmt: skip
    assert [report_of(text) for text in wrong] == [TroubleReport()] * len(wrong)


def test_the_place_is_that_of_the_application() -> None:
    library = json.__file__
    assert place_in_code([]) == ""
    assert (
        place_in_code([("/app/a.py", 1, "outer"), ("/app/a.py", 3, "inner"), (library, 9, "loads")])
        == "/app/a.py:3 in inner"
    )
    assert (
        place_in_code([("/env/site-packages/x.py", 2, "get"), (library, 9, "loads")]) == f"{Path(library)}:9 in loads"
    )
