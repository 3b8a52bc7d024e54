"""The base class of every error, and of all that goes to another process as an exception."""

from __future__ import annotations

from typing import Any

from aiojobs_lite.text import escape


class Portable(Exception):
    """An exception that works with `pickle` and `copy`, whatever arguments its `__init__` takes.

    - It may be raised in another process (`process=True`).
    - Each caller can get a copy of its own, with the arguments and attributes. The copy has no `__cause__`: the code
      that copies sets it.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (type(self), self.args), self.__dict__


def _remade(kind: type[Portable], args: tuple[Any, ...]) -> Portable:
    error = kind.__new__(kind, *args)
    error.args = args
    return error


class AiojobsError(Portable):
    """The base class of every error that this library raises. Its text is one line that prints, whatever it names.

    Attributes:
        is_final: Whether a durable handler would get it again in each attempt, such as one that an operation has
            stored. A handler that does not catch it is not tried again: its job is dead, and may be redriven.
    """

    is_final = False

    def __str__(self) -> str:
        return escape(super().__str__())
