"""The reports of a handler in a worker process: few messages, the last before the answer, none after it."""

from __future__ import annotations

import asyncio
import pickle
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobContext, current_job, injected
from aiojobs_lite.engine import child_reports as module
from aiojobs_lite.engine.child_reports import LENGTH_BYTES, ChildReport, ChildReporter, packed
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.calls import in_process, started
from tests.helpers.engine import claimed
from tests.helpers.pauses import poll
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE

JOB = claimed(1, "a")


class Channel:
    """A channel whose messages the test reads."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self._read = bytearray()
        self.ours.setblocking(False)
        self.reporter = ChildReporter(self.theirs)

    def messages(self) -> list[Any]:
        """What has come since the last call."""
        try:
            self._read += self.ours.recv(2**20)
        except BlockingIOError:
            return []
        found = []
        while self._read:
            length = int.from_bytes(self._read[:LENGTH_BYTES], "big")
            found.append(pickle.loads(self._read[LENGTH_BYTES : LENGTH_BYTES + length]))
            del self._read[: LENGTH_BYTES + length]
        return found


@pytest.fixture
def channel() -> Iterator[Channel]:
    made = Channel()
    yield made
    made.ours.close()
    made.theirs.close()


def test_the_first_report_goes_at_once_and_later_ones_together(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEND_EVERY_S", PATIENCE)
    reporter = channel.reporter
    assert reporter.progress(JOB, 0.1, "one") is False
    assert channel.messages() == [ChildReport(True, 0.1, "one", ())]
    for number in range(50):
        reporter.progress(JOB, number / 50, None)
        reporter.log(JOB, str(number))
    assert channel.messages() == []
    reporter.close()
    assert channel.messages() == [ChildReport(True, 0.98, None, tuple(map(str, range(50))))]
    reporter.log(JOB, "late")
    reporter.progress(JOB, 1.0, None)
    reporter.close()
    assert channel.messages() == []


def test_a_report_goes_by_itself_when_its_time_has_come(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEND_EVERY_S", 0.02)
    channel.reporter.log(JOB, "a")
    channel.reporter.log(JOB, "b")
    found = list[Any]()

    def have_come() -> bool:
        found.extend(channel.messages())
        return len(found) == 2

    poll(have_come, PATIENCE)
    assert found == [ChildReport(False, None, None, ("a",)), ChildReport(False, None, None, ("b",))]
    channel.reporter.close()


def test_many_lines_are_sent_before_their_time(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEND_EVERY_S", PATIENCE)
    for number in range(250):
        channel.reporter.log(JOB, str(number))
    assert [len(message.lines) for message in channel.messages()] == [1, 100, 100]
    channel.reporter.close()


def test_a_runner_that_is_gone_is_no_fault_of_the_handler(channel: Channel) -> None:
    channel.ours.close()
    assert channel.reporter.progress(JOB, 0.1, None) is False  # too late, and no error
    channel.reporter.close()


def test_a_message_says_how_long_it_is() -> None:
    data = packed((1, 2))
    assert int.from_bytes(data[:LENGTH_BYTES], "big") == len(data) - LENGTH_BYTES


def far(note: str, ctx: JobContext = injected) -> str:
    """Reports, and waits until that is known; then reports more than fits a message."""
    ctx.progress(0.5, "half")
    ctx.log("first")
    poll(Path(note).exists, PATIENCE)
    job = current_job()
    assert job is ctx
    for number in range(150):
        job.log(f"line {number}")
    ctx.progress(0.9)
    return "done"


@slow
async def test_a_handler_in_a_process_reports_while_it_runs_and_before_its_end(tmp_path: Path) -> None:
    reporting, note = in_process(far), tmp_path / "note"
    async with asyncio.timeout(3 * PATIENCE), started(FakeClock(), reporting) as runner:
        handle = await runner.enqueue(reporting, str(note))
        async for change in handle.watch():
            if change.progress is not None and not note.exists():
                assert (change.progress.fraction, change.progress.text) == (0.5, "half")
                note.write_text("seen")
        assert await handle.result() == "done"
        job, log = await handle.job(), await runner.jobs.log(handle.id)
        assert job.progress is not None
        assert job.progress.fraction == 0.9
        assert [line.text for line in log.lines] == ["first", *(f"line {number}" for number in range(150))]
