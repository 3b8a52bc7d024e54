"""Debian's Chromium, driven by Playwright, and what is wrong with a page that it shows."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Final

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright

CHROMIUM: Final = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed; .ci/run installs it")

_AXE: Final = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
_LEFT: Final = ("htmx:sendError", "htmx:sendAbort", "htmx:afterRequest", "htmx:abort")  # the next page ends a poll
_RUN_AXE: Final = "() => axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']})"


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


class Visit:
    """A visit by a browser, which notes all that it complains about.

    Attributes:
        context: Its settings.
        page: The page that it shows.
        complaints: What is wrong, each with the URL of its page.
    """

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.context = context
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._note_message)
        page.on("pageerror", lambda error: self._note("error", str(error)))
        page.on("requestfailed", self._note_failure)
        page.on("dialog", lambda dialog: self._note("dialog", dialog.message))

    async def check(self, width: int, *, has_scripts: bool) -> None:
        """Notes what is wrong with the page that is shown: it is too wide, or keeps people from using it."""
        if not has_scripts:
            return  # then nothing can be asked of the page
        wide = await self.page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            self._note("width", f"{wide} of {width}")
        await self.page.evaluate(_AXE)
        found: Any = await self.page.evaluate(_RUN_AXE)
        for violation in found["violations"]:
            nodes = [node["html"][:200] for node in violation["nodes"][:3]]
            self._note("axe", f"{violation['id']}: {violation['help']}: {nodes}")

    def _note_message(self, message: ConsoleMessage) -> None:
        if not message.text.startswith(_LEFT):
            self._note(message.type, message.text)

    def _note_failure(self, request: Request) -> None:
        if "ERR_ABORTED" not in (request.failure or ""):  # by the next page
            self._note("failed", request.url)

    def _note(self, kind: str, text: str) -> None:
        self.complaints.append(f"{self.page.url} {kind}: {text}")


@asynccontextmanager
async def visit(browser: Browser, **settings: Any) -> AsyncIterator[Visit]:
    """A visit with some settings of a browser."""
    context = await browser.new_context(**settings)
    try:
        yield Visit(context, await context.new_page())
    finally:
        await context.close()
