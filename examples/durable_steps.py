"""Functions that events start, step by step: the process is killed in their midst, and no finished step runs again.

    pip install . && python examples/durable_steps.py

The first half of this file is the application: five functions beside a business table, in one SQLite file. The second
half is its user: it sends events, kills the process, starts another one, and checks every claim that it prints. If one
is not true, the exit code is not 0.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from aiojobs_lite import Backoff, JobContext, JobHandle, JobRunner, Jobs, Status, current_job, injected
from aiojobs_lite.errors import StepFailed
from aiojobs_lite.events import Event
from aiojobs_lite.steps import Step

# The application

DATABASE = Path(os.environ.get("DURABLE_STEPS_DATABASE", "app.db"))
jobs = Jobs()


class SignedUp(BaseModel):
    """The data of `user/signed.up`."""

    user_id: int


@jobs.on("user/signed.up", max_attempts=4)
async def welcome(event: Event[SignedUp], *, ctx: JobContext = injected) -> str:
    """A welcome mail in three steps."""
    user = await ctx.step("get-user", get_user, event.data.user_id)
    text = await ctx.step("write-mail", effect, "write-mail", f"Welcome, {user.name}!")
    await ctx.step(Step("send-mail", max_attempts=6, timeout="30s"), effect, "send-mail", text)
    return text


@jobs.cron("*/2 * * * * *")  # "0 8 * * *" in earnest: each morning at eight
async def daily_digest(ctx: JobContext = injected) -> int:
    """Sends each user a digest: one step a user, side by side."""
    users = await ctx.step("list-users", list_users)
    digests = [ctx.step(f"digest-{user.id}", effect, f"digest-{user.id}", f"news for {user.name}") for user in users]
    return len(await asyncio.gather(*digests))


class ReportRequested(BaseModel):
    """The data of `report/requested`."""

    report_id: int


@jobs.on("report/requested", concurrency=5)
async def make_report(event: Event[ReportRequested], *, ctx: JobContext = injected) -> str:
    """Makes a report, five at a time, and keeps its row of the business table up to date."""
    report_id = event.data.report_id
    await ctx.step("mark-processing", mark, report_id, "processing")
    text = await ctx.step("generate", generate, report_id)
    url = await ctx.step("upload", effect, "upload", f"https://files.example/{report_id}?size={len(text)}")
    await ctx.step("mark-complete", mark, report_id, "complete", url)
    return url


class Claimed(BaseModel):
    """The data of `expense/claimed`."""

    expense_id: int


class Decided(BaseModel):
    """The data of `expense/decided`."""

    expense_id: int
    is_approved: bool


@jobs.on("expense/claimed")
async def pay_expense(event: Event[Claimed], *, ctx: JobContext = injected) -> str:
    """Asks a person, who may take a week. Meanwhile the function holds no task, no slot and no memory."""
    expense_id = event.data.expense_id
    await ctx.step("ask", effect, "ask", f"May expense {expense_id} be paid?")
    decided = await ctx.wait_for_event(
        "decision", "expense/decided", data=Decided, match={"expense_id": expense_id}, timeout="7d"
    )
    if decided is None or not decided.data.is_approved:
        return await ctx.step("refuse", effect, "refuse", f"expense {expense_id} is refused")
    return await ctx.step("pay", effect, "pay", f"expense {expense_id} is paid")


class Booked(BaseModel):
    """The data of `trip/booked`."""

    city: str


@jobs.on("trip/booked")
async def book_trip(event: Event[Booked], *, ctx: JobContext = injected) -> str:
    """A saga: what was done is undone, newest first, when a later step has failed for good."""
    city, undo = event.data.city, list[tuple[str, str]]()
    try:
        await ctx.step("book-flight", effect, "book-flight", f"a flight to {city}")
        undo.append(("cancel-flight", "the flight is cancelled"))
        await ctx.step("book-car", effect, "book-car", f"a car in {city}")
        undo.append(("cancel-car", "the car is cancelled"))
        await ctx.step(Step("book-hotel", max_attempts=2, backoff=Backoff(base="0.1s")), book_hotel, city)
    except StepFailed as failed:
        for step, what in reversed(undo):
            await ctx.step(step, effect, step, what)
        return f"no trip: {failed.message}"
    return f"a trip to {city}"


# What its steps do: each effect on the world is noted, so that the story can count them.

TABLES = """
    CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE reports (id INTEGER PRIMARY KEY, status TEXT NOT NULL DEFAULT 'requested', url TEXT);
    CREATE TABLE effects (job_id INTEGER NOT NULL, step TEXT NOT NULL, what TEXT NOT NULL);
