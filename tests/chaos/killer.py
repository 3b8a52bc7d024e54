"""Starts the processes of a run; kills, stops and ends them at random. One thread, which forks; no database open."""

from __future__ import annotations

import ctypes
import math
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal, NoReturn

from tests.chaos import strangers, worker
from tests.chaos.clocks import SteppedClock, Steps
from tests.chaos.journal import Journal
from tests.chaos.links import Links, is_plain
from tests.chaos.waiting import SETTLES, STARTS_WITHIN, watch
from tests.chaos.work import VERSIONS, Kinds, Version
from tests.helpers.pauses import hold_thread_for
from tests.helpers.programs import descendants

_TURN: Final = 0.01  # seconds
_STALL: Final = 0.25  # seconds; a turn that took so long says that no process was given the processor
_PATIENCE: Final = 10.0  # seconds that a process that was asked to end may take, on a busy machine
_CALM: Final = 3.5  # seconds in which none is started and none killed: the one that lives must rescue
_QUIET: Final = SETTLES + STARTS_WITHIN + 1.0  # seconds in which all are left alone
_LAST: Final = 120.0  # seconds that the last processes may take for what is left
_LONGEST_ERA: Final = 14.0  # seconds between two steps of the clock
_LOCK: Final = 2.0  # seconds for which another program holds the write lock
_PR_SET_CHILD_SUBREAPER: Final = 36  # linux/prctl.h
FAULTS: Final = (
    "kills", "stops", "terms", "robberies", "calms", "forks", "links", "locks", "reads", "versions", "clocks",
)  # fmt: skip
"""What is done to the processes, each of which can be left out."""


