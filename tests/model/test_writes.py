"""Writes and queries are pure data, tied to the types of their answers; a store alone answers them."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import pytest

from aiojobs_lite.model import admission, after, batches, ends, queries, runners, schedule_rows, schedules, writes
from aiojobs_lite.model.job import NewJob

MESSAGES: list[Any] = [
    kind
    for module in (admission, after, batches, ends, queries, runners, schedule_rows, schedules, writes)
    for kind in vars(module).values()
    if inspect.isclass(kind) and hasattr(kind, "_fields") and kind.__module__ == module.__name__
    if hasattr(kind, "answer")
]


def made(kind: Any) -> Any:
    return kind(*range(len(kind._fields)))


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_message_is_data_that_does_not_answer_itself(kind: Any) -> None:
    message = made(kind)
    assert message == made(kind)
    assert pickle.loads(pickle.dumps(message)) == copy.copy(message) == message
    with pytest.raises(TypeError, match=r"give it to `Store\.apply`"):
        message.answer()


def test_the_model_has_these_messages() -> None:
    assert len(MESSAGES) > 15
    assert {writes.Insert, writes.Prune, ends.Complete, queries.GetJob, schedules.FireTick} <= set(MESSAGES)


@pytest.mark.parametrize("kind", [kind for kind in MESSAGES if kind._fields])
def test_what_a_message_is_about_is_given_unless_it_may_be_left_out(kind: Any) -> None:
    left_out = {"limit", "after", "held", "reason", "failure", "refund", "result", "note", "if_cancelled", "by"} | {
        "conditions",
        "forget_before",
        "restarts",
        "waits_for",
        "pooled",
        "pool_slots",
        "prefix",
        "without",
        "only",
        "since",
        "until",
        "ids",
        "metadata",
        "keeps_time",
    }
    assert set(kind._field_defaults) <= (set(kind._fields) if kind is queries.FindJobs else left_out)


def test_all_jobs_are_found_by_pages_unless_asked_otherwise() -> None:
    asked = len(queries.FindJobs._fields) - 2
    assert queries.FindJobs() == (*(None,) * asked, False, 100)  # the newest first, at most 100


def test_writes_of_one_kind_with_other_values_differ() -> None:
    one, two = NewJob("a", "{}", 1, 0, 5, 0), NewJob("b", "{}", 1, 0, 5, 0)
    assert writes.Insert((one,)) != writes.Insert((two,))
    assert writes.CancelJob(1, None) != writes.CancelJob(1, "why")
