"""Functions of apps invoke job types of Python by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from aiojobs_lite import Abandon, JobRunner, JobType
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.events import Event
from aiojobs_lite.flow import Batch, Unique
from aiojobs_lite.inngest import inngest_app
from aiojobs_lite.testing import JobKit
from tests.helpers.inngest import operation, sdk
from tests.helpers.inngest_app import shop

Declare = Callable[[JobRunner], JobType[..., Any]]


def plain(runner: JobRunner) -> JobType[..., Any]:
    @runner.job(name="charge")
    async def charge(order: int, note: str = "") -> dict[str, Any]:
        if order < 0:
            raise Abandon("no such order")
        return {"order": order, "note": note}

    return charge


def listener(runner: JobRunner) -> JobType[..., Any]:
    @runner.on("order/placed", name="charge")
    async def charge(event: Event[dict[str, Any]]) -> list[Any]:
        return [event.name, event.data]

    return charge


def gathering(runner: JobRunner) -> JobType[..., Any]:
    @runner.on("order/placed", name="charge", batch=Batch(5, max_wait="5s"))
    async def charge(events: list[Event[dict[str, Any]]]) -> list[Any]:
        return [one.data for one in events]

    return charge


async def memo(kit: JobKit, declare: Declare, data: Any, function: str = "native-charge", offered: bool = True) -> Any:
    """What a function gets that invokes the job type of Python."""
    runner, seen = JobRunner(":memory:"), list[Any]()
    native = declare(runner)

    def script(body: Mapping[str, Any]) -> bytes:
        if not body["steps"]:
            opts = {"function_id": function, "payload": {"data": data}}
            return sdk(206, [operation("InvokeFunction", "a", opts=opts)])
        seen.extend(body["steps"].values())
        return sdk(200, 1)

    async with shop(kit, script, runner=runner, invocable=[native] if offered else []) as made:
        await made.register(made.function())
        assert (await made.run())["status"] == "Completed"
    return seen[0]


async def test_the_data_are_the_arguments_and_the_result_comes_back(job_kit: JobKit) -> None:
    assert await memo(job_kit, plain, {"order": 7}) == {"data": {"order": 7, "note": ""}}


@pytest.mark.parametrize(
    ("declare", "result"),
    [(listener, ["inngest/function.invoked", {"order": 7}]), (gathering, [{"order": 7}])],
)
async def test_a_listener_gets_the_event(job_kit: JobKit, declare: Declare, result: object) -> None:
    assert await memo(job_kit, declare, {"order": 7}) == {"data": result}


async def test_a_death_is_the_error_of_the_step(job_kit: JobKit) -> None:
    error = (await memo(job_kit, plain, {"order": -1}))["error"]
    assert "no such order" in error["message"]


async def test_data_that_do_not_fit_fail_the_step_for_good(job_kit: JobKit) -> None:
    error = (await memo(job_kit, plain, {"ordr": 7}))["error"]
    assert (error["name"], "ordr" in error["message"]) == ("InvalidPayload", True)


@pytest.mark.parametrize(("function", "offered"), [("native-charge", False), ("charge", True), ("native-x", True)])
async def test_what_is_not_offered_is_not_invoked(job_kit: JobKit, function: str, offered: bool) -> None:
    error = (await memo(job_kit, plain, {"order": 7}, function, offered))["error"]
    assert error["message"] == f"could not find function with ID: {function}"


async def test_options_of_the_job_type_count(job_kit: JobKit) -> None:
    def declare(runner: JobRunner) -> Any:
        return plain(runner).using(label="from an app", unique=Unique("order"))

    runner = JobRunner(":memory:")
    opts = {"function_id": "native-charge", "payload": {"data": {"order": 7}}}
    answers = iter([sdk(206, [operation("InvokeFunction", "a", opts=opts)]), sdk(200, 1)])
    async with shop(job_kit, lambda _: next(answers), runner=runner, invocable=[declare(runner)]) as made:
        await made.register(made.function())
        await made.run()
        assert (await made.job("charge")).label == "from an app"


def test_only_job_types_are_offered() -> None:
    with pytest.raises(InvalidOption, match="a list of job types"):
        inngest_app(JobRunner(":memory:"), mode="dev", invocable=["charge"])  # type: ignore[list-item]
