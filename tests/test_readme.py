"""The README: its code runs, its diagram, tables, links and commands agree with the code."""

from __future__ import annotations

import ast
import inspect
import os
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from aiojobs_lite import Backoff, JobRunner
from aiojobs_lite.durations import seconds
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.signature import LARGEST_PAYLOAD
from aiojobs_lite.model.job import TRANSITIONS
from aiojobs_lite.testing.fixtures import JobsFixture

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^pip install .*$", README, re.MULTILINE)
APP, CALLS, CRON, TESTING = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def names_after(block: str, names: dict[str, Any]) -> dict[str, Any]:
    """Runs a block of the README in a namespace, as it stands."""
    exec(compile(block, "README.md", "exec"), names)
    return names


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    return names_after(APP, {"__name__": "app"})


async def test_the_first_program_is_short_and_serves_requests(app: dict[str, Any]) -> None:
    assert len([line for line in APP.splitlines() if line.strip()]) <= 20
    served: FastAPI = app["app"]
    transport = httpx.ASGITransport(served)
    async with (
        served.router.lifespan_context(served),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        answer = await client.post("/users/7", params={"email": "a@example.org"})
        assert answer.json() == {"job": 1}
    assert app["runner"].stats().completed == 1  # leaving the lifespan drained it


async def test_the_calls_run_as_printed(app: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    code = compile(CALLS, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    async with app["runner"]:
        await eval(code, app)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "1 welcomed a@example.org (user 1) in attempt 1"
    assert printed[1] == "completed 1 ()"
    assert len(printed) == 3


def test_the_cron_block_previews_nine_o_clock_in_london(
    app: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    names_after(CRON, app)
    assert capsys.readouterr().out.count("datetime.datetime(") == 3
    first, second, third = app["runner"].schedules.preview("daily_digest", 3)
    assert timedelta(hours=23) <= second - first <= timedelta(hours=25)
    assert third.hour in (8, 9)


async def test_the_block_on_testing_is_a_test_that_passes(app: dict[str, Any]) -> None:
    test: Callable[[JobsFixture], Awaitable[None]] = names_after(TESTING, app)["test_welcome"]
    await test(JobsFixture())
    assert not os.path.exists("app.db")  # it ran in memory


def test_the_diagram_is_the_table_of_transitions() -> None:
    drawn = re.findall(r"^    (\w+) --> (\w+): (.+)$", README, re.MULTILINE)
    assert {(start, end): cause for start, end, cause in drawn} == {
        (str(start), str(end)): cause for (start, end), cause in TRANSITIONS.items()
    }
    assert "    [*] --> pending: enqueue" in README


def test_the_two_commands_are_one_line_each_and_ci_runs_the_second() -> None:
    assert COMMANDS == [
        'pip install ".[examples]" && python examples/quickstart.py',
        'pip install -e ".[test]" && python -m pytest',
    ]
    pattern = re.search(r"sed -n 's/(.*?)/\\1/p' README.md", (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    assert pattern
    python = pattern[1].removesuffix("$").replace(r"\(", "(").replace(r"\)", ")")
    assert [line for line in README.splitlines() if re.match(python, line)] == [COMMANDS[1]]


def test_every_link_points_to_a_file() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("https://")]
    assert len(links) >= 10
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_the_defaults_are_those_of_the_code() -> None:
    runner = {name: one.default for name, one in inspect.signature(JobRunner).parameters.items()}
    job = {name: one.default for name, one in inspect.signature(JobType).parameters.items()}
    assert "| `max_running` | 100 |" in README
    assert runner["max_running"] == 100
    assert "| `drain_timeout` | 20 s |" in README
    assert seconds(runner["drain_timeout"]) == 20
    assert "| `cancel_grace` | 5 s |" in README
    assert seconds(runner["cancel_grace"]) == 5
    assert '| `durability` | `"full"` |' in README
    assert runner["durability"] == "full"
    assert "| `keep_completed` | 1 day |" in README
    assert seconds(runner["keep_completed"]) == seconds("1d")
    assert "| `keep_dead` | 30 days |" in README
    assert seconds(runner["keep_dead"]) == seconds("30d")
    assert "| `max_attempts` | 5, the first included |" in README
    assert job["max_attempts"] == 5
    assert "| `backoff` | 2 s, 4 s, 8 s ... at most 1 h, times a random 0.5 to 1 |" in README
    assert [Backoff().delay(attempt, lambda: 1.0) for attempt in (1, 2, 3, 20)] == [2, 4, 8, 3600]
    assert Backoff().delay(1, lambda: 0.0) == 1
    assert (job["timeout"], job["concurrency"], job["priority"], job["keep_result"]) == (None, None, "medium", True)
    assert "256 KiB" in README
    assert LARGEST_PAYLOAD == 256 * 1024
