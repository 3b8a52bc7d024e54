"""The parts of one engine, all in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiojobs_lite.engine.committer import Committer
from aiojobs_lite.engine.deaths import Deaths
from aiojobs_lite.engine.dispatcher import Dispatcher
from aiojobs_lite.engine.executor import Executor
from aiojobs_lite.engine.figures import FigureCounter
from aiojobs_lite.engine.janitor import Janitor
from aiojobs_lite.engine.joining import JoinedJobs
from aiojobs_lite.engine.listeners import Listeners
from aiojobs_lite.engine.pauses import PauseMonitor
from aiojobs_lite.engine.ports import Part
from aiojobs_lite.engine.progress import Reports
from aiojobs_lite.engine.recorder import Recorder
from aiojobs_lite.engine.releaser import Releaser
from aiojobs_lite.engine.running import AttemptRegister
from aiojobs_lite.engine.ticker import Ticker
from aiojobs_lite.engine.waiters import Waiters
from aiojobs_lite.engine.watchers import JobWatchers


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an engine as its life knows them.

    Attributes:
        committer: Is flushed and closed.
        dispatcher: Claims while the engine runs.
        executor: Stops attempts.
        attempts: Says what runs.
        recorder: Notifies of ends.
        ticker: Fires while the engine runs.
        janitor: Rescues once before the start is complete.
        releaser: Releases held jobs once before the start is complete.
        waiters: Are notified of the end.
        pauses: Reports what is paused at the start.
        joined: Awaits commits of callers.
        deaths: Has calls of its own that are waited for.
        listeners: Have jobs placed that are held for them, which is waited for.
        reports: Take nothing more when the runner is left.
        watchers: End when the drain begins.
        figures: Are written when the drain begins, and with each end that it brings.
        others: Only run.
    """

    committer: Committer
    dispatcher: Dispatcher
    executor: Executor
    attempts: AttemptRegister
    recorder: Recorder
    ticker: Ticker
    janitor: Janitor
    releaser: Releaser
    waiters: Waiters
    pauses: PauseMonitor
    joined: JoinedJobs
    deaths: Deaths
    listeners: Listeners
    reports: Reports
    watchers: JobWatchers
    figures: FigureCounter
    others: Sequence[Part]

    @property
    def are_idle(self) -> bool:
        """Whether nothing runs, nothing waits to be written, and nothing is due that could run."""
        busy = self.ticker, self.dispatcher, self.committer, self.deaths, self.listeners
        return all(part.is_idle for part in busy)
