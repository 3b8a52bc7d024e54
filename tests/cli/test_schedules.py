"""`aiojobs-lite schedules ...`."""

from __future__ import annotations

import pytest

from tests.helpers.command import command

KEYS = {
    "name", "type", "expression", "tz", "words", "next_tick", "last_tick", "latest_job", "is_declared", "payload",
    "options", "catch_up", "overlap", "paused_since", "paused_by", "created_at", "updated_at", "ticks",
}  # fmt: skip


@pytest.mark.usefixtures("database")
def test_schedules_are_listed_and_shown_in_words() -> None:
    page = command("schedules", "list", "--json").json
    (found,) = page["schedules"]
    assert found.keys() == KEYS
    assert (found["name"], found["words"], page["next"]) == ("digest", "at 09:00, from Monday to Friday", None)
    assert "at 09:00, from Monday to Friday" in command("schedules", "list").out
    assert "made by     code" in command("schedules", "show", "digest").out
    assert command("schedules", "show", "digest", "--json").json == found
    assert command("schedules", "list", "--prefix", "x").out == "no schedules\n"
    assert command("schedules", "show", "none").code == 1


@pytest.mark.usefixtures("database")
def test_a_schedule_is_paused_and_resumed() -> None:
    assert command("schedules", "pause", "digest", "--by", "ops").out == "paused: digest\n"
    assert command("schedules", "show", "digest", "--json").json["paused_by"] == "ops"
    assert "paused      since" in command("schedules", "show", "digest").out
    assert command("schedules", "resume", "digest", "--json").json == {"resumed": "digest"}
    assert command("schedules", "show", "digest", "--json").json["paused_since"] is None


@pytest.mark.usefixtures("database")
def test_the_next_ticks_are_listed() -> None:
    found = command("schedules", "next", "digest", "-n", 3, "--json").json
    assert found.keys() == {"name", "expression", "tz", "words", "ticks"}
    assert len(found["ticks"]) == 3
    assert command("schedules", "next", "digest").out.startswith("0 9 * * mon-fri (Europe/London): at 09:00")


def test_an_expression_is_explained_with_the_changes_of_the_clock() -> None:
    found = command(
        "schedules", "explain", "0 9 * * *", "--tz", "Europe/London", "--since", "2026-03-27T12:00", "-n", 3, "--json"
    ).json
    assert found["words"] == "at 09:00, every day"
    assert [(one["at"], one["note"]) for one in found["ticks"]] == [
        ("2026-03-28T09:00:00+00:00", ""),
        ("2026-03-29T08:00:00+00:00", "clocks go forward 1 h before"),
        ("2026-03-30T08:00:00+00:00", ""),
    ]


def test_an_expression_that_cannot_work_is_a_wrong_usage() -> None:
    found = command("schedules", "explain", "61 * * * *")
    assert found.code == 2
    assert "minute" in found.err
    assert command("schedules", "explain", "0 9 * * *", "--tz", "Europe/Nowhere").code == 2
