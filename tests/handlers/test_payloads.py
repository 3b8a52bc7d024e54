"""`version=` and `upgrade=`: what is refused, and what the steps make of older payloads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, InvalidPayload, JobContext, Jobs, injected, job
from aiojobs_lite.flow import Unique
from aiojobs_lite.handlers.payloads import MarkedSignature
from aiojobs_lite.handlers.signature import Signature

Arguments = dict[str, Any]


def split(arguments: Arguments) -> Arguments:
    first, last = arguments.pop("name").split()
    return {**arguments, "first": first, "last": last}


def join_in_list(arguments: Arguments) -> Arguments:
    return {"names": [arguments["first"], arguments["last"]]}


async def hello(names: list[str], *, polite: bool = False, ctx: JobContext = injected) -> None: ...


STEPS = {2: join_in_list, 1: split}
third = job(version=3, upgrade=STEPS)(hello)


def nothing() -> None: ...


async def waits(arguments: Arguments) -> Arguments:
    await asyncio.sleep(0)
    return arguments


def yields(arguments: Arguments) -> Iterator[Arguments]:
    yield arguments


class Waits:
    async def __call__(self, arguments: Arguments) -> Arguments:
        return arguments


def problem_of(job_type: Any, payload: str) -> str:
    """What is wrong with a stored payload."""
    with pytest.raises(InvalidPayload, match="each runner looks again every few seconds") as caught:
        job_type.signature.load(payload)
    return caught.value.summary


@pytest.mark.parametrize(
    ("options", "option", "expected"),
    [
        ({"version": 0}, "version", "a whole number from 1 to 1,000,000"),
        ({"version": True}, "version", "a whole number"),
        ({"version": "2"}, "version", "a whole number"),
        ({"upgrade": {1: split}}, "upgrade", "version= as well, 2 or above: the version to which the steps lead"),
        ({"version": 1, "upgrade": {}}, "upgrade", "version= as well"),
        ({"version": 2, "upgrade": split}, "upgrade", "a dict of steps, such as {1: from_1_to_2}"),
        ({"version": 2, "upgrade": [split]}, "upgrade", "a dict of steps"),
        ({"version": 3, "upgrade": {1: split}}, "upgrade", "each step up to version 3: the one from version 2 to 3 is"),
        ({"version": 5, "upgrade": {1: split, 2: split, 4: split}}, "upgrade", "the one from version 3 to 4 is"),
        ({"version": 2, "upgrade": {2: split}}, "upgrade", "whole numbers from 1 to 1 as its keys, not 2"),
        ({"version": 2, "upgrade": {0: split, 1: split}}, "upgrade", "as its keys, not 0"),
        ({"version": 2, "upgrade": {True: split}}, "upgrade", "as its keys, not True"),
        ({"version": 2, "upgrade": {"1": split}}, "upgrade", "as its keys, not '1'"),
        ({"version": 2, "upgrade": {1: None}}, "upgrade[1]", "a plain function that takes the older arguments"),
        ({"version": 2, "upgrade": {1: waits}}, "upgrade[1]", "no `async def`: it must not wait for anything"),
        ({"version": 2, "upgrade": {1: partial(waits)}}, "upgrade[1]", "no `async def`"),
        ({"version": 2, "upgrade": {1: Waits()}}, "upgrade[1]", "no `async def`"),
        ({"version": 2, "upgrade": {1: yields}}, "upgrade[1]", "no generator"),
        ({"version": 2, "upgrade": {1: nothing}}, "upgrade[1]", "too many positional arguments"),
        ({"version": 2, "upgrade": {1: lambda a, b: {}}}, "upgrade[1]", "missing a required argument: 'b'"),
        ({"version": 2, "upgrade": {1: third}}, "upgrade[1]", "a plain function"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_at_the_declaration(options: Any, option: str, expected: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        Jobs().job(**options)(hello)
    assert caught.value.option == option
    assert expected in str(caught.value)


@pytest.mark.parametrize("upgrade", [STEPS, MappingProxyType(STEPS), {2: join_in_list}, {2: dict}, None, {}])
def test_any_steps_without_a_gap_up_to_the_version_will_do(upgrade: Mapping[int, Any] | None) -> None:
    assert job(version=3, upgrade=upgrade)(hello).version == 3


def test_a_type_of_version_1_stores_nothing_and_has_the_plain_signature() -> None:
    plain = job(hello)
    assert (plain.version, type(plain.signature), type(third.signature)) == (1, Signature, MarkedSignature)
    assert plain.bind(["a"]).payload == '{"names":["a"]}'
    assert third.bind(["a"]).payload == '{"@version":3,"names":["a"]}'
    assert job(version=2)(nothing).bind().payload == '{"@version":2}'


@pytest.mark.parametrize(
    "payload",
    [
        '{"@version":3,"names":["ann","lee"]}',
        '{"@version":2,"first":"ann","last":"lee"}',
        '{"@version": 2, "first": "ann", "last": "lee"}',
        '{"name":"ann lee"}',
    ],
)
def test_each_older_payload_becomes_one_of_the_present(payload: str) -> None:
    assert third.signature.load(payload) == ((), {"names": ["ann", "lee"]})


def test_a_parameter_by_position_alone_has_its_place_after_an_upgrade() -> None:
    def handler(x: int, y: int = 2, /, *, z: datetime) -> None: ...

    def at_noon(arguments: Arguments) -> Arguments:
        return {"x": arguments["x"], "z": "2030-01-01T12:00:00Z"}

    found = job(version=2, upgrade={1: at_noon})(handler).signature.load('{"x":1}')
    assert found == ((1, 2), {"z": datetime(2030, 1, 1, 12, tzinfo=UTC)})


def test_the_result_of_the_steps_is_validated_as_any_payload() -> None:
    strange = job(version=2, upgrade={1: lambda arguments: {"name": 5, **arguments}})(hello)
    assert problem_of(strange, "{}") == "names: Field required; name: Extra inputs are not permitted"


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (lambda arguments: arguments["name"], "raised KeyError('name')"),
        (lambda arguments: 1 / 0, "raised ZeroDivisionError('division by zero')"),
        (lambda arguments: arguments.clear(), "returned None, and not a dict of the new arguments"),
        (lambda arguments: [arguments], "returned a value of type 'list', and not a dict"),
        (lambda arguments: {"names": {1}}, "returned what is no JSON: TypeError('Object of type set is not JSON"),
        (lambda arguments: {"names": float("nan")}, "returned what is no JSON: ValueError("),
        (lambda arguments: {"names": ["\ud800"]}, "returned what is no JSON: UnicodeEncodeError("),
        (lambda arguments: {"@version": 2}, "returned an argument '@version', which no handler has"),
    ],
)
def test_a_step_that_fails_is_named(step: Any, problem: str) -> None:
    second = job(version=2, upgrade={1: step})(hello)
    assert f"upgrade[1]: the step from version 1 to version 2 {problem}" in problem_of(second, "{}")


def test_the_step_of_a_chain_that_fails_is_named() -> None:
    assert "upgrade[2]: the step from version 2 to version 3 raised KeyError('first')" in problem_of(
        third, '{"@version":2}'
    )


def test_an_older_payload_that_is_no_json_says_so() -> None:
    assert problem_of(third, '{"names":').startswith("arguments: are no JSON: ")


def test_what_a_step_exits_with_is_no_problem_of_the_payload() -> None:
    def exits(arguments: Arguments) -> Arguments:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        job(version=2, upgrade={1: exits})(hello).signature.load("{}")


def test_a_payload_of_a_newer_version_says_so() -> None:
    newer = '{"@version":4,"names":["a"],"more":1}'
    assert problem_of(third, newer) == "arguments: were enqueued as version 4; this handler takes version 3 at most"
    assert "were enqueued as version 4; this handler takes version 1 at most" in problem_of(job(hello), newer)


def test_a_payload_older_than_the_first_step_says_so() -> None:
    short = job(version=3, upgrade={2: join_in_list})(hello)
    assert problem_of(short, '{"name":"ann lee"}') == (
        "arguments: were enqueued as version 1; this handler takes version 3, and upgrades from version 2 on"
    )
    assert "this handler takes version 3, and has no upgrade=" in problem_of(job(version=3)(hello), "{}")


@pytest.mark.parametrize("payload", ["", "{", "[]", "5", "null", '{"name":NaN}', '{"@version":"2"}', "[" * 100_000])
def test_a_payload_that_is_none_of_this_library_does_not_fit(payload: str) -> None:
    assert problem_of(third, payload)


def test_a_payload_of_the_largest_size_is_taken_with_its_version() -> None:
    def handler(text: str) -> None: ...

    def lengthen(arguments: Arguments) -> Arguments:
        return {"text": arguments["text"] + "y"}

    most = job(version=2, upgrade={1: lengthen}, largest_payload=100)(handler)
    text = "x" * (100 - len('{"text":""}'))
    assert most.signature.load(most.bind(text).payload) == ((), {"text": text})
    assert "have 101 characters, at most 100 bytes are read" in problem_of(most, f'{{"text":"{text}"}}')
    assert "have 102 characters, at most 100 bytes are read" in problem_of(most, f'{{"text":"{text}xx"}}')


def test_a_key_is_made_of_the_arguments_alone() -> None:
    first, second = (job(version=version, unique=Unique(), name="a")(hello) for version in (1, 2))
    keys = {one.how.candidate(one.row(0, (["a"],), {})).row.unique_key for one in (first, second)}
    assert len(keys) == 1


def test_a_cron_handler_may_have_a_version() -> None:
    group = Jobs()
    tick = group.cron("* * * * *", version=2)(nothing_async)
    assert tick.signature.load(tick.bind().payload) == ((), {})


async def nothing_async() -> None: ...
