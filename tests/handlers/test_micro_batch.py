"""`batch=` on a job type and on one enqueue: which handlers, the keys of items, and what cannot be together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from annotated_types import Len, MaxLen
from pydantic import AfterValidator, BaseModel, Field, conlist

from aiojobs_lite import InvalidOption, InvalidPayload, JobContext, Jobs, injected, job
from aiojobs_lite.errors import InvalidJobType, InvalidKey
from aiojobs_lite.events import Event
from aiojobs_lite.flow import Batch, Debounce, Throttle, Unique
from aiojobs_lite.limits import Limit, Rate
from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.limits import lane_text
from aiojobs_lite.model.micro_batch import Capacity

NOW = 1_700_000_000_000_000


class Org(BaseModel):
    id: int


class Mail(BaseModel):
    org: Org
    to: str = "a"


class Smtp: ...


def send(mails: list[Mail], *, ctx: JobContext = injected, smtp: Smtp = injected) -> None: ...


def mail(org: int, to: str = "a") -> Mail:
    return Mail(org=Org(id=org), to=to)


PLAIN = Batch(3, max_wait="5s")
BY_ORG = Batch(3, max_wait="5s", key="org.id")


def candidate(job_type: Any, *args: Any) -> Candidate:
    """The candidate of an enqueue."""
    found: Candidate = job_type.how.candidate(job_type.row(NOW, args, {}))
    return found


@pytest.mark.parametrize(
    "declared",
    [
        job(batch=BY_ORG)(send),
        Jobs().job(batch=BY_ORG)(send),
        job(send).using(batch=BY_ORG),
        job(batch=Batch(9, max_wait="1h"))(send).using(batch=BY_ORG, metadata={"a": 1}),
        job(batch=BY_ORG)(send).using(batch=None),
    ],
)
def test_a_job_gathers_items_wherever_it_was_declared(declared: Any) -> None:
    found = candidate(declared, [mail(7), mail(7, "b")])
    assert (found.row.unique_key, found.row.unique_scope) == ('[7,"mails",1,1,null,null,null]', "pending")
    assert (found.on_conflict, found.capacity) == ("append", Capacity(3, 262_144))
    assert (found.row.scheduled_at, found.row.created_at) == (NOW + 5_000_000, NOW)
    assert (found.max_wait, found.window_key) == (None, None)


@pytest.mark.parametrize(
    "hint",
    [
        Annotated[list[int], Field(max_length=2)],
        Annotated[list[int], AfterValidator(sorted), Field(min_length=1, max_length=2, title="numbers")],
        Annotated[conlist(int, max_length=2), Field(max_length=9)],
        Annotated[Sequence[int], MaxLen(2)],
        Annotated[list[int], Len(1, 2)],
    ],
)
def test_a_batch_is_not_larger_than_the_list_of_the_handler(hint: Any) -> None:
    def total(numbers: Any) -> None: ...

    total.__annotations__["numbers"] = hint
    for declare in (lambda: job(batch=PLAIN)(total), lambda: job(total).using(batch=PLAIN)):
        with pytest.raises(InvalidOption, match="a size of at most 2: the handler takes no more items in `numbers`"):
            declare()
    assert candidate(job(batch=Batch(2, max_wait="5s"))(total), [1]).capacity == Capacity(2, 262_144)


def test_without_a_key_all_items_of_the_type_are_gathered() -> None:
    found = candidate(job(batch=PLAIN)(send), [mail(7), mail(8)])
    assert found.row.unique_key == '["mails",1,1,null,null,null]'


def test_items_of_jobs_that_differ_do_not_meet() -> None:
    declared = job(batch=BY_ORG, largest_payload=500, max_pending=9)(send)
    limited = job(batch=BY_ORG, limits=[Limit(1, key="org.id")])(send)
    newer = job(batch=BY_ORG, version=2, name="send")(send)
    different = [
        declared, declared.using(priority="low"), declared.using(label="eu"), declared.using(expires="1m"), limited,
        newer, declared.using(batch=Batch(3, max_wait="5s", key=("org.id", "to"))),
    ]  # fmt: skip
    found = [candidate(one, [mail(7)]) for one in different]
    assert len({one.row.unique_key for one in found}) == len(different)
    assert found[1].row.unique_key == '[7,"mails",1,2,null,null,null]'
    assert found[3].row.unique_key == '[7,"mails",1,1,null,60000000,null]'
    assert found[5].row.unique_key == '[7,"mails",2,1,null,null,null]'
    assert (found[0].capacity, found[0].max_pending) == (Capacity(3, 500), 9)


def test_a_function_makes_the_key_of_the_payload() -> None:
    keyed = job(batch=Batch(3, max_wait="5s", key=lambda payload: payload["mails"][0]["to"]))(send)
    assert candidate(keyed, [mail(7, "x"), mail(8, "y")]).row.unique_key == '["x","mails",1,1,null,null,null]'


@pytest.mark.parametrize(
    ("items", "problem"),
    [
        ([], "mails: has no items: enqueue one or more"),
        (
            [mail(1)] * 4,
            "mails: has 4 items: enqueue at most 3 items in one call; enqueue_many takes several calls",
        ),
        ([mail(1), mail(1), mail(2)], "mails: has items of several keys, such as 0 and 2: enqueue them apart"),
    ],
)
def test_items_that_cannot_be_one_job_are_refused(items: list[Mail], problem: str) -> None:
    for declared in (job(batch=BY_ORG)(send), job(batch=BY_ORG, name="send")(send).using(label="x")):
        with pytest.raises(InvalidPayload) as caught:
            candidate(declared, items)
        assert caught.value.summary == problem


def test_an_item_without_the_field_gives_no_key() -> None:
    keyed = job(batch=Batch(3, max_wait="5s", key="org.name"))(send)
    with pytest.raises(InvalidKey, match=r"an item has no field 'org\.name'"):
        candidate(keyed, [mail(1)])
    with pytest.raises(InvalidKey, match="an item has no field 'a'"):
        candidate(job(batch=Batch(3, max_wait="5s", key="a"))(plain_list), [5])


def plain_list(ids: list) -> None: ...  # type: ignore[type-arg]  # what is tested


def sequence(ids: Sequence[int]) -> None: ...


def annotated(ids: Annotated[Annotated[list[int], Field(max_length=9)], "more"]) -> None: ...


@pytest.mark.parametrize("handler", [plain_list, sequence, annotated])
def test_a_list_may_be_written_in_several_ways(handler: Callable[..., Any]) -> None:
    assert candidate(job(batch=PLAIN)(handler), [1, 2]).row.payload == '{"ids":[1,2]}'


def two(ids: list[int], more: list[int]) -> None: ...


def none(ctx: JobContext = injected) -> None: ...


def number(n: int) -> None: ...


def optional(ids: list[int] | None) -> None: ...


def with_default(ids: list[int] = []) -> None: ...  # noqa: B006  # it is not called


def fixed(ids: tuple[int, ...]) -> None: ...


@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        (two, "; it takes ids, more"),
        (none, "; it takes none"),
        (number, "; it takes `n: int`"),
        (optional, "; it takes `ids: list[int] | None`"),
        (with_default, "; it takes ids"),
        (fixed, "; it takes `ids: tuple[int, ...]`"),
    ],
)
def test_a_handler_takes_one_list(handler: Callable[..., Any], problem: str) -> None:
    wanted = (
        "batch= gives a handler the items of several enqueues: besides what is injected it takes one argument, a list "
        "without a default, such as `mails: list[Mail]`"
    )
    for declare in (job(batch=PLAIN), lambda one: job(one).using(batch=PLAIN)):
        with pytest.raises(InvalidJobType) as caught:
            declare(handler)
        assert wanted + problem in str(caught.value)


def test_limits_count_by_what_the_items_of_a_job_have_in_common() -> None:
    both = Batch(3, max_wait="5s", key=("org.id", "to"))
    limits: list[Limit | Rate] = [Limit(1, key="org.id"), Rate(5, per="1m", key=("to", "org.id"))]
    declared = job(batch=both, limits=limits)(send)
    assert declared.lanes is not None
    by_org, by_both = [limit.name for limit in declared.lanes.stored]
    row = declared.row(NOW, ([mail(7, "x"), mail(7, "x")],), {})
    assert row.lane == lane_text("send", 1, [(by_org, 7), (by_both, ["x", 7])], is_ordered=False)
    with pytest.raises(InvalidPayload, match="has no items: enqueue one or more"):
        declared.row(NOW, ([],), {})
    count = Limit(1, key=lambda payload: len(payload["mails"]), name="count")
    by_function = job(send).using(batch=PLAIN, limits=[count])
    assert candidate(by_function, [mail(7), mail(8)]).row.lane


@pytest.mark.parametrize(
    ("batch", "known"),
    [
        (Batch(3, max_wait="5s", key=("to",)), "to"),
        (Batch(3, max_wait="5s"), "it has no fields"),
        (Batch(3, max_wait="5s", key=lambda payload: 1), "it has no fields"),
    ],
)
def test_a_limit_by_another_field_is_refused(batch: Batch, known: str) -> None:
    limits = [Limit(1, key="org.id")]
    wanted = f"key='org.id': expected the key of batch=, or a part of it ({known}): one call of the handler counts once"
    for declare in (
        lambda: job(batch=batch, limits=limits)(send),
        lambda: job(batch=batch)(send).using(limits=limits),
        lambda: job(send).using(batch=batch, limits=limits),
        lambda: job(batch=BY_ORG, limits=limits)(send).using(batch=batch),
    ):
        with pytest.raises(InvalidOption) as caught:
            declare()
        assert wanted in str(caught.value)
    assert job(batch=BY_ORG, limits=limits)(send).using(batch=batch, limits=[]).how.lanes is not None


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"delay": 5}, "delay='5s': expected none together with batch=, which says when the job is due"),
        ({"at": datetime(2030, 1, 1, tzinfo=UTC)}, "none together with batch=, which says when the job is due"),
        ({"idempotency_key": "k"}, "none together with batch=, which gives a job other arguments: a repeated call"),
        ({"unique": Unique("mails")}, "none together with batch=: both say what becomes of one key"),
        ({"debounce": Debounce(1)}, "none together with batch=: both say what becomes of one key"),
        ({"throttle": Throttle(1)}, "none together with batch=: both say what becomes of one key"),
        ({"batch": 100}, "expected a Batch, such as Batch(100, max_wait=\"5s\", key=\"org_id\")"),
    ],
)  # fmt: skip
def test_what_goes_with_no_batch_is_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        job(batch=BY_ORG)(send).using(**options)
    assert problem in str(caught.value)


def test_it_runs_after_no_other_job() -> None:
    with pytest.raises(InvalidOption, match="none together with batch=: the items of other enqueues would wait"):
        job(batch=BY_ORG)(send).using(after=[_Handle()])


class _Handle:
    id = 7


def test_a_cron_handler_takes_none() -> None:
    with pytest.raises(InvalidOption, match="no value on a cron handler: a tick gives no items"):
        Jobs().cron("* * * * *", batch=PLAIN)(send)


def test_a_handler_that_events_start_takes_a_list_of_them() -> None:
    async def one(event: Event[Any]) -> None: ...

    async def many(events: list[Event[Any]]) -> None: ...

    async def annotated(events: Annotated[list[Event[Any]], Field(max_length=9)]) -> None: ...

    with pytest.raises(InvalidJobType, match="it takes `event: "):
        Jobs().on("mail/*", batch=PLAIN)(one)
    with pytest.raises(InvalidJobType, match=r"annotated as `list\[Event\[...\]\]`, as it has batch=; it has `mails: "):
        Jobs().on("mail/*", batch=PLAIN)(send)
    with pytest.raises(InvalidJobType, match=r"annotated as `Event` or `Event\[...\]`; it has `events: "):
        Jobs().on("mail/*")(many)
    for handler in (many, annotated):
        listening = Jobs().on("mail/*", batch=Batch(5, max_wait="1s"))(handler).listening
        assert listening is not None
        assert listening.payload("{}") == '{"events":[{}]}'
