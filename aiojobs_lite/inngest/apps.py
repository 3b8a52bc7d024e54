"""The apps whose functions run here: registered, kept in the database, and known again after a restart."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final, TypeVar

from aiojobs_lite.durable.driver import Driver
from aiojobs_lite.errors import AiojobsError, ConfigurationError, InvalidOption, PayloadTooLarge, ScheduleNotFound
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.urls import host_of
from aiojobs_lite.http.addresses import is_public
from aiojobs_lite.http.this_machine import is_loopback
from aiojobs_lite.inngest.cancellers import Cancellers
from aiojobs_lite.inngest.flow import FlowSettings, job_type_of, payload_of
from aiojobs_lite.inngest.functions import FunctionConfig, read_function, read_functions
from aiojobs_lite.inngest.given import Given
from aiojobs_lite.inngest.run_events import EVENT
from aiojobs_lite.inngest.settings import InngestSettings
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.runner.runner import JobRunner
from aiojobs_lite.sizes import LARGEST_DOCUMENT_BYTES
from aiojobs_lite.telemetry.wording import named

T = TypeVar("T")
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
        driver_of: Makes the driver of a function of an app.
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
        driver_of: Callable[[FunctionConfig, str], Driver],
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
        self._registered: dict[str, tuple[str, int]] = {}  # the registration of an app, and the version of its document
        self._versions: dict[str, int] = {}  # of the documents of the apps, as far as they were read
        self._of_app: dict[str, tuple[str, ...]] = {}
        self._lock = asyncio.Lock()
        self.functions = functions

    @property
    def is_empty(self) -> bool:
        """Whether no app is known."""
        return not self._of_app

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
        registered = _hash(body)
        before = await self._runner.documents.get(_APP, app)
        if before is not None and self._registered.get(app) == (registered, before.version):
            return False  # nearly always: each app says it all again and again
        configs, types = list[FunctionConfig](), dict[str, JobType[..., Any]]()
        async for config in _breathing(read_functions(given.get("functions") or [])):
            await self._check(app, config)
            configs.append(config)
            types[config.id] = self._made(config, app)
        document = {"url": given.get("url"), "sdk": given.get("sdk"), "functions": _digest(configs)}
        _check_size("registration", document)
        async with self._lock:
            before = await self._runner.documents.get(_APP, app)
            await self._join(app, configs, types)
            async for config in _breathing(configs):
                await self._runner.documents.put(_FUNCTION, config.id, _document(app, config))
            stored = await self._runner.documents.put(_APP, app, document)
            for name in set() if before is None else set(before.body["functions"]).difference(types):
                await self._runner.documents.delete(_FUNCTION, name)  # another app may have the id from now on
            if stored is not None:
                self._versions[app] = stored.version
                self._registered[app] = registered, stored.version
            _log.info("app %s is registered: %s", app, named("function", list(types)))
            return before is None or before.body["functions"] != document["functions"]

    def invoked(self, function_id: str, memo: str) -> Candidate | None:
        """The job of a function that another one invokes; None: there is no such function.

        Raises:
            PayloadTooLarge: If the event is too large for it.
        """
        config, job_type = self.functions.get(function_id), self._types.get(function_id)
        if config is None or job_type is None:
            return None
        payload, largest = payload_of(config, memo), job_type.signature.largest
        size = len(payload.encode())
        if size > largest:
            raise PayloadTooLarge(function_id, size, largest)
        return job_type.how.candidate(job_type.how.row(job_type, payload, self._now()))

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
            types = {config.id: self._made(config, app) async for config in _breathing(configs)}
            await self._join(app, configs, types)
        except ConfigurationError:
            _log.exception("app %s was registered by another version, and cannot be taken over here", app)
        self._versions[app] = version

    async def _check(self, app: str, config: FunctionConfig) -> None:
        """Checks that a function is the app's own, may be called, and can be kept.

        Raises:
            InvalidOption: If not.
        """
        found = await self._runner.documents.get(_FUNCTION, config.id)
        if found is not None and found.body["app"] != app:
            raise InvalidOption("id", config.id, f"an id that no other app has: {found.body['app']!r} has it")
        if self._settings.is_dev and not self._is_near(config.url):
            wanted = "a URL of this machine, or one of apps=[...]: in the mode 'dev' no other is called"
            raise InvalidOption(f"{config.id}.url", config.url, wanted)
        if not self._settings.allow_private and _is_private(config.url):
            wanted = "a public address: allow_private=True of inngest_app, or --allow-private, allows others"
            raise InvalidOption(f"{config.id}.url", config.url, wanted)
        _check_size(config.id, _document(app, config))

    def _is_near(self, url: str) -> bool:
        host = host_of(url)
        return is_loopback(host) or host in {host_of(app) for app in self._settings.apps}

    def _made(self, config: FunctionConfig, app: str) -> JobType[..., Any]:
        return job_type_of(config, self._driver_of(config, app), self._flow, app)

    async def _join(
        self, app: str, configs: Sequence[FunctionConfig], types: Mapping[str, JobType[..., Any]]
    ) -> None:  # fmt: skip
        """Has the functions of an app be the job types of the runner, in place of those that it had: all, or none.

        Raises:
            ConfigurationError: If one has the name of another job type, or a limit with another value.
        """
        of_runner = self._runner.types
        former = {name: (self.functions[name], self._types[name]) for name in types if name in self.functions}
        gone = [self._types[name] for name in self._of_app.get(app, ()) if name not in types]
        new = [job_type for name, job_type in types.items() if name not in former]
        changed = [job_type for name, job_type in types.items() if name in former]
        await of_runner.remove(*gone)  # at first: their limits may come back with other values
        # A run begins as soon as its type is there, and may invoke any of them.
        self._know({config.id: (config, types[config.id]) for config in configs})
        try:
            await of_runner.add(*new)
            try:
                await of_runner.replace(*changed)
            except AiojobsError:
                await of_runner.remove(*new)
                raise
        except AiojobsError:
            for job_type in new:
                del self.functions[job_type.name], self._types[job_type.name]
            self._know(former)
            await of_runner.add(*gone)
            raise
        for job_type in gone:
            await self._leave(job_type.name)
        for config in configs:
            await self._cancellers.put(config)
            before = former[config.id][0].crons if config.id in former else ()
            await self._schedule(config, types[config.id], len(before))
        self._of_app[app] = tuple(types)

    def _know(self, functions: Mapping[str, tuple[FunctionConfig, JobType[..., Any]]]) -> None:
        for name, (config, job_type) in functions.items():
            self.functions[name], self._types[name] = config, job_type

    async def _leave(self, name: str) -> None:
        """A function is no more: nothing starts it; its runs are left."""
        config = self.functions.pop(name)
        del self._types[name]
        await self._cancellers.remove(name)
        await self._unschedule(name, range(len(config.crons)))

    async def _schedule(self, config: FunctionConfig, job_type: JobType[..., Any], before: int) -> None:
        """Has the clock start runs of a function, and its former schedules, so many, no more."""
        for place, cron in enumerate(config.crons):
            event = {"id": "", "name": TIMER, "data": {"cron": cron.expression}, "sent_at": 0}
            name = _schedule_name(config.id, place)
            job = job_type.using(delay=_phase(name) * cron.jitter) if cron.jitter else job_type
            await self._runner.schedules.put(name, cron.fields, job.bind(**{EVENT: event}), tz=cron.tz)
        await self._unschedule(config.id, range(len(config.crons), before))

    async def _unschedule(self, name: str, places: Iterable[int]) -> None:
        for place in places:
            try:
                await self._runner.schedules.delete(_schedule_name(name, place))
            except ScheduleNotFound:  # another process was first
                continue


def _is_private(url: str) -> bool:
    """Whether the host of a URL is an address that is not public, or says that it is this machine. What another name
    stands for is looked at when it is called.
    """
    host = host_of(url).strip("[]")
    try:
        return not is_public(ip_address(host))
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


async def _breathing(items: Iterable[T]) -> AsyncIterator[T]:
    """Gives items one by one, and the event loop as much time for others as each of them took."""
    begun = time.monotonic()
    for one in items:
        yield one
        await asyncio.sleep(time.monotonic() - begun)
        begun = time.monotonic()


def _check_size(option: str, document: object) -> None:
    """Checks that a document can be stored.

    Raises:
        InvalidOption: If it is too large.
    """
    size = len(json.dumps(document, ensure_ascii=False).encode())
    if size > LARGEST_DOCUMENT_BYTES:
        raise InvalidOption(option, document, f"at most {LARGEST_DOCUMENT_BYTES:,} bytes of JSON, not {size:,}")


def _document(app: str, config: FunctionConfig) -> dict[str, Any]:
    return {"app": app, "config": dict(config.given)}


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _schedule_name(function: str, place: int) -> str:
    return f"{function} {place + 1}"


def _phase(name: str) -> float:
    """By which part of the jitter the runs of a schedule are later, from 0 to 1: always by the same, so that the runs
    of many functions are spread, and those of one keep their distance.
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32


def _digest(configs: Iterable[FunctionConfig]) -> dict[str, str]:
    """The functions of an app by id, with what tells one registration of them from another."""
    return {config.id: _hash(config.given)[:16] for config in configs}
