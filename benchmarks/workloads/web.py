"""The web case: what a durable job costs an endpoint of FastAPI under uvicorn, by wrk."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.harness import Figure, Plan, new_path

ENDPOINTS: Final = ("none", "background", "enqueue")
CONNECTIONS: Final = 32
SECONDS: Final = 4
_APP: Final = "benchmarks.workloads.web_app:app"
_UNITS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def web(plan: Plan) -> Iterator[Figure]:
    """Requests per second and 99th percentile of each endpoint, with and without `gc.freeze()` after the start."""
    if shutil.which("wrk") is None:
        yield Figure("web", "wrk", "normal", "requests/s", (), note="wrk is not installed: apt-get install wrk")
        return
    yield from _measured(plan, "web", freeze=True)
    yield from _measured(plan, "web, nothing frozen", freeze=False)


def _measured(plan: Plan, workload: str, *, freeze: bool) -> Iterator[Figure]:
    """The endpoints take turns on one server."""
    rates: dict[str, list[float]] = {name: [] for name in ENDPOINTS}
    tails: dict[str, list[float]] = {name: [] for name in ENDPOINTS}
    with new_path() as path, served(_APP, _environment(path, freeze=freeze)) as server:
        for _ in range(plan.rounds):
            for name in ENDPOINTS:
                rate, tail = _asked(f"{server.address}/{name}", max(1, round(SECONDS * min(1.0, plan.scale))))
                rates[name].append(rate)
                tails[name].append(tail)
    for name in ENDPOINTS:
        yield Figure(workload, f"/{name}", "normal", "requests/s", tuple(rates[name]))
        yield Figure(f"{workload} p99", f"/{name}", "normal", "ms", tuple(tails[name]))


def _environment(path: Path, *, freeze: bool) -> dict[str, str]:
    return {**os.environ, "AIOJOBS_LITE_DATABASE": str(path), "FREEZE": "1" if freeze else ""}


class Server(NamedTuple):
    """An application under uvicorn, in a process of its own.

    Attributes:
        address: Where it answers.
        pid: Its process.
    """

    address: str
    pid: int

    def cpu(self) -> float:
        """Seconds of CPU that its threads have used."""
        used = [one.read_text(encoding="ascii") for one in Path(f"/proc/{self.pid}/task").glob("*/schedstat")]
        return sum(int(times.split()[0]) for times in used) / 1e9


@contextmanager
def served(app: str, environment: Mapping[str, str]) -> Iterator[Server]:
    """Serves an application."""
    command = [sys.executable, "-m", "uvicorn", app, "--port", "0", "--no-access-log"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**environment}) as server:
        try:
            assert server.stderr is not None
            for line in server.stderr:
                if found := re.search(r"running on (http://\S+)", line):
                    yield Server(found[1], server.pid)
                    break
        finally:
            server.send_signal(signal.SIGTERM)


def _asked(url: str, seconds: int) -> tuple[float, float]:
    """Requests per second, and the 99th percentile in milliseconds."""
    command = [
        "wrk",
        "--threads",
        "1",
        "--connections",
        str(CONNECTIONS),
        "--duration",
        f"{seconds}s",
        "--latency",
        url,
    ]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    tail = re.search(r"99%\s+([\d.]+)(us|ms|s)", printed)
    if rate is None or tail is None or "Non-2xx" in printed:
        raise RuntimeError(f"wrk did not measure {url}:\n{printed}")
    return float(rate[1]), float(tail[1]) * _UNITS[tail[2]]
