"""Starts a measurement in an interpreter of its own and its server, and stops both with certainty."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import servers
from benchmarks.peers import alpha
from benchmarks.peers.roster import Peer, Variant

_ROOT: Final = Path(__file__).parent.parent.parent
_WITHIN: Final = 150.0  # seconds for a child, with the enqueues before a preloaded run


class MeasurementFailed(RuntimeError):
    """A child did not give a result; the text is the end of what it wrote."""


@dataclass(frozen=True, slots=True)
class Result:
    """Of one measurement.

    Attributes:
        seconds: How long it took.
        cpu: Seconds of the processor in the peer's process.
        fsyncs: How often the disk was waited for, if that was counted.
    """

    seconds: float
    cpu: float
    fsyncs: int


Measure = Callable[[str, int], Result]


class Launcher:
    """Runs measurements; the data folder of PostgreSQL is made once for all of them.

    Args:
        folder: Where PostgreSQL keeps its data; None: it is not there.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @contextmanager
    def ready(self, peer: Peer, variant: Variant, *, traced: bool = False) -> Iterator[Measure]:
        """Gives a function that measures one workload with so many jobs, while the peer's server runs, if it needs one.

        Args:
            peer: Which one.
            variant: At which durability.
            traced: Also counts the fsyncs, which slows all.
        """
        with tempfile.TemporaryDirectory(prefix="aiojobs_lite-benchmark-") as name:
            folder = Path(name)
            folder.chmod(0o777)  # the server's user writes the log
            log = folder / "fsyncs.log" if traced else None
            with self._serving(peer, variant, log) as server:

                def measure(workload: str, jobs: int) -> Result:
                    return _in_child(peer, variant, workload, jobs, server, log)

                yield measure

    def _serving(self, peer: Peer, variant: Variant, log: Path | None) -> AbstractContextManager[servers.Server | None]:
        if peer.server == "redis":
            return servers.redis(variant.settings, log)
        if peer.server == "postgresql":
            assert self._folder is not None
            return servers.postgresql(self._folder, variant.settings, log)
        return nullcontext()


@contextmanager
def launcher() -> Iterator[Launcher]:
    """A launcher, with PostgreSQL if it is installed."""
    if servers.postgresql_missing():
        yield Launcher(None)
        return
    with servers.cluster() as folder:
        yield Launcher(folder)


def _in_child(
    peer: Peer, variant: Variant, workload: str, jobs: int, server: servers.Server | None, log: Path | None
) -> Result:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="aiojobs_lite-benchmark-"))
        url = stack.enter_context(server.fresh()) if server else ""
        through = ["benchmarks.peers.newer_sqlite"] if peer.needs_newer_sqlite else []
        command = [sys.executable, "-m", *through, f"benchmarks.peers.{peer.module}", workload, str(jobs), folder]
        command += ["--durability", variant.key, "--url", url]
        if log is not None:
            command += ["--strace", str(log)]
        if log is not None and server is None:
            log.unlink(missing_ok=True)
            command = [*servers.strace(log), *command]
        return _result(command, peer)


def _result(command: list[str], peer: Peer) -> Result:
    environment = dict(os.environ)
    if peer.module == "apscheduler4":
        paths = [str(alpha.FOLDER), *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    child = servers.start(command, _ROOT, subprocess.PIPE, subprocess.PIPE, environment=environment)
    try:
        output, errors = child.communicate(timeout=_WITHIN)
    except subprocess.TimeoutExpired:
        raise MeasurementFailed(f"took more than {_WITHIN:.0f} s") from None
    finally:
        servers.stop(child)
    lines = output.decode().splitlines()
    if child.returncode != 0 or not lines:
        last = errors.decode(errors="replace").strip().splitlines()[-1:]
        raise MeasurementFailed(f"exit {child.returncode}: {''.join(last)[:200]}")
    return Result(**json.loads(lines[-1]))
