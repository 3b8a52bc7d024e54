"""The package `inngest` needs its extra for what uses it, and for nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.helpers.source import PACKAGE, module_of
from tests.helpers.waiting import unmeasured

PROGRAM = """
import importlib, json, sys
import aiojobs_lite.inngest

loaded, known = {{}}, {{"aiohttp", "jcs", "re2", "starlette"}}

def note(what):
    loaded[what] = sorted(known & set(sys.modules) - {{name for names in loaded.values() for name in names}})

note("the import")
for name in {modules}:
    importlib.import_module(name)
note("its modules")
from aiojobs_lite.inngest.keys import AppKeys, canonical_body
AppKeys("signkey-test-12345678").sign(b"{{}}", 1)
note("a signature")
canonical_body("{{}}")
note("the form that is signed")
print(json.dumps(loaded))
"""
MODULES = [
    "answers", "call", "conditions", "driver", "durations", "events", "fetched", "gateway", "ids", "keys", "operations",
    "raw_json", "run_errors",
]  # fmt: skip


def test_only_what_is_used_is_imported(tmp_path: Path) -> None:
    """What each use loads that none before it did."""
    names = [name for name in map(module_of, PACKAGE) if name in {f"aiojobs_lite.inngest.{one}" for one in MODULES}]
    assert len(names) == len(MODULES)
    command = [sys.executable, "-c", PROGRAM.format(modules=names)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=unmeasured(), timeout=60, check=False
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == {
        "the import": [], "its modules": [], "a signature": [], "the form that is signed": ["jcs"],
    }  # fmt: skip
