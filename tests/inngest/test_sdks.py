"""The official SDKs, unchanged, each in a process of its own: what their functions do, and that no step runs twice.

Time is that of the test. Steps and calls are counted by the apps.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aiojobs_lite.testing import JobKit
from tests.helpers.inngest_sdks import SDKS, SdkApp, sdk_app
from tests.helpers.rings import slow

CALLS_OF_STEPS = {"v3": 4, "v4": 1, "python": 4}
"""Of a function with three steps; version 4 stores them while its one call is open."""


@pytest.fixture(params=SDKS)
async def app(request: pytest.FixtureRequest, job_kit: JobKit, inngest_example: Path) -> AsyncIterator[SdkApp]:
    async with sdk_app(job_kit, request.param, inngest_example) as made:
        yield made


@slow
async def test_the_functions_of_the_specification_run_and_each_step_once(app: SdkApp) -> None:
    for user in (1, 2):
        await app.send("user/signed.up", userId=user)
    for report in range(7):
        await app.send("report/requested", reportId=report)
    await app.advance("26h")  # there is an eight o'clock in it, on each day of the year; or there are two
    assert await app.results("welcome") == ["Welcome, Ada!", "Welcome, Grace!"]
    assert await app.results("make-report") == [f"https://files.example/{report}?size=21" for report in range(7)]
    digests = await app.results("daily-digest")
    assert digests in ([3], [3, 3])
    counts = await app.counts()
    assert counts.calls["welcome"] == 2 * CALLS_OF_STEPS[app.name]
    assert counts.digests == {
        effect: len(digests) for effect in ("list-users all", *(f"digest-{n} all" for n in (1, 2, 3)))
    }
    assert len(counts.effects) == 2 * 3 + 7 * 4
    assert set(counts.effects.values()) == {1}


@slow
async def test_a_function_sleeps_waits_and_invokes(app: SdkApp) -> None:
    await app.send("nap/asked", n=1)
    await app.send("parent/asked", n=21)
    for order in (1, 2):
        await app.send("order/placed", order=order)
    await app.advance("23h")
    assert (await app.counts()).effects == {"lie-down 1": 1, "double 21": 1}
    assert await app.results("parent") == [43]
    for order in (3, 2):
        await app.send("order/paid", order=order, sum=9.5)
    await app.advance("1m")
    assert await app.results("payment") == ["pending", 9.5]
    await app.run_to_end()
    assert await app.results("payment") == [None, 9.5]
    assert await app.results("nap") == ["rested"]
    counts = await app.counts()
    assert counts.effects == {"lie-down 1": 1, "double 21": 1, "get-up 1": 1, "close 1": 1, "close 2": 1}


@slow
async def test_a_function_fails_and_another_one_is_cancelled(app: SdkApp) -> None:
    await app.send("failing/asked", n=1)
    for order in (1, 2):
        await app.send("order/packed", order=order)
    await app.advance("1h")
    await app.send("order/cancelled", order=2)
    await app.run_to_end()
    assert await app.results("failing") == ["dead"]
    assert await app.results("parcel") == [None, "cancelled"]
    counts = await app.counts()
    assert counts.effects == {"begin 1": 1, "break 1": 2, "on-failure out of paper": 1, "deliver 1": 1}


@slow
@pytest.mark.parametrize("name", SDKS)
async def test_in_the_cloud_mode_an_app_takes_the_calls_that_are_signed_and_no_other(
    job_kit: JobKit, inngest_example: Path, name: str
) -> None:
    key = f"signkey-prod-{secrets.token_hex(32)}"
    async with sdk_app(job_kit, name, inngest_example, signing_key=key) as app:
        assert await app.call("welcome") == 401
        await app.send("user/signed.up", userId=3)
        await app.advance("1m")
        assert await app.results("welcome") == ["Welcome, Edsger!"]
