"""schemathesis calls the API by its own description: no answer is one that the description does not allow."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from aiojobs_lite.qstash.description import OPERATIONS
from tests.helpers.qstash_service import TOKEN, Service, service
from tests.helpers.rings import drawn, share, slow
from tests.helpers.root import ROOT
from tests.helpers.waiting import unmeasured

pytestmark = drawn(2)

CHECKS: Final = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance", "ignored_auth", "unsupported_method",
)  # fmt: skip
URL: Final = "https://mock.httpstatus.io"


PARTS: Final = sorted({name.split("/")[2] for name in OPERATIONS})


@slow
@pytest.mark.parametrize("part", PARTS)
async def test_no_answer_is_one_that_the_description_does_not_allow(part: str, tmp_path: Path) -> None:
    async with service(mount="") as api:  # a mount of Starlette itself answers what has a line break in its path
        hooks = {"SCHEMATHESIS_HOOKS": "tests.helpers.schemathesis_hooks", "KNOWN": json.dumps(await made(api))}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "schemathesis.cli", "run", f"{api.url}/openapi.json",
            "--include-path-regex", f"^/v2/{part}(/|$)", "--header", f"Authorization: Bearer {TOKEN}",
            "--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing", "--max-examples", share("25", "10"),
            "--warnings", "off", cwd=tmp_path, env={**unmeasured(), **hooks, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


async def made(api: Service) -> dict[str, list[str]]:
    """What is there when it begins; gives the parameters that find it, and a few that find nothing."""
    client, groups = api.client, ["both", "none"]
    await client.url_group.upsert_endpoints("both", [{"url": f"{URL}/200"}, {"url": f"{URL}/404", "name": "bad"}])
    await client.queue.upsert("line", paused=True)
    await client.schedule.create(destination=f"{URL}/200", cron="1 1 1 1 1", schedule_id="nightly")
    waiting: Any = await client.message.publish(
        url=f"{URL}/200", delay="1h", label="eu", flow_control={"key": "tenant", "rate": 1}
    )
    for _ in range(5):
        await client.message.publish(url=f"{URL}/404", retries=0, body="x", headers={"n": "1"})
    await api.runner.run_until_idle()
    dead = [message.dlq_id for message in (await client.dlq.list()).messages]
    return {
        "path.group": groups, "path.destination": groups, "path.queue": ["line", "new"], "path.key": ["tenant", "none"],
        "path.scheduleId": ["nightly", "none"], "path.messageId": [waiting.message_id, "none"],
        "path.dlqId": [*dead, "none"], "header.Upstash-Callback": [f"{URL}/200", f"{URL}/500", "https://a b", "x"],
        "header.Upstash-Flow-Control-Key": ["tenant", "a/b c"],
    }  # fmt: skip
