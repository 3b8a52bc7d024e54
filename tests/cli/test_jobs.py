"""`aiojobs-lite list`, `show` and `explain`."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiojobs_lite.runner import walks
from tests.helpers.command import command

KEYS = {
    "id", "type", "status", "priority", "label", "attempts", "max_attempts", "created_at", "scheduled_at", "started_at",
    "completed_at", "held", "error", "reason", "owner", "schedule", "tick", "cancel_requested", "payload", "metadata",
}  # fmt: skip
MORE = {
    "key", "explanation", "result", "idempotency_key", "unique_key", "lane", "interruptions", "snoozes", "crashes",
    "progress", "history", "parent", "steps", "log", "log_lines_dropped",
}  # fmt: skip


@pytest.mark.usefixtures("database")
def test_jobs_are_listed_the_newest_first_and_page_by_page() -> None:
    page = command("list", "--json", "--limit", 2).json
    assert [job["id"] for job in page["jobs"]] == [6, 5]
    assert page["next"] == 5
    assert [job["id"] for job in command("list", "--json", "--after", 5).json["jobs"]] == [4, 3, 2, 1]
    assert all(job.keys() == KEYS for job in page["jobs"])
    text = command("list", "--limit", 2).out
    assert "welcome" in text
    assert "the next page: --after 5" in text


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--status", "dead"], [3, 2]), (["--type", "mail"], [5, 4]), (["--label", "eu"], [4]),
        (["--key", 'orgs="acme"'], [4]), (["--error", "BANK is closed for 2"], [3]), (["--payload", "user_id=1"], [2]),
        (["--payload", "org=acme"], [4]), (["--metadata", "tenant=7"], [4]),
        (["--created-from", "1h"], [6, 5, 4, 3, 2, 1]),
        (["--created-to", "2020-01-01"], []), (["--completed-from", "1h", "--order", "oldest"], [1, 2, 3, 5, 6]),
        (["--type", "mail", "--status", "cancelled"], [5]),
    ],
)  # fmt: skip
def test_filters_choose_jobs(options: list[str], ids: list[int]) -> None:
    assert [job["id"] for job in command("list", "--json", *options).json["jobs"]] == ids


@pytest.mark.usefixtures("database")
def test_no_jobs_are_no_error() -> None:
    assert command("list", "--created-to", "2020-01-01") == (0, "no jobs\n", "")


@pytest.mark.usefixtures("database")
def test_an_empty_page_before_the_end_says_where_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walks, "PAGE_S", -1)
    monkeypatch.setattr(walks, "FIRST_LOOKS", 2)
    assert command("list", "--payload", "user_id=1").out == "no jobs as far as job 5; go on: --after 5\n"
    assert command("dead", "--json", "--limit", 1).json["next"] == 3
    assert command("dead", "--limit", 1).out.endswith("the next page: --after 3\n")
    assert [job["id"] for job in command("dead", "--json", "--after", 3).json["jobs"]] == [2]


@pytest.mark.usefixtures("database")
def test_a_job_is_shown_with_all_that_there_is_of_it() -> None:
    shown = command("show", 2, "--json").json
    assert shown.keys() == KEYS | MORE
    assert shown["history"][0]["error_type"] == "ConnectionError"
    assert "raise ConnectionError" in shown["history"][0]["traceback"]
    text = command("show", 2).out
    assert text.startswith("job 2 of pay is dead since ")
    assert 'payload   {"user_id": 1}' in text
    assert "raise ConnectionError" in text


@pytest.mark.usefixtures("database")
def test_a_job_says_why_it_does_not_run() -> None:
    found = command("explain", 4)
    assert found.out.startswith("job 4 of mail waits: it is due in ")
    assert found.out.endswith("and no runner lives.\n")
    document = command("explain", 4, "--json").json
    assert document.keys() == {"id", "explanation"}
    assert document["explanation"].startswith("job 4 of mail waits: it is due in ")


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("name", ["show", "explain"])
def test_a_job_that_is_not_there_is_refused(name: str) -> None:
    found = command(name, 99)
    assert (found.code, found.out) == (1, "")
    assert found.err.startswith("aiojobs-lite: there is no job 99")


def test_reading_makes_no_file_and_migrates_none(tmp_path: Path) -> None:
    found = command("list", "--db", tmp_path / "app.db")
    assert found.code == 1
    assert "missing file. Name the file that the application uses" in found.err
    assert list(tmp_path.iterdir()) == []
