"""The command line in this process, and a file with a service in trouble to look at."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from aiojobs_lite import JobRunner
from aiojobs_lite.cli.main import main
from aiojobs_lite.events import Event
from aiojobs_lite.limits import Limit
from tests.helpers.waiting import until


class Ran(NamedTuple):
    """What a command has written, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it has written as JSON."""
        assert self.err == ""
        return json.loads(self.out)


def command(*arguments: str | Path | int) -> Ran:
    """Runs a command; not inside an event loop."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(one) for one in arguments])
    return Ran(code, out.getvalue(), err.getvalue())


def make_service(path: Path) -> None:
    """A file with jobs of an application that has ended: 1 completed, 2 and 3 dead, 4 due in an hour, 5 cancelled."""
    asyncio.run(_fill(path))


async def _fill(path: Path) -> None:
    runner = JobRunner(path)

    @runner.job(max_attempts=1)
    async def pay(user_id: int) -> str:
        if user_id:
            raise ConnectionError(f"the bank is closed for {user_id}")
        return "paid"

    @runner.job(limits=[Limit(2, key="org", name="orgs")])
    async def mail(org: str) -> None: ...

    @runner.cron("0 9 * * mon-fri", tz="Europe/London")
    async def digest() -> None: ...

    @runner.on("user/signed.up")
    async def welcome(event: Event[Any]) -> None: ...

    async with runner:
        for number in range(3):
            await runner.enqueue(pay, user_id=number)
        await runner.enqueue(mail.using(delay="1h", label="eu", metadata={"tenant": 7}), org="acme")
        await (await runner.enqueue(mail.using(delay="1h"), org="umbrella")).cancel("not wanted")
        await runner.send("user/signed.up", {"user_id": 1}, id="signup-1")
        await runner.run_until_idle()


def beside_a_runner(database: Path, *arguments: str) -> Ran:
    """What a command says while an application works on the file."""

    async def run() -> Ran:
        runner = JobRunner(database)
        for name in ("pay", "mail", "digest", "welcome"):
            runner.job(name=name)(_nothing)
        async with runner:
            await runner.run_until_idle()
            return await asyncio.to_thread(command, *arguments)

    return asyncio.run(run())


@asynccontextmanager
async def two_behind_a_limit(database: Path) -> AsyncIterator[tuple[JobRunner, asyncio.Event]]:
    """An application works on the file: of three jobs `report` with the key `acme` one runs until the event is set, and
    two wait behind the limit `orgs`.
    """
    runner, release = JobRunner(database), asyncio.Event()
    for name in ("pay", "mail", "digest", "welcome"):
        runner.job(name=name)(_nothing)

    @runner.job(limits=[Limit(1, key="org", name="orgs")])
    async def report(org: str) -> None:
        await release.wait()

    async with runner:
        await runner.enqueue_many([report.bind(org="acme") for _ in range(3)])
        await until(lambda: (runner.stats().running, runner.stats().pending) == (1, 3))  # one is due in an hour
        yield runner, release


async def _nothing() -> None: ...
