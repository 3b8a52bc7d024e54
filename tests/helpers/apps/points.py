"""Carries lives out up to a point at which they end, or meet a fault, and has each judged.

Usage: points.py FOLDER [POINT]. Without a point: reads points, a JSON list a line, and answers each with a JSON object.

Every life is a fork of this process, which has all modules loaded, and no thread and no connection; so is every judge.
System calls are interfered with by strace, which is attached when the life has come to the gate.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from signal import SIGKILL
from typing import Any, NamedTuple
from unittest.mock import patch

from aiojobs_lite.stores.base import Durability
from tests.helpers import judge
from tests.helpers.apps import runner_life, store_life
from tests.helpers.apps.store_life import Step
from tests.helpers.pauses import poll
from tests.helpers.waiting import PATIENCE

CALLS = ("pwrite64", "write", "fdatasync", "fsync", "ftruncate", "unlink")  # each is counted for itself, and by thread
_CALL = re.compile(r"^(\d+) +(\w+)\(", re.MULTILINE)
ERRORS = ("ENOSPC", "EIO")
ENDED = 9  # the exit code of a life that ends itself


class Point(NamedTuple):
    """Where a life ends, or meets a fault.

    Attributes:
        life: `store` or `runner`.
        durability: Of its store.
        gate: From where system calls are counted: `begin`, or `opened` (when the store is open).
        fault: `exit` (its own end), `SIGKILL`, or one of `ERRORS`; or `none`, and the calls are counted.
        call: `statement`, or the name of a system call (to count them: any).
        nth: At which of them, from 1.
        times: How many in a row fail.
    """

    life: str
    durability: Durability
    gate: str
    fault: str
    call: str
    nth: int
    times: int = 1


class Verdict(NamedTuple):
    """What became of a life.

    Attributes:
        is_reached: Whether it came to the point.
        problem: What the judge found, or None.
        counted: How often each call was made, by the thread that made it most.
    """

    is_reached: bool
    problem: str | None
    counted: dict[str, int]


class Laboratory:
    """Carries points out.

    Args:
        folder: Where each life gets a folder of its own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()
        self._reference: Sequence[Step] = ()
        # Lives in this process, before there is any other: what they import is imported once.
        self._reference = asyncio.run(store_life.live(self._new_folder(), "normal"))
        warm = self._new_folder()
        asyncio.run(runner_life.live(warm, "normal"))
        asyncio.run(judge.judge_runner(warm))
        for thread in set(threading.enumerate()) - {threading.current_thread()}:
            thread.join()  # of a connection that is closed

    def carry_out(self, point: Point) -> Verdict:
        """Lives to the point, and judges what is left; removes it if all is well."""
        folder = self._new_folder()
        code, counted, is_injected = _lived(point, folder, partial(self._life, point, folder))
        is_reached, problem = _ended(point, code, is_injected)
        if problem is None and _forked(folder, partial(self._judge, point, folder)) != 0:
            problem = "the judge:"
        if problem is not None:
            return Verdict(is_reached, f"{problem} {_read(folder / 'trace')}", counted)
        shutil.rmtree(folder)
        return Verdict(is_reached, None, counted)

    def _new_folder(self) -> Path:
        folder = self._folder / f"{os.getpid()}-{next(self._numbers)}"
        folder.mkdir()
        return folder

    def _life(self, point: Point, folder: Path, gate: Callable[[str], None]) -> None:
        with _statements(point, folder):
            if point.life == "store":
                asyncio.run(store_life.live(folder, point.durability, self._reference, gate))
            else:
                asyncio.run(runner_life.live(folder, point.durability, gate))

    def _judge(self, point: Point, folder: Path) -> None:
        if point.life == "store":
            asyncio.run(judge.judge_store(folder, self._reference))
        else:
            asyncio.run(judge.judge_runner(folder, is_undisturbed=point.fault not in ERRORS))


