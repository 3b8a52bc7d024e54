"""How hosts start and stop a runner that do not enter it themselves: by hooks, by a lifespan, or by nothing at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Self

from aiojobs_lite.engine.resources import Resources
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.runner.access import EngineAccess
from aiojobs_lite.runner.asgi import AsgiApp, AsgiHost


class Hosted:
    """The half of a runner that hosts start and stop."""

    _access: EngineAccess
    _resources: Resources | None  # that are being made

    async def __aenter__(self) -> Self:
        """Starts it."""
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops it."""
        await self.stop()

    async def start(self) -> Self:
        """The same as entering, for a host with hooks; `stop` is to be called at its end.

        Raises:
            RunnerAlreadyStarted: If the runner is started.
            AiojobsError: See `__aenter__`.
        """
        return await self.__aenter__()

    async def stop(self) -> None:
        """The same as leaving: drains and closes. May be called in another task than `start`.

        - If the runner is not started, or was stopped, it does nothing.
        - If it is being stopped, it waits for the end of that.
        - If it is being started, the start raises `RunnerClosed`.

        Raises:
            WrongEventLoop: If it is called on another event loop than `start`.
            RunnerError: If a handler of the runner awaits it, which it would wait for.
        """
        if self._resources is not None:
            await self._resources.close()
        if not self._access.is_started:
            return
        engine = self._access.engine
        self._access.check_not_awaited_by("runner.stop()")
        try:
            await engine.stop()
        finally:
            if self._access.latest_engine is engine:  # it may have been started anew
                self._access.close()

    def lifespan(self, app: object = None, /) -> AbstractAsyncContextManager[None]:
        """The lifespan of an application that has no other: `FastAPI(lifespan=runner.lifespan)`.

        In a lifespan of your own write `async with runner:` instead.

        Args:
            app: The application, which the framework gives; there is no use for it.

        Raises:
            InvalidOption: If it is called without one, as in `FastAPI(lifespan=runner.lifespan())`.
        """
        if app is None:
            raise InvalidOption("app", app, "the application, which the framework gives: pass runner.lifespan itself")
        return self._life()

    @asynccontextmanager
    async def _life(self) -> AsyncIterator[None]:
        async with self:
            yield

    def asgi(self, app: AsgiApp) -> AsgiApp:
        """An ASGI application that starts this runner around another one, which need not know lifespans: Django.

        - Where the server sends the events of the lifespan, they start and stop the runner. An application that knows
          them gets them too: its own start comes first, and its own end last.
        - Where it does not, the first request starts the runner. SIGTERM and SIGINT drain it, and reach the server
          after that.

        Args:
            app: The application.

        Raises:
            InvalidOption: If it cannot be called.
        """
        if not callable(app):
            raise InvalidOption("app", app, "an ASGI application")
        return AsgiHost(
            app, start=self.start, start_unattended=self._start_unattended, stop=self.stop,
            is_started=lambda: self._access.is_started,
        )  # fmt: skip

    async def _start_unattended(self) -> None:
        """Starts it in a host that does not stop it: a signal reaches that host after the drain."""
        await self.start()
        self._access.engine.put_host_off()
