"""The dashboard in Chromium: every page and action, with JavaScript and without, below a path, dark and light, and on a
phone. `AIOJOBS_LITE_SCREENSHOTS=1 python -m pytest -m slow tests/web/test_browser.py -k pictures` makes the pictures of
the guide anew.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Response, expect
from starlette.applications import Starlette
from starlette.routing import Mount

from aiojobs_lite import JobRunner
from aiojobs_lite.runner import walks
from aiojobs_lite.stores.sqlite import lists
from aiojobs_lite.web import bulk, jobs_dashboard
from tests.helpers.asgi_server import served
from tests.helpers.browser import Visit, chromium, needs_chromium, visit
from tests.helpers.rings import slow
from tests.helpers.root import ROOT
from tests.helpers.shop import HOSTILE_NAME, fill, shop
from tests.helpers.waiting import PATIENCE, until

pytestmark = [slow, needs_chromium]

PATH = "/admin/jobs"
PAGES = (
    "", "jobs", "jobs?status=dead", "jobs?type=nothing&from=x", "jobs/1", "jobs/7", "jobs/42", "jobs/49", "jobs/52",
    "jobs/42/edit",
    "types", "schedules", "events", "events/1", "deliveries", "lanes", "jobs/999",
)  # fmt: skip
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 320, "height": 640}
STOP_S = 2.0
"""That a server takes to end, with pages open and no job that runs."""

PICTURES = ROOT / "docs" / "guides" / "dashboard"


@asynccontextmanager
async def opened(role: Any = "admin", *, is_calm: bool = False) -> AsyncIterator[tuple[JobRunner, str, Browser]]:
    """A filled shop, the address of its dashboard, and a browser."""
    runner = shop()
    app = Starlette(routes=[Mount(PATH, jobs_dashboard(runner, auth=lambda _: role, title="Shop"))])
    async with runner:
        await fill(runner, is_calm=is_calm)
        async with served(app) as address, chromium() as browser:
            yield runner, f"{address}{PATH}/", browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
async def test_every_page_is_well_formed_and_usable(scheme: Any, viewport: Any) -> None:
    async with opened() as (_, address, browser):
        async with visit(browser, color_scheme=scheme, viewport=viewport) as visited:
            for path in PAGES:
                await visited.page.goto(address + path)
                await visited.check(viewport["width"], has_scripts=True)
            assert await visited.page.locator("h1").inner_text() == "Not found"
        expected = [one for one in visited.complaints if "404" not in one]
        assert expected == []


async def test_every_page_works_without_scripts_and_every_link_of_it_leads_somewhere() -> None:
    async with opened() as (_, address, browser):
        async with visit(browser, java_script_enabled=False, viewport=WIDE) as visited:
            links: set[str] = set()
            for path in PAGES[:-1]:
                response = await visited.page.goto(address + path)
                assert response is not None
                assert response.status == 200, path
                assert await visited.page.locator("h1").count() == 1
                hrefs = [await one.get_attribute("href") for one in await visited.page.locator("a[href]").all()]
                links |= {str(httpx.URL(address + path).join(str(href))).partition("#")[0] for href in hrefs}
            for link in sorted(links):
                response = await visited.page.goto(link)
                assert response is not None
                assert response.status in {200, 304}, link
        assert visited.complaints == []


async def press(visited: Visit, address: str, path: str, button: str) -> str:
    """Presses a button of a page; returns what the next page says."""
    await visited.page.goto(address + path)
    await visited.page.get_by_role("button", name=button, exact=True).first.click()
    await visited.page.wait_for_load_state()
    return await visited.page.locator("main").inner_text()


@pytest.mark.parametrize("has_scripts", [True, False])
async def test_every_action_on_jobs(has_scripts: bool) -> None:
    async with opened() as (_, address, browser):
        async with visit(browser, java_script_enabled=has_scripts, viewport=WIDE) as visited:
            page = visited.page
            assert "runs again" in await press(visited, address, "", "Resume")
            assert "is paused" in await press(visited, address, "types", "Pause")
            await page.get_by_role("button", name="Undo").click()
            await expect(page.locator(".notice")).to_contain_text("runs again")
            assert "Delete job 42?" in await press(visited, address, "jobs/42", "Delete…")
            await page.get_by_role("button", name="Delete the job").click()
            await expect(page.locator(".notice")).to_contain_text("Job 42 is deleted.")
            await page.goto(f"{address}jobs/48")
            await page.get_by_role("link", name="Edit").click()
            await page.get_by_label("JSON.").fill('{"invoice": 10}')
            await page.get_by_role("button", name="Save").click()
            await expect(page.locator(".notice")).to_contain_text("has other arguments, and is pending again")
            assert "is pending again" in await press(visited, address, "jobs/45", "Retry")
            assert "Cancel job 52?" in await press(visited, address, "jobs/52", "Cancel")
            await page.get_by_role("button", name="Cancel the job").click()
            await expect(page.locator(".notice")).to_contain_text("asked to stop")
            await page.goto(f"{address}jobs?status=dead")
            await page.get_by_label("all that match").check()
            await page.get_by_role("button", name="Retry…").click()
            await expect(page.locator("h1")).to_contain_text("Retry ")
            await page.locator(".actions button").click()
            await expect(page.locator(".notice")).to_contain_text("sent back to pending")
        assert visited.complaints == []


@pytest.mark.parametrize("has_scripts", [True, False])
async def test_a_long_count_is_made_while_the_page_is_shown_or_when_it_is_asked_for(
    has_scripts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "COUNTED_AT_ONCE", 1e-9)
    monkeypatch.setattr(walks, "FIRST_LOOKS", 1)  # a question looks at one job
    monkeypatch.setattr(lists, "FEW", 0)  # and sorts none
    monkeypatch.setattr(walks, "PAGE_S", PATIENCE)  # and the list asks until it has them all
    async with opened() as (_, address, browser):
        async with visit(browser, java_script_enabled=has_scripts, viewport=WIDE) as visited:
            page = visited.page
            await page.goto(f"{address}jobs?error=e")
            await page.get_by_label("all that match").check()
            await page.get_by_role("button", name="Retry…").click()
            if not has_scripts:
                await expect(page.locator("h1")).to_have_text("Retry all that match?")
                await page.get_by_role("button", name="Count them all").click()
            await expect(page.locator("h1")).to_have_text(re.compile(r"Retry \d+ jobs\?"))
            await visited.check(WIDE["width"], has_scripts=has_scripts)
            await page.locator(".actions button").click()
            await expect(page.locator(".notice")).to_contain_text("sent back to pending")
        assert visited.complaints == []


@pytest.mark.parametrize("has_scripts", [True, False])
async def test_every_action_beside_those_on_jobs(has_scripts: bool) -> None:
    async with opened() as (runner, address, browser):
        async with visit(browser, java_script_enabled=has_scripts, viewport=WIDE) as visited:
            page = visited.page
            await page.goto(f"{address}types")
            await page.get_by_label("Most of tenant").fill("4")
            await page.locator("form.inline", has_text="Most of tenant").get_by_role("button").click()
            await expect(page.locator(".notice")).to_contain_text("tenant allows 4")
            assert "goes on" in await press(visited, address, "schedules", "Resume")
            assert "was enqueued" in await press(visited, address, "schedules", "Run now")
            await page.goto(f"{address}events")
            await page.locator("#send-name").fill("user/signed.up")
            await page.locator("#send-data").fill('{"user_id": 8}')
            await page.get_by_role("button", name="Send").click()
            await expect(page.locator(".notice")).to_contain_text("it started 1 job")
            await page.get_by_role("button", name="Start greet again").click()
            await expect(page.locator(".notice")).to_contain_text("was started again")
            await page.locator("#find").fill("7")
            await page.locator("#find").press("Enter")
            await expect(page.locator("h1")).to_contain_text("Job 7")
        assert visited.complaints == []
        assert [one.most for one in await runner.limits.list() if one.name == "tenant"] == [4]


async def test_an_open_page_follows_the_jobs_but_not_under_the_hands_of_a_person() -> None:
    async with opened() as (runner, address, browser):
        async with visit(browser, viewport=WIDE) as visited:
            page = visited.page
            asked: list[int] = []

            def note(response: Response) -> None:
                if "jobs-mark" in response.request.headers:
                    asked.append(response.status)

            page.on("response", note)
            await page.goto(f"{address}jobs?type=email.welcome")
            before = await page.locator("tbody tr").count()
            await runner.enqueue_named("email.welcome", user_id=300, email="new@example.com")
            await expect(page.locator("tbody tr")).to_have_count(before + 1, timeout=15_000)
            await page.locator("tbody input[type=checkbox]").first.check()
            await expect(page.locator("[data-selected]")).to_have_text("1 selected, or")
            await expect(page.locator("#live-state")).to_have_text("Paused", timeout=15_000)
            await page.locator("tbody input[type=checkbox]").first.uncheck()
            await expect(page.locator("#live-state")).to_have_text("Live", timeout=15_000)
            await page.keyboard.press("j")
            assert await page.evaluate("document.activeElement.matches('.id a')")
            await page.keyboard.press("/")
            assert await page.evaluate("document.activeElement.id") == "find"
            await until(lambda: 204 in asked)
        assert visited.complaints == []
        assert set(asked) <= {200, 204}


async def test_text_of_others_is_text() -> None:
    async with opened() as (_, address, browser):
        async with visit(browser, viewport=WIDE) as visited:
            for path in ("", "jobs", "types", "events/1", "jobs/42"):
                await visited.page.goto(address + path)
                assert await visited.page.locator("main b, main i, main img, main script").count() == 0
            await visited.page.goto(f"{address}types")
            await expect(visited.page.get_by_role("link", name=HOSTILE_NAME)).to_be_visible()
        assert visited.complaints == []


async def test_a_reader_sees_no_button_that_changes_anything() -> None:
    async with opened("read") as (_, address, browser):
        async with visit(browser, viewport=WIDE) as visited:
            for path in [path for path in PAGES[:-1] if not path.endswith("/edit")]:
                await visited.page.goto(address + path)
                await visited.check(WIDE["width"], has_scripts=True)
                buttons = await visited.page.locator("button:visible").all_inner_texts()
                assert set(buttons) <= {"Filter", "Copy"}, path
        assert visited.complaints == []


async def test_open_pages_do_not_keep_a_server_from_ending(tmp_path: Path) -> None:
    """Five of them, of the command alone: nothing of it waits for a page."""
    runner = shop(tmp_path / "app.db")
    async with runner:
        await fill(runner)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "aiojobs_lite.cli", "web", str(tmp_path / "app.db"), "--port", str(port)]
    log = (tmp_path / "log").open("wb")
    process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}/"
        await until(lambda: "Uvicorn running" in (tmp_path / "log").read_text(encoding="utf-8"))
        async with chromium() as browser, visit(browser, viewport=WIDE) as visited:
            pages = [await visited.context.new_page() for _ in range(5)]
            for page, path in zip(pages, ("", "jobs", "types", "schedules", "jobs/42"), strict=True):
                await page.goto(address + path)
                await expect(page.locator("#live-state")).to_have_text("Live")
            started = time.monotonic()
            process.terminate()
            await process.wait()
            took = time.monotonic() - started
    finally:
        if process.returncode is None:
            process.kill()
        log.close()
    assert took < STOP_S, (tmp_path / "log").read_text(encoding="utf-8")


async def test_the_pictures_of_the_guide(tmp_path: Path) -> None:
    folder = PICTURES if os.environ.get("AIOJOBS_LITE_SCREENSHOTS") else tmp_path
    folder.mkdir(exist_ok=True)
    shots: list[tuple[str, str, Any, Any]] = [
        ("overview", "", "light", WIDE), ("jobs", "jobs", "dark", WIDE), ("job", "jobs/42", "light", WIDE),
        ("phone", "", "dark", {"width": 360, "height": 720}),
    ]  # fmt: skip
    async with opened(is_calm=True) as (_, address, browser):
        for name, path, scheme, viewport in shots:
            async with visit(browser, color_scheme=scheme, viewport=viewport) as visited:
                await visited.page.goto(address + path)
                await visited.page.screenshot(path=folder / f"{name}.png")
                assert visited.complaints == []
    assert {path.stem for path in folder.glob("*.png")} >= {name for name, *_ in shots}
    assert {path.stem for path in PICTURES.glob("*.png")} == {name for name, *_ in shots}
