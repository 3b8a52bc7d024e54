"""The README: it is short, its program serves requests, its commands are those that are run."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from tests.helpers.documents import README, PageRun, blocks
from tests.helpers.root import ROOT

TEXT = README.read_text(encoding="utf-8")
COMMANDS = re.findall(r"^pip install .*$", TEXT, re.MULTILINE)
APP, CALLS, EVENTS, CRON = blocks(README)
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
    await page.run(APP)
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


async def test_the_calls_print_what_they_say(run: PageRun, output: Output) -> None:
    await run.run(CALLS)
    printed = output.text.splitlines()
    assert printed[0] == "1 welcomed a@example.org (user 1) in attempt 1"
    assert printed[1] == "<Job 'welcome' job 1 completed, attempts 1/5>"
    assert len(printed) == 3


async def test_the_handler_of_an_event_goes_from_step_to_step(run: PageRun) -> None:
    steps: list[str] = []
    run.names.update(find_address=lambda user_id: f"{user_id}@example.org", send_reminder=steps.append)
    await run.run(EVENTS)
    async with run.names["runner"] as runner:
        (handle,) = (await runner.send("user/left", {"user_id": 7}, id="left-7")).handles
        await runner.run_until_idle()
        assert [step.name for step in await runner.jobs.steps(handle.id)] == ["find", "cool-off"]
    assert steps == []


async def test_the_cron_block_ticks_at_nine_o_clock_in_london(run: PageRun) -> None:
    await run.run(CRON)
    first, second, third = run.names["runner"].schedules.preview("daily_digest", 3)
    assert timedelta(hours=23) <= second - first <= timedelta(hours=25)
    assert third.hour in (8, 9)


def test_the_two_commands_are_one_line_each_and_ci_runs_the_second() -> None:
    assert COMMANDS == [
        'pip install ".[examples]" && python examples/quickstart.py',
        'pip install -e ".[test]" && python -m pytest',
    ]
    pattern = re.search(r"sed -n 's/(.*?)/\\1/p' README.md", (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    assert pattern
    python = pattern[1].removesuffix("$").replace(r"\(", "(").replace(r"\)", ")")
    assert [line for line in TEXT.splitlines() if re.match(python, line)] == [COMMANDS[1]]
