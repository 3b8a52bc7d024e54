"""The page of types and limits."""

from __future__ import annotations

import re

import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.limits import EVERY_KEY, Limit
from aiojobs_lite.testing import FakeClock
from aiojobs_lite.web import types
from tests.helpers.dashboard import dashboard, press, tags_of, text_of


def runner_of_mails(clock: FakeClock | None = None) -> JobRunner:
    runner = JobRunner(":memory:", clock=clock)

    @runner.job(name="mail.send", max_attempts=1, concurrency=3, limits=[Limit(2, name="tenants", key="tenant")])
    async def send(tenant: str) -> None:
        if tenant == "odd":
            raise LookupError("no address")

    return runner


async def test_a_type_has_its_counts_its_figures_and_its_limit() -> None:
    runner = runner_of_mails()
    async with dashboard(runner) as client:
        for tenant in ("acme", "acme", "acme", "odd"):
            await runner.enqueue_named("mail.send", tenant=tenant)
        await runner.run_until_idle()
        text = text_of((await client.get("/types")).text)
        assert "mail.send 0 0 /3 1 — 3.0 25 %" in text
        assert "tenants every key" in text


@pytest.mark.parametrize(("age", "rate"), [("5m", "24.0"), ("4h", "6.0"), ("23h", "1.0"), ("31d", "0.5")])
async def test_the_rate_is_that_of_a_day_or_of_the_time_since_the_first_end_ever(age: str, rate: str) -> None:
    clock = FakeClock()
    runner = runner_of_mails(clock)
    async with dashboard(runner) as client:
        for waits in (age, 0):
            for _ in range(12):
                await runner.enqueue_named("mail.send", tenant="acme")
            await runner.run_until_idle()
            clock.advance(waits)
        text = text_of((await client.get("/types")).text)
    assert f"mail.send 0 0 /3 0 — {rate} 0 %" in text


async def test_a_type_is_paused_and_resumed_and_each_is_undone() -> None:
    runner = runner_of_mails()
    async with dashboard(runner) as client:
        done = await press(client, "/types/pause", name="mail.send")
        assert "mail.send is paused: what runs goes on." in text_of(done.text)
        assert "by the dashboard" in text_of(done.text)
        done = await press(client, "/types/resume", name="mail.send")
        assert await runner.types.paused() == {}
        (token,) = [given["value"] for _, given in tags_of(done.text) if given.get("name") == "token"]
        done = await press(client, "/undo", token=token)
        assert "mail.send is paused again." in text_of(done.text)
        assert [pause.by for pause in (await runner.types.paused()).values()] == ["the dashboard"]
        done = await press(client, "/types/resume", name="mail.send")
        done = await press(client, "/types/pause", name="mail.send")
        (token,) = [given["value"] for _, given in tags_of(done.text) if given.get("name") == "token"]
        assert "mail.send runs again." in text_of((await press(client, "/undo", token=token)).text)
        assert (await press(client, "/types/pause", name="mail.sent")).status_code == 404


async def test_a_limit_is_changed_for_all_keys_or_one_reset_paused_and_resumed() -> None:
    runner = runner_of_mails()

    async def stored() -> list[tuple[object, int | None, bool]]:
        return [(one.key, one.most, one.is_paused) for one in await runner.limits.list()]

    async with dashboard(runner) as client:
        done = await press(client, "/limits/change", limit="tenants", key="", most="5")
        assert "tenants allows 5 from now on, in every process." in text_of(done.text)
        assert "changed by hand" in text_of(done.text)
        await press(client, "/limits/change", limit="tenants", key='"acme"', most="1")
        assert await stored() == [(EVERY_KEY, 5, False), ("acme", 1, False)]
        await press(client, "/limits/reset", limit="tenants", key='"acme"')
        await press(client, "/limits/reset", limit="tenants", key="")
        await press(client, "/limits/pause", limit="tenants", key="")
        assert await stored() == [(EVERY_KEY, 2, True)]
        done = await press(client, "/limits/resume", limit="tenants", key="")
        assert "The jobs of tenants start again." in text_of(done.text)
        assert await stored() == [(EVERY_KEY, 2, False)]


@pytest.mark.parametrize(
    ("fields", "status", "problem"),
    [
        ({"limit": "tenants", "most": "x"}, 400, "a limit is a whole number, such as 5"),
        ({"limit": "tenants", "most": "9" * 10}, 400, "a limit is a whole number, such as 5"),
        ({"limit": "tenants", "most": "5", "key": "{"}, 400, "the form names no key of a limit"),
        ({"limit": "tenants", "most": "5", "key": '{"a": 1}'}, 400, "the key of a limit, as its jobs have it"),
        ({"limit": "others", "most": "5"}, 404, "others"),
    ],
)
async def test_a_limit_that_cannot_be_is_refused(fields: dict[str, str], status: int, problem: str) -> None:
    runner = runner_of_mails()
    async with dashboard(runner) as client:
        found = await press(client, "/limits/change", **fields)
        assert (found.status_code, problem in found.text) == (status, True)
        assert [one.most for one in await runner.limits.list()] == [2]


async def test_a_type_without_a_runner_says_so() -> None:
    runner = runner_of_mails()
    async with dashboard(runner) as client:
        await runner.types.pause("mail.send")
        await runner.enqueue_named("mail.send", tenant="acme")
        await runner.types.remove("mail.send")
        assert "mail.send paused" in text_of((await client.get("/types")).text)
        await runner.types.resume("mail.send")
        assert "mail.send no runner" in text_of((await client.get("/types")).text)


async def test_very_many_types_are_shown_page_by_page_and_limits_that_are_left_out_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(types, "TYPES_A_PAGE", 2)
    monkeypatch.setattr(types, "LIMITS_SHOWN", 1)
    runner = runner_of_mails()
    for name in ("b", "c", "d", "e"):
        runner.job(name=name, limits=[Limit(1, name=f"limit of {name}", key="n")])(nothing)
    async with dashboard(runner) as client:
        shown, path = list[str](), "/types"
        while path:
            page = (await client.get(path)).text
            shown += re.findall(r'id="type-\d+" [^>]*>([^<]+)<', page)
            assert "4 more are changed by the command limit" in text_of(page)
            assert ("First" in text_of(page)) == (path != "/types")
            path = next((str(given["href"]) for _, given in tags_of(page) if given.get("rel") == "next"), "")
        assert shown == ["b", "c", "d", "e", "mail.send"]
        assert "There is none behind that." in text_of((await client.get("/types?after=x")).text)


async def nothing(n: int) -> None: ...
