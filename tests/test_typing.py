"""What type checkers say of programs that use the library: each line with its expectation.

mypy reads all programs in one run, pyright those with all shapes of handlers, and with events and steps.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.rings import slow
from tests.helpers.root import ROOT
from tests.helpers.typed_steps import STEPS

# After `# E:` stands the code of the line's error, after `# R:` the type that it reveals; a line without is fine.
PROGRAM = """
from __future__ import annotations

import email as emails
import sqlite3
from datetime import datetime
from typing import Any

from aiojobs_lite import Abandon, Backoff, BoundJob, JobClient, JobContext, JobHandle, JobRunner, JobType, Retry, Snooze
from aiojobs_lite import Watch
from aiojobs_lite import Jobs, injected, job
from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.model.queries import GetJob
from aiojobs_lite.model.writes import CancelJob, Insert, RedriveDead


class Smtp: ...


runner = JobRunner("app.db", max_running=3, deps={Smtp: Smtp()}, drain_timeout="20s")


@runner.job(name="email.welcome", max_attempts=3, backoff=Backoff("1s", "1m"), timeout="30s", priority="high")
async def welcome(user_id: int, email: str = "", *, smtp: Smtp = injected, ctx: JobContext = injected) -> str:
    return email


@runner.job
async def bare(number: int, *, ctx: JobContext = injected) -> list[int]:
    return [number]


@runner.job
async def no_context(number: int) -> float:
    return number / 2


@runner.job
def plain(number: int, *, ctx: JobContext = injected) -> int:
    return number


@runner.job(concurrency=2)
def plain_without_context(number: int, text: str) -> bytes:
    return text.encode()


@job
async def elsewhere(number: int, *, ctx: JobContext = injected) -> str:
    return str(number)


@job(process=True)
def in_process(number: int) -> str:
    return str(number)


@job
def bare_without_context(number: int) -> complex:
    return number * 1j


group = Jobs()


@group.job(timeout="30s")
async def in_group(number: int, *, runner: JobRunner = injected) -> str:
    return str(number)


@group.cron("0 9 * * *", tz="Europe/London")
def daily_in_group(ctx: JobContext = injected) -> int:
    return ctx.enqueue_threadsafe(plain, 1).id


@job(name="a")
async def configured_without_context(number: int) -> set[int]:
    return {number}


@job(name="b")
def configured_plain(number: int, *, ctx: JobContext = injected) -> dict[str, int]:
    return {"a": number}


@runner.cron("0 9 * * *", tz="Europe/London", catch_up="latest", overlap="skip", max_attempts=2)
async def daily(ctx: JobContext = injected) -> int:
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
    await runner.enqueue(welcome, user_id=1, emial="x")  # E: call-arg
    await runner.enqueue(welcome, user_id="1")  # E: arg-type
    await runner.enqueue(welcome)  # E: call-arg
    await runner.enqueue(no_context, 1, 2)  # E: call-arg
    await runner.enqueue(plain_without_context, 1)  # E: call-arg
    await runner.enqueue(3, 1)  # E: arg-type
    await runner.jobs.list(status="died")  # E: arg-type
    await runner.jobs.list(status="dead", held="event")
    await runner.enqueue("email.welcome", user_id=1)  # E: arg-type
    await runner.enqueue_named("email.welcome", user_id=1, anything="goes")
    await runner.enqueue_named(welcome, user_id=1)  # E: arg-type
    async with runner.batches.open(on_complete=bare, on_success=no_context.bind(1)) as batch:
        await batch.enqueue(welcome, 1, "x")
        await batch.enqueue(welcome, user_id="1")  # E: arg-type
        await batch.enqueue_many([bare.bind(1)])
        first = await batch.enqueue(bare.using(label="x"), 1)
        await runner.enqueue(bare.using(after=[first], after_failed="run"), 1)
        await runner.enqueue(bare.using(after=first), 1)  # E: arg-type
        await runner.enqueue(bare.using(after=[1]), 1)  # E: list-item
        await runner.enqueue(bare.using(after=[first], after_failed="no"), 1)  # E: arg-type
        async with batch.open(on_dead=3):  # E: arg-type
            pass
        async with batch.open(on_complete=bare.using(label="x"), on_success=welcome):  # with defaults behind the id
            pass
        async with batch.open(on_complete=plain_without_context):  # E: arg-type
            pass
        async with batch.open(on_complete=daily):  # E: arg-type
            pass
    runner.on_dead(bare.using(priority="high"))
    runner.on_dead(plain_without_context)  # E: type-var
    await runner.enqueue_in(sqlite3.connect("app.db"), welcome, 1)
    await runner.enqueue_in(3, welcome, 1)  # E: arg-type
    await runner.enqueue(daily)
    await runner.enqueue(daily, 1)  # E: arg-type
    await runner.enqueue(often)
    runner.enqueue_threadsafe(bare, number=1)
    runner.enqueue_threadsafe(bare, number="1")  # E: arg-type
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
    reveal_type(await runner.enqueue_named("bare", number=1))  # R: JobHandle[Any]
    reveal_type(runner.enqueue_threadsafe(plain, 1))  # R: JobHandle[int]
    runner.enqueue_threadsafe("plain", 1)  # E: arg-type


