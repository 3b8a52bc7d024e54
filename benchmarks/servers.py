"""Private servers for the peers that need one: on loopback, with a free port and a temporary folder, surely stopped."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Final, Protocol

_LOOPBACK: Final = "127.0.0.1"
_READY_WITHIN = 30.0
_STOPPED_WITHIN = 15.0
_TRIES = 3  # another process may take the free port before the server does
_DIE_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG
_SYNCS: Final = ("-f", "--seccomp-bpf", "-qq", "-e", "trace=fsync,fdatasync")


class ServerMissing(RuntimeError):
    """A server is not installed; the text says how to install it."""


class ServerFailed(RuntimeError):
    """A server did not start; the text is the end of its log."""


class Server(Protocol):
    """A running server."""

    def fresh(self) -> AbstractContextManager[str]:
        """URL of an empty database, which is gone afterwards."""
        ...


def strace(log: Path) -> list[str]:
    """The command that writes each fsync and fdatasync of another command and of its children to `log`."""
    found = shutil.which("strace")
    if found is None:
        raise ServerMissing("strace is not installed: apt-get install strace")
    return [found, *_SYNCS, "-o", str(log), *_die_with_strace()]


def _die_with_strace() -> list[str]:
    """A command that strace runs would go on without it."""
    found = shutil.which("setpriv")
    return [found, "--pdeathsig", "KILL"] if found else []


def syncs(log: Path) -> int:
    """How many fsync and fdatasync calls strace has written so far."""
    lines = log.read_text().splitlines() if log.exists() else []
    return sum(" fsync(" in line or " fdatasync(" in line for line in lines)


def start(
    command: Sequence[str],
    folder: Path,
    output: IO[bytes] | int,
    errors: IO[bytes] | int,
    *,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a process in a session of its own; on Linux it is killed when this process is, however that ends."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        user=user,
        start_new_session=True,
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509  # no threads here
    )


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kills what `start` started, with all that it started itself; returns when it is gone."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def redis_missing() -> str:
    """Why there can be no Redis here; empty if there can."""
    return "" if shutil.which("redis-server") else "redis-server is not installed: apt-get install redis-server"


@contextmanager
def redis(settings: Mapping[str, str], log: Path | None = None) -> Iterator[Server]:
    """Redis with its own defaults and these settings, such as `appendfsync`.

    Args:
        settings: Options of redis-server by name.
        log: Where strace writes its fsyncs; None: it is not traced.
    """
    if missing := redis_missing():
        raise ServerMissing(missing)
    with _folder(None) as folder:
        options = {"bind": _LOOPBACK, "dir": str(folder), **settings}
        command = ["redis-server", *(word for name, value in options.items() for word in (f"--{name}", value))]
        with _started(command, "--port", folder, log, None, _pings) as port:
            yield _Redis(port)


class _Redis:
    def __init__(self, port: int) -> None:
        self._port = port

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """URL of an empty database, which is gone afterwards."""
        _tell_redis(self._port, b"FLUSHALL\r\n")
        yield f"redis://{_LOOPBACK}:{self._port}/0"
        _tell_redis(self._port, b"FLUSHALL\r\n")


def _tell_redis(port: int, command: bytes) -> bytes:
    with socket.create_connection((_LOOPBACK, port), timeout=_READY_WITHIN) as connection:
        connection.sendall(command)
        return connection.recv(100)


def _pings(port: int) -> bool:
    try:
        return _tell_redis(port, b"PING\r\n").startswith(b"+PONG")
    except OSError:
        return False


def postgresql_missing() -> str:
    """Why there can be no PostgreSQL here; empty if there can."""
    return "" if _postgresql_programs() else "PostgreSQL is not installed: apt-get install postgresql"


@contextmanager
def cluster() -> Iterator[Path]:
    """A new data folder for `postgresql`, made once for several starts of the server; gone afterwards."""
    programs = _postgresql_programs()
    if programs is None:
        raise ServerMissing(postgresql_missing())
    with _folder(_postgresql_user()) as folder:
        subprocess.run(
            [str(programs / "initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", "postgres", "-E", "UTF8", "-N"],
            check=True,
            capture_output=True,
            cwd=folder,
            user=_postgresql_user(),
        )
        yield folder


@contextmanager
def postgresql(folder: Path, settings: Mapping[str, str], log: Path | None = None) -> Iterator[Server]:
    """PostgreSQL with its own defaults and these settings, such as `synchronous_commit`.

    Args:
        folder: Of `cluster`.
        settings: Options of the server by name.
        log: Where strace writes its fsyncs, in a folder where its user may write; None: it is not traced.
    """
    programs = _postgresql_programs()
    if programs is None:
        raise ServerMissing(postgresql_missing())
    options = {"listen_addresses": _LOOPBACK, "unix_socket_directories": "", **settings}
    command = [str(programs / "postgres"), "-D", str(folder / "data")]
    command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]

    def ready(port: int) -> bool:
        asked = [str(programs / "pg_isready"), "-q", "-h", _LOOPBACK, "-p", str(port), "-t", "1"]
        return subprocess.run(asked, check=False).returncode == 0

    with _started(command, "-p", folder, log, _postgresql_user(), ready) as port:
        yield _PostgreSQL(programs, port)


class _PostgreSQL:
    def __init__(self, programs: Path, port: int) -> None:
        self._programs = programs
        self._port = port

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """URL of an empty database, which is gone afterwards."""
        self._run("createdb", "benchmark")
        try:
            yield f"postgresql://postgres@{_LOOPBACK}:{self._port}/benchmark"
        finally:
            self._run("dropdb", "--force", "benchmark")

    def _run(self, program: str, *arguments: str) -> None:
        address = ["-h", _LOOPBACK, "-p", str(self._port), "-U", "postgres"]
        subprocess.run([str(self._programs / program), *address, *arguments], check=True, capture_output=True)


def _postgresql_programs() -> Path | None:
    """The folder of initdb and postgres, of the newest version there is."""
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return max(folders, key=lambda folder: float(folder.parent.name), default=None)


def _postgresql_user() -> str | None:
    """As whom it runs: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@contextmanager