"""


@dataclass
class User:
    """A row of the business table."""

    id: int
    name: str


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    """A transaction of the application itself, on the file of the jobs."""
    with closing(sqlite3.connect(DATABASE, timeout=10)) as connection, connection:
        yield connection


def effect(step: str, what: str) -> str:
    """Stands for what reaches the world: a mail, an upload, a payment."""
    with database() as connection:
        job = current_job()
        assert job is not None
        connection.execute("INSERT INTO effects VALUES (?, ?, ?)", (job.id, step, what))
    return what


def get_user(user_id: int) -> User:
    with database() as connection:
        return User(*connection.execute("SELECT id, name FROM users WHERE id = ?", (user_id,)).fetchone())


def list_users() -> list[User]:
    with database() as connection:
        return [User(*row) for row in connection.execute("SELECT id, name FROM users ORDER BY id")]


def mark(report_id: int, status: str, url: str | None = None) -> None:
    with database() as connection:
        connection.execute("UPDATE reports SET status = ?, url = ? WHERE id = ?", (status, url, report_id))


def generate(report_id: int) -> str:
    time.sleep(0.4)  # the long part
    return effect("generate", f"report {report_id}: all is well")


async def book_hotel(city: str) -> str:
    raise LookupError(f"no hotel in {city}")


async def serve() -> None:
    """Runs the functions until a signal stops the process."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    async with JobRunner(DATABASE, jobs=[jobs]) as runner:
        await runner.run_forever()


def end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing is ever written there: it returns when the parent is gone
    os._exit(1)


# The story

REPORTS = range(1, 13)
LONGEST = 40.0  # seconds for all of it: a guard against hanging


def say(line: str) -> None:
    print(line, flush=True)


def check(claim: str, found: object, expected: object) -> None:
    if found != expected:
        raise RuntimeError(f"not true: {claim}. Found {found!r}, expected {expected!r}.")
    say(f"   checked: {claim}")