def _statements(point: Point, folder: Path) -> Any:
    """Counts the statements of every connection; ends the process before the one of the point.

    To end before a SELECT, or a statement of a trigger, is to end before the statement that follows it.
    """
    statements = count(1)

    def traced(sql: str) -> None:
        if sql.startswith(("SELECT", "--")):
            return
        nth = next(statements)
        if point.fault == "exit" and nth == point.nth:
            os._exit(ENDED)
        if point.fault == "none" and point.call == "statement":
            (folder / "statements").write_text(str(nth))

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connected(*arguments, **options)
        connection.set_trace_callback(traced)
        return connection

    connected = sqlite3.connect
    return patch.object(sqlite3, "connect", connect)


def _lived(
    point: Point, folder: Path, life: Callable[[Callable[[str], None]], None]
) -> tuple[int, dict[str, int], bool]:
    """Lives; returns the exit code, what was counted, and whether a fault was injected."""
    if point.call == "statement":
        code = _forked(folder, partial(life, lambda _: None))
        return code, {"statement": int(_read(folder / "statements") or 0)}, False
    (here, there), (come, go) = os.pipe(), os.pipe()

    def gate(name: str) -> None:
        if name == point.gate:
            os.close(go)  # of this process: the other one's is the only one
            os.write(there, b".")
            os.read(come, 1)

    child = _fork(folder, partial(life, gate))
    os.close(there)
    os.close(come)
    try:
        if not os.read(here, 1):  # it ended on its way to the gate
            return _waited(child), {}, False
        tracer = _attached(child, folder / "strace", _interference(point))
    finally:
        os.close(here)
        os.close(go)  # which opens the gate
    code = _waited(child)
    tracer.wait(PATIENCE)
    log = (folder / "strace").read_text()
    return code, _counted(log), "(INJECTED)" in log


def _interference(point: Point) -> list[str]:
    options = ["-e", f"trace={','.join(CALLS)}"]
    if point.fault == "none":
        return options
    what = f"signal={point.fault}" if point.fault == "SIGKILL" else f"error={point.fault}"
    last = point.nth + point.times - 1
    return [*options, "-e", f"inject={point.call}:{what}:when={point.nth}..{last}"]


def _attached(child: int, log: Path, options: Sequence[str]) -> subprocess.Popen[bytes]:
    """Attaches strace to a process and all its threads; returns when it has them."""
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", log, *options, "-p", str(child)])
    poll(lambda: _is_traced(child) or tracer.poll() is not None, PATIENCE)
    if not _is_traced(child):
        raise RuntimeError("strace cannot be attached")
    return tracer


def _is_traced(child: int) -> bool:
    found = [status.read_text() for status in Path(f"/proc/{child}/task").glob("*/status")]
    return all("TracerPid:\t0\n" not in status for status in found)


def _counted(log: str) -> dict[str, int]:
    """How often each call was made, by the thread that made it most."""
    by_thread = Counter(_CALL.findall(log))
    counted: dict[str, int] = {}
    for (_, call), times in by_thread.items():
        counted[call] = max(times, counted.get(call, 0))
    return counted


def _ended(point: Point, code: int, is_injected: bool) -> tuple[bool, str | None]:
    """Whether it came to the point, and what is wrong with the way in which it ended."""
    broken_off = {"exit": ENDED, "SIGKILL": -SIGKILL}.get(point.fault)
    if code == 0:
        return broken_off is None and is_injected, None
    if code == broken_off:
        return True, None
    return is_injected, f"it ended with {code}:"


def _forked(folder: Path, call: Callable[[], None]) -> int:
    return _waited(_fork(folder, call))


def _waited(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _fork(folder: Path, call: Callable[[], None]) -> int:
    """Calls in a child process, which then ends at once, with the code 1 if it failed."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        with (folder / "trace").open("a") as trace:
            faulthandler.dump_traceback_later(PATIENCE / 2, exit=True, file=trace)
            try:
                os.dup2(trace.fileno(), 2)
                call()
                code = 0
            except BaseException:
                traceback.print_exc(file=trace)
    finally:
        os._exit(code)


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def main(folder: str, *points: str) -> None:
    laboratory = Laboratory(Path(folder))
    for line in points or sys.stdin:
        verdict = laboratory.carry_out(Point(*json.loads(line)))
        sys.stdout.write(json.dumps(verdict) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
