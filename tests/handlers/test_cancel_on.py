"""Which events cancel the jobs of a type."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from aiojobs_lite import InvalidOption, JobRunner
from aiojobs_lite.events import Event, On
from aiojobs_lite.flow import Batch
from aiojobs_lite.handlers.cancel_on import MOST_CANCELS
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.event_match import EventMatch


async def of_arguments(user: dict[str, Any], org: int = 3) -> None: ...


async def of_event(event: Event[Any]) -> None: ...


class Trial(BaseModel):
    user_id: int


async def of_trial(event: Event[Trial]) -> None: ...


async def of_list(items: list[int]) -> None: ...


def cancels(job_type: JobType[..., Any], *args: Any) -> tuple[EventMatch, ...]:
    bound = job_type.bind(*args)
    return bound.how.candidate(bound.row(0)).cancel_on


def declared(cancel_on: Any, handler: Any = of_arguments, **options: Any) -> JobType[..., Any]:
    made: JobType[..., Any] = JobRunner(":memory:").job(cancel_on=cancel_on, **options)(handler)
    return made


@pytest.mark.parametrize(
    ("on", "match"),
    [
        (On("e"), EventMatch("e")),
        (On("e", match="org"), EventMatch("e", ("org",), "[3]")),
        (On("e", match="user.id"), EventMatch("e", ("user.id",), '["u"]')),
        (On("e", match=["user.id", "org"]), EventMatch("e", ("org", "user.id"), '[3,"u"]')),
        (On("e", match={"z": "user.id", "id": "org"}), EventMatch("e", ("id", "z"), '[3,"u"]')),
    ],
)
def test_a_job_is_cancelled_by_what_it_has_itself(on: On, match: EventMatch) -> None:
    assert cancels(declared(on), {"id": "u"}) == (match,)
    assert cancels(declared([on, On("f")]), {"id": "u"}) == (match, EventMatch("f"))


def test_a_field_that_a_job_does_not_have_cancels_nothing() -> None:
    on = On("e", match="user.id")
    assert cancels(declared(on), {}) == ()
    assert cancels(declared(on), {"id": [1]}) == ()


def test_the_fields_of_a_listener_are_those_of_the_data_of_its_event() -> None:
    listener: JobType[..., Any] = JobRunner(":memory:").on("a", cancel_on=On("e", match="user.id"))(of_event)
    event = Event[Any](id="x", name="a", data={"user": {"id": 7.0}}, sent_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert cancels(listener, event) == (EventMatch("e", ("user.id",), "[7]"),)


def test_one_enqueue_adds_options_to_those_of_the_type() -> None:
    job_type = declared(On("e"))
    assert cancels(job_type.using(max_pending=5).job_type, {}) == (EventMatch("e"),)
    assert job_type.using(max_pending=5).how.given()["cancel_on"] == list(_given(job_type))


def _given(job_type: JobType[..., Any]) -> tuple[On, ...]:
    flow = job_type.how.flow
    assert flow is not None
    assert flow.cancels is not None
    return flow.cancels.given


@pytest.mark.parametrize("match", ["event.data.user.id", ["event.data.user.id"], {"event.data.user.id": "user.id"}])
def test_a_field_may_be_written_in_full(match: Any) -> None:
    listener: JobType[..., Any] = JobRunner(":memory:").on("a", cancel_on=On("e", match=match))(of_event)
    event = Event[Any](id="x", name="a", data={"user": {"id": 7}}, sent_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert cancels(listener, event) == (EventMatch("e", ("user.id",), "[7]"),)


@pytest.mark.parametrize("match", ["data.user.id", ["async.data.user.id"], {"data.user.id": "user.id"}])
def test_a_field_that_no_event_has_is_refused(match: Any) -> None:
    with pytest.raises(InvalidOption, match=r"expected a field in the data of the event: 'user\.id', or 'event\."):
        On("e", match=match)


def test_a_field_of_an_argument_that_is_named_data_is_one_of_the_job() -> None:
    async def of_data(data: dict[str, Any]) -> None: ...

    found = cancels(declared(On("e", match={"id": "data.id"}), of_data), {"id": 7})
    assert found == (EventMatch("e", ("id",), "[7]"),)


@pytest.mark.parametrize("match", ["usr_id", {"id": "usr_id"}, {"id": "data.user_id"}, {"id": "event.data.usr_id"}])
def test_a_field_that_the_data_of_a_listener_never_have_is_refused(match: Any) -> None:
    with pytest.raises(InvalidOption, match=r"expected a field of Trial\. Did you mean 'user_id'\? It has 'user_id'\."):
        JobRunner(":memory:").on("a", cancel_on=On("e", match=match))(of_trial)


@pytest.mark.parametrize("given", ["e", [], [On("e")] * (MOST_CANCELS + 1), [On("e"), "f"], 7])
def test_what_is_no_event_is_refused(given: Any) -> None:
    with pytest.raises(InvalidOption, match=r'expected On\("user/deleted", match="user_id"\), or a list of 1 to 5'):
        declared(given)


def test_a_field_that_is_given_twice_is_refused() -> None:
    with pytest.raises(InvalidOption, match=r"a dict from the field of the event to that of the job; each once\.$"):
        On("e", match=["id", "event.data.id"])


@pytest.mark.parametrize("match", [7, "", "a..b", [], {}, ["a", 7], {"a": 7}, {"": "a"}])
def test_what_is_no_field_is_refused(match: Any) -> None:
    with pytest.raises(InvalidOption, match=r'^match=.* expected a field such as "user_id" or "user\.id", a list of'):
        On("e", match=match)


def test_a_field_that_no_job_can_have_is_refused() -> None:
    wanted = r"of the arguments of 'of_arguments' \(user, org\); if the event names it otherwise, a dict from its"
    with pytest.raises(InvalidOption, match=wanted):
        declared(On("e", match={"user": "owner.id"}))
    with pytest.raises(InvalidOption, match=r"^name=.* the name of one event"):
        On("user/*")


def test_it_does_not_go_with_what_shares_a_job_or_has_no_fields() -> None:
    with pytest.raises(InvalidOption, match=r"none together with batch=: an event would cancel the items of other"):
        declared(On("e"), of_list, batch=Batch(10, max_wait="1s"))
    with pytest.raises(InvalidOption, match=r"a tick has no fields that an event could match"):
        JobRunner(":memory:").cron("0 3 * * *", cancel_on=On("e"))(_tick)


async def _tick() -> None: ...


def test_it_is_shown_as_it_is_written() -> None:
    assert [repr(one) for one in (On("e"), On("e", match="a"))] == ["On('e')", "On('e', match={'a': 'a'})"]
