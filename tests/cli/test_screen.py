"""What jobs hold is shown as text, and never as an order to the terminal or as markup."""

from __future__ import annotations

import asyncio
import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from aiojobs_lite import Abandon, JobRunner
from aiojobs_lite.cli.screen import Screen, write_json
from tests.helpers.command import command
from tests.helpers.hostile_text import HOSTILE, is_one_printed_line

ODD = (
    *(text for text in HOSTILE if len(text) < 1_000),
    "[red]x[/red]",
    ":smile: [link=http://x]y[/link]",
    "\x1b[31mred",
)


def shown(text: str) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        screen = Screen()
        screen.line(text)
        screen.table(["one", "two"], [(text, text)])
        screen.pairs([("name", text)])
        screen.block(text)
    return out.getvalue()


@pytest.mark.parametrize("text", ODD)
def test_text_is_shown_as_it_is_written(text: str) -> None:
    lines = shown(text).split("\n")
    assert all(is_one_printed_line(line) for line in lines)
    if "[red]" in text:
        assert lines[0] == text


@pytest.mark.parametrize("text", ODD)
def test_json_is_ascii_on_one_line(text: str) -> None:
    out = io.StringIO()
    with redirect_stdout(out):
        write_json({"text": text}, is_line=True)
    assert out.getvalue().isascii()
    assert is_one_printed_line(out.getvalue().removesuffix("\n"))
    assert json.loads(out.getvalue()) == {"text": text}


def test_no_colour_is_written_to_what_is_no_terminal() -> None:
    assert "\x1b" not in shown("dead")


def test_hostile_jobs_are_shown_by_every_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "app.db"
    monkeypatch.setenv("AIOJOBS_LITE_DATABASE", str(path))
    runner = JobRunner(path)

    @runner.job(max_attempts=1)
    async def odd(text: str) -> None:
        raise Abandon(text)

    async def fill() -> None:
        async with runner:
            for text in ODD:
                storable = text.encode("utf-8", "replace").decode()
                await runner.enqueue(odd, text=storable)
            await runner.run_until_idle()

    asyncio.run(fill())
    for arguments in (["list"], ["dead"], ["dead", "--group"], ["show", "1"], ["explain", "1"], ["status"], ["top"]):
        found = command(*arguments)
        assert found.code == 0
        assert all(is_one_printed_line(line) for line in found.out.split("\n"))
    assert "[red]x[/red]" in command("list").out
