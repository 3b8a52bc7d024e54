"""Owners of a database and their files, as this process and another one see them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aiojobs_lite.stores.sqlite.owners import FileOwners
from tests.helpers.root import ROOT
from tests.helpers.waiting import unmeasured

ONE, TWO, DEAD, ELSEWHERE = "1" * 16, "2" * 16, "0123456789abcdef", "e" * 16
HOLD = f"""if True:
    import asyncio, sys
    from aiojobs_lite.stores.sqlite.owners import FileOwners
    owners = FileOwners(sys.argv[1])
    asyncio.run(owners.acquire({ELSEWHERE!r}, lost=print, regained=print))
    print("alive", flush=True)
    sys.stdin.read()
"""


Make = Callable[[Path, Path], object]  # (the file to be made, a file that is there)
NO_FILES: dict[str, Make] = {
    "a link": lambda file, other: file.symlink_to(other),
    "a link to nothing": lambda file, other: file.symlink_to(other.with_name("nothing")),
    "another name": lambda file, other: file.hardlink_to(other),
    "a folder": lambda file, other: file.mkdir(),
    "a pipe": lambda file, other: os.mkfifo(file),
}
"""What may stand where a file of an owner is looked for, and is none."""


@contextmanager
def owner_elsewhere(database: str) -> Iterator[subprocess.Popen[str]]:
    """The owner ELSEWHERE in a process of its own, which lives for the block."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, database],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=unmeasured(),
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "alive"
            yield process
        finally:
            process.kill()


def dead_for_another_process(database: str, owner: str) -> bool:
    """What another process takes an owner for."""
    script = f"""if True:
        import asyncio
        from aiojobs_lite.stores.sqlite.owners import FileOwners
        print(asyncio.run(FileOwners({database!r}).dead({{{owner!r}}})))
    """
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=unmeasured())
    return owner in done.stdout


def never() -> None:
    raise AssertionError("a kernel lock is not lost")


async def acquired(database: str | None, owner: str) -> FileOwners:
    owners = FileOwners(database)
    await owners.acquire(owner, lost=never, regained=never)
    return owners


def files(path: str) -> list[str]:
    return sorted(entry.name.removeprefix("jobs[1].db-owner-") for entry in Path(path).parent.iterdir())