async def from_a_handler(ctx: JobContext) -> None:
    reveal_type(await ctx.enqueue(in_group, number=1))  # R: JobHandle[str]
    reveal_type(await ctx.enqueue(daily_in_group))  # R: JobHandle[int]
    reveal_type(await ctx.enqueue_many([plain.bind(1)]))  # R: list[JobHandle[int]]
    reveal_type(await ctx.enqueue_named("plain", number=1))  # R: JobHandle[Any]
    reveal_type(ctx.enqueue_threadsafe(plain, number=1))  # R: JobHandle[int]
    await ctx.enqueue(in_group, nubmer=1)  # E: call-arg
    ctx.enqueue_threadsafe(plain, number="1")  # E: arg-type


async def results() -> None:
    handle = await runner.enqueue(welcome, user_id=1)
    reveal_type(await handle.result(timeout="5s"))  # R: str
    reveal_type(await (await runner.enqueue(plain, 1)).result())  # R: int
    reveal_type(await (await runner.enqueue_named("plain", number=1)).result())  # R: Any
    reveal_type(handle.id)  # R: int
    reveal_type(handle.is_new)  # R: bool
    await handle.result(timeout=b"5s")  # E: arg-type
    wider: JobHandle[object] = handle
    narrower: JobHandle[int] = handle  # E: assignment


async def options() -> None:
    later = welcome.using(delay="5m", priority="low", idempotency_key="k")
    await runner.enqueue(later, user_id=1, email="x")
    await runner.enqueue(later.using(at=datetime.now()), 1)
    await runner.enqueue(later, user_id=1, emial="x")  # E: call-arg
    await runner.enqueue(later, "1")  # E: arg-type
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
    reveal_type(await welcome(1, email="x", ctx=ctx, smtp=Smtp()))  # R: str
    reveal_type(await no_context(1))  # R: float
    reveal_type(plain(1, ctx=ctx))  # R: int
    reveal_type(plain_without_context(1, text="x"))  # R: bytes
    reveal_type(await daily(ctx))  # R: int
    reveal_type(bare_without_context(1))  # R: complex
    reveal_type(await configured_without_context(1))  # R: set[int]
    reveal_type(configured_plain(1, ctx=ctx))  # R: dict[str, int]
    await welcome(1, 1)  # E: arg-type
    await welcome("1")  # E: arg-type
    plain(ctx=ctx)  # E: call-arg
    reveal_type(ctx.get(Smtp))  # R: Smtp
    ctx.attempt = "2"  # E: assignment


def without_a_loop() -> None:
    with JobClient("app.db", jobs=[elsewhere]) as client:
        reveal_type(client.enqueue(welcome, 1, "a@b.c"))  # R: ClientHandle
        reveal_type(client.enqueue(welcome.using(delay="1s"), 1, "a@b.c").id)  # R: int
        client.enqueue(welcome, 1, emial="x")  # E: call-arg
        client.enqueue(welcome, "x", "x")  # E: arg-type
        client.enqueue_many([welcome.bind(1, "x")])
        client.enqueue_many([welcome])  # E: list-item
        reveal_type(client.get(1))  # R: Job


