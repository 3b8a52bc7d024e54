"""A call that enqueues is wrong: nothing was written."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from typing import Final

from aiojobs_lite.errors.base import AiojobsError
from aiojobs_lite.sizes import (
    LONGEST_PATH_SHOWN_CHARS,
    LONGEST_PROBLEM_SHOWN_CHARS,
    LONGEST_TYPE_NAME_CHARS,
    MOST_PROBLEMS_SHOWN,
    MOST_TYPES_SHOWN,
)
from aiojobs_lite.text import make_storable, show

_REGISTER: Final = "Register it in a runner: JobRunner(jobs=[...])."
_SMALLER: Final = (
    "store the data elsewhere and enqueue its path or key, or declare the job with a larger largest_payload="
)


class EnqueueError(AiojobsError):
    """A call that enqueues is wrong. Nothing was written."""


class UnknownJobType(EnqueueError, LookupError):
    """No job type of this name is registered in this runner or client.

    Attributes:
        job_type: The name that was given.
        known: The known names, sorted.
    """

    def __init__(
        self, job_type: object, known: Iterable[str], advice: str | None = None, problem: str = "is not registered"
    ) -> None:
        if not isinstance(job_type, str):
            job_type = show(job_type)
        self.job_type = job_type
        self.known = tuple(sorted(known))
        close = difflib.get_close_matches(job_type[:LONGEST_TYPE_NAME_CHARS], self.known, n=1)
        shown = ", ".join(self.known[:MOST_TYPES_SHOWN]) + (", ..." if len(self.known) > MOST_TYPES_SHOWN else "")
        advice = f"Did you mean {close[0]!r}?" if close else advice or _REGISTER
        if job_type in self.known:
            advice = "Another handler is registered under this name: enqueue that one."
        super().__init__(f"{show(job_type)} {problem} (known: {shown or 'none'}). {advice}")


class InvalidPayload(EnqueueError, ValueError):
    """The arguments do not fit the handler's signature.

    The values are left out: they may be secret.

    Attributes:
        job_type: The job type called.
        problems: A pair `(path, message)` for each fault, shortened; the path is dotted, such as
            `order.lines.0.price`.
    """

    def __init__(
        self,
        job_type: str,
        problems: Sequence[tuple[str, str]],
        advice: str = "Nothing was enqueued: fix the call.",
    ) -> None:
        self.job_type = job_type
        self.problems = tuple(
            (make_storable(path, LONGEST_PATH_SHOWN_CHARS), make_storable(message, LONGEST_PROBLEM_SHOWN_CHARS))
            for path, message in problems
        )
        super().__init__(f"{job_type!r} cannot take these arguments: {self.summary}. {advice}")

    @property
    def summary(self) -> str:
        """The first ten problems on one line, and how many more there are."""
        more = len(self.problems) - MOST_PROBLEMS_SHOWN
        listed = "; ".join(f"{path}: {message}" for path, message in self.problems[:MOST_PROBLEMS_SHOWN])
        return f"{listed}; and {more:,} more" if more > 0 else listed


class InvalidKey(EnqueueError, ValueError):
    """No key can be made of the payload, which an option of the job type asks for, such as `unique=`.

    Attributes:
        job_type: The job type called.
        problem: Why not.
    """

    def __init__(self, job_type: str, problem: str) -> None:
        self.job_type = job_type
        self.problem = make_storable(problem, LONGEST_PROBLEM_SHOWN_CHARS)
        advice = "Nothing was enqueued: change the arguments, or the key that the job type is declared with."
        super().__init__(f"{job_type!r}: no key can be made of this payload: {self.problem}. {advice}")


class KeyReused(EnqueueError):
    """A job with the same idempotency key has other arguments: the key is for repeating the same call.

    Attributes:
        job_type: The job type called.
        job_id: The id of the other job, or None if the same call makes it.
    """

    def __init__(self, job_type: str, job_id: int | None) -> None:
        self.job_type = job_type
        self.job_id = job_id
        holder = "another job of this call" if job_id is None else f"job {job_id}"
        message = f"{job_type!r}: {holder} has this idempotency key, and other arguments"
        super().__init__(f"{message}. Nothing was enqueued: give each job a key of its own.")


class UniqueConflict(EnqueueError):
    """Another job has the same unique key, and the enqueue may not have its place.

    - `on_conflict` is `"raise"`; or
    - `on_conflict` is `"replace"`, and the other job is no longer pending, or has durable steps.

    Attributes:
        job_type: The job type called.
        job_id: The id of the other job, or None if the same call makes it.
        status: Its status; None if it is not there any more, or not yet.
    """

    def __init__(self, job_type: str, job_id: int | None, status: str | None) -> None:
        self.job_type = job_type
        self.job_id = job_id
        self.status = status
        holder = "another job of this call" if job_id is None else f"job {job_id} ({status or 'pruned'})"
        message = f"{job_type!r}: {holder} has the same unique key"
        super().__init__(f"{message}. Nothing was enqueued: await that job, or enqueue again later.")


class QueueFull(EnqueueError):
    """As many jobs of the type are pending as its `max_pending` allows.

    Attributes:
        job_type: The job type called.
        pending: How many are pending, with those of the same call before this one.
        max_pending: The most allowed.
        retry_after: Seconds until fewer may be pending, by how quickly jobs of the type came to an end lately; infinite
            if the call has more jobs of the type than may be pending at all.
    """

    def __init__(self, job_type: str, pending: int, max_pending: int, retry_after: float) -> None:
        self.job_type = job_type
        self.pending = pending
        self.max_pending = max_pending
        self.retry_after = retry_after
        remedy = f"repeat the call in about {retry_after:.3g} s."
        if retry_after == math.inf:
            remedy = f"the call has more jobs of the type than that. Enqueue at most {max_pending:,} at once."
        super().__init__(
            f"{job_type!r}: pending jobs {pending:,}, of at most {max_pending:,}. Nothing was enqueued: {remedy}"
        )


class PayloadTooLarge(EnqueueError, ValueError):
    """The arguments are too big to be stored.

    Attributes:
        job_type: The job type called.
        size: Size of the payload, in bytes.
        limit: The largest size allowed, in bytes.
    """

    def __init__(self, job_type: str, size: int, limit: int, what: str = "payload", advice: str = _SMALLER) -> None:
        self.job_type = job_type
        self.size = size
        self.limit = limit
        super().__init__(
            f"{job_type!r}: the {what} has {size:,} bytes, at most {limit:,} are allowed. "
            f"Nothing was enqueued: {advice}."
        )


class TransactionRefused(EnqueueError):
    """A job cannot be enqueued in this transaction of the caller. The transaction stands as it was.

    Attributes:
        why: One of `not a connection`, `another database`, `in memory` (the runner's database), `closed`,
            `another thread`, `no transaction`, `read-only`, `no job tables`, `older job tables`, `not usable` (by
            SQLAlchemy, whose words the message has).
    """

    def __init__(self, why: str, advice: str) -> None:
        self.why = why
        super().__init__(f"the job cannot be enqueued in this transaction: {why}. {advice}")
