"""A job, its states, and what may follow what."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime

import pytest

from aiojobs_lite.model import job as job_module
from aiojobs_lite.model.job import (
    FINISHED,
    PRIORITIES,
    PRIORITY_NAMES,
    TRANSITIONS,
    Attempt,
    Claimed,
    Failure,
    Job,
    Outcome,
    Status,
)
from tests.helpers.instants import NOON
from tests.helpers.new_file import GOLDEN
from tests.helpers.root import ROOT


def a_job(status: Status = Status.PENDING, payload: str = "{}") -> Job:
    return Job(
        id=7, type="email", payload_json=payload, status=status, priority="medium", attempts=0, max_attempts=5,
        scheduled_at=NOON, created_at=NOON, started_at=None, completed_at=None, owner=None, idempotency_key=None,
        error=None, reason=None, result_json=None, interruptions=0, snoozes=0, crashes=0, cancel_requested=False,
        interrupted=False, held=None, schedule=None, tick=None,
    )  # fmt: skip


def names_in(text: str) -> list[str]:
    return re.findall(r"'([^']*)'", text)


def test_the_trigger_of_the_database_allows_exactly_the_transitions() -> None:
    trigger = (
        GOLDEN.read_text(encoding="utf-8").partition("CREATE TRIGGER aiojobs_jobs_transition")[2].partition("END;")[0]
    )
    allowed = re.findall(r"OLD\.status = '(\w+)' AND NEW\.status = '(\w+)'", trigger)
    assert allowed == [(before.value, then.value) for before, then in TRANSITIONS]
    assert "RAISE(ABORT" in trigger


def test_the_database_knows_exactly_the_statuses_outcomes_and_priorities() -> None:
    schema = GOLDEN.read_text(encoding="utf-8")
    standings = re.findall(r"(?<!\.)status = '(\w+)' AND owner IS .*?NULL AND completed_at IS (NOT )?NULL", schema)
    assert [status for status, _ in standings] == list(Status)
    assert {status for status, has_ended in standings if has_ended} == FINISHED
    (outcomes,) = re.findall(r"CHECK \(outcome IN \(([^)]*)\)\)", schema)
    not_recorded = {Outcome.SUCCEEDED, Outcome.SUSPENDED}
    assert names_in(outcomes) == [outcome for outcome in Outcome if outcome not in not_recorded]
    (priorities,) = re.findall(r"CHECK \((priority = .*?)\)", schema)
    assert sorted(map(int, re.findall(r"\d", priorities))) == list(PRIORITIES.values())


def drawn(text: str) -> dict[tuple[str, str], str]:
    """The ways between statuses that the tree in a docstring shows, with their causes."""
    found: dict[tuple[str, str], str] = {}
    above = {}
    for branch, name, cause in re.findall(r"^    ([│├└─ ]*)(\w+) {4,}(.+)$", text, re.MULTILINE):
        depth = len(branch) // 4
        above[depth] = name
        if depth:
            assert found.setdefault((above[depth - 1], name), cause) == cause
    return found


def test_the_drawing_the_documents_and_the_table_show_the_same_transitions() -> None:
    expected = {(str(before), str(then)): cause for (before, then), cause in TRANSITIONS.items()}
    assert drawn(job_module.__doc__ or "") == expected
    documents = [path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))]
    diagrams = [re.findall(r"^ *(\w+) --> (\w+): (.+)$", text, re.MULTILINE) for text in documents]
    shown = [{(before, then): cause for before, then, cause in diagram} for diagram in diagrams if diagram]
    assert shown
    assert all(one == expected for one in shown)
    starts = [re.findall(r"^ *\[\*\] --> (\w+)", text, re.MULTILINE) for text in documents if "stateDiagram" in text]
    assert starts == [["pending", "processing"]] * len(shown)


def test_the_transitions_are_those_of_the_specification() -> None:
    assert {(before.value, then.value) for before, then in TRANSITIONS} == {
        ("pending", "processing"),
        ("pending", "cancelled"),
        ("processing", "completed"),
        ("processing", "pending"),
        ("processing", "dead"),
        ("processing", "cancelled"),
        ("dead", "pending"),
        ("cancelled", "pending"),
    }
    assert all(TRANSITIONS.values())


def test_every_status_is_reached_and_only_completed_is_for_ever() -> None:
    assert {then for _, then in TRANSITIONS} == set(Status)
    assert set(Status) - {before for before, _ in TRANSITIONS} == {Status.COMPLETED}


@pytest.mark.parametrize("status", Status)
def test_a_job_is_finished_when_it_is_completed_dead_or_cancelled(status: Status) -> None:
    assert a_job(status).is_finished is (status in {"completed", "dead", "cancelled"})


def test_priorities_are_numbered_in_the_order_in_which_they_run() -> None:
    assert [PRIORITIES[name] for name in PRIORITY_NAMES] == [0, 1, 2]
    assert PRIORITY_NAMES == ("high", "medium", "low")


def test_the_payload_of_a_job_is_decoded() -> None:
    assert a_job(payload='{"user":{"id":1},"tags":["a"]}').payload == {"user": {"id": 1}, "tags": ["a"]}


def test_a_job_cannot_be_changed_and_is_equal_whether_or_not_its_history_was_read() -> None:
    job = a_job()
    with pytest.raises(dataclasses.FrozenInstanceError):
        job.attempts = 3  # type: ignore[misc]  # that it is frozen is what is tested
    attempt = Attempt(1, Outcome.FAILED, NOON, NOON, "me", "ValueError", "bad", None)
    assert dataclasses.replace(job, history=(attempt,)) == job
    assert dataclasses.replace(job, attempts=1) != job


def test_a_claimed_job_shows_its_tick_as_an_instant() -> None:
    claimed = Claimed(1, "email", "{}", 1, 0, 1, 5, 0, 0, 0, 0, 0, None, "me")
    assert claimed.tick_at is None
    assert claimed._replace(tick=1_772_366_400_000_000).tick_at == NOON
    assert claimed._replace(tick=0).tick_at == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("message", "summary"),
    [
        ("bad", "ValueError: bad"),
        ("", "ValueError"),
        ("two\n  lines\r\n", "ValueError: two lines"),
        ("\n", "ValueError"),
    ],
)
def test_a_failure_is_summed_up_on_one_line(message: str, summary: str) -> None:
    assert Failure("ValueError", message, "trace").summary == summary
