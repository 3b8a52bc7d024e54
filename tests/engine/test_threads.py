"""Threads whose start is not waited for."""

from __future__ import annotations

from aiojobs_lite.engine.threads import UnawaitedThread
from tests.helpers.waiting import PATIENCE


def test_a_thread_that_was_called_off_does_nothing_even_if_it_begins_late() -> None:
    done: list[int] = []
    thread = UnawaitedThread(lambda: done.append(1), "late")
    assert thread.call_off()
    thread.start()
    thread.join(PATIENCE)
    assert done == []
    assert not thread.call_off()
