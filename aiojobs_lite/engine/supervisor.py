"""The parent of a worker process: it ends that process with all that was started there, and never runs a handler.

    runner ──> supervisor ──> worker ──> what handlers start

The worker is the head of a process group. The group is killed as soon as the worker ends, the runner wants it to, or
the process of the runner ends in whatever way. What left the group (by a session of its own) goes on.
"""

from __future__ import annotations

import ctypes
import io
import os
import select
import signal
import socket
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import Any, Final, NoReturn

from aiojobs_lite.engine.child import serve
from aiojobs_lite.engine.forks import STOP_SIGNALS, SignalHandling

_LOOK_FOR_RUNNER_EVERY_S: Final = 0.2
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER: Final = 36


def supervise(orders: int, control: int, runner: int) -> NoReturn:
    """Starts the worker and ends with it. The signals by which a process is asked to end are blocked when this begins.

    Args:
        orders: The descriptor by which the worker is given orders.
        control: The descriptor that is at its end when the worker is to be killed.
        runner: The process of the runner.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # it may be inherited as ignored: then no end could be waited for
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    supervisor = os.getpid()
    worker = os.fork()
    if worker == 0:
        os.close(control)
        _work(orders, supervisor)
    os.close(orders)
    with suppress(OSError):  # it did so itself
        os.setpgid(worker, worker)
    threading.Thread(target=_watch, args=(control, runner, worker), daemon=True).start()
    os._exit(_wait(worker))


def _work(orders: int, supervisor: int) -> NoReturn:
    with suppress(OSError):
        os.setpgid(0, 0)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(1)
    stays = _Stays()
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stays.handle)
            signal.siginterrupt(number, False)  # noqa: FBT003  # its only form
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    channel = socket.socket(fileno=orders)
    channel.set_inheritable(False)  # its only form
    serve(channel)


class _Stays(SignalHandling):
    """A worker process is not asked to end: a service manager that signals all processes means the runner.

    It does not ignore the signals, for every program that a handler starts would inherit that.
    """

    def found(self, number: int) -> Any:
        return signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL

    def handle(self, number: int, frame: FrameType | None) -> None:
        pass


def _watch(control: int, runner: int, worker: int) -> None:
    """Kills the group of the worker when the runner wants it to, or is gone."""
    poll = select.poll()
    timeout: float | None = _LOOK_FOR_RUNNER_EVERY_S * 1_000
    poll.register(control, select.POLLIN)
    with suppress(OSError, AttributeError):  # another system than Linux, an old one, or not allowed
        poll.register(os.pidfd_open(runner), select.POLLIN)
        timeout = None
    while os.getppid() == runner and not poll.poll(timeout):
        pass
    _kill_group(worker)


def _wait(worker: int) -> int:
    """Waits for the end of the worker, then ends its group; returns its exit code, of a signal 128 and its number.

    On Linux all that the worker left behind is a child of this process.
    """
    pid = status = 0
    while pid != worker:
        pid = _ended_child()
        if pid == worker:
            _kill_group(worker)  # before its number is free
        pid, status = os.waitpid(pid, 0)
    _kill_group(worker)
    with suppress(ChildProcessError):  # none of them is left
        while True:
            os.waitpid(-worker, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _ended_child() -> int:
    """The next child that has ended, and is still to be waited for; -1 where the system does not say it."""
    if sys.platform == "darwin":
        return -1
    found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    return found.si_pid if found else -1


def _kill_group(worker: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(worker, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
