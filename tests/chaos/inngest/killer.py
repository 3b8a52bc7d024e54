"""Runs the server in forked processes, one after the other, each of which is killed; the app, the sender and a runner
of another application go on.

One thread, which forks; it has the database open only between two lives, and only to read it.
"""

from __future__ import annotations

import ctypes
import logging
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO, Any, Final, Literal, NoReturn

import uvicorn

from aiojobs_lite import Backoff, JobRunner
from aiojobs_lite.inngest import ids, inngest_app
from tests.chaos.inngest.model import CHECKED_PATH
from tests.chaos.inngest.notes import Notes, now_ms
from tests.chaos.inngest.plan import PATH, STARTED_BY
from tests.helpers.pauses import hold_thread_for, poll
from tests.helpers.root import ROOT

Durability = Literal["full", "normal"]
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_AT_START: Final = 0.3  # the share of processes that are killed while they start, or right after
_LONGEST_START_S: Final = 0.4
_MOST_NOTED: Final = 60_000  # bytes that the app may note in the life of one of the others: some 80 calls
_LONGEST_LIFE_S: Final = 10.0
_SLOTS: Final = 20  # of our process: with more, most are killed before the first answer
_LAST_S: Final = 180.0  # that the last process may take for what is left
_LOOK_EVERY_S: Final = 0.2
_STEPS: Final = """
    SELECT s.id, j.created_at, j.id, s.name, s.kind FROM aiojobs_steps s JOIN aiojobs_jobs j ON j.id = s.job_id
    WHERE s.ended_at >= ? AND s.name NOT LIKE '~%'
"""


