"""Reacts to what other owners change."""

from __future__ import annotations

import asyncio
from typing import Final

from aiojobs_lite.engine.ports import AttemptStopper, ChangeListener, Looks, Rechecks
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.policy.settle import Stop
from aiojobs_lite.stores.base import Store

_PAGE: Final = 200  # jobs a read: each comes with its payload


class ChangeWatcher:
    """Waits for changes of other owners. After each, jobs may be claimable, awaited jobs finished, and attempts of this
    owner asked to stop.

    Args:
        store: Tells of changes, and is read after them.
        owner: The id of this runner.
        dispatcher: Claims what became claimable.
        waiters: Notifies the callers of jobs that are finished.
        pauses: Reports types that were paused or resumed.
        joined: Reports jobs of transactions of callers that were committed.
        watchers: Look at the jobs that are watched.
        listeners: Look at the events that other programs have sent.
    """

    def __init__(
        self, *, store: Store, owner: str, dispatcher: ChangeListener, waiters: Rechecks, pauses: Looks,
        joined: Rechecks, watchers: ChangeListener, listeners: ChangeListener,
    ) -> None:  # fmt: skip
        self._store = store
        self._owner = owner
        self._dispatcher = dispatcher
        self._waiters = waiters
        self._pauses = pauses
        self._joined = joined
        self._watchers = watchers
        self._listeners = listeners
        self._attempts: AttemptStopper
        self._ticker: ChangeListener
        self._wake = asyncio.Event()
        self._is_changed = False

    def connect(self, *, attempts: AttemptStopper, ticker: ChangeListener) -> None:
        """Sets what stops an attempt that was asked to cancel, and what looks at schedules that others have made."""
        self._attempts = attempts
        self._ticker = ticker

    def look_again(self) -> None:
        """Reacts as to a change, whatever the store says."""
        self._is_changed = True
        self._wake.set()

    async def run(self) -> None:
        """Reacts, until it is cancelled. After a fault it is to be started again, and misses nothing."""
        listening = asyncio.create_task(self._listen(), name="aiojobs_lite changes")
        listening.add_done_callback(lambda _: self._wake.set())
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                if listening.done():
                    self.look_again()  # the store need not report a change twice
                    listening.result()
                    raise RuntimeError("the store does not tell of changes any more")
                if self._is_changed:
                    await self._react()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self) -> None:
        async for _ in self._store.changes():
            self.look_again()

    async def _react(self) -> None:
        self._is_changed = False
        try:
            await self._joined.recheck(self._store)  # first: they are enqueued before they start
            self._dispatcher.look_again()
            self._pauses.look()
            self._watchers.look_again()
            self._listeners.look_again()
            self._ticker.look_again()
            await self._waiters.recheck(self._store)
            if self._attempts.running:
                await self._stop_cancelled()
        except BaseException:
            self.look_again()  # in the next run
            raise

    async def _stop_cancelled(self) -> None:
        """Stops all attempts of this owner that were asked to cancel."""
        before = None
        while True:
            query = FindJobs(owner=self._owner, cancel_requested=True, before=before, limit=_PAGE)
            jobs = await self._store.ask(query)
            for job in jobs:
                self._attempts.stop(job.id, Stop.CANCEL, job.reason)
            if len(jobs) < _PAGE:
                return
            before = jobs[-1].id
