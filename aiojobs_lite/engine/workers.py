"""The worker processes of one runner. Each runs one handler at a time, and is used again until it has idled for long.

Each has a session and a process group of its own, below a supervisor (`supervisor.py`): what is sent to the group of
the application does not reach it, and it never ends without all that was started there.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import Any, Final, Protocol

import anyio

from aiojobs_lite.engine.child import CallAnswer
from aiojobs_lite.engine.child_reports import LENGTH_BYTES, ChildReport
from aiojobs_lite.engine.forks import STOP_SIGNALS
from aiojobs_lite.engine.supervisor import supervise

LONGEST_IDLE_S: Final = 300.0
_SUPERVISOR_MAY_TAKE_S: Final = 1.0  # to kill its group; then it is killed, and the worker with it
_CLOSE_S: Final = 1.0
_LOOK_FOR_END_EVERY_S: Final = 0.02
_AT_ONCE: Final = 65_536  # bytes that are received


class _Watchable(Protocol):
    """What can be read when a worker process has ended."""

    def fileno(self) -> int: ...
    def close(self) -> None: ...


class Worker:
    """One worker process.

    Args:
        ended: Is called with it when it has ended.
    """

    def __init__(self, ended: Callable[[Worker], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended, self._call_when_ended = asyncio.Event(), ended
        with ExitStack() as theirs, ExitStack() as ours:
            self._channel, orders = _pair(ours, theirs)
            self._control, control = _pair(ours, theirs)
            self._process = _start(orders.fileno(), control.fileno())
            ours.pop_all()  # they stay open
        self._channel.setblocking(False)  # noqa: FBT003  # its only form
        self._is_asked = False
        self._timer: asyncio.TimerHandle | None = None
        self._watched: _Watchable = _EndOfProcess.of(self._process.pid) or self._control
        self._loop.add_reader(self._watched, self._look_for_end)

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return not self._ended.is_set()

    @property
    def has_ended_unnoticed(self) -> bool:
        """Whether it has ended, and the event loop was not notified, or not yet."""
        return self.is_alive and self._process.poll() is not None

    async def ask(
        self,
        call: Callable[..., CallAnswer | None],
        *args: Any,
        reported: Callable[[ChildReport], None] | None = None,
    ) -> CallAnswer | None:
        """Has it call a function of the library's. A caller that is cancelled kills it, and waits for its end.

        Args:
            call: The function.
            *args: Its arguments.
            reported: Called with what the handler reports meanwhile.

        Raises:
            anyio.BrokenWorkerProcess: If it ended before it answered.
        """
        self._is_asked = True
        try:
            await self._loop.sock_sendall(self._channel, pickle.dumps((call, args)))
            while True:
                length = int.from_bytes(await self._received(LENGTH_BYTES), "big")
                answer = pickle.loads(await self._received(length))  # noqa: S301  # it was started here
                if not isinstance(answer, ChildReport):
                    break
                if reported is not None:
                    reported(answer)
        except (OSError, EOFError):
            await self.kill()
            raise anyio.BrokenWorkerProcess(f"the worker process {self._how_it_ended()}") from None
        except BaseException:
            await self.kill()
            raise
        finally:
            self._is_asked = False
            self._close_channel()
        given: CallAnswer | None = answer
        return given

    async def kill(self) -> None:
        """Kills it with all that was started there, and waits for the end of all, whatever happens."""
        self.begin_to_kill()
        cancelled: asyncio.CancelledError | None = None
        while self.is_alive:
            try:
                await self.ended()
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    def begin_to_kill(self) -> None:
        """As `kill`, but does not wait."""
        if not self.is_alive:
            return
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)  # not closed: copies of it may live in what the application forked
        self.call_later(_SUPERVISOR_MAY_TAKE_S, self._process.kill)

    async def ended(self) -> None:
        """Returns when it has ended."""
        await self._ended.wait()

    def call_later(self, delay: float, call: Callable[[], object]) -> None:
        """Calls a function later, unless it has ended by then, or this is called again."""
        self.call_off()
        self._timer = self._loop.call_later(delay, call)

    def call_off(self) -> None:
        """Calls off what was to be called later."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _received(self, length: int) -> bytes:
        received = bytearray()
        while len(received) < length:
            part = await self._loop.sock_recv(self._channel, min(length - len(received), _AT_ONCE))
            if not part:
                raise EOFError
            received += part
        return bytes(received)

    def _look_for_end(self) -> None:
        """Its supervisor has ended, or is about to: by then it has ended itself."""
        self._loop.remove_reader(self._watched)
        if self._process.poll() is None:
            self._loop.call_later(_LOOK_FOR_END_EVERY_S, self._look_for_end)
            return
        self.call_off()
        self._ended.set()
        self._watched.close()
        self._control.close()
        with suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)  # what it has answered can still be read
        self._close_channel()
        self._call_when_ended(self)

    def _close_channel(self) -> None:
        if not self.is_alive and not self._is_asked:
            self._channel.close()

    def _how_it_ended(self) -> str:
        code = self._process.returncode
        if 0 <= code <= 128:
            return f"died (exit code {code})"
        number = code - 128 if code > 0 else -code
        named = "".join(f", {one.name}" for one in signal.Signals if one == number)
        return f"died (signal {number}{named}{': out of memory?' if number == signal.SIGKILL else ''})"


