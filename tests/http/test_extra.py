"""The package `http` needs its extra for what uses it, and for nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from aiojobs_lite import InvalidOption
from aiojobs_lite.http import SigningKeys, Verifier
from tests.helpers.waiting import unmeasured

PROGRAM = """
import asyncio, json, sys
from aiojobs_lite import JobRunner
from aiojobs_lite.http import Http, MemoryInbox, Signer, SigningKeys, Verifier, VerifyMiddleware

loaded, known = {}, {"aiohttp", "fastapi", "httpx", "idna", "jwt", "standardwebhooks", "starlette", "yarl"}

def note(what):
    loaded[what] = sorted(known & set(sys.modules) - {name for names in loaded.values() for name in names})

async def run(**options):
    async with JobRunner(":memory:", jobs=[http], **options) as runner:
        if options:
            await runner.publish("https://example.com/")

note("the import")
keys, url = SigningKeys.generate(), "https://app.example/hooks"
verifier = Verifier(keys, url=url)
verifier.verify(b"{}", Signer(keys).sign(b"{}", message_id="msg_1", url=url))
VerifyMiddleware(print, verifier=verifier, inbox=MemoryInbox())
note("Standard Webhooks")
http = Http()
http.request("https://example.com/", json=1)
note("a request")
asyncio.run(run(max_running=0))
note("a runner that publishes and delivers nothing")
Signer(SigningKeys.generate("upstash"), scheme="upstash")
note("Upstash")
verifier.dependency()
note("FastAPI")
asyncio.run(run())
note("a runner that delivers")
print(json.dumps(loaded))
"""


def test_without_the_extra_a_dependency_of_fastapi_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "aiojobs_lite.http.signing.dependency", raising=False)
    monkeypatch.setitem(sys.modules, "starlette.exceptions", None)
    verifier = Verifier(SigningKeys.generate(), url="https://app.example/hooks")
    with pytest.raises(InvalidOption, match=r'pip install "aiojobs_lite\[http\]"'):
        verifier.dependency()


def test_only_what_is_used_is_imported(tmp_path: Path) -> None:
    """What each use loads that none before it did."""
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=unmeasured(), timeout=60, check=False
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == {
        "the import": [],
        "Standard Webhooks": [],
        "a request": [],
        "a runner that publishes and delivers nothing": [],
        "Upstash": ["jwt"],
        "FastAPI": ["starlette"],
        "a runner that delivers": ["aiohttp", "idna", "yarl"],
    }
