"""What mypy says of programs that use the library: one run over one file, each line with its expectation."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.rings import slow

ROOT = Path(__file__).parent.parent

# After `# E:` stands the code of the line's error, after `# R:` the type that it reveals; a line without is fine.
PROGRAM = """
from __future__ import annotations

from datetime import datetime
from typing import Any

from aiojobs_lite import Abandon, Backoff, BoundJob, JobContext, JobHandle, JobRunner, JobType, Retry, Snooze, Watch
from aiojobs_lite import injected, job
from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.model.queries import GetJob
from aiojobs_lite.model.writes import CancelJob, Insert, RedriveDead


class Smtp: ...


runner = JobRunner("app.db", max_running=3, deps={Smtp: Smtp()}, drain_timeout="20s")


@runner.job(name="email.welcome", max_attempts=3, backoff=Backoff("1s", "1m"), timeout="30s", priority="high")
async def welcome(ctx: JobContext, user_id: int, email: str = "", *, smtp: Smtp = injected) -> str:
    return email


@runner.job
async def bare(ctx: JobContext, number: int) -> list[int]:
    return [number]


@runner.job
async def no_context(number: int) -> float:
    return number / 2


@runner.job
def plain(ctx: JobContext, number: int) -> int:
    return number


@runner.job(concurrency=2)
def plain_without_context(number: int, text: str) -> bytes:
    return text.encode()


@job
async def elsewhere(ctx: JobContext, number: int) -> str:
    return str(number)


@job(process=True)
def in_process(number: int) -> str:
    return str(number)


@job
def bare_without_context(number: int) -> complex:
    return number * 1j


@job(name="a")
async def configured_without_context(number: int) -> set[int]:
    return {number}


@job(name="b")
def configured_plain(ctx: JobContext, number: int) -> dict[str, int]:
    return {"a": number}


@runner.cron("0 9 * * *", tz="Europe/London", catch_up="latest", overlap="skip", max_attempts=2)
async def daily(ctx: JobContext) -> int:
    return 1


@runner.cron("*/5 * * * *")
def often() -> None: ...


@runner.job(max_atempts=3)  # E: call-overload
def misspelt(number: int) -> None: ...


@runner.job(priority="urgent")  # E: call-overload
def urgent(number: int) -> None: ...


@runner.cron("* * * * *", overlap="never")  # E: arg-type
def never() -> None: ...


async def enqueuing() -> None:
    await runner.enqueue(welcome, user_id=1, email="x")
    await runner.enqueue(welcome, 1, "x")
    await runner.enqueue(welcome, 1)
    await runner.enqueue(welcome, 1, smtp=Smtp())  # accepted by mypy (one ParamSpec for both), refused when it runs
    await runner.enqueue(welcome, user_id=1, emial="x")  # E: call-overload
    await runner.enqueue(welcome, user_id="1")  # E: call-overload
    await runner.enqueue(welcome)  # E: call-overload
    await runner.enqueue(welcome, 1, "x", "y")  # E: call-overload
    await runner.enqueue(plain_without_context, 1)  # E: call-overload
    await runner.enqueue(3, 1)  # E: call-overload
    await runner.enqueue("email.welcome", user_id=1, anything="goes")
    await runner.enqueue(daily)
    await runner.enqueue(daily, 1)  # E: call-overload
    await runner.enqueue(often)
    runner.enqueue_threadsafe(bare, number=1)
    runner.enqueue_threadsafe(bare, number="1")  # E: call-overload
    reveal_type(await runner.enqueue(welcome, user_id=1))  # R: JobHandle[str]
    reveal_type(await runner.enqueue(bare, 1))  # R: JobHandle[list[int]]
    reveal_type(await runner.enqueue(no_context, 1))  # R: JobHandle[float]
    reveal_type(await runner.enqueue(plain, 1))  # R: JobHandle[int]
    reveal_type(await runner.enqueue(plain_without_context, 1, "x"))  # R: JobHandle[bytes]
    reveal_type(await runner.enqueue(elsewhere, 1))  # R: JobHandle[str]
    reveal_type(await runner.enqueue(in_process, 1))  # R: JobHandle[str]
    reveal_type(await runner.enqueue(bare_without_context, 1))  # R: JobHandle[complex]
    reveal_type(await runner.enqueue(configured_without_context, 1))  # R: JobHandle[set[int]]
    reveal_type(await runner.enqueue(configured_plain, 1))  # R: JobHandle[dict[str, int]]
    reveal_type(await runner.enqueue(daily))  # R: JobHandle[int]
    reveal_type(await runner.enqueue(often))  # R: JobHandle[None]
    reveal_type(await runner.enqueue("bare", number=1))  # R: JobHandle[Any]
    reveal_type(runner.enqueue_threadsafe(plain, 1))  # R: JobHandle[int]
    reveal_type(runner.enqueue_threadsafe("plain", 1))  # R: JobHandle[Any]


