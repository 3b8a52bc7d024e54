"""`qstash_app`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, JobRunner
from aiojobs_lite.http import Http, Signer, SigningKeys
from aiojobs_lite.qstash import StoredSigner, qstash_app
from tests.helpers.qstash import CURRENT_KEY, NEXT_KEY, TOKEN
from tests.helpers.rings import slow
from tests.helpers.waiting import unmeasured

HTTP = Http()
RUNNER = JobRunner(":memory:", jobs=[HTTP])


@pytest.mark.parametrize(
    ("runner", "http", "option", "expected"),
    [
        ("x", HTTP, "runner", "a JobRunner"),
        (RUNNER, "x", "http", "the Http(...) that is among the job types of the runner"),
    ],
)
def test_what_it_works_with_is_checked(runner: Any, http: Any, option: str, expected: str) -> None:
    with pytest.raises(InvalidOption) as refused:
        qstash_app(runner, http, token=TOKEN)
    assert (refused.value.option, refused.value.expected) == (option, expected)


def test_deliveries_have_one_signer() -> None:
    http = Http(qstash_signer=Signer(SigningKeys.generate("upstash"), scheme="upstash"))
    with pytest.raises(InvalidOption, match="none: the application of the QStash API signs by its own keys"):
        qstash_app(JobRunner(":memory:", jobs=[http]), http, token=TOKEN)
    http = Http(qstash_signer=StoredSigner(SigningKeys(CURRENT_KEY, NEXT_KEY)))
    runner = JobRunner(":memory:", jobs=[http])
    qstash_app(runner, http, token=TOKEN, current_key=CURRENT_KEY, next_key=NEXT_KEY)
    with pytest.raises(InvalidOption, match="qstash_signer"):
        qstash_app(runner, http, token=TOKEN, current_key=NEXT_KEY)


PROGRAM = """
import sys
{before}
from aiojobs_lite import JobRunner
from aiojobs_lite.http import Http
from aiojobs_lite.qstash import qstash_app
http = Http()
runner = JobRunner(":memory:", jobs=[http])
print(*sorted({{"aiohttp", "jwt", "starlette"}} & set(sys.modules)))
try:
    qstash_app(runner, http, token="0123456789abcdef")
except ValueError as error:
    print(str(error).partition("expected ")[2])
else:
    print(*sorted({{"aiohttp", "jwt", "starlette"}} & set(sys.modules)))
"""
MISSING = 'sys.modules["starlette"] = sys.modules["starlette.requests"] = None'


@pytest.mark.parametrize(
    ("before", "printed"),
    [
        pytest.param("", ["", "starlette"], marks=slow, id="with the extra"),
        pytest.param(
            MISSING, ["starlette", 'the extra to be installed: pip install "aiojobs_lite[http]".'], id="without it"
        ),
    ],
)
def test_the_extra_is_imported_when_it_is_called(before: str, printed: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM.format(before=before)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=unmeasured(), timeout=60, check=False
    )
    assert (done.stderr, done.stdout.splitlines()) == ("", printed)
