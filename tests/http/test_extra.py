"""The package `http` needs its extra for what uses it, and for nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.waiting import unmeasured

PROGRAM = """
import sys
from aiojobs_lite.http import MemoryInbox, Signer, SigningKeys, Verifier, VerifyMiddleware
{more}
print(*sorted({{"aiohttp", "fastapi", "httpx", "jwt", "standardwebhooks", "starlette"}} & set(sys.modules)))
"""
STANDARD = """
keys, url = SigningKeys.generate(), "https://app.example/hooks"
verifier = Verifier(keys, url=url)
verifier.verify(b"{}", Signer(keys).sign(b"{}", message_id="msg_1", url=url))
VerifyMiddleware(print, verifier=verifier, inbox=MemoryInbox())
"""
UPSTASH = 'Signer(SigningKeys.generate("upstash"), scheme="upstash")'
DEPENDENCY = f"{STANDARD}verifier.dependency()"


@pytest.mark.parametrize(
    ("more", "loaded"),
    [("", ""), (STANDARD, ""), (UPSTASH, "jwt"), (DEPENDENCY, "starlette")],
    ids=["the import", "Standard Webhooks", "Upstash", "FastAPI"],
)
def test_only_what_is_used_is_imported(more: str, loaded: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM.format(more=more)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=unmeasured(), timeout=60, check=False
    )
    assert (done.stderr, done.stdout.strip()) == ("", loaded)
