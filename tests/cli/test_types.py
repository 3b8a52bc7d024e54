"""`aiojobs-lite pause`, `resume` and `limit`."""

from __future__ import annotations

import pytest

from tests.helpers.command import command

pytestmark = pytest.mark.usefixtures("database")


def test_a_type_is_paused_and_resumed() -> None:
    assert command("pause", "mail", "--by", "ops").out == "paused: mail\n"
    assert "its type is paused since" in command("explain", 4).out
    assert command("resume", "mail", "--json").json == {"resumed": "mail", "key": None}
    assert "paused" not in command("explain", 4).out


def test_a_limit_is_paused_for_one_key() -> None:
    assert command("pause", "--limit", "orgs", "--key", "acme", "--until", "5m", "--json").json == {
        "paused": "orgs", "key": "acme",
    }  # fmt: skip
    (found,) = [one for one in command("limit", "orgs", "--json").json["limits"] if one["key"] == "acme"]
    assert found["is_paused"]
    assert "paused since" in command("limit").out
    assert command("resume", "--limit", "orgs", "--key", "acme").code == 0
    assert "paused since" not in command("limit").out


def test_a_limit_is_changed_and_reset_and_shown_for_a_key() -> None:
    found = command("limit", "orgs", "--most", 1, "--json").json
    assert found.keys() == {"limits", "use"}
    assert found["limits"][0].keys() == {
        "name", "is_of_every_key", "key", "most", "per", "is_pinned", "is_paused", "paused_since", "paused_by",
        "paused_until",
    }  # fmt: skip
    assert (found["limits"][0]["most"], found["limits"][0]["is_pinned"], found["use"]) == (1, True, None)
    use = command("limit", "orgs", "--key", "acme", "--json").json["use"]
    assert use.keys() == {"taken", "waiting", "pending", "began_at", "free_at"}
    assert use["pending"] == 1
    assert "pending  1" in command("limit", "orgs", "--key", "acme").out
    command("limit", "orgs", "--reset")
    assert not any(one["is_pinned"] for one in command("limit", "--json").json["limits"])


@pytest.mark.parametrize("options", [[], ["mail", "--limit", "orgs"]])
def test_one_thing_is_paused_at_a_time(options: list[str]) -> None:
    found = command("pause", *options)
    assert found.code == 2
    assert "a job type, or --limit with the name of a limit" in found.err


def test_what_is_not_known_is_refused() -> None:
    assert command("pause", "mall").code == 1
    assert command("limit", "none", "--most", 1).code == 1
    found = command("limit", "none")
    assert (found.code, found.out) == (1, "")
    assert "no runner has stored a limit 'none'; the database has 'orgs'." in found.err
