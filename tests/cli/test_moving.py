"""`aiojobs-lite redrive`, `cancel`, `delete` and `run-now`."""

from __future__ import annotations

import pytest

from tests.helpers.command import command

pytestmark = pytest.mark.usefixtures("database")


def status_of(job_id: int) -> str:
    return str(command("show", job_id, "--json").json["status"])


def test_jobs_are_moved_by_their_ids_and_those_that_cannot_be_are_named() -> None:
    found = command("redrive", 2, 1, 99)
    assert (found.code, found.out) == (1, "1 job redriven\n")
    assert "job 1 is completed and cannot be redriven" in found.err
    assert "there is no job 99" in found.err
    assert status_of(2) == "pending"
    assert command("cancel", 2, "--reason", "enough", "--json").json == {
        "action": "cancel", "is_dry_run": False, "matched": 1, "moved": 1, "refused": [],
    }  # fmt: skip
    assert command("show", 2, "--json").json["reason"] == "enough"


def test_a_filter_is_confirmed_with_the_number_and_a_dry_run_changes_nothing() -> None:
    assert command("redrive", "--type", "pay", "--dry-run") == (0, "2 jobs to redrive\n", "")
    asked = command("redrive", "--type", "pay")
    assert (asked.code, asked.out) == (2, "")
    assert asked.err == "aiojobs-lite: redrive 2 jobs? No terminal to ask at: add --yes.\n"
    assert status_of(2) == status_of(3) == "dead"
    assert command("redrive", "--type", "pay", "--yes").out == "2 jobs redriven\n"
    assert status_of(2) == status_of(3) == "pending"


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [
        ("redrive", "completed", "status='completed': expected 'dead' or 'cancelled': no other job can be redriven."),
        ("cancel", "dead", "status='dead': expected 'pending' or 'processing': no other job can be cancelled."),
        ("run-now", "dead", "status='dead': expected 'pending': no other job can be due now."),
        ("delete", "processing", "'completed' or 'dead' or 'cancelled': no other job can be deleted."),
    ],
)
def test_a_dry_run_counts_no_jobs_that_would_not_be_moved(name: str, status: str, text: str) -> None:
    found = command(name, "--status", status, "--dry-run")
    assert (found.code, found.out) == (2, "")
    assert text in found.err


def test_a_delete_is_confirmed_by_ids_as_well() -> None:
    assert command("delete", 1).code == 2
    assert command("delete", 1, 2, "--dry-run").out == "2 jobs to delete\n"
    assert command("delete", 1, "--yes").out == "1 job deleted\n"
    assert command("delete", "--status", "dead", "--type", "pay", "--yes", "--json").json["moved"] == 2
    assert command("show", 2).code == 1


def test_pending_jobs_are_cancelled_by_a_filter() -> None:
    assert command("cancel", "--label", "eu", "--yes").out == "1 job cancelled, or asked to stop\n"
    assert status_of(4) == "cancelled"
    assert command("redrive", "--status", "cancelled", "--yes").out == "2 jobs redriven\n"


def test_jobs_that_wait_for_their_time_are_made_due() -> None:
    assert command("run-now", "--type", "mail", "--yes").out == "1 job due now\n"
    assert command("run-now", 4).code == 1
    assert command("explain", 4).out == "job 4 of mail waits: no runner lives.\n"  # and for nothing else


@pytest.mark.parametrize("name", ["redrive", "cancel", "delete", "run-now"])
def test_nothing_that_is_meant_is_a_wrong_usage(name: str) -> None:
    found = command(name, "--order", "oldest", "--yes")
    assert found.code == 2
    assert f"the ids of the jobs to {name.replace('-', ' ')}, or a filter such as --type" in found.err
