"""Limits at the declaration of a job type, and the lane of what is enqueued."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from aiojobs_lite import InvalidOption, InvalidPayload, Jobs, job
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.limits import DECLARED, Fixed, Limit, Rate
from aiojobs_lite.model.limits import END, LimitedLane, StoredLimit, full_name
from aiojobs_lite.sizes import LONGEST_LIMIT_KEY_CHARS

NOW = 5


class Customer(BaseModel):
    id: int
    name: str = "x"


class Order(BaseModel):
    customer: Customer


def region(payload: Mapping[str, Any]) -> Any:
    return payload["order"]["customer"]["name"]


def part(payload: Mapping[str, Any]) -> Any:
    return 1.5


def broken(payload: Mapping[str, Any]) -> Any:
    return "\ud800"


def large(payload: Mapping[str, Any]) -> Any:
    return [-(10**5_000)]


async def send(org_id: int | str | float | None, order: Order | None = None, kind: str = "pdf") -> None:
    """A handler."""


def declared(*limits: Limit | Rate, name: str = "send") -> JobType[..., Any]:
    return JobType(send, name=name, limits=limits)


def lane(*limits: Limit | Rate, payload: dict[str, Any] | None = None) -> Any:
    text = declared(*limits).bind(**(payload or {"org_id": 7})).row(NOW).lane
    assert text is not None
    return parts(text)


def parts(lane: str | None) -> list[Any]:
    """The parts of a lane, each key as it was."""
    found = (lane or "").split(END)
    return [*found[:2], *(json.loads(part) if place % 2 else part for place, part in enumerate(found[2:]))]


def test_a_job_type_without_limits_makes_jobs_without_a_lane() -> None:
    job_type: JobType[..., Any] = JobType(send)
    assert job_type.bind(7).row(NOW).lane is None
    assert job_type.using(label="x").bind(7).row(NOW).lane is None


@pytest.mark.parametrize("options", [{}, {"label": "eu"}])
def test_the_lane_of_a_job_has_the_key_of_each_limit(options: dict[str, Any]) -> None:
    job_type = declared(Limit(2, key="org_id"), Rate(100, per="1m", key="org_id", name="api"))
    row = job_type.using(**options).bind(7).row(NOW)
    assert parts(row.lane) == ["send", "1", "send: limit by org_id", 7, "api", 7]


def test_the_priority_of_an_enqueue_is_in_its_lane() -> None:
    job_type = declared(Limit(2, key="org_id"))
    assert parts(job_type.using(priority="high").bind(7).row(NOW).lane)[1] == "0"


def test_a_key_is_an_argument_a_part_of_it_several_or_a_function() -> None:
    payload = {"org_id": "a", "order": Order(customer=Customer(id=3, name="eu"))}
    assert lane(Limit(1, key="order.customer.id"), payload=payload)[3] == 3
    assert lane(Limit(1, key=["org_id", "order.customer.id"]), payload=payload)[3] == ["a", 3]
    assert lane(Limit(1, key=region), payload=payload)[2:] == ["send: limit by region", "eu"]


def test_a_default_of_the_handler_is_a_key_too() -> None:
    assert lane(Limit(1, key="kind"))[3] == "pdf"


def test_none_is_a_key_of_its_own() -> None:
    assert lane(Limit(1, key="org_id"), payload={"org_id": None})[3] is None


def test_a_value_is_counted_as_it_is_stored() -> None:
    @job(limits=[Limit(1, key="user")])
    async def of_user(user: UUID) -> None: ...

    user = UUID(int=9)
    assert parts(of_user.bind(user).row(NOW).lane)[3] == str(user)


@pytest.mark.parametrize(
    "key",
    [True, False, None, [], [1, None, True, "a"], 2**63 - 1, -(2**63), "\0", "é\0", "\n", "", "é" * 500, [""] * 501],
)
def test_what_a_function_may_return_is_a_key(key: Any) -> None:
    def made(payload: Mapping[str, Any]) -> Any:
        return key

    found = lane(Limit(1, key=made))[3]
    assert (type(found), found) == (type(key), key)


EXPECTED = "expected text, a whole number, True, False, None, or a list of these"
TOO_LONG = "is the key of a limit, and has 501 of at most 500 characters"
A_FLOAT = f"is the key of a limit, and has a value of the type 'float': {EXPECTED}"
TOO_LARGE = "is the key of a limit, and has a number of more than 64 bits"
MISSING = "is the key of a limit, and is missing"


@pytest.mark.parametrize(
    ("limit", "payload", "path", "problem"),
    [
        (Limit(1, key="org_id"), {"org_id": 1.5}, "org_id", A_FLOAT),
        (Limit(1, key="order.customer.id"), {"org_id": 1}, "order.customer.id", MISSING),
        (Limit(1, key="org_id"), {"org_id": "x" * (LONGEST_LIMIT_KEY_CHARS + 1)}, "org_id", TOO_LONG),
        (Limit(1, key=["org_id", "kind"]), {"org_id": "x" * 300, "kind": "y" * 200}, "org_id, kind", TOO_LONG),
        (Limit(1, key=region), {"org_id": 1}, "region", "the function of a limit's key raised TypeError"),
        (Limit(1, key=part, name="all"), {"org_id": 1}, "key of 'all'", A_FLOAT),
        (Limit(1, key="org_id"), {"org_id": 2**63}, "org_id", TOO_LARGE),
        (Limit(1, key=large, name="all"), {"org_id": 1}, "key of 'all'", TOO_LARGE),
        (
            Limit(1, key=broken, name="all"),
            {"org_id": 1},
            "key of 'all'",
            "is the key of a limit, and has a lone surrogate",
        ),
        (
            Limit(1, key="order"),
            {"org_id": 1, "order": {"customer": {"id": 1}}},
            "order",
            f"is the key of a limit, and has a value of the type 'dict': {EXPECTED}",
        ),
    ],
)
def test_a_key_that_cannot_be_counted_is_refused_at_the_enqueue(
    limit: Limit, payload: dict[str, Any], path: str, problem: str
) -> None:
    with pytest.raises(InvalidPayload) as caught:
        declared(limit).bind(**payload).row(NOW)
    assert caught.value.problems == ((path, problem),)


@pytest.mark.parametrize(
    ("made", "option"),
    [
        (lambda: Limit(0, key="a"), "most"),
        (lambda: Limit(-1, key="a"), "most"),
        (lambda: Limit(True, key="a"), "most"),
        (lambda: Rate(0, per="1m", key="a"), "most"),
        (lambda: Rate(1, per=0, key="a"), "per"),
        (lambda: Rate(1, per="soon", key="a"), "per"),
        (lambda: Limit(1, key=""), "key"),
        (lambda: Limit(1, key=()), "key"),
        (lambda: Limit(1, key=7), "key"),  # type: ignore[arg-type]
        (lambda: Limit(1, key="a b"), "key"),
        (lambda: Limit(1, key=["a", 7]), "key"),  # type: ignore[list-item]
        (lambda: Limit(1, key=lambda payload: 1), "name"),
        (lambda: Limit(1, key="a", name=""), "name"),
        (lambda: Limit(1, key="a", name="n" * 201), "name"),
        (lambda: Limit(1, key="a", ordered=1), "ordered"),  # type: ignore[arg-type]
        (lambda: Limit(2, key="a", ordered=True), "most"),
        (lambda: Limit(1, key="a", ordered=True, name="shared"), "name"),
        (lambda: Rate(1, per=1, key="a", name="send: ordered by a"), "name"),
    ],
)
def test_a_limit_that_contradicts_itself_is_refused_where_it_is_made(made: Any, option: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        made()
    assert caught.value.option == option


@pytest.mark.parametrize(
    ("limits", "option"),
    [
        ("org_id", "limits"),
        ([7], "limits"),
        (Limit(1, key="org_id"), "limits"),
        ([Limit(1, key="org_id", name=name) for name in "abcde"], "limits"),
        ([Limit(1, key="org_id"), Limit(2, key="org_id")], "limits"),
        ([Limit(1, key="org_id", ordered=True), Limit(1, key="kind", ordered=True)], "limits"),
        ([Limit(1, key="org_id", ordered=True), Rate(9, per=1, key="kind")], "key"),
        ([Limit(1, key="org_id", ordered=True), Rate(9, per=1, key=region)], "key"),
        ([Limit(1, key="customer")], "key"),
        ([Limit(1, key=["org_id", "customer.id"])], "key"),
    ],
)
def test_limits_that_cannot_work_are_refused_at_the_declaration(limits: Any, option: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        job(limits=limits)(send)
    assert caught.value.option == option


WHICH = 'the name of an argument, such as "org_id" or "order.customer", several names, a function of them, or a Fixed'
ORDERED = Limit(1, key="org_id", ordered=True)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Limit(1, key=7), WHICH),  # type: ignore[arg-type]
        (lambda: Limit(1, key=lambda payload: 1), "because the function of its key has no name"),
        (lambda: Limit(2, key="a", ordered=True), "1 with ordered=True: the jobs of a key run one after the other"),
        (
            lambda: Limit(1, key="a", ordered=True, name="b"),
            "none with ordered=True: the order is that of one job type",
        ),
        (lambda: declared(*[Limit(1, key=key) for key in "abcde"]), "a list of at most 4 of Limit and Rate"),
        (lambda: declared(ORDERED, Limit(1, key="kind", ordered=True)), "at most one with ordered=True"),
        (lambda: declared(Limit(1, key="org_id"), Limit(2, key="org_id")), "another name= for each of the limits "),
        (
            lambda: declared(ORDERED, Rate(9, per=1, key="kind")),
            "the key of the limit with ordered=True, or a part of it: else its jobs have no order",
        ),
        (lambda: Limit(1, key="a", name="t: ordered by a"), "another name: such a name is for a limit with ordered"),
        (
            lambda: declared(Limit(1, key="x")),
            "an argument of the handler of 'send', which takes 'org_id', 'order'",
        ),
    ],
)
def test_a_refusal_says_what_is_expected(make: Any, text: str) -> None:
    with pytest.raises(InvalidOption, match=text):
        make()


def test_an_empty_list_is_no_limit() -> None:
    assert declared().lanes is None


def test_an_enqueue_has_the_limits_that_it_is_given_or_none() -> None:
    job_type = declared(Limit(2, key="org_id"))
    assert job_type.using(limits=[]).bind(7).row(NOW).lane is None
    row = job_type.using(limits=[Limit(9, key="kind"), Rate(3, per=1, key="org_id")]).bind(7).row(NOW)
    assert parts(row.lane) == ["send", "1", "send: limit by kind", "pdf", "send: rate by org_id", 7]
    assert isinstance(row.lane, LimitedLane)
    assert row.lane.limits == (
        StoredLimit("send: limit by kind", 9, key='"pdf"'),
        StoredLimit("send: rate by org_id", 3, 1_000_000, "7"),
    )
    assert "limits=[Limit(most=9, key='kind'" in repr(job_type.using(limits=[Limit(9, key="kind")]))
    with pytest.raises(InvalidOption):
        job_type.using(limits=[Limit(9, key="unknown")])


def test_limits_beside_an_ordered_one_count_by_its_key_or_a_part_of_it() -> None:
    made = lane(Limit(1, key=["org_id", "kind"], ordered=True), Rate(9, per=1, key="kind"))
    both, kind = ("send: ordered by org_id, kind", [7, "pdf"]), ("send: rate by kind", "pdf")
    assert made == ["send", "ordered", *both, *kind]


def test_types_share_a_limit_by_its_name_if_they_agree() -> None:
    registry = Registry()
    registry.add(declared(Limit(2, key="org_id", name="api")))
    registry.add(declared(Limit(2, key="kind", name="api"), name="other"))
    assert len(registry.limits_by_key) == 1
    with pytest.raises(InvalidOption, match=r"^limits=Limit\(most=3, .* share by this name: 2"):
        registry.add(declared(Limit(3, key="kind", name="api"), name="third"))
    with pytest.raises(InvalidOption, match="share by this name: 2"):
        registry.add(declared(Rate(2, per=1, key="kind", name="api"), name="third"))
    assert registry.names() == ("send", "other")


@pytest.mark.parametrize(
    ("shared", "own", "text"),
    [
        (Limit(2, key="org_id", name="api"), Rate(9, per=1, key="org_id", name="api"), "expected a Limit, as what job"),
        (Rate(9, per=1, key="org_id", name="api"), Limit(2, key="org_id", name="api"), "expected a Rate, as what job"),
    ],
)
def test_a_job_has_no_rate_by_the_name_of_a_limit_of_any_type(
    shared: Limit | Rate, own: Limit | Rate, text: str
) -> None:
    registry, other = Registry(), declared(Limit(2, key="kind"), name="other")
    registry.add(declared(shared))
    registry.add(other)
    registry.check(other.using(limits=[shared]).bind(7))
    registry.check(other.using(limits=[Rate(9, per=1, key="kind"), Limit(9, key="org_id", name="new")]))
    for wrong in (other.using(limits=[own]), other.using(limits=[own]).bind(7)):
        with pytest.raises(InvalidOption, match=f"{text} types declare by the name 'api'") as caught:
            registry.check(wrong)
        assert caught.value.option == "limits"
    with pytest.raises(InvalidOption):
        registry.add(JobType(send, name="third", on_dead=other.using(limits=[own])))


def test_a_group_takes_limits_and_a_limit_is_a_value() -> None:
    group = Jobs()
    made = group.job(limits=[Limit(2, key="org_id")])(send)
    assert made.lanes is not None
    assert made.lanes.limits == (Limit(2, key="org_id"),)
    assert hash(Limit(2, key=["a", "b"])) == hash(Limit(2, key=("a", "b")))
    assert Rate(1, per="1m", key="a") != Rate(1, per="2m", key="a")


def test_the_function_of_a_key_is_given_the_arguments_alone() -> None:
    given: list[Mapping[str, Any]] = []

    def whole(payload: Mapping[str, Any]) -> str:
        given.append(payload)
        return "one"

    versioned: JobType[..., None] = JobType(
        send, name="send", limits=[Limit(1, key=whole)], version=2, upgrade={1: lambda given: given}
    )
    versioned.bind(7).row(NOW)
    assert {name: given[0][name] for name in ("org_id", "kind")} == {"org_id": 7, "kind": "pdf"}
    assert given[0].keys() <= {"org_id", "order", "kind"}


QUEUE = Fixed("queue", "letters")


def test_a_fixed_key_is_that_of_each_job_and_stands_in_the_name_of_its_limit() -> None:
    assert lane(Limit(2, key=QUEUE)) == ["send", "1", "send: limit by queue", "letters"]
    assert lane(Limit(2, key=Fixed("queue", ["a", 7]), name="q")) == ["send", "1", "q", ["a", 7]]
    with pytest.raises(InvalidOption, match=r'by=.*what the key is one of, as a name, such as "queue"'):
        Fixed("a queue", 1)
    with pytest.raises(InvalidPayload, match="queue: is the key of a limit, and has a value of the type 'float'"):
        lane(Limit(2, key=Fixed("queue", 1.5)))  # type: ignore[arg-type]


def test_a_fixed_key_may_stand_beside_an_ordered_one_and_an_argument_may_not() -> None:
    ordered = Limit(1, key=QUEUE, ordered=True)
    assert lane(ordered, Limit(2, key=Fixed("customer", 7), name="c")) == [
        "send", "ordered", "send: ordered by queue", "letters", "c", 7,
    ]  # fmt: skip
    with pytest.raises(InvalidOption, match="or a part of it: else its jobs have no order"):
        declared(ordered, Limit(2, key="org_id"))


def test_declared_stands_for_the_limits_of_the_type_whose_values_stay() -> None:
    job_type = declared(Limit(2, key="org_id"))
    row = job_type.using(limits=[DECLARED, Limit(5, key=QUEUE)]).bind(7).row(NOW)
    assert parts(row.lane) == ["send", "1", "send: limit by org_id", 7, "send: limit by queue", "letters"]
    assert isinstance(row.lane, LimitedLane)
    assert row.lane.limits == (StoredLimit("send: limit by queue", 5, None, '"letters"'),)
    assert JobType(send).using(limits=[DECLARED]).row(NOW, (7,), {}).lane is None


def test_declared_is_refused_where_it_stands_for_nothing_or_for_too_many() -> None:
    with pytest.raises(InvalidOption, match=r"DECLARED in using\(limits=...\) only: it stands for those declared here"):
        declared(DECLARED)  # type: ignore[arg-type]
    many = [Limit(1, key="org_id", name=f"l{number}") for number in range(4)]
    with pytest.raises(InvalidOption, match="at most 4, together with those of the type"):
        declared(*many).using(limits=[DECLARED, Limit(1, key=QUEUE)])
    with pytest.raises(InvalidOption, match="another name= for each of the limits 'l0'"):
        declared(many[0]).using(limits=[DECLARED, many[0]])


def test_a_rate_that_counts_jobs_has_a_name_by_which_a_store_knows_it() -> None:
    rate = Rate(5, per="1m", key="kind", counts="jobs")
    assert full_name(rate, "t") == "t: starts by kind"
    assert (rate.counts, Rate(5, per="1m", key="kind").counts, Limit(5, key="kind").counts) == (
        "jobs", "attempts", "attempts",
    )  # fmt: skip
    assert rate != Rate(5, per="1m", key="kind")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"counts": "starts"}, "^counts='starts': expected 'attempts' or 'jobs'"),
        ({"counts": "jobs", "name": "x"}, "^name='x': expected none with counts=\"jobs\": the rate is that of one job"),
        ({"name": "t: starts by kind"}, 'another name: such a name is for a rate with counts="jobs"'),
    ],
)
def test_a_rate_that_cannot_count_so_is_refused(options: Any, match: str) -> None:
    with pytest.raises(InvalidOption, match=match):
        Rate(5, per="1m", key="kind", **options)


def test_a_rate_that_counts_jobs_goes_with_no_order() -> None:
    with pytest.raises(InvalidOption, match=r"no ordered=True beside a Rate with counts=\"jobs\""):
        declared(Limit(1, key="kind", ordered=True), Rate(5, per="1m", key="kind", counts="jobs"))
