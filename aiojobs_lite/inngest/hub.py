"""What lives as long as the runner: the session for calls, and what asks the apps to register themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeVar

from aiojobs_lite.durable.durable import Durable
from aiojobs_lite.errors import AiojobsError, RunnerNotStarted, StoreUnavailable
from aiojobs_lite.http.session import HttpAnswer, HttpRequest, HttpSession, NoAnswer, open_session
from aiojobs_lite.inngest.apps import Apps
from aiojobs_lite.inngest.settings import InngestSettings
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.queries import Query
from aiojobs_lite.runner.runner import JobRunner

A = TypeVar("A")
_log = get_log("inngest")
_START_LOOK_S: Final = 0.02
_REGISTER_TIMEOUT_S: Final = 10.0
_SUCCESS: Final = range(200, 300)


class Hub:
    """The connection of one runner to its apps.

    Args:
        runner: Runs the functions.
        settings: What the application is set to.

    Attributes:
        runner: As given.
        settings: As given.
        apps: What is registered; it is set when the application is made.
    """

    apps: Apps

    def __init__(self, runner: JobRunner, settings: InngestSettings) -> None:
        self.runner = runner
        self.settings = settings
        self._session: HttpSession | None = None
        self._away: set[str] = set()

    @property
    def session(self) -> HttpSession:
        """The session for calls.

        Raises:
            RuntimeError: If the runner does not run: nothing is called then.
        """
        if self._session is None:
            raise RuntimeError("the runner of the Inngest application is not started")
        return self._session

    @property
    def durable(self) -> Durable:
        """What keeps the operations of runs.

        Raises:
            RunnerNotStarted: If the runner was never started.
        """
        found = self.runner.durables.durable
        if found is None:
            raise RunnerNotStarted
        return found

    def now(self) -> int:
        """The present instant, in microseconds."""
        return self.durable.clock.now()

    async def ask(self, sent: HttpRequest) -> HttpAnswer:
        """Sends a request of a driver; see `HttpSession`."""
        return await self.session.ask(sent)

    async def ask_store(self, query: Query[A]) -> A:
        """Asks the store of the runner."""
        return await self.durable.store.ask(query)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Hub]:
        """Opens the session, and looks after the apps, while the runner runs."""
        private = self.settings.allow_private
        async with open_session(allow_private=private, resolver=None, ssl_context=None) as session:
            self._session = session
            task = asyncio.create_task(self._look_after(), name="aiojobs_lite inngest apps")
            try:
                yield self
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
                self._session = None

    async def _look_after(self) -> None:
        """Loads what is registered, and asks each app to register itself, from time to time."""
        is_loaded = False
        while True:
            try:
                await self.apps.load()
            except AiojobsError as error:
                if not is_loaded and isinstance(error, RunnerNotStarted | StoreUnavailable):
                    await asyncio.sleep(_START_LOOK_S)  # resources are entered before the engine starts
                    continue
                _log.warning("the registered apps could not be read: %s", error)
            is_loaded = True
            async with asyncio.TaskGroup() as group:
                for url in self.settings.apps:
                    group.create_task(self._ask(url))
            await asyncio.sleep(self.settings.look_every)

    async def _ask(self, url: str) -> None:
        """Asks an app to register itself. One that is away is logged once, and asked again."""
        headers = (("x-inngest-server-kind", self.settings.mode), ("User-Agent", "aiojobs_lite"))
        try:
            found = await self.session.send(HttpRequest("PUT", url, headers, b"", _REGISTER_TIMEOUT_S))
        except NoAnswer as error:
            problem = str(error)
        else:
            problem = "" if found.status in _SUCCESS else f"it answered {found.status}: {found.body[:200]}"
        if problem and url not in self._away:
            _log.warning("app %s did not register itself: %s; it is asked again each %g s", url, problem,
                         self.settings.look_every)  # fmt: skip
        if not problem and url in self._away:
            _log.info("app %s is back", url)
        (self._away.add if problem else self._away.discard)(url)
