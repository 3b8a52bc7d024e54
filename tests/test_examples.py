"""The examples: each is run as a user runs it, and tells the story that it promises."""

from __future__ import annotations

import ast
import asyncio
import csv
import json
import os
import re
import shlex
import signal
import sys
import tomllib
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

import aiojobs_lite
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE

EXAMPLES = Path(__file__).parent.parent / "examples"
PROGRAMS = sorted(EXAMPLES.glob("*.py"))
# Those that examples use:
PUBLIC_MODULES = {f"aiojobs_lite.{name}" for name in ("errors", "events", "http", "runner.middleware", "steps")}
SERVED = {"fastapi_app", "progress", "request_ids", "transactions"}  # by uvicorn
SIGTERM, SIGINT, SIGKILL = signal.SIGTERM, signal.SIGINT, signal.SIGKILL


class Program:
    """A running example, whose standard error is among its lines."""

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        self._process, self._stdout = process, process.stdout
        self.pid = process.pid

    async def line(self, pattern: str) -> re.Match[str]:
        """The next line that matches."""
        said = []
        async with asyncio.timeout(PATIENCE):
            async for raw in self._stdout:
                said.append(raw.decode())
                if found := re.match(pattern, said[-1]):
                    return found
        raise AssertionError(f"it ended before {pattern!r}: {''.join(said)}")

    async def ended(self) -> tuple[int, str]:
        """Its exit code, and what it still said. What it started has ended as well: that shares its standard error."""
        async with asyncio.timeout(2 * PATIENCE):
            rest = await self._stdout.read()
            return await self._process.wait(), rest.decode()


