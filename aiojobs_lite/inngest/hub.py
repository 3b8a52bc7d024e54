"""What lives as long as the runner: the session for calls, and what asks the apps to register themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from aiojobs_lite.durable.durable import Durable
from aiojobs_lite.errors import AiojobsError, RunnerClosed, RunnerNotStarted, StoreUnavailable
from aiojobs_lite.errors.store import CLOSED
from aiojobs_lite.http.session import HttpAnswer, HttpRequest, HttpSession, NoAnswer, open_session
from aiojobs_lite.inngest.apps import Apps
from aiojobs_lite.inngest.pace import Pace
from aiojobs_lite.inngest.refused import RefusedRegistrations
from aiojobs_lite.inngest.settings import InngestSettings
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.queries import Query
from aiojobs_lite.runner.runner import JobRunner
from aiojobs_lite.telemetry.wording import named
from aiojobs_lite.text import escape

A = TypeVar("A")
_log = get_log("inngest")
_START_LOOK_S: Final = 0.02
_FIRST_WAIT_S: Final = 0.1  # then twice as long each time
_PATIENCE_S: Final = 3.0
_REGISTER_TIMEOUT_S: Final = 10.0
_SHOWN_CHARS: Final = 200
_TIMES: Final = 9.0
_LONGEST_WORK_S: Final = 1.0  # what takes longer has waited: for a database that was locked, say
_NOTHING_CAME: Final = (
    "it answered {}, and no registration came: its SDK calls /fn/register at the root of INNGEST_DEV or"
    " INNGEST_BASE_URL, whatever path that has"
)
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
        refusals: How fast requests are answered that are refused, or change nothing.
    """

    apps: Apps

    def __init__(self, runner: JobRunner, settings: InngestSettings) -> None:
        self.runner = runner
        self.settings = settings
        self._session: HttpSession | None = None
        self._paces: dict[str, Pace] = {}  # by app
        self._answers = 0  # of apps, so far
        self.refusals = Pace()
        self.refused = RefusedRegistrations()
        self._crowd = asyncio.Lock()

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

    def pace_of(self, app: str) -> Pace:
        """How fast an app is called, and its answers are read."""
        return self._paces.setdefault(app, Pace(self.settings.app_concurrency))

    def now(self) -> int:
        """The present instant, in microseconds."""
        return self.durable.clock.now()

    async def ask(self, sent: HttpRequest) -> HttpAnswer:
        """Sends a request of a driver; see `HttpSession`."""
        try:
            return await self.session.ask(sent)
        finally:
            self._answers += 1

    async def in_no_hurry(self, work: Callable[[], Awaitable[A]]) -> A:
        """Does what is large and in no hurry, one after another, and then lets calls of apps go on: for nine times as
        long as it took, and less if none of them comes to its answer meanwhile, or if it waited for the database.
        """
        async with self._crowd:
            begun = time.monotonic()
            done = await work()  # what is cancelled ends at once
            await self._give_way(min(time.monotonic() - begun, _LONGEST_WORK_S))
            return done

    async def _give_way(self, took: float) -> None:
        until, before = time.monotonic() + _TIMES * took, -1
        while time.monotonic() < until and self._answers != before:
            before = self._answers
            await asyncio.sleep(took)

    async def ask_store(self, query: Query[A]) -> A:
        """Asks the store of the runner."""
        return await self.durable.store.ask(query)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Hub]:
        """Opens the session, and looks after the apps, while the runner runs."""
        private = self.settings.allow_private
        async with open_session(allow_private=private, resolver=None, ssl_context=None) as session:
            self._session = session
            self.runner.types.expect_more()  # also when the runner is started once more
            task = asyncio.create_task(self._look_after(), name="aiojobs_lite inngest apps")
            try:
                yield self
            finally:
                try:
                    await _cancel(task)
                finally:
                    self._session = None

    async def _look_after(self) -> None:
        """Takes over what is registered, from time to time; has each app register itself meanwhile."""
        await self._loaded(is_first=True)
        self.runner.types.expect_more(is_expected=False)
        await self._report_unclaimed()
        async with asyncio.TaskGroup() as group:
            for url in self.settings.apps:
                group.create_task(self._keep_asking(url))
            while True:
                await asyncio.sleep(self.settings.look_every)
                await self._loaded()

    async def _loaded(self, *, is_first: bool = False) -> None:
        while True:
            try:
                await self.apps.load()
            except AiojobsError as error:
                if is_first and isinstance(error, RunnerNotStarted | StoreUnavailable):
                    await asyncio.sleep(_START_LOOK_S)  # resources are entered before the engine starts
                    continue
                if not _is_of_closing(error):
                    _log.warning("the registered apps could not be read: %s", error)
            return

    async def _report_unclaimed(self) -> None:
        """Reports jobs of types that no live runner has, once what is registered is known. If that cannot be read,
        since the runner closes or its database is locked, the apps are looked after all the same.
        """
        waiting = self.runner.stats().unclaimed
        if waiting:
            try:
                listed = await self.runner.runners()
            except AiojobsError as error:
                _log.info("jobs that no app has registered could not be looked for: %s", error)
                return
            runners = [one for one in listed if one.is_alive and one.max_running]
            known = {name for one in runners for name in one.types}
            left = [f"{name} ({count})" for name, count in waiting.items() if name not in known]
            if left:
                _log.warning("unclaimed: jobs wait, and no app has registered them: %s", named("job type", left))

    async def _keep_asking(self, url: str) -> None:
        """Asks an app to register itself, from time to time; one that does not, sooner. That is logged if it lasts: at
        the start of this server, an app asks back before its host listens.
        """
        wait, is_away = _FIRST_WAIT_S, False
        while True:
            problem = await self._ask(url)
            wait = min(2 * wait, self.settings.look_every)
            if problem and not is_away and wait >= min(_PATIENCE_S, self.settings.look_every):
                _log.warning("app %s did not register itself: %s; it is asked again each %g s", url, problem,
                             self.settings.look_every)  # fmt: skip
                is_away = True
            if not problem:
                if is_away:
                    _log.info("app %s is back", url)
                wait, is_away = _FIRST_WAIT_S, False
            await asyncio.sleep(wait if problem else self.settings.look_every)

    async def _ask(self, url: str) -> str:
        """Asks an app to register itself; returns what is wrong, if anything is."""
        headers = (("x-inngest-server-kind", self.settings.mode), ("User-Agent", "aiojobs_lite"))
        refused = self.refused.count
        try:
            found = await self.session.send(HttpRequest("PUT", url, headers, b"", _REGISTER_TIMEOUT_S))
        except NoAnswer as error:
            return str(error)
        if found.status not in _SUCCESS:
            return f"it answered {found.status}: {escape(found.body[:_SHOWN_CHARS])}"
        if not self.apps.is_empty or self.refused.count > refused:  # the latter is logged with its reason
            return ""
        await self._loaded()  # it may have come to another process
        return _NOTHING_CAME.format(found.status) if self.apps.is_empty else ""


def _is_of_closing(error: AiojobsError) -> bool:
    """Whether the runner is being closed: what looks after the apps ends in a moment."""
    return isinstance(error, RunnerClosed) or (isinstance(error, StoreUnavailable) and error.code == CLOSED)


async def _cancel(task: asyncio.Task[None]) -> None:
    """Cancels a task and waits for its end. A cancel of the caller meanwhile reaches both."""
    own = asyncio.current_task()
    cancels = 0 if own is None else own.cancelling()
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        if own is not None and own.cancelling() > cancels:
            raise
