"""What handlers start: programs, and processes of multiprocessing. For these, the module imports no library."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.helpers.pauses import poll
from tests.helpers.root import ROOT

HOWS = ("subprocess", "fork", "spawn", "forkserver")
_PATIENCE = 30.0  # seconds


def double(n: int) -> int:
    return 2 * n


def stays(note: str) -> None:
    """Notes its process in a file, and goes on."""
    with Path(note).open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
    threading.Event().wait()


def start(how: str, note: str) -> Any:
    """Starts what stays, and returns it when it has noted itself."""
    if how == "subprocess":
        code = "import sys; from tests.helpers.starting import stays; stays(sys.argv[1])"
        started: Any = subprocess.Popen([sys.executable, "-c", code, note], cwd=ROOT)
    else:
        context: Any = multiprocessing.get_context(how)
        started = context.Process(target=stays, args=(note,))
        started.start()
    until_noted(note)
    return started


def until_noted(note: str) -> None:
    assert poll(lambda: Path(note).exists() and Path(note).read_text(), _PATIENCE)


def terminated(how: str, note: str) -> int:
    """How something ends that is asked to; it has no handler, wherever it was started."""
    started = start(how, note)
    started.terminate()
    try:
        if how == "subprocess":
            return int(started.wait(_PATIENCE))
        started.join(_PATIENCE)
        return int(started.exitcode)
    finally:
        started.kill()


def pooled(how: str) -> list[int]:
    """What a pool gives, which is then ended."""
    if how == "subprocess":
        code = "print([2 * n for n in range(4)])"
        return list(map(int, subprocess.check_output([sys.executable, "-c", code], text=True).strip("[]\n").split(",")))
    with multiprocessing.get_context(how).Pool(2) as pool:
        return pool.map(double, range(4))


def forks_what_stays(note: str) -> None:
    """A copy of this process stays, and has all of its descriptors."""
    if os.fork() == 0:
        stays(note)
    until_noted(note)


def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
