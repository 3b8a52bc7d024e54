"""A job in the answer of a web application."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, TypeAdapter

from aiojobs_lite import Attempt, Job, Outcome, Status
from aiojobs_lite.model.job import Held

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
JOB = Job(
    id=7, type="a", payload_json='{"@version":2,"user_id":1,"at":[1,null]}', status=Status.COMPLETED,
    priority="high", attempts=2,
    max_attempts=5, scheduled_at=NOW, created_at=NOW, started_at=NOW, completed_at=NOW + timedelta(seconds=1),
    owner=None, idempotency_key=None, error=None, reason=None, result_json='"done"', interruptions=0, snoozes=0,
    crashes=0, cancel_requested=False, interrupted=False, held=Held.PAYLOAD, schedule=None, tick=None, label="eu",
    history=(Attempt(1, Outcome.FAILED, NOW, NOW, "me", "KeyError", "'x'", None, '{"status":503}'),),
)  # fmt: skip


def check(written: dict[str, Any]) -> None:
    assert written["payload"] == {"user_id": 1, "at": [1, None]}
    assert (written["version"], written["result"]) == (2, "done")
    assert (written["status"], written["held"], written["priority"]) == ("completed", "payload", "high")
    assert written["scheduled_at"] == "2030-01-02T03:04:05Z"
    assert written["tick"] is None
    assert written["history"][0]["outcome"] == "failed"
    assert written["history"][0]["details"] == {"status": 503}
    assert "details_json" not in written["history"][0]
    assert [name for name in written if name.endswith("_json")] == []


def test_a_job_is_written_with_its_values() -> None:
    adapter = TypeAdapter(Job)
    check(json.loads(adapter.dump_json(JOB)))
    check(adapter.dump_python(JOB, mode="json"))
    assert adapter.dump_python(JOB)["created_at"] is NOW
    assert adapter.dump_python(replace(JOB, result_json=None))["result"] is None


def test_a_job_within_a_model_is_written_with_its_values() -> None:
    class Page(BaseModel):
        jobs: list[Job]

    (written,) = json.loads(Page(jobs=[JOB]).model_dump_json())["jobs"]
    assert written == json.loads(TypeAdapter(Job).dump_json(JOB))


def test_what_is_no_json_is_written_as_it_is() -> None:
    """Another program may have written it."""
    assert TypeAdapter(Job).dump_python(replace(JOB, payload_json="{", result_json="[" * 100_000))["payload"] == "{"


def test_a_job_is_read_as_it_is_stored() -> None:
    assert TypeAdapter(Job).validate_python(JOB) == JOB


@pytest.mark.parametrize("mode", ["annotation", "response_model", "list"])
async def test_fastapi_answers_with_a_job(mode: str) -> None:
    app = FastAPI()
    if mode == "annotation":

        @app.get("/")
        async def one() -> Job:
            return JOB
    elif mode == "list":

        @app.get("/")
        async def page() -> list[Job]:
            return [JOB]
    else:

        @app.get("/", response_model=Job)
        def plain() -> Any:
            return JOB

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answer = (await client.get("/")).json()
        check(answer[0] if mode == "list" else answer)
        fields = (await client.get("/openapi.json")).json()["components"]["schemas"]["Job"]
    assert {"payload", "result", "history", "version"} <= set(fields["properties"])
    assert fields["properties"]["version"] == {"title": "Version", "type": "integer"}
    assert {"payload_json", "result_json"}.isdisjoint([*fields["properties"], *fields["required"]])
    assert fields["properties"]["payload"] == {"title": "Payload", "type": "object"}
