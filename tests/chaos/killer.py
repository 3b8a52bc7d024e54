"""Starts the processes of a run; kills, stops and ends them at random. One thread, which forks; no database open."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NoReturn

from tests.chaos import worker
from tests.chaos.journal import Journal
from tests.helpers.pauses import hold_thread_for

_TURN: Final = 0.01  # seconds
_STALL: Final = 0.25  # seconds; a turn that took so long says that no process was given the processor
_PATIENCE: Final = 10.0  # seconds that a process that was asked to end may take, on a busy machine
_CALM: Final = 3.5  # seconds in which none is started and none killed: the one that lives must rescue
_LAST: Final = 120.0  # seconds that the last process may take for what is left


@dataclass
class Process:
    """One forked process that has not ended.

    Attributes:
        number: Its own, never used again.
        pid: Its process id.
        continues: When it is to go on, while it is stopped.
        asked_to_end: When it was asked to end, or went on after that.
        dies: When it is to be killed, whatever happens.
    """

    number: int
    pid: int
    continues: float | None = None
    asked_to_end: float | None = None
    dies: float | None = None


class Every:
    """Something that happens again and again, after random waits.

    Args:
        chance: The randomness.
        least: The shortest wait, in seconds.
        most: The longest.
        do: What.
    """

    def __init__(self, chance: random.Random, least: float, most: float, do: Callable[[float], None]) -> None:
        self._chance, self._least, self._most, self._do = chance, least, most, do
        self._next = time.monotonic() + self._wait()

    def look(self, now: float) -> None:
        """Does it if it is time."""
        if now >= self._next:
            self._do(now)
            self._next = now + self._wait()

    def _wait(self) -> float:
        return self._chance.uniform(self._least, self._most)


class Killer:
    """One run.

    Args:
        folder: Where the database and the journal are.
        processes: How many live at once.
        seed: Of all that is random here. What the processes and the machine add to it is not repeated by it.
        longest_stop: Seconds that a process is stopped at most.
        durability: Of the runners.
    """

    def __init__(
        self,
        folder: Path,
        *,
        processes: int,
        seed: int,
        longest_stop: float = 10.0,
        durability: Literal["full", "normal"] = "full",
    ) -> None:
        self.database = folder / "jobs.db"
        self.journal_path = folder / "journal"
        self._journal = Journal(self.journal_path)
        self._chance = random.Random(seed)
        self._seed = seed
        self._most = processes
        self._longest_stop = longest_stop
        self._durability = durability
        self._living: dict[int, Process] = {}
        self.forked = 0
        self._starts: list[float] = []
        self._calm_until = 0.0
        self._spared = 0

    def run(self, seconds: float, progress: Callable[[], None]) -> None:
        """Kills for so long, then lets a last process finish what is left."""
        try:
            self._kill_for(seconds, progress)
            self._end()
            self._fork(lambda: worker.finish(self.database, self._journal, _LAST))
            self._until_ended(time.monotonic() + _LAST + _PATIENCE)
        finally:
            for process in self._living.values():
                os.kill(process.pid, signal.SIGKILL)
                os.waitpid(process.pid, 0)
            self._journal.close()

    def _kill_for(self, seconds: float, progress: Callable[[], None]) -> None:
        chance = self._chance
        plan = [
            Every(chance, 0.06, 0.2, self._kill_one),
            Every(chance, 0.3, 1.2, self._stop_one),
            Every(chance, 0.3, 1.0, self._terminate_one),
            Every(chance, 0.5, 2.5, self._rob_one),
            Every(chance, 4.0, 9.0, self._calm),
            Every(chance, 2.0, 6.0, self._spare_another),
            Every(chance, 10.0, 10.0, lambda now: progress()),
        ]
        last = time.monotonic()
        self._starts = [last] * self._most
        end = last + seconds
        while (now := time.monotonic()) < end:
            if now - last > _STALL:
                self._journal.note("stalled", since=last)
            last = now
            self._reap()
            self._keep_promises(now)
            for event in plan:
                event.look(now)
            hold_thread_for(_TURN)

    def _keep_promises(self, now: float) -> None:
        """Does what was arranged for this instant."""
        for process in list(self._living.values()):
            if process.dies is not None and now >= process.dies:
                self._kill(process)
            elif process.continues is not None and now >= process.continues:
                self._continue(process, now)
            elif (
                process.asked_to_end is not None
                and process.continues is None
                and now > process.asked_to_end + _PATIENCE
            ):
                self._journal.note("hung", worker=process.number)
                self._kill(process)
        if now >= self._calm_until:
            due = [at for at in self._starts if at <= now]
            self._starts = [at for at in self._starts if at > now]
            for _ in due:
                self._start()

    # What is done to a process.

    def _start(self) -> None:
        seed = f"{self._seed}.{self.forked + 1}"
        self._fork(lambda: worker.live(self.database, self._journal, self._durability, seed))

    def _fork(self, live: Callable[[], int]) -> None:
        self.forked += 1
        pid = os.fork()
        if pid == 0:
            self._be(live)
        self._living[self.forked] = Process(self.forked, pid)
        self._journal.note("forked", worker=self.forked, ahead=time.time() - time.monotonic())

    def _be(self, live: Callable[[], int]) -> NoReturn:
        code = 1
        try:
            self._journal.writer = self.forked
            code = live()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)

    def _kill(self, process: Process) -> None:
        self._journal.note("killed", worker=process.number)
        os.kill(process.pid, signal.SIGKILL)
        self._ended(process, os.waitpid(process.pid, 0)[1])

    def _stop(self, process: Process, now: float, seconds: float) -> bool:
        """Stops it for so long; returns whether it had not ended before."""
        os.kill(process.pid, signal.SIGSTOP)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            self._ended(process, status)
            return False
        process.continues = now + seconds
        locks = holds_up_writers(process.pid, self.database)
        self._journal.note("stopped", worker=process.number, since=now, locks=locks)
        return True

    def _continue(self, process: Process, now: float) -> None:
        process.continues = None
        if process.asked_to_end is not None:
            process.asked_to_end = now
        self._journal.note("continued", worker=process.number)
        os.kill(process.pid, signal.SIGCONT)

    def _terminate(self, process: Process, now: float) -> None:
        process.asked_to_end = now
        self._journal.note("terminated", worker=process.number)
        os.kill(process.pid, signal.SIGTERM)

    # What happens at random.

    def _victims(self) -> list[Process]:
        """All but the one that is spared, and those whose end is arranged."""
        return [one for one in self._living.values() if one.number != self._spared and one.dies is None]

    def _kill_one(self, now: float) -> None:
        if victims := self._victims():
            self._kill(self._chance.choice(victims))

    def _stop_one(self, now: float) -> None:
        going = [process for process in self._living.values() if process.continues is None]
        if going and now >= self._calm_until:
            self._stop(self._chance.choice(going), now, self._longest_stop * self._chance.random() ** 3)

    def _terminate_one(self, now: float) -> None:
        if victims := [process for process in self._victims() if process.asked_to_end is None]:
            self._terminate(self._chance.choice(victims), now)

    def _rob_one(self, now: float) -> None:
        """Removes the file that shows that a stopped process lives: the others must take its jobs, and what it goes
        on with afterwards must change nothing.
        """
        going = [process for process in self._victims() if process.continues is None]
        owners = [process for process in going if owner_files(process.pid, self.database)]
        if not owners or now < self._calm_until:
            return
        process, seconds = self._chance.choice(owners), self._chance.uniform(0.2, 1.2)
        if not self._stop(process, now, seconds):
            return
        process.dies = now + seconds + 1.0
        for path in owner_files(process.pid, self.database):
            self._journal.note("robbed", worker=process.number)
            path.unlink(missing_ok=True)

    def _spare_another(self, now: float) -> None:
        """One process at a time is not killed for a while: some must grow old, and rescue."""
        going = [process for process in self._living.values() if process.asked_to_end is process.dies is None]
        if going and now >= self._calm_until:
            self._spared = self._chance.choice(going).number

    def _calm(self, now: float) -> None:
        """All but one are killed at once, and none comes to its help."""
        if self._spared not in self._living:
            self._spare_another(now)
        spared = self._living.get(self._spared)
        if spared is not None and spared.continues is not None:
            self._continue(spared, now)
        self._calm_until = now + _CALM
        for process in self._victims():
            self._kill(process)

    # Ends.

    def _reap(self) -> None:
        for process in list(self._living.values()):
            pid, status = os.waitpid(process.pid, os.WNOHANG)
            if pid:
                self._ended(process, status)

    def _ended(self, process: Process, status: int) -> None:
        self._journal.note("exited", worker=process.number, code=os.waitstatus_to_exitcode(status))
        del self._living[process.number]
        wait = self._chance.uniform(0.1, 3.0) if self._chance.random() < 0.15 else 0.0
        self._starts.append(time.monotonic() + wait)

    def _end(self) -> None:
        """Ends all, some by SIGKILL and some by SIGTERM."""
        now = time.monotonic()
        for process in list(self._living.values()):
            if process.continues is not None:
                self._continue(process, now)
            if self._chance.random() < 0.5:
                self._kill(process)
            elif process.asked_to_end is None:
                self._terminate(process, now)
        self._until_ended(now + _PATIENCE)

    def _until_ended(self, deadline: float) -> None:
        while self._living and time.monotonic() < deadline:
            self._reap()
            hold_thread_for(_TURN)
        for process in list(self._living.values()):
            self._journal.note("hung", worker=process.number)
            self._kill(process)


def holds_up_writers(pid: int, database: Path) -> bool:
    """Whether a stopped process holds a lock of SQLite's without which no other can write."""
    inodes = {os.stat(path).st_ino for path in (database, Path(f"{database}-shm")) if path.exists()}
    return any(inode in inodes and kind == "WRITE" for kind, inode in _locks(pid))


def owner_files(pid: int, database: Path) -> list[Path]:
    """The owner's files that a process holds."""
    held = {inode for _, inode in _locks(pid)}
    return [path for path in database.parent.glob(f"{database.name}-owner-*") if path.stat().st_ino in held]


def _locks(pid: int) -> list[tuple[str, int]]:
    """The POSIX locks of a process, as the kernel lists them: its kind, and the inode of the file."""
    found = []
    for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
        words = line.split()
        if words[1:2] == ["POSIX"] and words[4] == str(pid):
            found.append((words[3], int(words[5].rsplit(":", 1)[1])))
    return found
