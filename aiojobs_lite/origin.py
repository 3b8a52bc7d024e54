"""In which process something was made: a process that is forked later is another one, which has a copy."""

from __future__ import annotations

import os

from aiojobs_lite.errors import WrongEventLoop


class _Process:
    """This process.

    Attributes:
        forks: How many forks lie between it and the first one.
    """

    forks = 0


def _forked() -> None:
    _Process.forks += 1


os.register_at_fork(after_in_child=_forked)


def count_forks() -> int:
    """How many forks lie between this process and the first one: another number than in all that it was forked from."""
    return _Process.forks


class Origin:
    """The process in which this object was made. To ask for it costs no system call."""

    __slots__ = ("_forks",)

    def __init__(self) -> None:
        self._forks = _Process.forks

    @property
    def is_left(self) -> bool:
        """Whether this process was forked since, and has a copy."""
        return self._forks != _Process.forks

    def check(self) -> None:
        """Checks that this is the process.

        Raises:
            WrongEventLoop: If it was forked since.
        """
        if self._forks != _Process.forks:
            raise WrongEventLoop(
                "this process was forked from the one that started the runner. Start runners after the fork, not "
                "before it; or use spawn or forkserver."
            )
