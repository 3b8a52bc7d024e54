"""Early notice of SIGTERM and SIGINT, by chaining the handler found, never replacing it."""

from __future__ import annotations

import asyncio
import signal
import threading
from functools import partial
from types import FrameType
from typing import Any, Final

from aiojobs_lite.engine.forks import STOP_SIGNALS, SignalHandling
from aiojobs_lite.engine.ports import SignalListener
from aiojobs_lite.origin import Origin

_MOST_PUT_OFF: Final = 2  # signals; the third is not put off any more


class Signals(SignalHandling):
    """Notifies the runner of a signal before the host acts on it. Only in the main thread; elsewhere it does nothing.

    What would end the process or its event loop in the midst of the drain is put off until after it: the default
    action, and an exception (KeyboardInterrupt, SystemExit) that the handler found raises. Where the host does not stop
    the runner, the handler found would end it just the same: then its call is put off, too.

    A SIGINT that is not the first signal is impatient. A SIGTERM says nothing new: supervisors of workers send theirs
    after the one that the whole process group was sent.

    Args:
        listener: Is notified, on the event loop.
    """

    def __init__(self, *, listener: SignalListener) -> None:
        self._listener = listener
        self._loop: asyncio.AbstractEventLoop | None = None
        self._origin = Origin()
        self._found: dict[int, Any] = {}
        self._ours: dict[int, Any] = {}
        self._waiting: list[tuple[int, FrameType | None]] = []
        self._is_handling = False
        self._came = 0
        self._put_off: tuple[int, BaseException | None] | None = None
        self._is_host_put_off = False

    @property
    def is_active(self) -> bool:
        """Whether its runner is notified of signals; not in a forked process, which has no runner."""
        return self._loop is not None and not self._loop.is_closed() and not self._origin.is_left

    @property
    def is_due(self) -> bool:
        """Whether something was put off: then only the runner ends the process."""
        return self._put_off is not None

    def found(self, number: int) -> Any:
        """The handler that it chained; what this process forks gets that one."""
        return self._found[number]

    def put_host_off(self) -> None:
        """Calls the handler found at the end of the drain only: its host does not stop the runner."""
        self._is_host_put_off = True

    def install(self) -> None:
        """Chains the handlers that are in place now."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            found = signal.getsignal(number)
            # None: set from C. A handler of the event loop (granian) shows as a placeholder: asyncio learns of the
            # signal by the wakeup descriptor, whatever handles it here.
            if found is None or found is signal.SIG_IGN:
                continue
            self._found[number] = found
            self._ours[number] = self._handle  # kept: each access of a bound method makes a new one
            signal.signal(number, self._ours[number])

    def restore(self) -> None:
        """Puts back what was found, where no other handler has chained ours since."""
        loop, self._loop = self._loop, None
        if loop is None or threading.current_thread() is not threading.main_thread():
            return
        for number, ours in self._ours.items():
            if signal.getsignal(number) is ours:
                signal.signal(number, self._found[number])

    def act(self) -> None:
        """Does what was put off, if anything was; to be called on the event loop, at the very end."""
        if self._put_off is None:
            return
        number, error = self._put_off
        above = getattr(signal.getsignal(number), "__self__", None)
        if isinstance(above, Signals) and above.is_active:
            above.inherit(number, error)  # another runner, which chained ours and may still drain
        elif error is not None:
            asyncio.get_running_loop().call_soon(_raise, error)  # a task would report it as its own failure as well
        else:
            signal.raise_signal(number)

    def inherit(self, number: int, error: BaseException | None) -> None:
        """Takes over what another runner of this process, which has ended, put off."""
        self._put_off = number, error
        self._notify(number, is_impatient=False)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Takes them in turn: to uvicorn, a SIGINT that a SIGTERM has overtaken would be the second signal, at which it
        ends without leaving the lifespan.
        """
        self._waiting.append((number, frame))
        if self._is_handling:
            return
        self._is_handling = True
        try:
            while self._waiting:
                self._handle_next(*self._waiting.pop(0))
        finally:
            self._is_handling = False

    def _handle_next(self, number: int, frame: FrameType | None) -> None:
        found = self._found[number]
        if not self.is_active:
            _pass_on(found, number, frame)
            return
        self._came += 1
        # Before the host, which may leave the runner at once.
        self._notify(number, is_impatient=self._came > 1 and number == signal.SIGINT)
        if found is signal.SIG_DFL or (self._is_host_put_off and self._came <= _MOST_PUT_OFF):
            self._put_off = number, None
            return
        try:
            found(number, frame)
        except (KeyboardInterrupt, SystemExit) as error:
            if self._came > _MOST_PUT_OFF:
                raise
            self._put_off = number, error

    def _notify(self, number: int, *, is_impatient: bool) -> None:
        assert self._loop is not None  # noqa: S101  # since it is active
        signalled = partial(self._listener.signalled, signal.Signals(number).name, is_impatient=is_impatient)
        self._loop.call_soon_threadsafe(signalled)


def _pass_on(found: Any, number: int, frame: FrameType | None) -> None:
    if found is signal.SIG_DFL:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    else:
        found(number, frame)


def _raise(error: BaseException) -> None:
    raise error
