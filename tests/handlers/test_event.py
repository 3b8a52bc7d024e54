"""Which events a job type listens to, and what an operation waits for."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from aiojobs_lite import InvalidOption, JobRunner, Jobs, job
from aiojobs_lite.clock import to_micros
from aiojobs_lite.errors import InvalidJobType
from aiojobs_lite.events import Event, EventToSend
from aiojobs_lite.flow import Unique
from aiojobs_lite.handlers.event import LONGEST_EVENT_NAME_CHARS, MOST_PATTERNS, check_event_name, make_match
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.limits import Limit
from aiojobs_lite.model.event_match import EventMatch

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MEMO = f'{{"id":"e","name":"user/left","data":{{"n":7}},"sent_at":{to_micros(NOON)}}}'


async def takes_any(event: Event[Any]) -> None: ...


async def takes_numbers(event: Event[dict[str, int]]) -> None: ...


def on(*names: Any, handler: Any = takes_numbers, **options: Any) -> JobType[..., Any]:
    declared: JobType[..., Any] = JobRunner(":memory:").on(*names, **options)(handler)
    return declared


@pytest.mark.parametrize(
    ("names", "name", "starts"),
    [
        (["user/left"], "user/left", True), (["user/left"], "user/left.now", False), (["user/*"], "user/left", True),
        (["user/*"], "users/left", False), (["*"], "user/left", True), (["a", "user/left"], "user/left", True),
    ],
)  # fmt: skip
def test_a_listener_is_started_by_names_and_their_beginnings(names: Sequence[str], name: str, starts: bool) -> None:
    listening = on(names).listening
    assert listening is not None
    assert listening.patterns == tuple(names)
    assert listening.starts(name, MEMO) is starts


def test_when_is_asked_of_events_that_fit_and_the_others_start() -> None:
    listening = on("user/left", when=lambda event: event.data["n"] > 7 or event.sent_at < NOON).listening
    assert listening is not None
    assert not listening.starts_by(MEMO)
    assert listening.starts_by(MEMO.replace("7", "8", 1))
    assert listening.starts_by(MEMO.replace('"n":7', '"n":"seven"'))
    assert listening.payload(MEMO) == f'{{"event":{MEMO}}}'


async def takes_nothing() -> None: ...


async def takes_more(event: Event[Any], more: int) -> None: ...


async def takes_a_number(event: int) -> None: ...


@pytest.mark.parametrize(
    ("handler", "found"),
    [(takes_nothing, "none"), (takes_more, "`event: Event[Any]`, `more: int`"), (takes_a_number, "`event: int`")],
)
@pytest.mark.parametrize("declaring", [Jobs(), JobRunner(":memory:")], ids=["group", "runner"])
def test_a_listener_takes_one_event_and_nothing_else(declaring: Any, handler: Any, found: str) -> None:
    takes = (
        "it listens to events, so it takes exactly one argument that is not injected, annotated as `Event` or `Event["
    )
    with pytest.raises(InvalidJobType, match=f"{re.escape(takes)}.*; it has {re.escape(found)}$"):
        declaring.on("user/left")(handler)


def test_a_job_type_is_no_listener() -> None:
    with pytest.raises(
        InvalidJobType, match=r"expected a function, got <JobType .*>\. It is declared already: once is"
    ):
        Jobs().on("user/left")(job(takes_any))


@pytest.mark.parametrize(
    "names", [[], [""], [7], ["user/*/left"], ["x" * (LONGEST_EVENT_NAME_CHARS + 1)], ["a"] * (MOST_PATTERNS + 1)]
)
def test_what_is_no_name_or_pattern_is_refused(names: list[Any]) -> None:
    with pytest.raises(InvalidOption, match=r"^names="):
        on(names, handler=takes_any)


def test_when_is_a_function() -> None:
    expected = "a function of the event that returns whether it starts the handler"
    with pytest.raises(InvalidOption, match=f"^when=True: expected {expected}"):
        on("a", when=True)


async def is_wanted(event: Event[Any]) -> bool:
    return bool(event.data["n"] > 7)


class AsksLater:
    """A filter that is an object."""

    async def __call__(self, event: Event[Any]) -> bool:
        return await is_wanted(event)


@pytest.mark.parametrize("when", [is_wanted, AsksLater(), functools.partial(is_wanted)])
def test_when_is_no_coroutine_function(when: Any) -> None:
    expected = "a plain function that returns True or False, no `async def`: nothing awaits what it returns"
    with pytest.raises(InvalidOption, match=f"^when=.* expected {expected}"):
        on("a", when=when)


def test_when_that_returns_an_awaitable_is_refused_with_its_first_event() -> None:
    listening = on("user/left", when=lambda event: is_wanted(event)).listening
    assert listening is not None
    with pytest.raises(TypeError, match=r"^it returned an awaitable, and has to be a plain function that returns True"):
        listening.starts_by(MEMO)


@pytest.mark.parametrize("declaring", [Jobs(), JobRunner(":memory:")])
def test_on_without_parentheses_is_refused(declaring: Any) -> None:
    with pytest.raises(InvalidOption, match=r'^names=.*for there are no parentheses: write `@runner.on\("user/signed'):
        declaring.on(takes_numbers)


NAMES_FIRST = "the names first, without a word before them"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"event": "user/left"}, NAMES_FIRST), ({"trigger": "user/left"}, NAMES_FIRST),
        ({"if": "event.data.n > 7"}, "when=, a function of the event"), ({"wen": None}, "the option when"),
        ({"unique": Unique("user_id")}, "a field in the data of the event is 'data.user_id'"),
        ({"limits": [Limit(1, key="user_id")]}, "a field in the data of the event is 'data.user_id'"),
        ({"on_lost": 3, "name": "x"}, "one of abandon_on, .* version, when"),
    ],
)  # fmt: skip
def test_an_option_of_a_listener_that_there_is_not_has_its_own_hint(options: Any, expected: str) -> None:
    with pytest.raises(InvalidOption, match=f"{expected}[.]$"):
        on("user/left", **options)


@pytest.mark.parametrize("name", [{"name": "user/left", "data": {}}, EventToSend("user/left", {})])
def test_an_event_in_place_of_its_name_is_refused_with_the_call_that_fits(name: Any) -> None:
    expected = r"the name of the event, and behind it its data; several: `send_many\(\[...\]\)`"
    with pytest.raises(InvalidOption, match=expected):
        check_event_name(name)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: on([]), "1 to 10 names of events."),
        (lambda: on("a*b"), "the name of an event, or the beginning of names with '*' at the end."),
        (lambda: check_event_name("a*"), "the name of one event, without '*'."),
        (lambda: make_match("e", 7),
         "a dict of dotted paths into the data and the scalars there, such as {'user_id': 7}."),
    ],
)  # fmt: skip
def test_what_is_expected_instead_is_said(call: Callable[[], object], expected: str) -> None:
    with pytest.raises(InvalidOption, match=re.escape(f"expected {expected}")):
        call()


def test_a_sent_event_has_a_whole_name() -> None:
    assert check_event_name("user/left") == "user/left"
    for name in ("user/*", "", None):
        with pytest.raises(InvalidOption, match=r"^name="):
            check_event_name(name)


def test_a_match_has_its_paths_in_order() -> None:
    assert make_match("e", None) == EventMatch("e")
    match = make_match("e", {"user.id": 7, "org": "x"})
    assert (match.event, match.fields) == ("e", ("org", "user.id"))
    for values in ({}, "x", {7: 1}, {"": 1}, {"a..b": 1}, {"a": [1]}, {"a": 1, "event.data.a": 1}):
        with pytest.raises(InvalidOption, match=r"^match=.*such as {'user_id': 7}(; each once)?\.$"):
            make_match("e", values)


class Order(BaseModel):
    number: int


class Envelope(BaseModel):
    data: Order


async def takes_order(event: Event[Order]) -> None: ...


@pytest.mark.parametrize(
    ("path", "kind", "field"),
    [
        ("number", Any, "number"), ("event.data.number", Any, "number"), ("event.data.data.number", Any, "data.number"),
        ("number", Order, "number"), ("event.data.number", Order, "number"), ("data.number", Envelope, "data.number"),
    ],
)  # fmt: skip
def test_a_path_of_a_match_leads_into_the_data(path: str, kind: Any, field: str) -> None:
    assert make_match("e", {path: 1}, kind).fields == (field,)


IN_DATA = "a field in the data of the event: 'number', or 'event.data.data.number' if the data have a field 'data' them"


@pytest.mark.parametrize(
    ("path", "kind", "expected"),
    [
        ("data.number", Any, IN_DATA), ("async.data.number", Any, IN_DATA),
        ("data.number", Order, "a field of Order. Did you mean 'number'?"),
        ("numbers", Order, "a field of Order. Did you mean 'number'?"),
        ("event.data.numbers", Order, "a field of Order. Did you mean 'number'?"),
        ("number", Envelope, "a field of Envelope. Did you mean 'data.number'?"),
    ],
)  # fmt: skip
def test_a_path_of_a_match_that_never_matches_is_refused(path: str, kind: Any, expected: str) -> None:
    with pytest.raises(InvalidOption, match=f"^match={path!r}: expected {re.escape(expected)}"):
        make_match("e", {path: 1}, kind)


@pytest.mark.parametrize("key", ["numbers", "data.numbers", "event.data.numbers", "event.number"])
@pytest.mark.parametrize("option", [lambda key: {"limits": [Limit(1, key=key)]}, lambda key: {"unique": Unique(key)}])
def test_a_key_that_the_data_of_an_event_never_have_is_refused(key: str, option: Callable[[str], Any]) -> None:
    with pytest.raises(InvalidOption, match=r"^key=.* expected .*'data\.num"):
        on("user/left", handler=takes_order, **option(key))
    on("user/left", handler=takes_order, **option("data.number"))
    on("user/left", handler=takes_order, **option("event.data.number"))
