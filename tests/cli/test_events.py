"""`aiojobs-lite events`."""

from __future__ import annotations

import pytest

from tests.helpers.command import command

pytestmark = pytest.mark.usefixtures("database")
KEYS = {"number", "id", "name", "sent_at", "data"}


def test_events_are_listed_and_shown_with_the_jobs_that_they_started() -> None:
    (found,) = command("events", "--json").json["events"]
    assert found.keys() == KEYS
    assert (found["name"], found["id"], found["data"]) == ("user/signed.up", "signup-1", {"user_id": 1})
    assert "signup-1" in command("events").out
    shown = command("events", found["number"], "--json").json
    assert shown.keys() == KEYS | {"started"}
    assert shown["started"] == {"6": "welcome"}
    assert "6    welcome" in command("events", found["number"]).out


def test_what_is_not_there_is_said() -> None:
    assert command("events", "--name", "user/gone").out == "no events\n"
    assert command("events", 99).code == 1
