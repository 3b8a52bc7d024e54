"""What servers do with SIGTERM costs no attempt, leaves no process, and is what the table of the guide says."""

from __future__ import annotations

import math
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from aiojobs_lite import JobRunner, Status
from tests.helpers.apps.served import KINDS
from tests.helpers.machine import MARGIN, slowness
from tests.helpers.rings import share, slow
from tests.helpers.servers import (
    CODES,
    DRAIN,
    EXPECTED,
    TARGETS,
    Trial,
    ended_in,
    outcome_in,
    side_by_side,
    trials_of,
    tried,
    written,
)
from tests.helpers.serving import SERVERS, Server, running

pytestmark = [slow, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]
UVICORN, _, RELOAD, HYPERCORN, GRANIAN, GUNICORN = SERVERS
PROMISED = 1.0  # seconds beyond both timeouts
OWN = 5.0  # seconds that a server may take for itself


def kinds_of(server: Server, target: str) -> list[Trial]:
    trials = trials_of(server, [target])
    return random.sample(trials, share(len(trials), 1))


@pytest.mark.parametrize("target", TARGETS)
async def test_a_server_that_is_asked_to_stop_costs_no_attempt_and_ends_in_time(target: str) -> None:
    trials = [trial for server in SERVERS for trial in kinds_of(server, target)]
    seen = await side_by_side(tried, trials)
    assert {trial: (found.outcome, found.begun, found.code) for trial, found in seen.items()} == {
        trial: (EXPECTED[trial.kind], 1, CODES.get(trial.server.name, 0)) for trial in seen
    }
    most = (PROMISED + OWN) * MARGIN * slowness()
    over = {trial: found.seconds - DRAIN[trial.kind] for trial, found in seen.items()}
    assert {trial: seconds for trial, seconds in over.items() if seconds > most} == {}


def test_the_table_of_the_guide_is_what_is_expected() -> None:
    assert written() == {
        (server.name, target): (list(EXPECTED.values()), str(CODES.get(server.name, 0)))
        for server in SERVERS
        for target in TARGETS
    }


async def test_ctrl_c_lets_a_quick_job_end() -> None:
    """A terminal signals the whole group, and supervisors send their workers SIGTERM on top of it."""
    seen = await side_by_side(tried, [Trial(server, "group", "quick", signal.SIGINT) for server in SERVERS])
    assert {trial: found.outcome for trial, found in seen.items()} == dict.fromkeys(seen, "completed")


async def test_an_open_response_does_not_put_off_the_drain() -> None:
    """It puts off the end of the server; hypercorn's worker, which has no handler, dies of SIGTERM after the drain."""
    seen = await side_by_side(drained_beside_a_response, SERVERS)
    assert seen == {server: ("interrupted", server is not HYPERCORN) for server in SERVERS}


async def drained_beside_a_response(server: Server, folder: Path) -> tuple[str, bool]:
    """What became of the job, and whether the response went on when the job had ended."""
    async with running(server, folder) as served:
        await served.enqueue("long")
        async with served.client.stream("GET", "/endless") as response:
            events = response.aiter_lines()
            await anext(events)
            served.stop("group")
            await served.comes_to(lambda: bool(served.said("end", "long")))
            goes_on = await comes_after(math.inf if server is HYPERCORN else time.monotonic(), events)
        await served.gone()
    return await outcome_in(served.database), goes_on


async def comes_after(instant: float, events: AsyncIterator[str]) -> bool:
    """Whether an event comes that was made after an instant, before the response is cut."""
    with suppress(httpx.RemoteProtocolError):
        async for event in events:
            if event and float(event.removeprefix("data: ")) > instant:
                return True
    return False


LIMITED = {  # a server, its option, and the job: what becomes of that
    (UVICORN, "--timeout-graceful-shutdown 1", "long"): "interrupted",
    (GRANIAN, "--workers-kill-timeout 3", "long"): "interrupted",
    (GUNICORN, "--graceful-timeout 3", "long"): "interrupted",  # it kills: the drain was over by then
    (GUNICORN, "--graceful-timeout 1", "blocks"): "lost",  # and here it was not
}


async def test_a_server_with_a_limit_cuts_an_open_response() -> None:
    assert await side_by_side(cut, LIMITED) == LIMITED


async def cut(limited: tuple[Server, str, str], folder: Path) -> str:
    server, option, kind = limited
    async with running(replace(server, command=f"{server.command} {option}"), folder) as served:
        async with served.client.stream("GET", "/endless") as response:
            events = response.aiter_lines()
            await anext(events)
            await served.enqueue(kind)
            served.stop("process")
            assert not await comes_after(math.inf, events)
        await served.gone()
    outcome = await outcome_in(served.database)
    assert (await ended_in(served.database)).status is Status.COMPLETED
    return outcome


async def test_a_reload_in_mid_job_costs_no_attempt(tmp_path: Path) -> None:
    async with running(RELOAD, tmp_path) as served:
        await served.comes_to(lambda: watches(served.child.pid))
        await served.enqueue("long")
        (tmp_path / "changed.py").touch()
        await served.comes_to(lambda: len(served.said("begin", "long")) == 2)
        served.stop("process")
        assert await served.gone() == 0
    (_, _, first), (_, _, second) = served.said("begin", "long")
    assert first != second
    assert served.said()[:6] == [
        ["up", first], ["begin", "long", first], ["leaves", first], ["end", "long", first], ["up", second],
        ["begin", "long", second],
    ]  # fmt: skip
    async with JobRunner(served.database, jobs=KINDS, max_running=0) as runner:
        found = await runner.jobs.get(1)
    assert (found.status, found.attempts, found.interruptions, found.crashes) == (Status.PENDING, 0, 2, 0)


def watches(pid: int) -> bool:
    """Whether a process watches files by now."""
    return any("inotify" in os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink())
