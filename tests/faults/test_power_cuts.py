"""A power cut between any two system calls: with `full` nothing that was acknowledged is lost.

A real life is recorded once for each durability, then cut in many places; of what each cut can leave one state is
drawn, and judged. POWER_CUTS=5000 tries so many. The sample is another one each time, and so is the timing of the
recording: a failure names the recording, and how the cut is brought back from it.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from aiojobs_lite.stores.base import Durability
from tests.helpers.power_cuts import Call, Cut, Mode, cuts, parse, record, state_after
from tests.helpers.power_judge import judge
from tests.helpers.rings import needs_strace, slow

COUNT = int(os.environ.get("POWER_CUTS", "120"))  # of each durability
MUTATED = 60  # cuts at most until a mutation must be found


FOLDER = Path("/there")
LOG = """\
1 openat(AT_FDCWD</else>, "/there/a", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3</there/a>
1 openat(AT_FDCWD</else>, "/elsewhere/a", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 4</elsewhere/a>
1 openat(AT_FDCWD</else>, "/there", O_RDONLY|O_CLOEXEC) = 5</there>
1 pwrite64(4</elsewhere/a>, "\\x00", 1, 0) = 1
1 pwrite64(3</there/a>, "\\x01\\x02", 2, 1) = 2
2 fdatasync(3</there/a> <unfinished ...>
1 pwrite64(3</there/a>, "\\x03", 1, 0 <unfinished ...>
2 <... fdatasync resumed>)        = 0
1 <... pwrite64 resumed>)         = 1
1 ftruncate(3</there/a>, 2) = 0
2 fsync(5</there>) = 0
1 openat(AT_FDCWD</else>, "/there/acknowledged", O_WRONLY|O_CREAT|O_APPEND|O_CLOEXEC, 0600) = 6</there/acknowledged>
1 write(6</there/acknowledged>, "\\x61\\x20\\x31\\x0a", 4) = 4
1 unlink("/there/a") = 0
1 unlink("/there/b") = -1 ENOENT (No such file or directory)
1 openat(AT_FDCWD</else>, "/there/a", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 7</there/a>
1 pwrite64(7</there/a>, "\\x09", 1, 0) = 1
"""


def test_a_recording_is_read_as_calls_with_their_beginning_and_end() -> None:
    calls = parse(LOG.splitlines(), FOLDER)
    assert [(call.begin, call.end, call.what, call.name, call.file) for call in calls] == [
        (0, 0, "create", "a", 0), (4, 4, "write", "a", 0), (5, 7, "sync", "a", 0), (6, 8, "write", "a", 0),
        (9, 9, "truncate", "a", 0), (10, 10, "sync", "", -1), (11, 11, "create", "acknowledged", 1),
        (12, 12, "acknowledge", "acknowledged", 1), (13, 13, "unlink", "a", 0), (15, 15, "create", "a", 2),
        (16, 16, "write", "a", 2),
    ]  # fmt: skip
    assert (calls[1].offset, calls[1].data, calls[4].offset, calls[7].data) == (1, b"\x01\x02", 2, b"a 1\n")


@pytest.mark.parametrize(
    "line",
    [
        '1 rename("/there/a", "/there/b") = 0',
        '1 openat(AT_FDCWD</else>, "/there/a", O_WRONLY|O_CREAT|O_TRUNC, 0600) = 3</there/a>',
        "1 fallocate(3</there/a>, 0, 0, 4096) = 0",
        '1 write(3</there/a>, "\\x00", 1) = 1',
    ],
)
def test_a_call_that_the_model_does_not_know_is_not_passed_over(line: str) -> None:
    with pytest.raises(AssertionError, match="does not know"):
        parse([*LOG.splitlines()[:1], line], FOLDER)


def left(at: int) -> set[tuple[tuple[str, bytes], ...]]:
    """All that a cut can leave, as far as many seeds find it."""
    calls = parse(LOG.splitlines(), FOLDER)
    states = [state_after(calls, Cut(at, seed)) for seed in range(600)]
    return {tuple(sorted(state.files.items())) for state in states}


def test_what_was_synced_is_there_and_all_else_may_be() -> None:
    first, both, short = b"\x00\x01\x02", b"\x03\x01\x02", b"\x00\x01"
    assert left(0) == {()}
    assert left(5) == {(), (("a", b""),), (("a", first),)}
    assert left(7) == {(), (("a", b""),), (("a", first),), (("a", b"\x03"),), (("a", both),)}  # not yet returned
    assert left(8) == {(), (("a", first),), (("a", both),)}
    assert left(11) == {(("a", content),) for content in (first, both, short, b"\x03\x01")}
    assert left(16) > {(), (("a", b""),), (("a", both),)}
    assert (("a", b"\x09"),) in left(17)


def test_the_mutations_leave_out_syncs() -> None:
    calls = [Call(0, 0, "create", "jobs.db-wal", 0), Call(1, 1, "write", "jobs.db-wal", 0, 0, b"1")]
    calls += [Call(2, 2, "sync", "jobs.db-wal", 0), Call(3, 3, "sync", "", -1)]

    def left_by(mode: Mode) -> set[tuple[bytes, ...]]:
        return {tuple(state_after(calls, Cut(9, seed, mode)).files.values()) for seed in range(100)}

    assert left_by("kept") == left_by("database") == {(b"1",)}
    assert left_by("log") == {(b"",), (b"1",)}
    assert left_by("folder") == {(), (b"1",)}


def test_a_write_is_torn_between_sectors() -> None:
    data = bytes([1]) * 512 + bytes([2]) * 512
    calls = [Call(0, 0, "create", "a", 0), Call(1, 1, "sync", "", -1), Call(2, 2, "write", "a", 0, 512, data)]
    found = {state_after(calls, Cut(9, seed)).files["a"] for seed in range(600)}
    hole = bytes(512)
    assert found >= {b"", hole + data, hole + data[:512], hole + hole + data[512:]}
    assert all(len(content) % 512 == 0 for content in found)


class Recording(NamedTuple):
    """A life that was recorded."""

    path: Path
    calls: list[Call]


class Recordings:
    """The recording of each durability, made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[Durability, Recording] = {}

    def of(self, durability: Durability) -> Recording:
        if durability not in self._made:
            folder = self._folder / durability
            folder.mkdir()
            path = record(folder, durability)
            self._made[durability] = Recording(path, parse(path.read_text().splitlines(), folder / "life"))
        return self._made[durability]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    return Recordings(tmp_path_factory.mktemp("power"))


async def first_problem(
    recording: Recording, folder: Path, promise: Durability, count: int, mode: Mode = "kept"
) -> str | None:
    """Judges so many cuts; the first problem, with all that is needed to see it again."""
    for number, cut in enumerate(cuts(recording.calls, count, random.Random(random.getrandbits(32)), mode)):
        state = state_after(recording.calls, cut)
        place = folder / str(number)
        problem = await judge(state, place, promise)
        if problem is not None:
            return f"{problem}\n{story(recording, cut, state.story)}"
    return None


def story(recording: Recording, cut: Cut, files: Sequence[str]) -> str:
    """What happened before a cut, what it left, and how it is brought back."""
    latest = [str(call) for call in recording.calls if call.begin < cut.at][-12:]
    again = f"{cut.at} {cut.seed} {cut.mode}"
    return "\n".join([
        "The latest calls before the cut:", *latest, "What it left:", *files,
        f"python -m tests.helpers.power_cuts {recording.path} NEW_FOLDER {again}",
    ])  # fmt: skip


@slow
@needs_strace
@pytest.mark.parametrize("durability", ["full", "normal"])
async def test_what_a_cut_leaves_is_sound_and_as_promised(
    recordings: Recordings, tmp_path: Path, durability: Durability
) -> None:
    problem = await first_problem(recordings.of(durability), tmp_path, durability, COUNT)
    assert problem is None, problem


@slow
@needs_strace
@pytest.mark.parametrize(
    ("recorded", "promise", "mode"),
    [
        ("normal", "full", "kept"),
        ("full", "full", "log"),
        ("full", "full", "folder"),
        ("full", "full", "database"),
        ("normal", "normal", "database"),
    ],
)
async def test_a_missing_sync_is_found(
    recordings: Recordings, tmp_path: Path, recorded: Durability, promise: Durability, mode: Mode
) -> None:
    problem = await first_problem(recordings.of(recorded), tmp_path, promise, MUTATED, mode)
    assert problem is not None
    sys.stdout.write(problem)
