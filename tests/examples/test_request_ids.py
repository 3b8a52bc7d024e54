"""examples/request_ids.py: the id of a request is in the log lines of its jobs, and in no others."""

from __future__ import annotations

import logging

import pytest
from fastapi.testclient import TestClient

from aiojobs_lite.testing import JobKit
from examples.request_ids import WithRequestId, app, runner


def test_the_id_of_a_request_is_in_the_lines_of_its_job(job_kit: JobKit, caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.addFilter(WithRequestId())
    caplog.set_level(logging.INFO, "shop")
    job_kit.replace(runner)
    with TestClient(app) as client:
        for name in ("r-17", "r-18"):
            client.post("/users", params={"email": "a@example.org"}, headers={"X-Request-ID": name})
        client.post("/users", params={"email": "a@example.org"})
        job_kit.wait_for(job_kit.run_to_end())
    lines = [(record.getMessage(), record.__dict__["request_id"]) for record in caplog.records if record.name == "shop"]
    mails = [name for message, name in lines if message.startswith("a mail")]
    assert mails[:2] == ["r-17", "r-18"]
    assert len(mails[2]) == 32
