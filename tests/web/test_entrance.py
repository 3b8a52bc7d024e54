"""What `jobs_dashboard` takes, and refuses."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, JobRunner
from aiojobs_lite.web import jobs_dashboard


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, r"a function of a request that returns None, 'read' or 'admin'; or basic_auth\(...\), loopback_only\(\)"),
        ({"auth": "admin"}, "a function of a request"),
        ({"auth": lambda _: None, "redact": "x"}, "a function of what is shown, the name of its type, and the value"),
        ({"auth": lambda _: None, "title": ""}, "1 to 80 printable characters"),
    ],
)
def test_an_option_that_cannot_work_is_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidOption, match=problem):
        jobs_dashboard(JobRunner(":memory:"), **options)


def test_it_is_of_a_runner() -> None:
    with pytest.raises(InvalidOption, match="a JobRunner"):
        jobs_dashboard("app.db", auth=lambda _: None)  # type: ignore[arg-type]


def test_without_the_extra_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiojobs_lite.web.app", None)
    with pytest.raises(InvalidOption, match=r'pip install "aiojobs_lite\[web\]"'):
        jobs_dashboard(JobRunner(":memory:"), auth=lambda _: None)