@dataclass
class Process:
    """One forked process that has not ended.

    Attributes:
        number: Its own, never used again.
        pid: Its process id.
        version: Of the application; None: it is another program, which is left alone.
        continues: When it is to go on, while it is stopped.
        asked_to_end: When it was asked to end, or went on after that.
        dies: When it is to be killed, whatever happens.
    """

    number: int
    pid: int
    version: Version | None = None
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
        without: The faults that are left out.
        kinds: The jobs of the run.
    """

    def __init__(
        self,
        folder: Path,
        *,
        processes: int,
        seed: int,
        longest_stop: float = 10.0,
        durability: Literal["full", "normal"] = "full",
        without: Collection[str] = (),
        kinds: Kinds = "all",
    ) -> None:
        self.database = folder / "jobs.db"
        self.journal_path = folder / "journal"
        self._journal = Journal(self.journal_path)
        self._chance = random.Random(seed)
        self._seed = seed
        self._longest_stop = longest_stop
        self._without = frozenset(without)
        self._clock, self._steps = SteppedClock(), Steps(self._chance)
        self._links = Links(self.database, self._journal, self._chance)
        plan = (self.database, self._journal, self.journal_path, self._clock, durability)
        self._plan = worker.Plan(*plan, "forks" not in self._without, kinds)
        self._share_of_new = 0.5
        self._living: dict[int, Process] = {}
        self.forked = self.killed = 0
        self._starts = [0.0] * processes  # when those that are to come are started
        self._calm_until = self._rests_until = 0.0
        self._spared = 0

    def run(self, seconds: float, progress: Callable[[], None], kills: int = 0) -> None:
        """Kills for so long, and so many processes at least; leaves all alone, then lets a last process of each version
        finish what is left.
        """
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # what workers leave is found below this process
        try:
            self._fork(lambda: watch(self.database, self._journal, self._clock, worker.SLOTS), None)
            self._go_on(seconds, self._events(progress), kills)
            self._leave_alone()
            self._end()
            if "clocks" not in self._without:
                self._step_to(self._steps.last(time.monotonic()))
            for version in VERSIONS if "versions" not in self._without else VERSIONS[:1]:
                self._fork(partial(worker.finish, self._plan, version, _LAST), version, fires=False)
            self._until_ended(time.monotonic() + _LAST + _PATIENCE)
            _look_for_children(self._journal, self._reap)
        finally:
            for process in self._living.values():
                os.kill(process.pid, signal.SIGKILL)
                os.waitpid(process.pid, 0)
            self._journal.close()

    def _leave_alone(self) -> None:
        """Nothing happens to any process, and no caller enqueues: what waits still waits for the runners alone."""
        now = time.monotonic()
        self._plan.quiet.set()
        self._links.look(math.inf)
        for process in list(self._living.values()):
            if process.dies is not None:
                self._kill(process)
            elif process.continues is not None:
                self._continue(process, now)
        self._go_on(_QUIET, ())

    def _go_on(self, seconds: float, plan: Iterable[Every], kills: int = 0) -> None:
        """Keeps the processes going for so long, until so many were killed, with what happens to them."""
        last = time.monotonic()
        end = last + seconds
        while (now := time.monotonic()) < end or self.killed < kills:
            if now - last > _STALL:
                self._journal.note("stalled", since=last)
            last = now
            self._reap()
            self._keep_promises(now)
            for event in plan:
                event.look(now)
            hold_thread_for(_TURN)

    def _events(self, progress: Callable[[], None]) -> list[Every]:
        """What happens again and again."""
        faults: list[tuple[str, float, float, Callable[[float], None]]] = [
            ("kills", 0.06, 0.2, self._kill_one),
            ("stops", 0.3, 1.2, self._stop_one),
            ("terms", 0.3, 1.0, self._terminate_one),
            ("robberies", 0.5, 2.5, self._rob_one),
            ("calms", 4.0, 9.0, self._calm),
            ("links", 0.3, 1.5, self._link),
            ("links", 0.3, 1.0, self._link_in_place),
            ("locks", 3.0, 9.0, partial(self._open_beside, strangers.lock, _LOCK, _LOCK)),
            ("reads", 4.0, 12.0, partial(self._open_beside, strangers.read, 2.0, 8.0)),
            ("versions", 3.0, 10.0, self._deploy),
            ("clocks", 5.0, _LONGEST_ERA, self._step),
        ]
        always = [
            Every(self._chance, 2.0, 6.0, self._spare_another),
            Every(self._chance, 5.0, 10.0, self._rest),
            Every(self._chance, 1.0, 1.0, self._note_log),
            Every(self._chance, 10.0, 10.0, lambda now: progress()),
        ]
        return always + [
            Every(self._chance, least, most, do) for name, least, most, do in faults if name not in self._without
        ]

    def _keep_promises(self, now: float) -> None:
        """Does what was arranged for this instant."""
        self._links.look(now)
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
        is_new = "versions" not in self._without and self._chance.random() < self._share_of_new
        version = VERSIONS[is_new]
        self._fork(lambda: worker.live(self._plan, version, seed), version)

    def _fork(self, live: Callable[[], int], version: Version | None, *, fires: bool = True) -> None:
        self.forked += 1
        pid = os.fork()
        if pid == 0:
            self._be(live)
        self._living[self.forked] = Process(self.forked, pid, version)
        ahead = time.time() - time.monotonic()
        self._journal.note("forked", worker=self.forked, version=version, fires=fires, ahead=ahead)

    def _be(self, live: Callable[[], int]) -> NoReturn:
        code = 1
        try:
            self._journal.become(self.forked)
            code = live()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)

    def _kill(self, process: Process) -> None:
        self._journal.note("killed", worker=process.number)
        self.killed += process.version is not None
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
        return [one for one in self._workers() if one.number != self._spared and one.dies is None]

    def _workers(self) -> list[Process]:
        return [process for process in self._living.values() if process.version is not None]

    def _going(self) -> list[Process]:
        return [process for process in self._workers() if process.continues is None]

    def _kill_one(self, now: float) -> None:
        if now >= self._rests_until and (victims := self._victims()):
            self._kill(self._chance.choice(victims))

    def _rest(self, now: float) -> None:
        """For a while processes live long enough to start others, and to differ in their versions."""
        self._rests_until = now + self._chance.uniform(2.0, 5.0)

    def _stop_one(self, now: float) -> None:
        going = self._going()
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
        going = [process for process in self._workers() if process.asked_to_end is process.dies is None]
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

    def _owner_files(self) -> list[tuple[int, Path]]:
        """The files of owners that live, and are in their place."""
        going = [process for process in self._workers() if process.asked_to_end is process.dies is None]
        found = [(process.number, path) for process in going for path in owner_files(process.pid, self.database)]
        return [(number, path) for number, path in found if path not in self._links.paths]

    def _link(self, now: float) -> None:
        """Something lies under the name of an owner that there is not."""
        files = [path for _, path in self._owner_files()]
        self._links.make_beside(files, now + self._chance.uniform(0.5, 5.0))

    def _link_in_place(self, now: float) -> None:
        """Something else lies in place of the file of an owner that lives."""
        files = [(number, path) for number, path in self._owner_files() if number != self._spared]
        if len(files) > 1 and now >= self._calm_until:
            number, path = files.pop(self._chance.randrange(len(files)))
            until, others = now + self._chance.uniform(0.3, 3.0), [other for _, other in files]
            if self._links.make_in_place(number, path, others, until):
                self._living[number].dies = until + 1.0

    def _open_beside(self, hold: Callable[[Path, Journal, float], int], least: float, most: float, _now: float) -> None:
        """Another program has the database open, and holds the write lock or reads for so many seconds."""
        seconds = self._chance.uniform(least, most)
        if self.database.exists():
            self._fork(lambda: hold(self.database, self._journal, seconds), None)

    def _deploy(self, _now: float) -> None:
        """From now on more processes start with the one version, or with the other, or with either."""
        self._share_of_new = self._chance.choice([0.0, 0.5, 1.0])

    def _step(self, now: float) -> None:
        """The wall clock of all runners goes forward or back."""
        if (offset := self._steps.next(now, _LONGEST_ERA)) is not None:
            self._step_to(offset)

    def _step_to(self, offset: int) -> None:
        self._journal.note("stepped", offset=offset)
        self._clock.step_to(offset)

    def _note_log(self, _now: float) -> None:
        log = Path(f"{self.database}-wal")
        self._journal.note("log", size=log.stat().st_size if log.exists() else 0)

    # Ends.

    def _reap(self) -> None:
        """Notices all that has ended: the processes that were forked, and what their handlers have left."""
        while pid := _ended_child():
            _, status = os.waitpid(pid, 0)
            for process in [process for process in self._living.values() if process.pid == pid]:
                self._ended(process, status)

    def _ended(self, process: Process, status: int) -> None:
        self._journal.note("exited", worker=process.number, code=os.waitstatus_to_exitcode(status))
        del self._living[process.number]
        if process.version is None:
            return
        wait = self._chance.uniform(0.1, 3.0) if self._chance.random() < 0.15 else 0.0
        self._starts.append(time.monotonic() + wait)

    def _end(self) -> None:
        """Ends all, some by SIGKILL and some by SIGTERM."""
        now = time.monotonic()
        for process in list(self._living.values()):
            if process.version is None or ("kills" not in self._without and self._chance.random() < 0.5):
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


def _look_for_children(journal: Journal, reap: Callable[[], None]) -> None:
    """Nothing may live on that handlers have started, but what ends within seconds."""
    deadline = time.monotonic() + _PATIENCE
    while (left := descendants(os.getpid())) and time.monotonic() < deadline:
        reap()
        hold_thread_for(_TURN)
    for pid in left:
        with suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            journal.note("alive", pid=pid, command=command.strip())
            os.kill(pid, signal.SIGKILL)


def _ended_child() -> int | None:
    """The pid of a process that has ended, and has not been waited for."""
    with suppress(ChildProcessError):
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return found and found.si_pid
    return None


def holds_up_writers(pid: int, database: Path) -> bool:
    """Whether a stopped process holds a lock of SQLite's without which no other can write."""
    inodes = {os.stat(path).st_ino for path in (database, Path(f"{database}-shm")) if path.exists()}
    return any(inode in inodes and kind == "WRITE" for kind, inode in _locks(pid))


def owner_files(pid: int, database: Path) -> list[Path]:
    """The owner's files that a process holds."""
    held = {inode for _, inode in _locks(pid)}
    found = []
    for path in database.parent.glob(f"{database.name}-owner-*"):
        with suppress(FileNotFoundError):  # a runner has taken it away meanwhile
            if is_plain(path) and path.stat().st_ino in held:
                found.append(path)
    return found


def _locks(pid: int) -> list[tuple[str, int]]:
    """The POSIX locks of a process, as the kernel lists them: its kind, and the inode of the file."""
    found = []
    for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
        words = line.split()
        if words[1:2] == ["POSIX"] and words[4] == str(pid):
            found.append((words[3], int(words[5].rsplit(":", 1)[1])))
    return found
