"""The one list of columns, and the way back from rows."""

from __future__ import annotations

import dataclasses

import pytest

from aiojobs_lite.clock import to_micros
from aiojobs_lite.model import columns
from aiojobs_lite.model.job import Attempt, Claimed, Held, Job, NewJob, Outcome, Status
from tests.helpers.instants import NOON

ROW = {
    "id": 7, "type": "email", "payload": '{"x": 1}', "status": "processing", "priority": 0, "attempts": 2,
    "max_attempts": 5, "scheduled_at": to_micros(NOON), "created_at": to_micros(NOON), "started_at": to_micros(NOON),
    "completed_at": None, "owner": "me", "idempotency_key": "k", "error": "e", "reason": "r", "result": "1",
    "interruptions": 1, "snoozes": 2, "crashes": 3, "cancel_requested": 1, "interrupted": 0, "held": "payload",
    "schedule": "s", "tick": to_micros(NOON), "label": "l", "metadata": "{}", "unique_key": "[1]",
    "unique_scope": "pending", "lane": "[]",
}  # fmt: skip


def test_columns_are_the_fields_with_the_names_that_are_stored() -> None:
    assert set(columns.JOB) <= set(ROW)
    assert [*columns.JOB].index("payload") == [field.name for field in dataclasses.fields(Job)].index("payload_json")
    assert "history" not in columns.JOB
    assert tuple(field.name.removesuffix("_json") for field in dataclasses.fields(Attempt)) == columns.ATTEMPT
    assert tuple("attempts" if name == "attempt" else name for name in Claimed._fields) == columns.CLAIMED
    assert NewJob._fields == columns.REQUIRED + columns.OPTIONAL
    assert all(name in NewJob._field_defaults for name in columns.OPTIONAL)
    assert set(columns.CLAIMED) <= {*columns.JOB, *columns.REQUIRED}


def test_a_row_becomes_a_job_of_python_types() -> None:
    history = (Attempt(1, Outcome.FAILED, NOON, NOON, "me", None, None, None),)
    found = columns.job_of([ROW[name] for name in columns.JOB], history)
    assert (found.id, found.status, found.priority, found.held) == (7, Status.PROCESSING, "high", Held.PAYLOAD)
    assert (found.scheduled_at, found.started_at, found.tick) == (NOON, NOON, NOON)
    assert (found.completed_at, found.payload_json, found.result_json) == (None, '{"x": 1}', "1")
    assert (found.cancel_requested, found.interrupted) == (True, False)
    assert type(found.cancel_requested) is bool
    assert found.history is history
    assert columns.job_of([ROW[name] for name in columns.JOB]).history == ()


def test_a_row_becomes_an_attempt() -> None:
    stored = {
        "attempt": 2, "outcome": "timed_out", "started_at": to_micros(NOON), "ended_at": to_micros(NOON), "owner": "me",
        "error_type": "TimeoutError", "message": "m", "traceback": None, "details": '{"n":1}',
    }  # fmt: skip
    found = columns.attempt_of([stored[name] for name in columns.ATTEMPT])
    assert found == Attempt(2, Outcome.TIMED_OUT, NOON, NOON, "me", "TimeoutError", "m", None, '{"n":1}')
    assert type(found.outcome) is Outcome


def test_a_status_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="stuck"):
        columns.job_of([{**ROW, "status": "stuck"}[name] for name in columns.JOB])


def test_a_job_that_is_inserted_as_claimed_is_given_as_any_other() -> None:
    row = NewJob("email", '{"x": 1}', 2, 30, 5, 20)
    claimed = columns.claimed_new(7, row, 40, "me")
    given = claimed._asdict()
    assert (claimed.id, claimed.type, claimed.payload, claimed.priority) == (7, "email", '{"x": 1}', 2)
    assert (claimed.scheduled_at, claimed.started_at, claimed.owner, claimed.attempt) == (30, 40, "me", 1)
    assert (claimed.max_attempts, claimed.created_at) == (5, 20)
    assert [given[name] for name in ("interruptions", "snoozes", "crashes")] == [0, 0, 0]