def handing_over() -> None:
    types: list[JobType[..., Any]] = [elsewhere, in_process, plain]
    JobRunner(jobs=types)
    JobRunner(jobs=[elsewhere, in_process])
    JobRunner(jobs=[group, emails, elsewhere])
    JobRunner(jobs=group)
    JobRunner(jobs=[handing_over])  # E: list-item
    runner.register(elsewhere, in_process, group, emails)
    runner.register(len)  # E: arg-type
    JobRunner(durability="half")  # E: arg-type
    JobRunner(max_runing=3)  # E: arg-type
    JobType(plain_without_context, max_runing=3)  # E: call-arg
    JobType(plain_without_context, timeout=[])  # E: arg-type
    runner.add_job(welcome)  # E: attr-defined
    welcome.delay(1)  # E: attr-defined


async def reading(engine: Engine) -> None:
    reveal_type(await runner.jobs.get(1))  # R: Job
    reveal_type(await runner.types.paused())  # R: dict[str, Pause]
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

# The shapes of handlers, for both checkers. After `# R:` stands what is revealed, after `# E:` what the text of the
# error contains: it names the argument.
SHAPES = """
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypedDict, TypeVar

from aiojobs_lite import JobClient, JobContext, JobRunner, Jobs, injected

T = TypeVar("T")
jobs = Jobs()
runner = JobRunner("app.db", jobs=[jobs])


@dataclass
class Page(Generic[T]):
    items: list[T]


class Order(TypedDict):
    number: int


class Smtp: ...


@jobs.job
async def is_async(number: int, email: str) -> str: raise NotImplementedError
@jobs.job(max_attempts=3)
async def with_context(number: int, email: str, *, ctx: JobContext = injected) -> str: raise NotImplementedError
@jobs.job
def is_plain(number: int, email: str) -> str: raise NotImplementedError
@jobs.job(process=True)
def plain_with_context(number: int, email: str, *, ctx: JobContext = injected) -> str: raise NotImplementedError
@jobs.job
async def takes_any(value: Any, *, ctx: JobContext = injected) -> str: raise NotImplementedError
@jobs.job
async def takes_dict(value: dict[str, Any], *, ctx: JobContext = injected) -> str: raise NotImplementedError
@jobs.job
async def gives_any(number: int, *, ctx: JobContext = injected) -> Any: ...
@jobs.job
async def gives_dict(number: int, *, ctx: JobContext = injected) -> dict[str, Any]: raise NotImplementedError
@jobs.job
def plain_dicts(value: dict[str, Any], *, ctx: JobContext = injected) -> dict[str, Any]: raise NotImplementedError
@jobs.job
async def generic(page: Page[int], *, ctx: JobContext = injected) -> Page[str]: raise NotImplementedError
@jobs.job
async def typed_dict(order: Order, *, ctx: JobContext = injected) -> Order: raise NotImplementedError
@jobs.job
async def keyword_only(*, number: int, email: str, ctx: JobContext = injected) -> None: ...
@jobs.job
async def defaults(number: int = 1, email: str = "", *, ctx: JobContext = injected) -> int: raise NotImplementedError
@jobs.job
async def resources(number: int, *, runner: JobRunner = injected) -> set[int]: raise NotImplementedError
@jobs.cron("0 9 * * *")
async def by_the_clock(ctx: JobContext = injected, smtp: Smtp = injected) -> dict[str, Any]: raise NotImplementedError


def without_a_loop(client: JobClient) -> None:
    reveal_type(client.enqueue(with_context, 1, "x"))  # R: ClientHandle
    reveal_type(client.enqueue(takes_dict, {"x": 1}).is_new)  # R: bool
    client.enqueue(with_context, "x", "x")  # E: "int"


async def right(ctx: JobContext) -> None:
    reveal_type(await runner.enqueue(is_async, 1, email="x"))  # R: JobHandle[str]
    reveal_type(await runner.enqueue(with_context, 1, "x"))  # R: JobHandle[str]
    reveal_type(await runner.enqueue(is_plain, number=1, email="x"))  # R: JobHandle[str]
    reveal_type(await runner.enqueue(plain_with_context, 1, email="x"))  # R: JobHandle[str]
    reveal_type(await runner.enqueue(takes_any, {"a": 1}))  # R: JobHandle[str]
    reveal_type(await runner.enqueue(takes_dict, value={"a": 1}))  # R: JobHandle[str]
    reveal_type(await runner.enqueue(gives_any, 1))  # R: JobHandle[Any]
    reveal_type(await runner.enqueue(gives_dict, number=1))  # R: JobHandle[dict[str, Any]]
    reveal_type(await runner.enqueue(plain_dicts, {"a": 1}))  # R: JobHandle[dict[str, Any]]
    reveal_type(await runner.enqueue(generic, Page([1])))  # R: JobHandle[Page[str]]
    reveal_type((await (await runner.enqueue(typed_dict, {"number": 1})).result())["number"])  # R: int
    reveal_type(await runner.enqueue(keyword_only, number=1, email="x"))  # R: JobHandle[None]
    reveal_type(await runner.enqueue(defaults))  # R: JobHandle[int]
    reveal_type(await runner.enqueue(resources, 1))  # R: JobHandle[set[int]]
    reveal_type(await runner.enqueue(by_the_clock))  # R: JobHandle[dict[str, Any]]
    reveal_type(await runner.enqueue(plain_dicts.using(delay="5m"), value={}))  # R: JobHandle[dict[str, Any]]
    reveal_type(await ctx.enqueue(plain_dicts, value={}))  # R: JobHandle[dict[str, Any]]
    reveal_type(ctx.enqueue_threadsafe(gives_dict, 1))  # R: JobHandle[dict[str, Any]]
    reveal_type(runner.enqueue_threadsafe(gives_dict, 1))  # R: JobHandle[dict[str, Any]]
    reveal_type(gives_dict.bind(number=1))  # R: BoundJob[dict[str, Any]]
    reveal_type(await runner.enqueue_named("is_async", number=1))  # R: JobHandle[Any]
    reveal_type(await gives_dict(1, ctx=ctx))  # R: dict[str, Any]
    reveal_type(plain_dicts({}, ctx=ctx))  # R: dict[str, Any]


async def wrong(ctx: JobContext) -> None:
    await runner.enqueue(is_async, 1, "x", emial="x")  # E: "emial"
    await runner.enqueue(is_async, number=1)  # E: "email"
    await runner.enqueue(is_async, number="1", email="x")  # E: "number"
    await runner.enqueue(with_context, 1, "x", emial="x")  # E: "emial"
    await runner.enqueue(is_plain, number="1", email="x")  # E: "number"
    await runner.enqueue(plain_with_context, 1)  # E: "email"
    await runner.enqueue(takes_any, 1, emial="x")  # E: "emial"
    await runner.enqueue(takes_any)  # E: "value"
    await runner.enqueue(takes_dict, value=1)  # E: "value"
    await runner.enqueue(gives_any, number="1")  # E: "number"
    await runner.enqueue(gives_dict, number="1")  # E: "number"
    await runner.enqueue(plain_dicts, value=1)  # E: "value"
    await runner.enqueue(generic, page=Page(["x"]))  # E: "str"
    await runner.enqueue(typed_dict, order=1)  # E: "order"
    await runner.enqueue(keyword_only, number=1)  # E: "email"
    await runner.enqueue(defaults, number="1")  # E: "number"
    await runner.enqueue(resources, number="1")  # E: "number"
    await runner.enqueue(by_the_clock, number=1)  # E: "number"
    await runner.enqueue(plain_dicts.using(delay="5m"), value=1)  # E: "value"
    await ctx.enqueue(plain_dicts, value=1)  # E: "value"
    ctx.enqueue_threadsafe(is_plain, 1, "x", emial="x")  # E: "emial"
    runner.enqueue_threadsafe(is_plain, 1, "x", emial="x")  # E: "emial"
    is_plain.bind(1, "x", emial="x")  # E: "emial"
    await runner.enqueue("is_async", number=1, email="x")  # E: "Enqueueable[
"""
LINES = PROGRAM.strip().splitlines()
FOR_BOTH = {"shapes": SHAPES.strip().splitlines(), "steps": STEPS.strip().splitlines()}
Found = dict[int, list[str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typing")
    for name, lines in {"program": LINES, **FOR_BOTH}.items():
        (folder / f"{name}.py").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def said_by_mypy(folder: Path) -> dict[str, Found]:
    """What mypy says of the programs, by name and line."""
    options = ["--strict", "--no-error-summary", "--hide-error-context", "--no-color-output", "--no-pretty"]
    config, programs = (
        ["--config-file", str(ROOT / "pyproject.toml")],
        [str(path) for path in sorted(folder.glob("*.py"))],
    )
    command = [sys.executable, "-m", "mypy", *options, *config, *programs]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    assert done.stderr == ""
    found: dict[str, Found] = {"program": {}, **{name: {} for name in FOR_BOTH}}
    for line in done.stdout.splitlines():
        match = re.match(r".*\b(program|shapes|steps)\.py:(\d+): (error|note): (.*)", line)
        assert match, line
        if match[3] == "error" or match[4].startswith("Revealed"):
            found[match[1]].setdefault(int(match[2]), []).append(match[4])
    return found


@pytest.fixture(scope="module")
def said(said_by_mypy: dict[str, Found]) -> Found:
    return said_by_mypy["program"]


@pytest.fixture(scope="module")
def said_by_pyright(folder: Path) -> dict[str, Found]:
    """What pyright says, by name and line. Its package has all of it: nothing is fetched when it runs."""
    (folder / "pyrightconfig.json").write_text(
        json.dumps(
            {"include": [f"{name}.py" for name in FOR_BOTH], "extraPaths": [str(ROOT)], "typeCheckingMode": "strict"}
        ),
        encoding="utf-8",
    )
    options = ["--project", str(folder), "--pythonpath", sys.executable, "--outputjson"]
    command = [sys.executable, "-m", "pyright", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (1, "")  # it has found the mistakes
    found: dict[str, Found] = {name: {} for name in FOR_BOTH}
    for one in json.loads(done.stdout)["generalDiagnostics"]:
        found[Path(one["file"]).stem].setdefault(one["range"]["start"]["line"] + 1, []).append(one["message"])
    return found


def expected(line: str) -> tuple[str, str] | None:
    match = re.search(r"# ([ERP]): (.+)$", line)
    return (match[1], match[2]) if match else None


def short(revealed: str) -> str:
    """A revealed type without modules."""
    match = re.fullmatch(r'(?:Revealed type is|Type of ".*" is) "(.*)"', revealed)
    assert match, revealed
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", match[1])


@slow
def test_mypy_finds_each_mistake_and_nothing_else(said: Found) -> None:
    wrong = []
    for number, line in enumerate(LINES, 1):
        want, got = expected(line), [text for text in said.get(number, []) if not text.startswith("Revealed")]
        if want is None or want[0] == "R":
            wrong += [f"{line.strip()} -> {text}" for text in got]
        elif not got or not got[0].endswith(f"[{want[1]}]") or any("untyped" not in more for more in got[1:]):
            wrong.append(f"{line.strip()} -> {got}")
    assert wrong == []


@slow
def test_mypy_knows_the_type_of_each_result(said: Found) -> None:
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


@slow
@pytest.mark.parametrize("program", FOR_BOTH)
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_both_checkers_know_every_type_and_mistake(checker: str, program: str, request: pytest.FixtureRequest) -> None:
    said: Found = request.getfixturevalue(f"said_by_{checker}")[program]
    wrong, lines = [], FOR_BOTH[program]
    for number, line in enumerate(lines, 1):
        want, got = expected(line), said.get(number, [])
        if want is None:
            is_right = not got
        elif want[0] == "R":
            is_right = [short(text) for text in got] == [want[1]]
        elif want[0] == "P" and checker == "mypy":
            is_right = any("No overload variant" in text for text in got)
        else:
            is_right = any(want[1] in text for text in got)
        if not is_right:
            wrong.append(f"{line.strip()} -> {got}")
    assert wrong == []
    assert sum(expected(line) is not None for line in lines) > 40
