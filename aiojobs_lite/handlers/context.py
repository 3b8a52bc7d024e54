"""What a handler is given besides its arguments: the context, and what is injected."""

from __future__ import annotations

import json
import threading
from collections.abc import Awaitable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Final, NoReturn, TypeVar

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.errors import MissingDependency
from aiojobs_lite.handlers.progress import (
    NO_TURN,
    WITH_TURN,
    Reporter,
    check_fraction,
    check_log_line,
    check_progress_text,
)
from aiojobs_lite.model.job import Claimed

T = TypeVar("T")


class _Injected:
    """The default of a parameter that the runner fills: `injected`.

    `async def welcome(user_id: int, *, ctx: JobContext = injected, smtp: Smtp = injected)`: the annotation says what a
    parameter gets, and callers of `enqueue` leave it out.

    - `JobContext`: the running attempt.
    - `JobRunner`: the runner that runs it.
    - Any other type: the resource of this type in `JobRunner(deps={Smtp: ...})`.
    """

    def __repr__(self) -> str:
        return "injected"

    def __reduce__(self) -> str:
        return "injected"  # copies and pickles are the same object

    def __getattr__(self, name: str) -> NoReturn:
        problem = f"{name!r} of a parameter that is `injected`, and that nothing has filled"
        advice = "A plain call of a handler gives it a value, such as ctx=testing.context() in a test"
        raise AttributeError(f"{problem}. {advice}.", name=name, obj=self)


injected: Final[Any] = _Injected()
"""Default of a parameter that the runner fills by its annotation: the context, the runner, or a resource of `deps=`."""


class AttemptContext:
    """The running attempt: what every handler can read of it.

    Attributes:
        id: The job's id.
        type: The name of its job type.
        attempt: Number of this attempt, from 1.
        max_attempts: All attempts it may have.
    """

    __slots__ = (
        "_claimed", "_database", "_deps", "_durable", "_reporter", "_stopping", "attempt", "id", "max_attempts", "type",
    )  # fmt: skip

    _deps_given_to: ClassVar[str] = "JobRunner"

    def __init__(
        self,
        claimed: Claimed,
        deps: Mapping[Any, Any] | None = None,
        stopping: threading.Event | None = None,
        database: str = "",
        reporter: Reporter | None = None,
    ) -> None:
        self.id = claimed.id
        self.type = claimed.type
        self.attempt = claimed.attempt
        self.max_attempts = claimed.max_attempts
        self._claimed = claimed
        self._deps = {} if deps is None else deps
        self._stopping = stopping
        self._database = database
        self._reporter = reporter
        self._durable: Any = None  # the durable operations of the attempt, once it has asked for one

    @property
    def key(self) -> str:
        """The job's key, unique over databases: a random id of the database, and the job's id. It stays the same over
        all attempts: a key by which another service knows a repeated request. Copies of a database share its id.
        """
        return f"{self._database}-{self.id}"

    @property
    def metadata(self) -> dict[str, Any]:
        """What `using(metadata=...)` gave the job; empty if it gave nothing."""
        decoded: dict[str, Any] = json.loads(self._claimed.metadata) if self._claimed.metadata else {}
        return decoded

    @property
    def scheduled_at(self) -> datetime:
        """The time that this attempt was due, UTC."""
        return to_datetime(self._claimed.scheduled_at)

    @property
    def created_at(self) -> datetime:
        """The time that the job was enqueued, UTC."""
        return to_datetime(self._claimed.created_at)

    @property
    def tick(self) -> datetime | None:
        """The instant that a cron job fires for, UTC; None for any other job."""
        return self._claimed.tick_at

    @property
    def label(self) -> str | None:
        """What `using(label=...)` gave the job, or None."""
        return self._claimed.label

    @property
    def is_last_attempt(self) -> bool:
        """Whether a failure now makes the job dead; attempts count from the latest durable operation that ended."""
        attempt = self.attempt if self._durable is None else self._durable.attempt
        return bool(attempt >= self.max_attempts)

    @property
    def stopping(self) -> bool:
        """Whether the runner wants this attempt to end (timeout, cancel, shutdown).

        For a plain `def` handler, which cannot be cancelled: it should read this from time to time, and raise any
        exception to end unfinished. What it returns counts as done.
        """
        return self._stopping is not None and self._stopping.is_set()

    def progress(self, fraction: float | None, text: str | None = None) -> Awaitable[None]:
        """Says how far this attempt is, for `runner.jobs.get` and `handle.watch` in every process.

        It is cheap: at most two a second are written, and the last one with the end of the attempt. An `async def`
        awaits it, which gives the event loop a turn now and then; a plain `def` calls it.

        Args:
            fraction: From 0 to 1; None: it is not known.
            text: What the handler does, of at most 500 characters, or None.

        Raises:
            InvalidOption: If one of them cannot be.
        """
        checked = check_fraction(fraction), check_progress_text(text)
        if self._reporter is not None and self._reporter.progress(self._claimed, *checked):
            return WITH_TURN
        return NO_TURN

    def log(self, line: str) -> None:
        """Keeps a line with the job, for `runner.jobs.log` and `handle.watch`; not awaited.

        Of a job the newest 1,000 lines are kept, each of at most 1,000 characters.

        Raises:
            InvalidOption: If it is no text.
        """
        checked = check_log_line(line)
        if self._reporter is not None:
            self._reporter.log(self._claimed, checked)

    def get(self, wanted: type[T]) -> T:
        """What the runner's `deps=` holds for a type.

        Raises:
            MissingDependency: If it holds nothing.
        """
        try:
            found: T = self._deps[wanted]
        except (KeyError, TypeError):  # TypeError: it is not hashable
            is_per_attempt = wanted in getattr(self._deps, "per_attempt", ())
            raise MissingDependency(
                self.type, wanted, is_per_attempt=is_per_attempt, given_to=self._deps_given_to
            ) from None
        return found

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.type!r} job {self.id} attempt {self.attempt}/{self.max_attempts}>"
