"""The library's loggers: `aiojobs_lite.jobs`, `.engine`, `.cron` and `.store`."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from aiojobs_lite.text import escape


class Log(logging.LoggerAdapter[logging.Logger]):
    """A logger whose lines are one line each, whatever text stands in their arguments."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Logs a message; the arguments that are text, errors and the like are escaped."""
        if self.isEnabledFor(level):
            kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1  # the caller, not this line
            self.logger.log(level, msg, *map(_shown, args), **kwargs)

    def process(self, msg: Any, kwargs: Any) -> tuple[Any, MutableMapping[str, Any]]:
        """Adds nothing."""
        return msg, kwargs


def get_log(part: str) -> Log:
    """The logger of a part of the library."""
    return Log(logging.getLogger(f"aiojobs_lite.{part}"), {})


class _Shown:
    """An argument of a log line, escaped."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __str__(self) -> str:
        return escape(str(self._value))

    def __repr__(self) -> str:
        return escape(repr(self._value))


def _shown(value: object) -> object:
    return value if isinstance(value, int | float) else _Shown(value)
