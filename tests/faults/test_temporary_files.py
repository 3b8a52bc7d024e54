"""The store makes no temporary files: the disk that holds them may be full, and they cost as much as the log does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.helpers.rings import needs_strace, slow

LIFE = """
import asyncio, sys
from aiojobs_lite import JobRunner, job

@job
async def report() -> str:
    return "x" * 2_000

async def main() -> None:
    async with JobRunner(sys.argv[1], jobs=[report], max_running=200) as runner:
        await runner.enqueue_many([report.bind() for _ in range(1_000)])
        await runner.run_until_idle()
        assert runner.stats().completed == 1_000

asyncio.run(main())
"""


@slow
@needs_strace
def test_statements_of_many_large_rows_write_to_the_files_of_the_database_alone(tmp_path: Path) -> None:
    database, log = tmp_path / "app.db", tmp_path / "calls"
    command = ["strace", "-f", "--seccomp-bpf", "-qqq", "-e", "trace=open,openat,creat", "-o", str(log)]
    subprocess.run([*command, sys.executable, "-c", LIFE, str(database)], check=True)
    opened = {line.split('"')[1] for line in log.read_text().splitlines() if '"' in line and "O_CREAT" in line}
    assert str(database) in opened, "the log has what was opened"
    assert {path for path in opened if not path.startswith(str(database))} == set()