def _folder(user: str | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="aiojobs_lite-benchmark-") as name:
        if user is not None:
            shutil.chown(name, user)
        yield Path(name)


@contextmanager
def _started(
    command: Sequence[str],
    port_option: str,
    folder: Path,
    log: Path | None,
    user: str | None,
    ready: Callable[[int], bool],
) -> Iterator[int]:
    """The command on a free port, which is yielded as soon as it answers."""
    if log is not None:
        command = [*strace(log), *command]
    output = folder / "server.log"
    for _ in range(_TRIES):
        port = _free_port()
        with output.open("wb") as file:
            process = start([*command, port_option, str(port)], folder, file, file, user=user)
        try:
            if _becomes_ready(process, port, ready):
                yield port
                return
        finally:
            _stop_server(process, traced=log is not None)
    raise ServerFailed(output.read_text(errors="replace")[-500:])


def _becomes_ready(process: subprocess.Popen[bytes], port: int, ready: Callable[[int], bool]) -> bool:
    until = time.monotonic() + _READY_WITHIN
    while process.poll() is None and time.monotonic() < until:
        if ready(port):
            return True
        time.sleep(0.02)
    return False


def _stop_server(process: subprocess.Popen[bytes], *, traced: bool) -> None:
    """SIGINT is a fast shutdown to PostgreSQL, a normal one to Redis. strace is not told: it ends with its server."""
    if process.poll() is None:
        with suppress(OSError):
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            for pid in children.read_text().split() if traced else [str(process.pid)]:
                os.kill(int(pid), signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOPPED_WITHIN)
    stop(process)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((_LOOPBACK, 0))
        port: int = found.getsockname()[1]
        return port


def _die_with_parent() -> None:
    """Runs in the new process before the command."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
