"""Text of 10 MB at every entrance: refused with a short error where a limit is, else shown cut off, and quickly, by the
pages, the commands and the log.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import Abandon, AiojobsError, JobContext, JobRunner, injected, job
from aiojobs_lite.errors import (
    InvalidEvent,
    InvalidKey,
    InvalidOption,
    InvalidPayload,
    InvalidSchedule,
    PayloadTooLarge,
    UnknownJobType,
)
from aiojobs_lite.flow import Unique
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.limits import Limit
from tests.helpers import cpu
from tests.helpers.command import command
from tests.helpers.dashboard import dashboard, press, tags_of
from tests.helpers.hostile_text import is_one_printed_line
from tests.helpers.rings import drawn, slow

pytestmark = [slow, drawn(2)]

HUGE = 10_000_000
MOST = 64 * 1024 * 1024
KINDS = {
    "markup": "<script>alert(1)</script>", "orders to a terminal": "\x1b[2J", "NUL": "\x00", "right to left": "\u202e",
    "lines": "x\n", "quotes": "'\"\\", "wide": "\U0001f600", "braces": "{{ 7*7 }}",
}  # fmt: skip
PAGE_S, COMMAND_S = 2.0, 3.0  # of processor time: of a page several times what it takes
LONGEST_PAGE, LONGEST_SHOWN, LONGEST_LINE = 500_000, 500_000, 150_000


def huge(kind: str) -> str:
    unit = KINDS[kind]
    return (unit * (HUGE // len(unit) + 1))[:HUGE]


@contextmanager
def quickly(limit: float) -> Iterator[None]:
    started = time.process_time()
    yield
    assert time.process_time() - started < limit * cpu.slowness()


def is_text(page: str) -> bool:
    """Whether a page has nothing of what it shows as markup, and no control character."""
    tags = [tag for tag, given in tags_of(page) if tag == "img" or (tag == "script" and "src" not in given)]
    return not tags and all(map(is_one_printed_line, page.split("\n")))


@job(max_attempts=1, largest_payload=MOST, largest_result=MOST)
async def echoes(text: str) -> str:
    return text


@job(max_attempts=1)
async def raises(kind: str) -> None:
    raise ValueError(huge(kind))


@job(max_attempts=1)
async def reports(kind: str, ctx: JobContext = injected) -> None:
    ctx.log(huge(kind))
    raise Abandon(huge(kind))


@job(max_attempts=1)
async def steps(kind: str, ctx: JobContext = injected) -> None:
    await ctx.step("gives", huge, kind)


@job(limits=[Limit(1, key="text", name="texts")], largest_payload=MOST)
async def limited(text: str) -> None: ...


@job(unique=Unique("text"), largest_payload=MOST)
async def unique(text: str) -> None: ...


@job
async def small(text: str) -> None: ...


JOBS: list[JobType[..., Any]] = [echoes, raises, reports, steps]


async def _fill(runner: JobRunner, kind: str) -> None:
    """Jobs 1 to 4: one of each type, and none may take more than some seconds."""
    with quickly(COMMAND_S):
        await runner.enqueue(echoes, huge(kind))
        for job_type in (raises, reports, steps):
            await runner.enqueue(job_type, kind)
        await runner.run_until_idle()


@pytest.mark.parametrize("kind", KINDS)
async def test_it_is_shown_as_text_cut_off_and_quickly(
    kind: str, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "aiojobs_lite")
    runner = JobRunner(database, jobs=JOBS)
    async with dashboard(runner) as client:
        await _fill(runner, kind)
        assert (await runner.jobs.get(1)).result == huge(kind)
        for path in ("/", "/jobs", "/jobs?status=dead", "/types", *[f"/jobs/{number}" for number in range(1, 5)]):
            with quickly(PAGE_S):
                page = (await client.get(path)).text
            assert is_text(page), path
            assert len(page) < LONGEST_PAGE, path
        assert "more characters" in (await client.get("/jobs/1")).text
        await asyncio.to_thread(_look_by_command, database, kind)
    lines = [record.getMessage() for record in caplog.records]
    assert len([line for line in lines if "dead: " in line]) == 3
    assert all(is_one_printed_line(line) and len(line) < LONGEST_LINE for line in lines if "blocked: " not in line)


def _look_by_command(database: Path, kind: str) -> None:
    for arguments in (["list"], ["dead"], ["dead", "--group"], ["status"], ["check"], ["show", 1], ["show", 2],
                      ["show", 3], ["show", 4], ["explain", 1], ["explain", 2]):  # fmt: skip
        with quickly(COMMAND_S):
            found = command(*arguments, "--db", database)
        assert all(map(is_one_printed_line, found.out.split("\n"))), arguments
        assert 0 < len(found.out) < LONGEST_SHOWN, arguments
    if kind not in {"markup", "NUL"}:  # of the others there is no more to see
        return
    with quickly(COMMAND_S):
        shown = command("show", 1, "--json", "--db", database)
    assert shown.out.isascii()
    assert shown.json["payload"] == {"text": huge(kind)}


Doors = dict[str, tuple[type[AiojobsError], Callable[[JobRunner, str], Awaitable[object]]]]
DOORS: Doors = {
    "payload": (PayloadTooLarge, lambda runner, text: runner.enqueue(small, text)),
    "label": (InvalidOption, lambda runner, text: runner.enqueue(small.using(label=text), "x")),
    "idempotency key": (InvalidOption, lambda runner, text: runner.enqueue(small.using(idempotency_key=text), "x")),
    "metadata": (InvalidOption, lambda runner, text: runner.enqueue(small.using(metadata={"a": text}), "x")),
    "name of an argument": (InvalidPayload, lambda runner, text: runner.enqueue_named("small", **{text: 1})),
    "name of a type": (UnknownJobType, lambda runner, text: runner.enqueue_named(text)),
    "key of a limit": (InvalidPayload, lambda runner, text: runner.enqueue(limited, text)),
    "unique key": (InvalidKey, lambda runner, text: runner.enqueue(unique, text)),
    "name of an event": (InvalidOption, lambda runner, text: runner.send(text, {})),
    "id of an event": (InvalidOption, lambda runner, text: runner.send("a/b", {}, id=text)),
    "data of an event": (InvalidEvent, lambda runner, text: runner.send("a/b", {"a": text})),
    "type to pause": (UnknownJobType, lambda runner, text: runner.types.pause(text)),
    "name of a document": (InvalidOption, lambda runner, text: runner.documents.put("k", text, {})),
    "document": (InvalidOption, lambda runner, text: runner.documents.put("k", "n", {"a": text})),
    "name of a schedule": (
        InvalidOption, lambda runner, text: runner.schedules.put(text, "* * * * *", small.bind("x"))
    ),
    "expression": (InvalidSchedule, lambda runner, text: runner.schedules.put("s", text, small.bind("x"))),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["NUL", "right to left", "lines", "wide"])
async def test_where_a_limit_refuses_it_the_error_is_typed_short_and_quick(kind: str) -> None:
    text = huge(kind)
    async with JobRunner(":memory:", jobs=[small, limited, unique]) as runner:
        for name, (refused, go_through) in DOORS.items():
            with quickly(PAGE_S), pytest.raises(refused) as caught:
                await go_through(runner, text)
            shown = str(caught.value)
            assert len(shown) < 3_000, name
            assert is_one_printed_line(shown), name
        with pytest.raises(InvalidOption, match="name="):
            job(name=text)(small.handler)
        await runner.types.pause(small, by=text)
        assert len((await runner.types.paused())["small"].by or "") <= 200
        assert not await runner.jobs.list(error=text)
        assert (await runner.jobs.list()) == []


@pytest.mark.parametrize("path", ["types/pause", "events/send", "jobs/many", "jobs/1/cancel"])
async def test_a_form_of_it_is_refused(path: str) -> None:
    async with dashboard(JobRunner(":memory:", jobs=[small])) as client:
        answer = await press(client, f"/{path}", name="x" * HUGE, reason="x")
    assert answer.status_code == 413
    assert len(answer.text) < 10_000