@asynccontextmanager
async def running(folder: Path, *command: str | Path) -> AsyncIterator[Program]:
    """Runs Python in a folder, which is also that for temporary files; nothing of it outlives the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *map(str, command), stdout=PIPE, stderr=STDOUT, cwd=folder, start_new_session=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip
    program = Program(process)
    try:
        yield program
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, SIGKILL)
        await program.ended()


async def output_of(folder: Path, *command: str | Path) -> str:
    """What an example prints that ends well and leaves its folder empty."""
    async with running(folder, *command) as program:
        code, said = await program.ended()
    assert code == 0, said
    assert not re.search("^Traceback", said, re.MULTILINE)  # those in the log are indented
    assert list(folder.iterdir()) == []
    return said


def first_missing(said: str, *patterns: str) -> tuple[str, str] | None:
    """The first pattern that is not found after the one before it, and what is said there; None if all are."""
    at = 0
    for pattern in patterns:
        found = re.compile(pattern, re.MULTILINE).search(said, at)
        if found is None:
            return pattern, said[at:]
        at = found.end()
    return None


@pytest.fixture
def zones() -> list[dict[str, str]]:
    with (EXAMPLES / "time_zones.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# What they are made of


def test_the_table_has_a_few_hundred_true_rows(zones: list[dict[str, str]]) -> None:
    assert 300 <= len(zones) <= 500
    assert len({row["zone"] for row in zones}) == len(zones)
    for row in zones:
        assert set(row) == {"zone", "countries", "latitude", "longitude", "comments"}
        assert re.fullmatch(r"[A-Z]\w+(/[\w-]+)+", row["zone"]), row
        assert re.fullmatch(r"[A-Z]{2}(,[A-Z]{2})*", row["countries"]), row
        assert -90 <= float(row["latitude"]) <= 90, row
        assert -180 <= float(row["longitude"]) <= 180, row


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_an_example_uses_public_names_only_and_says_how_to_run_it(path: Path) -> None:
    module = ast.parse(path.read_text(encoding="utf-8"))
    imported = [node for node in ast.walk(module) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {(getattr(node, "module", None), alias.name) for node in imported for alias in node.names}
    ours = {(source, name) for source, name in names if "aiojobs_lite" in (source or name)}
    assert ours
    public = {("aiojobs_lite", name) for name in aiojobs_lite.__all__}
    assert {one for one in ours if one[0] not in PUBLIC_MODULES} <= public
    assert f"examples{'.' if path.stem in SERVED else '/'}{path.stem}" in (ast.get_docstring(module) or "")


def test_what_the_examples_import_is_in_their_extra() -> None:
    project = tomllib.loads((EXAMPLES.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["examples"], "aiojobs_lite"]
    installed = {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower() for line in declared}
    imported: set[str] = set()
    for path in EXAMPLES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    assert {"fastapi", "sqlalchemy"} <= imported
    assert imported - sys.stdlib_module_names - installed == set()


# quickstart.py


@slow
async def test_the_quickstart_tells_a_story_in_which_nothing_is_lost(
    tmp_path: Path, zones: list[dict[str, str]]
) -> None:
    said = await output_of(tmp_path, EXAMPLES / "quickstart.py")
    areas = Counter(row["zone"].partition("/")[0] for row in zones)
    by_latitude = sorted(zones, key=lambda row: float(row["latitude"]))
    missing = first_missing(
        said,
        r"^1\. ",
        r"heartbeat job \d+: the tick of",
        r"heartbeat job \d+: the tick of",
        r"^2\. .*\n.*accepted as job \d+$",
        r"completed: welcome job (\d+) attempt 1 ",
        r"^3\. ",
        r"failed: welcome job \d+ attempt 1 of 3: ConnectionError: 451 come again later; again in 0\.\d s$",
        r"failed: welcome job \d+ attempt 2 of 3: ConnectionError: 451 come again later; again in 0\.\d s; trace",
        r"completed: welcome job \d+ attempt 3 ",
        r"^4\. ",
        r"dead: welcome job \d+ after attempt 3 ",
        r"^5\. ",
        rf"report job \d+ attempt 1: {len(zones)} rows",
        r"kill -9",
        r"checked: the server is gone, by signal 9",
        r"^6\. ",
        r"rescued: ",
        rf"report job \d+ attempt 2: {len(zones)} rows",
        r"completed: report job \d+ attempt 2 ",
        r"checked: the interrupted job ran again as attempt 2",
        rf"zones: {len(zones)}$",
        "areas: " + ", ".join(f"{area} {count}" for area, count in areas.most_common()) + "$",
        f"northernmost: {by_latitude[-1]['zone']}$",
        f"southernmost: {by_latitude[0]['zone']}$",
        r"^7\. Nothing is lost$",
        r"checked: of 104 accepted jobs all succeeded, but for the dead one",
        r"^ +welcome +0 pending +0 processing +102 completed +1 dead$",
        r"^8\. ",
        r"drain finished",
        r"^Nothing was lost\. This took \d+\.\d s\.$",
    )
    assert (missing, "INFO" in said) == (None, False)  # uvicorn is silent


@slow
@pytest.mark.parametrize("number", [SIGTERM, SIGINT, SIGKILL])
async def test_the_quickstart_takes_its_server_with_it(tmp_path: Path, number: signal.Signals) -> None:
    async with running(tmp_path, EXAMPLES / "quickstart.py") as program:
        await program.line(r" +server: +server is up")
        os.kill(program.pid, number)
        code, said = await program.ended()
    assert code not in {0, 1}, said
    assert "Nothing was lost" not in said
    assert number is SIGKILL or list(tmp_path.iterdir()) == []


@slow
async def test_the_quickstart_fails_if_a_claim_is_not_true(tmp_path: Path) -> None:
    text = (EXAMPLES / "quickstart.py").read_text(encoding="utf-8")
    assert "ctx.attempt < 3" in text
    path = tmp_path / "quickstart.py"
    path.write_text(text.replace("ctx.attempt < 3", "ctx.attempt < 2"), encoding="utf-8")
    async with running(tmp_path, path) as program:
        code, said = await program.ended()
    assert code == 1
    assert "not true: it took three attempts. Found 2, expected 3." in said
    assert list(tmp_path.iterdir()) == [path]


# durable_steps.py


@slow
async def test_durable_functions_go_on_behind_their_finished_steps(tmp_path: Path) -> None:
    missing = first_missing(
        await output_of(tmp_path, EXAMPLES / "durable_steps.py"),
        r"^1\. ",
        r"checked: an event that is sent again by its id starts nothing$",
        r"^   sent: 15 events",
        r"^2\. ",
        r"step failed: book-hotel of book_trip job \d+, attempt 1 of 2: LookupError: no hotel .*; again (in|at) ",
        r"checked: the process is gone, by signal 9$",
        r"kill -9, after \d\d steps were finished; \d+ of 12 reports are uploaded$",
        r"^3\. ",
        r"^4\. ",
        r"^   welcome: Welcome, Ada!$",
        r"^   expense 7: expense 7 is paid$",
        r"^   trip: no trip: no hotel in Porto$",
        r"^5\. ",
        r"^      book-hotel    failed  LookupError: no hotel in Porto$",
        r"^      cancel-car    done    \"the car is cancelled\"$",
        r"checked: no finished step ran again$",
        r"checked: all 12 reports are complete$",
        r"checked: the approved expense is paid, and was asked for$",
        r"checked: the trip without a hotel is undone$",
        r"checked: no function is dead$",
        r"^No finished step ran again\. This took \d+\.\d s\.$",
    )
    assert missing is None


@slow
async def test_the_story_of_durable_functions_fails_if_a_finished_step_runs_again(tmp_path: Path) -> None:
    text = (EXAMPLES / "durable_steps.py").read_text(encoding="utf-8")
    assert '        connection.execute("INSERT INTO effects' in text
    again = text.replace(
        '        connection.execute("INSERT INTO effects',
        '        for _ in range(2): connection.execute("INSERT INTO effects',
    )
    path = tmp_path / "durable_steps.py"
    path.write_text(again, encoding="utf-8")
    async with running(tmp_path, path) as program:
        code, said = await program.ended()
    assert code == 1
    assert "not true: no finished step ran again." in said
    assert list(tmp_path.iterdir()) == [path]


# http_delivery.py


@slow
async def test_deliveries_go_on_after_a_kill_and_each_is_handled_once(tmp_path: Path) -> None:
    missing = first_missing(
        await output_of(tmp_path, EXAMPLES / "http_delivery.py"),
        r"^1\. ",
        r"checked: a callback has reached the shop$",
        r"^2\. ",
        r"checked: it is answered 401$",
        r"^3\. ",
        r"checked: it took three attempts$",
        r"^4\. ",
        r"checked: the delivery is dead after one attempt$",
        r"checked: the failure callback has reached the shop$",
        r"^5\. ",
        r"checked: the shop is gone, by signal 9$",
        r"^   kill -9, after \d+ orders were packed$",
        r"^6\. ",
        r"checked: some deliveries were on their way, and are sent again$",
        r"checked: each order was packed once$",
        r"checked: the shop knows each end once$",
        r"^Nothing was lost\. This took \d+\.\d s\.$",
    )
    assert missing is None


@slow
async def test_the_story_of_deliveries_fails_if_an_order_is_packed_twice(tmp_path: Path) -> None:
    text = (EXAMPLES / "http_delivery.py").read_text(encoding="utf-8")
    assert 'inbox=MemoryInbox(keep_for="1d")' in text
    path = tmp_path / "http_delivery.py"
    path.write_text(text.replace('inbox=MemoryInbox(keep_for="1d")', "inbox=None"), encoding="utf-8")
    async with running(tmp_path, path) as program:
        code, said = await program.ended()
    assert code == 1
    assert "not true: each order was packed once." in said
    assert list(tmp_path.iterdir()) == [path]


# The small ones


@slow
async def test_retries(tmp_path: Path) -> None:
    missing = first_missing(
        await output_of(tmp_path, EXAMPLES / "retries.py"),
        "failed: call_webhook job 1 attempt 1 ",
        "failed: call_webhook job 1 attempt 2 ",
        "result: answered in attempt 3",
        "retry: ask_busy_service job 2 attempt 1 .*Retry: 429 too many requests",
        "result: served in attempt 2",
        "snoozed: open_shop job 3, ",
        "result: open in attempt 1",
        "dead: ship job 4 after attempt 1 .*there is no order A-17",
        "result: dead, abandoned by its handler",
        "result: dead, all 2 attempts used up",
        r"attempt 1 failed: OSError: out of paper\n +attempt 2 failed: OSError: out of paper",
        "redriven: print_label job 5",
        "result: the label of order A-16",
        "4 completed, 1 dead",
    )
    assert missing is None


@slow
async def test_cron(tmp_path: Path) -> None:
    said = await output_of(tmp_path, EXAMPLES / "cron.py")
    missing = first_missing(
        said,
        r"(?:^ +(?:Mon|Tue|Wed|Thu|Fri) \d\d \w+ \d{4} 0[89]:00 UTC\n){3}",
        "Sun 25 Oct 2026 01:30 BST\n +Mon 26 Oct 2026 01:30 GMT",
        r"beat ran for \d\d:\d\d:\d\d",
        r"beat ran for \d\d:\d\d:\d\d",
        "skipped so far: [1-9]",
        r"^4\. ",
        "beat ran for",
        "none is missing",
    )
    assert missing is None
    assert re.search(r"skipped: \d+ ticks? of slow (at|from) ", said)


@slow
async def test_script(tmp_path: Path) -> None:
    missing = first_missing(
        await output_of(tmp_path, EXAMPLES / "script.py"),
        "fill:\n   2 jobs wait in jobs.db\n",
        "work:\n.* returned 4\n.* returned 6\n",
        "serve:\n",
        "the slow job begins\n   SIGTERM\n   stopping: no new job is begun\n   the slow job is done",
    )
    assert missing is None


@slow
@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
async def test_the_script_runs_until_it_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    async with running(tmp_path, EXAMPLES / "script.py", "forever") as program:
        await program.line(" +the slow job begins")
        os.kill(program.pid, number)
        code, said = await program.ended()
    assert code == 0
    assert said == f"   {number.name}\n   stopping: no new job is begun\n   the slow job is done: it was waited for\n"
    assert list(tmp_path.iterdir()) == []


# fastapi_app.py


def test_the_application_is_short() -> None:
    assert len((EXAMPLES / "fastapi_app.py").read_text(encoding="utf-8").splitlines()) < 60


@asynccontextmanager
async def served(folder: Path, *arguments: str) -> AsyncIterator[tuple[Program, httpx.AsyncClient]]:
    """The application under uvicorn, on a port that the system chose."""
    async with running(folder, "-m", "uvicorn", *arguments, "--port", "0") as program:
        url = (await program.line(r"INFO: +Uvicorn running on (\S+)"))[1]
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE, trust_env=False) as client:
            yield program, client


async def curl(client: httpx.AsyncClient, folder: Path, line: str) -> httpx.Response:
    """Sends what a line of the docstring sends."""
    options, (*_, address) = shlex.split(line)[1:-1], shlex.split(line)
    path = address.removeprefix("localhost:8000")
    match options:
        case []:
            return await client.get(path)
        case ["-X", "POST"]:
            return await client.post(path)
        case ["-F", field]:
            name, _, file = field.partition("=@")
            content = await asyncio.to_thread((folder / file).read_bytes)
            return await client.post(path, files={name: (file, content)})
    raise AssertionError(f"not understood: {line}")


async def result_of(client: httpx.AsyncClient, job_id: int) -> str:
    async with asyncio.timeout(PATIENCE):
        while True:
            job = (await client.get(f"/jobs/{job_id}")).raise_for_status().json()
            if job["status"] not in {"pending", "processing"}:
                assert job["status"] == "completed"
                return json.dumps(job["result"])


@slow
async def test_the_application_answers_as_its_docstring_says(tmp_path: Path, zones: list[dict[str, str]]) -> None:
    (tmp_path / "examples").symlink_to(EXAMPLES)  # the commands are written for the root of the repository
    docstring = ast.get_docstring(ast.parse((EXAMPLES / "fastapi_app.py").read_text(encoding="utf-8"))) or ""
    command = re.search("`uvicorn ([^`]+)`", docstring)
    assert command
    user, table, job, stats = re.findall("^curl .*", docstring, re.MULTILINE)
    async with served(tmp_path, *shlex.split(command[1])) as (program, client):
        signed_up, uploaded = await curl(client, tmp_path, user), await curl(client, tmp_path, table)
        assert (signed_up.status_code, uploaded.status_code) == (202, 202)
        assert await result_of(client, signed_up.json()) == '"welcomed a@example.org"'
        assert await result_of(client, uploaded.json()) == f'"{len(zones) + 1} lines"'
        assert (await curl(client, tmp_path, user)).json() == signed_up.json()  # the same idempotency key
        assert (await curl(client, tmp_path, job)).json()["type"] == "welcome"
        assert (await curl(client, tmp_path, stats)).json()["completed"] == 2
        assert (await client.get("/jobs/1000")).status_code == 404
        os.kill(program.pid, SIGKILL)
    async with served(tmp_path, "fastapi_app:app", "--app-dir", "examples") as (program, client):
        assert await result_of(client, uploaded.json()) == f'"{len(zones) + 1} lines"'
        os.kill(program.pid, SIGTERM)
        _, said = await program.ended()
    assert "Application shutdown complete" in said


def test_every_example_is_tested() -> None:
    tested = {"cron", "durable_steps", "fastapi_app", "http_delivery", "progress", "quickstart", "request_ids"}
    assert {path.stem for path in PROGRAMS} == tested | {"retries", "script", "transactions"}
