"""examples/transactions.py: a user is never there without the welcome, nor the welcome without the user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from aiojobs_lite.testing import JobKit
from examples import transactions
from examples.transactions import runner, welcome


@pytest.fixture
def client(job_kit: JobKit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.chdir(tmp_path)
    job_kit.replace(runner, database=tmp_path / "app.db")
    with TestClient(transactions.app) as client:
        yield client


def test_a_user_is_welcomed_once_and_a_refused_one_never(client: TestClient, job_kit: JobKit) -> None:
    assert client.post("/users", params={"email": "a@example.org"}).json() == 1
    job_kit.wait_for(job_kit.run_to_end())
    assert client.post("/users", params={"email": "a@example.org"}).status_code == 409
    assert client.post("/users", params={"email": "b@example.org"}).json() == 2
    job_kit.wait_for(job_kit.run_to_end())
    assert client.get("/users").json() == {"a@example.org": True, "b@example.org": True}
    job_kit.assert_enqueued(welcome, user_id=2)
    assert [job.arguments for job in job_kit.enqueued] == [{"user_id": 1}, {"user_id": 2}]