@asynccontextmanager
async def serving() -> AsyncIterator[Process]:
    """Runs the application as a process of its own; it does not outlive the block."""
    process = await asyncio.create_subprocess_exec(sys.executable, __file__, "serve", stdin=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until(condition: Callable[[], bool]) -> None:
    """Returns when something is true of the database, which another process changes."""
    while not await asyncio.to_thread(condition):  # noqa: ASYNC110  # another process makes it true
        await asyncio.sleep(0.02)


def effects() -> Counter[tuple[int, str]]:
    """How often each effect has reached the world, by job and step."""
    with database() as connection:
        return Counter(connection.execute("SELECT job_id, step FROM effects").fetchall())


def what_of(step: str) -> list[str]:
    with database() as connection:
        return [what for (what,) in connection.execute("SELECT what FROM effects WHERE step = ?", (step,))]


async def finished_steps(runner: JobRunner) -> set[tuple[int, str]]:
    """All steps whose results are stored."""
    found = await runner.jobs.list(limit=1_000)
    return {(job.id, step.name) for job in found for step in await runner.jobs.steps(job.id) if step.state == "done"}


async def send(runner: JobRunner) -> dict[str, JobHandle[object]]:
    """Sends the events that begin everything; returns the jobs that they start."""
    say("1. Events are sent by a program that runs no function itself; no process runs them yet")
    started: dict[str, JobHandle[object]] = {}
    sent = await runner.send("user/signed.up", SignedUp(user_id=1), id="signup-1")
    (started["welcome"],) = sent.handles
    again = await runner.send("user/signed.up", SignedUp(user_id=1), id="signup-1")
    found = again.is_new, [handle.id for handle in again.handles]
    check("an event that is sent again by its id starts nothing", found, (False, [started["welcome"].id]))
    for number in REPORTS:
        (started[f"report {number}"],) = (await runner.send("report/requested", {"report_id": number})).handles
    (started["expense 7"],) = (await runner.send("expense/claimed", Claimed(expense_id=7))).handles
    (started["trip"],) = (await runner.send("trip/booked", Booked(city="Porto"))).handles
    say(f"   sent: {len(started)} events, and each has started its function")
    return started


async def crash(runner: JobRunner) -> set[tuple[int, str]]:
    """Runs the functions, and kills the process in their midst; returns the steps that were finished."""
    say("\n2. A process runs them, and is killed in their midst")
    async with serving() as process:
        await until(lambda: len(what_of("generate")) >= 5 and bool(what_of("ask")))
        process.kill()
        check("the process is gone, by signal 9", await process.wait(), -signal.SIGKILL)
    finished = await finished_steps(runner)
    say(f"   kill -9, after {len(finished)} steps were finished; {len(what_of('upload'))} of 12 reports are uploaded")
    return finished


async def recovery(runner: JobRunner, started: dict[str, JobHandle[object]]) -> None:
    say("\n3. While no process runs, a person approves the expense")
    await runner.send("expense/decided", Decided(expense_id=7, is_approved=True))
    say("\n4. Another process is started on the same file: each function goes on behind its last finished step")
    async with serving() as process:
        for name, handle in started.items():
            result = await handle.result()
            if not name.startswith("report"):
                say(f"   {name}: {result}")
        process.terminate()
        await process.wait()


async def nothing_twice(
    runner: JobRunner, started: dict[str, JobHandle[object]], finished: set[tuple[int, str]]
) -> None:
    say("\n5. What became of it")
    say("   the operations of the trip, as runner.jobs.steps shows them:")
    for step in await runner.jobs.steps(started["trip"].id):
        say(f"      {step.name:<14}{step.state:<8}{step.error or step.result_json}")
    ran = effects()
    check("no finished step ran again", {key: ran[key] for key in finished if ran[key] > 1}, {})
    with database() as connection:
        ends = Counter(status for (status,) in connection.execute("SELECT status FROM reports"))
    check("all 12 reports are complete", dict(ends), {"complete": len(REPORTS)})
    check("the approved expense is paid, and was asked for", (len(what_of("pay")), len(what_of("refuse"))), (1, 0))
    undone = [what_of(step) for step in ("cancel-car", "cancel-flight")]
    check("the trip without a hotel is undone", undone, [["the car is cancelled"], ["the flight is cancelled"]])
    dead = await runner.jobs.list(status=Status.DEAD)
    check("no function is dead", [job.id for job in dead], [])


async def story() -> None:
    with database() as connection:
        connection.executescript(TABLES)
        connection.executemany("INSERT INTO users VALUES (?, ?)", [(1, "Ada"), (2, "Grace"), (3, "Edsger")])
        connection.executemany("INSERT INTO reports (id) VALUES (?)", [(number,) for number in REPORTS])
    async with asyncio.timeout(LONGEST), JobRunner(DATABASE, jobs=[jobs], max_running=0) as runner:
        started = await send(runner)
        finished = await crash(runner)
        await recovery(runner, started)
        await nothing_twice(runner, started, finished)


def main() -> None:
    global DATABASE  # noqa: PLW0603  # each story has a folder of its own
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="durable-steps-") as folder:
        DATABASE = Path(folder) / "app.db"
        os.environ["DURABLE_STEPS_DATABASE"] = str(DATABASE)
        asyncio.run(story())
    say(f"\nNo finished step ran again. This took {time.monotonic() - began:.1f} s.")


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    else:
        main()
