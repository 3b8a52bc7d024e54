"""The apps whose functions run here: registered, kept in the database, and known again after a restart."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from typing import Any, Final

from aiojobs_lite.durable.driver import Driver
from aiojobs_lite.errors import InvalidOption, ScheduleNotFound
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.urls import host_of
from aiojobs_lite.inngest.cancellers import Cancellers
from aiojobs_lite.inngest.flow import FlowSettings, job_type_of, payload_of
from aiojobs_lite.inngest.functions import FunctionConfig, read_function, read_functions
from aiojobs_lite.inngest.given import Given
from aiojobs_lite.inngest.run_events import EVENT
from aiojobs_lite.inngest.settings import InngestSettings
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.runner.runner import JobRunner

_log = get_log("inngest")
_APP: Final = "inngest.app"
_FUNCTION: Final = "inngest.function"
_PAGE: Final = 1_000
_LONGEST_APP_CHARS: Final = 200
TIMER: Final = "inngest/scheduled.timer"
"""The name of the event of a run that the clock starts."""


class Apps:
    """The apps of one runner's database.

    Args:
        runner: Runs the functions.
        settings: Which apps may register.
        flow: What their functions have alike.
        driver_of: Makes the driver of a function.
        now: Gives the present instant, in microseconds.
        cancellers: Cancel runs by events.
        functions: The functions that this runner knows, by id; none at first.

    Attributes:
        functions: As given.
    """

    def __init__(
        self,
        runner: JobRunner,
        settings: InngestSettings,
        flow: FlowSettings,
        driver_of: Callable[[FunctionConfig], Driver],
        now: Callable[[], int],
        cancellers: Cancellers,
        functions: dict[str, FunctionConfig],
    ) -> None:
        self._runner = runner
        self._settings = settings
        self._flow = flow
        self._driver_of = driver_of
        self._now = now
        self._cancellers = cancellers
        self._types: dict[str, JobType[..., Any]] = {}  # of the functions, by id
        self._versions: dict[str, int] = {}  # of the documents of the apps, as far as they were read
        self._of_app: dict[str, tuple[str, ...]] = {}
        self._lock = asyncio.Lock()
        self.functions = functions

    async def register(self, body: object) -> bool:
        """Takes a registration: the whole set of functions of an app. Those that it has no more are left.

        Returns:
            Whether anything is new in it.

        Raises:
            InvalidOption: If something of it cannot be, or cannot be honoured; nothing of it counts then.
        """
        given = Given(body, "registration")
        app = given.get("appName")
        if not isinstance(app, str) or not app or len(app) > _LONGEST_APP_CHARS or not app.isprintable():
            raise InvalidOption("appName", app, f"the name of the app, 1 to {_LONGEST_APP_CHARS} printable characters")
        configs = read_functions(given.get("functions") or [])
        async with self._lock:
            await self._check(app, configs)
            types = {config.id: self._made(config) for config in configs}
            document = {"url": given.get("url"), "sdk": given.get("sdk"), "functions": _digest(configs)}
            before = await self._runner.documents.get(_APP, app)
            if before is not None and before.body == document and self._versions.get(app) == before.version:
                return False
            for config in configs:
                await self._runner.documents.put(_FUNCTION, config.id, {"app": app, "config": dict(config.given)})
            stored = await self._runner.documents.put(_APP, app, document)
            for name in set() if before is None else set(before.body["functions"]).difference(types):
                await self._runner.documents.delete(_FUNCTION, name)  # another app may have the id from now on
            await self._join(app, configs, types)
            if stored is not None:
                self._versions[app] = stored.version
            _log.info("app %s is registered: %s", app, ", ".join(types) or "no functions")
            return before is None or before.body["functions"] != document["functions"]

    def invoked(self, function_id: str, memo: str) -> Candidate | None:
        """The job of a function that another one invokes; None: there is no such function."""
        config, job_type = self.functions.get(function_id), self._types.get(function_id)
        if config is None or job_type is None:
            return None
        return job_type.how.candidate(job_type.how.row(job_type, payload_of(config, memo), self._now()))

    async def load(self) -> None:
        """Takes over what other processes have registered, and what was registered before the start."""
        after = None
        while True:
            page = await self._runner.documents.list(_APP, after=after, limit=_PAGE)
            for document in page:
                if self._versions.get(document.name) != document.version:
                    async with self._lock:
                        await self._load(document.name, document.body, document.version)
            if len(page) < _PAGE:
                return
            after = page[-1].name

    async def _load(self, app: str, body: Mapping[str, Any], version: int) -> None:
        configs = []
        try:
            for name in body["functions"]:
                found = await self._runner.documents.get(_FUNCTION, name)
                if found is not None and found.body["app"] == app:
                    configs.append(read_function(found.body["config"], name))
            await self._join(app, configs, {config.id: self._made(config) for config in configs})
        except InvalidOption:
            _log.exception("app %s was registered by another version, and cannot be taken over here", app)
        self._versions[app] = version

    async def _check(self, app: str, configs: Iterable[FunctionConfig]) -> None:
        """Checks that functions are the app's own, and may be called.

        Raises:
            InvalidOption: If not.
        """
        for config in configs:
            found = await self._runner.documents.get(_FUNCTION, config.id)
            if found is not None and found.body["app"] != app:
                raise InvalidOption("id", config.id, f"an id that no other app has: {found.body['app']!r} has it")
            if self._settings.is_dev and not self._is_near(config.url):
                wanted = "a URL of this machine, or one of apps=[...]: in the mode 'dev' no other is called"
                raise InvalidOption(f"{config.id}.url", config.url, wanted)

    def _is_near(self, url: str) -> bool:
        host = host_of(url)
        if host == "localhost" or host in {host_of(app) for app in self._settings.apps}:
            return True
        try:
            return ip_address(host.strip("[]")).is_loopback
        except ValueError:
            return False

    def _made(self, config: FunctionConfig) -> JobType[..., Any]:
        return job_type_of(config, self._driver_of(config), self._flow)

    async def _join(
        self, app: str, configs: Iterable[FunctionConfig], types: Mapping[str, JobType[..., Any]]
    ) -> None:  # fmt: skip
        """Has the functions of an app be the job types of the runner, in place of those that it had."""
        types_of_runner = self._runner.types
        for name in self._of_app.get(app, ()):
            if name not in types:
                await self._leave(name)
        for config in configs:
            job_type = types[config.id]
            if config.id in self.functions:
                await types_of_runner.replace(job_type)
            else:
                await types_of_runner.add(job_type)
            await self._cancellers.put(config)
            await self._schedule(config, job_type, self.functions.get(config.id))
            self.functions[config.id], self._types[config.id] = config, job_type
        self._of_app[app] = tuple(types)

    async def _leave(self, name: str) -> None:
        """A function is no more: nothing starts it; its runs are left."""
        config = self.functions.pop(name)
        del self._types[name]
        await self._runner.types.remove(name)
        await self._cancellers.remove(name)
        await self._unschedule(name, range(len(config.crons)))

    async def _schedule(
        self, config: FunctionConfig, job_type: JobType[..., Any], before: FunctionConfig | None
    ) -> None:  # fmt: skip
        for place, cron in enumerate(config.crons):
            event = {"id": "", "name": TIMER, "data": {"cron": cron.expression}, "sent_at": 0}
            name = _schedule_name(config.id, place)
            job = job_type.using(delay=_phase(name) * cron.jitter) if cron.jitter else job_type
            await self._runner.schedules.put(name, cron.fields, job.bind(**{EVENT: event}), tz=cron.tz)
        if before is not None:
            await self._unschedule(config.id, range(len(config.crons), len(before.crons)))

    async def _unschedule(self, name: str, places: Iterable[int]) -> None:
        for place in places:
            try:
                await self._runner.schedules.delete(_schedule_name(name, place))
            except ScheduleNotFound:  # another process was first
                continue


def _schedule_name(function: str, place: int) -> str:
    return f"{function} {place + 1}"


def _phase(name: str) -> float:
    """By which part of the jitter the runs of a schedule are later, from 0 to 1: always by the same, so that the runs
    of many functions are spread, and those of one keep their distance.
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32


def _digest(configs: Iterable[FunctionConfig]) -> dict[str, str]:
    """The functions of an app by id, with what tells one registration of them from another."""
    return {
        config.id: hashlib.sha256(json.dumps(config.given, sort_keys=True).encode()).hexdigest()[:16]
        for config in configs
    }