async def results() -> None:
    handle = await runner.enqueue(welcome, user_id=1)
    reveal_type(await handle.result(timeout="5s"))  # R: str
    reveal_type(await (await runner.enqueue(plain, 1)).result())  # R: int
    reveal_type(await (await runner.enqueue("plain", 1)).result())  # R: Any
    reveal_type(handle.id)  # R: int
    reveal_type(handle.is_new)  # R: bool
    await handle.result(timeout=b"5s")  # E: arg-type
    wider: JobHandle[object] = handle
    narrower: JobHandle[int] = handle  # E: assignment


async def options() -> None:
    later = welcome.using(delay="5m", priority="low", idempotency_key="k")
    await runner.enqueue(later, user_id=1, email="x")
    await runner.enqueue(later.using(at=datetime.now()), 1)
    await runner.enqueue(later, user_id=1, emial="x")  # E: call-overload
    await runner.enqueue(later, "1")  # E: call-overload
    reveal_type(await runner.enqueue(later, 1))  # R: JobHandle[str]
    welcome.using(dealy="5m")  # E: call-arg
    welcome.using(priority="urgent")  # E: arg-type


async def binding() -> None:
    reveal_type(welcome.bind(1, email="x"))  # R: BoundJob[str]
    welcome.bind("1")  # E: arg-type
    welcome.bind()  # E: call-arg
    welcome.bind(1, emial="x")  # E: call-arg
    reveal_type(await runner.enqueue_many([plain.bind(n) for n in range(3)]))  # R: list[JobHandle[int]]
    reveal_type(await runner.enqueue_many([plain.using(delay=1).bind(1)]))  # R: list[JobHandle[int]]
    mixed: list[BoundJob[Any]] = [plain.bind(1), welcome.bind(1)]
    await runner.enqueue_many(mixed)
    await runner.enqueue_many([plain])  # E: arg-type


async def calling(ctx: JobContext) -> None:
    reveal_type(await welcome(ctx, 1, email="x", smtp=Smtp()))  # R: str
    reveal_type(await no_context(1))  # R: float
    reveal_type(plain(ctx, 1))  # R: int
    reveal_type(plain_without_context(1, text="x"))  # R: bytes
    reveal_type(await daily(ctx))  # R: int
    reveal_type(bare_without_context(1))  # R: complex
    reveal_type(await configured_without_context(1))  # R: set[int]
    reveal_type(configured_plain(ctx, 1))  # R: dict[str, int]
    await welcome(1, 1)  # E: arg-type
    await welcome(ctx, "1")  # E: arg-type
    plain(ctx)  # E: call-arg
    reveal_type(ctx.get(Smtp))  # R: Smtp
    ctx.attempt = "2"  # E: assignment


