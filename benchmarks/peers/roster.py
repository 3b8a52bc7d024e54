"""Which peers are measured, at which durabilities, with how many jobs, and what is to be known about each."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal

from benchmarks import servers
from benchmarks.harness import DURABILITIES, OURS, Durability
from benchmarks.peers import alpha
from benchmarks.peers.child import AWAITED_FUNCTIONS, CONCURRENT, FUNCTIONS, PRELOADED, SEQUENTIAL

ServerName = Literal["redis", "postgresql"]
_OF_JOBS: Final = (SEQUENTIAL, CONCURRENT, PRELOADED)
WORKLOADS: Final = (*_OF_JOBS, FUNCTIONS, AWAITED_FUNCTIONS)
_DBOS_NEEDS_SQLITE: Final = (3, 42)
_NEWER: Final = "pysqlite3-binary"  # has a SQLite within
_HONKER_NEEDS_GLIBC: Final = (2, 38)


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """A peer at one durability.

    Attributes:
        key: What the child is told.
        words: The durability in the figures.
        beside: Ours that is compared with it: `full` if each commit is synced, else `normal`.
        jobs: How many are measured, by workload: about a second's work.
        settings: Of the peer's server.
    """

    key: str
    words: str
    beside: Durability
    jobs: Mapping[str, int]
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Peer:
    """What is measured.

    Attributes:
        name: In the figures, with the version behind it.
        module: The file beside this one.
        variants: Its durabilities, its own default first.
        producers: How the concurrent enqueue is done.
        worker: How the preloaded run is done.
        server: Which one it needs.
        missing: Why it cannot be measured here; empty if it can.
        versions: Gives its version.
        sqlite: The oldest that it, or what is beside it, works on; that of pysqlite3 stands in for an older one.
    """

    name: str
    module: str
    variants: tuple[Variant, ...]
    producers: str
    worker: str
    server: ServerName | None = None
    missing: Callable[[], str] = lambda: ""
    versions: Callable[[str], str] = version
    sqlite: tuple[int, int] = (0, 0)

    @property
    def who(self) -> str:
        """The name in the figures."""
        if self.name == OURS:
            return OURS
        try:
            return f"{self.name} {self.versions(self.name)}"
        except PackageNotFoundError:
            return self.name

    def reason(self) -> str:
        """Why it cannot be measured here; empty if it can."""
        if reason := self.missing() or _server_missing(self.server):
            return reason
        try:
            self.versions(self.name)
            if self.needs_newer_sqlite:
                version(_NEWER)
        except PackageNotFoundError as error:
            needed = f" (SQLite {sqlite3.sqlite_version} is too old)" if error.name == _NEWER else ""
            return f"{error.name} is not installed{needed}: pip install -e '.[bench]' {error.name}"
        return ""

    @property
    def needs_newer_sqlite(self) -> bool:
        """Whether that of this interpreter is too old."""
        return sqlite3.sqlite_version_info < self.sqlite


def _jobs(sequential: int, concurrent: int, preloaded: int) -> dict[str, int]:
    return dict(zip(_OF_JOBS, (sequential, concurrent, preloaded), strict=True))


def _server_missing(server: ServerName | None) -> str:
    if server == "redis":
        return servers.redis_missing()
    return servers.postgresql_missing() if server == "postgresql" else ""


def _honker_missing() -> str:
    name, found = platform.libc_ver()
    needed = ".".join(map(str, _HONKER_NEEDS_GLIBC))
    if name == "glibc" and tuple(map(int, found.split(".")[:2])) < _HONKER_NEEDS_GLIBC:
        return f"its wheel needs glibc {needed}, here is {found}"
    try:
        version("honker")
    except PackageNotFoundError:
        return "honker is not installed: pip install honker"
    return ""


def _redis_variants(off: dict[str, int], every_second: dict[str, int], always: dict[str, int]) -> tuple[Variant, ...]:
    return (
        Variant("default", "Redis, snapshots only, AOF off (default)", "normal", off),
        Variant("everysec", "Redis, AOF, appendfsync=everysec", "normal", every_second, _aof("everysec")),
        Variant("always", "Redis, AOF, appendfsync=always", "full", always, _aof("always")),
    )


def _aof(fsync: str) -> dict[str, str]:
    return {"appendonly": "yes", "appendfsync": fsync}


def _postgresql_variants(on: dict[str, int], off: dict[str, int]) -> tuple[Variant, ...]:
    return (
        Variant("default", "fsync on, synchronous_commit=on (default)", "full", on),
        Variant("normal", "synchronous_commit=off", "normal", off, {"synchronous_commit": "off"}),
    )


def _journal_variants(default: dict[str, int], wal: dict[str, int]) -> tuple[Variant, ...]:
    return (
        Variant("default", "rollback journal, synchronous=FULL (default)", "full", default),
        Variant("normal", "WAL, synchronous=NORMAL", "normal", wal),
    )


_TASKS = "100 coroutines"
_THREADS = "100 threads"

ROSTER: Final = (
    Peer(
        "aiojobs_lite",
        "ours",
        (
            Variant("normal", "normal", "normal", _jobs(5_000, 40_000, 30_000)),
            Variant("full", "full", "full", _jobs(3_000, 40_000, 30_000)),
        ),
        _TASKS,
        "max_running=100; opening the database is in the time",
    ),
    Peer(
        "tinyjobs",
        "tinyjobs",
        (
            Variant("default", "WAL, synchronous=NORMAL (default)", "normal", _jobs(5_000, 8_000, 8_000)),
            Variant("full", "WAL, synchronous=FULL (patched, no option)", "full", _jobs(3_000, 4_000, 4_000)),
        ),
        _TASKS,
        "concurrency=100",
    ),
    Peer(
        "huey",
        "huey",
        (
            Variant("default", "WAL, synchronous=FULL (default)", "full", _jobs(5_000, 5_000, 5_000)),
            Variant("normal", "WAL, synchronous=OFF (fsync=False)", "normal", _jobs(20_000, 20_000, 15_000)),
        ),
        _THREADS,
        "10 threads, its fastest number of 1 to 100; polls every 1 to 10 ms; a job is deleted before it runs",
    ),
    Peer(
        "APScheduler",
        "apscheduler3",
        _journal_variants(_jobs(1_000, 600, 1_000), _jobs(5_000, 5_000, 5_000)),
        _THREADS,
        "AsyncIOScheduler, no limit of slots; all due jobs are read and deleted before the first one runs",
    ),
    Peer(
        "APScheduler",
        "apscheduler4",
        _journal_variants(_jobs(400, 200, 250), _jobs(600, 300, 300)),
        _TASKS,
        "max_concurrent_jobs=100, aiosqlite",
        missing=alpha.missing,
        versions=alpha.version,
    ),
    Peer(
        "SAQ",
        "saq",
        _redis_variants(_jobs(5_000, 8_000, 2_500), _jobs(5_000, 8_000, 2_500), _jobs(2_500, 8_000, 2_500)),
        _TASKS,
        "concurrency=100",
        "redis",
    ),
    Peer(
        "arq",
        "arq",
        _redis_variants(_jobs(5_000, 8_000, 2_500), _jobs(5_000, 8_000, 2_500), _jobs(2_500, 8_000, 1_200)),
        _TASKS,
        "max_jobs=100, polls every 10 ms (default 500 ms)",
        "redis",
    ),
    Peer(
        "procrastinate",
        "procrastinate",
        _postgresql_variants(_jobs(600, 1_000, 400), _jobs(1_000, 1_500, 600)),
        _TASKS + " on 10 connections",
        "concurrency=100 on 10 connections",
        "postgresql",
    ),
    Peer(
        "PgQueuer",
        "pgqueuer",
        _postgresql_variants(_jobs(1_000, 1_200, 8_000), _jobs(3_000, 3_000, 8_000)),
        _TASKS + " on 10 connections",
        "batches of 100, max_concurrent_tasks=200 (the least for that), 10 connections",
        "postgresql",
    ),
    Peer(
        "DBOS",
        "dbos",
        _journal_variants(_jobs(200, 200, 300), _jobs(2_000, 1_000, 1_000)),
        _TASKS,
        "worker_concurrency=100, polls every 10 ms (default 1 s); its launch is in the time",
        sqlite=_DBOS_NEEDS_SQLITE,
    ),
    Peer(
        "honker",
        "honker",
        (
            Variant("default", "WAL, synchronous=NORMAL (default)", "normal", _jobs(20_000, 20_000, 5_000)),
            Variant("batches", "WAL, synchronous=NORMAL (default), no worker", "normal", {PRELOADED: 50_000}),
        ),
        _THREADS,
        "run_workers(concurrency=100); without a worker: a bare loop of claim_batch(100), no tasks, and ack_batch",
        missing=_honker_missing,
    ),
)
_FUNCTIONS: Final = {FUNCTIONS: 2_000, AWAITED_FUNCTIONS: 2_000}
FUNCTIONS_ROSTER: Final = (
    Peer(
        "aiojobs_lite",
        "ours_functions",
        tuple(Variant(key, key, key, _FUNCTIONS) for key in DURABILITIES),
        _TASKS,
        "",
        sqlite=_DBOS_NEEDS_SQLITE,
    ),
    Peer(
        "DBOS",
        "dbos_functions",
        _journal_variants(_FUNCTIONS, _FUNCTIONS),
        _TASKS,
        "",
        sqlite=_DBOS_NEEDS_SQLITE,
    ),
)
_BESIDE: Final = {variant.words: variant.beside for peer in ROSTER for variant in peer.variants}


def beside(durability: str) -> Durability:
    """Which durability of ours is to be compared with this one of a figure."""
    return _BESIDE[durability]
