"""An app of Inngest that a test scripts, over real HTTP, and a runner whose runs call it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from aiojobs_lite import Backoff, Job, JobRunner
from aiojobs_lite.events import Event
from aiojobs_lite.http.session import HttpSession
from aiojobs_lite.inngest.call import CallSettings, Target
from aiojobs_lite.inngest.driver import DriverSettings, HttpDriver
from aiojobs_lite.inngest.keys import AppKeys
from aiojobs_lite.inngest.operations import Helpers
from aiojobs_lite.model.queries import Query
from aiojobs_lite.runner.driven import driven
from aiojobs_lite.testing import JobKit
from aiojobs_lite.testing.probe import Probe
from tests.helpers.endpoints import Answers, Endpoint, Received, endpoint, reply

A = TypeVar("A")
SDK = "inngest-js:v4.24.0"
SIGNING_KEY = "signkey-test-12345678"
FUNCTION = "shop-mail"


def hashed(step: str) -> str:
    """The id that an SDK gives a step."""
    return hashlib.sha1(step.encode()).hexdigest()


def sdk_headers(**headers: str) -> dict[str, str]:
    """The headers of an answer of an SDK, and others."""
    return {"x_inngest_sdk": SDK, "x_inngest_req_version": "2", "Content_Type": "application/json", **headers}


def sdk(status: int, body: object, **headers: str) -> bytes:
    """An answer of an SDK; text is the body as it is."""
    text = body if isinstance(body, str) else json.dumps(body)
    return reply(status, text.encode(), **sdk_headers(**headers))


def operation(op: str, step: str, **more: object) -> dict[str, object]:
    """An operation of an SDK."""
    return {"op": op, "id": hashed(step), "displayName": step, **more}


Script = Callable[[Mapping[str, Any]], bytes]


class App:
    """An app: its script gets the body of each call.

    Attributes:
        calls: The target and the attempt of each call; `?` is the target of one that has none.
        bodies: The bodies, word for word.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self.calls: list[str] = []
        self.bodies: list[str] = []

    async def answer(self, received: Received, writer: asyncio.StreamWriter) -> None:
        """Answers a call."""
        body = received.json()
        step = received.target.partition("stepId=")[2]
        names = {hashed(name): name for name in "abcdef"}
        self.calls.append(f"{'?' if step == 'step' else names.get(step, step)} {body['ctx']['attempt']}")
        self.bodies.append(received.body.decode())
        writer.write(self._script({**body, "target": None if step == "step" else names.get(step, step)}))

    @property
    def answers(self) -> Answers:
        """As `endpoint` takes them."""
        return self.answer


class Rig:
    """A runner with one function of an app.

    Attributes:
        runner: The runner.
        driver: Runs the function.
    """

    def __init__(self, kit: JobKit, session: HttpSession, url: str, **settings: Any) -> None:
        self._kit = kit
        self.runner = JobRunner(":memory:")
        call = CallSettings(**{name: settings.pop(name) for name in ("mode", "keys") if name in settings})
        helpers = settings.pop("helpers", Helpers())
        self._settings = DriverSettings(call, helpers, kit.clock.now, self.ask, **settings)
        self._target, self._session = Target(FUNCTION, url), session
        self.driver = HttpDriver(self._target, session, self._settings)

        @self.runner.on("shop/ordered", name=FUNCTION, max_attempts=3, backoff=Backoff(base="1m"))
        async def run(event: Event[Any]) -> Any:
            return await driven(self.driver)()

        self.function = run

    async def ask(self, query: Query[A]) -> A:
        """Asks the store of the runner."""
        return await Probe(self.runner).engine.ask(query)

    def sign_by(self, keys: AppKeys) -> None:
        """Signs the calls by other keys, and checks no answers."""
        settings = replace(self._settings, call=CallSettings("cloud", keys), verifies=False)
        self.driver = HttpDriver(self._target, self._session, settings)


class Ran:
    """What became of one run.

    Attributes:
        job: Its job.
        app: The app.
        server: The endpoint of the app.
    """

    def __init__(self, job: Job, app: App, server: Endpoint) -> None:
        self.job = job
        self.app = app
        self.server = server

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The memos of each call."""
        return [json.loads(body)["steps"] for body in self.app.bodies]


async def run(kit: JobKit, session: HttpSession, script: Script, **settings: Any) -> Ran:
    """Sends an event to an app, and runs until the run has ended."""
    app = App(script)
    async with endpoint(app.answers) as server:
        rig = Rig(kit, session, f"{server.url}/api/inngest?fnId=x&a=b", **settings)
        async with kit(rig.runner):
            (handle,) = (await rig.runner.send("shop/ordered", {"id": 7}, id="e1")).handles
            await kit.run_to_end()
            return Ran(await handle.job(), app, server)


def next_of(*answers: bytes) -> Script:
    """Answers call by call."""
    left = iter(answers)
    return lambda _: next(left)
