"""What happened in the runners of a test, to be compared with what the test expects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Never

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.event import Event, check_event_name
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.testing.enqueued import EnqueuedJob, Expectation, call_text, lines_of, plain_value
from aiojobs_lite.testing.operations import RanStep, StepCalls


class Records:
    """What was enqueued and sent, and which steps ran.

    Attributes:
        enqueued: The jobs that were enqueued, in their order, whether or not they have run.
        sent: The events that were sent, in their order; none of an `id` that was there.
        steps: The runs of functions of steps, in the order in which they ended.
    """

    def __init__(self) -> None:
        self.enqueued: list[EnqueuedJob] = []
        self.sent: list[Event[Any]] = []
        self._calls = StepCalls()
        self.steps = self._calls.ran

    def assert_enqueued(self, job_type: JobType[..., Any] | str, /, *given: Never, **arguments: Any) -> EnqueuedJob:
        """Checks that a job was enqueued, whether or not it has run.

        Args:
            job_type: The job type, or its name.
            *given: None: arguments are given by name.
            **arguments: Some of its arguments; those that are left out may have any value.

        Returns:
            The first such job.

        Raises:
            AssertionError: If there is none. Its text lists what was enqueued instead.
            InvalidOption: If the handler takes no such argument, or one is given by its position.
        """
        wanted = Expectation(job_type, arguments, given)
        for job in self.enqueued:
            if wanted.fits(job):
                return job
        raise AssertionError(wanted.not_found(self.enqueued))

    def refute_enqueued(self, job_type: JobType[..., Any] | str, /, *given: Never, **arguments: Any) -> None:
        """Checks that no such job was enqueued; see `assert_enqueued`.

        Raises:
            AssertionError: If there is one.
            InvalidOption: If the handler takes no such argument, or one is given by its position.
        """
        wanted = Expectation(job_type, arguments, given)
        found = [job for job in self.enqueued if wanted.fits(job)]
        if found:
            raise AssertionError(wanted.found(found))

    def assert_sent(self, name: str, /, **data: Any) -> Event[Any]:
        """Checks that an event was sent, by whatever sends it: `runner.send`, `ctx.send`, `send_many`.

        Args:
            name: Its name.
            **data: Some of its data; what is left out may be anything.

        Returns:
            The first such event.

        Raises:
            AssertionError: If there is none. Its text lists what was sent instead.
        """
        found = self._sent(name, data)
        if not found:
            shown = sorted(self.sent, key=lambda event: event.name != name)
            instead = f"Sent were:{_lines(shown)}" if shown else "Nothing was."
            raise AssertionError(f"{call_text(name, data)} was not sent. {instead}")
        return found[0]

    def refute_sent(self, name: str, /, **data: Any) -> None:
        """Checks that no such event was sent; see `assert_sent`.

        Raises:
            AssertionError: If there is one.
        """
        found = self._sent(name, data)
        if found:
            raise AssertionError(f"{call_text(name, data)} was sent:{_lines(found)}")

    def assert_step(self, name: str, *, times: int | None = None) -> RanStep:
        """Checks that a step ran, or its replacement. A step whose result is stored is not run by a further attempt.

        Args:
            name: Its name: `fetch` is each use of it, `fetch#2` the second one.
            times: How often it ran; None: at least once.

        Returns:
            Its last run.

        Raises:
            AssertionError: If it ran less or more often. Its text lists the steps that ran.
            InvalidOption: If no operation can have the name, or `times` is less than 1.
        """
        if times is not None and times < 1:
            raise InvalidOption("times", times, "1 or more; refute_step(name) checks that a step did not run")
        found = self._calls.of(name)
        if not found or len(found) != (times or len(found)):
            expected = (
                "it did not run" if times is None else f"expected to run {times} times, it ran {len(found)} times"
            )
            raise AssertionError(f"step {name!r}: {expected}. Steps that ran:{self._calls}")
        return found[-1]

    def refute_step(self, name: str) -> None:
        """Checks that a step did not run; see `assert_step`.

        Raises:
            AssertionError: If it did.
        """
        if self._calls.of(name):
            raise AssertionError(f"step {name!r} ran. Steps that ran:{self._calls}")

    def _sent(self, name: str, data: Mapping[str, Any]) -> list[Event[Any]]:
        wanted = {key: plain_value(value) for key, value in data.items()}
        checked = check_event_name(name)
        return [
            event
            for event in self.sent
            if event.name == checked and all(key in event.data and event.data[key] == wanted[key] for key in wanted)
        ]


def _lines(events: Sequence[Event[Any]]) -> str:
    return lines_of([call_text(event.name, event.data) for event in events])
