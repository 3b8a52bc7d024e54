"""`aiojobs-lite top` and `tail`."""

from __future__ import annotations

import json

import pytest

from tests.helpers.command import command

pytestmark = pytest.mark.usefixtures("database")


def test_top_is_shown_once_where_there_is_no_terminal() -> None:
    found = command("top")
    assert found.code == 0
    assert "dead 2" in found.out.splitlines()[0]
    assert found.out.splitlines()[1].strip().startswith("no runner lives that runs jobs: start the application")
    assert "pay" in found.out


def test_top_writes_a_line_of_json_each_time() -> None:
    found = command("top", "--json", "--for", "0s")
    (line,) = found.out.splitlines()
    assert json.loads(line)["counts"]["dead"] == 2


def test_a_job_is_followed_to_its_end() -> None:
    found = command("tail", 2, "--json")
    (line,) = [json.loads(line) for line in found.out.splitlines()]
    assert line.keys() == {"what", "at", "id", "type", "attempts", "text"}
    assert (line["what"], line["id"], line["text"]) == ("dead", 2, "ConnectionError: the bank is closed for 1")
    assert "dead       pay job 2: ConnectionError" in command("tail", 2).out


def test_what_ended_just_now_is_listed() -> None:
    command("cancel", 4)
    found = [json.loads(line) for line in command("tail", "--json", "--for", "0s", "--type", "mail").out.splitlines()]
    assert ("cancelled", 4) in [(one["what"], one["id"]) for one in found]
    assert command("tail", 99).code == 1