def most_workers() -> int:
    """How many worker processes a runner has at most."""
    return os.cpu_count() or 1


class WorkerPool:
    """Worker processes, started when they are needed.

    Args:
        most: How many there are at most.
    """

    def __init__(self, most: int) -> None:
        self._limiter = anyio.CapacityLimiter(most)
        self._workers: set[Worker] = set()
        self._idle: list[Worker] = []

    @asynccontextmanager
    async def ready(
        self, prepare: Callable[..., CallAnswer | None], *args: Any
    ) -> AsyncIterator[tuple[Worker, CallAnswer | None]]:
        """A worker process for one attempt, and what it answered when it was asked to prepare itself for it.

        Raises:
            anyio.BrokenWorkerProcess: If it died.
        """
        async with self._limiter:
            worker, answer = await self._prepared(prepare, args)
            try:
                yield worker, answer
            finally:
                if answer is not None:  # it may be half prepared
                    await worker.kill()
                elif worker.is_alive:
                    self._idle.append(worker)
                    worker.call_later(LONGEST_IDLE_S, worker.begin_to_kill)

    async def close(self) -> None:
        """Ends them all; returns when they have ended, or soon."""
        workers = list(self._workers)
        for worker in workers:
            worker.begin_to_kill()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                for worker in workers:
                    await worker.ended()

    async def _prepared(
        self, prepare: Callable[..., CallAnswer | None], args: tuple[Any, ...]
    ) -> tuple[Worker, CallAnswer | None]:
        while self._idle:
            worker = self._idle.pop()
            worker.call_off()
            with suppress(anyio.BrokenWorkerProcess):  # it died while it idled: no handler's fault
                return worker, await worker.ask(prepare, *args)
        worker = Worker(self._forget)
        self._workers.add(worker)
        return worker, await worker.ask(prepare, *args)

    def _forget(self, worker: Worker) -> None:
        self._workers.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)


def _pair(ours: ExitStack, theirs: ExitStack) -> tuple[socket.socket, socket.socket]:
    """The two ends of a channel, which are closed with these."""
    one, other = socket.socketpair()
    return ours.enter_context(one), theirs.enter_context(other)


def _start(orders: int, control: int) -> subprocess.Popen[bytes]:
    """Starts a supervisor and its worker. The signals by which a process is asked to end are blocked until they are
    ready for them.
    """
    path = [entry for entry in sys.path if isinstance(entry, str)]
    arguments = f"orders={orders}, control={control}, runner={os.getpid()}"
    code = f"import sys; sys.path[:] = {path!r}; from {supervise.__module__} import supervise; supervise({arguments})"
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # noqa: SLF001  # as multiprocessing
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        return subprocess.Popen(  # noqa: S603  # nothing of it comes from outside
            [sys.executable, *flags, "-c", code], stdin=subprocess.DEVNULL, pass_fds=(orders, control),
            start_new_session=True,
        )  # fmt: skip
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class _EndOfProcess:
    """A descriptor that can be read when a process has ended."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def of(cls, pid: int) -> _EndOfProcess | None:
        """The one of a process; None where the system has no such thing."""
        try:
            return cls(os.pidfd_open(pid))
        except (OSError, AttributeError):
            return None

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        os.close(self._descriptor)
