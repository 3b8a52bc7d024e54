"""Registrations of functions: every shape that SDKs send, and what is refused with which words."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.inngest.functions import FunctionConfig, read_function, read_functions

URL = "http://127.0.0.1:3000/api/inngest?fnId=shop-pay&stepId=step"


def given(**more: Any) -> dict[str, Any]:
    """A function of the TypeScript SDK."""
    steps = {"step": {"id": "step", "name": "step", "runtime": {"type": "http", "url": URL}}}
    return {"id": "shop-pay", "name": "Pay", "triggers": [{"event": "shop/paid"}], "steps": steps, **more}


def read(**more: Any) -> FunctionConfig:
    return read_function(given(**more))


def test_a_function_has_its_id_its_triggers_and_four_retries() -> None:
    found = read()
    assert (found.id, found.name, found.max_attempts) == ("shop-pay", "Pay", 5)
    assert [trigger.event for trigger in found.events] == ["shop/paid"]
    assert found.url == URL


def test_the_only_step_may_have_another_name() -> None:
    assert read(steps={"only": {"runtime": {"type": "http", "url": URL}}}).url == URL


def test_empty_lists_and_null_are_the_same_as_nothing() -> None:
    empty: dict[str, Any] = {
        "cancel": [],
        "concurrency": [],
        "throttle": None,
        "debounce": None,
        "batchEvents": None,
        "triggers": [],
    }
    found = read(**empty, rateLimit=None, idempotency="", priority=None, singleton=None, timeouts=None)
    assert (found.concurrency, found.cancels, found.events, found.throttle) == ((), (), (), None)


@pytest.mark.parametrize(("retries", "attempts"), [({"attempts": 0}, 1), ({"attempts": 20}, 21), ({}, 5), (None, 5)])
def test_so_many_retries_are_one_attempt_more(retries: Any, attempts: int) -> None:
    step = {"runtime": {"type": "http", "url": URL}, "retries": retries}
    assert read(steps={"step": step}).max_attempts == attempts


@pytest.mark.parametrize(
    ("value", "limits"),
    [
        (3, [(3, None, "fn")]),
        (0, []),
        ({"limit": 2, "key": "event.data.id"}, [(2, "event.data.id", "fn")]),
        ([{"limit": 2}, {"limit": 5, "key": '"all"', "scope": "account"}], [(2, None, "fn"), (5, '"all"', "account")]),
        ([{"Limit": 2, "Scope": "ENV", "Key": "1"}], [(2, "1", "env")]),
    ],
)
def test_every_shape_of_concurrency(value: Any, limits: list[Any]) -> None:
    found = read(concurrency=value).concurrency
    assert [(one.limit, one.key and one.key.text, one.scope) for one in found] == limits


def test_variables_that_the_service_knows_are_taken() -> None:
    (found,) = read(cancel=[{"event": "a", "if": "vars.n == null && event.data.n == async.data.n"}]).cancels
    assert found.event == "a"


def test_names_are_read_in_any_case() -> None:
    found = read(RateLimit={"LIMIT": 1, "period": "1h"}, Singleton={"Mode": "skip", "key": "event.data.id"})
    assert found.rate_limit is not None
    assert (found.rate_limit.limit, found.rate_limit.period) == (1, 3_600.0)
    assert found.singleton is not None
    assert found.singleton.mode == "skip"


def test_idempotency_is_a_rate_limit_of_a_day_and_overrides_one() -> None:
    found = read(idempotency="event.data.id", rateLimit={"limit": 5, "period": "1h"}).rate_limit
    assert found is not None
    assert (found.limit, found.period, found.key and found.key.text) == (1, 86_400.0, "event.data.id")


def test_cron_has_its_zone_in_front() -> None:
    (cron,) = read(triggers=[{"cron": "TZ=Europe/Berlin 0 9 * * 1-5"}]).crons
    assert (cron.fields, cron.tz, cron.expression) == ("0 9 * * 1-5", "Europe/Berlin", "TZ=Europe/Berlin 0 9 * * 1-5")


def test_all_of_flow_control_is_read() -> None:
    found = read(
        throttle={"limit": 5, "period": "1m", "burst": 2},
        debounce={"period": "30s", "key": "event.data.id", "timeout": "10m"},
        priority={"run": "event.data.n"},
        cancel=[{"event": "shop/gone", "if": "event.data.id == async.data.id"}],
        timeouts={"start": "10s", "finish": "1h"},
    )
    assert found.throttle is not None
    assert (found.throttle.limit, found.throttle.period, found.throttle.burst) == (5, 60.0, 2)
    assert found.debounce is not None
    assert (found.debounce.period, found.debounce.timeout) == (30.0, 600.0)
    assert [one.event for one in found.cancels] == ["shop/gone"]
    assert (found.start_within, found.finish_within) == (10.0, 3_600.0)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"id": ""}, "it is missing"),
        ({"id": "x" * 300}, "printable characters"),
        ({"steps": {}}, "missing"),
        ({"steps": {"step": {"runtime": {"url": "ftp://a"}}}}, "a URL that begins with https"),
        ({"steps": {"step": {"runtime": {"url": "http://u:p@a.example/"}}}}, "without a user"),
        ({"steps": {"step": {"runtime": {"url": URL}, "retries": {"attempts": 21}}}}, "from 0 to 20"),
        ({"triggers": [{"event": "a/b"}] * 11}, "at most 10"),
        ({"triggers": [{"event": "a*b"}]}, "the name of an event"),
        ({"triggers": [{"event": "a", "expression": "event.data.("}]}, "an expression"),
        ({"cancel": [{"event": "a", "if": "asyn.data.id == 1"}]}, "of event and async: there is no 'asyn'"),
        ({"triggers": [{"cron": "every day"}]}, "a cron expression"),
        ({"triggers": [{"cron": "* * * * *", "jitter": "10m"}]}, "at most 5m"),
        ({"concurrency": [1, 2, 3]}, "at most 2"),
        ({"concurrency": {"limit": -1}}, "a whole number"),
        ({"concurrency": {"limit": 1, "scope": "env"}}, "the scope 'env' counts by a key"),
        ({"concurrency": {"limit": 1, "scope": "galaxy"}}, "'fn', 'env' or 'account'"),
        ({"rateLimit": {"limit": 1, "period": "25h"}}, "at most 24h"),
        ({"rateLimit": {"limit": 1}}, "missing"),
        ({"debounce": {"period": "1ms"}}, "1s to 7d"),
        ({"batchEvents": {"maxSize": 5, "timeout": "5s"}, "debounce": {"period": "5s"}}, "none together with debounce"),
        ({"singleton": {"mode": "later"}}, "'skip' or 'cancel'"),
        ({"cancel": [{"event": "a"}] * 6}, "at most 5"),
        ({"timeouts": {"finish": "soon"}}, "a duration"),
        ({"timeouts": []} | {"throttle": 5}, "an object"),
    ],
)
def test_what_cannot_be_honoured_is_refused_with_the_reason(more: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidOption, match=words):
        read(**more)


def test_an_id_counts_once() -> None:
    with pytest.raises(InvalidOption, match="each id once"):
        list(read_functions([given(), given()]))


@pytest.mark.parametrize("value", ["no", {"id": 1}, [1], [given()] * 1_001])
def test_functions_are_a_list_of_objects(value: Any) -> None:
    with pytest.raises(InvalidOption):
        list(read_functions(value))