class Killer:
    """One run.

    Args:
        folder: Where the database and the notes are.
        runs: How many runs of functions are to be under way at any time, besides those that they start.
        seed: Of all that is random here, in the app and in the sender.
        durability: Of our process.
    """

    def __init__(self, folder: Path, *, runs: int, seed: int, durability: Durability) -> None:
        self.folder = folder
        self.database = folder / "jobs.db"
        self.log = folder / "log"
        self._runs = runs
        self._seed = seed
        self._durability: Durability = durability
        self._chance = random.Random(seed)
        self._notes = Notes(folder / "killer")
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._of_app = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._known: set[int] = set()
        self._seen_until = 0
        self.lives = 0
        self.wanted = 0

    def run(self, kills: int, progress: Callable[[], None]) -> None:
        """Kills so often; then lets a last process come to the end of all runs."""
        inngest_app(JobRunner(":memory:"), mode="dev")  # imports what each process would have to import
        with ExitStack() as stack:
            stack.enter_context(self._listening)
            stack.enter_context(self._started("app", self._of_app.fileno(), self.folder / "app", self._seed))
            sender = stack.enter_context(self._started("sender", _url(self._listening), self.folder / "sender",
                                                       self._seed))  # fmt: skip
            stack.enter_context(self._started("neighbour", self.database, self._durability))
            assert sender.stdin is not None
            with self._life():
                _until(self._is_registered)
                self._order(sender.stdin)
                _until(self._has_begun)
            for life in range(2, kills + 1):
                self._order(sender.stdin)
                with self._life():
                    self._let_live()
                if life % 50 == 0:
                    progress()
            sender.stdin.close()
            with self._life():
                sender.wait(_LAST_S)
                _until(self._is_done)

    def _order(self, out: IO[bytes]) -> None:
        """Has the sender start as many runs as have ended."""
        self.wanted = self._ended() + self._runs
        out.write(b"%d\n" % self.wanted)
        out.flush()

    def _let_live(self) -> None:
        """Lets a process live for a time, or until the app has been called so often, so that all machines see both."""
        if self._chance.random() < _AT_START:
            hold_thread_for(self._chance.uniform(0, _LONGEST_START_S))
            return
        noted = self.folder / "app"
        enough = noted.stat().st_size + self._chance.uniform(0, _MOST_NOTED)
        poll(lambda: noted.stat().st_size >= enough, _LONGEST_LIFE_S)

    @contextmanager
    def _life(self) -> Iterator[None]:
        """A process of ours, which is killed at the end of the block."""
        self.lives += 1
        self._look()
        self._notes.note("forked", life=self.lives, at=now_ms())
        pid = os.fork()
        if pid == 0:
            self._be()
        try:
            yield
        finally:
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            self._notes.note("killed", life=self.lives, at=now_ms(), signal=os.WTERMSIG(status))

    def _be(self) -> NoReturn:
        try:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            urls = [f"{_url(self._of_app)}{path}" for path in (PATH, CHECKED_PATH)]
            _serve(self.database, self._listening, urls, self._durability)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(1)

    @contextmanager
    def _started(self, module: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
        """A program beside ours, which is not killed before the end."""
        command = [sys.executable, "-m", f"tests.chaos.inngest.{module}", *map(str, arguments)]
        environment = {**os.environ, "INNGEST_DEV": _url(self._listening)}
        with (
            self.log.open("ab") as log,
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=ROOT, env=environment,
                pass_fds=[self._of_app.fileno()],
            ) as process,
        ):  # fmt: skip
            try:
                yield process
            finally:
                process.kill()

    # What the database has, between two lives.

    def _look(self) -> None:
        """Notes the steps whose results are stored, and were not at the last look."""
        until = now_ms() * 1_000
        found = []
        for row, created_at, job, name, kind in self._ask(_STEPS, self._seen_until):
            if row not in self._known:
                self._known.add(row)
                found.append([ids.run_id(created_at, job), ids.step_hash_of(name), kind])
        self._seen_until = until - 60_000_000
        if found:
            self._notes.note("stored", life=self.lives, steps=found)

    def _ended(self) -> int:
        """How many of the runs that the sender started have ended."""
        functions = [name for event, name in STARTED_BY.items() if event != "echo/asked"]
        marks = ",".join("?" * len(functions))
        ended = f"SELECT count(*) FROM aiojobs_jobs WHERE status NOT IN ('pending', 'processing') AND type IN ({marks})"
        return int(next(iter(self._ask(ended, *functions)), [0])[0])

    def _is_registered(self) -> bool:
        """Whether each event starts its function from now on."""
        return len(self._ask("SELECT pattern FROM aiojobs_listeners WHERE pattern LIKE '%ed'")) >= len(STARTED_BY)

    def _has_begun(self) -> bool:
        return bool(self._ask("SELECT id FROM aiojobs_jobs LIMIT 1"))

    def _is_done(self) -> bool:
        return not self._ask("SELECT id FROM aiojobs_jobs WHERE status IN ('pending', 'processing') LIMIT 1")

    def _ask(self, query: str, *values: object) -> list[Any]:
        """Rows; none, while there are no tables. The write-ahead log stays as it was left."""
        if not self.database.exists():
            return []
        with closing(sqlite3.connect(f"{self.database.as_uri()}?mode=ro", uri=True)) as connection:
            try:
                return connection.execute(query, values).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" not in str(error):
                    raise
                return []


def _serve(database: Path, listening: socket.socket, urls: list[str], durability: Durability) -> None:
    """All of our process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the killer
    handler = logging.FileHandler(database.with_name("log"))
    handler.setFormatter(logging.Formatter("server %(levelname)s %(name)s %(message)s"))
    logging.getLogger().addHandler(handler)
    runner = JobRunner(database, durability=durability, keep_completed="30d", max_running=_SLOTS)
    app = inngest_app(runner, mode="dev", apps=urls, look_every="0.5s", backoff=Backoff(base="50ms", cap="500ms"))
    config = uvicorn.Config(runner.asgi(app), log_config=None, access_log=False)
    uvicorn.Server(config).run(sockets=[listening])


def _until(condition: Callable[[], bool]) -> None:
    """Returns when a condition holds, or at last."""
    ends = time.monotonic() + _LAST_S
    while not condition() and time.monotonic() < ends:
        hold_thread_for(_LOOK_EVERY_S)


def _url(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}"
