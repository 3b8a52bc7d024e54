"""The loggers of the library, each below `aiojobs_lite` and of one part, and a filter for the application's."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any, Final

from aiojobs_lite.current import CURRENT, DEAD, AttemptOfJob
from aiojobs_lite.text import escape

__all__ = ["JobFilter"]

_OURS: Final = "aiojobs_lite"


class JobFilter(logging.Filter):
    """Adds `job_id`, `job_type` and `job_attempt` to every log record that is made inside a handler; it drops none.

    In a function of `on_dead` they are those of the dead job.

    Belongs to the application's log handlers: `handler.addFilter(JobFilter())`. Of the library's own records each has
    the job that it is about.

    Args:
        outside: What the three are in a record that belongs to no job.
    """

    def __init__(self, outside: object = "-") -> None:
        super().__init__()
        self._outside = outside

    def filter(self, record: logging.LogRecord) -> bool:
        """Adds what is missing."""
        fields = record.__dict__
        is_ours = record.name.partition(".")[0] == _OURS  # made anywhere, of any job
        job_id = job_type = attempt = self._outside
        found = None if is_ours else _find_attempt()
        if found is not None:
            job_id, job_type, attempt = found.id, found.type, found.attempt
        elif is_ours:
            attempt = fields.get("attempt", attempt)
        fields.setdefault("job_id", job_id)
        fields.setdefault("job_type", job_type)
        fields.setdefault("job_attempt", attempt)
        return True


def _find_attempt() -> AttemptOfJob | None:
    """The attempt that the code which runs belongs to, or None."""
    current = CURRENT.get()
    return DEAD.get() if current is None else current[0]


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


class _Bare(logging.Handler):
    """Stands in where no logging is configured: as Python's last resort, but each line begins with its logger."""

    def emit(self, record: logging.LogRecord) -> None:
        resort = logging.lastResort
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:  # as `Logger.callHandlers` goes
            if any(handler is not self for handler in logger.handlers):
                return  # that one has the record
            logger = logger.parent if logger.propagate else None
        if resort is not None and record.levelno >= resort.level:
            text = f"{record.name}: {record.getMessage()}"
            resort.handle(logging.makeLogRecord({**record.__dict__, "msg": text, "args": ()}))


logging.getLogger(_OURS).addHandler(_Bare())
