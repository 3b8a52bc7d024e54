"""Events of SDKs as events of the library, and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_lite import JobRunner
from aiojobs_lite.errors import InvalidEvent
from aiojobs_lite.inngest.events import event_text, from_memo, memo_text, to_stored
from aiojobs_lite.model.events import EventRow, memo_of

SENT_AT = 1_767_225_600_123_456
SENT_MS = SENT_AT // 1000


def memo(event: object, *, key: str = "k", **options: Any) -> str:
    """An event of an SDK as it is stored."""
    sent = to_stored(event, **options)
    return memo_of(EventRow(5, sent.name, json.dumps(sent.data), SENT_AT, sent.id or key))


def there_and_back(event: object, **options: Any) -> dict[str, Any]:
    """An event of an SDK as an SDK is given it, by both ways."""
    stored = memo(event, **options)
    found = from_memo(json.loads(stored))
    assert json.loads(event_text(stored)) == found
    return found


@pytest.mark.parametrize("event", [{"name": "a"}, {"name": "a", "data": None, "id": "", "ts": 0, "user": {}, "v": ""}])
def test_an_event_of_nothing_but_a_name_is_completed(event: object) -> None:
    assert to_stored(event).data == {}
    assert there_and_back(event) == {"name": "a", "id": "k", "data": {}, "user": {}, "ts": SENT_MS}


def test_all_of_an_event_is_kept_and_what_is_not_data_stands_in_one_place() -> None:
    event = {
        "name": "shop/ordered", "data": {"id": 7, "n": 1.5}, "id": "e1", "ts": 1_767_225_600_000, "user": {"mail": "a"},
        "v": "2026-01", "more": 1,
    }  # fmt: skip
    sent = to_stored(event, default_id="other")
    assert (sent.name, sent.id) == ("shop/ordered", "e1")
    assert sent.data["_inngest"] == {"user": {"mail": "a"}, "v": "2026-01", "ts": 1_767_225_600_000}
    assert there_and_back(event) == {name: value for name, value in event.items() if name != "more"}


def test_an_event_without_an_id_gets_the_one_of_the_server() -> None:
    assert to_stored({"name": "a"}, default_id="01A").id == "01A"
    assert to_stored({"name": "a"}).id is None


def test_what_an_app_puts_where_the_server_keeps_its_own_is_removed() -> None:
    data = {"_inngest": {"user": {"admin": True}, "data": {"status": "x"}}, "id": 1}
    assert to_stored({"name": "a", "data": data}).data == {"id": 1}
    assert data["_inngest"]
    assert there_and_back({"name": "a", "data": data})["data"] == {"id": 1}


def test_the_server_itself_sends_events_of_its_own_names_and_what_they_say_about_it() -> None:
    event = {"name": "inngest/function.finished", "data": {"run_id": "r", "_inngest": {"status": "Completed"}}}
    assert there_and_back(event, is_own=True)["data"] == event["data"]
    assert "data" not in there_and_back({"name": "inngest/x", "data": {}}, is_own=True)["data"]


@pytest.mark.parametrize(
    ("meta", "out"),
    [
        ({"sessions": {"a": "1"}}, {"a": "1"}), ({"propagated_sessions": {"a": "1"}}, {"a": "1"}),
        ({"propagated_sessions": {"a": "1", "b": "2"}, "sessions": {"a": "3", "c": "4"}},
         {"a": "3", "b": "2", "c": "4"}),
        ({"propagated_sessions": {"a": "1", "b": "2"}, "sessions": {"a": None}}, {"b": "2"}),
        ({"propagated_sessions": {"a": "1"}, "sessions": {"a": None}}, None), ({}, None), (None, None),
        ({"sessions": None, "other": 1}, None),
    ],
)  # fmt: skip
def test_own_sessions_come_over_those_of_the_run_that_sends(meta: object, out: object) -> None:
    found = there_and_back({"name": "a", "meta": meta})
    assert found.get("meta") == (None if out is None else {"sessions": out})


NO_NAME = "its name is text of 1 to 200 characters"
WRONG_INSTANTS: list[object] = ["1", True, False, 1.5, -1, 10**15, float("nan"), float("inf"), []]
REFUSED: list[tuple[object, str]] = [
    ([], "it is an object, with a name and data"), ("a", "it is an object, with a name and data"),
    ({}, NO_NAME), ({"name": ""}, NO_NAME), ({"name": 7}, NO_NAME), ({"name": "x" * 201}, NO_NAME),
    ({"name": "inngest/function.failed"}, "names that begin with 'inngest/' are those of the server: take another one"),
    ({"name": "a", "data": []}, "its data is an object, or left out"),
    ({"name": "a", "data": "x"}, "its data is an object, or left out"),
    ({"name": "a", "data": 0}, "its data is an object, or left out"),
    ({"name": "a", "id": 7}, "its id is text, or left out"),
    ({"name": "a", "user": []}, "its user is an object, or left out"),
    ({"name": "a", "v": 1}, "its v is text, or left out"),
    ({"name": "a", "meta": "x"}, "its meta is an object, or left out"),
    ({"name": "a", "meta": {"sessions": []}}, "meta.sessions is an object of texts, or left out"),
    ({"name": "a", "meta": {"propagated_sessions": {"a": 1}}}, "meta.sessions is an object of texts, or left out"),
    *[
        ({"name": "a", "ts": ts}, "its ts is a whole number of milliseconds since 1970, or left out")
        for ts in WRONG_INSTANTS
    ],
]  # fmt: skip


@pytest.mark.parametrize(("event", "problem"), REFUSED)
def test_what_cannot_be_an_event_is_refused(event: object, problem: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        to_stored(event)
    assert str(caught.value).endswith(f"was not sent: {problem}.")
    assert len(str(caught.value)) < 250


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert there_and_back({"name": "a", "ts": 1e12})["ts"] == 10**12


DATA = st.dictionaries(
    st.text(st.characters(codec="utf-8")) | st.just("_inngest"),
    st.recursive(st.none() | st.integers() | st.text(st.characters(codec="utf-8")), lambda inner: st.lists(inner)),
)


@given(data=DATA, user=DATA)
def test_any_data_come_back_but_for_the_place_of_the_server(data: dict[str, Any], user: dict[str, Any]) -> None:
    found = there_and_back({"name": "a", "data": data, "user": user})
    assert found["user"] == user
    assert found["data"] == {name: value for name, value in data.items() if name != "_inngest"}


@pytest.mark.parametrize("own", ["1", "null", '"x"', "[]", '{"user":{"a":1.0}}'])
def test_a_native_event_of_any_data_becomes_one_of_an_sdk(own: str) -> None:
    stored = memo_of(EventRow(5, "a", f'{{"b": 1.0, "_inngest": {own}}}', SENT_AT, None))
    text = event_text(stored)
    assert '"data":{"b":1.0}' in text
    assert json.loads(text) == from_memo(json.loads(stored))


def test_values_are_word_for_word() -> None:
    data = '{"a": 1.0, "b": {"c":  1e2}}'
    stored = memo_of(EventRow(5, "é", data, SENT_AT, "k"))
    assert event_text(stored) == f'{{"name":"\\u00e9","id":"k","data":{data},"user":{{}},"ts":{SENT_MS}}}'


def test_the_event_of_an_invoked_function_is_stored_nowhere() -> None:
    event = {"name": "inngest/function.invoked", "id": "i", "data": {"x": "ü", "_inngest": {"fn_id": "f"}}, "v": "1"}
    found = from_memo(json.loads(memo_text(event, SENT_AT)))
    assert found == {**event, "user": {}, "ts": SENT_MS}


@pytest.mark.parametrize(
    ("text", "problem"),
    [("", "is missing"), ("[]", "is missing"), ('{"name":1', "is missing"), ('{"id":1,"id":2}', "the name 'id' twice")],
)
def test_what_is_no_memo_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        event_text(text)


async def test_a_runner_takes_what_is_made() -> None:
    async with JobRunner(":memory:") as runner:
        await runner.events.send_many(
            [to_stored({"name": "shop/ordered", "data": {"id": 7}, "user": {"a": 1}, "id": "x"})]
        )
        (stored,) = await runner.events.list()
    assert json.loads(stored.data_json) == {"id": 7, "_inngest": {"user": {"a": 1}}}