def handing_over() -> None:
    types: list[JobType[..., Any]] = [elsewhere, in_process, plain]
    JobRunner(jobs=types)
    JobRunner(jobs=[elsewhere, in_process])
    JobRunner(jobs=[handing_over])  # E: list-item
    runner.register(elsewhere, in_process)
    runner.register(len)  # E: arg-type
    JobRunner(durability="half")  # E: arg-type
    JobRunner(max_runing=3)  # E: arg-type
    JobType(plain_without_context, max_runing=3)  # E: arg-type
    runner.add_job(welcome)  # E: attr-defined
    welcome.delay(1)  # E: attr-defined


async def reading(engine: Engine) -> None:
    reveal_type(await runner.jobs.get(1))  # R: Job
    reveal_type(await runner.types.paused())  # R: tuple[str, ...]
    await runner.types.pause(welcome)
    await runner.types.pause(3)  # E: arg-type
    reveal_type(runner.stats().by_type["x"].p50)  # R: float | None
    watch: Watch = runner.watch()
    reveal_type(await engine.write(Insert(())))  # R: list[tuple[int, bool, fallback=Inserted]]
    reveal_type(await engine.write(CancelJob(1, None)))  # R: Status | None
    both = await engine.write_all(RedriveDead((1,)), Insert(()))
    reveal_type(both)  # R: tuple[int, list[tuple[int, bool, fallback=Inserted]]]
    reveal_type(await engine.ask(GetJob(1)))  # R: Job | None
    await engine.write(GetJob(1).id)  # E: arg-type


def raising(what: int) -> None:
    if what == 1:
        raise Retry("busy", after="30s")
    if what == 2:
        raise Snooze("10m")
    if what == 3:
        raise Abandon("bad input")
    raise Retry("30s", "x")  # E: call-arg
"""
LINES = PROGRAM.strip().splitlines()


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[str]]:
    """What mypy says of the program, by line."""
    program = tmp_path_factory.mktemp("typing") / "program.py"
    program.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    options = ["--strict", "--no-error-summary", "--hide-error-context", "--no-color-output", "--no-pretty"]
    command = [sys.executable, "-m", "mypy", *options, "--config-file", str(ROOT / "pyproject.toml"), str(program)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    assert done.stderr == ""
    found: dict[int, list[str]] = {}
    for line in done.stdout.splitlines():
        match = re.match(r".*program\.py:(\d+): (error|note): (.*)", line)
        assert match, line
        if match[2] == "error" or match[3].startswith("Revealed"):
            found.setdefault(int(match[1]), []).append(match[3])
    return found


def expected(line: str) -> tuple[str, str] | None:
    match = re.search(r"# ([ER]): (.+)$", line)
    return (match[1], match[2]) if match else None


def short(revealed: str) -> str:
    """A revealed type without modules."""
    match = re.fullmatch(r'Revealed type is "(.*)"', revealed)
    assert match, revealed
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", match[1])


@slow
def test_mypy_finds_each_mistake_and_nothing_else(said: dict[int, list[str]]) -> None:
    wrong = []
    for number, line in enumerate(LINES, 1):
        want, got = expected(line), [text for text in said.get(number, []) if not text.startswith("Revealed")]
        if want is None or want[0] == "R":
            wrong += [f"{line.strip()} -> {text}" for text in got]
        elif not got or not got[0].endswith(f"[{want[1]}]") or any("untyped" not in more for more in got[1:]):
            wrong.append(f"{line.strip()} -> {got}")
    assert wrong == []


@slow
def test_mypy_knows_the_type_of_each_result(said: dict[int, list[str]]) -> None:
    wrong, seen = [], 0
    for number, line in enumerate(LINES, 1):
        want = expected(line)
        if want is not None and want[0] == "R":
            seen += 1
            got = [short(text) for text in said.get(number, []) if text.startswith("Revealed")]
            if got != [want[1]]:
                wrong.append(f"{line.strip()} -> {got}")
    assert wrong == []
    assert seen >= 20
