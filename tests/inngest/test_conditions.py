"""Waits by expressions: what the database looks up, and what is looked at when an event has come."""

from __future__ import annotations

import pytest

from aiojobs_lite.durable.operations import WaitForEvent
from aiojobs_lite.inngest.conditions import Condition, find_matching, find_unfit, latest_event, note_name, open_again
from aiojobs_lite.inngest.expressions import compile_expression
from aiojobs_lite.model.event_match import EventMatch
from aiojobs_lite.model.events import EventRow, memo_of
from aiojobs_lite.model.steps import StepKind, StepRow, StepState
from tests.helpers.inngest import hashed

NOW = 1_767_225_600_000_000
A = hashed("a")


ALL = [
    ("async.data.id == 7", ("id",), "[7]"),
    ("async.data.b == 'x' && async.data.a.c == true", ("a.c", "b"), '[true,"x"]'),
    ("async.user.id == 7 && async.v == '1'", ("_inngest.user.id", "_inngest.v"), '[7,"1"]'),
]
SOME = [
    ("async.data['a.b'] == 7 && async.data.c == 1", ("c",), "[1]"),
    ("async.data.a == 7 && async.data.a == 8", ("a",), "[7]"), ("async.name == 'x'", (), "[]"),
    ("async.data == 1", (), "[]"), ("async.ts == 1", (), "[]"), ("async.data[''] == 1", (), "[]"),
    ("async.data.sum > 1", (), "[]"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "fields", "values"), ALL)
def test_equalities_are_a_match(text: str, fields: tuple[str, ...], values: str) -> None:
    assert find_matching("shop/paid", compile_expression(text)) == (EventMatch("shop/paid", fields, values), None)
    match, rest = find_matching("shop/paid", compile_expression(f"{text} && async.data.sum > 1"))
    assert match == EventMatch("shop/paid", fields, values)
    assert rest is not None
    assert rest.matches({"async": {"data": {"sum": 2}}})


@pytest.mark.parametrize(("text", "fields", "values"), SOME)
def test_what_no_match_can_say_is_left_to_the_expression(text: str, fields: tuple[str, ...], values: str) -> None:
    match, rest = find_matching("shop/paid", compile_expression(text))
    assert match == EventMatch("shop/paid", fields, values)
    assert rest is not None
    assert rest.text == text


def test_a_condition_is_read_back_of_its_note() -> None:
    condition = Condition("ü == async.data.id", EventMatch("e", ("a", "b"), '[1,"x"]'), NOW, is_raced=True)
    assert Condition.read(condition.memo()) == condition
    assert Condition.read(condition._replace(until=None).memo()).until is None
    assert note_name("ab") == "~if ab"


def ended(name: str, data: str | None, kind: StepKind = StepKind.EVENT) -> StepRow:
    memo = "null" if data is None else memo_of(EventRow(1, "shop/paid", data, NOW, "k"))
    return StepRow(name, kind, StepState.DONE, memo, None, 1, None, NOW, NOW, 1)


def test_an_event_for_which_the_expression_does_not_hold_is_unfit() -> None:
    condition = Condition("event.data.id == 7 && async.data.sum > 1", EventMatch("shop/paid"), NOW, is_raced=False)
    rows = [
        ended(f"{A} fit", '{"sum":2}'), ended(f"{A} unfit", '{"sum":1}'), ended(f"{A} unfit~2", '{"sum":1}'),
        ended(f"{A} late", None), ended(f"{A} other", '{"sum":1}', StepKind.RUN),
        ended(f"{hashed('b')} b", '{"sum":1}'),
    ]  # fmt: skip
    found = find_unfit(rows, {note_name(A): condition.memo()}, '{"name":"shop/ordered","data":{"id":7}}')
    assert found == {f"{A} unfit": condition, f"{A} unfit~2": condition}


def test_a_wait_is_opened_again_behind_its_event_under_the_next_name() -> None:
    first, second, waiting = (ended(f"{A} a{again}", '{"sum":1}') for again in ("", "~2", "~3"))
    fit, other = ended(f"{hashed('b')} b", '{"sum":2}'), ended("x", None, StepKind.SLEEP)
    match = EventMatch("shop/paid", ("id",), "[7]")
    unfit = {row.name: Condition("c", match, NOW, is_raced=True) for row in (first, second)}
    assert open_again([first, fit, other], unfit, []) == (
        [WaitForEvent(f"{A} a~2", match, NOW, first.memo)], [f"{A} a~2"],
    )  # fmt: skip
    calm = {name: condition._replace(is_raced=False) for name, condition in unfit.items()}
    assert open_again([first, second], calm, []) == ([WaitForEvent(f"{A} a~3", match, NOW, second.memo)], [])
    assert open_again([first, second], unfit, [waiting]) == ([], [])
    assert open_again([fit], {}, []) == ([], [])


def test_the_latest_event_of_a_name_is_the_one_that_ended_a_wait_at_last() -> None:
    rows = [
        ended(f"{A} a", '{"sum":1}'), ended(f"{A} b", '{"name":"shop/lost","x":{"name":"shop/lost"}}'),
        ended(f"{A} c", None), ended(f"{A} d", '{"sum":3}', StepKind.RUN),
    ]  # fmt: skip
    assert latest_event("shop/paid", rows) == rows[1].memo
    assert latest_event("shop/paid", rows[:1]) == rows[0].memo
    assert latest_event("shop/lost", rows) is None
    assert latest_event("shop/paid", []) is None
