"""The README: it is short, its program serves requests, its commands are those that are run."""

from __future__ import annotations

import re
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import Depends, FastAPI

from aiojobs_lite import JobRunner
from aiojobs_lite.http import Signer
from aiojobs_lite.testing.kit import JobKit
from tests.helpers.documents import DOCS, README, PageRun, blocks, section
from tests.helpers.reader import Reader
from tests.helpers.rings import slow
from tests.helpers.root import ROOT
from tests.helpers.serving import reserved

TEXT = README.read_text(encoding="utf-8")
COMMANDS = re.findall(r"^pip install .*$", TEXT, re.MULTILINE)
APP, CALLS, EVENTS, HTTP = blocks(README)
BENCHMARKS = DOCS / "benchmarks.md"
LONGEST = 180  # lines: the rest stands in docs/


class Output:
    """What a run of blocks printed, in one text."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.text = ""

    def read(self) -> str:
        """What was printed since it was last called."""
        new = self._capsys.readouterr().out
        self.text += new
        return new


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Output:
    return Output(capsys)


@pytest.fixture
async def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: Output) -> PageRun:
    """The page after its first block, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    page = PageRun(lambda module: monkeypatch.setitem(sys.modules, module.__name__, module), output.read)
    await page.check(APP)
    return page


def test_it_is_short() -> None:
    assert len(TEXT.splitlines()) <= LONGEST
    assert len([line for line in APP.text.splitlines() if line.strip()]) <= 20


async def test_the_first_program_serves_requests(run: PageRun) -> None:
    served: FastAPI = run.names["app"]
    transport = httpx.ASGITransport(served)
    async with (
        served.router.lifespan_context(served),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        answer = await client.post("/users/7", params={"email": "a@example.org"})
        assert answer.json() == {"job": 1}
    assert run.names["runner"].stats().completed == 1  # leaving the lifespan drained it


@slow
async def test_the_first_program_is_saved_and_served_and_called_as_the_page_says(tmp_path: Path) -> None:
    ((name, serve, call),) = re.findall(r"^Save it as `(.+?)`, run `(.+?)`, and call `(.+?)`\.$", TEXT, re.MULTILINE)
    tmp_path.joinpath(name).write_text(APP.text, encoding="utf-8")
    with reserved() as port:
        async with AsyncExitStack() as servers:
            reader = Reader(tmp_path, port, servers)
            await reader.run(serve)
            await reader.run(call)
            assert await reader.prints('{"job":1}')


async def test_the_calls_print_what_they_say(run: PageRun, output: Output) -> None:
    await run.check(CALLS)
    printed = output.text.splitlines()
    assert printed[0] == "1 welcomed a@example.org (user 1) in attempt 1"
    assert printed[1] == "<Job 'welcome' job 1 completed, attempts 1/5>"
    assert len(printed) == 3


async def test_the_handler_of_an_event_goes_from_step_to_step(run: PageRun, job_kit: JobKit, output: Output) -> None:
    await run.check(EVENTS)
    output.read()
    async with job_kit(run.names["runner"]) as runner:
        await runner.schedules.pause("daily_digest")
        await runner.send("user/left", {"user_id": 7}, id="left-7")
        await runner.run_until_idle()
        await job_kit.advance("3d")
        assert output.read() == ""
        await job_kit.advance("7d")
        assert output.read() == "a reminder to 7@example.org\n"


async def test_the_cron_block_ticks_at_nine_o_clock_in_london(run: PageRun) -> None:
    await run.check(EVENTS)
    first, second, third = run.names["runner"].schedules.preview("daily_digest", 3)
    assert timedelta(hours=23) <= second - first <= timedelta(hours=25)
    assert third.hour in (8, 9)


def test_its_figures_are_those_of_the_commit_that_the_page_of_benchmarks_names() -> None:
    page = "".join(section(BENCHMARKS, title) for title in ("Alone, and beside a bare loop", "In a web application"))
    figures = re.findall(r"\d+,\d+|\d+\.\d+(?: ms)?|\b[0-9a-f]{7}\b", section(README, "Speed"))
    assert len(figures) == 4
    assert [figure for figure in figures if figure not in page] == []


async def test_the_chapter_on_http_publishes_verifies_and_speaks_the_api_of_qstash(run: PageRun) -> None:
    await run.check(HTTP)
    runner: JobRunner = run.names["runner"]
    transport = httpx.ASGITransport(run.names["app"])
    async with runner, httpx.AsyncClient(transport=transport, base_url="https://app.example") as client:
        assert (await client.post("/orders/7")).status_code == 200
        token = {"Authorization": "Bearer a-token-of-your-own", "Upstash-Delay": "1h"}
        sent = await client.post("/qstash/v2/publish/https://next.example/api/jobs/mail", json={}, headers=token)
        assert sent.status_code == 200
        of_qstash, own = await runner.jobs.list()
        assert (own.payload["url"], own.payload["body"], own.label) == ("https://shop.example/hook", "7", None)
        assert runner.jobs.key_of(of_qstash.id) == sent.json()["messageId"]
    headers = Signer(run.names["keys"]).sign(b"7", message_id="m", url="https://shop.example/hook")
    shop = FastAPI()
    shop.add_api_route("/hook", lambda: "ok", methods=["POST"], dependencies=[Depends(run.names["verified"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(shop), base_url="https://shop.example") as client:
        answers = [await client.post("/hook", content=b"7", headers=given) for given in (headers, {})]
        assert [answer.status_code for answer in answers] == [200, 401]


def test_the_two_commands_are_one_line_each_and_ci_runs_the_second() -> None:
    assert COMMANDS == [
        'pip install ".[examples]" && python examples/quickstart.py',
        'pip install -e ".[test]" && python -m pytest',
    ]
    pattern = re.search(r"sed -n 's/(.*?)/\\1/p' README.md", (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    assert pattern
    python = pattern[1].removesuffix("$").replace(r"\(", "(").replace(r"\)", ")")
    assert [line for line in TEXT.splitlines() if re.match(python, line)] == [COMMANDS[1]]
